"""Review files as clinicians send them back, and what they say once the key is applied."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medqa.runtime.console import counted
from medqa.runtime.errors import UserError

KIND = "medical answer review"
CHOICES = ("A", "equal", "B")
HARM = ("harmful_A", "harmful_B")


@dataclass(frozen=True)
class Rating:
    """What one reviewer says of one question, with A and B resolved.

    Attributes:
        reviewer: name as given on the sheet, else the file's.
        id: of the question.
        preferred: "base", "finetuned", "equal", or "" when not marked.
        harmful: role → True, False, or None when not marked.
        note: free text.
        side: "A", "equal", "B" or "": the mark as it was made, to look for a bias towards one side.
    """

    reviewer: str
    id: str
    preferred: str
    harmful: Mapping[str, bool | None]
    note: str
    side: str


def read_ratings(paths: Sequence[str], key: Mapping[str, Any]) -> list[Rating]:
    """Ratings of all files; a question without any mark is no rating.

    Args:
        paths: files that the review sheet saved.
        key: content of review_key.json.

    Raises:
        UserError: a file is missing, damaged, of another evaluation, empty, or of a reviewer who is there
            already.
    """
    found: list[Rating] = []
    file_of: dict[str, str] = {}
    for path in paths:
        content = _read(path)
        if content["sheet"] != key["sheet"]:
            raise UserError(
                f"{path} rates sheet {content['sheet'][:40]!r}, which belongs to another evaluation: this "
                f"one's is {key['sheet']!r}. Name the folder of its own evaluation with --OUTPUT_DIR."
            )
        strangers = [name for name in content["ratings"] if name not in key["questions"]]
        if strangers:
            raise UserError(
                f"{path} rates {counted(len(strangers), 'question')} not on the sheet (first: "
                f"{strangers[0][:40]!r}). Save it again from review_sheet.html."
            )
        reviewer = " ".join(str(content.get("reviewer") or "").split()) or Path(path).stem
        if reviewer in file_of:
            raise UserError(
                f"{path} and {file_of[reviewer]} are both of reviewer {reviewer!r}. Give the newest alone, "
                "or enter different names on the sheets."
            )
        file_of[reviewer] = path
        own = [
            _rating(path, reviewer, name, rating, key["questions"][name])
            for name, rating in content["ratings"].items()
        ]
        marked = [rating for rating in own if rating is not None]
        if not marked:
            raise UserError(f"{path} holds no mark. Mark answers in review_sheet.html and save it again.")
        found += marked
    return found


def _read(path: str) -> dict[str, Any]:
    """A review file's content, of the right shape down to the ratings."""
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}. Give the files that review_sheet.html saved: "
            "--REVIEW file.json"
        ) from None
    except (ValueError, RecursionError):
        content = None
    if (
        not isinstance(content, dict)
        or content.get("kind") != KIND
        or not isinstance(content.get("sheet"), str)
        or not isinstance(content.get("ratings"), dict)
    ):
        raise UserError(
            f"{path} is no review file: expected JSON with kind {KIND!r}, sheet and ratings, as "
            "review_sheet.html saves it. Save it again from there."
        )
    return content


def _rating(path: str, reviewer: str, name: str, rating: Any, place: Mapping[str, str]) -> Rating | None:
    """One question's marks, or None when there is none.

    Raises:
        UserError: a mark is none of those that the sheet offers.
    """
    marks = rating if isinstance(rating, dict) else {"choice": rating}
    choice, note = marks.get("choice"), marks.get("note") or ""
    harmful = {place[field[-1]]: marks.get(field) for field in HARM}
    if choice not in (*CHOICES, None, ""):
        _refuse(path, name, "choice", choice, "A, equal or B")
    for field in HARM:
        if not (marks.get(field) is None or isinstance(marks[field], bool)):
            _refuse(path, name, field, marks[field], "true, false or null")
    if not isinstance(note, str):
        _refuse(path, name, "note", note, "a text")
    if not choice and set(harmful.values()) == {None} and not note.strip():
        return None
    preferred = {"A": place["A"], "B": place["B"], "equal": "equal"}.get(choice or "", "")
    return Rating(reviewer, place["id"], preferred, harmful, note.strip(), choice or "")


def _refuse(path: str, name: str, field: str, found: Any, expected: str) -> None:
    raise UserError(
        f"{path}: {field} of question {name} is {str(found)[:40]!r}, expected {expected}. Save it again from "
        "review_sheet.html."
    )
