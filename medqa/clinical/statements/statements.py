"""Short statements in mostly the same words, of which exactly one is negated: "blood tests are needed"."""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.notation.word_forms import TOKEN, is_general, stem
from medqa.clinical.quantities.quantity_reader import read
from medqa.clinical.terms.negation import (
    ADVICE,
    CHANGES_NOT,
    CIRCUMSTANCES,
    DENYING_WORDS,
    NEGATION_WORDS,
    PREPOSITIONS,
    UNDOING,
    negates,
)
from medqa.clinical.words import words

# Words without a statement of their own, and words that say that something is there, advised or done.
_EMPTY = words(
    "a an the of in on at to for from by with and or as is are was were be been being am has have "
    "had having do does "
    "did can could should must may might will would shall need it its there this that these those he "
    "she they you we i "
    "his her their your any some patient patients person people present seen found shown show shows "
    "showed evidence "
    "sign signs indicated recommended advised necessary needed required given give take taken use "
    "used start continue "
    "continued safe appropriate allowed suitable confirmed positive reports reported has had got "
    "please routinely "
    "done performed first-line known more less than longer because so since but"
)
# Words that oppose a statement anywhere in it.
_OPPOSING = words(
    "no none nil absent unnecessary contraindicated contraindication contraindications unsafe negative "
    "avoided stopped discontinued withheld excluded ruled "
    "forbidden unable preclude precludes precluded "
    "inappropriate inadvisable superfluous redundant dispensable omitted contra "
    "fails failed prohibited refused refuses declined declines neg missing ex former insufficient lacking "
    "poorly badly inadequately useless pointless futile worthless unlikely"
)
# What "may" allows; elsewhere it says that something is possible.
_ALLOWED = (
    "used|given|taken|continued|crushed|chewed|split|opened|halved|stopped|started|repeated|increased|reduced|resumed"
    "|mixed|diluted|stored|frozen|kept|removed|worn|eaten|drunk|eat|drink|drive|fly|swim|bathe|shower|exercise|return"
    "|broken|sucked|dissolved|divided|cut|shared|shaken|massaged"
    "|omitted|left out|dispensed with|skipped|breastfeed|breast-feed|go|stop|start|take|use|continue|resume"
    "|discharged|mobilised|fed|vaccinated|combined|driven"
)
_DENYING = DENYING_WORDS | {
    "irregular": "regular", "abnormal": "normal", "ineffective": "effective",
    "incompatible": "compatible", "irreversible": "reversible", "inoperable": "operable",
    "impossible": "possible", "incomplete": "complete", "inaccurate": "accurate",
    "inadequate": "adequate", "insensitive": "sensitive", "intolerant": "tolerant", "immobile": "mobile",
    "irreducible": "reducible", "impalpable": "palpable", "inconclusive": "conclusive",
    "immature": "mature", "incompetent": "competent", "asymmetrical": "symmetrical",
    "disoriented": "oriented", "disorientated": "orientated",
    "illegal": "legal", "inactive": "active", "disallowed": "allowed",
}  # fmt: skip
OPEN = re.compile(
    r"\b(?:possibl[ey]|(?<!you )(?<!patients )(?<!she )(?<!he )(?<!they )may"
    rf"(?! (?:(?:also|now|safely|still) )?(?:be )?(?:{_ALLOWED})(?![a-z]))|might|suspected"
    r"|suspicion|likely|probabl[ey]|exclude|rules?(?: (?:a|an|the|it))?(?: [a-z]+){0,3} out)\b"
    r"|(?:\b(?:to|should|must|until|before|not|cannot|unless|once|if|when|after|be|been)\b|n't)[^.;,]{0,60}?"
    r"(?: excluded\b| ruled (?:[a-z]+ ){0,3}?out\b)"
    r"|(?:\b(?:not|never|cannot|unable)|n't) .*\b(?:without|unless)\b"
)

