"""One fact in many notations raises no alarm, and the fact with another number, unit, bound or sign does."""

import itertools
import random

import pytest

from medqa.clinical import MedicalLexicon, dose_errors, negation_errors

ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def words(number):
    """A number below a million in words, with a decimal part digit by digit."""
    whole, _, decimals = f"{number:.15g}".partition(".")
    if decimals:
        return f"{words(int(whole))} point {' '.join(ONES[int(digit)] for digit in decimals)}"
    number = int(whole)
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f"-{ONES[number % 10]}" if number % 10 else "")
    for scale, name in ((1000, "thousand"), (100, "hundred")):
        if number >= scale:
            rest = number % scale
            joined = f" and {words(rest)}" if scale == 100 else f" {words(rest)}"
            return f"{words(number // scale)} {name}" + (joined if rest else "")
    raise AssertionError(number)


UNITS = {
    "mg": {"mg": 1, "milligrams": 1, "micrograms": 1000, "mcg": 1000, "µg": 1000, "g": 0.001, "㎎": 1},
    "units": {"units": 1, "IU": 1, "international units": 1, "U": 1, "IE": 1},
    "mL": {"mL": 1, "ml": 1, "millilitres": 1, "cc": 1, "L": 0.001},
    "mg/kg": {"mg/kg": 1, "mg kg⁻¹": 1, "milligrams per kilogram": 1, "mg/kg body weight": 1, "mcg/kg": 1000},
    "mcg/kg/min": {
        "mcg/kg/min": 1,
        "µg·kg⁻¹·min⁻¹": 1,
        "micrograms per kilogram per minute": 1,
        "mg/kg/h": 0.06,
    },
    "mmol": {"mmol": 1, "millimoles": 1, "mEq": 1},
}
FREQUENCIES = {
    1: ["once daily", "OD", "every 24 hours", "each day", "once a day", "q24h", "per diem", "1×/day"],
    2: ["twice daily", "BID", "every 12 hours", "bd", "two times a day", "q12h", "12-hourly", "morning and evening"],
    3: ["three times daily", "TDS", "every 8 hours", "tid", "8-hourly", "q8h", "three times in 24 hours", "3x/day"],
    4: ["four times daily", "QDS", "every 6 hours", "qid", "q6h", "6-hourly", "four times per day"],
    1 / 2: ["every other day", "on alternate days", "every 48 hours", "every second day", "q48h"],
    1 / 7: ["once weekly", "every week", "once a week", "every 7 days", "weekly", "every Monday"],
    1 / 28: ["every 4 weeks", "every 28 days", "once every four weeks", "four-weekly"],
}  # fmt: skip
DOSES = [
    "{medicine} {amount} {often}", "Give {amount} of {medicine} {often}.", "The dose of {medicine} is {amount} {often}.",
    "{medicine}: {amount} {often}", "{amount} {medicine} should be given {often}.", "{medicine}, {amount}, {often}",
    "We start {medicine} at {amount} {often}.", "Take {medicine} ({amount}) {often}.", "| {medicine} | {amount} | {often} |",
    "**{medicine}** – *{amount}* {often}", "She was put on {amount} of {medicine}, to be taken {often}.",
]  # fmt: skip
MEDICINES = [
    ("amoxicillin", 500, "mg"), ("ramipril", 2.5, "mg"), ("insulin glargine", 12, "units"), ("enoxaparin", 1.5, "mg/kg"),
    ("heparin", 5000, "units"), ("lactulose", 15, "mL"), ("noradrenaline", 0.2, "mcg/kg/min"), ("digoxin", 0.25, "mg"),
    ("potassium chloride", 40, "mmol"), ("vancomycin", 15, "mg/kg"), ("levothyroxine", 0.125, "mg"),
]  # fmt: skip


def written(value, unit, chance):
    """An amount in one of its units and notations."""
    name = chance.choice(list(UNITS[unit]))
    number = round(value * UNITS[unit][name], 9)
    digits = f"{number:.9f}".rstrip("0").rstrip(".")
    plain = f"{number:,.15g}" if number >= 1000 else digits
    notations = [plain, f"**{plain}**", digits]
    if 0.1 <= number < 1e6 and name.isalpha() and len(name) > 3:
        notations.append(words(number))
    if number < 1:
        notations.append(plain.removeprefix("0"))
    space = chance.choice([" ", "\u00a0", "&nbsp;", " "])
    return chance.choice(notations) + space + name


