"""Finds question and answer in the records of a file, whatever their fields are called.

Fields are recognized in any letter case. Nothing is guessed: a record with several readings (several answers,
several exchanges, multiple choice, SQuAD) is refused. More than a few such records refuse the whole file.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from medqa.data.containers import JsonObject, kind
from medqa.data.field_names import (
    ANSWER_FIELDS,
    CONVERSATION_FIELDS,
    KNOWN_FIELDS,
    NO_HEADER,
    QUESTION_FIELDS,
    FieldNames,
    canonical,
    is_field_name,
    listed,
    shown as shown_name,
)
from medqa.runtime.console import counted
from medqa.runtime.errors import UserError

ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "ai"), "assistant"),
    "system": "system",
}
MULTIPLE_CHOICE, IN_CONTEXT, PREFERENCES = (
    "multiple choice", "answers in a context, as in SQuAD", "preferences between answers",
)  # fmt: skip
# Fields of tasks that are not one question with one answer.
OTHER_TASKS = {
    MULTIPLE_CHOICE: (
        "options", "choices", "cop", "answer_idx", "answer_index", "distractors", "incorrect_answers",
        "correct_answer", "correct_option", "mc1_targets",
    ),
    IN_CONTEXT: ("context", "contexts", "passage", "answer_start"),
    PREFERENCES: ("chosen", "rejected"),
}  # fmt: skip
ADVICE = {
    MULTIPLE_CHOICE: "If a field has whole answers, name it: --QUESTION_FIELD question --ANSWER_FIELD …",
    IN_CONTEXT: "Write the context into the question; or, to ignore it, type --QUESTION_FIELD question",
    PREFERENCES: "To train on the preferred answers, type --QUESTION_FIELD prompt --ANSWER_FIELD chosen",
}
OPTION_FIELD = re.compile(r"(?:option|opt|op|choice|distractor|ending)[ _-]?(?:[a-e]|\d)")
# An instruction of so many words or more describes the task, and is not a question, if all records share it,
# or half of them with inputs that are mostly of INPUT_WORDS or more.
TASK_WORDS, INPUT_WORDS = 5, 4
# Records with several readings that do not refuse a file: so many, or this share of it, and less than half.
FEW_RECORDS, FEW_SHARE = 3, 0.01
# In alpaca files this also means: no input.
NO_INPUT = ("", "<noinput>")
# An object with more keys than this is not metadata around a list of records.
WRAPPER_KEYS = 20

NO_RECORD = "no record with question and answer"
REPEATED_FIELD = "question or answer given twice in one record ({})"
SEVERAL_ANSWERS = "several answers in one record"
SEVERAL_EXCHANGES = "conversation of several exchanges"
SEVERAL_FIELDS = "several fields could be the question or the answer"
UNKNOWN_ROLE = "conversation with an unknown role"
OTHER_TASK = "record of another task ({})"
FITTING = (
    "Expected records with question and answer, instruction (and input) and output, prompt and completion, "
    "or messages of one exchange; name other fields with --QUESTION_FIELD and --ANSWER_FIELD."
)
AS_ONE_OBJECT = (
    "Each record has one text as its key: save them as one JSON object, {question: answer, question: answer}."
)


class Pair(NamedTuple):
    """A question and its answer, of any JSON type."""

    question: Any
    answer: Any


class Unread(NamedTuple):
    """An item of a file that has no question and answer, with the reason."""

    item: Any
    reason: str
    record: int | None = None  # its position in the file, from 1, if it has several readings


@dataclass
class Reading:
    """What a file contains, and how it was read."""

    pairs: list[Pair | Unread] = field(default_factory=list)  # in the order of the file
    read_as: Counter[str] = field(default_factory=Counter)  # fields in words → records
    extra_fields: Counter[str] = field(default_factory=Counter)  # ignored fields → records
    repeated_keys: int = 0
    odd: list[str] = field(default_factory=list)  # records with several readings: position and problem


class _Unreadable(Exception):
    """A record with several readings: the problem in words, the reason to refuse it, and what to type."""

    def __init__(self, problem: str, reason: str, advice: str = "") -> None:
        super().__init__(problem)
        self.reason, self.advice = reason, advice or FITTING


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


def _rows_of_object(content: JsonObject, names: FieldNames) -> list[Any] | None:
    """The records of an object that is one record or a table of columns; None if it is {question: answer}."""
    known = KNOWN_FIELDS | {canonical(name) for name in names}
    try:
        as_record = read_record(content, names)
    except _Unreadable as error:
        raise UserError(f"{error}. {error.advice}") from None
    if isinstance(as_record, _Found):
        columns = {name: _column(value) for name, value in content}
        lengths = {len(column) for column in columns.values() if column is not None}
        if len(lengths) == 1 and None not in columns.values() and not as_record.is_conversation:
            return [JsonObject(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return [content]
    if len(content) <= WRAPPER_KEYS and any(canonical(name) in known - {""} for name, _ in content):
        return [content]
    fields = [name for name, _ in content]
    nested = [name for name, value in content if _holds_objects(value)]
    if nested and (len(content) <= WRAPPER_KEYS or 2 * len(nested) >= len(content)):
        raise UserError(
            f"holds an object with the fields {listed(fields)}, of which "
            f"{listed(nested)} {'contains' if len(nested) == 1 else 'contain'} records or objects, not "
            f"an answer. Save the list of records alone as the file. {FITTING}"
        )
    if missing := names.missing_in(fields):
        keys = f"the fields {listed(fields)}" if all(map(is_field_name, fields)) else "texts as keys"
        raise UserError(
            f"holds an object with {keys}, without the field of {names.as_typed(missing)}."
            f"{names.suggestion(fields)} For files {{question: answer}}, leave this setting out."
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
    reading, odd, found = Reading(), [], Counter()
    task = "" if any(names) else _shared_instruction(items)
    for number, item in enumerate(items, 1):
        found.update([name for name, _ in item] if isinstance(item, JsonObject) else [kind(item)])
        try:
            record = read_record(item, names, task)
        except _Unreadable as error:
            odd.append((number, error))
            record = Unread(item, error.reason, number)
        if isinstance(record, _Found):
            reading.pairs.append(record.pair)
            reading.read_as[record.read_as] += 1
            reading.extra_fields.update(record.ignored)
        else:
            reading.pairs.append(record)
    _refuse_many(odd, len(items))
    unread = sum(isinstance(pair, Unread) and pair.reason == NO_RECORD for pair in reading.pairs)
    if 2 * unread > len(items):
        fields = [name for name, _ in found.most_common()]
        given = f" with {names.as_typed()}" if any(names) else ""
        header = "" if all(map(is_field_name, fields)) else f" {NO_HEADER}"
        if header and all(isinstance(item, JsonObject) and len(item) == 1 for item in items):
            header = f" {AS_ONE_OBJECT}"
        raise UserError(
            f"{unread:,} of {counted(len(items), 'record')} cannot be read{given}; the file has: "
            f"{listed(fields)}.{names.suggestion(fields)}{header} {FITTING}"
        )
    reading.odd = [f"record {number}: {error}" for number, error in odd]
    return reading


def _refuse_many(odd: Sequence[tuple[int, _Unreadable]], records: int) -> None:
    """Refuse a file in which more than a few records have several readings.

    Raises:
        UserError: with their number, and the first one's position and problem.
    """
    if odd and (len(odd) > max(FEW_RECORDS, FEW_SHARE * records) or 2 * len(odd) >= records):
        number, first = odd[0]
        raise UserError(
            f"{len(odd):,} of {counted(records, 'record')} cannot be read without guessing; the first is "
            f"record {number}: {first}. {first.advice}"
        )


# ---- one record ----------------------------------------------------------------------------------------


class _Found(NamedTuple):
    """The pair of a record, the fields that it was read from, and the fields that were ignored."""

    pair: Pair
    read_as: str
    ignored: list[str]
    is_conversation: bool = False


def _shared_instruction(items: Sequence[Any]) -> str:
    """The instruction, as `_words_of` it, that describes the task of all or most records; else ""."""
    shared, with_question = Counter(), Counter()
    for item in items:
        fields = {canonical(name): value for name, value in item} if isinstance(item, JsonObject) else {}
        instruction, more = fields.get("instruction"), fields.get("input")
        if isinstance(instruction, str) and isinstance(more, str) and more.strip() not in NO_INPUT:
            task = _words_of(instruction)
            shared[task] += 1
            with_question[task] += len(more.split()) >= INPUT_WORDS
    task, number = max(shared.items(), key=lambda one: one[1], default=("", 0))
    if number < 2 or len(task.split()) < TASK_WORDS:
        return ""
    most = 2 * number >= len(items) and 2 * with_question[task] >= number
    return task if number == len(items) or most else ""


def _words_of(instruction: Any) -> str:
    """An instruction without differences in case, spaces and closing punctuation."""
    return " ".join(instruction.lower().split()).rstrip(" .:!") if isinstance(instruction, str) else ""


def read_record(item: Any, names: FieldNames, task: str = "") -> "_Found | Unread":
    """Read one record.

    Args:
        item: of the list.
        names: the settings.
        task: the instruction of `_shared_instruction`, which is left out.

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
        several = f"it has a question, an answer and {content[conversation[0]][0]!r}"
        raise _Unreadable(several, SEVERAL_FIELDS)
    if len(conversation) == 1:
        return _exchange(content, conversation[0])
    if not question or not answer:
        return Unread(item, NO_RECORD)
    used = [question, answer]
    if question == "instruction" and "input" in content and not names.question_field:
        used.append("input")
    if twice := [name for name in used if present[name] > 1]:
        return Unread(item, REPEATED_FIELD.format(listed(twice)))
    asked = _text_of(content[question][1])
    shown = [f'"{content[name][0]}"' for name in used]
    if len(used) == 3 and task and _words_of(asked) == task:
        asked, shown = content["input"][1], [shown[2], shown[1]]
        used.remove("instruction")
    elif len(used) == 3:
        asked = _with_input(asked, content["input"][1])
        shown[0] += f" with {shown[2]}"
    reply = _single(content[answer]) if answer == "answers" else _text_of(content[answer][1])
    ignored = [name for name, _ in item if canonical(name) not in used]
    return _Found(Pair(asked, reply), f"{shown[0]} as question, {shown[1]} as answer", ignored)


