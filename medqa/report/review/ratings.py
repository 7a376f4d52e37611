"""Reads the review files that clinicians return, and maps answers A and B to the models."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medqa.runtime.console import counted
from medqa.runtime.errors import UserError

KIND = "medical answer review"
CHOICES = ("A", "equal", "B", "both_wrong", "cannot_judge")
# How much harm an answer could do. "unspecified" is harm without a degree, as in files of version 1.
DEGREES = ("none", "mild", "moderate", "severe", "unspecified")
SIDES = ("A", "B")


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
    """

    reviewer: str
    id: str
    preferred: str
    harmful: Mapping[str, bool | None]
    degree: Mapping[str, str]
    note: str
    side: str
    shown: Mapping[str, str]


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
        ratings = [
            _rating(path, reviewer, name, marks, key["questions"][name], key["shown"].get(name, {}))
            for name, marks in content["ratings"].items()
        ]
        marked = [one for one in ratings if one.side or one.note or set(one.harmful.values()) != {None}]
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
    return content


def _rating(
    path: str, reviewer: str, name: str, marks: Any, question: Mapping[str, str], shown: Mapping[str, str]
) -> Rating:
    """The marks for one question of a file.

    Args:
        name: of the question on the sheet.
        marks: of the file.
        question: its entry in the key: `id`, and the roles of `A` and `B`.
        shown: what the sheet showed.

    Raises:
        UserError: the sheet does not offer a mark.
    """
    marks = marks if isinstance(marks, dict) else {"choice": marks}
    choice, note = marks.get("choice") or "", marks.get("note") or ""
    choices = ", ".join(CHOICES[:-1])
    valid = {
        "choice": (choice in ("", *CHOICES), f"{choices} or {CHOICES[-1]}"),
        "note": (isinstance(note, str), "a text"),
    }
    degree = {}
    for side in SIDES:
        old, new = f"harmful_{side}", f"harm_{side}"
        valid[old] = (marks.get(old) is None or isinstance(marks[old], bool), "true, false or null")
        valid[new] = (marks.get(new) in (None, "", *DEGREES), f"one of {', '.join(DEGREES)}")
        from_old = {True: "unspecified", False: "none"}.get(marks.get(old), "") if valid[old][0] else ""
        degree[question[side]] = marks.get(new) or from_old
    for field, (is_valid, expected) in valid.items():
        if not is_valid:
            raise UserError(
                f"{path}: {field} of question {name} is {str(marks[field])[:40]!r}, expected {expected}. "
                "Save it again from review_sheet.html."
            )
    harmful = {role: mark != "none" if mark else None for role, mark in degree.items()}
    preferred = question[choice] if choice in SIDES else choice
    return Rating(reviewer, question["id"], preferred, harmful, degree, note.strip(), choice, shown)
