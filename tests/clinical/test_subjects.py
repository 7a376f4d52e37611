"""Values that change their subject, and plain forms of units, bounds, sides, times and schedules, generated.

Each fact is written in two forms: the same fact raises no alarm; with one thing changed it is an error.
"""

import random

import pytest

from medqa.clinical import MedicalLexicon, dose_errors, negation_errors

LEXICON = MedicalLexicon()


def is_flagged(reference, answer):
    return bool(dose_errors(reference, answer) or negation_errors(reference, answer, LEXICON))


def wrongly_read(pairs, right):
    return [pair for pair in pairs if is_flagged(*pair) == right]


def capital(text):
    return text[0].upper() + text[1:]


# ---- two subjects, two values ------------------------------------------------------------------------------

# What is measured, the forms of each of two subjects, their values, the unit.
SUBJECTS = [
    ("The event rate", ["with placebo", "on placebo", "in the placebo group"], ["with the active drug"], "12", "8", "%"),
    ("The response rate", ["with daratumumab"], ["in the control group"], "62", "41", "%"),
    ("Saturation", ["on air", "on room air"], ["on oxygen", "with oxygen"], "88", "96", "%"),
    ("Osmolality", ["in serum", "in the serum"], ["in urine", "in the urine"], "262", "480", "mOsm/kg"),
    ("The dose", ["for the child"], ["for the father"], "250", "500", "mg"),
    ("The dose", ["for the mother"], ["for the baby", "for the infant"], "250", "10", "mg"),
    ("The dose", ["for Mr Smith"], ["for Mr Jones"], "40", "80", "mg"),
    ("The dose", ["in cycle 1"], ["in cycle 2"], "75", "60", "mg/m²"),
    ("The pulse", ["lying", "when lying down"], ["standing", "on standing"], "72", "104", "beats per minute"),
    ("Creatinine", ["on admission", "at admission"], ["on day 3"], "1.2", "2.6", "mg/dL"),
    ("The platelet count", ["on admission"], ["at discharge"], "45", "120", "× 10⁹/L"),
    ("Haemoglobin", ["before surgery", "preoperatively"], ["after surgery", "postoperatively"], "134", "98", "g/L"),
    ("Glucose", ["fasting", "when fasting"], ["after the meal", "after a meal"], "98", "186", "mg/dL"),
    ("Intraocular pressure", ["in the right eye"], ["in the left eye"], "14", "26", "mmHg"),
    ("Median survival", ["with surgery"], ["with chemotherapy"], "14", "9", "months"),
    ("Insulin", ["in the morning", "with breakfast"], ["in the evening", "at dinner"], "20", "12", "units"),
    ("The gradient", ["across the aortic valve"], ["across the mitral valve"], "45", "6", "mmHg"),
    ("Mortality", ["in smokers"], ["in non-smokers"], "19", "7", "%"),
    ("Relapse", ["in the vaccinated"], ["in the unvaccinated"], "2", "17", "%"),
    ("The ejection fraction", ["at rest"], ["on exercise"], "55", "38", "%"),
    ("Lactate", ["now"], ["two hours ago", "2 hours ago"], "1.8", "4.6", "mmol/L"),
    ("The tumour", ["in 2021"], ["in 2023"], "18", "32", "mm"),
]  # fmt: skip
FRAMES = [
    "{what} was {x}{unit} {one} and {y}{unit} {two}.", "{what}: {x}{unit} {one}, {y}{unit} {two}.",
    "{what} was {x}{unit} {one}; {two} it was {y}{unit}.", "{what} was {x}{unit} {one} but {y}{unit} {two}.",
    "{what} was {x}{unit} {one}, whereas it was {y}{unit} {two}.", "{what} {one} was {x}{unit} and {two} {y}{unit}.",
    "{what} was {x}{unit} {one} compared with {y}{unit} {two}.",
    "{what} {one}: {x}{unit}. {what} {two}: {y}{unit}.",
]  # fmt: skip


def of_two(subject, exchanged, turned, chance):
    what, first, second, x, y, unit = subject
    pairs = [(chance.choice(first), y if exchanged else x), (chance.choice(second), x if exchanged else y)]
    (one, x), (two, y) = reversed(pairs) if turned else pairs
    unit = unit if unit == "%" else f" {unit}"
    return chance.choice(FRAMES).format(what=what, x=x, y=y, one=one, two=two, unit=unit)


