"""Doses and measured values with what they belong to, and contradictions between two texts in them."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from medqa.clinical import words as word_lists
from medqa.clinical.language import MEDICINE_ENDING, NOT_MEDICINES
from medqa.clinical.numbers import even
from medqa.clinical.quantities import KEPT_TEXTS, Quantity, read
from medqa.clinical.routes import FIRST_WORDS

# The end of a sentence; a full stop inside "0.5 mg" or "b.i.d." is none.
SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z(\[]|\s*$)|[;\n]")
WORD = re.compile(r"[a-z][a-z0-9]*(?:[-'][a-z0-9]+)*")
MEDICINES = word_lists.names("medicines")
MEASURES = {name.lower(): measure for name, measure in word_lists.names("measures").items()}
MEASURE_NAMES = frozenset(MEASURES.values())
_LONGEST_MEASURE = max(len(name.split()) for name in MEASURES)
_MEASURE_BEGINNINGS = {name.split()[0] for name in MEASURES}

# What may stand between a name and its amount: "apixaban at a dose of 5 mg", "aspirin (300 mg)".
FILLERS = word_lists.words(
    "is are was were be at of to as the a an by in with for usual usually typical typically recommended oral orally "
    "intravenous intravenously intramuscular intramuscularly subcutaneous subcutaneously topical sublingual dose doses "
    "dosage dosed given give started starting prescribed taken take initially daily weekly below above about "
    "approximately over under least less more than level levels value values concentration tablet tablets capsule "
    "capsules injection infusion solution once single from between up standard exceed exceeds exceeding rises falls "
    "reaches stays remains"
)
NOT_BETWEEN = re.compile(r"[.;!?\n]|, (?!at |in |usually |given )|\)")
# "5 mg of apixaban", "10 units insulin"; a comma or "and" would begin something new.
OF = re.compile(r" (?:of )?(?:the |oral |intravenous )?")
# Kinds of amount that may be a dose wherever the name stands; the others (percentages, lengths, pressures, rates)
# count only with their name right beside them: "HbA1c 6.5 %", but not "lowers the risk by 30 %".
LOOSE = re.compile(r"(?:mg|mL|IU|mEq|mmol)(?:/kg|/m2|/kg/h|/h)?$|tablet|capsule|puff|drop|spray|patch|sachet|suppository")
NO_DOSE = frozenset({"dose", "injection", "drink", "cigarette", "kcal", "times"})
BODY_WEIGHT = re.compile(r"[0-9 -](?:kgs?|kilos?|kilograms?|lbs?|pounds?)\b(?!/)")

# "48 mmol/mol (6.5 percent)", "10 to 20 mg, 40 mg"
ALSO = re.compile(r"[\s(,/=]*(?:(?:or|i\.e\.|equal to|about)[\s(]*)?")

MAXIMUM = re.compile(r"\b(?:max|maximum|up to|exceed\w*|limit\w*|no more than|at most|ceiling)\b")
FIRST_DOSE = re.compile(r"\b(?:start\w*|initial\w*|begin\w*|loading|bolus|first|test dose)\b")
LATER_DOSE = re.compile(r"\b(?:maintenance|then|increas\w*|rais\w*|titrat\w*|target|thereafter|followed by|lower\w*|reduc\w*)\b")
CHILD = re.compile(r"\b(?:child\w*|paediatric\w*|pediatric\w*|infants?|neonates?|newborns?|kids?|toddlers?|babies)\b")
ADULT = re.compile(r"\b(?:adults?|men|women|elderly|older people)\b")


@dataclass(frozen=True)
class Dose:
    """An amount, what it is an amount of, and how it is given.

    Attributes:
        subject: the medicine or measure, by one name ("paracetamol" for acetaminophen); "" when none is named.
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
    names = list(subjects(lower, words))
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    found: list[Dose] = []
    carried = ""
    begin = 0
    for end in [*ends, len(text) + 1]:
        inside = [quantity for quantity in quantities if begin <= quantity.start < end]
        sentence = _Sentence(
            lower, begin, words, [name for name in names if begin <= name[0] < end], carried
        )
        found.extend(sentence.doses(inside))
        medicines = {name for _, _, name in sentence.names if name not in MEASURE_NAMES}
        if medicines:
            carried = medicines.pop() if len(medicines) == 1 else ""
        elif not inside:
            carried = ""
        begin = end
    return tuple(dict.fromkeys(found))