def _choose(content: dict[str, tuple[str, Any]], names: FieldNames) -> tuple[str, str]:
    """The fields of question and answer in lower case; "" for one that is missing."""
    given = [canonical(name) for name in names]
    if not any(given) and any(name in content for name in QUESTION_FIELDS):
        if {"question", "answer"} <= content.keys():
            _refuse_other_tasks(content)
            return "question", "answer"
        if not any(name in content for name in CONVERSATION_FIELDS):
            _refuse_other_tasks(content)
    chosen = []
    for name, candidates in zip(given, (QUESTION_FIELDS, ANSWER_FIELDS), strict=True):
        found = [name] if name else [one for one in candidates if one in content and one not in given]
        if found[:2] == ["instruction", "input"]:
            found.remove("input")
        if len(found) > 1:
            several = f"it has the fields {listed([content[one][0] for one in found])}"
            raise _Unreadable(several, SEVERAL_FIELDS)
        chosen.append(found[0] if found and found[0] in content else "")
    return chosen[0], chosen[1]


def _refuse_other_tasks(content: dict[str, tuple[str, Any]]) -> None:
    for task, names in OTHER_TASKS.items():
        found = [name for name in names if name in content and content[name][1] not in (None, "", [])]
        if task == MULTIPLE_CHOICE:
            found += [name for name in content if OPTION_FIELD.fullmatch(name)]
            found += [name for name in ("a", "b", "c") if {"a", "b", "c"} <= content.keys()]
        if found:
            fields = listed([name for name, _ in content.values()])
            problem = f"it has the fields {fields}, which look like {task}"
            raise _Unreadable(problem, OTHER_TASK.format(task), ADVICE[task])


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
        raise _Unreadable(f'"{name}" contains objects, as in SQuAD', OTHER_TASK.format(IN_CONTEXT))
    if isinstance(value, list) and len(value) > 1:
        raise _Unreadable(f'"{name}" has {len(value)} entries; keep the best answer', SEVERAL_ANSWERS)
    return (value[0] if value else "") if isinstance(value, list) else value


