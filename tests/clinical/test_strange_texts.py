"""Texts that make no sense are read without an error: a model that repeats or mixes its words writes such."""

import json
import random
from pathlib import Path

import pytest

from medqa.clinical import MedicalLexicon, dose_errors, exact_match, factual_spans, negation_errors

PAIRS = Path(__file__).parent / "labelled" / "development.jsonl"
LINES = PAIRS.read_text(encoding="utf-8").splitlines()
TEXTS = [pair[name] for pair in map(json.loads, LINES) for name in ("reference", "answer")]
WORDS = [word for text in TEXTS for word in text.split()]
# Words whose numbers are 0 or none, or that begin a pattern and end it nowhere.
HARD = ["day zero", "stage 0", "grade zero", "Propson's disease", "0 mg", "0/0", "1:0", "every 0 hours", "-", "−5 °C",
        "once every", "per", "Day", "half of", "no. 0", "10^", "× 10⁹", "1e999 mg", "²", "½", "٣ mg", "a", ""]  # fmt: skip


def shuffled(chance: random.Random) -> str:
    words = chance.choice(TEXTS).split()
    chance.shuffle(words)
    return " ".join(words)


def mixed(chance: random.Random) -> str:
    one, other = chance.choices(TEXTS, k=2)
    return one[: chance.randrange(len(one))] + other[chance.randrange(len(other)) :]


def made_up(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=30) + chance.choices(HARD, k=4) + chance.choices(WORDS, k=5))


@pytest.mark.parametrize("write", [shuffled, mixed, made_up])
def test_no_text_ends_the_reading(write):
    chance, lexicon = random.Random(23), MedicalLexicon()
    for _ in range(250):
        reference, answer = write(chance), write(chance)
        for one, other in ((reference, answer), (answer, reference), (answer, answer)):
            dose_errors(one, other)
            negation_errors(one, other, lexicon)
            lexicon.token_f1(one, other)
            exact_match(one, other, lexicon)


ENDLESS = (
    "10 mcg per " * 60,
    "1 in " + "9" * 6000,
    "1 in 5,000 to 1 in " + "7" * 5000,
    "2 to 0 million people, 5 per 0 people",
    "1" + ",111" * 2000 + " mg",
    "3" * 5000 + "½ mg",
    "0." + "0" * 6000 + "1 mg",
    "5 feet " + "1" * 5000 + " inches",
)


@pytest.mark.parametrize("text", ENDLESS, ids=range(len(ENDLESS)))
def test_a_model_that_repeats_digits_ends_nothing(text):
    lexicon = MedicalLexicon()
    for pair in (("Vitamin B12 1000 micrograms monthly.", text), (text, text + " 5 mg")):
        dose_errors(*pair)
        negation_errors(*pair, lexicon)
        factual_spans(pair[1], lexicon)


def test_the_order_of_the_errors_is_that_of_the_reference():
    """And not that of a set of strings, which differs from run to run."""
    reference = "Adults take 20 mg, elderly patients 10 mg and children 5 mg of prednisolone."
    errors = dose_errors(
        reference, "Adults take 10 mg, elderly patients 5 mg and children 20 mg of prednisolone."
    )
    places = [reference.index(error["reference"]) for error in errors if error["subject"] == "dose by people"]
    assert len(places) == 3 and places == sorted(places)
