"""What an answer takes for something else: another medicine, the dose before a change, weight for gain."""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise, permutations, product

from medqa.clinical.claims.claims import DAYS_OF_A_MONTH, Claim, Found
from medqa.clinical.claims.opposites import APART
from medqa.clinical.notation.dates import times_of_day
from medqa.clinical.notation.names import MEASURE_NAMES, medicine, names_of
from medqa.clinical.notation.numbers import is_close
from medqa.clinical.notation.routes import exclude
from medqa.clinical.notation.text import forms
from medqa.clinical.quantities.quantity import Quantity, amounts_meet
from medqa.clinical.quantities.quantity_reader import read
from medqa.clinical.words import words

# Units in which medicines are given, where a confusion is an error: "5 mg" and "5 mL", but not "5 mm".
DOSED = re.compile(r"(?:mg|mL|IU|mEq|mmol)(?:/|$)|drop$|puff$")
BODY_WEIGHTS = frozenset({"weight", "weight change"})
# "From 10 mg (A) to 5 mg (B)", and an answer that speaks of the dose before.
CHANGED = re.compile(r"from A(?: [a-z]+){0,3} to (?:[a-z]+ ){0,2}B")
PAST = re.compile(
    r"\b(?:was|were|had|previous\w*|old|former\w*|before|until|instead|stop\w*|reduc\w*|lower\w*|increas\w*"
    r"|rais\w*|from|halv\w*|doubl\w*|cut|down|up|less|more|change[sd]?|initial\w*|start\w*)\b"
)
FROM_TO = re.compile(
    r"\bfrom (?:about |around )?([0-9]+(?:\.[0-9]+)?)(?![0-9])(?: ?[a-zµ%/0-9²]+){0,2} to (?:about |around )?"
    r"([0-9]+(?:\.[0-9]+)?)(?![0-9])"
)
# "From about 60 to 70" for "from 59.6 to 70.3"
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
HALF_A_DAY = 12 * 60  # minutes
WEEKS = {"day": Fraction(1, 7), "month": DAYS_OF_A_MONTH / 7, "week of pregnancy": 1}
COURSE = re.compile(r"\bfor (?:a (?:period|course|total) of |about |up to |another |≈ ?)?$| x ?$")
# "Metformin rises with dolutegravir, so no more than 1 g of it"
OF_IT = re.compile(r"[a-z] of (?:it|this|them)(?![a-z])")
CLAUSE = re.compile(r"[.;,:]| (?:and|but|while|whereas|then) ")
# "72 hours after unprotected sex", "within 8 hours of ingestion"
EVENT = re.compile(
    r" (?:or (?:less|more) )?(?:(?P<before>before|prior to|ahead of)|after|following|of|from|since)"
    r" (?P<event>[a-z-]+(?: (?!and |or |but |if |when |with |in |at |for )[a-z-]+){0,4})"
)
ARTICLES = words("the your her his its any last and has was were are not for")
AFTER_BIRTH = re.compile(r" (?:after (?:the )?(?:birth|delivery)|post-?(?:partum|natal\w*)|of age|old)\b")


def other_medicine(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Found]:
    """The only medicine of the answer, where it has the dose of another, the only one of the reference."""
    doses = [
        [claim for claim in side if claim.dose and DOSED.match(claim.quantity.unit) and claim.subject]
        for side in (ours, theirs)
    ]
    names = [{claim.subject for claim in side} for side in doses]
    if any(len(found) != 1 for found in names) or names[0] == names[1]:
        return
    mine, other = (min(found) for found in names)
    known = medicine(mine) and medicine(other) and not {mine, other} & MEASURE_NAMES
    if not known or "-" in mine + other or mine in other or other in mine:
        return
    named = [{mine, other} <= {name for _, _, name in names_of(side[0].sentence)} for side in doses]
    together = [_is_combination(side[0].sentence, {mine, other}) for side in doses]
    if all(together) or (all(named) and any(together)):
        return
    if any(both and OF_IT.search(side[0].sentence) for both, side in zip(named, doses, strict=True)):
        return  # of one of two
    if all({mine, other} <= _named(side) for side in (ours, theirs)):
        return  # both texts name both: "lidocaine with adrenaline: 7 mg/kg"
    same = next((pair for pair in product(*doses) if amounts_meet(pair[0].quantity, pair[1].quantity)), None)
    if same is not None:
        yield f"{mine}, {other}", "medicine", same[0].written, same[1].written


def _named(claims: Sequence[Claim]) -> set[str]:
    """The medicines and measures of a text that are around its claims."""
    return {name for claim in claims for _, _, name in names_of(claim.around)}


