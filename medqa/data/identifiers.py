"""Finds identifiers of persons in a text: e-mail and postal addresses, telephone and record numbers, names.

The rules look for an identifier in its context (a title before a name, "MRN" before a number), in English,
German, French and Spanish. Names without a title and dates without "born" are not found. Misses and false
alarms are measured on 200 sentences: benchmarks/identifiers.py.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

EMAIL, TELEPHONE, RECORD, BIRTH, NAME, ADDRESS = KINDS = (
    "e-mail", "telephone number", "record number", "date of birth", "name", "address",
)  # fmt: skip
FOUR_DIGITS, SEVEN_DIGITS = (re.compile(rf"\d(?:[ .\-/()]{{0,3}}\d){{{number}}}") for number in (3, 6))
NUMBER_AND_CAPITAL = re.compile(r"\d[A-Za-z]?,? (?:[A-ZÄÖÜÉÈÁÓÍÑÇ]|rue|avenue|boulevard|place)")
# Characters before a number or date in which a word like "phone" or "born" is searched.
CONTEXT = 60


class Rule(NamedTuple):
    """A pattern, what must precede it, and a fast test that excludes most texts."""

    kind: str
    pattern: re.Pattern[str]  # the group "id", if there is one, is the identifier
    before: re.Pattern[str] | None = None
    parts: tuple[str, ...] = ()  # one of which the text must contain
    needs: re.Pattern[str] | None = None  # must occur in the text; begins with a digit, which makes it fast


class Identifier(NamedTuple):
    """A part of a text that identifies a person."""

    kind: str
    start: int
    end: int


def _before(words: str, gap: str) -> re.Pattern[str]:
    return re.compile(rf"(?i:(?<!\w)(?:{words}))(?!\w){gap}$")


_CAPITAL = "[A-ZÄÖÜÉÈÁÓÍÑÇ]"
_NAME = rf"{_CAPITAL}[\w'’\-]*[a-zß-ÿ][\w'’\-]*"
_PARTICLES = "(?:(?:von|van|de|der|del|la|zu) )*"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?\.?(?: de| of)? [A-Za-zäéû]{3,10}\.?,?(?: de)? \d{4}"
_STREET = (
    "(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Boulevard|Blvd|Court|Crescent|Terrace|Close|Way|Place|Square|"
    "Parkway|Highway)"
)
RULES = (
    Rule(
        EMAIL,
        re.compile(r"(?<![\w.%+'\-])[\w.%+'\-]{1,64}@(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2,}"),
        parts=("@",),
    ),
    # Seven digits or more after a word like "phone"; in international form; in two national forms.
    Rule(
        TELEPHONE,
        re.compile(r"(?<![\w.\-/])\(?\+?\(?\d(?:[ .\-/()]{0,3}\d){6,14}(?!\w)"),
        _before(
            "tel|telephone|phone|contact|kontakt|ph|mobile|cell|fax|pager|call|ring|dial|whatsapp|sms|telefon|handy|mobil|anrufen|"
            "téléphone|portable|teléfono|móvil|llamar",
            r"[^\d\n+(]{0,20}",
        ),
        needs=SEVEN_DIGITS,
    ),
    Rule(
        TELEPHONE,
        re.compile(r"(?<![\w.+])(?:\+|00)[1-9](?:[ .\-/()]{0,3}\d){7,14}(?![\w%])"),
        needs=SEVEN_DIGITS,
    ),
    Rule(
        TELEPHONE,
        re.compile(
            r"(?<![\w.\-/])(?:\(\d{3,5}\) ?\d{3,4}[ .\-]?\d{3,5}|[2-9]\d\d[\-.][2-9]\d\d[\-.]\d{4})"
            r"(?![\w\-/])"
        ),
        needs=SEVEN_DIGITS,
    ),
    Rule(
        RECORD,
        re.compile(
            r"(?<![\w.,])(?=(?:[^\d\n]{0,5}\d){4})[A-Z]{0,4}[\-/]?\d(?:[\dA-Z\-/]| (?=\d)){2,16}(?![\w%])"
        ),
        _before(
            r"mrn|nhs(?: number| no\.?)?|ssn|dossier|expediente|fallnummer|aktenzeichen|"
            r"(?:versicherten|versicherungs|patienten|kranken)[\w\-]*|"
            r"(?:medical record|record|hospital|patient|case|chart|file|account|member|insurance|policy|"
            r"admission|accession|social security|dossier|expediente|historia clínica)s?"
            r"(?: record| identification)?[ \-]?(?:numbers?|no|nr|num|n°|nº|id|#|número)\.?|"
            r"(?:numéro|número|n°|nº) (?:de )?(?:dossier|expediente|historia)|(?:chart|case) #",
            r"(?: n[°ºr]\.?)?\s?[:#=.]?\s?(?:is |was |ist |: )?",
        ),
        needs=FOUR_DIGITS,
    ),
    Rule(RECORD, re.compile(r"(?<![\w\-])\d{3}-\d{2}-\d{4}(?![\w\-])"), needs=SEVEN_DIGITS),
    Rule(
        BIRTH,
        re.compile(
            rf"(?<!\w)(?:\d{{1,4}}[./\-]\d{{1,2}}[./\-]\d{{1,4}}|{_DAY}"
            r"|[A-Z][a-z]{2,8}\.? \d{1,2},? \d{4})"
        ),
        _before(
            r"dob|d\.o\.b\.?|date of birth|birth ?date|birthday|born|geboren|geb\.?|geburtsdatum|née?|"
            r"date de naissance|nacid[oa]|fecha de nacimiento",
            r"[^\d\n]{0,20}",
        ),
        needs=FOUR_DIGITS,
        parts=(
            "DOB",
            "D.O.B",
            "dob",
            "d.o.b",
            "irth",
            "BIRTH",
            "orn",
            "geb",
            "Geb",
            "Né",
            "né",
            "acid",
            "acimiento",
        ),
    ),
    Rule(
        NAME,
        re.compile(
            r"(?<!\w)(?:Mr|Mrs|Ms|Miss|Mister|Dr|Prof|Professor|Herrn?|Frau|Señora?|Sra?|Mme|Mlle|Monsieur|Madame|"
            r"Sister|Nurse)\b\.?(?: (?:Dr|med|Prof)\b\.?)*"
            rf" (?P<id>(?:{_CAPITAL}\. ?)*{_PARTICLES}{_NAME}(?: {_PARTICLES}{_NAME})?)"
        ),
        parts=(
            "Mr",
            "Ms",
            "Miss",
            "Mister",
            "Dr",
            "Prof",
            "Herr",
            "Frau",
            "Señor",
            "Sr",
            "Mme",
            "Mlle",
            "Monsieur",
            "Madame",
            "Sister",
            "Nurse",
        ),  # fmt: skip
    ),
    Rule(
        NAME,
        re.compile(rf"{_NAME}(?:,? {_NAME}){{0,2}}"),
        _before(
            "patient(?:'s)? name|name of (?:the )?patient|patientenname|nom du patient|nombre del paciente",
            r"\s?(?::|=|is|ist|est|es)\s?",
        ),
        parts=(
            "atient name",
            "atient's name",
            "atient Name",
            "ame of ",
            "atientenname",
            "om du patient",
            "ombre del ",
        ),
    ),
    Rule(
        ADDRESS,
        re.compile(
            rf"(?<![\w.,\-])\d{{1,5}}[A-Za-z]? (?:(?:N|S|E|W)\.? )?(?:{_NAME} ){{1,3}}{_STREET}\b"
            rf"|(?<![\w.,\-])\d{{1,4}},? (?:rue|avenue|boulevard|place) (?:(?:de|du|des|la|le) )*{_NAME}"
        ),
        parts=(
            " St",
            " Road",
            " Rd",
            " Ave",
            " Lane",
            " Ln",
            " Drive",
            " Bo",
            " Bl",
            " Court",
            " Cres",
            " Terr",
            " Close",
            " Way",
            " Place",
            " Square",
            " Parkway",
            " Highway",
            " rue ",
            " avenue ",
            " boulevard ",
        ),  # fmt: skip
        needs=NUMBER_AND_CAPITAL,
    ),
    Rule(
        ADDRESS,
        re.compile(
            r"\b[A-ZÄÖÜ][\wäöüß\-]*(?:straße|strasse|str\.|weg|platz|allee|gasse),? \d{1,4} ?[a-z]?\b"
            rf"|\b(?:[Cc]alle|Avenida|Plaza) (?:(?:de|del|la|los) )*{_NAME},? (?:n\.?º ?)?\d{{1,4}}\b"
            r"|\bP\.? ?O\.? Box \d+"
        ),
        parts=(
            "straße",
            "strasse",
            "str.",
            "weg ",
            "weg,",
            "platz",
            "allee",
            "gasse",
            "alle ",
            "Avenida",
            "Plaza",
            "Box ",
        ),
    ),
)
# Words that follow a title in a sentence without a name.
NOT_NAMES = {
    "Down", "Google", "House", "Who", "What", "When", "Which", "Where", "Why", "How", "Is", "Are", "Can",
    "Should", "Does", "Do", "Did", "Will", "Has", "The", "A", "An", "If", "And", "Or",
    "Practitioner", "Practitioners",
    "Consultant", "Specialist", "Manager", "Mary", "Emeritus",
}  # fmt: skip


def find(text: str) -> Iterator[Identifier]:
    """The identifiers in a text, rule by rule; they can overlap."""
    occurs = {needs: needs.search(text) for needs in (FOUR_DIGITS, SEVEN_DIGITS, NUMBER_AND_CAPITAL)}
    for kind, pattern, before, parts, needs in RULES:
        if needs is not None and not occurs[needs]:
            continue
        if parts and not any(part in text for part in parts):
            continue
        for match in pattern.finditer(text):
            start = match.start()
            if before is not None and not before.search(text, max(0, start - CONTEXT), start):
                continue
            group = match.lastgroup or 0
            if kind != NAME or match[group].split()[0] not in NOT_NAMES:
                yield Identifier(kind, *match.span(group))


def kinds(text: str) -> set[str]:
    """The kinds of identifiers in a text."""
    return {found.kind for found in find(text)}


def mask(text: str) -> str:
    """The text with each identifier replaced by its kind in brackets."""
    parts, position = [], 0
    for start, end, kind in sorted((found.start, found.end, found.kind) for found in find(text)):
        if start >= position:
            parts += [text[position:start], f"[{kind}]"]
        position = max(position, end)
    return "".join([*parts, text[position:]])