def subject_pairs(count, exchanged):
    chance = random.Random(5)
    for number in range(count):
        subject = SUBJECTS[number % len(SUBJECTS)]
        reference = of_two(subject, False, chance.random() < 0.3, chance)
        yield reference, of_two(subject, exchanged, chance.random() < 0.5, chance)


def test_values_of_two_subjects_in_other_frames_raise_no_alarm():
    assert not wrongly_read(subject_pairs(198, exchanged=False), right=True)


def test_values_that_two_subjects_exchanged_are_found():
    assert not wrongly_read(subject_pairs(198, exchanged=True), right=False)


# ---- units -------------------------------------------------------------------------------------------------

UNITS = {
    ("Insulin", 0.1): ["units/kg/hour", "u·kg⁻¹·h⁻¹", "U/kg/h", "IU/kg/h", "units per kg per hour", "IU kg⁻¹ h⁻¹"],
    ("Heparin", 18): ["units/kg/hour", "u·kg⁻¹·h⁻¹", "IU/kg/h", "units per kg per hour", "IU kg-1 h-1"],
    ("Caspofungin", 50): ["mg/m²", "mg·m⁻²", "mg/m2", "mg per square metre", "mg m-2", "mg/m^2"],
    ("Noradrenaline", 0.2): ["mcg/kg/min", "µg·kg⁻¹·min⁻¹", "micrograms per kilogram per minute", "ug/kg/min"],
    ("hCG", 1500): ["mIU/mL", "IU/L", "milli-international units per mL", "mU/mL", "U/L"],
    ("Ergocalciferol", 50000): ["IU", "UI", "units", "international units", "I.U."],
    ("Oxygen", 6): ["L/min", "lpm", "litres per minute", "L·min⁻¹", "L min-1"],
    ("Cardiac index", 2.2): ["L/min/m²", "L·min⁻¹·m⁻²", "litres per minute per square metre"],
    ("The Cobb angle", 50): ["degrees", "°"],
    ("Creatinine", 133): ["µmol/L", "micromol/L", "umol/l", "micromoles per litre", "µmol·L⁻¹"],
}  # fmt: skip
MEASURED = ["{what} {value}.", "{what}: {value}", "{what} is given as {value}.", "{value} ({what})"]


def unit_pairs(count, factor):
    chance = random.Random(3)
    for number in range(count):
        (what, value), spellings = list(UNITS.items())[number % len(UNITS)]
        texts = []
        for times in (1, factor):
            plain = f"{round(value * times, 6):.9f}".rstrip("0").rstrip(".")
            if value >= 1000 and times == 1:
                plain = chance.choice([plain, f"{value:,}", f"{value:,}".replace(",", "\u202f")])
            unit = chance.choice(spellings)
            amount = plain + ("" if unit == "°" else " ") + unit
            texts.append(chance.choice(MEASURED).format(what=what, value=amount))
        yield tuple(texts)


def test_one_amount_in_all_spellings_of_its_unit_raises_no_alarm():
    assert not wrongly_read(unit_pairs(160, 1), right=True)


@pytest.mark.parametrize("factor", [10, 0.1])
def test_a_ten_fold_amount_in_another_spelling_is_found(factor):
    assert not wrongly_read(unit_pairs(100, factor), right=False)


def test_a_space_groups_thousands_only_before_a_concentration():
    assert not is_flagged("Serum hCG was 1 500 mIU/mL.", "hCG came back at 1500 mIU per mL.")
    assert is_flagged("Serum hCG was 1 500 mIU/mL.", "hCG came back at 150 mIU per mL.")
    table = "| Bag 1 | 150 mg/kg |\n|---|---|\n| Bag 2 | 50 mg/kg |"
    assert not is_flagged("Acetylcysteine: 150 mg/kg, then 50 mg/kg.", table)


# ---- thresholds --------------------------------------------------------------------------------------------

