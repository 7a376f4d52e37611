"""A text being read, and the words that bound a number or make it a range."""

import re
from dataclasses import dataclass
from fractions import Fraction

from medqa.clinical.numbers import read_number
from medqa.clinical.quantity import Quantity


@dataclass
class Scan:
    """A text being read: in its own case, in lower case, and the quantities found so far."""

    raw: str
    text: str
    found: list[Quantity]

    def before(self, start: int) -> str:
        """The forty characters before a place."""
        return self.text[max(0, start - 40) : start]

    def just_after_amount(self, start: int) -> bool:
        """Whether an amount ends within forty characters before a place."""
        return any(item.kind == "amount" and start - item.end < 40 for item in self.found[-3:])


# Quantities that begin at a place, and where they end.
Found = tuple[list[Quantity], int]

_LESS = (
    "less than|lower than|lighter than|fewer than|smaller than|younger than|shorter than|under|below|beneath"
    "|(?<!built )(?<!increased )(?<!titrated )(?<!raised )up to"
    "|(?:no|not|neither|nor) (?:more|longer|later|higher|greater|older|larger|bigger|faster"
    "|quicker) than|at most"
    "|max(?:imum)?[.]?(?: dose)?(?: of)?"
    "|(?:not|never) (?:to )?exceed(?:ing)?|within|at or (?:below|under)|(?:equal to|the same as) or less than"
    "|(?:not|never|[a-z]+n't) (?:to "
    ")?(?:be (?:infused|given|injected|run) )?"
    "(?:(?:be|run|infuse|rise|fall|drop|increase|change|go|take|use|give|have|drink|inject|last|exceed"
    "|swallow) )?(?:by )?"
    "(?:above|over|more than|greater than|higher than|longer than|faster than|quicker than|up to)"
    # "do not raise sodium by more than"
    "|(?:not|never|[a-z]+n't) (?:raise|lower|correct|increase|change|drop|let|reduce) "
    "(?:[a-z]+ ){1,3}by more than"
)
_MORE = (
    "more than|greater than|heavier than|higher than|larger than|longer than|older than|over|above"
    "|exceed(?:s|ed|ing)?"
    "|(?<!had )(?<!has )(?<!have )reach(?:es|ed|ing)?|gets? to|hits?|pass(?:es|ed)?|surpass(?:es|ed)?"
    "|tops|at least"
    "|(?:no|not|neither|nor) (?:less|lower|fewer) than|min(?:imum)?[.]?(?: of)?|beyond|in excess of"
    "|(?:begins?|starts) (?:at|from) a (?:reading|level|pressure|value) of"
    "|down to|no younger than|no (?:earlier|sooner) than|at or above|equal to or (?:greater|more|higher) than"
    "|(?:not|never) (?:to )?(?:be |fall |drop |go |get )?(?:below|under|less than|lower than)"
)
# The earliest beginning wins, so that "no less than" is not read as "less than".
BOUND_BEFORE = re.compile(
    rf"(?:(?P<below>(?:[<≤]=?|=<) ?|\b(?:{_LESS})(?: or equal to| the age of| age)? )"
    rf"|(?P<above>(?:[>≥]=?|=>) ?|\b(?:{_MORE})(?: or equal to| the age of| age)? ))"
    r"(?:an? |about |approximately |roughly |around |~ ?)?$"
    # "below a haemoglobin of 7 g/dL"
    r"|\b(?:(?P<below_of>below|less than|up to)|(?P<above_of>above|more than))"
    r" (?:an? |the )[a-z0-9-]+(?: [a-z]+)? of $"
)
# "increased up to 150 mg" is an increase to it; "from 80 down to 60" ends there.
REACHED = re.compile(
    r"\b(?:built|add\w*|was|were|go(?:es|ne)?|went|came|com(?:es|ing)|increas\w*|rais\w*|ris\w*|rose|titrat\w*"
    r"|uptitrat\w*|work\w*|step\w*|bring\w*"
    r"|brought|mov\w*|(?<!be )taken|put|push\w*|dropp\w*|fell|fall\w*|lower\w*|reduc\w*|cut"
    r"|from [0-9.,]+(?: ?[a-z/%]+)?)(?: (?!as )[a-z]+){0,3}? (?:up|down) to (?:about )?$"
)
BOUND_AFTER = re.compile(
    r" ?(?:(?P<above>\+(?! ?[0-9])"
    r"|(?:or|and) (?:more|above|over|greater|higher|longer|larger|bigger|wider|beyond|up"
    r"|older)(?![a-z])|(?:upwards?"
    r"|onwards?)(?![a-z]))"
    r"|(?P<below>(?:at (?:the )?most|max(?:imum)?)(?![a-z])|(?:or|and) (?:less|below|lower|under"
    r"|fewer|smaller|younger|shorter)(?![a-z])))"
)
RANGE_TO = re.compile(r" ?- ?-? ?(?:to )?| to (?:about )?| up to | through ")
BETWEEN = re.compile(r"\bbetween (?:about |the ages of |ages )?$")
AND = re.compile(r" and ")


def read_bound(scan: Scan, start: int, end: int, dimension: str = "") -> tuple[str, int]:
    """ ">" for "at least 5 mg" and "5 mg or more", "<" for "up to 5 mg", else ""; and where its words end."""
    after = BOUND_AFTER.match(scan.text, end)
    if after is not None:
        return (">" if after.group("above") else "<"), after.end()
    before = BOUND_BEFORE.search(scan.before(start))
    if before is not None and REACHED.search(scan.before(start)):
        return "", end
    # "30 mL/kg over 3 hours" takes three hours, not more.
    if before is None or (dimension in ("time", "long time") and before.group().startswith("over")):
        return "", end
    if dimension.startswith("volume") and before.group().startswith("pass"):
        return "", end  # "has passed 40 mL of urine"
    return ("<" if before["below"] or before["below_of"] else ">"), end


def read_upper(scan: Scan, start: int, position: int) -> tuple[Fraction, int] | None:
    """The higher number of a range that began at `start` and whose lower number ends at `position`."""
    link = RANGE_TO.match(scan.text, position)
    if link is None and BETWEEN.search(scan.before(start)):
        link = AND.match(scan.text, position)
    return None if link is None else read_number(scan.text, link.end())
