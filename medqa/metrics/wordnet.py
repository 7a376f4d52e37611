"""Finds, loads and downloads WordNet, from which METEOR takes synonyms."""

import contextlib
import io
import os
import shutil
import sys
import warnings
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from medqa.runtime.console import print_rank0

# What a machine without internet needs. The metrics themselves need only WordNet; users' own metrics need
# `punkt_tab` when they call `nltk.word_tokenize`.
NLTK_PACKAGES = ("wordnet", "punkt_tab")
# Seconds without a byte after which NLTK's server counts as unreachable.
NETWORK_TIMEOUT = 10


def import_nltk() -> Any:
    """NLTK without scipy and scikit-learn, which it imports for parts that no metric needs.

    Importing them takes 2 of 3 s, and 150 MB. They stay importable, and are used if they are loaded already.
    """
    hidden = {"scipy", "scipy.stats", "sklearn"} - sys.modules.keys()
    sys.modules.update(dict.fromkeys(hidden))  # None: an import fails, which NLTK expects
    try:
        import nltk
    finally:
        for name in hidden:
            del sys.modules[name]
    return nltk


def find_wordnet() -> str | None:
    """The folder or archive of WordNet in NLTK_DATA or NLTK's default folders; None without it."""
    for path in _places("corpora", "wordnet"):
        # A truncated download, or not readable: another folder may have a complete one.
        with contextlib.suppress(OSError, ValueError, zipfile.BadZipFile):
            _pointer(path).join("index.noun").open().close()
            return str(path)
    return None


def _places(kind: str, package: str) -> Iterator[Path]:
    """The folders and archives of a package of NLTK on this machine."""
    # NLTK itself reads NLTK_DATA only once, when it is first imported.
    folders = [*os.environ.get("NLTK_DATA", "").split(os.pathsep), *import_nltk().data.path]
    for folder in filter(None, folders):
        for name in (package, f"{package}.zip"):
            # Resolved, because NLTK 3.10 refuses data that it reaches through a symbolic link.
            path = (Path(folder) / kind / name).resolve()
            with contextlib.suppress(OSError):
                if path.exists():
                    yield path


def _pointer(path: Path) -> Any:
    """NLTK's pointer to the files of WordNet in a folder or an archive."""
    from nltk.data import FileSystemPathPointer, ZipFilePathPointer

    use_nltk_folder(path.parents[1])  # NLTK refuses to read anywhere else
    return FileSystemPathPointer(str(path)) if path.is_dir() else ZipFilePathPointer(str(path), "wordnet/")


class Synonym(str):
    """The name of a lemma, with NLTK's method that returns it."""

    name = str.__str__


@lru_cache(maxsize=1)
def load_wordnet(path: str | None) -> SimpleNamespace:
    """WordNet as METEOR uses it, `synsets(word)`; without a path, no word has synonyms.

    METEOR only collects the names of the lemmas of all synsets of a word that are one word each. This set is
    cached for each word, as one synset, which makes METEOR over three times as fast as NLTK's reader alone.
    """
    if path is None:
        return SimpleNamespace(synsets=lambda word: [])
    from nltk.corpus import WordNetCorpusReader

    class Reader(WordNetCorpusReader):
        def map_wn(self, version: str = "wordnet") -> None:
            """Skip the map to other languages, which takes half of the time to load."""

        def open(self, file: str) -> io.TextIOWrapper:
            """A file as Python's own stream; with NLTK's, loading WordNet takes 2.2 s instead of 1.3 s."""
            return io.TextIOWrapper(io.BytesIO(self._root.join(file).open().read()), encoding="utf-8")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about other languages
        reader = Reader(_pointer(Path(path)), None)

    @lru_cache(maxsize=1 << 17)
    def synsets(word: str) -> list[SimpleNamespace]:
        lemmas = {name for synset in reader.synsets(word) for name in synset.lemma_names() if "_" not in name}
        synonyms = [Synonym(name) for name in sorted(lemmas)]
        return [SimpleNamespace(lemmas=lambda: synonyms)] if synonyms else []

    return SimpleNamespace(synsets=synsets)


def use_nltk_folder(folder: str | Path) -> None:
    """Make NLTK search `folder` before its default folders."""
    search_path, path = import_nltk().data.path, str(Path(folder).resolve())
    if path not in search_path:
        search_path.insert(0, path)


def download_nltk(folder: str | Path | None = None) -> str:
    """Download WordNet and punkt_tab into a folder that NLTK_DATA can name; existing files are kept.

    Args:
        folder: target; None: the first of NLTK's default folders that is writable.

    Returns:
        "", or why something could not be downloaded. Nothing is raised, because every metric has a defined
        value without these data.
    """
    nltk = import_nltk()
    from nltk import downloader

    default_timeout = downloader.NETWORK_TIMEOUT
    try:
        downloader.NETWORK_TIMEOUT = NETWORK_TIMEOUT  # the default is two minutes
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
        # NLTK warns about folders that others may write to; it verifies the files' hashes anyway.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            for name in NLTK_PACKAGES:
                options = {"quiet": True, "raise_on_error": True, "print_error_to": io.StringIO()}
                if not nltk.download(name, download_dir=folder and str(folder), **options):
                    return f"{name} could not be fetched"
    except Exception as error:  # no internet, a full disk, a read-only folder
        reason = " ".join(str(error).split()) or type(error).__name__
        return "no connection to NLTK's server" if "urlopen error" in reason else reason
    finally:
        downloader.NETWORK_TIMEOUT = default_timeout
        if folder is not None:
            use_nltk_folder(folder)
    return ""


def collect_nltk(folder: Path) -> str:
    """Copy WordNet and punkt_tab from this machine into a folder that NLTK_DATA can name, or download them.

    Returns:
        "", or why something could not be downloaded.
    """
    found = {"corpora": find_wordnet(), "tokenizers": next(_places("tokenizers", "punkt_tab"), None)}
    if None in found.values():
        return download_nltk(folder)
    for kind, path in found.items():
        target = folder / kind / Path(path).name
        if Path(path).is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return ""


def fetch_wordnet(online: bool) -> str:
    """Make sure that WordNet is on this machine; download it when it is not, and `online`.

    Returns:
        "", or why METEOR runs without it, and what to type.
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
        "NLTK_DATA to a folder that has it (docs/offline.md)"
    )
