"""Doses and measured values of a text, each with the medicine or measure that it belongs to."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache

from medqa.clinical import words as word_lists
from medqa.clinical.notation.names import MEASURE_NAMES, names_of, unlisted_name, words_of
from medqa.clinical.notation.numbers import quotient
from medqa.clinical.notation.routes import most_precise
from medqa.clinical.notation.text import KEPT_TEXTS, forms, sentence_ends
from medqa.clinical.quantities.body_weight import BODY_WEIGHT, NO_SUBJECT, weighed
from medqa.clinical.quantities.circumstances import ADULT, CHILD, WHEN, role_of
from medqa.clinical.quantities.equivalents import DOSE_UNIT, LEVELS, MOLAR, PER_DL, for_unit
from medqa.clinical.quantities.fixed_combinations import NOT_BETWEEN, of_combination
from medqa.clinical.quantities.frequencies import Frequencies, is_of_day
from medqa.clinical.quantities.items import ITEMS, is_supplied, item_of
from medqa.clinical.quantities.quantity import Quantity, is_inside
from medqa.clinical.quantities.quantity_reader import read
from medqa.clinical.quantities.totals import is_product, of_second, total_of

# Words allowed between a name and its amount: "apixaban at a dose of 5 mg", "aspirin (300 mg)".
FILLERS = word_lists.words(
    "is are was were be at of to as the a an by in with for from between up usual usually typical "
    "typically recommended standard oral orally intravenous intravenously intramuscular intramuscularly "
    "subcutaneous subcutaneously topical sublingual dose doses dosage dosed given give started starting "
    "prescribed taken take initially daily weekly once single below above about approximately over under "
    "least less more than level levels value values concentration exceed exceeds exceeding rises falls "
    "dips sinks reaches stays remains tablet tablets capsule capsules injection infusion solution or "
    "equal greater higher lower when if it fall drops drop rise target goal kept maintained should must "
    "has threshold concentrations readings reading measured persistently still count po iv im sc total "
    "nasal each every one two three longer shorter beyond exceeded increases prolonged prolongs inhaler "
    "nebuliser nebulizer patch patches syrup suspension cream ointment spray gel elixir vial pen bolus "
    "infusions syringe drip loading maintenance therapy treatment monotherapy extended-release "
    "modified-release sustained-release immediate-release xr sr er xl cr mr hydrochloride hcl sulfate "
    "sulphate tartrate succinate maleate mesylate besylate fumarate citrate acetate gluconate phosphate "
    "bromide chloride carbonate inhaled intranasal eye nose twice thrice using use via per suppository "
    "lozenge strength only not no any new current respimat turbohaler diskus accuhaler evohaler flexpen "
    "solostar retard currently now today roughly nearly almost equals dosing regimen drink receive "
    "receives received apply inject injected administer administered pessary pessaries enema sachet "
    "sachets gtt gtts lotion powder granules liquid dispersible gastro-resistant came come comes back "
    "returned read reads result results had have been went gone got gets measures stood stands fasting "
    "repeat highest largest greatest passes pass hits tops surpasses"
)
# How many words before its amount a name may be.
REACH = 9
# "5 mg of apixaban", "10 units insulin"; a comma or "and" would begin something new.
OF = re.compile(
    r" (?:of )?(?:(?:the|oral|intravenous|soluble|regular|plain|rapid|(?:short|rapid|fast"
    r"|long)-acting) ){0,2}"
)
# "Saline with 20 mmol potassium": the amount belongs to what follows.
JOINED = (" with ", " and ", " plus ", " containing ")
# "Paracetamol poisoning" is not given.
NOT_GIVEN = re.compile(
    r"(?:[ -](?:poisoning|overdos\w+|toxicity|intoxication|allerg\w+|hypersensitivity)|-induced)(?![a-z])"
)
# "HbA1c of 48 mmol/mol (6.5 percent)": the same value in another unit.
ALSO = re.compile(r"[\s(,/=]*(?:(?:or|i\.e\.|equal to|about)[\s(]*)?")

NO_DOSE = frozenset({"dose", "injection", "drink", "cigarette", "kcal", "times", "week of pregnancy"})
# Units of values that no medicine has.
MEASURED_ONLY = frozenset({"/L", "mmHg", "mmol/mol", "ms", "kg/m2"})
# Measures that have units of doses; no laboratory value has them.
GIVEN_MEASURES = frozenset({
    "fluid", "salt", "sodium", "weight", "proteinuria", "urine output", "eGFR", "serum potassium",
    "serum sodium",
    "serum magnesium", "serum iron", "calcium", "phosphate", "vitamin D",
})  # fmt: skip
# Measures that are given in percent.
IN_PERCENT = frozenset({
    "HbA1c", "oxygen saturation", "transferrin saturation", "ejection fraction", "haematocrit", "neutrophils",
})  # fmt: skip
# Measures after a dose that are conditions of it; a weight has been read before.
NOT_IN_MG = frozenset({"weight", "eGFR", "urine output"})
SCORE_NAME = re.compile(r"([a-z][a-z0-9-]*)(?:'s)?[ -](?:risk )?$")
# A weight in grams, the only amount but kilograms and pounds that a body weight can have.
IN_GRAMS = re.compile(r"[0-9] ?(?:g|grams?|oz|ounces?)$")
# "Aciclovir for herpes zoster: 800 mg": what the medicine is for has no dose.
FOR_CONDITION = re.compile(r"\b(?:for|in|against|with|of) (?:[a-z]+[ -]){0,3}$")
# "7 mg/kg (84 mg) every 8 h": the frequency is that of both amounts.
IN_BRACKETS = re.compile(r" \((?:=|≈|i\.e\.|that is|about|approximately)? ?")
# Dilutions of a medicine, as in "epinephrine 1:1,000".
DILUTIONS = {100, 1000, 2000, 10_000, 20_000, 100_000, 200_000}
DILUTED = re.compile(
    r"\b(?:strength|solutions?|dilut\w+|concentrations?|made up|soaks?|parts? (?:of|to|with))\b"
    r"|\bml(?:/kg)? of (?=1 ?:)"
)
BEATS = re.compile(r"[0-9] ?(?:bpm|beats)(?![a-z])")


@dataclass(slots=True)
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
        total: the amount in all, 200 mcg for "2 puffs of 100 mcg"; None when the text does not count.
        counted: whether `total` is that of a number of tablets, puffs and the like.
        when: day or visit of a reading, "" when the text does not say.
    """

    subject: str
    amount: Quantity
    frequency: Quantity | None
    written: str
    role: str
    people: str
    route: str
    total: Quantity | None = field(compare=False)
    counted: bool = field(default=False, compare=False)
    when: str = ""


