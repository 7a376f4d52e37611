"""Names of fields: how they are compared, and shown without texts of patients."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from medqa.data import identifiers

QUESTION_FIELDS = ("question", "prompt", "instruction", "query", "input")
ANSWER_FIELDS = ("answer", "answers", "completion", "output", "response")
CONVERSATION_FIELDS = ("messages", "conversations", "conversation")
KNOWN_FIELDS = {*QUESTION_FIELDS, *ANSWER_FIELDS, *CONVERSATION_FIELDS}
# Names are shown; a longer key, or one with other characters, is a text: of a question, or of a table's first
# line without column names.
FIELD_NAME = re.compile(r"(?!.*\d{4})[\w.\-/#()]{1,30}(?: [\w.\-/#()]{1,20}){0,2}")
NO_HEADER = (
    "Texts are in the place of field names: a table needs column names in its first line, such as "
    "question,answer."
)


class FieldNames(NamedTuple):
    """The settings QUESTION_FIELD and ANSWER_FIELD; empty: the field is recognized by its name."""

    question_field: str = ""
    answer_field: str = ""

    def as_typed(self, names: Iterable[str] | None = None) -> str:
        """The settings that are given, or those of `names`, as on the command line."""
        given = {name: value for name, value in self._asdict().items() if value}
        chosen = given if names is None else {name: given[name] for name in names}
        return " ".join(f"--{name.upper()} {value}" for name, value in chosen.items())

    def missing_in(self, fields: Iterable[str]) -> list[str]:
        """The given settings whose field is not among `fields`."""
        known = set(map(canonical, fields))
        return [name for name, value in self._asdict().items() if value and canonical(value) not in known]

    def suggestion(self, fields: Sequence[str]) -> str:
        """The nearest field for the first setting whose field is missing, as a sentence; "" without one."""
        names = {canonical(name): name for name in fields if is_field_name(name)}
        for setting in self.missing_in(fields):
            value = getattr(self, setting)
            for near in difflib.get_close_matches(canonical(value), names, n=1, cutoff=0.5):
                return f" Did you mean --{setting.upper()} {names[near]}?"
        return ""


def canonical(name: str) -> str:
    """A field name without case, spaces and byte-order marks at its ends."""
    return name.strip(" \t\r\n\u00a0\u200b\ufeff").lower()


def is_field_name(name: str) -> bool:
    """Whether a key looks like the name of a field, and not like a text."""
    return FIELD_NAME.fullmatch(name.strip()) is not None and not identifiers.kinds(name)


def shown(name: str) -> str:
    """A field name for the screen; of a text only its length."""
    if not name.strip():
        return "(no name)"
    return name.strip() if is_field_name(name) else f"(a text of {len(name):,} characters)"


def listed(names: Sequence[str], most: int = 12) -> str:
    """Field names for a message."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + more