BOUNDS = {
    ">": ["above {}", "more than {}", "> {}", "exceeding {}", "higher than {}"],
    "<": ["below {}", "less than {}", "< {}", "under {}", "lower than {}"],
    "≥": ["at least {}", "no less than {}", "{} or more", "{} and above", "≥ {}", "a minimum of {}", "not below {}"],
    "≤": ["at most {}", "no more than {}", "{} or less", "≤ {}", "a maximum of {}", "not exceeding {}", "not above {}"],
}  # fmt: skip
TURNED = {">": "<", "<": ">", "≥": "≤", "≤": "≥"}
SCORES = [
    ("the Bishop score", 6, ""), ("the SOFA score", 2, ""), ("the 4Ts score", 4, ""), ("the MASCC score", 21, ""),
    ("the MoCA score", 26, ""), ("the EDSS", 6, ""), ("the CD4 count", 200, " cells/µL"), ("the MAP", 65, " mmHg"),
    ("the Cobb angle", 50, " degrees"), ("the eGFR", 15, " mL/min/1.73 m²"), ("the INR", 5, ""),
]  # fmt: skip
TREATED = [
    "Treat if {name} is {bound}.",
    "{Name} {bound}: treat",
    "Patients with {name} {bound} are treated.",
]


def threshold_pairs(count, factor=1, turned=False):
    chance = random.Random(2)
    for number in range(count):
        name, value, unit = SCORES[number % len(SCORES)]
        bound = chance.choice("><≥≤")
        texts = []
        for sign, times in ((bound, 1), (TURNED[bound] if turned else bound, factor)):
            written = chance.choice(BOUNDS[sign]).format(f"{value * times}{unit}")
            texts.append(chance.choice(TREATED).format(name=name, Name=capital(name), bound=written))
        yield tuple(map(capital, texts))


def test_one_bound_in_words_and_signs_raises_no_alarm():
    assert not wrongly_read(threshold_pairs(220), right=True)


@pytest.mark.parametrize("change", [{"factor": 2}, {"turned": True}])
def test_another_bound_in_words_and_signs_is_found(change):
    assert not wrongly_read(threshold_pairs(132, **change), right=False)


# ---- sides and times ---------------------------------------------------------------------------------------

ORGANS = [
    "eye", "ear", "leg", "arm", "knee", "hip", "lung", "kidney", "breast", "hand", "foot", "shoulder",
    "ankle", "wrist", "elbow", "testis", "ovary", "thigh", "calf", "groin", "heel", "thumb", "forearm",
    "cheek", "temple", "tonsil", "clavicle", "humerus", "radius", "ulna", "femur", "tibia", "fibula",
    "patella", "carotid artery", "subclavian vein", "jugular vein", "radial artery", "femoral artery",
    "adrenal gland", "parotid gland", "ureter", "pupil", "retina", "cornea", "nostril", "flank",
    "hemisphere", "ventricle", "atrium", "bundle branch", "vocal cord", "big toe", "index finger",
    "buttock", "fallopian tube", "lower lobe", "main bronchus", "middle cerebral artery", "iliac fossa",
    "upper quadrant", "axilla", "scapula", "sacroiliac joint", "facial nerve", "optic nerve",
    "achilles tendon", "rotator cuff", "pleural effusion", "nephrectomy", "mastectomy", "pneumothorax",
]  # fmt: skip
SIDED = ["The {} was operated on.", "There was a lesion of the {}.", "Her {} was examined.", "Pain in the {}"]
EVENTS = ["incision", "surgery", "the procedure", "birth", "the scan", "the meal", "the infusion"]
WITHIN = ["within 60 minutes {}", "in the hour {}", "during the 60 minutes {}", "up to one hour {}"]
DOSED = ["Give cefazolin 2 g {}.", "Cefazolin 2,000 mg is given {}.", "The dose (cefazolin 2 g) is due {}."]


def side_pairs(turned):
    chance = random.Random(9)
    for organ in ORGANS:
        side = chance.choice(["left", "right"])
        other = {"left": "right", "right": "left"}[side] if turned else side
        yield tuple(chance.choice(SIDED).format(f"{one} {organ}") for one in (side, other))


def time_pairs(turned):
    chance = random.Random(8)
    for event in EVENTS * 12:
        order = chance.choice(["before", "after"])
        other = {"before": "after", "after": "before"}[order] if turned else order
        yield tuple(
            chance.choice(DOSED).format(chance.choice(WITHIN).format(f"{one} {event}"))
            for one in (order, other)
        )


@pytest.mark.parametrize("pairs", [side_pairs, time_pairs])
def test_sides_and_times_raise_no_alarm_unless_they_are_turned(pairs):
    assert not wrongly_read(pairs(turned=False), right=True)
    assert not wrongly_read(pairs(turned=True), right=False)


# ---- schedules ---------------------------------------------------------------------------------------------

