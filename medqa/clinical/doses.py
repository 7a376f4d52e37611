"""Doses and measured values of a text, each with the medicine or measure that it belongs to."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from medqa.clinical import words as word_lists
from medqa.clinical.language import MEDICINE_ENDING, NOT_MEDICINES
from medqa.clinical.numbers import even
from medqa.clinical.quantities import KEPT_TEXTS, read
from medqa.clinical.quantity import Quantity
from medqa.clinical.routes import FIRST_WORDS
from medqa.clinical.vocabulary import canonical, is_general

# The end of a sentence; a full stop inside "0.5 mg" or "b.i.d." is none.
SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z(\[]|\s*$)|[;\n]")
WORD = re.compile(r"[a-z][a-z0-9]*(?:[-'][a-z0-9]+)*")

MEDICINES = word_lists.names("medicines")
MEASURES = {name.lower(): measure for name, measure in word_lists.names("measures").items()}
MEASURE_NAMES = frozenset(MEASURES.values())
MEASURE_BEGINNINGS = frozenset(name.split()[0] for name in MEASURES)
LONGEST_MEASURE = max(len(name.split()) for name in MEASURES)

# What may stand between a name and its amount: "apixaban at a dose of 5 mg", "aspirin (300 mg)".
FILLERS = word_lists.words(
    "is are was were be at of to as the a an by in with for from between up usual usually typical "
    "typically recommended standard oral orally intravenous intravenously intramuscular intramuscularly "
    "subcutaneous subcutaneously topical sublingual dose doses dosage dosed given give started starting "
    "prescribed taken take initially daily weekly once single below above about approximately over under "
    "least less more than level levels value values concentration exceed exceeds exceeding rises falls "
    "reaches stays remains tablet tablets capsule capsules injection infusion solution"
)
# How many words back a name may stand.
REACH = 7
NOT_BETWEEN = re.compile(r"[.;!?\n]|, (?!at |in |usually |given )|\)")
# "5 mg of apixaban", "10 units insulin"; a comma or "and" would begin something new.
OF = re.compile(r" (?:of )?(?:the |oral |intravenous )?")
# "HbA1c of 48 mmol/mol (6.5 percent)": the same value in another unit.
ALSO = re.compile(r"[\s(,/=]*(?:(?:or|i\.e\.|equal to|about)[\s(]*)?")

# Units of doses, which belong to a name anywhere in the sentence. Others (percentages, lengths, rates) count
# only right beside a name: "HbA1c 6.5 %", but not "lowers the risk by 30 %".
DOSE_UNIT = re.compile(
    "(?:mg|mL|IU|mEq|mmol)(?:/kg|/m2|/kg/h|/h)?$|tablet|capsule|puff|drop|spray|patch|sachet|suppository"
)
NO_DOSE = frozenset({"dose", "injection", "drink", "cigarette", "kcal", "times"})
BODY_WEIGHT = re.compile(r"[0-9 -](?:kgs?|kilos?|kilograms?|lbs?|pounds?)\b(?!/)")

MAXIMUM = re.compile(r"\b(?:max|maximum|up to|exceed\w*|limit\w*|no more than|at most|ceiling)\b")
FIRST_DOSE = re.compile(r"\b(?:start\w*|initial\w*|begin\w*|loading|bolus|first|test dose)\b")
LATER_DOSE = re.compile(
    r"\b(?:maintenance|then|increas\w*|rais\w*|titrat\w*|target|thereafter|followed by|lower\w*|reduc\w*)\b"
)
CHILD = re.compile(
    r"\b(?:child\w*|paediatric\w*|pediatric\w*|infants?|neonates?|newborns?|kids?|toddlers?|babies)\b"
)
ADULT = re.compile(r"\b(?:adults?|men|women|elderly|older people)\b")


@dataclass(frozen=True)
class Dose:
    """An amount, what it is an amount of, and how it is given.

    Attributes:
        subject: the medicine or measure, by one name ("paracetamol" for acetaminophen); "" for none.
        amount: the quantity.
        frequency: how often, None when the text does not say.
        written: the words of the text, frequency included.
        role: "maximum", "first", "later" or "".
        people: "child", "adult" or "".
        route: route of the dose, "" when the text does not say.
    """

    subject: str
    amount: Quantity
    frequency: Quantity | None
    written: str
    role: str
    people: str
    route: str


@lru_cache(maxsize=KEPT_TEXTS)
def doses(text: str) -> tuple[Dose, ...]:
    """All amounts of a text with their medicine or measure; durations, ages and ratios are none.

    The subject of an amount is the name right before it, else the name right after it ("5 mg of apixaban"),
    else the nearest one before it in its sentence, else the nearest one after it, else, in a sentence without
    a name, the only medicine of the sentence before.
    """
    quantities = read(text)
    if not any(quantity.kind in ("amount", "pressure", "score") for quantity in quantities):
        return ()
    _, lower = even(text)
    words = list(WORD.finditer(lower))
    names = list(_names(lower, words))
    quantity_starts = [quantity.start for quantity in quantities]
    name_starts = [start for start, _, _ in names]
    found: list[Dose] = []
    carried = ""
    begin = 0
    for end in [*(match.end() for match in SENTENCE_END.finditer(text)), len(text) + 1]:
        inside = quantities[bisect_left(quantity_starts, begin) : bisect_left(quantity_starts, end)]
        named = names[bisect_left(name_starts, begin) : bisect_left(name_starts, end)]
        found.extend(_Sentence(text, lower, begin, words, named, carried).doses(inside))
        medicines = {name for _, _, name in named if name not in MEASURE_NAMES}
        if medicines:
            carried = medicines.pop() if len(medicines) == 1 else ""
        elif not inside:
            carried = ""
        begin = end
    return tuple(dict.fromkeys(found))


def _names(lower: str, words: Sequence[re.Match[str]]) -> Iterator[tuple[int, int, str]]:
    """Medicines and measures of a lower-case text: (start, end, one name for all its names)."""
    following = 0
    for place, match in enumerate(words):
        word = match.group()
        if place < following or not (word in MEASURE_BEGINNINGS or medicine(word)):
            continue
        length, name = _measure(lower, words[place : place + LONGEST_MEASURE])
        name = name or medicine(word)
        if name:
            following = place + length
            yield match.start(), words[following - 1].end(), name


def _measure(lower: str, words: Sequence[re.Match[str]]) -> tuple[int, str]:
    """How many of the words name a measure, and its one name; (1, "") when the first begins none."""
    for count in range(len(words), 0, -1):
        phrase = lower[words[0].start() : words[count - 1].end()]
        if phrase in MEASURES:
            return count, MEASURES[phrase]
    return 1, ""


@lru_cache(maxsize=1 << 16)
def medicine(word: str) -> str:
    """The one name of a medicine, "" when a word is none: by our list, or by the ending of its group."""
    for form in (word, word.removesuffix("s")):
        if form in MEDICINES:
            return MEDICINES[form]
    if len(word) < 6 or word in NOT_MEDICINES or MEDICINE_ENDING.fullmatch(word) is None or is_general(word):
        return ""
    return word


@lru_cache(maxsize=1 << 16)
def _unlisted_name(word: str) -> str:
    """A word as the subject of the amount right after it, "fondaparinux 2.5 mg"; "" for general English."""
    if len(word) < 5 or not word.isalpha() or word.endswith("ly") or word in FIRST_WORDS or is_general(word):
        return ""
    return canonical(word)


@dataclass
class _Sentence:
    """A sentence of a text.

    Attributes:
        original: the whole text.
        text: the whole text in lower case, each character in its place.
        begin: where the sentence begins.
        words: all words of the text.
        names: the medicines and measures of the sentence: (start, end, name).
        carried: the medicine of the sentence before.
    """

    original: str
    text: str
    begin: int
    words: Sequence[re.Match[str]]
    names: Sequence[tuple[int, int, str]]
    carried: str

    def doses(self, quantities: Sequence[Quantity]) -> Iterator[Dose]:
        """The amounts among the sentence's quantities, each with its subject, frequency, route and role."""
        amounts = [
            quantity
            for quantity in quantities
            if quantity.kind in ("amount", "pressure", "score") and quantity.unit not in NO_DOSE
        ]
        starts = [quantity.start for quantity in quantities]
        subject, beside = "", False
        latest = (-1, "")  # the name that last stood beside an amount, and where
        last_end = self.begin
        for number, amount in enumerate(amounts):
            if not number or not ALSO.fullmatch(self.text, last_end, max(last_end, amount.start)):
                subject, beside = self._subject(amount, latest)
                latest = (amount.start, subject) if beside else latest
            context = self.text[max(last_end, amount.start - 40) : amount.start]
            last_end = amount.end
            if beside or DOSE_UNIT.match(amount.unit):
                following = amounts[number + 1].start if number + 1 < len(amounts) else len(self.text)
                # Frequency and route stand between an amount and the next, or in it ("5 mg/day").
                given = quantities[bisect_left(starts, amount.start) : bisect_left(starts, following)]
                yield self._dose(subject, amount, given, context)

    def _dose(self, subject: str, amount: Quantity, given: Sequence[Quantity], context: str) -> Dose:
        """The dose of an amount, from the quantities that go with it and the words before it."""
        frequency = next((item for item in given if item.kind == "frequency"), None)
        route = next((item.unit for item in given if item.kind == "route"), "")
        parts = [amount] if frequency is None or frequency.start == amount.start else [amount, frequency]
        written = " ".join(self.original[part.start : part.end].strip() for part in parts)
        people = "child" if CHILD.search(context) else "adult" if ADULT.search(context) else ""
        return Dose(subject, amount, frequency, written, _role(amount, context), people, route)

    def _subject(self, amount: Quantity, latest: tuple[int, str]) -> tuple[str, bool]:
        """What an amount is an amount of, and whether the name stands right beside it."""
        if amount.kind == "pressure":
            return "blood pressure", True
        if amount.kind == "score" and amount.unit not in ("score", "index"):
            return amount.unit, True
        if amount.unit == "mg" and BODY_WEIGHT.search(self.text, amount.start, amount.end):
            return "weight", True
        beside = self._name_before(amount)
        if beside:
            return beside, True
        place = bisect_right(self.names, amount.start, key=lambda name: name[0])
        before = self.names[place - 1] if place else None
        after = self.names[place] if place < len(self.names) else None
        if after is not None and OF.fullmatch(self.text, amount.end, max(amount.end, after[0])):
            return after[2], True
        if latest[1] and (before is None or before[0] < latest[0]):
            return latest[1], False
        if before is not None:
            return before[2], False
        return (after[2] if after is not None else self.carried), False

    def _name_before(self, amount: Quantity) -> str:
        """The name right before an amount: one that we know, or the very next word if not general English."""
        place = bisect_right(self.words, amount.start - 1, key=lambda word: word.start())
        for distance, word in enumerate(reversed(self.words[max(0, place - REACH) : place])):
            if word.start() < self.begin or NOT_BETWEEN.search(self.text, word.end(), amount.start):
                return ""
            nearest = bisect_right(self.names, word.start(), key=lambda name: name[0]) - 1
            if nearest >= 0 and word.start() < self.names[nearest][1]:
                return self.names[nearest][2]
            if word.group() not in FILLERS:
                return _unlisted_name(word.group()) if distance == 0 or not self.names else ""
        return ""


def _role(amount: Quantity, context: str) -> str:
    if amount.bound == "<" or MAXIMUM.search(context):
        return "maximum"
    if FIRST_DOSE.search(context):
        return "first"
    return "later" if LATER_DOSE.search(context) else ""
