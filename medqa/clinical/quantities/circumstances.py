"""The circumstances of a dose, from the words around it: role, people, day, whether it is forbidden."""

import re

from medqa.clinical.quantities.quantity import Quantity
from medqa.clinical.quantities.scan import BEFORE_LARGER

# Which reading of several: values of different days are not compared.
WHEN = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|yesterday|today"
    r"|(?:on|at) (?:admission|discharge|baseline)|last (?:week|month|year|visit)|previously"
    r"|(?:day|week|month|year) [0-9]+)\b"
)
# What forbids or negates; "no more than" and "not above" are bounds, "so as not to hurt" a purpose.
_BOUND = (
    rf"(?! (?:{BEFORE_LARGER}(?:more|less|later|earlier|sooner|fewer|higher|lower|greater|longer|faster"
    r"|slower|quicker|shorter|larger|smaller|bigger|older|younger|above|below|over|under|beyond|exceed\w*))\b)"
)
OPPOSED = re.compile(
    rf"\b(?:(?:no(?! [a-z]+:)|(?<!so as )(?<!order )not|never){_BOUND}"
    r"|cannot|avoid(?:ed|ing)?|stop(?:s|ped|ping)?|with(?:hold|held)\w*"
    r"|h(?:o|e)ld(?!:|,| true| (?:[a-z]+ ){1,3}(?:under|against|in place|still|up|upright)\b"
    r"| (?:it|them|this) (?:there|at|steady|below|under|above)\b)"
    r"|defer\w*|postpon\w*|delay\w*|interrupt\w*|omit\w*|le(?:ave|aving|ft) (?:[a-z-]+ ){0,3}out|paus\w+"
    r"|unless|contra-?indicat\w+|without|discontinu\w+|until|forbid\w*|skip\w*|withdraw\w*|c(?:o|a)mes? off"
    r"|taken? off|ke(?:ep|pt) (?:off|away)|off[ -]limits|ceas\w+|halt\w*|put(?:s|ting)? (?:off|back)"
    rf"|call(?:ed)? off|too (?:low|high|short|long|slow|fast|little|much))\b"
    rf"|n't{_BOUND}(?! (?:[a-z]+ ){{0,2}}(?:more|longer|exceed|quicker|faster|shorter) )"
)
# Where a sentence turns to the other side of a bound: "given from 200 on, but with fewer it is withheld"
CONTRAST = re.compile(r"(?:,|;| -) (?:but|while|whereas|otherwise)(?![a-z])|;| whereas ")
MAXIMUM = re.compile(
    r"\b(?:max|maximum"
    r"|(?:highest|largest|greatest|top) (?:(?!single )[a-z]+ ){0,2}?(?:dos(?:e|age)|amount)"
    r"|exceed\w*|limit\w*|no more than|at most|ceiling|cap(?:ped|s)?(?: [a-z]+){0,3} at)\b"
)
STAGE = re.compile(
    r"\b(?:(?P<first>start\w*|initial\w*|begin\w*|loading|bolus|first|test dose)"
    r"|(?P<later>maintenance|then|increas\w*|rais\w*|titrat\w*|target|thereafter|followed by|lower\w*"
    r"|reduc\w*|continu\w*))\b"
)
# "Reduce by 10 mg each week", "in steps of 5 mg"
STEP = re.compile(
    r"\b(?:(?:reduc|lower|increas|rais|decreas|taper|titrat)[a-z]* (?:[a-z]+ ){0,3}?by"
    r"|(?:dose|dosage|strength|amount) ris(?:es|ing) by"  # a laboratory value that rises is no step
    r"|(?:steps?|increments?) of) $"
)
CHILD = re.compile(
    r"\b(?:child\w*|paediatric\w*|pediatric\w*|infants?|neonates?|newborns?|kids?|toddlers?|babies)\b"
)
ADULT = re.compile(r"\b(?:adults?|men|women|elderly|older people)\b")


# "a 600 mg load", "20 mg first"
AFTER = re.compile(
    r" (?:(?:iv|po|once|orally|daily|intravenously|as an?|a day) ){0,2}(?:(?P<first>load(?:ing)?|bolus|stat"
    r"|initially|at first|to start|(?:on |for )?(?:day (?:1|one)|the first day)|first(?=[,;.]))"
    r"|(?P<later>maintenance|thereafter|afterwards|after that|from (?:day (?:2|two)|the second day)))"
    "(?![a-z])"
)


def role_of(amount: Quantity, context: str, text: str, end: int) -> str:
    """The role of a dose: "maximum", or "first" or "later" by the word after (up to `end`) or before it."""
    if context.endswith((" by ", " of ")) and STEP.search(context):
        return "step"
    if amount.bound == "<" or (not amount.bound and MAXIMUM.search(context)):
        return "maximum"
    found = [match.lastgroup for match in STAGE.finditer(context)]
    after = AFTER.match(text, amount.end, end)
    if after is not None:
        return after.lastgroup
    return found[-1] if found else ""