def subjects(lower: str, words: Sequence[re.Match[str]]) -> Iterator[tuple[int, int, str]]:
    """Medicines and measures of a lower-case text: (start, end, one name for all its names)."""
    place = 0
    while place < len(words):
        match = words[place]
        word = match.group()
        length, name = 1, ""
        if word in _MEASURE_BEGINNINGS:
            for count in range(min(_LONGEST_MEASURE, len(words) - place), 0, -1):
                phrase = lower[match.start() : words[place + count - 1].end()]
                if phrase in MEASURES:
                    length, name = count, MEASURES[phrase]
                    break
        if not name:
            name = medicine(word)
        if name:
            yield match.start(), words[place + length - 1].end(), name
        place += length


@lru_cache(maxsize=1 << 16)
def medicine(word: str) -> str:
    """The one name of a medicine, "" when a word is none: by our list, or by the ending of its group."""
    for form in (word, word.removesuffix("s")):
        if form in MEDICINES:
            return MEDICINES[form]
    if len(word) < 6 or word in NOT_MEDICINES or MEDICINE_ENDING.fullmatch(word) is None:
        return ""
    from medqa.clinical.lexicon import is_general

    return "" if is_general(word) else word


@dataclass
class _Sentence:
    """A sentence: the whole text in lower case, where the sentence begins, all words, the names in it."""

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
        subject, beside = "", False
        latest = (-1, "")  # the name that last stood beside an amount, and where
        for number, amount in enumerate(amounts):
            previous = amounts[number - 1] if number else None
            # "HbA1c of 48 mmol/mol (6.5 percent)": the same value in another unit.
            if previous is None or not ALSO.fullmatch(self.text, previous.end, max(previous.end, amount.start)):
                subject, beside = self._subject(amount, latest)
                latest = (amount.start, subject) if beside else latest
            if not beside and not LOOSE.match(amount.unit):
                continue
            following = amounts[number + 1].start if number + 1 < len(amounts) else float("inf")
            given = [quantity for quantity in quantities if amount.end <= quantity.start < following]
            frequency = next((quantity for quantity in given if quantity.kind == "frequency"), None)
            if frequency is None:
                # "5 mg/day": the frequency is part of the amount's own words.
                same = [item for item in quantities if item.kind == "frequency" and item.start == amount.start]
                frequency = same[0] if same else None
            route = next((quantity.unit for quantity in given if quantity.kind == "route"), "")
            last = max((other.end for other in amounts[:number]), default=self.begin)
            context = self.text[max(last, amount.start - 40) : amount.start]
            written = amount.written
            if frequency is not None and frequency.start != amount.start:
                written = f"{written} {frequency.written}"
            yield Dose(subject, amount, frequency, written, _role(amount, context), _people(context), route)

    def _subject(self, amount: Quantity, latest: tuple[int, str]) -> tuple[str, bool]:
        """What an amount is an amount of, and whether the name stands right beside it."""
        if amount.kind == "pressure":
            return "blood pressure", True
        if amount.kind == "score" and amount.unit not in ("score", "index"):
            return amount.unit, True
        if amount.unit == "mg" and BODY_WEIGHT.search(amount.written):
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
        """The name right before an amount: one that we know, or the very next word if it is not general English."""
        place = bisect_right(self.words, amount.start - 1, key=lambda word: word.start())
        for distance, word in enumerate(reversed(self.words[max(0, place - 7) : place])):
            if word.start() < self.begin or NOT_BETWEEN.search(self.text, word.end(), amount.start):
                return ""
            for start, end, name in self.names:
                if start <= word.start() < end:
                    return name
            if word.group() not in FILLERS:
                return _unknown_name(word.group()) if distance == 0 or not self.names else ""
        return ""


