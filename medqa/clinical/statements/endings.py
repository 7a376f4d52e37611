"""What two texts stop, and when: "was withheld", "not until it is below 50", "once it is below 50"."""

import re

from medqa.clinical.notation.text import forms

ENDS = re.compile(
    r"\b(?:stop(?:s|ped|ping)?|discontinu(?:e|es|ed|ing|ation)|withdr(?:aw[a-z]*|ew)|ceas(?:e|es|ed|ing)"
    r"|end(?:s|ed)|c(?:o|a)mes? off|coming off|halted|suspended|withh[eo]ld|resol(?:ve[sd]?|ving|ution)"
    r"|held back|not (?:be(?:en)? )?continued|hold(?:s|ing)? back|on hold|paus(?:ed?|ing)|(?:has"
    r"|have) to go|omit(?:s|ted)?|left out"
    r"|(?:turn|switch|shut)(?:s|ed)? (?:(?!up)[a-z]+ ){0,5}?off|off(?= *[,;.]))(?![a-z])"
)
# "Stop it if", "to be withdrawn only when"
ENDS_IF = re.compile(rf"{ENDS.pattern}(?: [a-z-]+){{0,4}}? (?:if|when|once|unless)(?![a-z])")
# "There is no reason to stop", "metformin is continued and the contrast medium stopped"
NO_END = re.compile(
    rf"(?:\b(?:no|not|never|without|cannot|avoid|before|unnecessary)|n't) (?:[a-z]+ ){{0,3}}{ENDS.pattern}"
)
GOES_ON = (
    r"(?:continu|resum|restart|keep|kept|carry on|carries on|goes on|going on|maintain"
    r"|increas|rais|doubl|start|began|begin|add)[a-z]*"
)


def both_end_if(*texts: str) -> bool:
    """Whether all texts name a condition on which something is stopped."""
    return all(ENDS_IF.search(forms(text)[2]) for text in texts)


def both_end(one: str, other: str) -> bool:
    """Whether both texts end something and neither denies that: "was stopped", "ended on day 3"."""
    lower = [forms(text)[2] for text in (one, other)]
    return all(ENDS.search(text) and not NO_END.search(text) for text in lower)


def goes_on(term: str, text: str) -> bool:
    """Whether a text continues what a term names: "continue metformin", "metformin was continued"."""
    name = re.escape(term)
    of_level = r"(?!s? (?:level|concentration|exposure|effect)s?)"  # "raises simvastatin levels"
    pattern = rf"\b{GOES_ON} (?:[a-z]+ ){{0,2}}{name}{of_level}|\b{name}s? (?:[a-z]+ ){{0,3}}{GOES_ON}"
    return re.search(pattern, forms(text)[2]) is not None
