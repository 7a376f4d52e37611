"""Markdown tables as lines of text, in which each cell has the heading of its column before it."""

import re
from collections.abc import Iterator, Sequence

# The line below the headings: "|---|:--:|".
RULE = re.compile(r"[ |:-]*-{2,}[ |:-]*")
NUMBER = re.compile(r"[<>≤≥~≈]? ?[0-9]+(?:[.,][0-9]+)?(?: ?[-–] ?[0-9]+(?:[.,][0-9]+)?)?")
MARKS = re.compile("[*_`]+")
# "CRP (mg/L)", "Dose [mg]"
UNIT = re.compile(r" ?[(\[]([^()\[\]]*[a-zA-Zµ%][^()\[\]]*)[)\]]")
# A heading that is a unit: "| Caffeine | mg/kg |"
ONLY_UNIT = re.compile("(?:m?c?g|µg|m?l|units?|iu|mmol|meq|%)(?:/[a-z]+)*", re.I)
# Headings of counts: "2" below "times per day" are 2 times per day.
COUNTED = re.compile(
    r"(?:number of |no\. of )?"
    r"((?:times|doses|tablets|capsules|puffs|drops|days|weeks|months|hours)(?![a-z]).*)",
    re.I,
)
# Headings that say nothing of the cells below.
GENERAL = re.compile("(?:values?|results?|dos(?:e|age)|amount|details?|level|unit|$)(?![a-z])", re.I)


def spread(text: str) -> str:
    """The text with each Markdown table as a line for each row: "CRP, day 1: 34 mg/L, day 5: 210 mg/L"."""
    lines = text.split("\n")
    spread_lines: list[str] = []
    headings: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if "|" in following and RULE.fullmatch(following.strip()) and "|" in line:
            headings = _cells(line)
        elif headings and RULE.fullmatch(line.strip()):
            continue
        elif headings and "|" in line:
            first, *others = _row(headings, _cells(line))
            spread_lines.append(f"{first} {', '.join(others)}")
        else:
            headings = []
            spread_lines.append(line)
    return "\n".join(spread_lines)


def _cells(line: str) -> list[str]:
    return [MARKS.sub("", cell).strip() for cell in line.strip().strip("|").split("|")]


def _row(headings: Sequence[str], cells: Sequence[str]) -> Iterator[str]:
    """The cells of a row, each with its heading; the unit of the heading or the row follows a number."""
    own_unit = UNIT.search(cells[0])
    yield UNIT.sub("", cells[0]) if own_unit else cells[0]
    for heading, cell in zip(headings[1:], cells[1:], strict=False):
        unit = UNIT.search(heading) or own_unit
        counted = COUNTED.fullmatch(heading)
        number = NUMBER.match(cell) if ONLY_UNIT.fullmatch(heading) else None
        if number is not None:
            yield f"{number.group()} {heading}{cell[number.end() :]}"
        elif not NUMBER.fullmatch(cell):
            yield cell if GENERAL.match(heading) else f"{heading}: {cell}"
        elif counted:
            yield f"{cell} {counted[1].lower()}"
        else:
            name = UNIT.sub("", heading)
            cell = f"{cell} {unit[1]}" if unit else cell
            yield cell if GENERAL.match(name) else f"{name}: {cell}"