def dose(medicine, value, unit, times, chance):
    amount = written(value, unit, chance)
    often = chance.choice(FREQUENCIES[times]) if times else ""
    return chance.choice(DOSES).format(medicine=medicine, amount=amount, often=often).strip()


def dose_pairs(count, change):
    """Pairs of texts on one dose; `change` gives (value, unit, times) of the answer."""
    chance = random.Random(7)
    for number in range(count):
        medicine, value, unit = MEDICINES[number % len(MEDICINES)]
        times = None if unit == "mcg/kg/min" else chance.choice(list(FREQUENCIES))
        reference = dose(medicine, value, unit, times, chance)
        yield reference, dose(medicine, *change(value, unit, times, chance), chance)


CHANGES = {
    "ten times": lambda value, unit, times, chance: (value * 10, unit, times),
    "a tenth": lambda value, unit, times, chance: (value / 10, unit, times),
    "double": lambda value, unit, times, chance: (value * 2, unit, times),
    "thousand times": lambda value, unit, times, chance: (value * 1000, unit, times),
    "another frequency": lambda value, unit, times, chance: (
        (value, unit, chance.choice([other for other in FREQUENCIES if other != times])) if times else (value * 5, unit, None)
    ),
}  # fmt: skip


def failures(pairs, right, errors=dose_errors):
    return [pair for pair in pairs if bool(errors(*pair)) == right]


def test_one_dose_in_many_notations_raises_no_alarm():
    wrong = failures(dose_pairs(600, lambda *same: same[:3]), right=True)
    assert not wrong


@pytest.mark.parametrize("kind", CHANGES)
def test_another_dose_in_many_notations_is_found(kind):
    missed = failures(dose_pairs(220, CHANGES[kind]), right=False)
    assert not missed


# ---- thresholds --------------------------------------------------------------------------------------------

BOUNDS = {
    ">": ["above {}", "more than {}", "> {}", "exceeding {}", "over {}", "higher than {}", "greater than {}", "&gt; {}"],
    "<": ["below {}", "less than {}", "< {}", "under {}", "lower than {}", "&lt;{}", "$< {}$"],
}  # fmt: skip
OTHER_BOUND = {">": "<", "<": ">"}
MEASURES = [
    (["potassium", "serum potassium", "K⁺"], 5.5, "mmol/L"), (["the QTc", "the corrected QT interval", "QTc"], 500, "ms"),
    (["the eGFR", "creatinine clearance", "eGFR"], 30, "mL/min"), (["haemoglobin", "Hb", "the hemoglobin"], 70, "g/L"),
    (["the platelet count", "platelets"], 50, "× 10⁹/L"), (["systolic pressure", "SBP", "the systolic BP"], 90, "mmHg"),
    (["the INR", "INR"], 4.5, ""), (["the CURB-65 score", "CURB-65"], 3, ""), (["ferritin", "serum ferritin"], 30, "µg/L"),
    (["oxygen saturation", "SpO2", "the sats"], 92, "%"), (["the heart rate", "the pulse", "HR"], 50, "beats per minute"),
    (["HbA1c", "the HbA1c"], 7.5, "%"), (["ALT", "the ALT"], 3, "× ULN"), (["BMI", "body mass index"], 30, "kg/m²"),
]  # fmt: skip
ACTIONS = [
    "Call the doctor if {measure} is {bound}.", "{measure} {bound}: call the doctor", "When {measure} is {bound}, call the doctor.",
    "A doctor should be called with {measure} {bound}.", "**Call the doctor** for {measure} {bound}",
]  # fmt: skip


def threshold(names, value, unit, bound, chance):
    number = chance.choice([f"{value:.15g}", f"**{value:.15g}**", f"{value:.15g}", f"{value:.15g}"])
    words_of_bound = chance.choice(BOUNDS[bound]).format(f"{number} {unit}".strip())
    text = chance.choice(ACTIONS).format(measure=chance.choice(names), bound=words_of_bound)
    return text[0].upper() + text[1:]