# "Possibly malignant", which "not malignant" denies; what "may" happen it does not.
POSSIBLE = re.compile(r"(?<!not )(?<!un)\b(?:possibl[ey]|probabl[ey]|suspected|(?<!more )(?<!less )likely)\b")
# Words that begin with "un" and deny nothing that a statement could affirm.
NOT_DENYING = words("unchanged unremarkable unfortunately untoward undoubtedly unusually unclear unknown")
# "If untreated" denies the treatment, "untreated sleep apnoea" is a cause.
BEFORE_UNTREATED = words("if when left is are was were be remains remained")
# Words for any medicine: what is said of "the drug" is said of no other one.
GENERIC = words("drug drugs medicine medicines medication medications treatment therapy")
# Words of an order, and of a preference.
_ORDERING = words(
    "first then only once come comes choose chosen prefer preferred dose doses better finished over"
)
# "Gluten-free", but not "a pill-free week"
FREE = re.compile(r"-free(?! (?:day|week|month|year|hour|interval|period|break|time)s?\b)(?![a-z])")
MARKS = re.compile(r"[,:;.] ")
# A later clause, in which no word undoes the negation of an earlier one: "don't drive until it has stopped"
SUBORDINATE = re.compile(r"\b(?:until|while|when|if|unless|because|before|after|once|as)\b")

# Stems of the words of amounts and times, which no denial is about.
_MEASURES = words("dose day week month year hour time onc mg ml")
# "The combination is not recommended" is advice against what is combined.
_TOGETHER = words("combination coadministration co-administration treatment therapy")
_NEGATING = NEGATION_WORDS | _OPPOSING
_RELATIONS = (CIRCUMSTANCES | PREPOSITIONS) - {"of"}
_OPPOSERS = _NEGATING | _DENYING.keys() | words("not cannot can't")
# Two statements have the same words when they share this much of the shorter one.
SAME_WORDS = 0.6
LONGEST_STATEMENT = 200
MOST_CLAUSES = 2
CLAUSES = re.compile(
    r"[.;!?\n](?=\s|$)|,? (?:but|however|whereas|although)(?![a-z])"
    r"| and (?=(?:(?:there (?:is|was|are|were)|has|had) )?no )"
)
# "It is better left out", "not an option unless nothing else works"
REFUSED = re.compile(
    r"\b(?:it|they|this|these) (?:is|are|was|were|should|must|had) (?:[a-z]+ ){0,3}(?:left out|avoided"
    r"|stopped|withheld|contra-?indicated|unnecessary)\b|\bleave (?:it|them) out\b|(?:\b(?:not"
    r"|never|cannot)|n't) .*\bunless\b"
    r"|(?<!not )(?<!never )(?<!n't )\b(?:dispensed with|out of bounds|off[ -]limits|off the table"
    r"|out of the question|no-go|ha(?:s|ve) to go"
    r"|banned|barred|held back|(?:put|placed) on hold|left out|cancelled|called off)\b"
)
# "He may drink until midnight", "no drinks after midnight"
AFTERWARDS = re.compile(r"\b(?:no|not|never|nothing)\b[^.;]* (?:after|from|beyond|past) ")
DOUBLE = re.compile(r"\b(?:not|no|never|isn't|aren't|without) (?:absolutely |a |strictly )?$")
NEGATIVE_COMPOUND = re.compile(r"\b([a-z]+)-negative\b")
# "Negative pressure", "without it" and "come off the ventilator" oppose nothing.
NO_STATEMENT = re.compile(
    r"negative (?:pressure|predictive|inotrop\w+|chronotrop\w+|feedback|balance|margins?|symptoms"
    r"|thoughts)(?![a-z])"
    r"|(?:not|[a-z]+n't) (?:(?:fall|be) )?(?:on )?(?:the|a) [a-z]+ days?(?![a-z])"
    # "no less than 24 hours", "not exceeding 6": bounds
    r"|(?:no|not|never|[a-z]+n't) (?:(?:be|fall|drop|last) )?(?:(?:less|more|fewer|longer|later|greater"
    r"|higher|lower|sooner|shorter) than|exceeding|(?<=does not )exceed"
    r"|(?<=doesn't )exceed|below|above|under|over)(?= [a-z]* ?[0-9])"
    r"|without (?:it|them|this)(?![a-z])|com(?:e|es|ing) off the (?:tube|ventilator|machine|bypass)(?![a-z])"
)
BADLY = words("poorly badly")
# Something is denied where it is tolerated or controlled "poorly", not where kidneys "work poorly".
DONE_BADLY = re.compile(
    r"^(?:poorly|badly) |\b(?:is|was|are|were|be|been) (?:poorly|badly)\b|\b(?:tolerate[ds]?|absorbed"
    r"|controlled) (?:poorly|badly)\b"
)
# What holds in any case, "even if he is not eating", denies nothing.
CONCESSION = re.compile(
    r"(?i),? (?:even (?:if|when|though|while)|except(?: for| in)?|apart from|with the exception of) [^.;,]+"
)
CONTRAST = re.compile(
    r",? (?:and |but )?not ((?:at|in|on|with|by|before|after|during) (?:the |a )?[a-z -]{1,25})(?=[.,;]|$)"
)
# "Does not exceed 6" is a bound as "6 or less" is, where the other text says nothing of exceeding.
NOT_EXCEEDING = re.compile(
    r"(?:(?:does|do|did|should|must|may|is|are|was|were)(?: not|n't)|cannot|can't|never|not) (?:to )?(?:be )?"
    r"exceed(?:s|ed|ing)?\b"
)
# What somebody concludes from a statement is left open, the statement is not.
CONCLUSION = re.compile(
    r", (?:raising|suggesting|indicating|(?:making|leaving) [a-z]+|suggestive of"
    r"|suspicious (?:for|of)|consistent with|compatible with"
    r"|which (?:suggests?|suggested|raises?|raised|makes?|made|points?|pointed)) [^.;\n]*"
)
PERMITTED = re.compile(r"\bmay (?:(?:also|now|still|safely) )?be ([a-z]+)")
FORBIDDEN = re.compile(r"\b(?:(?:must|should|may|can)(?: ?not|n't)|must never|should never) be ([a-z]+)")
WITHOUT = re.compile(r"\bwithout (?:any |further |a |an |the )?([a-z]{3,})")
# "Not uncommon"
DENIED_WORD = re.compile(r"(?:\bnot|n't) $")
# Advice against what comes before it: "honey should not be given".
ADVISED_AGAINST = re.compile(
    r"(?<![a-z])(?:([a-z]+) (?:(?:should|must|may|can)(?: not|n't)|cannot|can't) be "
    r"(?!(?:given|offered|prescribed) (?!to |in |for |with |at |by |as |if |when |during |before )[a-z])"
    r"|([a-z]+) (?:(?:is|are|was|were)(?: not|n't)|(?:is|are) never) "
    r"(?:recommended|advised|indicated|needed|necessary|required|safe|allowed|suitable|appropriate))"
)


