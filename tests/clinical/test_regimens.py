"""Strength, count and total of one dose: any two of them say it, and another one contradicts."""

import random

import pytest

from medqa.clinical import dose_errors

MEDICINES = [
    ("zopiclone", 3.75, "mg", "tablet", "take"), ("omeprazole", 20, "mg", "capsule", "take"),
    ("beclomethasone", 50, "mcg", "spray", "use"), ("fluticasone", 125, "mcg", "puff", "inhale"),
    ("macrogol", 13.8, "g", "sachet", "take"), ("diclofenac", 100, "mg", "suppository", "insert"),
    ("morphine", 10, "mg", "ampoule", "give"), ("ceftriaxone", 1, "g", "vial", "give"),
    ("fentanyl", 25, "mcg", "patch", "apply"), ("sumatriptan", 6, "mg", "pen", "inject"),
    ("vitamin D", 400, "units", "drop", "give"), ("benzocaine", 5, "mg", "lozenge", "suck"),
]  # fmt: skip
PLURALS = {"suppository": "suppositories", "patch": "patches"}
COUNTED = [
    "{medicine} {strength} {items}: {verb} {count} {often}.", "{medicine}: {count} {items} of {strength} {often}.",
    "Each {item} of {medicine} contains {strength}; {verb} {count} {items} {often}.",
    "{medicine} {strength} per {item}, {count} {items} {often}.",
    "{medicine}, {count} {items} {often}, each {item} containing {strength}.",
    "{medicine} {items} {strength}. {verb} {count} {items} {often}.",
]  # fmt: skip
TOTALS = [
    "{medicine} {total} {often} as {count} {items} of {strength}.",
    "{medicine}: {count} × {strength} {items} = {total} {often}.",
    "{medicine} {strength} {items}: {count} {items} {often}, i.e. {total} per dose.",
]
DAYS = ["{medicine} {strength} {items}, {count} {items} {often}, total {day} a day."]
PLAIN = ["{medicine} {total} {often}.", "Give {total} of {medicine} {often}."]
WORDS = ["", "one", "two", "three", "four", "five", "six"]
OFTEN = ["", "once daily", "twice daily", "every 8 hours", "four times a day"]


def text(forms, medicine, chance, **other):
    name, strength, unit, item, verb = medicine
    values = {"strength": strength, "count": 2, "often": 3} | other
    total = values.get("total", values["strength"] * values["count"])
    day = values.get("day", total * values["often"])
    amounts = {"strength": values["strength"], "total": total, "day": day}
    written = chance.choice(forms).format(
        medicine=name,
        item=item,
        items=PLURALS.get(item, f"{item}s"),
        verb=verb,
        count=chance.choice([WORDS[values["count"]], str(values["count"])]),
        often=OFTEN[values["often"]],
        **{key: f"{value:.10g} {unit}" for key, value in amounts.items()},
    )
    return written[0].upper() + written[1:].replace(f". {verb}", f". {verb.capitalize()}")


def pairs(answers, seed, **other):
    chance = random.Random(seed)
    for medicine in MEDICINES:
        for references in (COUNTED, TOTALS, PLAIN):
            changed = {key: value(medicine) if callable(value) else value for key, value in other.items()}
            yield text(references, medicine, chance), text(answers, medicine, chance, **changed)


@pytest.mark.parametrize("answers", [COUNTED, TOTALS, DAYS, PLAIN])
def test_any_two_of_strength_count_and_total_are_right(answers):
    assert not [pair for pair in pairs(answers, 3) if dose_errors(*pair)]


@pytest.mark.parametrize(
    ("answers", "other"),
    [
        (COUNTED, {"strength": lambda medicine: medicine[1] * 10}),
        (COUNTED, {"count": 5}),
        (COUNTED, {"often": 1}),
        (TOTALS, {"total": lambda medicine: medicine[1] * 20}),
        (TOTALS, {"total": lambda medicine: medicine[1] / 5}),
        (DAYS, {"day": lambda medicine: medicine[1] * 60}),
        (DAYS, {"day": lambda medicine: medicine[1] * 12}),
    ],
)
def test_another_strength_count_total_or_frequency_is_found(answers, other):
    assert not [pair for pair in pairs(answers, 5, **other) if not dose_errors(*pair)]


# (reference, the same, another)
CASES = [
    ("Each effervescent tablet contains 500 mg of calcium; 1 tablet is taken daily.",
     "Calcium effervescent tablets, 500 mg each: take 1 a day.",
     "Calcium effervescent tablets, 500 mg each: take 5 a day."),
    ("One suppository of diclofenac 100 mg is inserted at night.",
     "Diclofenac: insert one 100 mg suppository at night.", "Diclofenac: insert three 100 mg suppositories at night."),
    ("Pancreatin capsules with 10 000 lipase units each: 2 capsules with every main meal.",
     "With each main meal 2 capsules of pancreatin 10 000, that is 20 000 units of lipase.",
     "With each main meal 2 capsules of pancreatin 10 000, that is 200 000 units of lipase."),
    ("Benzylpenicillin 1.2 g, made up from two 600 mg vials, IM or IV.",
     "Give benzylpenicillin 1.2 g IV, using two 600 mg vials.", "Give benzylpenicillin 1.2 g IV, using two 120 mg vials."),
    ("One sachet contains 6.9 g of macrogol 3350.", "Macrogol 3350: 6.9 g per sachet.", "Macrogol 3350: 69 g per sachet."),
    ("The prescription was for 30 tablets of zopiclone 3.75 mg.", "Zopiclone 3.75 mg, #30.", "Zopiclone 7.5 mg, #30."),
    ("The viral load was 1,500,000 copies/mL.", "The viral load was one and a half million copies per mL.",
     "The viral load was two and a half million copies per mL."),
]  # fmt: skip


@pytest.mark.parametrize(("reference", "same", "other"), CASES)
def test_a_regimen_agrees_only_with_the_same(reference, same, other):
    assert not dose_errors(reference, same)
    assert dose_errors(reference, other)