def _is_combination(sentence: str, medicines: set[str]) -> bool:
    """Whether a sentence names two medicines as one product: "beclometasone/formoterol"."""
    return any(
        {one[2], two[2]} == medicines and sentence[one[1] : two[0]] in ("/", " / ", "-", " with ")
        for one, two in pairwise(names_of(sentence))
    )


def other_route(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Found]:
    """The one route by which an amount of a medicine is given, where the other text gives it by another."""
    routes: list[dict[str, dict[str, Claim]]] = [{}, {}]
    for side, found in zip((ours, theirs), routes, strict=True):
        for claim in side:
            if claim.dose and claim.dose.route in APART and medicine(claim.subject):
                found.setdefault(claim.subject, {})[claim.dose.route] = claim
    for subject in routes[0].keys() & routes[1].keys():
        mine, others = (found[subject] for found in routes)
        if len(mine) == len(others) == 1 and exclude(*mine, *others):
            ((route, one),), ((other_way, other),) = mine.items(), others.items()
            # "Intravenously or intramuscularly" leaves the choice.
            choice = any(
                " or " in claim.sentence.partition(claim.written.lower())[2] for claim in (one, other)
            )
            if amounts_meet(one.quantity, other.quantity) and not choice:
                yield "route", "route", f"{one.written} {route}", f"{other.written} {other_way}"


def exchanged_routes(reference: str, hypothesis: str) -> Iterator[Found]:
    """Medicines without a dose whose only route differs: "morphine by mouth", "morphine IV"."""
    mine, others = (_routes_of_medicines(text) for text in (reference, hypothesis))
    if len(mine) < 2 or len(others) < 2:
        return
    for name in mine.keys() & others.keys():
        ours, theirs = mine[name], others[name]
        if len(ours) == len(theirs) == 1 and exclude(*ours, *theirs):
            yield name, "route", f"{name} {min(ours)}", f"{name} {min(theirs)}"


def _routes_of_medicines(text: str) -> dict[str, set[str]]:
    """The routes of each medicine that stands in a clause with one route, and no other medicine."""
    lower = forms(text)[2]
    found: dict[str, set[str]] = {}
    begin = 0
    for end in [*(match.start() for match in CLAUSE.finditer(lower)), len(lower)]:
        names = {name for start, _, name in names_of(text) if begin <= start < end and medicine(name)}
        routes = {one.unit for one in read(text) if one.kind == "route" and begin <= one.start < end} & APART
        if len(names) == 1 and routes:
            found.setdefault(min(names), set()).update(routes)
        begin = end
    return found


def other_unit(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Found]:
    """The number of the reference with a unit that does not convert: 10 mL for 10 units, IU for micrograms.

    The names may differ ("vitamin A", "retinol"). Neither text has the amount of the other, nor the number
    twice.
    """
    sides = [[claim for claim in side if _is_given(claim)] for side in (ours, theirs)]
    for one, other in product(*sides):
        number = one.quantity.number
        if number != other.quantity.number or number < 2 or not _unlike(one.quantity, other.quantity):
            continue
        once = all(sum(claim.quantity.number == number for claim in side) == 1 for side in sides)
        if once and not any(
            amounts_meet(mine, another)
            for claim, side in ((one, theirs), (other, ours))
            for mine in claim.all_amounts
            for rival in side
            for another in rival.all_amounts
        ):
            yield one.subject or other.subject or "amount", "unit", one.written, other.written


def _is_given(claim: Claim) -> bool:
    quantity = claim.quantity
    return quantity.kind == "amount" and DOSED.match(quantity.unit) is not None and not claim.item


def _unlike(first: Quantity, second: Quantity) -> bool:
    """Whether two amounts of one number are of different kinds, or a rate per minute for one per hour."""
    if first.unit != second.unit:
        return first.unit.partition("/")[0] != second.unit.partition("/")[0]
    low, high = sorted((first.values[0][0], second.values[0][0]))
    return first.unit.endswith("/h") and high == 60 * low


def other_sense(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Found]:
    """A number that means something else in the answer: weight for gain, course for week of pregnancy."""
    weights = [[claim for claim in side if claim.subject in BODY_WEIGHTS] for side in (ours, theirs)]
    if len(weights[0]) == len(weights[1]) == 1:
        ((one,), (other,)) = weights
        if one.subject != other.subject and amounts_meet(one.quantity, other.quantity):
            yield one.subject, "value", one.written, other.written
    elif len(weights[1]) == 1:
        # "84 kg, 4 kg more than before", and an answer that takes the one for the other.
        (other,) = weights[1]
        met = {claim.subject for claim in weights[0] if amounts_meet(claim.quantity, other.quantity)}
        if met and other.subject not in met:
            yield other.subject, "value", weights[0][0].written, other.written
    for one, other in product(ours, theirs):
        amounts = one.quantity, other.quantity
        units = ["day" if amount.kind == "age" else amount.unit for amount in amounts]
        if sorted(units) == ["day", "week of pregnancy"] and is_course((one, other)[units.index("day")]):
            weeks = [amount.values[0][0] * WEEKS[amount.unit] for amount in amounts]
            if weeks[0] == weeks[1]:
                yield "week of pregnancy", "value", one.written, other.written


