"""What comes to a day: for each mechanism a pair that is right and one that is wrong."""

import pytest

from medqa.clinical import MedicalLexicon, dose_errors, negation_errors

# name → (reference, right answer, wrong answer)
TOTALS = {
    "puffs": (
        "Ciclesonide 160 micrograms per puff, one puff twice daily.",
        "A puff has 160 micrograms. One in the morning and one at night gives you 320 micrograms daily.",
        "A puff has 160 micrograms. One in the morning and one at night gives you 640 micrograms daily.",
    ),
    "one dose a day": (
        "Dalteparin 5,000 units once daily.",
        "One injection has 5,000 units of dalteparin, making 5,000 units over the 24 hours.",
        "One injection has 5,000 units of dalteparin, making 10,000 units over the 24 hours.",
    ),
    "body weight": (
        "Protein 1.5 g/kg/day with pressure ulcers; this patient weighs 60 kg.",
        "For a weight of 60 kg, 1.5 g/kg works out as 90 g of protein daily.",
        "For a weight of 60 kg, 1.5 g/kg works out as 40 g of protein daily.",
    ),
    "two medicines": (
        "Beclometasone/formoterol 100/6 micrograms: two inhalations twice a day.",
        "Two puffs morning and evening deliver a total of 400 micrograms of beclometasone a day.",
        "Two puffs morning and evening deliver a total of 800 micrograms of beclometasone a day.",
    ),
}


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name: str) -> None:
    reference, right, wrong = TOTALS[name]
    lexicon = MedicalLexicon()
    assert not dose_errors(reference, right)
    assert not negation_errors(reference, right, lexicon)
    assert dose_errors(reference, wrong)
