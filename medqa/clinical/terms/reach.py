"""How far a negation reaches in a text that is read word by word."""

from medqa.clinical.terms.negated_after import ENDED_AFTER
from medqa.clinical.terms.negation import (
    ADVICE,
    ASIDE,
    CIRCUMSTANCES,
    CLAUSE_END,
    ENDING_NOUNS,
    EVIDENCE_THAT,
    LISTING,
    NEGATION_REACH,
    PASSIVE,
    PREFIX_REACH,
    RELATION,
    TAKEN_WITH,
    UNDOING,
    negates,
)
from medqa.clinical.words import words

# What a token can be beside a word of a term.
MARK, END, PREPOSITION, NEGATION = "mark", "end of a clause", "preposition", "negation"
# "Nitrites were not detected on dipstick": the test is not denied.
ARTICLES = words("the a an her his your")
# "Culture of the pleural fluid was negative" denies no fluid.
TESTS = words(
    "culture cultures biopsy biopsies cytology microscopy examination swab swabs sample samples scan "
    "ultrasound test tests testing analysis imaging"
)
EVIDENCE = words("evidence sign signs symptoms history suggestion features")
VERBS = words("has have had is are was were can may will does did the he she they it a an no not takes needs")
# What goes on with the subject of the sentence after "without" and a term.
PREDICATES = words(
    "is are was were has have had can may might should must will raises suggests suggest needs need requires "
    "require makes make means points indicates implies excludes confirms calls"
)
BECAUSE = words("because")
PREFIXES = words("non ex")
PERMITTED = words("allowed permitted recommended advised suitable safe indicated")
AVOIDING = words("avoid avoids avoiding")
RESPONSES = words("reaction reactions allergy allergies hypersensitivity intolerance exposure resistance")
PERCEIVED = words("detected seen found noted visible evident shown demonstrated identified observed apparent")


def is_circumstance(tokens: list[tuple[str, int]], place: int) -> bool:
    """Whether a term only says where or when, or what is tested: "in pregnancy it is contraindicated"."""
    before = [word for word, _ in tokens[max(0, place - 3) : place]]
    if before and before[-1] in ARTICLES:
        before.pop()
    if not before:
        return False
    # "Stopping the statin is not necessary" denies no statin.
    return (
        before[-1] in ASIDE
        or before[-1] in ENDING_NOUNS
        or (before[-1] == "of" and len(before) > 1 and before[-2] in TESTS | ENDING_NOUNS | BECAUSE)
    )


# Words that begin examples of what was denied: "no live vaccines, especially MMR".
APPOSITION = words("including especially particularly notably namely")


def ended_after(text: str, end: int) -> int | None:
    """Where the words end that say that a circumstance is over: "after the fever is gone"."""
    match = ENDED_AFTER.match(text, end)
    return match.end() if match else None


def list_goes_on(tokens: list[tuple[str, int]], comma: int, listing: bool) -> bool:
    """Whether a comma separates items of one negated list: "no fever, cough or rash", by its later "or".

    After a word of `LISTING` an "and" does as well: "denies fever, cough and rash".
    """
    if tokens[comma + 1 : comma + 2] and tokens[comma + 1][0] in APPOSITION:
        return True
    included = _is_included(tokens, comma)
    for word, _ in tokens[comma + 1 : comma + 12]:
        if included or word in ("or", "nor", "included") or (word == "and" and listing):
            return True
        if word in CLAUSE_END or word in ".;:!?()\n":
            return False
    return False


def _is_included(tokens: list[tuple[str, int]], place: int) -> bool:
    """Whether examples of what was denied follow: "no live vaccine, MMR and BCG included"."""
    for word, _ in tokens[place + 1 : place + 8]:
        if word == "included" or not word[0].isalnum():
            return word == "included"
    return False