def old_dose(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Found]:
    """The only dose of the answer, where the reference has changed "from" it "to" another."""
    for one, new in permutations(ours, 2):
        if one.subject != new.subject or one.dimension != new.dimension or not medicine(one.subject):
            continue
        old, now = one.written.lower(), new.written.lower()
        sentence = one.sentence.replace(old, "A", 1).replace(now, "B", 1)
        if not CHANGED.search(sentence):
            continue
        same = (one.subject, one.dimension)
        given = [other for other in theirs if (other.subject, other.dimension) == same]
        if len(given) != 1 or given[0].role or PAST.search(given[0].around):
            continue
        quantity = given[0].quantity
        if amounts_meet(quantity, one.quantity) and not amounts_meet(quantity, new.quantity):
            yield one.subject, "value", new.written, given[0].written


def turned_round(reference: str, hypothesis: str) -> Iterator[Found]:
    """Changes in the other direction: "from 82 to 96" for "from 96 to 82"."""
    if " from " not in forms(reference)[2]:
        return
    ours, theirs = (
        {tuple(map(Fraction, match.groups())): match.group() for match in FROM_TO.finditer(forms(text)[2])}
        for text in (reference, hypothesis)
    )
    for (first, last), written in ours.items():
        for (begin, end), other in theirs.items():
            turned = (first < last) != (begin < end) and first != last and begin != end
            if turned and is_close(first, end) and is_close(last, begin) and (first, last) not in theirs:
                yield "change", "swapped", written, other


def changed_otherwise(reference: str, hypothesis: str) -> Iterator[Found]:
    """The only change of each text, of which one end is another: "from 118 to 136" for "from 118 to 126"."""
    sides = [list(FROM_TO.finditer(forms(text)[2])) for text in (reference, hypothesis)]
    if [len(side) for side in sides] != [1, 1]:
        return
    (one,), (other,) = sides
    ends = [(Fraction(one[end]), Fraction(other[end])) for end in (1, 2)]
    alike = [is_close(*pair) for pair in ends]
    if any(alike) and not all(alike):
        ours, theirs = ends[alike.index(False)]
        if ours not in _numbers(hypothesis) and theirs not in _numbers(reference):
            yield "change", "value", one.group(), other.group()


def _numbers(text: str) -> set[Fraction]:
    """All numbers in digits of a text."""
    return {Fraction(number) for number in NUMBER.findall(forms(text)[2])}


def other_half_of_day(reference: str, hypothesis: str) -> Iterator[Found]:
    """The same clock times in the other half of the day: "8 pm and 2 am" for "8 am and 2 pm"."""
    ours, theirs = (dict(times_of_day(forms(text)[2])) for text in (reference, hypothesis))
    if ours.keys() == theirs.keys() or len(ours) != len(theirs):
        return
    if sorted(time % HALF_A_DAY for time in ours) == sorted(time % HALF_A_DAY for time in theirs):
        yield "time of day", "value", ", ".join(ours.values()), ", ".join(theirs.values())


def of_one_event(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[tuple[Claim, Claim]]:
    """The times that two texts give for one event, each only once: "after the bite", "of the bite"."""
    events = [[(claim, *_event(claim)) for claim in side] for side in (ours, theirs)]
    pairs = [
        (one, other)
        for (one, way, event), (other, other_way, other_event) in product(*events)
        if way == other_way and event & other_event
    ]
    if len(pairs) == 1:
        yield pairs[0]


def _event(claim: Claim) -> tuple[str, frozenset[str]]:
    """Whether a time is before or after an event, and the beginnings of the words of that event."""
    place = claim.sentence.find(claim.written.lower())
    match = EVENT.match(claim.sentence, place + len(claim.written)) if place >= 0 else None
    if match is None:
        return "", frozenset()
    beginnings = frozenset(
        word[:5] for word in match["event"].split() if len(word) > 2 and word not in ARTICLES
    )
    return ("before" if match["before"] else "after"), beginnings


def is_course(claim: Claim) -> bool:
    """Whether a time in weeks is how long something is done, or is after the birth."""
    if claim.quantity.kind == "age":
        return True
    place = claim.sentence.find(claim.written.lower())
    before, after = claim.sentence[:place], claim.sentence[place + len(claim.written) :]
    return COURSE.search(before) is not None or AFTER_BIRTH.match(after) is not None