def _text_of(value: Any, key: str = "content") -> Any:
    """The text of a list with one message ({"role": …, "content": …}); other values do not change.

    With the key "text": of a list with one part of a message.
    """
    is_list = isinstance(value, list) and not isinstance(value, JsonObject)
    if is_list and len(value) == 1 and isinstance(value[0], JsonObject):
        return dict(value[0]).get(key, value)
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
            unknown = shown_name(speaker) if isinstance(speaker, str) else kind(speaker)
            problem = f'"{shown}" has the role {unknown}; known are {", ".join(ROLES)}'
            raise _Unreadable(problem, UNKNOWN_ROLE)
        turns.append((role, _text_of(parts.get("content", parts.get("value")), "text")))
    ignored = [other for other, _ in content.values() if other != shown]
    ignored += ["system message"] * any(role == "system" for role, _ in turns)
    turns = [turn for turn in turns if turn[0] != "system"]
    roles = [role for role, _ in turns]
    if len(turns) > 2:
        problem = f'"{shown}" has {len(turns)} messages, more than one exchange'
        raise _Unreadable(problem, SEVERAL_EXCHANGES, "Save each exchange as a record.")
    if roles != ["user", "assistant"]:
        return Unread(JsonObject(content.values()), NO_RECORD)
    read_as = f'"{shown}" of one exchange as question and answer'
    return _Found(Pair(turns[0][1], turns[1][1]), read_as, ignored, is_conversation=True)