@lru_cache(maxsize=KEPT_TEXTS)
def doses(text: str) -> tuple[Dose, ...]:
    """All amounts of a text with their medicine or measure; durations, ages and ratios are none.

    The subject of an amount is the name right before it, else the name right after it ("5 mg of apixaban"),
    else the nearest one before it in its sentence, else the nearest one after it, else, in a sentence without
    a name, the only medicine of the sentence before.
    """
    quantities = read(text)
    if not any(quantity.kind in ("amount", "pressure", "score", "ratio") for quantity in quantities):
        return ()
    original = text
    text, _, lower = forms(text)
    words = words_of(original)
    # "15 mg/kg body weight" speaks of nobody's weight.
    names = [
        name
        for name in names_of(original)
        if not (name[2] == "weight" and is_inside(quantities, name[0]))
        and not NOT_GIVEN.match(lower, name[1])
    ]
    quantity_starts = [quantity.start for quantity in quantities]
    name_starts = [start for start, _, _ in names]
    counts = [
        (one.unit, one.values[0])
        for one in quantities
        if one.unit in ITEMS
        and one.values[0] != (1, 1)
        and not (one.bound and one.unit == "dose")
        and not is_supplied(one, lower)
    ]
    found: list[Dose] = []
    carried = ""
    begin = 0
    for end in sentence_ends(original):
        spoken = quantities[bisect_left(quantity_starts, begin) : bisect_left(quantity_starts, end)]
        named = names[bisect_left(name_starts, begin) : bisect_left(name_starts, end)]
        found.extend(
            _Sentence(text, lower, begin, end, words, named, carried, quantities, counts).doses(spoken)
        )
        medicines = {name for _, _, name in named if name not in MEASURE_NAMES}
        if medicines:
            carried = medicines.pop() if len(medicines) == 1 else ""
        elif not spoken and not text.endswith("\n", begin, end):  # a line of a list, or an empty one
            carried = ""
        begin = end
    return tuple(found)


