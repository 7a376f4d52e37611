"""Numbers as medical text writes them: 1,000 and 10 000, 0,5 and .5, ½, two and a half, 2.4 million, 10⁹."""

import re
from fractions import Fraction

# How much of an amount rounding may change.
TOLERANCE = Fraction(3, 100)
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
COUNTS = {word: number for number, word in enumerate(_SMALL)}
COUNTS |= {word: 10 * number for number, word in enumerate(_TENS, start=2)}
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
# Also after a numeral.
SCALES_AFTER = SCALES | {"mio": 10**6, "dozen": 12}
ORDINALS = {word: number for number, word in enumerate((
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
), start=1)}  # fmt: skip
CARDINALS = COUNTS.keys() | SCALES.keys()
# Words that a number begins with; what comes before "thousand" in "a thousand" need not be read.
WORDS = {**COUNTS, **SCALES, "dozen": 12, "couple": 2, "pair": 2}
PARTS = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10,
    "hundredth": 100, "thousandth": 1000,
}  # fmt: skip
_PART = "|".join(PARTS)
WORDS |= {part: Fraction(1, of) for part, of in PARTS.items()} | {"point": 0}
COUNTS["nought"] = 0
WORDS["nought"] = 0
MARKS = {
    "½": Fraction(1, 2), "¼": Fraction(1, 4), "¾": Fraction(3, 4), "⅓": Fraction(1, 3), "⅔": Fraction(2, 3),
    "⅛": Fraction(1, 8),
}  # fmt: skip
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
# Longer numerals are not measurements; Python refuses to parse thousands of digits.
MOST_DIGITS = 30
MOST_WORDS = 12

# Groups of thousands; a decimal comma (0,5 or 0,125 or 2,5, but 1,500 is grouped); a decimal point, with or
# without the zero before it. A second point makes it a section or a version: 1.2.3.
NUMERAL = re.compile(
    r"(?:(?P<grouped>[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?"
    r"|[1-9][0-9]{0,2}(?:(?: [0-9]{3})* 000|(?: [0-9]{3}){2,}"
    # "1 500 mIU/mL", but not "2 500 mg tablets"
    r"|(?: [0-9]{3})(?= ?(?:m?i?u|ui|ie|[mµn]mol|[mµnp]g|(?:[a-z]+[ -])*units?|milligrams?|copies|cells)"
    r" ?(?:/|per )(?:m?l|dl|µl|(?:milli|deci|micro)?lit(?:er|re))(?![a-z]))))(?![0-9]|,[0-9])"
    r"|(?P<points>[1-9][0-9]{0,2}(?:\.000)+)(?= ?(?:ie|iu|ui|einheiten)\b)"
    r"|(?P<comma>0,[0-9]+|[0-9]+,[0-9]{1,2})(?![0-9]|,[0-9])"
    r"|(?P<plain>[0-9]+(?:\.[0-9]+)?|\.[0-9]+))(?!\.[0-9])"
)
FRACTION = re.compile(r"(?:([0-9]{1,3})[ -])?([1-9])/([2-9])(?![0-9/.])(?=[ -](?!hourly))")
MARK = re.compile(r"([0-9]{1,3})? ?([½¼¾⅓⅔⅛])")
SCALE = re.compile(r"[ -]?(hundred|thousand|million|mio|billion|dozen)(?![a-z])")
DOZEN = re.compile(r"half (?:a )?dozen(?![a-z])")
COUPLE = re.compile("(?:couple|pair) of(?= )")
# "5k units", "150k/µL"
KILO = re.compile(r" ?k(?= ?(?:units?|iu|u|ui|ie|international|cells|copies)(?![a-z])|/)")
POWER = re.compile(
    r" ?x ?10 ?(?:(?:\^|\*\*?|e) ?\(?([0-9]{1,2})\)?|\(([0-9]{1,2})\)|([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2})"
    # "50 x 109/L", whose exponent has lost its place
    r"|(9|12)(?=/l(?![a-z])))"
)
WORD = re.compile(r"[a-z]+")
# The next word of a number: "hundred and fifty", "twenty-five".
NEXT = re.compile(r"(?:,? and |-and-|[ -])([a-z]+)")
POINT = re.compile(
    r"[ -]?point((?:[ -](?:zero|oh|one|two|three|four|five|six|seven|eight|nine)){1,6})(?![a-z])"
)
ARTICLE = re.compile(r" (?:of )?an?(?![a-z])| of (?=one(?![a-z])|the(?![a-z]))")
A_PART = re.compile("an? (half|third|quarter|tenth)(?![a-z])")
AND_PART = re.compile(r"[ -]and[ -](?:(a|one|three)[ -])?(half|quarters?)(?![a-z])")
# "10^6" and "10⁶", which POWER reads only after a factor.
BARE_POWER = re.compile(r"10(?: ?\^ ?\(?([0-9]{1,2})\)?|([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2}))")
# "one-half", "three quarters"
PART = re.compile(rf"[ -]({_PART})s?(?![a-z])(?= of |-| (?:an?|the) | (?:tablet|capsule|dose|pill|cup)|$)")
# A number in words and again in digits, as prescriptions have it: "six (6) weeks".
IN_DIGITS = re.compile(r" ?\(([0-9]{1,3}(?:,[0-9]{3})*|[0-9]{1,6})\)")


