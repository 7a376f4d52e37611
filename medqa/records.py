"""Specialty files → clean records, with everything that was refused and why.

Every pair of every file ends either among the records or among the refused ones; nothing is dropped.
"""

import codecs
import contextlib
import hashlib
import json
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from medqa.duplicates import normal_form
from medqa.run import UserError, sha256_of_file

PREFIX, SUFFIX = "dataset_with_answers_", ".json"
FILE_PATTERN = PREFIX + "{specialty}" + SUFFIX
# In the name of a specialty: a path, or what makes a file hidden.
UNFIT_NAME = re.compile(r"[\\/:\x00-\x1f\x7f-\x9f\ud800-\udfff]|^\.")
# Most that is read of one file, about 250,000 pairs: JSON can take thirty times its size in memory.
LARGEST_FILE = 256_000_000
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

Watch = Callable[[Sequence[Any], str], Iterable[Any]]


class Record(NamedTuple):
    """A clean question-answer pair."""

    id: str  # of the question's normal form alone: the same in every run, in every order, in every file
    specialty: str
    question: str
    response: str
    form: str  # normal form of the question


class Refused(NamedTuple):
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
    refused: list[Refused] = field(default_factory=list)
    pairs: Counter[str] = field(default_factory=Counter)  # as read, by specialty
    cleaned: Counter[str] = field(default_factory=Counter)  # pairs that a rule changed, by rule
    repeated_keys: dict[str, int] = field(default_factory=dict)  # by file
    extra_fields: Counter[str] = field(default_factory=Counter)  # records with a field of this name
    left_out: list[str] = field(default_factory=list)  # names in the folder that do not match the pattern


# ---- files ---------------------------------------------------------------------------------------


def file_name(specialty: str) -> str:
    """Name of the file that holds the pairs of a specialty."""
    return PREFIX + specialty + SUFFIX


def specialty_of(path: Path) -> str:
    """The specialty whose pairs a file holds, by its name."""
    return unicodedata.normalize("NFC", path.name[len(PREFIX) : -len(SUFFIX)])


class Folder(NamedTuple):
    """The specialty files of a folder."""

    files: dict[str, Path]  # by specialty, in alphabetical order
    left_out: list[str]  # names that do not match the pattern
    problems: list[str]  # names that match it and cannot be used, one line each


def find_files(folder: Path) -> Folder:
    """Find the `dataset_with_answers_{specialty}.json` files of a folder.

    Raises:
        UserError: there is no such folder, or no such file in it.
    """
    found = Folder({}, [], [])
    if not folder.is_dir():
        state = "is no folder" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {state}. Give the folder with the {FILE_PATTERN} files: --DATA_DIR …")
    for path in sorted(folder.iterdir()):
        if not (path.name.startswith(PREFIX) and path.name.endswith(SUFFIX)):
            found.left_out.append(shown(path.name))
            continue
        specialty = specialty_of(path)
        if not specialty.strip() or UNFIT_NAME.search(specialty):
            found.problems.append(
                f"{shown(path.name)}: {specialty!r} is no name of a specialty. Rename the file."
            )
        elif specialty in found.files:
            other = found.files[specialty].name
            found.problems.append(f"{path.name}: {other} is of the same specialty. Merge the two.")
        elif path.exists() and not path.is_file():
            found.problems.append(f"{path.name}: is no file. Move it away, or put the file in its place.")
        elif path.exists() and (size := path.stat().st_size) > LARGEST_FILE:
            found.problems.append(
                f"{path.name}: holds {size / 1e6:,.0f} MB; at most {LARGEST_FILE / 1e6:,.0f} MB are read of "
                "a file. Divide it into several specialties."
            )
        else:
            found.files[specialty] = path
    if not found.files and not found.problems:
        raise UserError(
            f"{folder} has no file {FILE_PATTERN}; it holds {listed(found.left_out) or 'nothing'}. Give the "
            "right folder (--DATA_DIR …) or rename the files."
        )
    return found


def shown(name: str) -> str:
    """A file's name for a screen: what is no text, or would command a terminal, as escape sequences."""
    return name if name.isprintable() else ascii(name)[1:-1]


