"""A text being read, and the words that bound a number or make it a range."""

import re
from dataclasses import dataclass
from fractions import Fraction

from medqa.clinical.notation.numbers import read_number
from medqa.clinical.notation.units import Unit
from medqa.clinical.quantities.quantity import Quantity


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


TEMPERATURE = re.compile(
    r"\b(?:temperature|fridge|refrigerat\w*|stored?|keep|kept|room|freez\w*|fever|warm\w*|cool\w*)\b"
)
ANGLED = re.compile(
    r"\b(?:angles?|cobb|flexion|flex\w*|extension|extend\w*|abduction|rotation|elevat\w*|tilt\w*|curve|valgus|varus"
    r"|kyphosis|scoliosis|head-up|range of (?:motion|movement))\b"
)
ANGLE = Unit("degree", "angle", 1)
# Quantities that begin at a place, and where they end.
Found = tuple[list[Quantity], int]

# Comparatives, whose sense a negation turns round.
_SMALLER = (
    "less than|lower than|lighter than|fewer than|smaller than|younger than|shorter than|slower than"
    "|earlier than|sooner than|under|below|beneath"
)
_LARGER = (
    "more than|greater than|heavier than|higher than|larger than|longer than|older than|faster than"
    "|quicker than|bigger than|wider than|later than|over|above|exceed(?:s|ed|ing)?|in excess of|beyond"
)
_LESS = (
    f"{_SMALLER}|(?<!built )(?<!made )(?<!diluted )(?<!topped )(?<!increased )(?<!titrated )(?<!raised )up to"
    "|at most"
    "|max(?:imum)?[.]?(?: dose)?(?: of)?|within|inside|(?:restricted|limited) to|at or (?:below|under)"
    "|(?:equal to|the same as) or less than"
)
_MORE = (
    f"{_LARGER}|(?<!had )(?<!has )(?<!have )reach(?:es|ed|ing)?|gets? to|hits?|pass(?:es|ed)?"
    "|surpass(?:es|ed)?|tops|at least|min(?:imum)?[.]?(?: of)?"
    "|(?:begins?|starts) (?:at|from) a (?:reading|level|pressure|value) of"
    "|(?:recover(?:s|ed)?|back(?: up)?) to"
    "|down to|at or above|equal to or (?:greater|more|higher) than"
)
# Words between a negation and the comparative that it turns round: "must not be allowed to rise above".
_STATES = (
    "be|been|being|get|run|rise|climb|fall|drop|sink|dip|go|grow|let|stay|last|wait|increase|decrease|change"
    "|allowed|usually|normally|generally|ever|longer|to|by|it|them"
)
# "Not given above 4 g" is a limit; "not given below 5 kg" forbids it.
_ACTIONS = "infused?|given?|injected|inject|taken?|used?|have|drink|swallow"
# "Must not exceed 40 mmol/L or run faster than"
_NOT = rf"(?:\b(?:not|never|cannot|no|neither|nor)|n't) (?:(?:{_STATES}|exceed) [^.;,]{{1,40}} (?:or|nor) )?"
_NOT_TO = (
    r"(?:\b(?:not|never)|n't) (?:raise|lower|correct|increase|change|drop|let|reduce) (?:[a-z]+ ){1,3}by "
)
BEFORE_SMALLER = f"(?:(?:{_STATES}) ){{0,4}}"
BEFORE_LARGER = f"(?:(?:{_STATES}|{_ACTIONS}) ){{0,4}}"
# "Do not raise sodium by more than"
NEGATED = (
    re.compile(f"{_NOT}{BEFORE_SMALLER}$|{_NOT_TO}$"),
    re.compile(f"{_NOT}{BEFORE_LARGER}$|{_NOT_TO}$"),
)
COMPARATIVE = re.compile(rf"(?:{_SMALLER}|(?P<larger>{_LARGER}))\b")
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
# "The bilirubin reached 257" is a value, "when it is reached" a condition.
CONDITION = re.compile(r"\b(?:if|when|once|until|unless|after|as soon as|is|are|be|been)\b")
BOUND_AFTER = re.compile(
    r" ?(?:(?P<above>\+(?! ?[0-9])"
    r"|(?:or|and) (?:more|above|over|greater|higher|longer|larger|bigger|wider|beyond|up|better"
    r"|faster|heavier|older)(?![a-z])|(?:(?!(?:and|or|to|then) )[a-z]{4,} )?(?:upwards?|onwards?)(?![a-z]))"
    r"|(?P<below>(?:(?:at (?:the )?most|max(?:imum)?)(?![a-z]|:? [0-9])|downwards?(?![a-z]))"
    r"|(?:or|and) (?:less|below|lower|under"
    r"|fewer|smaller|younger|shorter|slower|lighter)(?![a-z])))"
)
# "over 3 months of age", "a refill time over 2 seconds"
OF_AGE = re.compile(r"[ -]?(?:old\b|of age\b)")
MEASURED = re.compile(
    r"\b(?:time|refill|interval|wait|delay|stay|symptoms) (?:(?:is|was|of|lasting) )?over $"
)
# "From age 80", "children from 6 years", "severe from 160 mmHg": that much or more
FROM_VALUE = re.compile(
    r"\b(?:begins?|starts?|severe|positive|abnormal|high|indicated|considered|treated|needed|required|listed"
    r"|adults|children|people|those|infants|babies|girls|boys|women|men) from $|\bfrom (?:the )?age(?: of)? $"
)
UNTIL = re.compile(r" ?(?:-|(?:to|until|till|through|up to|onto)\b)")
RANGE_TO = re.compile(r" ?- ?-? ?(?:to )?| to (?:about )?| up to | through ")
BETWEEN = re.compile(r"\bbetween (?:about |the ages of |ages )?$")
AND = re.compile(r" and ")