OFTEN = {
    5: ["five times daily", "five times per diem", "5×/day"], 2: ["twice daily", "bd", "q12h", "two times per diem"],
    1: ["once daily", "per diem", "each day", "q24h"], 3: ["three times daily", "tds", "8-hourly", "q8h"],
    1 / 2: ["on alternate days", "every second day", "every other day", "q48h"],
    1 / 7: ["once weekly", "once a week", "every week", "every seven days"],
}  # fmt: skip
LASTING = {
    7: ["for 7 days", "one week", "over 7 days", "for seven days"],
    42: ["for 6 weeks", "over six weeks", "for 42 days"],
}
COURSES = [
    "{name} {dose} {often} {time}.",
    "Give {name} {dose} {often} {time}.",
    "{name}: {dose} {often} {time}",
]
MEDICINES = [("aciclovir", "800 mg"), ("prednisolone", "40 mg/m²"), ("ergocalciferol", "50,000 IU")]


def course_pairs(count, change=""):
    chance = random.Random(10)
    for number in range(count):
        name, dose = MEDICINES[number % len(MEDICINES)]
        times, days = chance.choice(list(OFTEN)), chance.choice(list(LASTING))
        other = chance.choice([one for one in OFTEN if one != times]) if change == "often" else times
        length = 49 - days if change == "time" else days
        yield tuple(
            capital(chance.choice(COURSES).format(
                name=name, dose=dose, often=chance.choice(OFTEN[often]), time=chance.choice(LASTING[lasting])
            ))
            for often, lasting in ((times, days), (other, length))
        )  # fmt: skip


def test_one_course_in_many_forms_raises_no_alarm():
    assert not wrongly_read(course_pairs(120), right=True)


@pytest.mark.parametrize("change", ["often", "time"])
def test_another_course_is_found(change):
    assert not wrongly_read(course_pairs(90, change), right=False)


# ---- single rules ------------------------------------------------------------------------------------------

# (reference, the same, an error)
CASES = [
    ("Cooling is continued for at least 24 hours.", "Hold the temperature for no less than 24 hours.",
     "Cool for at most 24 hours."),
    ("The mother is blood group O negative and the baby A positive.",
     "The baby's blood group is A positive, the mother's O negative.",
     "The mother's blood group is A positive and the baby's is O negative."),
    ("Platelets were 45 on admission and 120 x 10^9/L at discharge.",
     "Admission platelets 45, discharge platelets 120 × 10⁹/L.",
     "Admission platelets 120, discharge platelets 45 × 10⁹/L."),
    ("PEEP 6 cmH2O, peak inspiratory pressure 20 cmH2O.", "Ventilator: PIP 20 cmH2O with a PEEP of 6 cmH2O.",
     "Ventilator: PIP 6 cmH2O with a PEEP of 20 cmH2O."),
    ("Fluid intake 2.5 L and urine output 0.6 L over 24 hours.", "Over 24 hours she drank 2.5 L and passed 0.6 L of urine.",
     "Over 24 hours she drank 0.6 L and passed 2.5 L of urine."),
    ("A MASCC score of 21 or above means low risk.", "With 21 points or more in the MASCC the risk is low.",
     "In MASCC, a score of 21 or above means high risk."),
    ("Blood pressure was 150/90 mmHg before bevacizumab and 165/100 mmHg after it.",
     "After bevacizumab BP went to 165/100 mmHg; it had been 150/90 beforehand.",
     "After bevacizumab BP went to 150/90 mmHg; it had been 165/100 beforehand."),
    ("Amlodipine 5 mg and ramipril 10 mg were continued.", "Ramipril 10 mg and amlodipine 5 mg both continue.",
     "Ramipril 5 mg and amlodipine 10 mg both continue."),
    ("Neonatal bilirubin reached 257 micromol/L.", "The baby's bilirubin peaked at 15 mg/dL.",
     "The baby's bilirubin peaked at 25 mg/dL."),
    ("Salbutamol 5 mg as required.", "Salbutamol 5 mg prn.", "Salbutamol 5 mg at fixed times, not as required."),
    ("Diazepam rectal solution 10 mg for a seizure.", "Diazepam 10 mg pr for a seizure.", "Diazepam 10 mg po for a seizure."),
    ("Symptoms started at 60; the patient is now 72.", "He is now 72, and the symptoms started at 60.",
     "He is now 60, and the symptoms started at 72."),
]  # fmt: skip


@pytest.mark.parametrize("reference, same, error", CASES)
def test_a_fact_in_other_words_and_an_error(reference, same, error):
    assert not is_flagged(reference, same)
    assert is_flagged(reference, error)