@lru_cache(maxsize=1 << 16)
def _unknown_name(word: str) -> str:
    """A word right before an amount as its subject: "fondaparinux 2.5 mg"; "" for one of general English."""
    from medqa.clinical.lexicon import canonical, is_general

    if len(word) < 5 or not word.isalpha() or word.endswith("ly") or word in FIRST_WORDS or is_general(word):
        return ""
    return canonical(word)


def _role(amount: Quantity, context: str) -> str:
    if amount.bound == "<" or MAXIMUM.search(context):
        return "maximum"
    if FIRST_DOSE.search(context):
        return "first"
    return "later" if LATER_DOSE.search(context) else ""


def _people(context: str) -> str:
    if CHILD.search(context):
        return "child"
    return "adult" if ADULT.search(context) else ""


# ---- contradictions --------------------------------------------------------------------------------------


def contradictions(reference: str, hypothesis: str) -> list[dict[str, str]]:
    """Doses and values of an answer that contradict those of the reference; see `clinical.dose_errors`."""
    wanted, given = _with_common_subject(doses(reference), doses(hypothesis))
    errors = []
    # The same regimens are paired first, then those that agree, then those of one amount: their frequencies differ.
    for closeness in (_same_regimen, _agrees, _same_amount):
        for dose in list(wanted):
            partner = next((other for other in given if closeness(dose, other)), None)
            if partner is None:
                continue
            wanted.remove(dose)
            given.remove(partner)
            if closeness is _same_amount:
                errors.append(_error(dose, partner, "frequency"))
    for dose in wanted:
        rivals = [
            other for other in given if _comparable(dose, other) and not _same_daily_amount(dose, other)
        ]
        if rivals:
            worst = min(rivals, key=lambda other: _rank(dose, other))
            given.remove(worst)
            errors.append(_error(dose, worst, _kind(dose, worst)))
    return errors


def _same_regimen(dose: Dose, other: Dose) -> bool:
    return dose.amount == other.amount and _agrees(dose, other)


def _agrees(dose: Dose, other: Dose) -> bool:
    return dose.subject == other.subject and agree(dose.amount, other.amount) and _same_frequency(dose, other)


def _same_amount(dose: Dose, other: Dose) -> bool:
    return _comparable(dose, other) and agree(dose.amount, other.amount)


def _with_common_subject(wanted: Sequence[Dose], given: Sequence[Dose]) -> tuple[list[Dose], list[Dose]]:
    """A text that names no medicine speaks of the only one of the other text: the question named it."""
    names = [{dose.subject for dose in side} for side in (wanted, given)]
    sides = [list(wanted), list(given)]
    for number in (0, 1):
        other = names[1 - number]
        if names[number] == {""} and len(other) == 1:
            sides[number] = [replace(dose, subject=next(iter(other))) for dose in sides[number]]
    return sides[0], sides[1]


def _comparable(first: Dose, second: Dose) -> bool:
    """Whether two amounts are said of the same thing, so that they can contradict each other."""
    if first.subject != second.subject:
        return False
    for one, other in ((first.people, second.people), (first.route, second.route)):
        if one and other and one != other:
            return False
    if first.role != second.role and (first.role and second.role or "maximum" in (first.role, second.role)):
        return False
    if first.amount.bound and second.amount.bound and first.amount.bound != second.amount.bound:
        return False
    if first.amount.unit == second.amount.unit and first.amount.kind == second.amount.kind:
        return True
    # Another kind of unit contradicts only when the number is the same: "5 units" and "5 mL".
    return first.amount.number == second.amount.number and first.amount.kind == second.amount.kind


