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
