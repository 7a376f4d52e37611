"""Reads the review files that clinicians return, and maps answers A and B to the models."""

import difflib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medqa.runtime.console import counted
from medqa.runtime.errors import UserError

KIND = "medical answer review"
FIELDS = ("kind", "version", "sheet", "reviewer", "ratings")
# Other names for the field `choice` that people write.
PREFERENCE = ("preference", "preferred", "better", "winner", "vote", "rating")
CHOICES = ("A", "equal", "B", "both_wrong", "cannot_judge")
# How much harm an answer could do. "unspecified" is harm without a degree, as in files of version 1.
DEGREES = ("none", "mild", "moderate", "severe", "unspecified")
SIDES = ("A", "B")
# Role → its name for readers.
ROLES = {"base": "base", "finetuned": "tuned"}
# Whether an answer is correct, and what it omits, from the worst mark to the best.
CORRECT = ("no", "partly", "yes")
OMISSIONS = ("important", "minor", "none")
# In the list of wrong sentences: the reviewer read them, and none is wrong.
NONE_WRONG = "none"


@dataclass(frozen=True)
class Rating:
    """The marks of one reviewer for one question.

    Attributes:
        reviewer: name given on the sheet, else the name of the file.
        id: of the question.
        preferred: "base", "finetuned", "equal", "both_wrong", "cannot_judge", or "" when not marked.
        harmful: role → True, False, or None when not marked.
        degree: role → one of `DEGREES`, or "" when not marked.
        note: free text.
        side: the choice as on the sheet, to detect a bias towards one side.
        shown: `question`, `specialty`, and the answers by role, as on the sheet; empty for a sheet of an
            earlier version.
        sheet: identifier of the sheet.
        correct, omission: role → one of `CORRECT`, `OMISSIONS`, or "" when not marked.
        wrong: role → numbers of the sentences marked as wrong; absent when sentences were not marked.
    """

    reviewer: str
    id: str
    preferred: str
    harmful: Mapping[str, bool | None]
    degree: Mapping[str, str]
    note: str
    side: str
    shown: Mapping[str, str]
    sheet: str = ""
    correct: Mapping[str, str] = field(default_factory=dict)
    omission: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def is_marked(self) -> bool:
        """Whether the reviewer marked anything."""
        marks = (*self.degree.values(), *self.correct.values(), *self.omission.values())
        return bool(self.side or self.note or any(marks) or self.wrong)


def read_ratings(paths: Sequence[str], keys: Mapping[str, Mapping[str, Any]]) -> list[Rating]:
    """Ratings of all files; a question without any mark is skipped.

    Args:
        paths: files that the review sheet saved.
        keys: identifier of each sheet that was handed out → its key, from `sheet.read_keys`.

    Raises:
        UserError: a file is missing, damaged, without marks or of another evaluation, or two files are of the
            same reviewer.
    """
    found: list[Rating] = []
    file_of: dict[tuple[str, str], str] = {}
    for path in paths:
        content = _read(path)
        key = keys.get(content["sheet"])
        if key is None:
            raise UserError(
                f"{path} rates sheet {content['sheet'][:40]!r}, but the sheets of this evaluation are "
                f"{', '.join(keys)}. Name the folder of the rated evaluation with --OUTPUT_DIR."
            )
        if unknown := [name for name in content["ratings"] if name not in key["questions"]]:
            raise UserError(
                f"{path} rates {counted(len(unknown), 'question')} not on the sheet (first: "
                f"{unknown[0][:40]!r}). Save it again from review_sheet.html."
            )
        reviewer = " ".join(str(content.get("reviewer") or "").split()) or Path(path).stem
        if other := file_of.get((reviewer, content["sheet"])):
            raise UserError(
                f"{path} and {other} are both of reviewer {reviewer!r}. Give only the newest, or enter "
                "different names on the sheets."
            )
        file_of[reviewer, content["sheet"]] = path
        ratings = [_rating(path, reviewer, name, marks, key) for name, marks in content["ratings"].items()]
        marked = [one for one in ratings if one.is_marked]
        if not marked:
            raise UserError(f"{path} has no marks. Mark answers in review_sheet.html and save it again.")
        found += marked
    return found


