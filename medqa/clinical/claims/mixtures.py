"""Doses made of items of several strengths: 7 mg for "two 3 mg tablets and one 1 mg tablet"."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from medqa.clinical.claims.doses import Dose
from medqa.clinical.notation.numbers import PHRASE
from medqa.clinical.quantities.items import ITEM_AFTER

# Between two strengths that are taken at one time, after the name of the item: " plus one "
TOGETHER = re.compile(
    r"(?:,| and| plus|, and| together with| with| \+| &)(?: with)?"
    rf"(?: (?:an?|another|{PHRASE})(?: x| of (?:the|her|his|your))?)? "
)


def with_mixtures(found: Sequence[Dose], lower: str) -> list[Dose]:
    """The doses of a text in lower case, those of a mixture with what all its items come to at one time."""
    mixed = list(found)
    runs: list[list[int]] = []
    for place, (last, dose) in enumerate(pairwise(found)):
        after = ITEM_AFTER.match(lower, last.amount.end)
        if (
            after is None
            or ITEM_AFTER.match(lower, dose.amount.end) is None
            or (last.subject, last.amount.unit) != (dose.subject, dose.amount.unit)
            or not TOGETHER.fullmatch(lower, after.end(), max(after.end(), dose.amount.start))
        ):
            continue
        if runs and runs[-1][-1] == place:
            runs[-1].append(place + 1)
        else:
            runs.append([place, place + 1])
    for run in runs:
        amounts = [found[place].total or found[place].amount for place in run]
        low, high = (sum(amount.values[0][end] for amount in amounts) for end in (0, 1))
        total = replace(amounts[0], values=((low, high),))
        # "Each morning two 3 mg tablets and one 1 mg tablet", "… once daily"
        often = next((found[place].frequency for place in (run[-1], run[0]) if found[place].frequency), None)
        for place in run:
            mixed[place] = replace(found[place], total=total, frequency=often, counted=True)
    return mixed
