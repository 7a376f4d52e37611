"""Amounts that follow from a daily amount, a course, a rate or a weight; bounds told from their two sides."""

import pytest

from medqa.clinical import dose_errors

RIGHT = [
    # the amount of a day, and its parts
    ("Amoxicillin 500 mg three times daily.", "1.5 g of amoxicillin a day, 500 mg morning, noon and night."),
    (
        "Tramadol 50 mg four times daily.",
        "Each dose of tramadol is 50 mg and four are taken daily, so 200 mg a day.",
    ),
    (
        "Meropenem 1 g every 8 hours.",
        "The antibiotic goes in as three bags of 1 g each in 24 hours, which totals 3 g.",
    ),
    (
        "Mesalazine 2.4 g daily as two 1.2 g tablets once a day.",
        "Strength of one tablet: 1.2 g. How many: two, taken together. Sum: 2.4 g of mesalazine per day.",
    ),
    (
        "Carbidopa 25 mg tablets, 2 tds.",
        "Carbidopa 150 mg a day: two of the 25 mg tablets three times a day.",
    ),
    (
        "Codeine 30 mg up to four times daily, maximum 240 mg daily.",
        "One takes a single dose of 30 mg of codeine; in 24 hours not more than 240 mg.",
    ),
    # courses, rates and weights
    ("Immunoglobulin 1 g/kg/day for 2 days.", "The course is 2 g/kg in total, split evenly over two days."),
    ("Furosemide infusion 10 mg/h.", "Furosemide runs continuously; over a full day that comes to 240 mg."),
    ("Feed 60 mL/h for 20 hours.", "The feed runs for 20 of the 24 hours at 60 mL/h."),
    (
        "Aminophylline 0.5 mg/kg/h, 60 kg.",
        "The patient weighs 60 kg: aminophylline 30 mg an hour, 0.5 mg/kg/h.",
    ),
    ("Protein intake 1 g/kg/day; weight 60 kg.", "Eat 60 g of protein a day, such as three meals of 20 g."),
    ("Call if weight up >3 kg in 5 days.", "Ring us if you gain more than 3 kg within five days."),
    ("Serum magnesium 0.6 mmol/L.", "Magnesium was low at 1.2 mEq/L."),
    # bounds
    (
        "Target oxygen saturation 94-98%.",
        "The saturation should be not below 94% and not above 98%, whereas others are kept at 88 to 92%.",
    ),
    (
        "Avoid metformin if the eGFR is below 30 mL/min.",
        "With an eGFR of 30 or more metformin can be used, but with less it is withheld.",
    ),
    ("Intubate when the GCS is 8 or less.", "From a GCS of 8 downwards a tube is needed."),
    ("Cool the burn for at least 20 minutes.", "Hold the burn under the tap for no less than 20 minutes."),
]
WRONG = [
    ("Amoxicillin 500 mg three times daily.", "1 g of amoxicillin a day, 500 mg morning and night."),
    ("Meropenem 1 g every 8 hours.", "Two bags of 1 g each in 24 hours, which totals 2 g of meropenem."),
    ("Levodopa 100 mg five times a day.", "Levodopa 500 mg five times a day."),
    ("Carbidopa 25 mg tablets, 2 tds.", "Carbidopa 75 mg a day: one 25 mg tablet three times a day."),
    ("Immunoglobulin 1 g/kg/day for 2 days.", "The course is 1 g/kg in total, split evenly over two days."),
    ("Furosemide infusion 10 mg/h.", "Furosemide runs continuously; over a full day that comes to 120 mg."),
    ("Serum magnesium 0.6 mmol/L.", "Magnesium was low at 0.6 mEq/L."),
    (
        "Avoid metformin if the eGFR is below 30 mL/min.",
        "With an eGFR of 30 or more metformin is withheld, but with less it can be used.",
    ),
    (
        "Paracetamol: no more than 3 g in 24 hours.",
        "At least 3 g of paracetamol should be taken in 24 hours.",
    ),
    ("Intubate when the GCS is 8 or less.", "From a GCS of 12 downwards a tube is needed."),
]


@pytest.mark.parametrize(("reference", "answer"), RIGHT)
def test_an_amount_that_follows_from_the_reference_is_right(reference: str, answer: str) -> None:
    assert not dose_errors(reference, answer)


@pytest.mark.parametrize(("reference", "answer"), WRONG)
def test_an_amount_of_another_day_course_or_side_is_wrong(reference: str, answer: str) -> None:
    assert dose_errors(reference, answer)