_WORD = "|".join(sorted({*COUNTS, *SCALES}, key=len, reverse=True))
# Numbers in words or digits, for patterns of other modules; `read_number` reads what they match.
IN_WORDS = (
    rf"(?:half a dozen|dozen|couple of|(?:{_WORD})"
    rf"(?:(?:(?<=hundred) and |(?<=thousand) and |[ -])(?:{_WORD}))*)"
)
PHRASE = (
    rf"(?:(?:[0-9]{{1,3}}|{_WORD}) and (?:an? |one )?(?:half|quarter)"
    r"|(?:an?|one|two|three)[ -](?:half|thirds?|quarters?)|[1-9]/[1-9]|[0-9]{0,2}[½¼¾⅓⅔]"
    rf"|[0-9]{{1,3}}(?:\.[0-9]+)?|{IN_WORDS}|half)"
)


def parse(digits: str) -> int | Fraction:
    """The exact value of "12" or "0.5"."""
    return int(digits) if digits.isdigit() else quotient(Fraction(digits), 1)


def quotient(above: int | Fraction, below: int | Fraction) -> int | Fraction:
    """The exact quotient: an int where it is whole, which Python computes with ten times as fast."""
    value = Fraction(above, below)
    return value.numerator if value.denominator == 1 else value


def is_close(one: Fraction, other: Fraction, tolerance: Fraction = TOLERANCE) -> bool:
    """Whether two amounts are the same up to rounding."""
    # Without a product of fractions, which takes several times as long as one of whole numbers.
    return abs(one - other) * tolerance.denominator <= tolerance.numerator * max(abs(one), abs(other))


def read_number(text: str, start: int) -> tuple[Fraction, int] | None:
    """The number that begins at `start` of an evened, lower-case text, and where it ends."""
    if (mark := MARK.match(text, start)) is not None:
        return int(mark.group(1) or 0) + MARKS[mark.group(2)], mark.end()
    if (part := FRACTION.match(text, start)) is not None and int(part.group(2)) < int(part.group(3)):
        value = int(part.group(1) or 0) + Fraction(int(part.group(2)), int(part.group(3)))
        return value, _skip_article(text, part.end())
    if (power := BARE_POWER.match(text, start)) is not None:
        exponent = power.group(1) or power.group(2).translate(SUPERSCRIPTS)
        return 10 ** int(exponent), power.end()
    if (numeral := NUMERAL.match(text, start)) is None:
        return _read_words(text, start)
    digits = numeral.group()
    if len(digits) > MOST_DIGITS:
        return None
    digits = digits.replace(".", "") if numeral.group("points") else digits
    digits = digits.replace(",", ".") if numeral.group("comma") else digits.replace(",", "").replace(" ", "")
    value, end = parse(digits), numeral.end()
    if (power := POWER.match(text, end)) is not None:
        exponent = next(group for group in power.groups() if group is not None)
        return value * 10 ** int(exponent.translate(SUPERSCRIPTS)), power.end()
    return _scaled(text, value, end)


