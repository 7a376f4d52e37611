"""Long answers hold statements that the reference does not have; they contradict only what is about the same."""

import pytest

from medqa.clinical import MedicalLexicon, dose_errors, negation_errors
from medqa.clinical.notation.text import forms, in_lines
from medqa.clinical.notation.topics import SHORT_TEXT, of_one_thing


@pytest.fixture(scope="module")
def lexicon():
    return MedicalLexicon()


GALLSTONES = (
    "Gallstones are hardened deposits of bile that form in the gallbladder. In Western countries about 10 to 15 "
    "percent of adults have them. Most people never notice: only about 20 percent of carriers develop biliary "
    "pain at some time. An attack of pain typically lasts 2 to 6 hours and follows a fatty meal. After removal "
    "of the gallbladder most patients return to work within 1 to 2 weeks. Infection of the bile ducts is "
    "treated with antibiotics. The consequences of infection in pregnancy have not been studied."
)
# What a right answer says beside the facts of the reference, and the same answer with one of its facts changed.
RIGHT = """
Women taking estrogen have twice the risk. Stones larger than 30 mm are removed even when silent.
In the United States, 20.5 million people have gallstones, and 1 to 3 per million people die of them every year.
The liver makes about a quart of bile; 30 quarts per day pass through the gut.
Weight loss of more than 1.5 kg a week brings on stones. Ursodeoxycholic acid prevents them.
Ultrasound finds 95 percent of stones in the gallbladder, but only half of those in the ducts.
Complicated stones, with acute inflammation, are operated on within 72 hours.
- No smoking; avoid crash diets
- Vaccination against influenza
Paracetamol by mouth is enough for mild pain; morphine can be given intravenously.
"""
WRONG = """
An attack of pain after a fatty meal lasts 2 to 6 days.
In Western countries some 30 to 45 percent of adults have deposits of bile in the gallbladder.
About 70 percent of carriers develop biliary pain.
After removal of the gallbladder patients return to work within 8 to 10 weeks.
"""
COMMON = (
    "**Gallstones** consist of cholesterol or pigment. Risk factors are female sex, age over 40, obesity and "
    "pregnancy.\n\n**Treatment**\n- Laparoscopic removal for symptoms\n- Observation if there are none\n\n"
)


def errors(reference, answer, lexicon):
    return [*(dose_errors(reference, answer) or ()), *negation_errors(reference, answer, lexicon)]


def lines(text):
    return [
        line.replace("- Vacc", "\n- Vacc") for line in text.strip().replace("\n- Vacc", "- Vacc").splitlines()
    ]


@pytest.mark.parametrize("addition", lines(RIGHT))
def test_an_addition_of_a_long_answer_contradicts_nothing(addition, lexicon):
    assert not errors(GALLSTONES, COMMON + addition, lexicon)


@pytest.mark.parametrize("changed", lines(WRONG))
def test_another_value_of_the_same_thing_does(changed, lexicon):
    assert errors(GALLSTONES, COMMON + changed, lexicon)


def test_sentences_are_about_one_thing_by_their_rare_words():
    filler = "The thyroid gland makes hormones. " * (SHORT_TEXT // 30)
    texts = (filler + "The biopsy needle is thin.", filler + "A needle takes the biopsy.")
    assert of_one_thing("the biopsy needle is thin.", "a needle takes the biopsy.", texts)
    # The word that every sentence has shows nothing.
    assert not of_one_thing("the thyroid gland is small.", "a thyroid scan is done.", texts)
    assert of_one_thing("it is small.", "a scan is done.", ("it is small.", "a scan is done."))


NEGATED_IN_ITS_LINE = """
- No smoking; avoid dust
- Hepatitis A vaccination | hepatitis a
Higher doses if these do not help.

Prevention
- Hepatitis A vaccination | hepatitis a
- Avoid dust
- Aspirin 75 mg | aspirin
The effects of the infection have not been studied. | infection
When the cornea has cleared, iridotomy is done. | cornea
The body does not make enough insulin. | insulin
There is no way to remove the gallstones. | gallstone
- No aspirin
- Fever | no aspirin
She was told for the whole of the last year that she should not
take aspirin again. | no aspirin
The infection was not found. | no infection
There is no insulin. | no insulin
After exclusion of pneumonia and sepsis. | no pneumonia
"""


def test_a_negation_ends_with_its_line(lexicon):
    rows = [row.rsplit(" | ", 1) for row in _rows(NEGATED_IN_ITS_LINE)]
    for text, term in rows:
        assert term in lexicon.terms(text), (text, lexicon.terms(text))


def _rows(table):
    row = []
    for line in table.strip("\n").splitlines():
        row.append(line)
        if " | " in line:
            yield "\n".join(row)
            row = []


def test_breaks_within_a_sentence_are_spaces():
    text = "She was told for the whole of the last year that she should not\ntake aspirin.\n- Fever\n\nCough"
    assert in_lines(text).count("\n") == 3 and "not take" in in_lines(text)
    assert len(in_lines(text)) == len(forms(text)[2])


def test_what_differs_beside_equal_values_is_shown():
    error, *_ = dose_errors(
        "Stop it if potassium exceeds 5.5 mmol/L.", "Stop it if potassium is below 5.5 mmol/L."
    )
    assert "exceeds" in error["reference"] and "below" in error["answer"]
    error, *_ = dose_errors(
        "Take ½ tablet of lisinopril 10 mg.", "Take one and a half lisinopril 10 mg tablets."
    )
    assert error["reference"] != error["answer"]


SAME = """
About 14.4 million people live there. | Some 14 million people live there.
It affects 1 to 2 per 10 million people. | It affects 0.1-0.2 per million people (1-2 per 10 million).
Every day the kidneys filter 150 quarts of blood. | The kidneys filter blood (150 quarts per day).
Infants are given the vaccine at 2, 4, and 6 months of age. | The vaccine is given at 2, 4 and 6 months.
Restrict drinks from 1 hour before until 8 hours after it. | No more than sips from 1 hour before until 8 hours after.
Nine tenths of patients survive. | 90 % of patients survive.
"""
OTHER = """
About 14.4 million people live there. | Some 41 million people live there.
It is given every 8 hours. | It is given every 12 hours.
Infants are given it at 2, 4 and 6 months. | Infants are given it at 12, 14 and 16 months.
Nine tenths of patients survive. | One tenth of patients survive.
Restrict drinks from 1 hour before until 8 hours after it. | Restrict drinks from 8 hours before until 1 hour after.
"""


@pytest.mark.parametrize("pair", SAME.strip().splitlines())
def test_same_rates_and_counts(pair):
    assert not dose_errors(*pair.split(" | "))


@pytest.mark.parametrize("pair", OTHER.strip().splitlines())
def test_other_rates_and_counts(pair):
    assert dose_errors(*pair.split(" | "))