def read_bound(scan: Scan, start: int, end: int, dimension: str = "") -> tuple[str, int]:
    """ ">" for "at least 5 mg" and "5 mg or more", "<" for "up to 5 mg", else ""; and where its words end."""
    after = BOUND_AFTER.match(scan.text, end)
    if after is not None:
        return (">" if after.group("above") else "<"), after.end()
    if FROM_VALUE.search(scan.before(start)) and not (
        RANGE_TO.search(scan.text, start, end) or UNTIL.match(scan.text, end)
    ):
        return ">", end
    before = BOUND_BEFORE.search(scan.before(start))
    if before is not None and (
        REACHED.search(scan.before(start))
        or (before.group().startswith("reached") and not CONDITION.search(scan.before(start)))
    ):
        return "", end
    # "30 mL/kg over 3 hours" takes three hours, not more.
    over = dimension in ("time", "long time") and before is not None and before.group().startswith("over")
    if before is None or (over and not (OF_AGE.match(scan.text, end) or MEASURED.search(scan.before(start)))):
        return "", end
    if dimension.startswith("volume") and before.group().startswith("pass"):
        return "", end  # "has passed 40 mL of urine"
    bound = "<" if before["below"] or before["below_of"] else ">"
    place = start - len(scan.before(start)) + before.start()
    plain = COMPARATIVE.match(before.group())
    if plain and NEGATED[plain["larger"] is not None].search(scan.text, max(0, place - 70), place):
        bound = "<" if bound == ">" else ">"
    return bound, end


def read_upper(scan: Scan, start: int, position: int) -> tuple[Fraction, int] | None:
    """The higher number of a range that began at `start` and whose lower number ends at `position`."""
    link = RANGE_TO.match(scan.text, position)
    if link is None and BETWEEN.search(scan.before(start)):
        link = AND.match(scan.text, position)
    return None if link is None else read_number(scan.text, link.end())


def is_angle(scan: Scan, start: int, end: int, value: Fraction) -> bool:
    """Whether "degrees" are those of an angle: "a Cobb angle of 45 degrees"."""
    if not scan.text.endswith(("°", "degrees", "degree"), 0, end):
        return False
    around = scan.text[max(0, start - 60) : end + 30]
    if TEMPERATURE.search(around):
        return False
    return not 34 <= value <= 43 or ANGLED.search(around) is not None
