"""Directions, orders and preferences: reworded ones raise no alarm, reversed ones do."""

import pytest

from medqa.clinical import MedicalLexicon, negation_errors

# A statement, the same in other words, and its contrary.
DIRECTIONS = """
Fluconazole raises phenytoin concentrations.
Phenytoin levels go up with fluconazole.
Phenytoin levels come down with fluconazole.

Nifedipine reduces afterload.
A fall in afterload is seen on nifedipine.
Afterload is pushed up by nifedipine.

Stress exacerbates eczema.
Eczema gets worse with stress.
Stress makes eczema better.

Cholecalciferol improves muscle function.
Muscle function is better with cholecalciferol.
Cholecalciferol impairs muscle function.

Raloxifene increases the risk of thrombosis.
Thrombosis is more likely with raloxifene.
Thrombosis is less likely with raloxifene.

The lactate was not raised.
Lactate was normal.
The lactate was raised.

Nothing but glucose was infused.
Only glucose was infused.
No glucose was infused.

An uncomplicated fracture needs no operation.
No operation is needed for an uncomplicated fracture.
An uncomplicated fracture needs an operation.

Omit canagliflozin when the patient cannot drink.
Leave canagliflozin out when the patient cannot drink.
Keep giving canagliflozin when the patient cannot drink.
"""
# Two statements that differ in a direction and can both be true.
COMPATIBLE = [
    ("Testosterone falls at night.", "Testosterone rises by day."),
    ("Magnesium is low in alkalosis.", "Magnesium is high in acidosis."),
    ("Lanthanum lowers phosphate.", "Phosphate, which had risen before, came down with lanthanum."),
    ("Wait until the swelling is gone before casting.", "Casting should not be done while it is swollen."),
]


@pytest.fixture(scope="module")
def lexicon():
    return MedicalLexicon()


@pytest.mark.parametrize("lines", DIRECTIONS.strip().split("\n\n"))
def test_a_reworded_direction_raises_no_alarm_and_a_reversed_one_does(lines, lexicon):
    statement, same, other = lines.splitlines()
    assert not negation_errors(statement, same, lexicon)
    assert negation_errors(statement, other, lexicon)


@pytest.mark.parametrize(("statement", "other"), COMPATIBLE)
def test_another_cause_or_circumstance_is_no_contradiction(statement, other, lexicon):
    assert not negation_errors(statement, other, lexicon)
    assert not negation_errors(other, statement, lexicon)
