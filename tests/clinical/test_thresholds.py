"""The other side of a threshold: for each mechanism a pair that is right and one that is wrong."""

import pytest

from medqa.clinical import MedicalLexicon, dose_errors, negation_errors

# name → (reference, right answer, wrong answer)
THRESHOLDS = {
    "without a unit": (
        "The anti-Xa level must be below 0.4 before the epidural catheter is removed.",
        "The catheter is removed from the epidural space with an anti-Xa level under 0.4 only.",
        "To have the epidural catheter removed you need an anti-Xa level that is at least 0.4.",
    ),
    "score": (
        "A Waterlow score of 10 or more means a risk of pressure damage.",
        "Pressure damage is a risk once the Waterlow total is at least 10.",
        "Pressure damage is a risk once the Waterlow total is under 10.",
    ),
    "both forbid": (
        "Nitrofurantoin is contraindicated if clearance is less than 45 mL/min.",
        "Nitrofurantoin mustn't be used in anyone with a clearance of less than 45 mL/min.",
        "Nitrofurantoin mustn't be used in anyone with a clearance of more than 45 mL/min.",
    ),
    "words between leave and out": (
        "Withhold digoxin if the heart rate is below 55 beats per minute.",
        "When the pulse is under 55 beats a minute, leave the digoxin tablet out.",
        "When the pulse is above 55 beats a minute, leave the digoxin tablet out.",
    ),
    "hold it there": (
        "Systolic pressure target under 135 mmHg; start treatment at 150 mmHg.",
        "Start treatment at 150 mmHg. Bring the systolic pressure to below 135 mmHg and hold it there.",
        "Start treatment at 150 mmHg. Bring the systolic pressure to above 135 mmHg and hold it there.",
    ),
}


@pytest.mark.parametrize("name", THRESHOLDS)
def test_thresholds(name: str) -> None:
    reference, right, wrong = THRESHOLDS[name]
    lexicon = MedicalLexicon()
    assert not dose_errors(reference, right)
    assert not negation_errors(reference, right, lexicon)
    assert dose_errors(reference, wrong)
