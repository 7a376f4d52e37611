"""Identifiers of persons: the measured rates hold, and masking hides what was found."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from medqa.data import identifiers

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "identifiers.py"


def test_misses_and_false_alarms_are_those_that_the_benchmark_states() -> None:
    spec = importlib.util.spec_from_file_location("benchmark", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    measured = benchmark.measure()
    assert len(benchmark.sentences()) == 200
    assert sum(not kinds for kinds, _ in benchmark.sentences()) == 100
    stated = f"{len(measured.missed)} of {measured.present.total()} identifiers missed"
    assert f"{stated}, {len(measured.false_alarms)} false alarms" in benchmark.__doc__.replace("\n", " ")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Mr. Smith, born 02.03.1950, MRN 4827193", "Mr. [name], born [date of birth], MRN [record number]"),
        ("a@b.org and c@d.org", "[e-mail] and [e-mail]"),
        ("Call Dr. Jones at (555) 123-4567.", "Call Dr. [name] at [telephone number]."),
        ("born on the 3rd of March 1958", "born on the [date of birth]"),
        ("Kontakt: 030 / 123 456 78", "Kontakt: [telephone number]"),
        ("Mr. and Mrs. O'Brien-Smith came.", "Mr. and Mrs. [name] came."),
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
