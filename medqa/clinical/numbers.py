"""Numbers as medical text writes them: 1,000 and 10 000, 0,5 and .5, ½, two and a half, 2.4 million, 10⁹."""

import re
from fractions import Fraction

# Characters of the same meaning, one for one, so that positions stay: dashes, spaces, mu, degrees, times.
EVEN = str.maketrans(
    dict.fromkeys("‐‑‒–—−﹣－", "-")
    | dict.fromkeys("\u00a0\u2007\u2009\u200a\u202f\t\r\n\v\f", " ")
    | {"μ": "µ", "º": "°", "˚": "°", "×": "x", "·": ".", "∙": ".", "≧": "≥", "≦": "≤", "⩾": "≥", "⩽": "≤"}
    | {"％": "%", "⁄": "/", "∕": "/", "’": "'"}
)


def even(text: str) -> tuple[str, str]:
    """The text with one form of each dash, space and sign, in its own letter case and in lower case."""
    raw = text.translate(EVEN)
    lower = raw.lower()
    if len(lower) != len(raw):
        # A few capitals (İ) have two characters in lower case; they are left as they are.
        lower = "".join(character.lower() if len(character.lower()) == 1 else character for character in raw)
    return raw, lower


_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
WORDS = {word: Fraction(number) for number, word in enumerate(_ONES)}
WORDS |= {word: Fraction(10 * number) for number, word in enumerate(_TENS, start=2)}
WORDS |= {"hundred": Fraction(100), "half": Fraction(1, 2)}
MARKS = {
    "½": Fraction(1, 2), "¼": Fraction(1, 4), "¾": Fraction(3, 4), "⅓": Fraction(1, 3), "⅔": Fraction(2, 3),
    "⅛": Fraction(1, 8),
}  # fmt: skip
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
# A numeral longer than this is no measurement, and Python refuses to read one of thousands of digits.
MOST_DIGITS = 30

# Groups of thousands; a decimal comma (0,5 or 0,125 or 2,5, but 1,500 is grouped); a decimal point, with or
# without the zero before it. A second point makes it a section or a version: 1.2.3.
NUMERAL = re.compile(
    r"(?:(?P<grouped>[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?|[1-9][0-9]{0,2}(?: 000)+)(?![0-9]|,[0-9])"
    r"|(?P<comma>0,[0-9]+|[0-9]+,[0-9]{1,2})(?![0-9]|,[0-9])"
    r"|(?P<plain>[0-9]+(?:\.[0-9]+)?|\.[0-9]+))(?!\.[0-9])"
)
FRACTION = re.compile(r"(?:([0-9]{1,3})[ -])?([1-9])/([2-9])(?![0-9/.])(?=[ -](?!hourly))")
MARK = re.compile(r"([0-9]{1,3})? ?([½¼¾⅓⅔⅛])")
SCALE = re.compile(r"[ -]?(hundred|thousand|million|billion)(?![a-z])")
POWER = re.compile(r" ?x ?10 ?(?:\^ ?\(?([0-9]{1,2})\)?|\(([0-9]{1,2})\)|([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2}))")
WORD = re.compile(r"[a-z]+")
ONES = re.compile(r"[ -]([a-z]+)")
ARTICLE = re.compile(r" (?:of )?an?(?![a-z])")
AND_HALF = re.compile(r" and (?:a|one)[ -]half(?![a-z])")
# "10^6" and "10⁶", which POWER reads only after a factor.
BARE_POWER = re.compile(r"10(?: ?\^ ?\(?([0-9]{1,2})\)?|([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2}))")
# "one-half", "three quarters"
PART = re.compile(r"[ -](half|halves|quarters?)(?![a-z])")
# A number in words and again in digits, as prescriptions have it: "six (6) weeks".
IN_DIGITS = re.compile(r" ?\(([0-9]{1,3})\)")


def read_number(text: str, start: int) -> tuple[Fraction, int] | None:
    """The number that begins at `start` of an evened, lower-case text, and where it ends."""
    if (mark := MARK.match(text, start)) is not None:
        return Fraction(mark.group(1) or 0) + MARKS[mark.group(2)], mark.end()
    if (part := FRACTION.match(text, start)) is not None and int(part.group(2)) < int(part.group(3)):
        value = Fraction(part.group(1) or 0) + Fraction(int(part.group(2)), int(part.group(3)))
        return value, _skip_article(text, part.end())
    if (power := BARE_POWER.match(text, start)) is not None:
        exponent = power.group(1) or power.group(2).translate(SUPERSCRIPTS)
        return Fraction(10 ** int(exponent)), power.end()
    if (numeral := NUMERAL.match(text, start)) is None:
        return _read_words(text, start)
    digits = numeral.group()
    if len(digits) > MOST_DIGITS:
        return None
    digits = digits.replace(",", ".") if numeral.group("comma") else digits.replace(",", "").replace(" ", "")
    value, end = Fraction(digits), numeral.end()
    if (power := POWER.match(text, end)) is not None:
        exponent = next(group for group in power.groups() if group is not None)
        return value * 10 ** int(exponent.translate(SUPERSCRIPTS)), power.end()
    return _scaled(text, value, end)


def _read_words(text: str, start: int) -> tuple[Fraction, int] | None:
    """ "two", "twenty-five", "one hundred", "one and a half", "half a" """
    word = WORD.match(text, start)
    if word is None or word.group() not in WORDS:
        return None
    value, end = WORDS[word.group()], word.end()
    if word.group() == "half":
        return value, _skip_article(text, end)
    if 1 <= value <= 3 and (part := PART.match(text, end)) is not None:
        return value / (2 if part.group(1).startswith("hal") else 4), _skip_article(text, part.end())
    if 20 <= value < 100 and (following := ONES.match(text, end)) is not None:
        ones = WORDS.get(following.group(1), Fraction(0))
        if 0 < ones < 10 and ones.denominator == 1:
            value, end = value + ones, following.end()
    if (half := AND_HALF.match(text, end)) is not None:
        return value + Fraction(1, 2), half.end()
    if (again := IN_DIGITS.match(text, end)) is not None and int(again.group(1)) == value:
        return value, again.end()
    return _scaled(text, value, end)


def _scaled(text: str, value: Fraction, end: int) -> tuple[Fraction, int]:
    scale = SCALE.match(text, end)
    return (value, end) if scale is None else (value * SCALES[scale.group(1)], scale.end())


def _skip_article(text: str, end: int) -> int:
    """After "half" and "1/2": "half a tablet", "1/2 of a tablet"."""
    article = ARTICLE.match(text, end)
    return end if article is None else article.end()


def show(value: Fraction) -> str:
    """A fraction as a decimal when twelve places hold it, else as it is: "0.125", "1/3"."""
    scaled = value * 10**12
    if scaled.denominator != 1:
        return str(value)
    digits = f"{abs(scaled.numerator):013d}"
    text = f"{digits[:-12]}.{digits[-12:]}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 else text
