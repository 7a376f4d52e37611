"""Reduces a question to its words, so that questions that differ only in spelling have the same form.

A prepared folder records the version of its normal form, because record ids are hashes of it; a folder
without that record has version 1. Version 2 also distinguishes minus signs ("T-score of -2.5"), trailing
signs ("HER2-"), exponents ("10⁶" and "106"), percent signs, arrows and ".5", and separates the characters of
scripts that are written without spaces. Version 3 also distinguishes dashes after a marker ("HER2 –", "HIV-
and HCV+", "ER-PR+"), a minus sign with a space ("T-score - 2.5"), primes ("5'" and "5"), subscripts between
digits, "+/-" and more mathematical symbols.
"""

import re
import unicodedata

VERSION = 3

# Symbols that change the meaning of a question: "HER2+", "INR > 3". All others count as punctuation.
MEANINGFUL_SYMBOLS = {1: "<>=≤≥±+", 2: "<>=≤≥±+≠%‰↑↓♀♂", 3: "<>=≤≥±+≠%‰↑↓♀♂×÷≈→←↔≪≫√∞$€£¥"}
# Removed without a gap, so that "Crohn's" is "Crohns".
APOSTROPHES = "'’‘ʼ`´"
# Part of a number between two digits ("0.5 mg", "1:1000", "120/80"); punctuation elsewhere.
IN_NUMBERS = ".,:/"
OUTSIDE_NUMBERS = re.compile(r"(?<!\d)[.,:/]|[.,:/](?!\d)")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")

# ---- version 2 ----
# Thai, Lao, Myanmar, Khmer, kana and Chinese have no spaces between words, so each character is a word.
UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff])"
)
# What the rules below are about; most questions have none of it.
SIGNS = re.compile(r"[-–‐‑−﹣－⁻⁰¹²³⁴-⁹^¼-¾⅐-⅞]|\.\d")
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
EXPONENT = re.compile(r"(?<=\d)(⁻?)⁺?([⁰¹²³⁴-⁹]+)")
CARET = re.compile(r"(?<=\d)\s?\^\s?\(?(-?)\+?(?=\d)")
VULGAR_FRACTION = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
HYPHEN = re.compile("[‐‑−﹣－⁻]")
# "-2.5" is a number below zero, unless another number precedes it: "2-5" and "2 -5" are ranges.
BELOW_ZERO = re.compile(r"(\d[\s.,:)%]*)?(?<!\w)[-–](?=\.?\d)")
# A hyphen at the end of a word is punctuation in "pre- and postoperative", and a minus sign in "HER2-".
HANGING_HYPHEN = re.compile(
    r"(?<=[^\W\d_]{3})-(?=\s*[,/]|\s+(?:and|or|to|und|oder|bis|et|ou|y|o|e)\b)", re.IGNORECASE
)
TRAILING_MINUS = re.compile(r"(?<=\w)-(?![\w-])|(?<=\()-(?=\))")
LEADING_POINT = re.compile(r"(?<![\w.,:/])\.(?=\d)")

# ---- version 3: what it changes before the rules of version 2 ----
MORE_SIGNS = re.compile(r"[-–‐‑‒−﹣－∆≧≦⩾⩽′″]|\d['’‘ʼ´]|[<>]=|\d[₀-₉]|[₀-₉]\d")
OTHER_WRITING = {
    **dict.fromkeys("‐‑−﹣－", "-"), "‒": "–", "∆": "Δ", "″": "′′", "+/-": "±", "+/−": "±", "+/–": "±",
    ">=": "≥", "≧": "≥", "⩾": "≥", "<=": "≤", "≦": "≤", "⩽": "≤",
}  # fmt: skip
OTHER_WRITINGS = re.compile("|".join(map(re.escape, sorted(OTHER_WRITING, key=len, reverse=True))))
BETWEEN_DIGITS = re.compile(r"(?<=\d)(?=[₀-₉])|(?<=[₀-₉])(?=\d)")
# An apostrophe after a digit is a prime in "5'-nucleotidase", and punctuation in "'type 2'" and "the 90's".
PRIME = re.compile(r"((?<!\w)['‘][^'’‘]*['’](?!\w))|′|(?<=\d)['’‘ʼ´](?![^\W\d_])")
# Markers: letters with a digit (HER2, cd20), or capital letters (ER, HIV).
_MARKER = r"(?<![\w\-–])((?=[a-z]*\d)(?=\d*[a-z])[a-z\d]{2,8}|(?-i:[A-Z]{%d,6}))"
LOOSE_DASH = re.compile(r"[-–](?!\w)|(?<!\w)[-–]")
# A sign: "HER2 –" and "HIV-" at the end of a phrase, "HER2 – breast cancer"; a dash: "MRI – what is it?"
SIGN_AT_END = re.compile(
    _MARKER % 1 + r"(?:\s?[-–](?=\s*(?:[,;/|)\]?!.:]|$))|[-–](?=\s+(?:and|or|und|oder|et|ou|y|o)\b))",
    re.IGNORECASE,
)
SIGN_BEFORE_WORD = re.compile(
    _MARKER
    % 2
    + r"\s[-–](?=\s+(?!\d|(?:what|how|why|when|which|who|where|is|are|was|were|can|should|do|does)\b"
    r"|neg|pos|low|high|mut|wild|status)\w)",
    re.IGNORECASE,
)
DASH_AT_END = re.compile(r"(?<=\w)–(?![\w–\-])")
# "ER-PR+" is "ER-, PR+": a hyphen between markers, the second of which has a sign.
SIGN_BETWEEN = re.compile(r"(?<=[A-Z\d])-(?=[A-Z][A-Za-z\d]{0,7}[+\-](?!\w|-\w))")
SPACED_MINUS = re.compile(r"(\d[\s.,:)%]*)?(?<!\w)[-–]\s+(?=\.?\d)")


