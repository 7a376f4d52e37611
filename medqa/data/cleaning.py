"""Question-answer pairs → clean records, with everything that was refused and why.

Every pair ends either among the records or among the refused ones; nothing is dropped.
"""

import hashlib
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from medqa.data.near_duplicates import normal_form
from medqa.runtime.console import counted
from medqa.runtime.errors import UserError

PREFIX, SUFFIX = "dataset_with_answers_", ".json"
FILE_PATTERN = PREFIX + "{specialty}" + SUFFIX
# Longest question or answer, in characters. What is longer is no answer but a file that went astray.
LONGEST_TEXT = 1_000_000

# C0 and C1 control characters, lone surrogates, zero-width space and word joiner, byte-order marks and
# noncharacters: nothing that a reader sees or that a model should learn. Tabs and line breaks are whitespace.
CONTROL = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200b\u2060\ufeff\ufff9-\ufffb\ud800-\udfff\ufffe\uffff]"
)
# Whitespace other than one space: a run of it, or a single tab, line break, no-break space …
WHITESPACE = re.compile(r"\s{2,}|[^\S ]")
LINE_BREAK = re.compile("\r\n|[\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")

# Why a pair is refused, as it stands in rejected.jsonl and dataset_stats.json.
NO_RECORD = "no record with question and answer"
REPEATED_FIELD = "question or answer given twice in one record"
QUESTION_NOT_TEXT = "question is not text"
ANSWER_NOT_TEXT = "answer is not text"
TOO_LONG = f"longer than {LONGEST_TEXT:,} characters"
EMPTY_QUESTION = "empty question"
EMPTY_ANSWER = "empty answer"
ANSWER_IS_QUESTION = "answer repeats the question"
TWIN_SAME_ANSWER = "same question, same answer"
TWIN_OTHER_ANSWER = "same question, conflicting answer"


class Record(NamedTuple):
    """A clean question-answer pair."""

    id: str  # of the question's normal form alone: the same in every run, in every order, in every file
    specialty: str
    question: str
    response: str
    form: str  # normal form of the question


