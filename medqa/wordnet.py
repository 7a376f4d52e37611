"""WordNet's synonyms, read from NLTK's data where they are; and the fetching of these data.

The files are read here and not through NLTK's own reader, which takes 2.7 s to load and makes an object of
every sense that it meets. The synonyms are the same.
"""

import contextlib
import io
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from medqa.screen import say

# What an air-gapped machine needs. The metrics themselves need only WordNet; `punkt_tab` is what users' own
# metrics ask for when they call `nltk.word_tokenize`.
NLTK_PACKAGES = ("wordnet", "punkt_tab")
# Seconds without a byte after which NLTK's server counts as out of reach.
SILENCE = 10

# Parts of speech, and the rules that lead from a form back to its word (morphy, WordNet 3.0).
ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "noun": (
        ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"),
        ("men", "man"), ("ies", "y"),
    ),
    "verb": (
        ("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", ""),
    ),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}  # fmt: skip


class WordNet:
    """The words and senses of WordNet 3.0.

    Args:
        read: gives the bytes of a file of the database by its name, such as "index.noun".
    """

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._index: dict[str, dict[str, str]] = {}
        self._data: dict[str, bytes] = {}
        self._exceptions: dict[str, dict[str, list[str]]] = {}
        for part in ENDINGS:
            # A line of the index: word, part of speech, number of senses, …, their places in the data file.
            # It is taken apart when its word is asked for. Lines that begin with a space are the licence.
            lines = read(f"index.{part}").decode("latin-1").splitlines()
            self._index[part] = {line[: line.index(" ")]: line for line in lines if line[:1].strip()}
            self._data[part] = read(f"data.{part}")
            rows = [line.split() for line in read(f"{part}.exc").decode("latin-1").splitlines()]
            self._exceptions[part] = {row[0]: row[1:] for row in rows if row}

    def synonyms(self, word: str) -> frozenset[str]:
        """The single words that share a sense with `word`, or with the word that it is a form of."""
        return frozenset(name for name in self._names(word.lower()) if "_" not in name)

    def _names(self, word: str) -> Iterator[str]:
        for part, endings in ENDINGS.items():
            index = self._index[part]
            forms = self._exceptions[part].get(word)
            if forms is None:
                forms = [word.removesuffix(old) + new for old, new in endings if word.endswith(old)]
            for form in {word, *forms} & index.keys():
                fields = index[form].split()
                for place in fields[-int(fields[2]) :]:
                    yield from self._sense(part, int(place))

    def _sense(self, part: str, place: int) -> Iterator[str]:
        """The names of the sense at a place of a data file.

        Its line: place, file, kind, number of names in hexadecimal, each name with a number, …
        """
        data = self._data[part]
        fields = data[place : data.index(b"\n", place)].decode("latin-1").split(" ")
        for name in fields[4 : 4 + 2 * int(fields[3], 16) : 2]:
            # Adjectives may have a mark of their place: "galore(ip)".
            yield name.partition("(")[0]


@lru_cache(maxsize=1)
def wordnet() -> WordNet | None:
    """WordNet, from where NLTK_DATA or NLTK's own places lead; None when it is nowhere. Never downloads."""
    import nltk

    # NLTK_DATA is read anew: NLTK itself looks at it only once, when it is first imported.
    folders = [*os.environ.get("NLTK_DATA", "").split(os.pathsep), *nltk.data.path]
    for folder in filter(None, folders):
        corpora = Path(folder) / "corpora"
        try:
            if (corpora / "wordnet" / "index.noun").is_file():
                return WordNet(lambda name, corpora=corpora: (corpora / "wordnet" / name).read_bytes())
            if (corpora / "wordnet.zip").is_file():
                with zipfile.ZipFile(corpora / "wordnet.zip") as archive:
                    return WordNet(lambda name, archive=archive: archive.read(f"wordnet/{name}"))
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            continue  # cut off while it was fetched, or no WordNet: another folder may have a whole one
    return None


def use_nltk_folder(folder: str | Path) -> None:
    """Look for NLTK's data in `folder` first, before the places that NLTK itself knows."""
    import nltk

    # Resolved, because NLTK 3.10 refuses data that it reaches through a symbolic link.
    path = str(Path(folder).resolve())
    if path not in nltk.data.path:
        nltk.data.path.insert(0, path)
        wordnet.cache_clear()


def download_nltk(folder: str | Path | None = None) -> str:
    """Fetch WordNet and punkt_tab, laid out so that NLTK_DATA can point at it; what is there is kept.

    Args:
        folder: where they go; None: the first of NLTK's own places that can be written to.

    Returns:
        "", or why something could not be fetched (no internet); nothing is raised, because every metric has a
        defined value without these data.
    """
    import nltk
    from nltk import downloader

    patience = downloader.NETWORK_TIMEOUT
    try:
        downloader.NETWORK_TIMEOUT = SILENCE  # its own two minutes are long for a run that can do without
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
        # NLTK warns of folders that others may write to; the files' hashes are checked all the same.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            for name in NLTK_PACKAGES:
                told = {"quiet": True, "raise_on_error": True, "print_error_to": io.StringIO()}
                if not nltk.download(name, download_dir=folder and str(folder), **told):
                    return f"{name} could not be fetched"
    except Exception as error:  # no internet, a full disk, a folder that must not be written to
        return " ".join(str(error).split()) or type(error).__name__
    finally:
        downloader.NETWORK_TIMEOUT = patience
        if folder is not None:
            use_nltk_folder(folder)
        wordnet.cache_clear()  # it may have been looked for, in vain, before its data came
    return ""


def fetch_wordnet(online: bool) -> str:
    """Have WordNet: found on this machine, else fetched into NLTK's own place when `online`.

    Returns:
        "", or why METEOR has to do without it, and what to type.
    """
    if wordnet() is not None:
        return ""
    if online:
        say("Fetching WordNet and punkt_tab from NLTK's server, about 15 MB. To do without: HF_HUB_OFFLINE=1")
    reason = download_nltk() if online else "no server was asked, as all else here is local or offline"
    if wordnet() is not None:
        return ""
    return (
        f"WordNet is not here ({reason or 'what was fetched cannot be read'}), so METEOR counts no synonyms; "
        "its column is meteor_without_synonyms. Get it with: python -m nltk.downloader wordnet, or set "
        "NLTK_DATA to a folder that has it"
    )
