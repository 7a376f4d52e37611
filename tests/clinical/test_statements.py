"""Advice, findings and exclusions as leaflets, letters and chatbots word them, and names of one thing."""

from pathlib import Path

import pytest

from medqa.clinical import MedicalLexicon, dose_errors, negation_errors


@pytest.fixture(scope="module")
def lexicon():
    return MedicalLexicon()


# A statement, the same in other words, another statement
STATEMENTS = Path(__file__).with_name("statements.txt").read_text(encoding="utf-8")
# Names of one thing in each line
NAMES = Path(__file__).with_name("names.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("lines", STATEMENTS.strip().split("\n\n"))
def test_a_statement_in_other_words_raises_no_alarm_and_another_one_does(lines, lexicon):
    statement, same, other = lines.splitlines()
    assert not errors(statement, same, lexicon)
    assert errors(statement, other, lexicon)


@pytest.mark.parametrize("line", NAMES.strip().splitlines())
def test_all_names_of_a_thing_are_one_term(line, lexicon):
    terms = [lexicon.terms(f"He has {name}.") for name in line.split(" = ")]
    assert all(len(found) == 1 and found == terms[0] for found in terms)


def errors(reference, answer, lexicon):
    return [*(dose_errors(reference, answer) or ()), *negation_errors(reference, answer, lexicon)]
