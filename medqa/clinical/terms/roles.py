"""What each word of a text can be for the terms in it."""

from typing import Any

from medqa.clinical.notation.word_forms import canonical
from medqa.clinical.terms.negation import (
    CIRCUMSTANCES,
    CLAUSE_END,
    DENYING_WORDS,
    NEGATION_WORDS,
    PREPOSITIONS,
    SUBJECTS,
)
from medqa.clinical.terms.reach import END, MARK, NEGATION, PREPOSITION


class Roles(dict):
    """What each word can be, found out once: a mark, an end, a negation, (term, most words), or None."""

    def __init__(self, vocabulary: Any) -> None:
        super().__init__()
        self._vocabulary = vocabulary

    def __missing__(self, word: str) -> object:
        role: object = None
        if not word[0].isalnum():
            role = MARK
        elif word in CLAUSE_END:
            role = END
        elif word in NEGATION_WORDS or word.endswith("n't"):
            role = NEGATION
        elif word in PREPOSITIONS or word in CIRCUMSTANCES or word in SUBJECTS:
            role = PREPOSITION
        else:
            form = canonical(word)
            term, longest = self._vocabulary.known(form), self._vocabulary.longest.get(form, 0)
            denied = self._denied(form) if longest < 2 else None
            if denied is not None:
                role = (f"no {denied}", 1)
            elif term is not None or longest > 1 or form in self._vocabulary.heads:
                role = (term, longest)
        if len(self) < 1 << 18:
            self[word] = role
        return role

    def _denied(self, form: str) -> str | None:
        """The term that a word denies by its prefix: "afebrile", "nondiabetic"."""
        if form in DENYING_WORDS:
            return self._vocabulary.known(canonical(DENYING_WORDS[form])) or DENYING_WORDS[form]
        rest = form.removeprefix("non") if form not in self._vocabulary else ""
        return self._vocabulary.known(rest) if rest != form and rest else None
