"""Loads py3langid's identifier of languages, limited to some of them."""

import functools
from typing import Any


@functools.cache
def identifier(languages: tuple[str, ...]) -> Any:
    """The language identifier; loading it takes about a second."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found.set_languages(list(languages))
    return found