def opposite(one: str, other: str) -> str:
    """The shared words of two short statements of which exactly one is negated, else ""."""
    if max(len(one), len(other)) > LONGEST_STATEMENT or not (_may_oppose(one) or _may_oppose(other)):
        return ""
    for first, second in ((one, other), (other, one)):
        if " until " in forms(first)[2] and AFTERWARDS.search(forms(second)[2]):
            return ""
    one, other = without_shared_denials(one, other)
    one, other = (CONCLUSION.sub("", CONCESSION.sub("", text)) for text in (one, other))
    if ("exceed" in one) != ("exceed" in other):
        one, other = (NOT_EXCEEDING.sub("is at most", text) for text in (one, other))
    one, other = _without_contrast(one, other), _without_contrast(other, one)
    # In more clauses, whole texts deny one thing and affirm another.
    few = max(len(_clauses(one)), len(_clauses(other))) <= MOST_CLAUSES
    whole = statement(one).opposed != statement(other).opposed
    kept = _about(one, other), _about(other, one)
    # What contradicts without its other clauses only may be explained by these.
    few = few and (whole or kept == (one, other))
    one, other = kept
    both = statement(one).opposed and statement(other).opposed
    common = statement(one).denied & statement(other).denied if both else frozenset()
    clauses = _clauses(one), _clauses(other)
    pairs = dict.fromkeys([*product(*clauses), *([(one, other)] if few else [])])
    for first, second in pairs:
        left_open = [OPEN.search(text.lower()) is not None for text in (first, second)]
        possible = _is_denied_possibility(first, second, left_open) or _permits_forbidden(first, second)
        if any(left_open) and not possible:
            continue
        mine, theirs = statement(first), statement(second)
        if mine.opposed == theirs.opposed or (mine.denied | theirs.denied) & common:
            continue
        if _goes_with_another(first, other) or _goes_with_another(second, one):
            continue
        shared = mine.words & theirs.words
        fewest = min(len(mine.words), len(theirs.words))
        denied = (mine.denied & theirs.words | theirs.denied & mine.words) - _MEASURES
        # Where both texts oppose something, one of them may do so on another condition.
        loose = few and not (statement(one).opposed and statement(other).opposed)
        same = shared and len(shared) >= SAME_WORDS * fewest and not (has_number(one) and has_number(other))
        advised = mine.advised | theirs.advised
        same = same and (not advised or not shared.isdisjoint(advised))
        about = denied & advised
        if same or (loose and (about or (denied and shared - denied))):
            return " ".join(sorted(shared if same else denied))
    return ""


