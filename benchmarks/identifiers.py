"""Measures the rules of medqa/data/identifiers.py: misses, false alarms and speed on 200 sentences.

    python benchmarks/identifiers.py

identifier_sentences.tsv has 100 sentences with identifiers, marked by their kinds, and 100 without ("-").
They were written before the rules were tuned, and include identifiers that no rule looks for, such as names
without a title. Result: 7 of 106 identifiers missed, 3 false alarms.
"""

import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medqa.data import identifiers  # noqa: E402

SENTENCES = Path(__file__).with_name("identifier_sentences.tsv")


class Measured(NamedTuple):
    """Identifiers by kind, and the sentences that the rules get wrong."""

    present: Counter[str]
    missed: list[tuple[str, str]]  # kind, sentence
    false_alarms: list[tuple[str, str]]


def sentences() -> list[tuple[set[str], str]]:
    """The kinds of identifiers in each sentence, and the sentence."""
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return [(set() if kinds == "-" else set(kinds.split(",")), text) for kinds, text in rows]


def measure() -> Measured:
    """Compare the rules with the sentences."""
    measured = Measured(Counter(), [], [])
    for expected, text in sentences():
        found = identifiers.kinds(text)
        measured.present.update(expected)
        measured.missed.extend((kind, text) for kind in sorted(expected - found))
        measured.false_alarms.extend((kind, text) for kind in sorted(found - expected))
    return measured


def main() -> None:
    """Print the table."""
    measured = measure()
    missed, alarms = (Counter(kind for kind, _ in rows) for rows in measured[1:])
    print(f"{'kind':<18}  present  missed  false alarms")
    for kind in identifiers.KINDS:
        print(f"{kind:<18}  {measured.present[kind]:>7}  {missed[kind]:>6}  {alarms[kind]:>12}")
    for what, rows in (("missed", measured.missed), ("false alarm", measured.false_alarms)):
        for kind, text in rows:
            print(f"{what}, {kind}: {text}")
    text = " ".join(text for _, text in sentences())
    begun = time.perf_counter()
    for _ in range(20):
        identifiers.kinds(text)
    print(f"{20 * len(text) / (time.perf_counter() - begun) / 1e6:.1f} million characters a second")


if __name__ == "__main__":
    main()
