"""Findings, advice and needs, affirmed and negated in many ways: only the reversed pairs are errors."""

import itertools

import pytest

from medqa.clinical import MedicalLexicon, negation_errors
from medqa.clinical.statements.prerequisites import dropped_prerequisite, same_prerequisite
from medqa.clinical.statements.signs import turned_sign

# Each kind: the things, sentences that affirm one, sentences that negate it. "*" is the thing.
TABLES = {
    "finding": (
        "chest pain; diarrhoea; peripheral oedema; neck stiffness; haematuria; spinal cord compression",
        "She has *. = * is present. = There is *. = She reports *. = Examination showed *. = Positive for *. "
        "= *: yes. = The patient developed *. = He complains of *. = * was noted. = * was confirmed.",
        "She has no *. = No *. = There is no *. = She denies *. = Denies any *. = Without *. = Negative for *. "
        "= *: none. = *: no. = * is absent. = There was no evidence of *. = No signs of * were found. "
        "= She does not have *. = She doesn't have *. = * was ruled out. = * was excluded. = * is not present. "
        "= * was not seen. = She did not report *. = She didn't develop *. = Free of *. = * isn't present. "
        "= Absence of *. = Not a trace of *. = She never had *. = Nil *. = She does not suffer from *. "
        "= There is neither fever nor *. = * could not be found. = * couldn't be detected. "
        "= Examination revealed no *. = * was denied.",
    ),
    "advice": (
        "aspirin; metformin; thrombolysis; ibuprofen; the contraceptive pill",
        "* is recommended. = Give *. = * should be given. = * is indicated. = * can be used. = * may be used. "
        "= * is safe. = Start *. = Use *. = * is advised. = * is needed. = * must be given. "
        "= * should be continued. = Continue *. = * is allowed.",
        "* is not recommended. = * isn't recommended. = Do not give *. = Don't give *. = Never give *. "
        "= * should not be given. = * shouldn't be given. = * must not be given. = * mustn't be given. "
        "= * is contraindicated. = * is contra-indicated. = Avoid *. = * should be avoided. "
        "= * is to be avoided. = * is not indicated. = * cannot be given. = * can't be used. "
        "= * must never be used. = * is unsafe. = * is forbidden. = * is not to be used. = * is not advised. "
        "= Stop *. = Withhold *. = * is not allowed. = We advise against *. = Refrain from using *. "
        "= * is inappropriate. = * is not an option. = Do not use *.",
    ),
    "need": (
        "follow-up; a blood test; surgery; a test of cure; a chest X-ray; monitoring",
        "* is required. = * is needed. = * is necessary. = She needs *. = * should be done. "
        "= * has to be done. = * is mandatory. = * must be done. = * is essential. = * is indicated. "
        "= * is advised. = Arrange *.",
        "* is not required. = * isn't required. = * isn't needed. = * is not needed. = * is unnecessary. "
        "= There is no need for *. = She does not need *. = She doesn't need *. = * need not be done. "
        "= * needn't be done. = No need for *. = * does not have to be done. = * doesn't have to be done. "
        "= * can be omitted. = * is not necessary. = * isn't necessary. = * is not indicated. "
        "= * is superfluous. = * isn't indicated.",
    ),
}


def filled(sentences, thing):
    """The sentences about a thing; one that begins with it has a capital letter."""
    made = (sentence.strip().replace("*", thing) for sentence in sentences.split(" = "))
    return [sentence[0].upper() + sentence[1:] for sentence in made]


@pytest.fixture(scope="module")
def lexicon():
    return MedicalLexicon()


@pytest.mark.parametrize("kind", TABLES)
def test_one_thing_affirmed_or_negated_in_many_ways(kind, lexicon):
    things, affirming, negating = TABLES[kind]
    alarms, missed = [], []
    for thing in things.split("; "):
        yes, no = filled(affirming, thing), filled(negating, thing)
        same = [*itertools.permutations(yes, 2), *itertools.permutations(no, 2)]
        reversed_ = [*itertools.product(yes, no), *itertools.product(no, yes)]
        alarms += [pair for pair in same if negation_errors(*pair, lexicon)]
        missed += [pair for pair in reversed_ if not negation_errors(*pair, lexicon)]
    assert not alarms
    assert not missed


