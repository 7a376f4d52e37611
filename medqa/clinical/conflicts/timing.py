"""Single doses that an answer gives again and again."""

import re
from collections.abc import Iterator, Sequence
from itertools import product

from medqa.clinical.claims.claims import Claim, Found
from medqa.clinical.notation.names import medicine
from medqa.clinical.quantities.quantity import amounts_meet

SINGLE = re.compile(
    r"\b(?:(?:as|in|by) (?:a |one )?single (?:[a-z]+ )?(?:dose|injection|infusion)|single dose of|one-off"
    r"|once only|stat|one[- ]time|only once|just once|one dose only)\b"
)
# "At bedtime" alone can be once.
EACH_DAY = re.compile(r"\b(?:each|every|daily|nightly|mane|nocte|od|mornings|evenings|nights)\b")
SHORT = re.compile(
    r"\b(?:single|once only|stat|one dose|today|tonight|one day|first|day 1|day one|then|after)\b"
)


def repeated_single(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Found]:
    """An amount that one text gives as a single dose and the other every day or week."""
    for number, (side, others) in enumerate(((ours, theirs), (theirs, ours))):
        if any(
            claim.quantity.kind == "frequency" or (claim.dose and claim.role == "maximum") for claim in side
        ):
            continue  # "a single dose of 400 mg, within 24 hours not above 1,200 mg"
        for one, other in product(side, others):
            if not (one.dose and other.dose and medicine(one.subject) and one.subject == other.subject):
                continue
            again = other.times_a_day and not one.dose.frequency and not SHORT.search(other.sentence)
            again = again and (not other.at_time or EACH_DAY.search(other.sentence))
            if again and SINGLE.search(one.sentence) and amounts_meet(one.quantity, other.quantity):
                written = [one.written, other.written]
                yield one.subject, "frequency", *(written[::-1] if number else written)
                return
