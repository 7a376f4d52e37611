"""Infusion rates: 125 mL/h, a litre every eight hours and 3 L in a day are one rate.

Texts that give one amount each are compared by what it comes to in a day, whichever unit of time they use.
"""

import re
from collections.abc import Iterator
from fractions import Fraction

from medqa.clinical.claims.claims import Claim, Found, claims
from medqa.clinical.notation.numbers import is_close, quotient
from medqa.clinical.notation.text import forms
from medqa.clinical.quantities.quantity import Quantity
from medqa.clinical.quantities.quantity_reader import read

# Amounts that are infused.
INFUSED = re.compile(r"(?:mg|mL|IU|mEq|mmol)(?:/kg)?(?:/h)?$")
# "500 mL is given in 4 hours", "1,600 mL replaced evenly over 48 hours"
OVER = re.compile(
    r" (?:(?!and |or |then |for |every |once |if )[a-z]+ ){0,6}?(?:over|across|during|within|in)"
    r"(?: (?:the|a|each|every|about))*(?: (?:next|first|whole|course of))* $"
)


def other_rate(reference: str, hypothesis: str) -> Iterator[Found]:
    """The only rate of each text, where they differ by more than rounding."""
    rates = [_rates(text) for text in (reference, hypothesis)]
    if not all(len({unit for unit, _, _ in side}) == 1 for side in rates):
        return
    (unit, _, ours), (other_unit, _, theirs) = (side[0] for side in rates)
    per_hour = any(claim.quantity.unit.endswith("/h") for claim in (ours, theirs))
    if unit != other_unit or not per_hour:
        return
    if not any(is_close(one, other) for _, one, _ in rates[0] for _, other, _ in rates[1]):
        yield ours.subject or theirs.subject or "rate", "value", ours.written, theirs.written


def _rates(text: str) -> list[tuple[str, Fraction, Claim]]:
    """The rates of a text, each with its unit and in a day; none where it gives a limit, range or several."""
    lower, found = forms(text)[2], []
    times = [one for one in read(text) if one.kind == "duration" and one.unit == "day" and not one.bound]
    infused = [claim for claim in claims(text) if claim.dose and INFUSED.match(claim.quantity.unit)]
    if sum(claim.quantity.unit.endswith("/h") for claim in infused) > 1:
        return []
    for claim in infused:
        (low, high), unit = claim.quantity.values[0], claim.quantity.unit.removesuffix("/h")
        if claim.item or claim.counted or claim.role or claim.quantity.bound or low != high:
            return []
        often, time = claim.dose.frequency, _time_of(claim.quantity, times, lower)
        if unit != claim.quantity.unit:
            found.append((unit, 24 * low, claim))
        elif time is not None:
            found.append((unit, quotient(low, time), claim))
        elif often is not None and often.unit == "day":
            found.append((unit, low * often.values[0][0], claim))
    return found


def _time_of(amount: Quantity, times: list[Quantity], lower: str) -> Fraction | None:
    """In how many days an amount is given: 1/6 for "500 mL in 4 hours"."""
    return next(
        (
            time.values[0][0]
            for time in times
            if time.values[0][0] and time.start > amount.end and OVER.fullmatch(lower, amount.end, time.start)
        ),
        None,
    )