class _Separators(dict[int, str]):
    """A table for `str.translate` that turns other characters than letters, marks and digits into spaces.

    Entries are added when a character is first seen.
    """

    def __init__(self, symbols: str) -> None:
        self.symbols = symbols

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in self.symbols:
            self[code] = f" {character} "
        elif character in APOSTROPHES:
            self[code] = ""
        elif character in IN_NUMBERS or unicodedata.category(character)[0] in "LMN":
            self[code] = character
        else:
            self[code] = " "
        return self[code]


_SEPARATORS = {version: _Separators(symbols) for version, symbols in MEANINGFUL_SYMBOLS.items()}


def normal_form(question: str, version: int = VERSION) -> str:
    """The words of a question, joined by spaces, without case, punctuation and differences in Unicode form.

    Questions with the same normal form are twins. A decimal point is kept: "0.5 mg" is not "5 mg".
    """
    text = question
    has_signs = not text.isascii() or "-" in text or "'" in text or "=" in text
    if version > 2 and has_signs and MORE_SIGNS.search(text):
        text = _more_signs_as_words(text)
    if version > 1 and SIGNS.search(text):
        text = _signs_as_words(text)
    if text.isascii():
        text = text.lower()
    else:
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        if version > 1:
            text = spaced(text.replace("\N{FRACTION SLASH}", "/"))
    text = text.translate(_SEPARATORS[version])
    if any(sign in text for sign in IN_NUMBERS):
        text = OUTSIDE_NUMBERS.sub(" ", THOUSANDS.sub("", text))
    return " ".join(text.split())


def spaced(text: str) -> str:
    """A text with spaces around each character of the scripts without spaces, which counts as a word."""
    return UNSPACED.sub(r" \1 ", text)


def _signs_as_words(text: str) -> str:
    """Write minus signs and exponents as words, and decimal fractions with a leading zero."""

    def exponent(match: re.Match[str]) -> str:
        return f" exponent {'minus ' * bool(match[1])}{match[2].translate(SUPERSCRIPTS)} "

    text = HYPHEN.sub("-", VULGAR_FRACTION.sub(" ", EXPONENT.sub(exponent, text)))
    text = CARET.sub(lambda match: f" exponent {'minus ' * bool(match[1])}", text)
    text = BELOW_ZERO.sub(lambda match: match[0] if match[1] else " minus ", text)
    text = TRAILING_MINUS.sub(" minus ", HANGING_HYPHEN.sub(" ", text))
    return LEADING_POINT.sub("0.", text)


def _more_signs_as_words(text: str) -> str:
    """Write as words what version 3 distinguishes, and other writings of a sign as the usual one."""
    text = OTHER_WRITINGS.sub(lambda match: OTHER_WRITING[match[0]], text)
    if not text.isascii():
        text = BETWEEN_DIGITS.sub(" ", text)
    text = PRIME.sub(lambda match: match[1] or " prime ", text)
    if "+" not in text and not LOOSE_DASH.search(text):  # hyphens within words alone, the most usual case
        return text
    for sign in (SIGN_AT_END, SIGN_BEFORE_WORD):
        text = sign.sub(r"\1 minus ", text)
    text = DASH_AT_END.sub("-", SIGN_BETWEEN.sub(" minus ", text))
    return SPACED_MINUS.sub(lambda match: match[0] if match[1] else " minus ", text)
