"""Word lists in text files: a term in each line, after commas its other names; "#" begins a comment.

`medical_terms.txt`, `broader_terms.txt` and `general_english.txt` are drawn from WordNet 3.0 by `build.py`,
under WordNet's licence, which is at the head of each and in `LICENSE.WordNet.txt`. The others
(abbreviations, combined, everyday and generic terms, levels, measures, medicines, more English) are of our
own writing, under the licence of this repository.

They come with the package, so that the lexicon of `token_f1` is one and the same on every machine, with and
without WordNet and internet: scores do not depend on what is installed.
"""

from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent


def lines(name: str) -> Iterator[list[str]]:
    """The lines of a list, each as its names: ["paracetamol", "acetaminophen"]."""
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield [part.strip() for part in line.split(",")]


def names(name: str) -> dict[str, str]:
    """Every name in a list, with the first name of its line."""
    return {other: line[0] for line in lines(name) for other in line}


def pairs(name: str) -> dict[str, str]:
    """The first name of each line, with the second."""
    return {line[0]: line[1] for line in lines(name)}


def words(text: str) -> frozenset[str]:
    """The words of a text, for short lists in the code."""
    return frozenset(text.split())