def listed(names: Iterable[str], most: int = 5) -> str:
    """A few names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def sha256_of(files: Mapping[str, Path]) -> dict[str, str]:
    """Specialty → SHA-256 of its file. A file that cannot be read is left out: reading it will tell why."""
    hashes = {}
    for specialty, path in files.items():
        with contextlib.suppress(OSError):
            hashes[specialty] = sha256_of_file(path)
    return hashes


def read_files(folder: Folder, watch: Watch = lambda items, _: items) -> Source:
    """Read and clean specialty files, and keep one of each set of twins.

    Args:
        folder: the files.
        watch: wraps a list that takes long to go through, with what is done; for a progress bar.

    Raises:
        UserError: everything that is wrong with the files, one line each.
    """
    source = Source(left_out=folder.left_out)
    problems = list(folder.problems)
    for specialty, path in watch(list(folder.files.items()), "Reading"):
        try:
            _read_file(path, specialty, source)
        except UserError as error:
            problems.append(str(error))
        except RecursionError:
            problems.append(f"{path.name}: objects or lists nested too deeply to be read.")
    if problems:
        raise UserError("\n       ".join(sorted(problems)))
    source.records, twins = without_twins(source.records)
    source.refused += twins
    return source


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a key that stands there twice is seen."""


def _read_file(path: Path, specialty: str, source: Source) -> None:
    """Add the pairs of one file to `source`.

    Raises:
        UserError: the file cannot be read or is not what it should be.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path.name}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        known = "UTF-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "WINDOWS-1252"
        raise UserError(
            f"{path.name}: not UTF-8 (byte {content[error.start]:#04x} at position {error.start}). "
            f"Convert it, for example: iconv -f {known} -t UTF-8 -o new.json {path.name}"
        ) from None
    try:
        top = json.loads(text, object_pairs_hook=_Object)
    except json.JSONDecodeError as error:
        before = LINE_BREAK.sub("\n", text[: error.pos])
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise UserError(f"{path.name}: broken JSON at line {line}, column {column}: {error.msg}.") from None
    except ValueError as error:
        raise UserError(f"{path.name}: JSON that cannot be read: {error}.") from None
    if isinstance(top, _Object):
        pairs: Iterable[tuple[Any, Any]] = top
        repeated = len(top) - len({key for key, _ in top})
        if repeated:
            source.repeated_keys[path.name] = repeated
    elif isinstance(top, list):
        pairs = _pairs_of_list(top, specialty, source)
    else:
        raise UserError(
            f"{path.name}: holds {_kind(top)}; expected an object {{question: answer}}, or a list of "
            'records {"question": …, "answer": …}.'
        )
    for question, answer in pairs:
        source.pairs[specialty] += 1
        record = _clean_pair(question, answer, specialty, source)
        if record is not None:
            source.records.append(record)
    source.pairs[specialty] += 0  # a file without pairs is a specialty, too


def _kind(value: Any) -> str:
    """A JSON type in words."""
    kinds = {str: "a text", bool: "true or false", int: "a number", float: "a number", _Object: "an object"}
    return kinds.get(type(value), "a list" if isinstance(value, list) else "null")


def _pairs_of_list(items: list[Any], specialty: str, source: Source) -> Iterable[tuple[Any, Any]]:
    """Question and answer of each record of a list; what is no such record is refused."""
    for item in items:
        fields = Counter(name for name, _ in item) if isinstance(item, _Object) else Counter()
        source.extra_fields.update(name for name in fields if name not in ("question", "answer"))
        if not fields["question"] or not fields["answer"]:
            reason = NO_RECORD
        elif fields["question"] > 1 or fields["answer"] > 1:
            reason = REPEATED_FIELD
        else:
            content = dict(item)
            yield content["question"], content["answer"]
            continue
        source.pairs[specialty] += 1
        source.refused.append(Refused(specialty, _plain(item), None, reason))


def _plain(value: Any) -> Any:
    """JSON as Python reads it by itself; of an object with a repeated key, the pairs."""
    if isinstance(value, _Object):
        names = {name for name, _ in value}
        pairs = [(name, _plain(content)) for name, content in value]
        return dict(pairs) if len(names) == len(pairs) else [list(pair) for pair in pairs]
    if isinstance(value, list):
        return [_plain(item) for item in value]
    # Python reads NaN, Infinity and 1e999 as numbers that JSON cannot hold.
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


# ---- pairs ---------------------------------------------------------------------------------------


def _clean_pair(question: Any, answer: Any, specialty: str, source: Source) -> Record | None:
    """A record of a clean pair; None when the pair is refused."""

    def refuse(reason: str) -> None:
        source.refused.append(Refused(specialty, _plain(question), _plain(answer), reason))

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


def without_twins(records: Sequence[Record]) -> tuple[list[Record], list[Refused]]:
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
            refused.append(Refused(twin.specialty, twin.question, twin.response, reason, best.question))
    return list(first.values()), refused


def _preference(record: Record) -> tuple[int, bytes, tuple[str, ...]]:
    content = (record.specialty, record.question, record.response)
    digest = hashlib.blake2b("\0".join(content).encode(), digest_size=8).digest()
    return -len(record.response), digest, content


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
