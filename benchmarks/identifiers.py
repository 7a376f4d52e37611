"""Measures the rules of medqa/data/identifiers.py: misses, false alarms and speed on 300 sentences.

    python benchmarks/identifiers.py

identifier_sentences.tsv has 100 sentences with identifiers, marked by their kinds, and 100 without ("-"). The
rules were tuned on them. Result: 4 of 106 identifiers missed, 3 false alarms.
identifier_sentences_unseen.tsv has 50 and 50 sentences of the same author, written after the rules, which did
not change since. Result: 2 of 51 identifiers missed, 3 false alarms.
"""

import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medqa.data import identifiers  # noqa: E402

FILES = ("identifier_sentences.tsv", "identifier_sentences_unseen.tsv")


class Measured(NamedTuple):
    """Identifiers by kind, and the sentences that the rules get wrong."""

    present: Counter[str]
    missed: list[tuple[str, str]]  # kind, sentence
    false_alarms: list[tuple[str, str]]


def sentences(file: str) -> list[tuple[set[str], str]]:
    """The kinds of identifiers in each sentence of a file, and the sentence."""
    lines = Path(__file__).with_name(file).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return [(set() if kinds == "-" else set(kinds.split(",")), text) for kinds, text in rows]


def measure(file: str) -> Measured:
    """Compare the rules with the sentences of a file."""
    measured = Measured(Counter(), [], [])
    for expected, text in sentences(file):
        found = identifiers.kinds(text)
        measured.present.update(expected)
        measured.missed.extend((kind, text) for kind in sorted(expected - found))
        measured.false_alarms.extend((kind, text) for kind in sorted(found - expected))
    return measured


def main() -> None:
    """Print a table for each file."""
    for file in FILES:
        measured = measure(file)
        missed, alarms = (Counter(kind for kind, _ in rows) for rows in measured[1:])
        print(f"{file}\n{'kind':<18}  present  missed  false alarms")
        for kind in identifiers.KINDS:
            print(f"{kind:<18}  {measured.present[kind]:>7}  {missed[kind]:>6}  {alarms[kind]:>12}")
        for what, rows in (("missed", measured.missed), ("false alarm", measured.false_alarms)):
            for kind, text in rows:
                print(f"{what}, {kind}: {text}")
    texts = [text for _, text in sentences(FILES[0])] * 20
    begun = time.perf_counter()
    identifiers.find_in(texts)
    print(f"{sum(map(len, texts)) / (time.perf_counter() - begun) / 1e6:.1f} million characters a second")


if __name__ == "__main__":
    main()
