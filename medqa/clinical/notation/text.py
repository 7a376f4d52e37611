"""One plain form of a text, made before any clinical reading: no markup, no entities, no broken encoding.

`plain(text)` keeps words, letter case and line breaks; positions in the clinical reading refer to it. `even`
then gives equal characters one form, without moving any. Overlap metrics read the text as it was written.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

from medqa.clinical.notation.tables import spread

KEPT_TEXTS = 2048

# Characters of the same meaning, one for one, so that positions stay: dashes, spaces, mu, degrees, times.
EVEN = str.maketrans(
    dict.fromkeys("‐‑‒–—−﹣－", "-")
    | dict.fromkeys("\u00a0\u2007\u2009\u200a\u202f\u3000\t\r\n\v\f", " ")
    | {"μ": "µ", "º": "°", "˚": "°", "×": "x", "·": ".", "∙": ".", "≧": "≥", "≦": "≤", "⩾": "≥", "⩽": "≤"}
    | {letter: unicodedata.normalize("NFD", letter)[0] for letter in "áàâäãåçéèêëíìîïñóòôöõúùûüÁÀÂÄÅÇÉÈÊËÖÜ"}
    | {"⁺": "+", "％": "%", "⁄": "/", "∕": "/", "’": "'", "‘": "'", "ʼ": "'", "＇": "'"}
)


def even(text: str) -> tuple[str, str]:
    """The text with one form of each dash, space and sign, in its own letter case and in lower case."""
    raw = text.translate(EVEN)
    lower = raw.lower()
    if len(lower) != len(raw):
        # A few capitals (İ) have two characters in lower case; they are left as they are.
        lower = "".join(character.lower() if len(character.lower()) == 1 else character for character in raw)
    return raw, lower


def _characters() -> dict[int, str]:
    """Equivalents of compatibility characters: full-width and squared letters (㎎), digits of any script.

    Superscripts keep their form: 10⁹ is not 109.
    """
    blocks = (range(0x2100, 0x2150), range(0x3300, 0x3400), range(0xFF00, 0xFFF0), range(0x1D400, 0x1D800))
    found = {code: unicodedata.normalize("NFKC", chr(code)) for block in blocks for code in block}
    found |= {
        code: str(unicodedata.digit(chr(code))) for code in range(0x660, 0x1000) if chr(code).isdecimal()
    }
    # Invisible: soft hyphen, zero-width characters, marks of writing direction.
    invisible = (0xAD, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A))
    found |= {0x2080 + digit: str(digit) for digit in range(10)}  # SpO₂
    found |= dict.fromkeys(map(ord, "✗✘✕❌"), "no")
    # In names: "β-blocker", "γ-GT". Mu is a unit, and the capitals are other signs.
    names = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "κ": "kappa", "ω": "omega"}
    found |= {ord(letter): name for letter, name in names.items()}
    return {code: form for code, form in found.items() if form != chr(code)} | dict.fromkeys(invisible, "")


CHARACTERS = _characters()
# UTF-8 that was read as Latin-1 or Windows-1252: "Âµg", "â‰¥".
MOJIBAKE = re.compile("[ÂÃÎÏâ][\u0080-\u00bf€™“”–—˜œžŸŠŒŽ†‡•…‰‹›‚ƒ„ˆ]")
LATEX = (
    (re.compile(r"\\\\(?=[a-zA-Z,;()\[\] ])"), r"\\"),  # escaped twice
    (re.compile(r"\\(?:,|;|:|!|quad|qquad| )|(?<=\w)~(?=[\w\\])"), " "),
    (re.compile(r"\\(?:times)(?![a-zA-Z])"), "×"),
    (re.compile(r" ?\\(?:cdot|ast)(?![a-zA-Z]) ?"), "·"),
    (re.compile(r"\\text\{\\(?:textmu|mu)\}|\\(?:text)?mu(?![a-zA-Z]) ?"), "µ"),
    (re.compile(r"\\(?:leq?|leqslant)(?![a-zA-Z])"), "≤"),
    (re.compile(r"\\(?:geq?|geqslant)(?![a-zA-Z])"), "≥"),
    (re.compile(r"\\(?:rightarrow|to|longrightarrow)(?![a-zA-Z])"), "→"),
    (re.compile(r"\\lt(?![a-zA-Z])"), "<"),
    (re.compile(r"\\gt(?![a-zA-Z])"), ">"),
    (re.compile(r"\\(?:approx|sim)(?![a-zA-Z])"), "about"),
    (re.compile(r"\^ ?\{?\\circ\}? ?|\\(?:degree|textdegree)(?:\{\})?(?![a-zA-Z])"), "°"),
    (re.compile(r"([\^_])\{([^{}]*)\}"), r"\1\2"),
    (re.compile(r"(?<=[A-Z])_(?=[0-9])"), ""),  # H_2O
    (re.compile(r"\{([.,])\}"), r"\1"),  # "0{,}9"
    (re.compile(r"\\(?:SI|qty)\{([^{}]*)\}\{([^{}]*)\}"), r"\1 \2"),
    (re.compile(r"\\(?:math(?:rm|bf|it|sf)|text(?:bf|it|rm)?|operatorname|unit|si|num)\{([^{}]*)\}"), r"\1"),
    # of "units/(kg·h)" as "units/kg/h"
    (
        re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}"),
        lambda part: f"{part[1]}/{part[2].replace('·', '/')}",
    ),
    (re.compile(r"\\[()\[\]]|\$\$"), ""),
    (re.compile(r"\$(?=\S)([^$\n]*?)\$"), r"\1"),
    (re.compile(r"\\([%&$#_*~.+()\[\]-])"), r"\1"),
)  # fmt: skip
HTML = (
    (re.compile(r"<(del|s|strike)>.*?</\1>", re.I | re.S), ""),
    (re.compile(r"<(?:br|/p|/li|/tr|/h[1-6]|/div)\b[^<>]*>", re.I), "\n"),
    (re.compile(r"</(?:td|th)>", re.I), " "),
    (re.compile(r"<sup>(?=[-−+]?[0-9])", re.I), "^"),
    (re.compile(r"</?[a-z][a-z0-9]*(?: [^<>]*)?/?>", re.I), ""),
)
MARKDOWN = (
    (re.compile(r"~~[^~\n]+~~"), ""),  # struck out
    (re.compile(r"\*\*+|__+|`+"), ""),
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]*?\S)\*"), r"\1"),
    (re.compile(r"(?<!\w)_(?=\S)([^_\n]*?\S)_(?!\w)"), r"\1"),
    (re.compile(r"(?m)^ ?(?:#+ |[*+•] |[0-9]{1,2}[.)] (?=[A-Z]))"), ""),
    (re.compile(r"\[([^\[\]\n]*)\]\(https?:[^()\s]*\)"), r"\1"),
    (re.compile(r"(?m)^[ |:-]*---[ |:-]*$"), ""),
    (re.compile(r" ?\| ?"), " "),
)
# "times per day: 2" in a list of fields
FIELD = re.compile(
    r"(?im)^([ *+•-]*)(?:number of )?"
    r"((?:times|doses|tablets|capsules|puffs|drops) (?:per|an?|each) (?:day|week)"
    r"|(?:times|doses) daily|days|weeks|months|tablets|capsules|puffs): ?([0-9]{1,3})(?= ?[.,;]?$)"
)
# Units with negative powers: "mg·kg⁻¹·day⁻¹", "mg kg-1"; "the L-1 vertebra" has no unit before it.
_POWER = r"(?:⁻¹|\^?[-−–]1)(?![0-9]|\.[0-9])"
_SQUARE = r"(m)(?:⁻²|\^?[-−–]2(?![0-9]))"
_BELOW = rf"[ .·⋅*]?(?:(kg|mg|g|days?|d|hr|h|min|sec|s|m2|m²|[mdµμ]?[lL]|mol){_POWER}|{_SQUARE})"
NEGATIVE_POWERS = re.compile(
    r"((?:[0-9][ \u00a0]?|/)(?:[mµμnpk]?g|mcg|ug|[mµμn]?mol|[mµμ]?[lL]|m?Eq|m?I?U|u|IE|UI|units?|kcal|kJ"
    r"|beats|cells))"
    rf"((?:{_BELOW})+)(?: 1\.73 m(?:⁻²|\^?[-−–]2))?"
)
NEGATIVE_POWER = re.compile(_BELOW)
DOTTED_UNIT = re.compile(r"(?:(?<=[0-9])|(?<=Mio)|(?<=ion))( ?)(?:I\.U\.|I\.E\.|U\.I\.)")
# A pattern that begins with a set of characters is searched several times as fast as one that begins with
# "\\b", "(?<!…)" or alternatives; hence "[.!?;\\n](?:…)" here, and "[0-9](?<![a-z].)" for "(?<![a-z])[0-9]".
MARKUP = re.compile(r"[*_`$\\|#<~•\n](?:(?<!\n)|[0-9]{1,2}[.)] )")
# The end of a sentence; a full stop inside "0.5 mg" or "b.i.d." is none.
# None is that of "Mrs. Alvarez".
SENTENCE_END = re.compile(r"[.!?;\n](?:(?<=[;\n])|(?<!\bMrs.)(?<!\bM[rs].)(?<!\bDr.)(?=\s+[A-Z(\[]|\s*$))")
# "4.0 ≤ K⁺ ≤ 5.0"
BETWEEN = re.compile(
    r"(?<![0-9.])([0-9]+(?:\.[0-9]+)?) ?[≤<] ?([A-Za-z][^ ≤<]{0,20}) ?[≤<] ?([0-9]+(?:\.[0-9]+)?)"
)
# "10 mL × weight in kg"
TIMES_WEIGHT = re.compile(
    r"(?<=[a-zA-Z]) ?[x×] ?(?:body[ -]?)?weight (?:in kg|\(kg\)|\[kg\])(?![a-z]| ?[x×])"
)
SPACES = re.compile("[ \u00a0]{2,}")
# A model that repeats itself writes numbers of thousands of digits, which Python refuses to read.
ENDLESS = re.compile("([0-9]{40})[0-9]+")
# Narrow spaces between thousands: "1 200 mg"
THOUSANDS = re.compile("(?<![0-9.,])[1-9][0-9]{0,2}(?:[\u2009\u202f][0-9]{3})+(?![0-9])")


@lru_cache(maxsize=KEPT_TEXTS)
def forms(text: str) -> tuple[str, str, str]:
    """The plain text, and both forms of it that `even` gives; characters have the same place in all three."""
    plain_text = plain(text)
    return plain_text, *even(plain_text)


# A line and the break before it; a break within a sentence, in lines that are as long as a page is wide.
LINE = re.compile(r"\n[^\n]*")
WRAPPED = re.compile(r"(?<![.:;!?\n])\n ?[a-z(]")
LEAST_WRAPPED = 40


@lru_cache(maxsize=KEPT_TEXTS)
def sentence_ends(text: str) -> list[int]:
    """Where the sentences of a text end in its plain form; the last ends after it."""
    plain_text = forms(text)[0]
    return [*(match.end() for match in SENTENCE_END.finditer(plain_text)), len(plain_text) + 1]


@lru_cache(maxsize=KEPT_TEXTS)
def in_lines(text: str) -> str:
    """The text in lower case with a line break where a paragraph, heading or item of a list ends.

    Other breaks are within a sentence and remain spaces.
    """
    plain_text, _, lower = forms(text)
    if "\n" not in plain_text:
        return lower
    begin, parts = 0, [lower[: plain_text.index("\n")]]
    for line in LINE.finditer(plain_text):
        wrapped = line.start() - begin >= LEAST_WRAPPED and WRAPPED.match(plain_text, line.start())
        parts += [" " if wrapped else "\n", lower[line.start() + 1 : line.end()]]
        begin = line.start()
    return "".join(parts)


def plain(text: str) -> str:
    """The text without Markdown, LaTeX, HTML, invisible characters and mojibake; "mg kg⁻¹" is "mg/kg"."""
    if not text.isascii():
        if MOJIBAKE.search(text):
            import ftfy

            text = ftfy.fix_encoding(text)
        text = THOUSANDS.sub(
            lambda number: re.sub("[\u2009\u202f]", "", number.group()), text.translate(CHARACTERS)
        )
    text = ENDLESS.sub(r"\1", text)
    if MARKUP.search(text) or "  " in text:
        text = SPACES.sub(" ", text)
        if "|" in text and "--" in text:
            text = spread(text)
        if "<" in text:
            text = _replaced(text, HTML)
        if "\\" in text or "$" in text or "~" in text:
            text = _replaced(text, LATEX)
        text = SPACES.sub(" ", _replaced(text, MARKDOWN))
    if "weight" in text:
        text = TIMES_WEIGHT.sub("/kg", text)
    if "≤" in text or "<" in text:
        text = BETWEEN.sub(r"\2 \1 to \3", text)
    if "\n" in text and ":" in text:
        text = FIELD.sub(r"\1\3 \2", text)
    if "&" in text:
        text = html.unescape(text)
    if "Mio. " in text:
        text = text.replace("Mio. ", "Mio ")
    if ".U." in text or ".E." in text or ".I." in text:
        text = DOTTED_UNIT.sub(r"\1IU", text)
    has_powers = (
        "-1" in text
        or "⁻²" in text
        or "m-2" in text
        or "m^-2" in text
        or "⁻¹" in text
        or "−1" in text
        or "–1" in text
    )
    return NEGATIVE_POWERS.sub(_under_bar, text) if has_powers else text


def _replaced(
    text: str, rules: Sequence[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]]
) -> str:
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text


def _under_bar(match: re.Match[str]) -> str:
    return match.group(1) + "".join(f"/{unit or 'm²'}" for unit, _ in NEGATIVE_POWER.findall(match.group(2)))