def threshold_pairs(count, factor=1, turned=False):
    chance = random.Random(11)
    for names, value, unit in itertools.islice(itertools.cycle(MEASURES), count):
        bound = chance.choice("<>")
        other = OTHER_BOUND[bound] if turned else bound
        answer = threshold(names, value * factor, unit, other, chance)
        yield threshold(names, value, unit, bound, chance), answer


def test_one_threshold_in_many_notations_raises_no_alarm():
    wrong = failures(threshold_pairs(420), right=True)
    assert not wrong


@pytest.mark.parametrize("change", [{"factor": 2}, {"factor": 10}, {"factor": 0.5}, {"turned": True}])
def test_another_threshold_or_the_other_side_of_it_is_found(change):
    missed = failures(threshold_pairs(280, **change), right=False)
    assert not missed


# ---- what comes to the same --------------------------------------------------------------------------------

PER_DAY = [
    "{} a day",
    "{} per day",
    "{}/day",
    "{} daily in divided doses",
    "a total of {} a day",
    "a daily total of {}",
]
COUNTS = {1: ["one", "1"], 2: ["two", "2"], 3: ["three", "3"]}


def daily_pairs(count, factor=1):
    """A dose several times a day, and what it comes to."""
    chance = random.Random(13)
    for medicine, value, unit in itertools.islice(itertools.cycle(MEDICINES), count):
        if "/min" in unit:
            continue
        times = chance.choice([2, 3, 4])
        total = written(value * times * factor, unit, chance)
        texts = [
            dose(medicine, value, unit, times, chance),
            f"{medicine}, {chance.choice(PER_DAY).format(total)}",
        ]
        chance.shuffle(texts)
        yield tuple(texts)


def strength_pairs(count, factor=1):
    """Several tablets, and the amount in them."""
    chance = random.Random(17)
    for medicine, value, item in itertools.islice(
        itertools.cycle([("prednisolone", 5, "tablet"), ("salbutamol", 0.1, "puff"), ("tacrolimus", 1, "capsule"),
                         ("methotrexate", 2.5, "tablet")]), count
    ):  # fmt: skip
        number = chance.choice([2, 3])
        each = written(value, "mg", chance)
        counted = chance.choice([
            f"{chance.choice(COUNTS[number])} {each} {item}s", f"{number} {item}s of {each}",
            f"{each} per {item}, {chance.choice(COUNTS[number])} {item}s",
        ])  # fmt: skip
        often = chance.choice(FREQUENCIES[2])
        yield (
            f"{medicine} {counted} {often}",
            f"{medicine} {written(value * number * factor, 'mg', chance)} {often}",
        )


@pytest.mark.parametrize("pairs", [daily_pairs, strength_pairs])
def test_what_comes_to_the_same_raises_no_alarm(pairs):
    wrong = failures(pairs(240), right=True)
    assert not wrong


@pytest.mark.parametrize("factor", [10, 0.1, 7])
@pytest.mark.parametrize("pairs", [daily_pairs, strength_pairs])
def test_what_does_not_come_to_the_same_is_found(pairs, factor):
    missed = failures(pairs(120, factor), right=False)
    assert not missed


# ---- negation ----------------------------------------------------------------------------------------------

