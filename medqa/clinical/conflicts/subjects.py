"""The subjects of a text that a value can belong to: sides, people, stages, days, specimens, medicines.

In: a text. Out: row → `Mark` objects; the subjects of a row exclude each other.
"""

import re
from dataclasses import replace
from functools import lru_cache

from medqa.clinical.conflicts.swaps import BRACKET_END, LABEL_PATTERNS, NUMBERED, numbered
from medqa.clinical.notation.names import names_of
from medqa.clinical.notation.pairing import Mark
from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.quantities.quantity_reader import read

Rows = dict[str, list[Mark]]

# Rows of `swaps` whose words are subjects; those left out are often something else.
ROWS = (
    "side", "time of day", "person", "age group", "insulin", "posture", "level", "sex", "week", "weekday",
    "month", "stage",
)  # fmt: skip
# Further rows: row → subject → its words.
FURTHER = {
    "surgery": {
        "before": r"before(?:hand)?|prior to|ahead of|pre-?op\w*|pre-?treatment|baseline",
        "after": r"after(?:wards?)?|post-?op\w*|post-?treatment|following"
        r"|(?:once|when) (?:it|this) (?:was|is) (?:over|finished|done)",
    },
    "stay": {
        "admission": r"admission|admitted|arrival|arrived|presentation|came in",
        "discharge": r"discharged?|went home|going home",
    },
    "vessel": {"artery": r"arter(?:y|ies|ial)", "vein": r"ven(?:ous|eins?)|veins?"},
    "valve": {"aortic": r"(?:trans)?aortic", "mitral": r"(?:trans)?mitral", "tricuspid": "tricuspid"},
    "effort": {"rest": r"rest(?:ing)?", "effort": r"max(?:imum|imal)?|exercise|exertion|peak effort"},
    "letter": {"placebo": "placebo"},
    "now": {
        "now": r"now|current(?:ly)?|today|at present",
        "then": r"(?:an?|one|two|three|six|[0-9]+) (?:year|month|week)s? (?:ago|earlier)"
        "|last (?:year|month|week)(?:'s)?",
    },
    "ordinal": {
        number: rf"{words_of}|shocks? (?:no\.? )?{number}(?![0-9])"
        for number, words_of in {
            "1": "first|1st",
            "2": "second|2nd|next",
            "3": "third|3rd",
            "4": "fourth|4th",
            "5": "fifth|5th",
        }.items()
    },
    "operation": {
        "operated": "operated|injured|affected|diseased",
        "other": "other|unaffected|uninjured|healthy|opposite|contralateral",
    },
}
BLOOD_GROUP = re.compile(
    r"(?<![A-Za-z])(AB|[ABO])[ -]?(?:Rh(?:esus|D)?[ -]?)?([Pp]ositive|[Nn]egative|pos|neg)(?![a-z])"
)
SPECIMEN = re.compile(
    r"(?<![a-z])(?:(?P<blood>serum|plasma)|(?P<urine>urine|urinary)|(?P<csf>csf|cerebrospinal|spinal fluid)"
    r"|(?P<sweat>sweat)|(?P<saliva>saliva)|(?P<stool>stools?|faecal|fecal))(?![a-z])"
)
BALANCE = re.compile(
    r"(?<![a-z])(?:(?P<taken>intake|input|dr[aiu]nks?|received)|(?P<lost>output|passe[sd]|voided|loss(?:es)?|lost))"
    "(?![a-z])"
)
FURTHER_PATTERNS = {
    row: (
        list(words),
        re.compile(
            r"(?<![a-z])(?:"
            + "|".join(f"(?P<l{number}>{one})" for number, one in enumerate(words.values()))
            + ")(?![a-z])"
        ),
    )
    for row, words in FURTHER.items()
}
# "Ward A", "drug B", "HbF"; no article, initial of a species or part of a word.
LETTER = re.compile(r"(?<![A-Za-z0-9.'-])(?:Hb)?(?P<letter>[A-H])(?![A-Za-z0-9'+-]|\.[A-Za-z]|\. [a-z])")
ARTICLE = re.compile(r"(?:^|[.!?:;\n] ?)A (?=[a-z])")
TITLED = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr)\.? (?P<name>[A-Z](?:[a-z]+|(?![A-Za-z])))")


@lru_cache(maxsize=KEPT_TEXTS)
def subjects(text: str) -> Rows:
    """Row → its subjects, in order; a word that two rows have belongs to the first."""
    original, raw, lower = forms(text)
    found: Rows = {}
    inside: set[int] = set()

    def add(start: int, end: int, form: str, row: str) -> None:
        if start not in inside:
            bracketed = lower.endswith("(", 0, start) and BRACKET_END.match(lower, end) is not None
            found.setdefault(row, []).append(Mark(start, form, original[start:end], bracketed))
            inside.update(range(start, end))

    for match in NUMBERED.finditer(lower):
        what, meaning = numbered(match)
        if match["letter"] and BLOOD_GROUP.match(raw, match.start("letter")):
            continue  # "the baby A positive"
        if match["ordinal"]:
            add(match.start(), match.start("of"), meaning.split()[-1], "ordinal")
        else:
            add(match.start(), match.end(), meaning, what)
    for match in TITLED.finditer(raw):
        add(match.start("name"), match.end(), match["name"].lower(), "name")
    for start, end, name in names_of(text):
        add(start, end, name.removeprefix("serum "), "substance")
    for row in ROWS:
        meanings, pattern = LABEL_PATTERNS[row]
        for match in pattern.finditer(lower):
            add(match.start(), match.end(), meanings[int(match.lastgroup[1:])], row)
    for row, (meanings, pattern) in FURTHER_PATTERNS.items():
        for match in pattern.finditer(lower):
            add(match.start(), match.end(), meanings[int(match.lastgroup[1:])], row)
    articles = {match.start() + match.group().index("A") for match in ARTICLE.finditer(raw)}
    for match in LETTER.finditer(raw):
        if match.start("letter") not in articles:
            add(match.start("letter"), match.end(), match["letter"], "letter")
    for quantity in read(text):
        if quantity.kind == "route":
            add(quantity.start, quantity.end, quantity.unit, "route")
    for row, pattern in (("specimen", SPECIMEN), ("balance", BALANCE)):  # also inside of names
        for match in pattern.finditer(lower):
            found.setdefault(row, []).append(Mark(match.start(), match.lastgroup, match.group()))
    sides = {mark.meaning for mark in found.get("side", ())}
    others = [mark for mark in found.get("operation", ()) if mark.meaning == "other"]
    if len(sides) == len(others) == 1:  # "the left eye 12, the other 15"
        found["side"].append(replace(others[0], meaning="left" if sides == {"right"} else "right"))
    return {row: sorted(marks, key=lambda mark: mark.start) for row, marks in found.items()}
