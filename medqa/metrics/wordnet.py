"""WordNet for METEOR's synonyms: where NLTK's data are on this machine, and how they are downloaded."""

import contextlib
import io
import os
import warnings
import zipfile
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from medqa.runtime.console import print_rank0

# What a machine without internet needs. The metrics themselves need only WordNet; users' own metrics need
# `punkt_tab` when they call `nltk.word_tokenize`.
NLTK_PACKAGES = ("wordnet", "punkt_tab")
# Seconds without a byte after which NLTK's server counts as out of reach.
SILENCE = 10


def find_wordnet() -> str | None:
    """Find WordNet, a folder or an archive, in NLTK_DATA or NLTK's own places; None without it."""
    import nltk

    # NLTK itself reads NLTK_DATA only once, when it is first imported.
    for folder in filter(None, [*os.environ.get("NLTK_DATA", "").split(os.pathsep), *nltk.data.path]):
        for name in ("wordnet", "wordnet.zip"):
            # Resolved, because NLTK 3.10 refuses data that it reaches through a symbolic link.
            place = (Path(folder) / "corpora" / name).resolve()
            # Cut off while it was downloaded, or not readable: another folder may have a whole one.
            with contextlib.suppress(OSError, ValueError, zipfile.BadZipFile):
                if place.exists():
                    _root(place).join("index.noun").open().close()
                    return str(place)
    return None


def _root(place: Path) -> Any:
    """NLTK's pointer to the files of WordNet in a folder or an archive."""
    from nltk.data import FileSystemPathPointer, ZipFilePathPointer

    use_nltk_folder(place.parents[1])  # NLTK refuses to read anywhere else
    return FileSystemPathPointer(str(place)) if place.is_dir() else ZipFilePathPointer(str(place), "wordnet/")


@lru_cache(maxsize=1)
def senses(place: str | None) -> SimpleNamespace:
    """What METEOR asks for the senses of a word, as `synsets(word)`. Without WordNet no word has any.

    The senses of a word are kept, which makes METEOR three times as fast as NLTK's reader alone.
    """
    if place is None:
        return SimpleNamespace(synsets=lambda word: [])
    from nltk.corpus import WordNetCorpusReader

    class Reader(WordNetCorpusReader):
        def map_wn(self, version: str = "wordnet") -> None:
            """Leave out the map to other languages, which takes as long to make as all else takes to load."""

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about other languages
        reader = Reader(_root(Path(place)), None)
    return SimpleNamespace(synsets=lru_cache(maxsize=1 << 17)(reader.synsets))


def use_nltk_folder(folder: str | Path) -> None:
    """Look for NLTK's data in `folder` first, before the places that NLTK itself knows."""
    import nltk

    path = str(Path(folder).resolve())
    if path not in nltk.data.path:
        nltk.data.path.insert(0, path)


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
    return ""


def fetch_wordnet(online: bool) -> str:
    """Have WordNet: found on this machine, else fetched into NLTK's own place when `online`.

    Returns:
        "", or why METEOR has to do without it, and what to type.
    """
    if find_wordnet():
        return ""
    if online:
        print_rank0(
            "Fetching WordNet and punkt_tab from NLTK's server, about 15 MB. To do without: HF_HUB_OFFLINE=1"
        )
    reason = download_nltk() if online else "no server was asked, as all else here is local or offline"
    if find_wordnet():
        return ""
    return (
        f"WordNet is not here ({reason or 'what was fetched cannot be read'}), so METEOR counts no synonyms; "
        "its column is meteor_without_synonyms. Get it with: python -m nltk.downloader wordnet, or set "
        "NLTK_DATA to a folder that has it"
    )
