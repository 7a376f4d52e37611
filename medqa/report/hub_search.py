"""Searches files for questions and answers of the data, whose words may be written in several ways.

In: the texts of files, and the texts of the data. Out: a file that holds words of the data, and these words.
The search finds text that was copied by mistake, not text that was hidden on purpose.
"""

import html
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, chain

Run = tuple[str, ...]
# A file holds a text of the data if it has a run of its words of size RUN, or all words of a shorter text. A
# word has size 2, and a character of Chinese, Japanese or Korean, which each count as a word, has size 1.
# Single words and short phrases are in every model card.
RUN, SHORTEST = 16, 10
EAST_ASIAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
WORD = re.compile(f"[{EAST_ASIAN}]|[^\\W_{EAST_ASIAN}]+")
CHARACTER = re.compile(f"[{EAST_ASIAN}]")
# Escape sequences in strings of JSON and Jinja, also where such a string is in another one.
ESCAPED = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|[nrtfbv])")


def find_text(
    files: Mapping[str, Iterable[str]], texts: Iterable[str], answers: Iterable[str] = (), allowed: str = ""
) -> tuple[str, str] | None:
    """A file that holds a text, with the words that they share; None if no file holds one.

    Args:
        files: name → texts of the file; the name is searched too.
        texts: questions and answers.
        answers: of the models.
        allowed: the system message; its words may be in answers, because models repeat it.
    """
    known: dict[Run, str] = {}
    for name, pieces in files.items():
        for piece in chain([name], pieces):
            for text in {piece, _unescaped(piece)}:
                known |= dict.fromkeys(_all_runs(text), name)
    if run := next((run for text in texts for run in _own_runs(text) if run in known), None):
        return known[run], " ".join(run)
    for run in _all_runs(allowed):
        known.pop(run, None)
    run = next((run for answer in answers for run in _own_runs(answer) if run in known), None)
    return run and (known[run], " ".join(run))


def _unescaped(text: str) -> str:
    """The text with the characters that its escape sequences mean."""

    def character(match: re.Match[str]) -> str:
        return chr(int(match[1] or match[2], 16)) if match[1] or match[2] else " "

    # Two escape sequences can make up one character.
    return ESCAPED.sub(character, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _all_runs(text: str) -> Iterator[Run]:
    """Every run of words of a size from SHORTEST to RUN."""
    for words in _words(text):
        yield from _runs(words, SHORTEST, RUN)


def _own_runs(text: str) -> Iterator[Run]:
    """Every run of size RUN of a text of the data, or all of its words if it is shorter than that."""
    for words in _words(text):
        size = min(_sizes(words)[-1], RUN)
        if size >= SHORTEST:
            yield from _runs(words, size, size)


def _words(text: str) -> Iterator[list[str]]:
    """The words of a text in lower case; if it has invisible characters, without them and divided by them."""
    text = unicodedata.normalize("NFKC", html.unescape(text)).casefold()
    invisible = [ord(sign) for sign in set(text) if unicodedata.category(sign) == "Cf"]
    for replacement in ("", " ") if invisible else ("",):
        yield WORD.findall(text.translate(dict.fromkeys(invisible, replacement)))


def _sizes(words: list[str]) -> list[int]:
    """The sizes of the first 0, 1, 2 … words together."""
    return list(accumulate((1 if CHARACTER.match(word) else 2 for word in words), initial=0))


def _runs(words: list[str], least: int, most: int) -> Iterator[Run]:
    """From each word, the runs of at least the size `least`, up to the first of at least the size `most`."""
    sizes = _sizes(words)
    for start in range(len(words)):
        first = bisect_left(sizes, sizes[start] + least)
        last = bisect_left(sizes, sizes[start] + most)
        for end in range(first, min(last, len(words)) + 1):
            yield tuple(words[start:end])