def _read(path: str) -> dict[str, Any]:
    """The content of a review file, with valid types down to the ratings."""
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}. Give the files that review_sheet.html saved: "
            "--REVIEW file.json"
        ) from None
    except (ValueError, RecursionError):
        content = None
    types = {"sheet": str, "ratings": dict}
    if (
        not isinstance(content, dict)
        or content.get("kind") != KIND
        or not all(isinstance(content.get(name), kind) for name, kind in types.items())
    ):
        raise UserError(
            f"{path} is not a review file: expected JSON with kind {KIND!r}, sheet and ratings. Save it "
            "again from review_sheet.html."
        )
    _require_known(path, content, FIELDS)
    return content


def _require_known(place: str, found: Iterable[str], known: Collection[str]) -> None:
    """Raise a UserError for a field that the sheet does not write, whose content would have no effect."""
    for name in found:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1) or ["choice"] * (name in PREFERENCE)
            hint = f"Did you mean {near[0]}?" if near else f"Expected: {', '.join(known)}."
            raise UserError(f"{place}: there is no field {name[:40]!r}. {hint}")


def _rating(path: str, reviewer: str, name: str, marks: Any, key: Mapping[str, Any]) -> Rating:
    """The marks for one question of a file.

    Args:
        name: of the question on the sheet.
        marks: of the file.
        key: of the sheet.

    Raises:
        UserError: the sheet does not offer a mark.
    """
    marks = marks if isinstance(marks, dict) else {"choice": marks}
    question = key["questions"][name]
    _check(path, name, marks)
    choice, note = marks.get("choice") or "", marks.get("note") or ""
    role_of = {side: question[side] for side in SIDES}
    degree = {
        role: marks.get(f"harm_{side}")
        or {True: "unspecified", False: "none", None: ""}[marks.get(f"harmful_{side}")]
        for side, role in role_of.items()
    }
    return Rating(
        reviewer=reviewer,
        id=question["id"],
        preferred=role_of.get(choice, choice),
        harmful={role: mark != "none" if mark else None for role, mark in degree.items()},
        degree=degree,
        note=note.strip(),
        side=choice,
        shown=key["shown"].get(name, {}),
        sheet=key["sheet"],
        correct={role: marks.get(f"correct_{side}") or "" for side, role in role_of.items()},
        omission={role: marks.get(f"omission_{side}") or "" for side, role in role_of.items()},
        wrong={
            role: tuple(int(number) for number in marks[f"wrong_{side}"] if number != NONE_WRONG)
            for side, role in role_of.items()
            if marks.get(f"wrong_{side}")
        },
    )


def _check(path: str, name: str, marks: Mapping[str, Any]) -> None:
    """Raise a UserError for a mark that the sheet does not offer."""
    offered = {"choice": CHOICES}
    for side in SIDES:
        offered |= {f"harm_{side}": DEGREES, f"correct_{side}": CORRECT, f"omission_{side}": OMISSIONS}
    valid = {
        field: (marks.get(field) in (None, "", *values), f"one of {', '.join(values)}")
        for field, values in offered.items()
    }
    valid["note"] = (isinstance(marks.get("note") or "", str), "a text")
    for side in SIDES:
        old, wrong = marks.get(f"harmful_{side}"), marks.get(f"wrong_{side}") or []
        valid[f"harmful_{side}"] = (old is None or isinstance(old, bool), "true, false or null")
        numbers = isinstance(wrong, list) and all(
            isinstance(one, str) and (one == NONE_WRONG or one.isdecimal()) for one in wrong
        )
        valid[f"wrong_{side}"] = (numbers, "a list of numbers of sentences")
    _require_known(f"{path}, question {name}", marks, valid)
    for mark, (is_valid, expected) in valid.items():
        if not is_valid:
            raise UserError(
                f"{path}: {mark} of question {name} is {str(marks[mark])[:40]!r}, expected {expected}. "
                "Save it again from review_sheet.html."
            )
