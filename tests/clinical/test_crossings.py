"""Values that subjects exchange, by their order: for each a pair that is right and one that is wrong."""

import pytest

from medqa.clinical import MedicalLexicon, dose_errors, negation_errors
from medqa.clinical.conflicts.crossings import crossed_over

# name → (reference, right answer, wrong answer)
EXCHANGES = {
    "letters": (
        "Ward A had 4 falls, ward B 9 and ward C 7.",
        "Falls: C had 7, A had 4, B had 9.",
        "Falls: C had 9, A had 4, B had 7.",
    ),
    "initials": (
        "Mr R received cefazolin 2 g; Mrs T received vancomycin 1 g.",
        "Mrs T was given vancomycin, 1 g. Mr R had cefazolin, 2 g.",
        "Mr R was given vancomycin, 1 g. Mrs T had cefazolin, 2 g.",
    ),
    "subjects named first": (
        "Oral to intravenous furosemide: 80 mg by mouth is worth about 40 mg intravenously.",
        "About 40 mg of furosemide IV equals 80 mg taken orally.",
        "About 80 mg of furosemide IV equals 40 mg taken orally.",
    ),
    "the other": (
        "The left ear has a hearing threshold of 60 dB, the right 25 dB.",
        "The threshold of the left ear is 60 dB; in the other one it is 25.",
        "The threshold of the right ear is 60 dB; in the other one it is 25.",
    ),
    "operated and other": (
        "Thigh girth: injured side 44 cm, other side 48 cm.",
        "The injured thigh measures 44 cm and the other one 48 cm.",
        "The injured thigh measures 48 cm and the other one 44 cm.",
    ),
    "serum": (
        "Na 128, K 5.6, urea 14.",
        "Sodium was 128, urea 14 and potassium 5.6.",
        "Sodium was 128, urea 5.6 and potassium 14.",
    ),
    "shocks": (
        "Amiodarone 300 mg after the third shock, then 150 mg after the fifth.",
        "- After shock 3: amiodarone 300 mg\n- After shock 5: a further 150 mg",
        "- After shock 3: amiodarone 150 mg\n- After shock 5: a further 300 mg",
    ),
    "over": (
        "Before dialysis urea was 31 mmol/L, after dialysis 12 mmol/L.",
        "Urea measured 31 mmol/L ahead of the session; once it was over, 12.",
        "Urea measured 12 mmol/L ahead of the session; once it was over, 31.",
    ),
    "consolidation": (
        "Itraconazole 400 mg daily in consolidation and 200 mg daily for maintenance.",
        "For maintenance itraconazole 200 mg a day; consolidation uses 400 mg.",
        "For maintenance itraconazole 400 mg a day; consolidation uses 200 mg.",
    ),
    "letter of a name": (
        "Haemoglobin A 60 % and haemoglobin S 35 %, haemoglobin F 5 %.",
        "HbF makes up 5 % and HbA 60 %.",
        "HbF makes up 60 % and HbA 5 %.",
    ),
    "surnames": (
        "Mr Hill scored 21/30 and Mrs Dale 13/30.",
        "Mrs Dale got 13 of 30 points, and Mr Hill 21.",
        "Mrs Dale got 21 of 30 points, and Mr Hill 13.",
    ),
    "before and after": (
        "The platelets were 240 before surgery and 95 after surgery.",
        "Post-op the platelets were 95, compared with 240 beforehand.",
        "Post-op the platelets were 240, compared with 95 beforehand.",
    ),
    "admission and discharge": (
        "Weight 88 kg on admission and 81 kg at discharge.",
        "She weighed 88 kg when she came in; by discharge it was 81 kg.",
        "She weighed 81 kg when she came in; by discharge it was 88 kg.",
    ),
    "now and then": (
        "LDL is 1.9 mmol/L now; a year ago it was 4.2 mmol/L.",
        "A year ago LDL was 4.2 mmol/L, now it is 1.9 mmol/L.",
        "A year ago LDL was 1.9 mmol/L, now it is 4.2 mmol/L.",
    ),
    "several values of each": (
        "Room A has a rate of 40 and PEEP 5, room B a rate of 28 and PEEP 7.",
        "B: rate 28, PEEP 7. A: rate 40, PEEP 5.",
        "B: rate 28, PEEP 5. A: rate 40, PEEP 7.",
    ),
    "two units": (
        "Weight 70 kg in March and 64 kg in May; albumin 41 g/L in March and 33 g/L in May.",
        "In May albumin was 33 g/L at 64 kg. In March it had been 41 g/L with 70 kg.",
        "In May albumin was 41 g/L at 64 kg. In March it had been 33 g/L with 70 kg.",
    ),
    "respectively, and one more": (
        "Urea 19 mmol/L, creatinine 280 µmol/L, potassium 5.8 mmol/L.",
        "Urea and potassium were 19 and 5.8 mmol/L respectively, with creatinine 280 µmol/L.",
        "Urea and potassium were 5.8 and 19 mmol/L respectively, with creatinine 280 µmol/L.",
    ),
    "an equal value twice": (
        "Levodopa 50 mg at 7 am, 125 mg at noon and 50 mg at 8 pm.",
        "Levodopa: 50 mg at 8 pm, 125 mg at noon, 50 mg at 7 am.",
        "Levodopa: 125 mg at 7 am, 50 mg at noon, 50 mg at 8 pm.",
    ),
    "medicines of patients": (
        "Patient A received cefuroxime 1.5 g; patient B received ertapenem 1 g.",
        "Ertapenem 1 g went to patient B and cefuroxime 1.5 g to patient A.",
        "Ertapenem 1 g went to patient A and cefuroxime 1.5 g to patient B.",
    ),
}


@pytest.mark.parametrize(("reference", "right", "wrong"), EXCHANGES.values(), ids=EXCHANGES)
def test_an_exchange_is_found_and_another_order_is_not(reference, right, wrong):
    assert not dose_errors(reference, right)
    assert dose_errors(reference, wrong)


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        # Two values of one bed and none of the other, in this order
        (
            "Bed 4: K 5.9, creatinine 312. Bed 7: K 3.1, creatinine 88.",
            "Bed 7: 3.1 and 88. Bed 4: 5.9 and 312.",
        ),
        # A third subject has other words in the answer.
        (
            "Bilirubin: day 2 180, day 3 235, day 4 210.",
            "It was 235 on day 3, with 180 the day before and 210 on day 4.",
        ),
        # A weight and a dose are not exchanged.
        ("The mother weighs 62 kg; the baby gets 200 mg.", "The baby: 200 mg. The mother: 62 kg."),
        ("A gets 5 mg and B 10 mg.", "B gets 10 mg, the former 5 mg."),
    ],
)
def test_an_order_that_shows_nothing_is_not_compared(reference, answer):
    assert not list(crossed_over(reference, answer))


def test_sides_that_keep_their_values_have_not_changed_places():
    reference = "The left ventricle has an ejection fraction of 35%, the right ventricle 50%."
    answer = "Right ventricular ejection fraction 50%, left ventricular 35%."
    assert not negation_errors(reference, answer, MedicalLexicon())
