"""Compounds of organs and disorders, classes of medicines, results and answered questions in other words."""

from pathlib import Path

import clinical_reading
import pytest

from medqa.clinical import MedicalLexicon


@pytest.fixture(scope="module")
def lexicon():
    return MedicalLexicon()


# A sentence, the same with the terms in other words, another sentence
TERMS = Path(__file__).with_name("composition_terms.txt").read_text(encoding="utf-8")

# A statement, the same in other words, another statement
STATEMENTS = Path(__file__).with_name("composition_statements.txt").read_text(encoding="utf-8")

# Names of one thing in lay and in Greek or Latin order
COMPOUNDS = """
cholecystitis = an inflamed gall bladder = inflammation of her gallbladder
tonsillectomy = removal of the tonsils = tonsils removed
splenomegaly = an enlarged spleen = enlargement of the spleen
kidney failure = failing kidneys
aortic stenosis = narrowing of the aortic valve = stenosis of the aortic valve
renal artery stenosis = narrowing of the renal artery
mitral regurgitation = a leaky mitral valve
haemarthrosis = bleeding into the joint
intracranial aneurysm = an aneurysm in the brain
lithium poisoning = an overdose of lithium = too much lithium = a lithium overdose
cirrhosis = a cirrhotic liver
viral hepatitis = hepatitis, viral
ptosis = drooping eyelids
hypokalaemia = potassium that often runs low = a potassium level that was reduced = too little potassium
hypotension = a blood pressure that dropped = low blood pressure
thrombocytopenia = too few platelets = platelets that are low
jaundice = skin that had turned yellow
ankle swelling = ankles that were badly swollen
hip fracture = broke her hip
splenectomy = had his spleen taken out = removed the spleen
urinary retention = could not pass urine = was not able to pass urine
"""


def flagged(kind, reference, answer, lexicon):
    return bool(clinical_reading.errors({"kind": kind, "reference": reference, "answer": answer}, lexicon))


@pytest.mark.parametrize(
    ("kind", "lines"),
    [("K10", lines) for lines in TERMS.strip().split("\n\n")]
    + [("K9", lines) for lines in STATEMENTS.strip().split("\n\n")],
)
def test_the_same_in_other_words_raises_no_alarm_and_another_sentence_does(kind, lines, lexicon):
    sentence, same, other = lines.splitlines()
    assert not flagged(kind, sentence, same, lexicon) and not flagged(kind, same, sentence, lexicon)
    assert flagged(kind, sentence, other, lexicon) and flagged(kind, other, sentence, lexicon)


@pytest.mark.parametrize("line", COMPOUNDS.strip().splitlines())
def test_a_compound_is_one_term_in_any_order_of_its_parts(line, lexicon):
    terms = [lexicon.terms(f"He has {name}.") for name in line.split(" = ")]
    assert all(len(found) == 1 and found == terms[0] for found in terms)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("kidney stones", ["kidney stone"]),
        ("bleeding, joint pain and fever", ["bleeding", "joint pain", "fever"]),
        ("oral aciclovir", ["aciclovir"]),
        ("take it by mouth", []),
        ("the liver and the spleen are enlarged", ["hepatomegaly", "splenomegaly"]),
        ("white cells and platelets were low", ["leukopenia", "thrombocytopenia"]),
        ("the urine calcium is high", []),
        ("the liver was not enlarged", ["no hepatomegaly"]),
        ("gout secondary to thiazides", ["gout", "thiazide"]),
        ("Lynch's syndrome, not the girl's disease", ["lynch syndrome"]),
        ("diarrhoea without fever suggests giardiasis", ["diarrhea", "no fever", "giardiasis"]),
        ("arthroscopically", ["arthroscopy"]),
        ("meningococci", ["meningococcus"]),
        ("an oral ulcer", ["mouth ulcer"]),
        ("his eyelids droop", ["ptosis"]),
        ("an infected toe and a broken rib", ["infection", "toe", "rib fracture"]),
        ("a dry mouth", ["dry mouth"]),
        ("α-blockers and β-blockers", ["alpha blocker", "beta blocker"]),
        ("5 µg of calcitriol", ["calcitriol"]),
    ],
)
def test_compounds_come_before_their_parts_and_a_route_is_no_organ(text, terms, lexicon):
    assert lexicon.terms(text) == terms


@pytest.mark.parametrize(
    ("reference", "answer", "score"),
    [
        ("An ACE inhibitor", "ramipril", 1.0),
        ("An ACE inhibitor", "amlodipine", 0.0),
        ("A statin", "a statin such as simvastatin", 1.0),
        ("A statin such as atorvastatin", "a statin such as simvastatin", 0.5),
        ("No NSAID", "no ibuprofen", 1.0),
        ("No NSAID", "ibuprofen", 0.0),
    ],
)
def test_a_medicine_matches_its_class_and_no_other(reference, answer, score, lexicon):
    assert lexicon.token_f1(reference, answer) == score


@pytest.mark.parametrize(
    ("reference", "answer", "is_flagged"),
    [
        ("Herpes zoster of the femoral nerve", "Shingles of a nerve, the femoral nerve", False),
        ("Pericarditis and fever", "Inflammation of the pericardium and fever", False),
        ("Pancytopenia and fever", "Anaemia, leukopenia, thrombocytopenia and fever", False),
        ("Hepatosplenomegaly and fever", "A large liver: hepatomegaly, splenomegaly and fever", False),
        ("Pulmonary embolism and fever", "Pulmonary embolism of the right lung and fever", False),
        ("Rubella and fever", "Measles and fever", True),
        ("Bladder tumour and fever", "Gallbladder tumour and fever", True),
        ("Hodgkin lymphoma and fever", "Non-Hodgkin lymphoma and fever", True),
        ("Diabetes insipidus and fever", "Diabetes mellitus and fever", True),
        ("Pre-eclampsia and fever", "Eclampsia and fever", True),
        ("Hyperkalaemia and fever", "Low potassium and fever", True),
    ],
)
def test_what_a_term_contains_is_no_other_term(reference, answer, is_flagged, lexicon):
    wanted, given = lexicon.compared(reference, answer)
    assert bool(wanted - given and given - wanted) == is_flagged
    assert flagged("K10", reference, answer, lexicon) == is_flagged
