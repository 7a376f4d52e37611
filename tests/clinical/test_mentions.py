"""Terms that are named in other words than the lexicon lists."""

import pytest

from medqa.clinical import MedicalLexicon


@pytest.fixture(scope="module")
def lexicon() -> MedicalLexicon:
    return MedicalLexicon()


SAME = [
    ("Splenomegaly was found.", "The spleen was clearly enlarged."),
    ("Hypokalaemia developed.", "The potassium has been running low."),
    ("He reports haemoptysis.", "He says that he coughed up some blood."),
    ("Cholecystectomy last year.", "Last year the gallbladder was taken out."),
    ("No haemoptysis.", "He has not been coughing up any blood."),
    ("Left ventricular hypertrophy.", "The left ventricle has thickened."),
    ("Iron deficiency anaemia.", "Her anaemia comes from a lack of iron."),
    ("Urinary retention after surgery.", "Since surgery, he has been unable to pass any urine."),
    ("The shingles vaccine is offered.", "Vaccination against herpes zoster is offered."),
    ("A tear of the rotator cuff.", "The rotator cuff has torn."),
    ("Acute kidney failure.", "His renal failure came on suddenly."),
    ("Cataract of the left eye.", "The lens of her left eye has clouded."),
    ("Hyperglycaemia from steroids.", "Steroids pushed up the blood sugar."),
    ("Testicular torsion.", "The testicle has become twisted."),
    ("Subdural haematoma.", "A bleed under the dura."),
]


@pytest.mark.parametrize(("reference", "answer"), SAME)
def test_a_term_in_other_words_is_the_term(lexicon, reference, answer):
    assert lexicon.token_f1(reference, answer) == 1
    assert lexicon.token_f1(answer, reference) == 1


OTHER = [
    ("Acute otitis media.", "An infection of the outer ear."),
    ("Left ventricular hypertrophy.", "The right ventricle has thickened."),
    ("Hypokalaemia developed.", "The potassium has been running high."),
    ("Hypokalaemia developed.", "The sodium has been running low."),
    ("He reports haemoptysis.", "He has not been coughing up any blood."),
    ("Osteoarthritis of the hip.", "Rheumatoid arthritis of the hip."),
    ("Type 1 diabetes.", "Diabetes of type 2."),
    ("Splenomegaly was found.", "The spleen was seen. The liver was enlarged."),
    ("Tibial osteomyelitis.", "An infection of the thigh bone."),
    ("Subdural haematoma.", "An extradural bleed."),
    ("Vertigo after a virus.", "A lightheaded feeling after a virus."),
    ("Trisomy 21.", "Edwards syndrome."),
]


@pytest.mark.parametrize(("reference", "answer"), OTHER)
def test_another_term_in_similar_words_is_another(lexicon, reference, answer):
    wanted, given = lexicon.compared(reference, answer)
    assert wanted.keys() - given.keys()


def test_words_of_a_name_that_stand_far_apart_are_none(lexicon):
    far = "The liver was seen first, and then after a long search among the bowel loops something enlarged."
    assert lexicon.token_f1("Hepatomegaly.", far) == 0


def test_a_list_joined_by_commas_is_no_compound(lexicon):
    assert lexicon.terms("Kidney stones, bone pain and constipation.")[0] == "kidney stone"


def test_leaving_hospital_is_no_discharge(lexicon):
    assert lexicon.terms("On discharge he was given antibiotics.") == ["antibiotic"]
    assert lexicon.terms("A bloody discharge was seen.")
