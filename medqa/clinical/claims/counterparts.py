"""Which two claims of two texts are about the same, so that they can contradict each other."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import product

from medqa.clinical.claims.agreement import may_be_one, whole_day
from medqa.clinical.claims.claims import Claim, stated
from medqa.clinical.claims.mistaken import BODY_WEIGHTS, DOSED
from medqa.clinical.notation.names import MEASURE_NAMES
from medqa.clinical.notation.routes import exclude
from medqa.clinical.notation.text import KEPT_TEXTS
from medqa.clinical.notation.topics import SHORT_TEXT, UNTELLING, of_one_thing
from medqa.clinical.notation.word_forms import TOKEN, canonical
from medqa.clinical.quantities.quantity import amounts_meet, kind_of, near

# Two texts of at most this length answer one question in a sentence: they are about the same.
BRIEF = 120
WEIGHTS = BODY_WEIGHTS | {"none"}
# Roles of amounts that are no usual doses.
UNLIKE = {"maximum", "step"}
MG_PER_G = 1000
# Shares that are farther apart are how common a disease is, and how many of its patients have something.
FARTHEST_SHARES = 100


def is_slip(one: Claim, other: Claim) -> bool:
    """Whether two claims have one number and other units: times, or amounts a thousand or 60 times apart."""
    first, second = one.quantity, other.quantity
    if first.kind == second.kind == "duration" and first.number == second.number > 1:
        # "8 to 12 minutes" for "8 to 12 hours"
        (low, high), (least, most) = first.values[0], second.values[0]
        proportional = low != least and low * most == high * least
        return first.unit == second.unit and proportional and first.bound == second.bound
    if first.number != second.number or first.unit != second.unit or not DOSED.match(first.unit):
        return False
    if {one.subject, other.subject} & WEIGHTS:
        return False
    low, high = sorted((first.values[0][0], second.values[0][0]))
    far = high >= MG_PER_G * low or (first.unit.endswith("/h") and high == 60 * low)
    return may_be_one(one, other) and low > 0 and far


def is_converted_content(one: Claim, other: Claim) -> bool:
    """Whether what a claim comes to, in a volume or a day, is in the unit of another dose of the medicine."""
    if other.dose is None or one.subject != other.subject:
        return False
    if one.parts is not None and whole_day(other):
        return one.parts.unit == other.daily.unit
    return (
        one.taken is not None
        and one.taken.unit != one.quantity.unit
        and one.taken.unit == other.quantity.unit
    )


def of_other_phase(one: Claim, other: Claim, ours: Sequence[Claim], theirs: Sequence[Claim]) -> bool:
    """Whether two claims of one amount have two frequencies, and each text gives both: in two phases."""
    if not (one.daily and other.daily and amounts_meet(one.quantity, other.quantity)):
        return False
    often = [one.dose.frequency, other.dose.frequency]
    given = [
        {claim.quantity for claim in side if claim.quantity.kind == "frequency"} for side in (ours, theirs)
    ]
    return None not in often and often[0] != often[1] and all(set(often) <= side for side in given)


def _in_one_case(one: Claim, other: Claim) -> bool:
    """Whether people, route, day and role of two doses do not differ."""
    if one.dose is None or other.dose is None:
        return True
    first, second = one.dose, other.dose
    pairs = ((first.people, second.people), (first.when, second.when))
    return not (
        any(mine and theirs and mine != theirs for mine, theirs in pairs)
        or exclude(first.route, second.route)
    )


def same_thing(one: Claim, other: Claim) -> bool:
    """Whether two amounts of one subject describe the same thing, so that they can contradict each other."""
    if one.dose is None or other.dose is None or one.subject != other.subject:
        return False
    first, second = one.quantity, other.quantity
    if first.kind != second.kind or not _in_one_case(one, other):
        return False
    if {first.bound, second.bound} == {"<", ">"}:
        same = near(first.values[0][0], second.values[0][0], first, second)
        return first.unit == second.unit and same == (one.opposed == other.opposed)
    roles = {one.dose.role, other.dose.role}
    if one.subject not in MEASURE_NAMES and len(roles) > 1 and ("" not in roles or roles & UNLIKE):
        return False
    if {amount.unit for amount in one.all_amounts} & {amount.unit for amount in other.all_amounts}:
        return True
    # Another unit of doses contradicts when the number is the same: "5 units" and "5 mL".
    units = DOSED.match(first.unit) and DOSED.match(second.unit)
    # The content of a bottle is no dose: "250 mg/5 mL" and "250 mg".
    if first.unit.endswith("/L") != second.unit.endswith("/L"):
        return False
    return bool(units) and (first.number == second.number or first.values == second.values)


def is_only_counterpart(one: Claim, other: Claim, texts: tuple[str, str]) -> bool:
    """Whether two claims, the only ones of their dimension that do not agree, are about the same."""
    if (one.subject in WEIGHTS) != (other.subject in WEIGHTS):
        return False  # "protein 90 g" of a patient of 75 kg
    brief = max(len(one.around), len(other.around)) <= BRIEF
    if not (brief or DOSED.match(one.quantity.unit)) and _topic(one.around).isdisjoint(_topic(other.around)):
        return False
    if not _in_one_case(one, other) or (one.role and other.role and one.role != other.role):
        return False
    return may_be_one(one, other) and of_one_statement(one, other, texts)


def of_one_statement(one: Claim, other: Claim, texts: tuple[str, str]) -> bool:
    """Whether two claims are in sentences that are about the same; always true of short texts."""
    if max(map(len, texts)) <= SHORT_TEXT:
        return True
    first, second = one.quantity, other.quantity
    if first == second or first.unit.startswith("no. of"):
        return False  # the same value, of which one sentence denies something; "the first stage" is a name
    low, high = sorted((first.values[0][0], second.values[0][0]))
    if first.unit == second.unit == "%" and high > FARTHEST_SHARES * low:
        return False
    # "10 to 20 pounds" for "10 to 20 kg": both ends of a range seldom have the same numbers by chance.
    (least, most), (lower, upper) = first.values[0], second.values[0]
    proportional = first.kind == "amount" and least < most and least * upper == most * lower
    return proportional or any(
        of_one_thing(*pair, texts) for pair in product(*map(_sentences, (one, other), texts))
    )


def _sentences(claim: Claim, text: str) -> set[str]:
    """The sentences of a text that state a claim."""
    return {claim.sentence} | {same.sentence for same in stated(text) if same.quantity == claim.quantity}


@lru_cache(maxsize=KEPT_TEXTS)
def _topic(text: str) -> frozenset[str]:
    """The beginnings of the words of a text that show what it is about."""
    return frozenset(word[:5] for word in map(canonical, TOKEN.findall(text)) if len(word) > 2) - UNTELLING


def likeness(wanted: Claim, given: Claim) -> tuple[int, Fraction]:
    """The likeliest partner of a contradicted amount first: ten-fold, then unit, then the nearest value."""
    distance = abs(wanted.quantity.values[0][0] - given.quantity.values[0][0])
    kind = kind_of(wanted.quantity, given.quantity)
    return {"unit": 1, "value": 2}.get(kind, 0), distance
