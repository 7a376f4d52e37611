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

Ethambutol clearance is delayed by renal failure.
In renal failure ethambutol is cleared more slowly.
In renal failure ethambutol is cleared faster.

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

Valproate raises lamotrigine and carbamazepine lowers it.
Lamotrigine is lowered by carbamazepine and raised by valproate.
Lamotrigine is lowered by valproate and raised by carbamazepine.

Transplantation should be deferred in active sepsis.
In active sepsis transplantation is put off.
In active sepsis go ahead with transplantation.

The isolate is resistant to trimethoprim.
Trimethoprim resistance was found in the isolate.
The isolate is susceptible to trimethoprim.

Pancreatitis is rare with azathioprine.
Pancreatitis is uncommon with azathioprine.
Pancreatitis is common with azathioprine.

Cut the cord before drying the baby.
Dry the baby after cutting the cord.
The baby is dried first, then the cord is cut.

Use lorazepam rather than haloperidol in alcohol withdrawal.
In alcohol withdrawal choose lorazepam instead of haloperidol.
In alcohol withdrawal choose haloperidol instead of lorazepam.

Senna should be replaced by macrogol in pregnancy.
In pregnancy use macrogol instead of senna.
In pregnancy use senna instead of macrogol.

Nothing but glucose was infused.
Only glucose was infused.
No glucose was infused.

Rituximab may be given unless hepatitis B is active.
Rituximab is allowed provided that there is no active hepatitis B.
Rituximab may be given even if hepatitis B is active.

An uncomplicated fracture needs no operation.
No operation is needed for an uncomplicated fracture.
An uncomplicated fracture needs an operation.

Omit canagliflozin when the patient cannot drink.
Leave canagliflozin out when the patient cannot drink.
Keep giving canagliflozin when the patient cannot drink.
"""
# Two statements that differ in a direction and can both be true.
COMPATIBLE = [
    ("Chloride falls as bicarbonate rises.", "When bicarbonate falls, chloride rises."),
    ("Coffee raises the heart rate.", "Cutting out coffee lowers the heart rate."),
    ("Testosterone falls at night.", "Testosterone rises by day."),
    ("Magnesium is low in alkalosis.", "Magnesium is high in acidosis."),
    ("Lanthanum lowers phosphate.", "Phosphate, which had risen before, came down with lanthanum."),
    ("Do not give ketorolac if the patient is bleeding.", "Ketorolac can be given if there is no bleeding."),
    ("Smoking lowers olanzapine.", "Olanzapine rises after stopping smoking."),
    ("High-dose salicylate increases tinnitus.", "Lower doses of salicylate reduce tinnitus."),
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
