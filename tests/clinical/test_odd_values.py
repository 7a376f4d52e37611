"""The one value in which two texts differ: for each mechanism a pair that is right and one that is wrong."""

import pytest

from medqa.clinical import MedicalLexicon, dose_errors, negation_errors
from medqa.clinical.conflicts.odd_values import odd_value

# name → (reference, right answer, wrong answer)
VALUES = {
    "rising": (
        "CRP climbed from 12 to 185 mg/L in two days.",
        "CRP: 12 → 185 mg/L over 48 h.",
        "CRP: 12 → 285 mg/L over 48 h.",
    ),
    "end of a range": (
        "Phosphate is kept between 0.8 and 1.5 mmol/L.",
        "Keep 0.8 ≤ phosphate ≤ 1.5 mmol/L.",
        "Keep 0.8 ≤ phosphate ≤ 2.5 mmol/L.",
    ),
    "table": (
        "Gabapentin 300 mg three times daily; 100 mg three times daily if clearance is 15–29 mL/min.",
        "| Clearance | Gabapentin |\n|---|---|\n| normal | 300 mg tds |\n| 15–29 mL/min | 100 mg tds |",
        "| Clearance | Gabapentin |\n|---|---|\n| normal | 300 mg tds |\n| 15–29 mL/min | 200 mg tds |",
    ),
    "without a unit": (
        "She has had 14 seizures this year, 6 of them at night.",
        "Six of her fourteen seizures this year were nocturnal.",
        "Eight of her fourteen seizures this year were nocturnal.",
    ),
    "a repeated dose": (
        "Famciclovir 500 mg three times daily; 500 mg once daily if clearance is under 20 mL/min.",
        "Famciclovir 500 mg tds, but 500 mg once a day when clearance is under 20 mL/min.",
        "Famciclovir 500 mg tds, but 750 mg once a day when clearance is under 20 mL/min.",
    ),
    "a limit in another unit of time": (
        "Romosozumab 210 mg each month for at most 12 months.",
        "Romosozumab is injected once a month, 210 mg, with a limit of 12 months.",
        "Romosozumab is injected once a month, 210 mg, with a limit of 12 weeks.",
    ),
}
# Another number that says the same.
SAME = [
    ("Cefalexin 500 mg, two capsules twice daily.", "Cefalexin 1 g twice daily, as two capsules."),
    ("Bisoprolol 2.5 mg daily for 7 days.", "Bisoprolol, half of a 5 mg tablet daily for 7 days."),
    ("Keep the saturation above 92 % at a flow of 2 L/min.", "At 2 L/min the saturation was 95 %."),
    ("An Apgar score below 7 at 5 minutes.", "An Apgar score of 6 or lower at 5 minutes."),
]


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    reference, right, wrong = VALUES[name]
    lexicon = MedicalLexicon()
    assert not dose_errors(reference, right)
    assert not negation_errors(reference, right, lexicon)
    assert dose_errors(reference, wrong)


@pytest.mark.parametrize(("reference", "answer"), SAME)
def test_same(reference: str, answer: str) -> None:
    assert not list(odd_value(reference, answer))
    assert not list(odd_value(answer, reference))
