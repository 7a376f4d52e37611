"""Negation in clinical English: which words negate, what they do not negate, and how far they reach.

After NegEx (Chapman et al., 2001): a trigger negates the terms that follow within a few words of its clause
(`NEGATION_WORDS`), or the term before it (`NEGATED_AFTER`). Advice counts as well: what is to be avoided,
stopped or is contraindicated is negated. What is only possible is not.
"""

import re

from medqa.clinical.words import words

# Words that begin a negation, beside all that end in "n't"; some only with the words after them.
NEGATION_WORDS = words(
    "no not non without never neither nor none cannot dont doesnt isnt wasnt cant wont shouldnt "
    "denies denied deny "
    "denying absence absent lack lacks lacking lacked free negative excludes exclude excluding "
    "excluded ruled rules "
    "avoid avoids avoiding stop stops stopping discontinue discontinuing withhold withholding omit "
    "omitting hold refrain "
    "contraindicated instead rather unlikely forbid forbidden refuses nil prohibited"
)
_NEEDS_AFTER = {
    "absence": " of ", "lack": " of ", "lacks": " ", "lacking": " ", "absent": " ",
    "free": (" of ", " from "),
    "negative": " for ", "ruled": " out ", "rules": " out ", "instead": " of ", "rather": " than ",
    "refrain": " from ", "unlikely": (" to ", " that "), "hold": (" the ", " off "),
    "contraindicated": " to ",
    "nil": " ", "none": (" of ", " had ", " showed "), "excluded": " ",
}  # fmt: skip
# Triggers that undo another: "do not stop aspirin".
UNDOING = words(
    "stop stopping discontinue discontinuing withhold withholding omit omitting avoid hold exclude"
)
# What looks like a negation and is none.
_NOT_NEGATED = re.compile(
    r"[ -](?:only|just|merely|necessarily|increase|decrease|change|longer|(?:more|less|later|earlier"
    r"|fewer|sooner) than"
    r"|be certain|certain|(?:yet )?(?:be |been )?(?:rule|ruled|excluded?)(?: out)?|doubt|until"
    r"|uncommon|uncommonly|unusual"
    r"|unusually|rare|rarely|always|matter|all|every|enough|sure|know|known|contraindicat\w+|forget|hesitate|delay"
    r"|unreasonable|unlikely|different|miss|hesitation|interruption)(?![a-z])"
)
# Compounds that begin with "non" and deny nothing.
_NON = re.compile(
    r"[ -](?:small|steroid|hodgkin|invasive|insulin|alcoholic|st(?![a-z])|q(?![a-z])|specific"
    r"|prescription|pharma"
    r"|opioid|hdl|drug|dihydro|selective|surgical|verbal|complian|adheren|healing|union)"
)
_BE = r"(?:is|was|are|were|been|be|being|has been|have been|tests?|tested|remains?)"
_FOUND = (
    r"(?:seen|present|found|likely|detected|evident|recommended|indicated|needed|required|given|used|taken|advised"
    r"|necessary|confirmed|identified|observed|noted|reported|appropriate|allowed|safe|suspected|considered"
    r"|demonstrated|visible|shown|prescribed|administered|started|continued|suggested|appreciated|diagnosed|offered"
    r"|permitted|felt|heard|palpable|visuali[sz]ed|apparent|elicited|prescribe|resumed|helpful|effective|suitable)"
)
# What negates backwards: "pneumonia was ruled out", "oedema: none", "aspirin should be avoided".
NEGATED_AFTER = re.compile(
    rf"(?:[^.;:,!?\n]{{0,30}}? (?:{_BE} (?:\w+ly )?(?:ruled out|excluded|absent|unlikely|negative"
    rf"|contraindicated"
    r"|contra-indicated|avoided|stopped|discontinued|withheld|omitted|unnecessary|forbidden|prohibited|denied|ceased"
    r"|inappropriate|inadvisable|held)"
    rf"|(?:(?:is|was|are|were|been|be|has|have|had|do|does|did|can|could|should|must|may|need|would|will|ought)"
    rf"(?: ?not|n't)|cannot|never)(?: to)?(?: have)?(?: been| be)? (?:\w+ly )?{_FOUND}"
    r"|(?:not|never) (?:been |be )?(?:seen|present|found|detected|evident|recommended|indicated"
    r"|identified|needed)"
    r"|unlikely|absent|unnecessary)"
    r"|[ -]negative|[ -]free|[ -]na[iï]ve| ?(?:[:=]|-(?= )) ?(?:none|no|absent|nil|negative|denied"
    r"|denies|not (?:seen|present|found"
    r"|detected|noted|reported|evident|identified)|contraindicated|avoid|\(?-\)?(?= |$)|ruled out"
    r"|excluded|0(?![.0-9]))"
    r"| (?:none|nil)(?= *[.;,\n]| *$))(?![a-z])"
)
# What leaves open: "cannot be excluded", "has not been ruled out", "is not excluded".
_OPEN_AFTER = re.compile(
    r"[^.;:!?\n]{0,30}?(?:(?:not|n't|cannot|never) (?:yet )?(?:completely |entirely |fully )?(?:be "
    r"|been )?(?:yet )?"
    r"(?:ruled out|excluded|contraindicated|stopped|discontinued|withheld|avoided|omitted|unlikely"
    r"|negative|unnecessary)"
    r"|(?:to|should|must|needs? to|has to|have to|until) (?:be )?(?:ruled out|excluded)|not negative)"
)
# Words that end what a negation reaches.
CLAUSE_END = words(
    "but however although though yet except unless which who because since while whereas then therefore so "
    "still instead and if when until despite"
)
# Words that end it once a term has been negated: "no aspirin in children", "no wheeze on the left".
PREPOSITIONS = words("in during for before after to with from at by on within until among")
# How many words a negation reaches, counted anew after each negated term.
NEGATION_REACH = 6
# "non-diabetic" reaches one word.
PREFIX_REACH = 1
# Adjectives that deny in one word, and what they deny; "non" before a term does so, too.
DENYING_WORDS = {
    "afebrile": "fever", "apyrexial": "fever", "apyretic": "fever", "apyrexic": "fever",
    "anicteric": "jaundice",
    "acyanotic": "cyanosis", "normotensive": "hypertension", "euglycemic": "hyperglycemia",
    "nonsmoker": "smoking",
    "nontender": "tenderness", "seronegative": "antibody", "asymptomatic": "symptomatic",
    "atraumatic": "trauma", "nulliparous": "childbirth", "teetotal": "alcohol", "teetotaller": "alcohol",
    "abstinent": "alcohol", "immunocompetent": "immunosuppression", "unvaccinated": "vaccination",
    "nonpregnant": "pregnancy", "painless": "pain", "symptomless": "symptomatic", "odorless": "odor",
}  # fmt: skip


def negates(text: str, word: str, start: int) -> bool:
    """Whether a word of negation negates here: not in "not only", and "free" only in "free of"."""
    end = start + len(word)
    if (_NON if word == "non" else _NOT_NEGATED).match(text, end):
        return False
    following = _NEEDS_AFTER.get(word)
    return following is None or text.startswith(following, end)


def negated_after(text: str, end: int) -> int | None:
    """Where the words end that negate the term that ends at `end`; None when nothing after it does."""
    match = NEGATED_AFTER.match(text, end)
    if match is None:
        return None
    left_open = _OPEN_AFTER.match(text, end)
    return None if left_open and left_open.end() >= match.end() - 2 else match.end()


def list_goes_on(tokens: list[tuple[str, int]], comma: int) -> bool:
    """Whether a comma separates items of one negated list: "no fever, cough or rash", by its later "or"."""
    for word, _ in tokens[comma + 1 : comma + 12]:
        if word in ("or", "nor"):
            return True
        if word in CLAUSE_END or word in ".;:!?()\n":
            return False
    return False
