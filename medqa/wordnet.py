"""WordNet and the tokenizer data of NLTK: found when they are there, fetched only when asked for."""

import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

# What an air-gapped machine needs. The metrics themselves need only WordNet; `punkt_tab` is what users' own
# metrics ask for when they call `nltk.word_tokenize`.
NLTK_PACKAGES = ("wordnet", "punkt_tab")


def use_nltk_folder(folder: str | Path) -> None:
    """Look for NLTK's data in `folder` first, before the places that NLTK_DATA and NLTK itself name."""
    import nltk

    # Resolved, because NLTK 3.10 refuses data that it reaches through a symbolic link.
    path = str(Path(folder).resolve())
    if path not in nltk.data.path:
        nltk.data.path.insert(0, path)
        wordnet.cache_clear()


@lru_cache(maxsize=1)
def wordnet() -> Any | None:
    """NLTK's WordNet reader, loaded; None when its data are nowhere to be found. Never downloads."""
    import nltk
    from nltk.corpus import WordNetCorpusReader
    from nltk.corpus.util import LazyCorpusLoader

    # NLTK_DATA is read anew: NLTK itself looks at it only once, when it is first imported.
    for folder in filter(None, os.environ.get("NLTK_DATA", "").split(os.pathsep)):
        path = str(Path(folder).resolve())
        if path not in nltk.data.path:
            nltk.data.path.insert(0, path)
    # A fresh loader: NLTK's own remembers a first failure, also after the data have come.
    reader = LazyCorpusLoader("wordnet", WordNetCorpusReader, None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about other languages, which nobody asked for
            reader.ensure_loaded()
        reader.synsets("pain")
    except (LookupError, OSError, ValueError):
        # ValueError: NLTK 3.10 refuses a symbolic link that leaves its data folder.
        return None
    return reader


def download_nltk(folder: str | Path) -> bool:
    """Fetch WordNet and punkt_tab into `folder`, laid out so that NLTK_DATA can point at it.

    What is there already is kept. Returns False when something could not be fetched (no internet); nothing
    is raised, because every metric has a defined value without these data.
    """
    import nltk

    Path(folder).mkdir(parents=True, exist_ok=True)
    fetched = [nltk.download(name, download_dir=str(folder), quiet=True) for name in NLTK_PACKAGES]
    use_nltk_folder(folder)
    wordnet.cache_clear()  # it may have been looked for, in vain, before its data came
    return all(fetched)