AGREE = """
Potassium should not be infused through a peripheral line faster than 10 mmol/h. | Potassium: maximum rate 10 mmol/h.
Metoclopramide may be given up to three times daily for 5 days. | Metoclopramide up to three times a day, for no longer than 5 days.
Ketorolac should not be used for longer than 5 days. | Ketorolac: 5 days at most.
Do not give paracetamol more often than every 4 hours. | Paracetamol every 4 hours or less often.
A Bishop score of 6 or less means an unfavourable cervix. | The cervix is unfavourable if the Bishop score does not exceed 6.
Hold the temperature at 36 °C. | The temperature is kept at 36 °C.
Insulin must never be omitted. | Do not leave out insulin.
Nausea and vomiting: none. | She denies nausea and has no vomiting.
HIV and syphilis serology were negative. | Tests came back negative for HIV and for syphilis.
The murmur is innocent and no follow-up is required. | It is an innocent murmur; follow-up isn't needed.
Colchicine until the gout flare settles. | Colchicine until the attack of gout has settled.
Live attenuated vaccines are contraindicated in pregnancy. | Pregnant women must not be given live attenuated vaccines.
Methotrexate must not be taken with trimethoprim. | The combination of trimethoprim and methotrexate is to be avoided.
Penicillin allergy was ruled out by testing. | Allergy tests showed that he tolerates penicillin.
Do not give thrombolysis until haemorrhage is excluded. | Thrombolysis can be given once haemorrhage has been excluded.
Do not drive until reviewed. | You may not drive without review.
Warfarin - hold for 5 days before the procedure. | No warfarin in the five days before the procedure.
The tumour is HER2-negative and oestrogen receptor positive. | ER-positive, HER2-negative tumour.
The rhesus-negative mother has a rhesus-positive baby. | Mother rhesus-negative, baby rhesus-positive.
"""
CONTRADICT = """
Ketorolac should not be used in patients older than 65 years. | Ketorolac can be used in patients older than 65 years.
Metformin must not be given if creatinine is higher than 150. | Metformin can be given if creatinine is higher than 150.
Do not leave out insulin. | Leave out insulin.
The abdomen was soft and non-tender, without masses. | Abdomen: soft, tender, no masses.
The patient is able to swallow without aspiration. | He isn't able to swallow without aspirating.
The foot ulcer did not probe to bone. | The foot ulcer probed to bone, raising suspicion of osteomyelitis.
MRI ruled out spinal cord compression. | The MRI confirmed spinal cord compression.
G6PD deficiency was excluded. | He was found to be G6PD-deficient.
Folic acid is not to be given as the only treatment when B12 deficiency has not been excluded. | Folic acid alone is a suitable treatment before B12 deficiency is excluded.
Do not give thrombolysis until haemorrhage is excluded. | Give thrombolysis without waiting for haemorrhage to be excluded.
Patients should not drive after hypoglycaemia until assessed. | After hypoglycaemia patients may drive without any further assessment.
No antibiotics until cultures have been taken. | Antibiotics may be given before cultures are taken.
Metformin is restarted only when renal function is stable. | Metformin can be restarted before renal function is stable.
The tumour is HER2-negative and oestrogen receptor positive. | It's an ER-positive, HER2-positive tumour.
Blood cultures grew gram-positive cocci. | Gram-negative cocci grew in the blood cultures.
"""


@pytest.mark.parametrize("line", AGREE.strip().splitlines())
def test_bounds_and_other_denials_raise_no_alarm(line, lexicon):
    assert not negation_errors(*line.split(" | "), lexicon)


@pytest.mark.parametrize("line", CONTRADICT.strip().splitlines())
def test_what_is_reversed_is_an_error(line, lexicon):
    assert negation_errors(*line.split(" | "), lexicon)


def test_a_time_before_something_is_no_prerequisite():
    stop, no = "Stop apixaban 48 hours before surgery.", "No apixaban in the 48 hours before surgery."
    assert dropped_prerequisite(stop, no) is None
    assert not same_prerequisite("Start it after the scan.", "Start it after the scan.")


def test_a_marker_with_both_signs_has_turned_none():
    assert turned_sign("CD20-positive cells, CD5-negative.", "CD20-positive, CD5-positive.")[0] == "cd5"
    assert turned_sign("HIV-positive father, HIV-negative mother.", "An HIV-negative mother.") is None


NAMES = """
laparoscopic cholecystectomy | the gallbladder was taken out by keyhole surgery
ophthalmological referral | referral to the eye doctor
plantar fasciitis | inflammation of the plantar fascia
Plasmodium falciparum | P. falciparum
imbruvica | ibrutinib
"""
OTHERS = """
chlorpromazine | chlorpropamide
Plasmodium falciparum | P. vivax
Tavanic | moxifloxacin
"""


@pytest.mark.parametrize("line", NAMES.strip().splitlines())
def test_names_of_one_thing_are_one_term(line, lexicon):
    wanted, given = lexicon.compared(*line.split(" | "))
    assert wanted and wanted.keys() == given.keys()


@pytest.mark.parametrize("line", OTHERS.strip().splitlines())
def test_names_that_look_alike_are_other_terms(line, lexicon):
    wanted, given = lexicon.compared(*line.split(" | "))
    assert wanted and given and wanted.keys().isdisjoint(given)
