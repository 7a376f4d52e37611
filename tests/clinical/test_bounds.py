"""Thresholds in many words: for each a pair that is right and one that is wrong."""

import pytest

from medqa.clinical import dose_errors

# name → (reference, right answer, wrong answer)
BOUNDS = {
    "negated comparative": (
        "Keep the systolic pressure at 100 mmHg or more.",
        "Systolic pressure must not be allowed to fall below 100 mmHg.",
        "Systolic pressure must not be allowed to rise above 100 mmHg.",
    ),
    "negated with a second verb": (
        "Phenytoin: at most 50 mg/min.",
        "Phenytoin must not exceed 1 g or run faster than 50 mg/min.",
        "Phenytoin is infused at no less than 50 mg/min.",
    ),
    "no longer above": (
        "Restart when creatinine is 150 µmol/L or less.",
        "Restart once creatinine is no longer above 150 µmol/L.",
        "Restart once creatinine is above 150 µmol/L.",
    ),
    "contracted verb": (
        "Anaemia is mild if haemoglobin is at most 110 g/L.",
        "Anaemia counts as mild when haemoglobin doesn't exceed 110 g/L.",
        "Anaemia counts as mild when haemoglobin exceeds 110 g/L.",
    ),
    "limited to": (
        "Salt: at most 5 g per day.",
        "Salt is limited to 5 g per day.",
        "At least 5 g of salt per day are eaten.",
    ),
    "or faster": (
        "A pace of 1.2 m/s or slower is abnormal.",
        "Walking is abnormal at 1.2 m/s or slower.",
        "Walking is abnormal at 1.2 m/s or faster.",
    ),
    "upward after a word": (
        "The skin test is positive from 10 mm.",
        "The skin test counts as positive from 10 mm swelling upward.",
        "The skin test counts as positive from 15 mm swelling upward.",
    ),
    "from an age": (
        "The vaccine is for people from 75 years.",
        "The vaccine is given to people of 75 years or older.",
        "The vaccine is given to people under 75 years.",
    ),
    "people by their age": (
        "A booster is offered to adults older than 70 years.",
        "Over 70s are offered a booster.",
        "Under 70s are offered a booster.",
    ),
    "over an age": (
        "Use only in infants over 6 months of age.",
        "Use only in infants older than 6 months of age.",
        "Use only in infants under 6 months of age.",
    ),
    "time that is measured": (
        "A bleeding time over 9 minutes is abnormal.",
        "It is abnormal for the bleeding time to be more than 9 minutes.",
        "It is abnormal for the bleeding time to be less than 9 minutes.",
    ),
    "score after its number": (
        "CURB-65 0-1: treat at home.",
        "People scoring 1 on the CURB-65 stay at home.",
        "People scoring 3 on the CURB-65 stay at home.",
    ),
    "negative score": (
        "The RASS should be 0 to -2.",
        "Aim for a RASS of -1.",
        "Aim for a RASS of -4 to -5.",
    ),
    "times normal": (
        "Stop if ALT is more than 3 times the upper limit of normal.",
        "Stop if ALT is over three times normal.",
        "Stop if ALT is over eight times normal.",
    ),
    "range with one end in common": (
        "The trough should be 4-8 mg/L.",
        "Aim at a trough of 4 to 8 mg/L.",
        "Aim at a trough of 4 to 18 mg/L.",
    ),
    "range in a converted unit": (
        "Keep the cuff at 20-30 cmH2O.",
        "Inflate the cuff to between 20 and 30 cmH2O.",
        "Inflate the cuff to between 30 and 40 cmH2O.",
    ),
    "too low": (
        "The cardiac index should be above 2.2.",
        "A cardiac index below 2.2 is too low.",
        "A cardiac index below 2.2 is the aim.",
    ),
    "put off": (
        "Defer the operation if potassium is 5.5 mmol/L or higher.",
        "The operation is put off when potassium is at least 5.5 mmol/L.",
        "The operation is put off when potassium is lower than 5.5 mmol/L.",
    ),
    "dose raised or lowered": (
        "Raise the dose if TSH is above 10 mU/L.",
        "With TSH over 10 mU/L, the dose is increased.",
        "With TSH over 10 mU/L, the dose is reduced.",
    ),
    "bound of another value": (
        "Cool within 6 hours in babies of at least 35 weeks.",
        "Within 6 hours, cool babies of no less than 35 weeks.",
        "Within 6 hours, cool babies of at most 35 weeks.",
    ),
}


@pytest.mark.parametrize(("reference", "right", "wrong"), BOUNDS.values(), ids=BOUNDS)
def test_a_bound_agrees_in_other_words_and_not_when_it_is_turned(reference, right, wrong):
    assert not dose_errors(reference, right)
    assert dose_errors(reference, wrong)