@dataclass(slots=True)
class _Sentence:
    """A sentence of a text.

    Attributes:
        original: the whole text.
        text: the whole text in lower case, each character in its place.
        begin, end: where the sentence begins and ends.
        words: all words of the text: (start, end, word).
        names: the medicines and measures of the sentence: (start, end, name).
        carried: the medicine of the sentence before.
        quantities: those of the whole text.
        counts: (item, how many) for each number of tablets and the like in the text, one left out.
        fitting: unit → the names that can have a value in it.
    """

    original: str
    text: str
    begin: int
    end: int
    words: Sequence[tuple[int, int, str]]
    names: Sequence[tuple[int, int, str]]
    carried: str
    quantities: Sequence[Quantity]
    counts: Sequence[tuple[str, tuple[Fraction, Fraction]]]
    fitting: dict[str, Sequence[tuple[int, int, str]]] = field(default_factory=dict)

    def doses(self, quantities: Sequence[Quantity]) -> Iterator[Dose]:
        """The amounts among the sentence's quantities, each with its subject, frequency, route and role."""
        diluted = DILUTED.search(self.text, self.begin, self.end) is not None
        amounts = [quantity for quantity in quantities if _can_be_a_dose(quantity, diluted)]
        starts = [quantity.start for quantity in quantities]
        subject, beside = "", False
        latest = (-1, "")  # the name that last stood beside an amount, and where
        last_end = self.begin
        counted: tuple[Quantity, ...] = ()
        for number, amount in enumerate(amounts):
            also = ALSO.fullmatch(self.text, last_end, max(last_end, amount.start))
            inside = any(amount.start < start < amount.end for start, _, _ in self.names)
            compound = of_combination(amounts, number, self.names, self.text)
            if not number or subject == "weight" or not also or inside or self._is_kilograms(amount):
                subject, beside = self._subject(amount, latest)
                latest = (amount.start, subject) if beside and subject != "weight" else latest
            if compound:
                subject, beside = compound, True
            context = self.text[max(last_end, amount.start - 40) : amount.start]
            before = quantities[bisect_left(starts, last_end) : bisect_left(starts, amount.start)]
            last_end = amount.end
            # A concentration in a sentence of one measure is a value of it.
            beside = beside or (amount.kind == "ratio" and diluted)
            beside = beside or (amount.unit in MOLAR and self._only_measure() == subject)
            if subject != NO_SUBJECT and (beside or DOSE_UNIT.match(amount.unit)):
                following = self._end_of(amounts, number)
                # Frequency and route are between an amount and the next, or in it ("5 mg/day").
                given = quantities[bisect_left(starts, amount.start) : bisect_left(starts, following)]
                twin = number + 1 < len(amounts) and amounts[number + 1].start == amount.start
                around = amounts[max(0, number - 1) : number + 2 + twin]
                weighs = subject == "weight"  # "50 kg or more takes two tablets"
                product = is_product(amounts[max(0, number - 1) : number + 1], self.quantities, self.text)
                total = (
                    None
                    if weighs or product
                    else total_of(amount, around, self.text, self.begin, self.counts)
                )
                if total is None and counted and not product:
                    total = of_second(amount, *counted, self.text)
                counted = (amount, total) if total is not None else ()
                name = for_unit(subject, amount.unit)
                yield self._dose(name, amount, total, given, before, context)

    def _end_of(self, amounts: Sequence[Quantity], number: int) -> int:
        """Where what belongs to an amount ends: before the next, but after "250 mg tablets: two tablets"."""
        for amount in amounts[number + 1 :]:
            same = self.text.startswith(")", amount.end) and IN_BRACKETS.fullmatch(
                self.text, amounts[number].end, max(amounts[number].end, amount.start)
            )
            if same or amount.start == amounts[number].start:
                continue
            if amount.unit not in ITEMS or amounts[number].unit in ITEMS:
                return amount.start
        return len(self.text)

    def _only_measure(self) -> str:
        names = {name for _, _, name in self.names}
        return min(names) if len(names) == 1 and names <= MEASURE_NAMES else ""

    def _dose(
        self,
        subject: str,
        amount: Quantity,
        total: Quantity | None,
        given: Sequence[Quantity],
        before: Sequence[Quantity],
        context: str,
    ) -> Dose:
        """The dose of an amount, from the quantities that go with it and the words before it."""
        counted = total is not None
        frequency, doses_a_day = Frequencies(self.text, self.begin, self.end).of(
            amount, given, before, context
        )
        if doses_a_day and (total is None or is_of_day(given, self.text)):
            # "14 mg/kg/day in two doses": 7 mg/kg at a time
            whole = total or amount
            total = replace(
                whole,
                values=tuple(
                    (quotient(low, doses_a_day), quotient(high, doses_a_day)) for low, high in whole.values
                ),
            )
        route = most_precise(item.unit for item in given if item.kind == "route")
        spoken = frequency is not None and frequency.start > amount.start
        parts = [amount, frequency] if spoken else [amount]
        written = " ".join(self.original[part.start : part.end].strip() for part in parts)
        people = "child" if CHILD.search(context) else "adult" if ADULT.search(context) else ""
        around = self.text[max(self.begin, amount.start - 40) : min(self.end, amount.end + 20)]
        day = WHEN.search(around)
        role = role_of(amount, context, self.text, self.end)
        when = day.group().removeprefix("at ").removeprefix("on ") if day else ""
        return Dose(subject, amount, frequency, written, role, people, route, total, counted, when)

    def _subject(self, amount: Quantity, latest: tuple[int, str]) -> tuple[str, bool]:
        """What an amount is an amount of, and whether the name is right beside it."""
        if amount.kind == "pressure":
            return "blood pressure", True
        if amount.kind == "score":
            return self._score_name(amount), True
        if amount.unit == "/h" and BEATS.search(self.text, amount.start, amount.end):
            return "heart rate", True
        if self._is_kilograms(amount):
            around = self.text[max(self.begin, amount.start - 30) : min(self.end, amount.end + 12)]
            return weighed(around), True
        names = self._names_for(amount)
        place = bisect_right(names, amount.start, key=lambda name: name[0])
        if place < len(names) and names[place][0] < amount.end and not amount.unit.endswith("/L"):
            return names[place][2], True  # "5 milligrams of digoxin a day"
        before = names[place - 1] if place else None
        after = names[place] if place < len(names) else None
        if after is not None and after[2] in NOT_IN_MG and amount.unit.startswith("mg"):
            after = None  # "2.5 mg twice daily if the weight is below 60 kg"
        joined = self.text.endswith(JOINED, self.begin, amount.start)
        if joined and after is not None and after[0] == amount.end + 1:
            return after[2], True
        of_next = after is not None and OF.fullmatch(self.text, amount.end, max(amount.end, after[0]))
        if of_next and self.text.endswith(": ", self.begin, amount.start):
            return after[2], True  # "On warfarin: 10 mg vitamin K"
        if of_next and item_of(amount, self.text) == "vial":
            return after[2], True  # "saline to the 1 g gemcitabine vial"
        beside = self._name_before(amount)
        if beside:
            return beside, True
        if of_next:
            return after[2], True
        measured = latest[1] in NOT_IN_MG and amount.unit.startswith("mg")  # the clearance has no dose
        if latest[1] and not measured and (before is None or before[0] < latest[0]):
            return latest[1], False
        if before is not None:
            return before[2], False
        return (after[2] if after is not None else self.carried), False

    def _is_kilograms(self, amount: Quantity) -> bool:
        in_kilograms = BODY_WEIGHT.search(self.text, amount.start, amount.end)
        return amount.unit == "mg" and in_kilograms is not None

    def _names_for(self, amount: Quantity) -> Sequence[tuple[int, int, str]]:
        """The names of the sentence that can have a value in a unit: no medicine is measured in mmHg."""
        unit = amount.unit
        if unit in MOLAR or (unit == "mg/L" and PER_DL.search(self.text, amount.start, amount.end)):
            # "The creatinine on tenofovir was 2 mg/dL"
            levels = [name for name in self.names if name[2] in LEVELS]
            if levels:
                return levels
        if unit not in self.fitting:
            names = self.names
            if unit in MEASURED_ONLY:
                names = [name for name in names if name[2] in MEASURE_NAMES]
            elif DOSE_UNIT.match(unit):
                names = [name for name in names if self._can_be_given(name)]
                if unit.startswith("mg"):  # "if the clearance is below 30 mL/min: 250 mg"
                    names = [name for name in names if name[2] not in NOT_IN_MG - {"weight"}]
                if unit in ITEMS:  # "weight 55 kg: three tablets"
                    names = [name for name in names if name[2] != "weight"]
            self.fitting[unit] = names
        fitting = self.fitting[unit]
        if unit == "%" or all(name[2] != "weight" for name in fitting):
            return fitting
        in_grams = IN_GRAMS.search(self.text, amount.start, amount.end)
        return fitting if in_grams else [name for name in fitting if name[2] != "weight"]

    def _can_be_given(self, name: tuple[int, int, str]) -> bool:
        """Whether a name can have a dose: a medicine, or fluid, but not "hyperkalaemia"."""
        disorder = self.text.startswith(("hyper", "hypo"), name[0])
        return name[2] not in MEASURE_NAMES or (name[2] in GIVEN_MEASURES and not disorder)

    def _score_name(self, amount: Quantity) -> str:
        """The name of a score: "GCS", or "wells score" by the word before "score"."""
        word = SCORE_NAME.search(self.text[max(self.begin, amount.start - 40) : amount.start])
        return f"{word.group(1)} {amount.unit}" if amount.unit in ("score", "index") and word else amount.unit

    def _name_before(self, amount: Quantity) -> str:
        """The name right before an amount: one that we know, or the very next word if not general English."""
        names = self._names_for(amount)
        place = bisect_right(self.words, amount.start - 1, key=lambda word: word[0])
        for distance, (start, end, word) in enumerate(reversed(self.words[max(0, place - REACH) : place])):
            if start < self.begin or NOT_BETWEEN.search(self.text, end, amount.start):
                return ""
            nearest = bisect_right(names, start, key=lambda name: name[0]) - 1
            if nearest >= 0 and start < names[nearest][1]:
                return names[nearest][2]
            measured = amount.unit in MEASURED_ONLY or (
                amount.unit == "%" and nearest >= 0 and names[nearest][2] in IN_PERCENT
            )
            if word not in FILLERS and not measured:
                if names and FOR_CONDITION.search(self.text, max(self.begin, names[0][1]), start):
                    return ""
                return unlisted_name(word) if distance == 0 or not names else ""
        return ""


def _can_be_a_dose(quantity: Quantity, diluted: bool) -> bool:
    if quantity.kind == "ratio":
        (low, high), (of, _) = quantity.values
        return quantity.unit == ":" and low == high == 1 and (diluted or of in DILUTIONS)
    return quantity.kind in ("amount", "pressure", "score") and quantity.unit not in NO_DOSE