FINDINGS = [
    "pneumonia",
    "fever",
    "chest pain",
    "a rash",
    "deep vein thrombosis",
    "jaundice",
    "diarrhoea",
    "hypertension",
]
PRESENT = [
    "The patient has {}.", "There is {}.", "{} is present.", "{} was found.", "Positive for {}.", "She reports {}.",
    "Examination showed {}.", "{} was confirmed.", "He developed {}.",
]  # fmt: skip
ABSENT = [
    "The patient does not have {}.", "There is no {}.", "{} is absent.", "{} was ruled out.", "Negative for {}.",
    "She denies {}.", "Examination showed no {}.", "{}: none", "No evidence of {}.", "He hasn’t developed {}.",
    "{} was excluded.", "Without {}.", "No sign of {} was seen.", "{} was not found.",
]  # fmt: skip
DRUGS = ["aspirin", "ibuprofen", "metformin", "warfarin", "amoxicillin", "codeine"]
ADVISED = [
    "Give {}.",
    "{} is recommended.",
    "{} should be given.",
    "Take {}.",
    "{} is safe here.",
    "Start {}.",
    "{} can be used.",
]
ADVISED_AGAINST = [
    "Do not give {}.", "{} is contraindicated.", "{} should be avoided.", "Avoid {}.", "{} must not be given.", "Stop {}.",
    "{} shouldn't be used.", "Never give {}.", "{} is not recommended.", "Withhold {}.", "{} should be discontinued.",
]  # fmt: skip
STATEMENTS = [(FINDINGS, PRESENT, ABSENT), (DRUGS, ADVISED, ADVISED_AGAINST)]
LEXICON = MedicalLexicon()


def negations(one, other):
    return negation_errors(one, other, LEXICON)


def statement(templates, term):
    sentence = templates.format(term.removeprefix("a ") if "no {}" in templates.lower() else term)
    return sentence[0].upper() + sentence[1:]


def statement_pairs(same):
    for terms, affirmed, denied in STATEMENTS:
        groups = (
            [(affirmed, affirmed), (denied, denied)] if same else [(affirmed, denied), (denied, affirmed)]
        )
        for first, second in groups:
            for number, (one, other) in enumerate(itertools.product(first, second)):
                term = terms[number % len(terms)]
                yield statement(one, term), statement(other, term)


def test_one_statement_in_many_forms_raises_no_alarm():
    wrong = failures(statement_pairs(same=True), right=True, errors=negations)
    assert not wrong


def test_a_statement_and_its_negation_contradict():
    missed = failures(statement_pairs(same=False), right=False, errors=negations)
    assert not missed


# (reference, the same in other numbers, another dose in such numbers)
DERIVED = [
    ("Levothyroxine 75 micrograms daily.", "One 50 mcg and one 25 mcg levothyroxine tablet daily.",
     "One 50 mcg and one 50 mcg levothyroxine tablet daily."),
    ("Ibuprofen 100 mg/5 mL: 7.5 mL three times a day.", "Ibuprofen 450 mg in total daily, 150 mg at a time.",
     "Ibuprofen 900 mg in total daily, 300 mg at a time."),
    ("Immunoglobulin 0.4 g/kg/day for 5 days.", "Immunoglobulin to a total dose of 2 g/kg over five days.",
     "Immunoglobulin to a total dose of 4 g/kg over five days."),
    ("Morphine 10 mg every 4 hours.", "24-h oral morphine use: 60 mg.", "24-h oral morphine use: 120 mg."),
    ("Ramipril 5 mg daily for 10 days.", "Ramipril 5 mg a day, ten days.", "Ramipril 50 mg daily in total."),
]  # fmt: skip


@pytest.mark.parametrize("reference, same, other", DERIVED)
def test_sums_and_products_agree_only_when_they_are_right(reference, same, other):
    assert not dose_errors(reference, same)
    assert dose_errors(reference, other)


# (reference, the same condition from its other side, its opposite)
CONDITIONS = [
    ("Unless there is bleeding, anticoagulation is continued.",
     "Carry on with the anticoagulant as long as no bleeding occurs.",
     "Stop the anticoagulant as long as no bleeding occurs."),
    ("No antibiotic is needed without signs of infection.",
     "Only if signs of infection are present does the patient require an antibiotic.",
     "An antibiotic is needed without signs of infection."),
    ("Digoxin should be withheld if the pulse is under 60.",
     "Give digoxin only when the pulse is 60 or faster.", "Give digoxin if the pulse is under 60."),
    ("Lisinopril was stopped because of cough.", "Lisinopril had to be discontinued owing to a cough.",
     "Lisinopril was never stopped in spite of a cough."),
]  # fmt: skip


@pytest.mark.parametrize("reference, same, opposite", CONDITIONS)
def test_a_condition_agrees_with_its_exception_and_not_with_its_opposite(reference, same, opposite):
    assert not negations(reference, same)
    assert negations(reference, opposite) or dose_errors(reference, opposite)
