"""Kilograms and pounds: a body weight, its change, or the weight of something else."""

import re

# Weights are read in milligrams.
MG_PER_KG = 10**6
BODY_WEIGHT = re.compile(r"[0-9 -](?:kgs?|kilos?|kilograms?|lbs?|pounds?|stones?)\b(?!/)")
# A number of pounds that is a load or a change and not somebody's weight.
NO_WEIGHT = re.compile(
    r"\b(?:lift\w*|carr(?:y|ied)\w*|push\w*|pull\w*|dumbbells?|barbells?|weights|restrict\w*"
    r"|heav(?!ier than [0-9])\w*|object\w*"
    r"|squat\w*|bench\w*|press\w*)\b"
)
WEIGHT_CHANGE = re.compile(
    r"\b(?:los[etis]\w*|loss|gain\w*|down|up(?= ?[>≥0-9])|up (?:by|over|more than|at least)|shed"
    r"|dropped|fell|fallen|rose|risen"
    r"|ris(?:es?|ing)|(?:in|de)creas\w+|(?:heavier|lighter)(?! than [0-9])|put on"
    r"|(?:more|less) than (?:before|last|at|on|his|her|the))\b"
)
# What an amount belongs to that is nobody's weight.
NO_SUBJECT = "none"


def weighed(around: str) -> str:
    """What kilograms are those of, by the words around them: "weight", "weight change" or `NO_SUBJECT`."""
    if NO_WEIGHT.search(around):
        return NO_SUBJECT
    return "weight change" if WEIGHT_CHANGE.search(around) else "weight"
