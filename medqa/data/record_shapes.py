"""Finds question and answer in the records of a file, whatever their fields are called.

Fields are recognized in any letter case. Nothing is guessed: a record whose reading is ambiguous (several
answers, several exchanges, multiple choice, SQuAD) makes the whole file unreadable.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from medqa.data.containers import JsonObject, kind
from medqa.runtime.console import counted
from medqa.runtime.errors import UserError

QUESTION_FIELDS = ("question", "prompt", "instruction", "query", "input")
ANSWER_FIELDS = ("answer", "answers", "completion", "output", "response")
CONVERSATION_FIELDS = ("messages", "conversations", "conversation")
ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "ai"), "assistant"),
    "system": "system",
}
# Fields of tasks that are not one question with one answer.
OTHER_TASKS = {
    "multiple choice": (
        "options", "choices", "cop", "answer_idx", "answer_index", "distractors", "incorrect_answers",
        "correct_answer", "correct_option", "mc1_targets",
    ),
    "answers in a context, as in SQuAD": ("context", "contexts", "passage", "answer_start"),
    "preferences between answers": ("chosen", "rejected"),
}  # fmt: skip
OPTION_FIELD = re.compile(r"(?:option|opt|op|choice|distractor|ending)[ _-]?(?:[a-e]|\d)")
# An instruction of so many words or more that all records share describes the task, and is not a question.
TASK_WORDS = 5
# In alpaca files this also means: no input.
NO_INPUT = ("", "<noinput>")
# An object with more keys than this is not metadata around a list of records.
WRAPPER_KEYS = 20

NO_RECORD = "no record with question and answer"
REPEATED_FIELD = "question or answer given twice in one record"
FITTING = (
    "Expected records with question and answer, instruction (and input) and output, prompt and completion, "
    "or messages of one exchange; name other fields with --QUESTION_FIELD and --ANSWER_FIELD."
)


class FieldNames(NamedTuple):
    """The settings QUESTION_FIELD and ANSWER_FIELD; empty: the field is recognized by its name."""

    question_field: str = ""
    answer_field: str = ""


class Pair(NamedTuple):
    """A question and its answer, of any JSON type."""

    question: Any
    answer: Any


class Unread(NamedTuple):
    """An item of a file that has no question and answer, with the reason."""

    item: Any
    reason: str


@dataclass
class Reading:
    """What a file contains, and how it was read."""

    pairs: list[Pair | Unread] = field(default_factory=list)  # in the order of the file
    read_as: Counter[str] = field(default_factory=Counter)  # fields in words → records
    extra_fields: Counter[str] = field(default_factory=Counter)  # ignored fields → records
    repeated_keys: int = 0


class _Unreadable(Exception):
    """A record without a single reading: the whole file is refused."""


def read_content(content: Any, names: FieldNames) -> Reading:
    """Find the pairs in the content of a file.

    Raises:
        UserError: the content has another form, or its records cannot be read without guessing.
    """
    if isinstance(content, JsonObject):
        rows = _rows_of_object(content, names)
        if rows is None:
            return _read_mapping(content)
        content = rows
    if not isinstance(content, list):
        raise UserError(
            f"holds {kind(content)}; expected an object {{question: answer}}, or a list of "
            'records {"question": …, "answer": …}.'
        )
    return _read_records(content, names)


def _read_mapping(content: JsonObject) -> Reading:
    """An object {question: answer}."""
    repeated = sum(number > 1 for number in Counter(key for key, _ in content).values())
    reading = Reading([Pair(*pair) for pair in content], repeated_keys=repeated)
    reading.read_as["object {question: answer}"] = len(content)
    return reading


def canonical(name: str) -> str:
    """A field name without case, spaces and byte-order marks at its ends."""
    return name.strip(" \t\r\n\u00a0\u200b\ufeff").lower()


def _rows_of_object(content: JsonObject, names: FieldNames) -> list[Any] | None:
    """The records of an object that is one record or a table of columns; None if it is {question: answer}."""
    known = {
        *QUESTION_FIELDS,
        *ANSWER_FIELDS,
        *CONVERSATION_FIELDS,
        *(canonical(name) for name in names),
    }
    try:
        as_record = read_record(content, names)
    except _Unreadable as error:
        raise UserError(f"{error}. {FITTING}") from None
    if isinstance(as_record, _Found):
        columns = {name: _column(value) for name, value in content}
        lengths = {len(column) for column in columns.values() if column is not None}
        if len(lengths) == 1 and None not in columns.values() and not as_record.is_conversation:
            return [JsonObject(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return [content]
    if len(content) <= WRAPPER_KEYS and any(canonical(name) in known - {""} for name, _ in content):
        return [content]
    nested = [name for name, value in content if _holds_objects(value)]
    if nested and (len(content) <= WRAPPER_KEYS or 2 * len(nested) >= len(content)):
        raise UserError(
            f"holds an object with the fields {_listed([name for name, _ in content])}, of which "
            f"{_listed(nested)} {'contains' if len(nested) == 1 else 'contain'} records or objects, not "
            f"an answer. Save the list of records alone as the file. {FITTING}"
        )
    return None


def _column(value: Any) -> list[Any] | None:
    if isinstance(value, JsonObject):  # as pandas writes it: {"0": …, "1": …}
        return [item for _, item in value]
    return value if isinstance(value, list) else None


def _holds_objects(value: Any) -> bool:
    is_list = isinstance(value, list) and not isinstance(value, JsonObject)
    return isinstance(value, JsonObject) or (is_list and any(isinstance(item, list) for item in value))


def _read_records(items: Sequence[Any], names: FieldNames) -> Reading:
    """The pairs of a list of records."""
    reading, problems, found = Reading(), [], Counter()
    task = _shared_instruction(items) if not any(names) else ""
    for item in items:
        try:
            record = read_record(item, names, task)
        except _Unreadable as error:
            problems.append(str(error))
            continue
        found.update([name for name, _ in item] if isinstance(item, JsonObject) else [kind(item)])
        if isinstance(record, _Found):
            reading.pairs.append(record.pair)
            reading.read_as[record.read_as] += 1
            reading.extra_fields.update(record.ignored)
        else:
            reading.pairs.append(record)
    if problems:
        raise UserError(f"{counted(len(problems), 'record')} cannot be read: {problems[0]}. {FITTING}")
    unread = sum(isinstance(pair, Unread) and pair.reason == NO_RECORD for pair in reading.pairs)
    if 2 * unread > len(items):
        wanted = [f"--{name.upper()} {value}" for name, value in names._asdict().items() if value]
        hint = f" with {' '.join(wanted)}" if wanted else ""
        fields = _listed([name for name, _ in found.most_common()])
        raise UserError(
            f"{unread:,} of {counted(len(items), 'record')} cannot be read{hint}; the file has: {fields}. "
            f"{FITTING}"
        )
    return reading


# ---- one record ----------------------------------------------------------------------------------------


class _Found(NamedTuple):
    """The pair of a record, the fields that it was read from, and the fields that were ignored."""

    pair: Pair
    read_as: str
    ignored: list[str]
    is_conversation: bool = False


def _shared_instruction(items: Sequence[Any]) -> str:
    """The instruction of at least TASK_WORDS words that all records have, each with an input; else ""."""
    shared = ""
    for item in items:
        fields = {canonical(name): value for name, value in item} if isinstance(item, JsonObject) else {}
        instruction, more = fields.get("instruction"), fields.get("input")
        is_task = isinstance(instruction, str) and len(instruction.split()) >= TASK_WORDS
        if not is_task or instruction != (shared or instruction):
            return ""
        if not isinstance(more, str) or more.strip() in NO_INPUT:
            return ""
        shared = instruction
    return shared if len(items) > 1 else ""


def read_record(item: Any, names: FieldNames, task: str = "") -> "_Found | Unread":
    """Read one record.

    Args:
        item: of the list.
        names: the settings.
        task: the instruction that all records share, which is left out.

    Raises:
        _Unreadable: it has more than one possible reading, or is of another task.
    """
    if not isinstance(item, JsonObject):
        return Unread(item, NO_RECORD)
    present = Counter(canonical(name) for name, _ in item)
    content = {canonical(name): (name, value) for name, value in item}
    question, answer = _choose(content, names)
    conversation = [name for name in CONVERSATION_FIELDS if name in content] if not any(names) else []
    if conversation and question and answer:
        raise _Unreadable(f"it has a question, an answer and {content[conversation[0]][0]!r}")
    if len(conversation) == 1:
        return _exchange(content, conversation[0])
    if not question or not answer:
        return Unread(item, NO_RECORD)
    used = [question, answer]
    if question == "instruction" and "input" in content and not names.question_field:
        used.append("input")
    if any(present[name] > 1 for name in used):
        return Unread(item, REPEATED_FIELD)
    asked = _text_of(content[question][1])
    shown = [f'"{content[name][0]}"' for name in used]
    if len(used) == 3 and task:
        asked, shown = content["input"][1], [shown[2], shown[1]]
        used.remove("instruction")
    elif len(used) == 3:
        asked = _with_input(asked, content["input"][1])
        shown[0] += f" with {shown[2]}"
    reply = _single(content[answer]) if answer == "answers" else _text_of(content[answer][1])
    ignored = [name or "(no name)" for name, _ in item if canonical(name) not in used]
    return _Found(Pair(asked, reply), f"{shown[0]} as question, {shown[1]} as answer", ignored)


def _choose(content: dict[str, tuple[str, Any]], names: FieldNames) -> tuple[str, str]:
    """The fields of question and answer in lower case; "" for one that is missing."""
    given = [canonical(name) for name in names]
    if not any(given) and any(name in content for name in QUESTION_FIELDS):
        if {"question", "answer"} <= content.keys():
            _refuse_other_tasks(content, ("multiple choice", "preferences between answers"))
            return "question", "answer"
        if not any(name in content for name in CONVERSATION_FIELDS):
            _refuse_other_tasks(content, OTHER_TASKS)
    chosen = []
    for name, candidates in zip(given, (QUESTION_FIELDS, ANSWER_FIELDS), strict=True):
        found = [name] if name else [one for one in candidates if one in content and one not in given]
        if found[:2] == ["instruction", "input"]:
            found.remove("input")
        if len(found) > 1:
            raise _Unreadable(f"it has the fields {_listed([content[one][0] for one in found])}")
        chosen.append(found[0] if found and found[0] in content else "")
    return chosen[0], chosen[1]


def _refuse_other_tasks(content: dict[str, tuple[str, Any]], tasks: Sequence[str]) -> None:
    for task in tasks:
        found = [
            name for name in OTHER_TASKS[task] if name in content and content[name][1] not in (None, "", [])
        ]
        if task == "multiple choice":
            found += [name for name in content if OPTION_FIELD.fullmatch(name)]
            found += [name for name in ("a", "b", "c") if {"a", "b", "c"} <= content.keys()]
        if found:
            fields = _listed([name for name, _ in content.values()])
            raise _Unreadable(f"it has the fields {fields}, which look like {task}")


def _with_input(instruction: Any, more: Any) -> Any:
    """An instruction with its input; not a text if either is something else."""
    if more is None or (isinstance(more, str) and more.strip() in NO_INPUT):
        return instruction
    if not isinstance(instruction, str) or not isinstance(more, str):
        return None
    return f"{instruction}\n{more}"


def _single(field_of_answers: tuple[str, Any]) -> Any:
    """The only entry of `answers`."""
    name, value = field_of_answers
    if isinstance(value, JsonObject) or (
        isinstance(value, list) and any(isinstance(one, list) for one in value)
    ):
        raise _Unreadable(f'"{name}" contains objects, as in SQuAD')
    if isinstance(value, list) and len(value) > 1:
        raise _Unreadable(f'"{name}" has {len(value)} entries')
    return (value[0] if value else "") if isinstance(value, list) else value


def _text_of(value: Any) -> Any:
    """The text of a list with one message ({"role": …, "content": …}); other values do not change."""
    is_list = isinstance(value, list) and not isinstance(value, JsonObject)
    if is_list and len(value) == 1 and isinstance(value[0], JsonObject):
        return dict(value[0]).get("content", value)
    return value


def _exchange(content: dict[str, tuple[str, Any]], name: str) -> "_Found | Unread":
    """A conversation of one question and one answer; a system message is ignored."""
    shown, messages = content[name]
    if not isinstance(messages, list) or not all(isinstance(message, JsonObject) for message in messages):
        return Unread(JsonObject(content.values()), NO_RECORD)
    turns = []
    for message in messages:
        parts = {key.lower(): value for key, value in message}
        speaker = parts.get("role", parts.get("from"))
        role = ROLES.get(speaker.strip().lower()) if isinstance(speaker, str) else None
        if role is None:
            raise _Unreadable(f'"{shown}" has the role {speaker!r:.40}; known are {", ".join(ROLES)}')
        turns.append((role, _parts_as_text(parts.get("content", parts.get("value")))))
    ignored = [other for other, _ in content.values() if other != shown]
    ignored += [f"{shown}: system"] * any(role == "system" for role, _ in turns)
    turns = [turn for turn in turns if turn[0] != "system"]
    roles = [role for role, _ in turns]
    if len(turns) > 2:
        raise _Unreadable(f'"{shown}" has {len(turns)} messages, more than one exchange')
    if roles != ["user", "assistant"]:
        return Unread(JsonObject(content.values()), NO_RECORD)
    read_as = f'"{shown}" of one exchange as question and answer'
    return _Found(Pair(turns[0][1], turns[1][1]), read_as, ignored, is_conversation=True)


def _parts_as_text(value: Any) -> Any:
    """The text of a message whose content is a list with one text part."""
    is_list = isinstance(value, list) and not isinstance(value, JsonObject)
    if is_list and len(value) == 1 and isinstance(value[0], JsonObject):
        return dict(value[0]).get("text", value)
    return value


def _listed(names: Sequence[str], most: int = 12) -> str:
    """Field names for a message."""
    shown = [name[:40] or "(no name)" for name in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")