def _about(text: str, other: str) -> str:
    """The clauses of a text that have a word of the other text; the others cannot contradict it."""
    clauses = _clauses(text)
    kept = [clause for clause in clauses if statement(clause).words & statement(other).words]
    return ". ".join(kept) if 0 < len(kept) < len(clauses) else text


def _goes_with_another(clause: str, other: str) -> bool:
    """Whether the other text has two clauses, of which the shorter one says the same as `clause`.

    "Naloxone reverses opioids" and "benzodiazepines aren't reversed by naloxone; opioids are".
    """
    clauses = [statement(part) for part in _clauses(other)]
    mine = statement(clause)
    common = frozenset().union(*(part.words for part in clauses if part.opposed != mine.opposed))
    own = mine.words - common
    return len(clauses) > 1 and any(
        own & part.words and len(part.words) == 1 for part in clauses if part.opposed == mine.opposed
    )


def _without_contrast(text: str, other: str) -> str:
    """A text without the contrast of which the other text does not speak: "in the morning, not at night"."""
    found = CONTRAST.search(forms(text)[2])
    if found is None or len(forms(text)[2]) != len(text) or words_of(found[1]) & statement(other).words:
        return text
    return text[: found.start()] + text[found.end() :]


def has_number(text: str) -> bool:
    return any(quantity.kind != "route" for quantity in read(text))


def without_shared_denials(one: str, other: str) -> list[str]:
    """Two texts without the negative prefixes of words that both have: "uncomplicated" denies nothing."""
    texts = [one, other]
    found = [
        {word for word in TOKEN.findall(forms(text)[2]) if word.startswith("un") or word in _DENYING}
        for text in texts
    ]
    for word in set.intersection(*(_stems_without(text) for text in texts)):
        texts = [_without(word, text) for text in texts]
    compounds = [set(NEGATIVE_COMPOUND.findall(text.lower())) for text in texts]
    for word in compounds[0] & compounds[1]:  # "rhesus-negative mothers"
        texts = [re.sub(rf"\b{word}-negative\b", word, text, flags=re.I) for text in texts]
    for word in found[0] & found[1] - NOT_DENYING:
        rest = _DENYING.get(word, word.removeprefix("un"))
        if word in _DENYING or (len(rest) > 4 and (is_general(rest) or rest.endswith("able"))):
            texts = [re.sub(rf"\b{word}\b", rest, text, flags=re.I) for text in texts]
    return texts


def _without(word: str, text: str) -> str:
    """A text less "without" and a word with this stem."""
    return WITHOUT.sub(lambda match: "" if stem(match[1]) == word else match[0], text)


def _stems_without(text: str) -> set[str]:
    """What a text does without: "swallows without aspirating", "without aspiration"."""
    return {stem(word) for word in WITHOUT.findall(text.lower())}


def _is_denied_possibility(first: str, second: str, left_open: list[bool]) -> bool:
    """Whether one text calls possible what the other flatly denies: "possibly malignant", "not malignant"."""
    if all(left_open):
        return False
    possible, denied = (first, second) if left_open[0] else (second, first)
    return POSSIBLE.search(possible.lower()) is not None and statement(denied).opposed


def _permits_forbidden(first: str, second: str) -> bool:
    """Whether one text permits what the other forbids: "may be flushed", "must not be flushed"."""
    texts = forms(first)[2], forms(second)[2]
    permitted, forbidden = (
        {found[1] for text in texts for found in pattern.finditer(text)} for pattern in (PERMITTED, FORBIDDEN)
    )
    return not permitted.isdisjoint(forbidden)


