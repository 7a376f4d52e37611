"""Writes the sheet that a clinician fills in, and the key that maps its answers to the models."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.artifacts.atomic_io import write_json, write_text
from medqa.report.html.template import render

if TYPE_CHECKING:
    import pandas as pd

TEMPLATE = Path(__file__).with_name("sheet.html.j2")
SHEET, KEY = "review_sheet.html", "review_key.json"
# Questions on a sheet, more than a reviewer rates. The order is random, so the first are a random sample.
MOST_QUESTIONS = 500
# Columns of the results table that the sheet shows.
COLUMNS = ("specialty", "question", "reference")


def make_key(tables: Mapping[str, "pd.DataFrame"], seed: int) -> dict[str, Any]:
    """Choose the questions of the sheet, their order, and which answer is A.

    All choices derive from a digest of the seed and of all answers with their models. The same results give
    the same sheet, but a reader of the sheet who knows the seed cannot compute the digest, because it depends
    on which model wrote which answer. Questions with equal answers are left out.

    Returns:
        content of review_key.json: `sheet`, identifier of the sheet; `alike`, number of questions with equal
        answers; `more`, number of questions above `MOST_QUESTIONS`; `questions`, name on the sheet → `id`,
        and the role ("base", "finetuned") of `A` and of `B`.
    """
    base, tuned = tables["base"], tables["finetuned"]
    rows = list(zip(base["id"], base["hypothesis"], tuned["hypothesis"], strict=True))
    secret = hashlib.sha256(json.dumps([seed, rows]).encode()).digest()

    def digest(purpose: str, name: str = "") -> str:
        return hashlib.sha256(secret + json.dumps([purpose, name]).encode()).hexdigest()

    differing = [id for id, before, after in rows if before.strip() != after.strip()]
    shown = sorted((digest("name", id)[:16], id) for id in differing)[:MOST_QUESTIONS]
    questions = {}
    for name, id in shown:
        swapped = int(digest("order", id)[0], 16) % 2
        first, second = ("finetuned", "base") if swapped else ("base", "finetuned")
        questions[name] = {"id": id, "A": first, "B": second}
    return {
        "note": "Says which model wrote A and which B: not for reviewers.",
        "sheet": digest("sheet")[:16],
        "seed": seed,
        "alike": len(rows) - len(differing),
        "more": len(differing) - len(shown),
        "questions": questions,
    }


def write_sheet(tables: Mapping[str, "pd.DataFrame"], seed: int, folder: Path, partial: bool) -> None:
    """Write review_sheet.html and review_key.json into a folder.

    The sheet contains questions, references and answers. It contains no name of a model, no id and no score,
    and no order depends on the model.
    """
    key = make_key(tables, seed)
    by_id = {role: table.set_index("id") for role, table in tables.items()}
    answers = {role: table["hypothesis"].map(str.strip) for role, table in by_id.items()}
    items = [
        {
            "name": name,
            **{column: by_id["base"].at[entry["id"], column] for column in COLUMNS},
            "answers": {side: answers[entry[side]][entry["id"]] for side in ("A", "B")},
        }
        for name, entry in key["questions"].items()
    ]
    page = render(TEMPLATE, sheet=key["sheet"], items=items, left_out=key["more"], partial=partial)
    write_text(folder / SHEET, page)
    write_json(folder / KEY, key)