def agree(first: Quantity, second: Quantity) -> bool:
    """Whether two quantities can both be true of one thing: their ranges meet, or one lies in the other's."""
    if (first.kind, first.unit, len(first.values)) != (second.kind, second.unit, len(second.values)):
        return False
    if first.bound and first.bound == second.bound:
        return all(near(one[0], other[0], first, second) for one, other in zip(first.values, second.values, strict=True))
    return all(
        _meet(one, other, first, second) and not _far_apart(one, other)
        for one, other in zip(first.values, second.values, strict=True)
    )


def _far_apart(one: tuple[Fraction, Fraction], other: tuple[Fraction, Fraction]) -> bool:
    """Whether two ranges that overlap still differ fivefold at an end: 2–4 mg and 2–40 mg."""
    if one[0] == one[1] or other[0] == other[1]:
        return False
    return any(min(ends) > 0 and max(ends) >= 5 * min(ends) for ends in zip(one, other, strict=True))


def _meet(one: tuple[Fraction, Fraction], other: tuple[Fraction, Fraction], first: Quantity, second: Quantity) -> bool:
    lows, highs = [one[0], other[0]], [one[1], other[1]]
    for number, quantity in enumerate((first, second)):
        # "above 125" holds for all above; a plain number beside it is within, or it contradicts.
        if quantity.bound == ">":
            highs[number] = max(*highs, highs[number])
        if quantity.bound == "<":
            lows[number] = min(*lows, lows[number])
    return max(lows) <= min(highs) or near(max(lows), min(highs), first, second)


def near(one: Fraction, other: Fraction, first: Quantity, second: Quantity) -> bool:
    """Equal, or as near as a conversion between two systems of units comes."""
    if one == other:
        return True
    if not (first.rounds or second.rounds):
        return False
    if first.unit == "°C":
        return abs(one - other) <= Fraction(1, 10)
    return abs(one - other) * 1000 <= 15 * max(abs(one), abs(other))


def _same_frequency(first: Dose, second: Dose) -> bool:
    """Whether the frequencies of one amount agree; one that is not told contradicts nothing."""
    one, other = first.frequency, second.frequency
    if one is None or other is None or one.unit != other.unit:
        return True
    return _meet(one.values[0], other.values[0], one, other)


def _same_daily_amount(first: Dose, second: Dose) -> bool:
    """1 g twice daily and 2 g daily come to the same."""
    if first.frequency is None or second.frequency is None or first.frequency.unit != second.frequency.unit:
        return False
    if first.amount.unit != second.amount.unit or first.frequency == second.frequency:
        return False
    totals = [
        tuple(amount * times for amount, times in zip(dose.amount.values[0], dose.frequency.values[0], strict=True))
        for dose in (first, second)
    ]
    return totals[0][0] <= totals[1][1] and totals[1][0] <= totals[0][1]


def _kind(wanted: Dose, given: Dose) -> str:
    """ "unit" for 5 mg and 5 g, "ten-fold" for 5 mg and 50 mg (or 0.5 mg), else "value" """
    same_unit = wanted.amount.unit == given.amount.unit
    same_value = same_unit and wanted.amount.values[0][0] == given.amount.values[0][0]
    if wanted.amount.number == given.amount.number and not same_value:
        return "unit"
    for one, other in zip(wanted.amount.values[0], given.amount.values[0], strict=True):
        if one > 0 and other > 0 and one != other:
            ratio = max(one, other) / min(one, other)
            while ratio > 1 and ratio % 10 == 0:
                ratio /= 10
            if ratio == 1:
                return "ten-fold"
    return "value"


def _rank(wanted: Dose, given: Dose) -> tuple[int, Fraction]:
    """The likeliest partner of a contradicted amount first: ten-fold, then unit, then the nearest value."""
    kind = _kind(wanted, given)
    low, other = wanted.amount.values[0][0], given.amount.values[0][0]
    return ("ten-fold", "unit", "value").index(kind), abs(low - other)


def _error(wanted: Dose, given: Dose, kind: str) -> dict[str, str]:
    return {"subject": wanted.subject, "kind": kind, "reference": wanted.written, "answer": given.written}
