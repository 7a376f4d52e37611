"""Denials of something else, and denials in positive words, contradict nothing; the same thing denied does."""

import pytest

from medqa.clinical import MedicalLexicon, negation_errors


@pytest.fixture(scope="module")
def lexicon():
    return MedicalLexicon()


AGREE = """
Warfarin must not be stopped before an extraction. | Warfarin goes on through a tooth extraction. Do not double a dose.
Heparin was suspended after the bleed. | After the bleeding they held back heparin.
Stop metformin if eGFR is below 30. | Metformin has to go once the eGFR is under 30.
Clarithromycin raises simvastatin levels; the statin was withheld. | Simvastatin was suspended under clarithromycin.
Take one capsule of tiotropium a day. | Tiotropium capsules are not to be swallowed; breathe in one a day.
Nystatin four times a day. | Hold nystatin in the mouth four times a day.
Rotigotine patch, changed daily. | Each day the rotigotine patch is replaced by a new one.
No previous reaction to cephalosporins. | Cephalosporins have never given her a reaction.
Skin testing was negative. | Skin tests showed nothing.
Give vancomycin for the chest drain until MRSA is excluded. | Until MRSA was ruled out vancomycin covered the chest drain.
Naloxone reverses opioids but not benzodiazepines. | Benzodiazepines aren't reversed by naloxone; opioids are.
Prednisolone must be taken in the morning. | Take prednisolone in the morning, not at night.
Live vaccines such as MMR are contraindicated. | She mustn't be given live vaccines, MMR and BCG included.
MMR vaccine is safe in egg allergy. | Egg allergy does not stand in the way of MMR.
Rifampicin weakens the pill. | Don't rely on the pill alone with rifampicin.
Tramadol should be avoided in epilepsy. | Epilepsy makes tramadol a poor choice.
Mother: blood group O negative. | The mother's blood group is O negative.
Platelets below 50 × 10⁹/L preclude a lumbar puncture. | No lumbar puncture with platelets <50 × 10⁹/L.
Do not start metformin at an eGFR below 30. | Metformin can't be started if the eGFR is <30.
Do not lift more than 5 kg after the hernia repair. | No lifting over 5 kg after the hernia repair.
The drain may be flushed with saline. | The drain may also be flushed with saline.
"""
CONTRADICT = """
Heparin was suspended after the bleed. | Heparin was continued after the bleed.
Warfarin must not be stopped before an extraction. | Stop warfarin before an extraction.
Naloxone reverses opioids but not benzodiazepines. | Naloxone does not reverse opioids.
Do not take doxycycline with milk. | Doxycycline can be taken with milk.
Paracetamol is fine in dengue, aspirin is not. | Aspirin can be given in dengue.
The ultrasound showed no thrombosis. | The ultrasound showed a thrombosis. He smokes ten a day.
Tramadol should be avoided in epilepsy. | Tramadol is safe in epilepsy.
MMR vaccine is safe in egg allergy. | MMR vaccine is contraindicated in egg allergy.
The drain must not be flushed. | The drain may be flushed.
Contact lenses should not be worn during treatment. | Contact lenses may still be worn during treatment.
Platelets below 50 × 10⁹/L preclude a lumbar puncture. | A lumbar puncture is safe with platelets <50 × 10⁹/L.
"""


@pytest.mark.parametrize("line", AGREE.strip().splitlines())
def test_what_is_denied_otherwise_or_of_something_else_raises_no_alarm(line, lexicon):
    assert not negation_errors(*line.split(" | "), lexicon)


@pytest.mark.parametrize("line", CONTRADICT.strip().splitlines())
def test_the_same_thing_denied_in_the_same_circumstances_is_an_error(line, lexicon):
    assert negation_errors(*line.split(" | "), lexicon)