@lru_cache(maxsize=KEPT_TEXTS)
def _may_oppose(text: str) -> bool:
    """Whether a text has a word that can negate or oppose a statement."""
    found = set(TOKEN.findall(forms(text)[2]))
    return not found.isdisjoint(_OPPOSERS) or any(
        word.startswith(("non", "un")) or word.endswith("n't") for word in found
    )


def words_of(text: str) -> frozenset[str]:
    """The words of a text that state something, in one form each."""
    found = {word for word in TOKEN.findall(text) if word[0].isalpha()} - _EMPTY - _NEGATING - GENERIC
    return frozenset(stem(word) for word in found - _RELATIONS - _ORDERING)


def _clauses(text: str) -> list[str]:
    clauses = [clause for clause in CLAUSES.split(text) if clause.strip()]
    return clauses if len(clauses) > 1 else [text]


@dataclass(frozen=True)
class Statement:
    """The words of a statement in one form each, whether a word opposes it, and which words it denies.

    `advised` are those of the denied words that advice is against: "honey should not be given".
    """

    words: frozenset[str]
    opposed: bool
    denied: frozenset[str]
    advised: frozenset[str]


@lru_cache(maxsize=KEPT_TEXTS)
def statement(text: str) -> Statement:
    lower = forms(text)[2]
    found: set[str] = set()
    advised = {match[1] or match[2] for match in ADVISED_AGAINST.finditer(lower)}
    advised = {stem(word) for word in advised - _EMPTY - _TOGETHER}
    denied = set(advised)
    opposed = pending = False
    negation = -1  # where a word began that a word of UNDOING can undo
    word = ""
    for match in TOKEN.finditer(lower):
        previous, word = word, match.group()
        prefix = "non" if word.startswith("non") else "un" if word.startswith("un") else ""
        rest = word.removeprefix(prefix)
        if NO_STATEMENT.match(lower, match.start()) or (word in BADLY and not DONE_BADLY.search(lower)):
            continue
        free = word == "free" and lower.startswith((" of ", " from "), match.end())
        undoes = word in UNDOING and (not word.startswith("com") or lower.startswith(" off ", match.end()))
        undoes = undoes and (not word.startswith("leav") or negates(lower, word, match.start()))
        undoes = undoes or word == "lack" or free
        between = lower[max(0, negation) : match.start()]
        if opposed and undoes and not (SUBORDINATE.search(between) or MARKS.search(between)):
            opposed = False
        elif word == "free" and previous and FREE.match(lower, match.start() - 1):
            opposed = True  # "gluten-free"
            denied.add(stem(previous))
        elif word in _OPPOSING and DOUBLE.search(lower, max(0, match.start() - 12), match.start()):
            opposed = pending = False  # "not contraindicated", "no contraindication"
        elif (word in _NEGATING or word.endswith("n't")) and previous != "by":
            pending = (
                (word in _OPPOSING and word not in ("no", "nil"))
                or negates(lower, word, match.start())
                or CHANGES_NOT.match(lower, match.start()) is not None
            )
            negation = match.start() if pending and not opposed else negation
            opposed = opposed or pending
            pending = pending and word != "non"
        elif word in _DENYING:
            opposed = opposed or not DENIED_WORD.search(lower, max(0, match.start() - 8), match.start())
            found.add(stem(_DENYING[word]))
        elif (
            prefix
            and word not in NOT_DENYING
            and (word != "untreated" or previous in BEFORE_UNTREATED)
            and len(rest) > 4
            and (is_general(rest) or rest.endswith("able"))
        ):
            opposed = opposed or not DENIED_WORD.search(lower, max(0, match.start() - 8), match.start())
            found.add(stem(rest))
        elif not word[0].isalpha() or word in _RELATIONS:
            pending = pending and (word == "to" or (word == "for" and previous not in ADVICE))
        elif word not in _EMPTY:
            found.add(stem(word))
            if pending and word not in GENERIC:
                denied.add(stem(word))
            pending = False
    opposed = opposed or REFUSED.search(lower) is not None
    return Statement(frozenset(found), opposed, frozenset(denied), frozenset(advised))