def _read_words(text: str, start: int) -> tuple[Fraction, int] | None:
    """ "two", "one hundred and twenty-five", "zero point five", "one and a half", "half a" """
    if (part := A_PART.match(text, start)) is not None:
        return WORDS[part.group(1)], _skip_article(text, part.end())
    word = WORD.match(text, start)
    if word is None or word.group() not in WORDS:
        return None
    first, end = word.group(), word.end()
    if first == "half" and (dozen := DOZEN.match(text, start)) is not None:
        return 6, dozen.end()
    if first in ("couple", "pair"):
        couple = COUPLE.match(text, start)
        return None if couple is None else (WORDS[first], couple.end())
    if first in PARTS:  # "half a tablet", "a tenth of a gram", but not "the third day"
        after = _skip_article(text, end)
        return None if after == end and first not in ("half", "quarter") else (WORDS[first], after)
    if first in ("one", "two", "three", "four") and (part := PART.match(text, end)) is not None:
        return quotient(WORDS[first], PARTS[part.group(1)]), _skip_article(text, part.end())
    if first == "point":
        value = 0
        end = start
    elif first == "dozen":
        value = WORDS[first]
    else:
        value, end = _cardinal(text, start)
    if (point := POINT.match(text, end)) is not None:
        digits = "".join(str(COUNTS.get(digit, 0)) for digit in WORD.findall(point.group(1)))
        value, end = value + Fraction(int(digits), 10 ** len(digits)), point.end()
    elif first == "point":
        return None
    if (part := AND_PART.match(text, end)) is not None:
        count = 3 if part.group(1) == "three" else 1
        return _scaled(text, value + Fraction(count, 2 if part.group(2) == "half" else 4), part.end())
    if (again := IN_DIGITS.match(text, end)) is not None and int(again.group(1).replace(",", "")) == value:
        return value, again.end()
    return _scaled(text, value, end)


def _cardinal(text: str, start: int) -> tuple[Fraction, int]:
    """A whole number in words: "twelve hundred", "two hundred and fifty thousand", "forty-eight".

    A word that does not continue the number ends it: "one hundred and two hundred" begins with 100.
    """
    words: list[tuple[str, int, bool]] = []
    match = WORD.match(text, start)
    while (
        match is not None and len(words) < MOST_WORDS and (word := match[match.lastindex or 0]) in CARDINALS
    ):
        words.append((word, match.end(), "and" in match.group()[:6]))
        match = NEXT.match(text, match.end())
    total, part, end = 0, 0, start
    for place, (word, word_end, after_and) in enumerate(words):
        following = words[place + 1][0] if place + 1 < len(words) else ""
        if word in SCALES:
            scale = SCALES[word]
            if (scale == 100 and part >= 100) or (place and after_and) or (total and scale > total):
                break
            part = (part or 1) * scale
            if scale > 100:
                total, part = total + part, 0
        else:
            count = COUNTS[word]
            room = 10 if part % 100 >= 20 and part % 10 == 0 else 100 if part % 100 == 0 else 0
            # "one hundred and two hundred" are two numbers, "one hundred and two thousand" is one.
            splits = after_and and following in SCALES and (following == "hundred" or part < 100)
            joined = place == 0 or (total or part >= 20) and (not after_and or total or part >= 100)
            if not joined or not count < room or (place and not count) or splits:
                break
            part += count
        end = word_end
    return total + part, end


def _scaled(text: str, value: Fraction, end: int) -> tuple[Fraction, int]:
    """A number times the scale after it: "2.4 million", "5k units"."""
    if (scale := SCALE.match(text, end)) is not None:
        return value * SCALES_AFTER[scale.group(1)], scale.end()
    kilo = KILO.match(text, end)
    return (value, end) if kilo is None else (value * 1000, kilo.end())


def _skip_article(text: str, end: int) -> int:
    """After "half" and "1/2": "half a tablet", "1/2 of a tablet"."""
    article = ARTICLE.match(text, end)
    return end if article is None else article.end()


def show(value: Fraction) -> str:
    """A fraction as a decimal of at most twelve places, else as a fraction: "0.125", "1/3"."""
    scaled = value * 10**12
    if scaled.denominator != 1:
        return str(value)
    digits = f"{abs(scaled.numerator):013d}"
    text = f"{digits[:-12]}.{digits[-12:]}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 else text
