"""The sheet that a clinician fills in, and the key that stays behind."""

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
# Questions on a sheet: more than anybody rates. They are in random order, so the first are a random sample.
MOST_QUESTIONS = 500


def make_key(tables: Mapping[str, "pd.DataFrame"], seed: int) -> dict[str, Any]:
    """Which questions stand on the sheet, in which order, and which answer is A.

    Everything follows from a digest of the seed and of all answers, each under its model's name. The same
    results give the same sheet; but who has the sheet and the seed alone does not know which model wrote
    what, and so cannot make the digest. Questions that both models answered alike are left out.

    Returns:
        content of review_key.json: `sheet`, what the sheet is called; `alike`, questions left out because
        their answers are the same; `more`, those beyond what a sheet holds; `questions`, name on the sheet →
        `id`, and the role ("base", "finetuned") of `A` and of `B`.
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


def write_sheet(
    tables: Mapping[str, "pd.DataFrame"], seed: int, folder: Path, partial: bool
) -> dict[str, Any]:
    """Write review_sheet.html and review_key.json into a folder, and return the key.

    The sheet holds questions, references and answers; no model's name, no id, no score, and nothing whose
    order or place depends on the model.
    """
    key = make_key(tables, seed)
    base, tuned = (tables[role].set_index("id") for role in ("base", "finetuned"))
    answers = {"base": base["hypothesis"], "finetuned": tuned["hypothesis"]}
    items = [
        {
            "name": name,
            "specialty": base.at[place["id"], "specialty"],
            "question": base.at[place["id"], "question"],
            "reference": base.at[place["id"], "reference"],
            "answers": {side: answers[place[side]][place["id"]].strip() for side in ("A", "B")},
        }
        for name, place in key["questions"].items()
    ]
    page = render(
        TEMPLATE,
        sheet=key["sheet"],
        items=items,
        left_out=key["more"],
        partial=partial,
    )
    write_text(folder / SHEET, page)
    write_json(folder / KEY, key)
    return key
