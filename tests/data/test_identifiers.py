"""Identifiers of persons: the measured rates hold, and masking hides what was found."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from medqa.data import identifiers
from medqa.data.identifier_rules import GROUPS

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "identifiers.py"


def test_misses_and_false_alarms_are_those_that_the_benchmark_states() -> None:
    spec = importlib.util.spec_from_file_location("benchmark", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    for file, size in zip(benchmark.FILES, (200, 100), strict=True):
        measured = benchmark.measure(file)
        assert len(benchmark.sentences(file)) == size
        assert sum(not kinds for kinds, _ in benchmark.sentences(file)) == size // 2
        stated = f"{len(measured.missed)} of {measured.present.total()} identifiers missed"
        assert f"{stated}, {len(measured.false_alarms)} false alarms" in benchmark.__doc__.replace("\n", " ")


def test_the_fast_test_excludes_nothing_that_a_rule_finds() -> None:
    folder = BENCHMARK.parent
    texts = [
        line
        for path in folder.glob("identifier_sentences*.tsv")
        for line in path.read_text("utf-8").splitlines()
    ]
    rules = [rule for group in GROUPS for rule in group.rules]
    for text in texts:
        found = [one for rule in rules for one in identifiers._apply(rule, text)]
        assert sorted(found) == sorted(identifiers.find(text)), text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Mr. Smith, born 02.03.1950, MRN 4827193", "Mr. [name], born [date of birth], MRN [record number]"),
        ("a@b.org and c@d.org", "[e-mail] and [e-mail]"),
        ("Call Dr. Jones at (555) 123-4567.", "Call Dr. [name] at [telephone number]."),
        ("born on the 3rd of March 1958", "born on the [date of birth]"),
        ("Kontakt: 030 / 123 456 78", "Kontakt: [telephone number]"),
        ("Mr. and Mrs. O'Brien-Smith came.", "Mr. and Mrs. [name] came."),
        ("Patient: Smith, John (54)", "Patient: [name] (54)"),
        ("Birthdate 19520314; half a \ud800", "Birthdate [date of birth]; half a \ud800"),
        ("a.b (at) c.org", "[e-mail]"),
        ("Parkinson's and Dr. Down", "Parkinson's and Dr. Down"),
        ("Ask the nurse on day 3 (10-20-30 mg).", "Ask the nurse on day 3 (10-20-30 mg)."),
        ("Give 500 mg for 7 days.", "Give 500 mg for 7 days."),
        ("", ""),
    ],
)
def test_masking(text: str, masked: str) -> None:
    assert identifiers.mask(text) == masked


@given(st.text(st.sampled_from("aB1 .@+-/(Mr")))
def test_a_masked_text_keeps_the_rest(text: str) -> None:
    spans = [(found.start, found.end) for found in identifiers.find(text)]
    rest = [c for n, c in enumerate(text) if not any(start <= n < end for start, end in spans)]
    masked = identifiers.mask(text)
    for kind in identifiers.KINDS:
        masked = masked.replace(f"[{kind}]", "")
    assert masked == "".join(rest)
