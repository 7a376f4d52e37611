"""A patient's own values and findings beside a general statement, which they do not contradict.

"Reduce the dose if creatinine is above 133" and "her creatinine is 96, so no reduction" agree, and so do "can
cause hypoglycaemia" and "no hypos reported".
"""

import re
from collections.abc import Sequence
from itertools import product

from medqa.clinical.claims.claims import Claim, claims
from medqa.clinical.notation.names import MEASURE_NAMES
from medqa.clinical.notation.text import forms
from medqa.clinical.quantities.quantity import amounts_meet
from medqa.clinical.terms.mentions import Place

# How many characters before a value show whose it is.
BEFORE = 60
# "his eGFR is", "she weighs", "pulse currently", "ALT today:"
OWN = re.compile(
    r"\b(?:[a-z0-9-]+ (?:brought|came|come|went|is|was) (?:back )?(?:down|up) to "
    r"|(?:his|her|my|their|your) (?:[a-z0-9-]+ ){1,3}?(?:(?:is|was|has been|of|now|today|only|at) ){0,2}"
    r"|weigh(?:s|ed|ing) (?:in at |only |now )?"
    r"|[a-z0-9-]+ (?:(?:is|was) )?(?:currently|today|now|this morning|yesterday|last week)"
    r"(?: (?:is|was|at))?:? )$"
)
OWN_AFTER = re.compile(
    r" ?(?:→|->|, (?:so|hence|therefore|thus)(?![a-z]))"
    r"| (?:today|currently|now|this morning|yesterday|last (?:week|month|time))(?![a-z])"
)
# Words that make a value a criterion or a target.
CRITERION = re.compile(
    r"\b(?:if|when|once|until|unless|from|at|target|goal|aim\w*|keep|threshold|limit|should|must|transfus\w+)\b"
)
ACTION = re.compile(
    r"\b(transfus|reduc|stop|start|treat|admit|admission|dialy|halv|with(?:hold|held)|increas|discontinu"
    r"|switch|anticoagul|intubat|refer|deliver|operat)"
)
DENIED = re.compile(r"(?:\b(?:no|not|never|without|nor)\b|n't)[^.;,:]*$")
# What a medicine can do, and what is watched for.
POSSIBLE = re.compile(
    r"\b(?:associated with|risks? (?:of|for)|(?:can|may|might|could) (?:also |rarely )?"
    r"(?:cause|lead to|trigger|provoke|produce|induce|result in)|prone to|predispos\w+ to|susceptible to"
    r"|(?:watch|look|monitor|ask) (?:out )?(?:for|about)|warn(?:ed)? (?:about|of)) (?:[a-z-]+,? ){0,4}$"
)
# "no hypos reported", "denies cough", "has had no rash"; not "has never been reported"
REPORTED = re.compile(
    r"(?: [a-z-]+){0,2}? (?:reported|noted|noticed|observed|experienced|so far|to date|at present|today|yet"
    r"|since|currently|this time|recently)(?![a-z])(?! (?:with|in|for|by) )"
)
WORD_END = re.compile(r"(?![a-z-])")
REPORTS = re.compile(
    r"\b(?:den(?:y|ies|ied)|(?:has|have) had no|reports? no|complains? of no|without) (?:[a-z]+ )?$"
    r"|(?:^|[.;,] )no $"
)


def is_own_value(criterion: Claim, value: Claim, general: str, text: str) -> bool:
    """Whether a claim of `text` is a patient's own value, and the other one a bound of that measure.

    Not where the text does what the other one does on that condition: "below 70, transfuse" and "95, so we
    transfuse".
    """
    low, high = criterion.quantity.values[0]
    if value.quantity.bound or not (criterion.quantity.bound or low < high):
        return False
    if criterion.subject != value.subject or (
        value.subject not in MEASURE_NAMES and value.quantity.kind != "score"
    ):
        return False
    lower, place = forms(text)[2], value.quantity.start
    before = lower[max(0, place - BEFORE) : place]
    own = OWN.search(before)
    clause = re.split(r"[.,;:]|\band\b", before[: own.start()] if own else before)[-1]
    if not (own or OWN_AFTER.match(lower, value.quantity.end)) or CRITERION.search(clause):
        return False
    return not _actions(general) & _actions(text)


def _actions(text: str) -> set[tuple[str, bool]]:
    """What a text does, and whether it denies that: ("transfus", True) for "no transfusion"."""
    lower = forms(text)[2]
    return {
        (action.group(1), DENIED.search(lower, max(0, action.start() - BEFORE), action.start()) is not None)
        for action in ACTION.finditer(lower)
    }


def outside_criterion(general: str, case: str) -> bool:
    """Whether a text gives values of a patient who does not meet the criteria of the other text."""
    criteria = [claim for claim in claims(general) if claim.quantity.bound and claim.dose]
    return bool(criteria) and any(
        one.quantity.unit == other.quantity.unit
        and is_own_value(one, other, general, case)
        and not amounts_meet(one.quantity, other.quantity)
        for one, other in product(criteria, claims(case))
    )


def is_only_possible(term: str, affirming: Sequence[Place], text: str) -> bool:
    """Whether a text names a term, of which the places are given, only as what can happen."""
    lower = forms(text)[2]
    places = [place.start for place in affirming if place.term == term]
    return bool(places) and all(POSSIBLE.search(lower, max(0, start - BEFORE), start) for start in places)


def is_report(term: str, denying: Sequence[Place], text: str) -> bool:
    """Whether a text denies a term of a patient, "no rash so far", and not in general."""
    lower = forms(text)[2]
    return any(
        REPORTS.search(lower, max(0, start - BEFORE), start)
        or (lower.endswith("no ", 0, start) and REPORTED.match(lower, WORD_END.search(lower, start).start()))
        for start, name, _ in denying
        if name == f"no {term}"
    )