class JsonObject(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a key that is given twice is seen."""


class RejectedPair(NamedTuple):
    """A pair that takes no further part: one line of rejected.jsonl."""

    specialty: str
    question: Any
    answer: Any
    reason: str
    like: str = ""  # the question that this one repeats

    def line(self) -> str:
        """The pair as one line of JSON, also for a reader that takes other characters for line breaks.

        A lone surrogate, which UTF-8 has not, stays an escape sequence.
        """
        content = {"file": file_name(self.specialty), **self._asdict()}
        text = (
            json.dumps(content, ensure_ascii=False).encode("utf-8", errors="backslashreplace").decode("utf-8")
        )
        return LINE_BREAK.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@dataclass
class Source:
    """What a folder of specialty files holds."""

    records: list[Record] = field(default_factory=list)  # clean, one for each question
    refused: list[RejectedPair] = field(default_factory=list)
    pairs: Counter[str] = field(default_factory=Counter)  # as read, by specialty
    cleaned: Counter[str] = field(default_factory=Counter)  # pairs that a rule changed, by rule
    repeated_keys: dict[str, int] = field(default_factory=dict)  # by file
    extra_fields: Counter[str] = field(default_factory=Counter)  # records with a field of this name
    left_out: list[str] = field(default_factory=list)  # names in the folder that do not match the pattern


def file_name(specialty: str) -> str:
    """Name of the file that holds the pairs of a specialty."""
    return PREFIX + specialty + SUFFIX


def plain(value: Any) -> Any:
    """A JSON value that can be written again: an object with a repeated key becomes a list of its pairs.

    NaN, Infinity and 1e999, which Python reads as numbers that JSON cannot hold, become text.
    """
    if isinstance(value, JsonObject):
        names = {name for name, _ in value}
        pairs = [(name, plain(content)) for name, content in value]
        return dict(pairs) if len(names) == len(pairs) else [list(pair) for pair in pairs]
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def clean_pair(question: Any, answer: Any, specialty: str, source: Source) -> Record | None:
    """A record of a clean pair; None when the pair is refused.

    Args:
        question, answer: as the file has them; anything but text is refused, NaN and null included.
        specialty: of the file.
        source: where a refused pair and what was cleaned are counted.
    """

    def refuse(reason: str) -> None:
        source.refused.append(RejectedPair(specialty, plain(question), plain(answer), reason))

    if not isinstance(question, str):
        return refuse(QUESTION_NOT_TEXT)
    if not isinstance(answer, str):
        return refuse(ANSWER_NOT_TEXT)
    if max(len(question), len(answer)) > LONGEST_TEXT:
        question, answer = f"{question[:100]} …", f"{answer[:100]} …"  # enough to find it again
        return refuse(TOO_LONG)
    clean_question, clean_answer = clean(question).replace("\n\n", " ").replace("\n", " "), clean(answer)
    form = normal_form(clean_question)
    if not form:  # a question of punctuation alone asks nothing
        return refuse(EMPTY_QUESTION)
    if not clean_answer:
        return refuse(EMPTY_ANSWER)
    # An answer of many more characters has other words; most are so long that they need not be compared.
    if len(clean_answer) < 2 * len(clean_question) + 20 and normal_form(clean_answer) == form:
        return refuse(ANSWER_IS_QUESTION)
    if clean_question != question or clean_answer != answer:
        controls = CONTROL.search(question) is not None or CONTROL.search(answer) is not None
        source.cleaned["control characters removed"] += controls
        spaces = clean_question != CONTROL.sub("", question) or clean_answer != CONTROL.sub("", answer)
        source.cleaned["whitespace folded"] += spaces
    return Record(identity(form), specialty, clean_question, clean_answer, form)


def identity(form: str) -> str:
    """The id of a question, from its normal form: 80 bits; two of a million are alike once in 10¹² times."""
    return hashlib.blake2b(form.encode(), digest_size=10).hexdigest()


def clean(text: str) -> str:
    """`text` without control characters, with even whitespace, and otherwise as it is.

    A run of spaces and tabs becomes one space. Indentation around a line break goes, and the break stays,
    because it may part the items of a list; an empty line, as between paragraphs, becomes exactly one.
    """
    # Nine texts of ten are even already; to see that is a hundred times faster than to search them.
    if text.isprintable() and "  " not in text and text == text.strip():
        return text
    return WHITESPACE.sub(_fold, CONTROL.sub("", text).strip())


def _fold(run: re.Match[str]) -> str:
    """What stands for a run of whitespace: a space, a line break, or an empty line."""
    return (" ", "\n", "\n\n")[min(2, len(LINE_BREAK.findall(run[0])))]


def drop_exact_duplicates(records: Sequence[Record]) -> tuple[list[Record], list[RejectedPair]]:
    """Keep one record of each question, and refuse the others.

    The longest answer is kept; among equally long ones a hash decides. So the choice depends on what the
    twins say alone, not on the order of files or pairs.
    """
    first: dict[str, Record] = {}
    twins: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        if first.setdefault(record.id, record) is not record:
            twins[record.id].append(record)
    refused = []
    for key, others in twins.items():
        best, *rest = sorted([first[key], *others], key=_preference)
        first[key] = best
        for twin in rest:
            same = normal_form(twin.response) == normal_form(best.response)
            reason = TWIN_SAME_ANSWER if same else TWIN_OTHER_ANSWER
            refused.append(RejectedPair(twin.specialty, twin.question, twin.response, reason, best.question))
    return list(first.values()), refused


def _preference(record: Record) -> tuple[int, bytes, tuple[str, ...]]:
    content = (record.specialty, record.question, record.response)
    digest = hashlib.blake2b("\0".join(content).encode(), digest_size=8).digest()
    return -len(record.response), digest, content


def require_usable(source: Source, folder: str) -> None:
    """Refuse an input from which no pair survives.

    Raises:
        UserError: with the number of refused pairs by reason, and the first of them.
    """
    if source.records:
        return
    pairs = sum(source.pairs.values())
    if not pairs:
        raise UserError(
            f"the files in {folder} hold no question-answer pairs. Expected {{question: answer}} in each "
            "file; nothing was written."
        )
    reasons = Counter(one.reason for one in source.refused)
    first = source.refused[0]
    shown = json.dumps({"question": first.question, "answer": first.answer})
    raise UserError(
        f"{folder} has no usable pair: of {counted(pairs, 'pair')}, "
        f"{', '.join(f'{number:,} × {reason}' for reason, number in sorted(reasons.items()))}. The first, in "
        f"{file_name(first.specialty)}: {shown[:200]}. Expected a question and an answer in text; nothing "
        "was written."
    )


def shared_answers(records: Sequence[Record]) -> dict[str, Any]:
    """How many answers stand under more than one question, and the one that stands under most."""
    count = Counter(map(hash, (record.response for record in records)))
    shared = {key: number for key, number in count.items() if number > 1}
    if not shared:
        return {"answers": 0, "pairs": 0, "most": 0, "most_common": ""}
    most = max(shared.values())
    texts = (record.response for record in records if shared.get(hash(record.response)) == most)
    return {
        "answers": len(shared),
        "pairs": sum(shared.values()),
        "most": most,
        "most_common": min(texts)[:200],
    }