class Reach:
    """How far the latest negation of a text reaches.

    Attributes:
        reached: the last token that the negation reaches, -1 for none.
        trigger: the token where it began.
        has_negated: whether it has negated a term already.
        between: the token where "no link between" began, -1 for none.
        begins: the token after which the negation begins, -1 for its trigger.
        read_to: where the words end that negated the last term from behind.
    """

    def __init__(self, tokens: list[tuple[str, int]], lower: str) -> None:
        self.tokens, self.lower = tokens, lower
        self.reached, self.trigger, self.has_negated, self.between, self.read_to = -1, 0, False, -1, 0
        self.begins = -1

    def update(self, role: str, place: int, word: str, start: int) -> None:
        """Read a mark, the end of a clause, a preposition or a negation."""
        tokens, opener = self.tokens, self.tokens[self.trigger][0]
        if role is NEGATION:
            self._negation(place, word, start)
        elif role is MARK:
            goes_on = word == "," and place <= self.reached and list_goes_on(tokens, place, opener in LISTING)
            # "Not allowed: alcohol"
            goes_on |= word == ":" and place == self.trigger + 2 and tokens[place - 1][0] in PERMITTED
            self.reached = self.reached + 1 if goes_on else -1
        elif role is PREPOSITION:
            if word == "of":  # "no instability of the knee"
                quality = tokens[place - 1][0].endswith("ity") and tokens[place - 1][0] != "possibility"
                self.reached = -1 if quality else self.reached
                return
            of_advice = word == "for" and tokens[place - 1][0] in ADVICE
            of_test = word != "to" and tokens[place - 1][0] in PERCEIVED
            circumstance = word in CIRCUMSTANCES and place > self.trigger + 1
            # "Avoid peroxide on clean wounds", "no reaction to penicillin"
            circumstance |= word == "on" and opener in AVOIDING and place > self.trigger + 1
            circumstance |= word == "to" and tokens[place - 1][0] in RESPONSES
            # "It matters for A; it isn't for B"
            circumstance |= word == "for" and place == self.trigger + 1 and opener.endswith("n't")
            # "Negative for HIV and for syphilis"
            again = word == "for" and tokens[place - 1][0] in ("and", "or", "nor")
            if again and self.reached >= place:
                return
            if self.has_negated or of_advice or of_test or circumstance:
                self.reached = -1
        elif word == "and" and self.between == self.trigger:
            self.reached, self.between = place + NEGATION_REACH, -1
        else:
            both = place > self.trigger + 1 and tokens[self.trigger + 1][0] == "both"
            named = opener in LISTING or (self.has_negated and _is_included(tokens, place))
            if word != "and" or not (both or named or self._names_several(place)):
                self.reached = -1

    def _names_several(self, place: int) -> bool:
        """Whether an "and" goes on with the things of "no evidence of A and B", and not with a statement."""
        first, second = ([word for word, _ in self.tokens[self.trigger + 1 : self.trigger + 3]] + ["", ""])[
            :2
        ]
        following = "".join(word for word, _ in self.tokens[place + 1 : place + 2])
        return first in EVIDENCE and second == "of" and following not in VERBS and place <= self.reached

    def covers(self, place: int) -> bool:
        """Whether the negation reaches a token."""
        return self.begins < place <= self.reached

    def extend(self, place: int) -> None:
        """Let the negation go on from a term that it negated and that ends at `place`."""
        self.has_negated = True
        # "non-tender abdomen" denies no abdomen.
        trigger = self.tokens[self.trigger][0]
        following = "".join(word for word, _ in self.tokens[place + 1 : place + 2])
        # "Haematuria without dysuria suggests bladder cancer."
        ends = trigger in PREFIXES or (trigger == "without" and following in PREDICATES)
        self.reached = place if ends else place + NEGATION_REACH

    def _negation(self, place: int, word: str, start: int) -> None:
        other = PASSIVE.match(self.lower, start) or TAKEN_WITH.match(self.lower, start)
        if start < self.read_to or other or not negates(self.lower, word, start):
            self.reached = -1 if word in ("without", "not", "cannot", "against") else self.reached
            return
        undoing = word in UNDOING or word in ("free", "clear", "lack")  # "not free of"
        undoes = place <= self.reached and not self.has_negated and undoing
        self.between = place if RELATION.match(self.lower, start + len(word)) else -1
        reach = PREFIX_REACH if word in PREFIXES else NEGATION_REACH
        self.reached = -1 if undoes or self.between == place else place + reach
        if evidence := EVIDENCE_THAT.match(self.lower, start + len(word)):
            self.begins = place + len(evidence.group().split())
            self.reached = self.begins + NEGATION_REACH
        self.trigger, self.has_negated = place, False
