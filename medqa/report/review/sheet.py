"""Writes the sheet that a clinician fills in, and the key that maps its answers to the models."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.analysis.paired_scores import PRIMARY
from medqa.analysis.review_sample import inclusion_probabilities, strata_of, stratified_order
from medqa.artifacts.atomic_io import write_json, write_text
from medqa.report.html.template import render

if TYPE_CHECKING:
    import pandas as pd

TEMPLATE = Path(__file__).with_name("sheet.html.j2")
SHEET, KEY = "review_sheet.html", "review_key.json"
# Folder with the key of each sheet that was written, by its identifier, with the texts that it showed.
KEYS = "review_keys"
# Questions on a sheet, more than a reviewer rates.
MOST_QUESTIONS = 500
# Of the sample every fifth question is also marked sentence by sentence.
SENTENCES_EVERY = 5
# Columns of the results table that the sheet shows.
COLUMNS = ("specialty", "question", "reference")
# Numbers of questions to aim for, of which the sheet gives the precision.
AIMS = (30, 60, 100)


def make_key(tables: Mapping[str, "pd.DataFrame"], seed: int, size: int) -> dict[str, Any]:
    """Choose the questions of the sheet, their order, and which answer is A.

    All choices derive from a digest of the seed and of all answers with their models. The same results give
    the same sheet, but a reader of the sheet who knows the seed cannot compute the digest, because it depends
    on which model wrote which answer. Questions with equal answers are left out.

    Args:
        tables: role → results table with the column `primary_score`, which gives the strata.
        seed: of the evaluation.
        size: number of questions in the sample to rate.

    Returns:
        content of review_key.json: `sheet`, identifier of the sheet; `alike`, number of questions with equal
        answers; `more`, number of questions above `MOST_QUESTIONS`; `sample`, number of questions in the
        sample, which are the first; `strata`, id → stratum of each question with different answers;
        `questions`, name on the sheet → `id`, the role ("base", "finetuned") of `A` and of `B`,
        `probability` of being in the sample, and `by_sentence`, whether its sentences are marked.
    """
    base, tuned = tables["base"], tables["finetuned"]
    rows = list(zip(base["id"], base["hypothesis"], tuned["hypothesis"], strict=True))
    strata = strata_of((tuned[PRIMARY] - base[PRIMARY]).to_numpy(float), size)
    secret = hashlib.sha256(json.dumps([seed, rows, size, strata.tolist()]).encode()).digest()

    def digest(purpose: str, name: str = "") -> str:
        return hashlib.sha256(secret + json.dumps([purpose, name]).encode()).hexdigest()

    differing = [row for row, (_, before, after) in enumerate(rows) if before.strip() != after.strip()]
    draws = [int(digest("order", rows[row][0])[:13], 16) / 16**13 for row in differing]
    order = stratified_order(strata[differing], draws)
    ids = [rows[differing[place]][0] for place in order]
    sample = min(size, len(ids))
    stratum_of = dict(zip((row[0] for row in rows), strata.tolist(), strict=True))
    probability = inclusion_probabilities([stratum_of[id] for id in ids], sample)
    questions = {}
    shown = ids[:MOST_QUESTIONS]
    # Sorted names follow the order, so that they contain nothing else.
    for number, (name, id) in enumerate(
        zip(sorted(digest("name", id)[:16] for id in shown), shown, strict=True)
    ):
        swapped = int(digest("side", id)[0], 16) % 2
        first, second = ("finetuned", "base") if swapped else ("base", "finetuned")
        questions[name] = {
            "id": id,
            "A": first,
            "B": second,
            "probability": round(float(probability[stratum_of[id]]), 6),
            "by_sentence": number < sample and number % SENTENCES_EVERY == 0,
        }
    return {
        "note": "Says which model wrote A and which B: not for reviewers.",
        "sheet": digest("sheet")[:16],
        "seed": seed,
        "alike": len(rows) - len(differing),
        "more": len(ids) - len(shown),
        "sample": sample,
        "strata": {id: stratum_of[id] for id in sorted(ids)},
        "questions": questions,
    }


def write_sheet(
    tables: Mapping[str, "pd.DataFrame"], seed: int, size: int, folder: Path, partial: bool, published: Path
) -> None:
    """Write review_sheet.html and review_key.json into a folder, and keep the keys of earlier sheets.

    The sheet contains questions, references and answers. It contains no name of a model, no id and no score,
    and no order depends on the model.

    Args:
        tables: role → results table.
        seed, size: as for `make_key`.
        folder: to write into.
        partial: whether only a part of the holdout was answered.
        published: output folder of the evaluation, whose sheets may have been handed out.
    """
    from medqa.metrics.nli import statements

    key = make_key(tables, seed, size)
    by_id = {role: table.set_index("id") for role, table in tables.items()}
    answers = {role: table["hypothesis"].map(str.strip) for role, table in by_id.items()}
    items = [
        {
            "name": name,
            **{column: by_id["base"].at[entry["id"], column] for column in COLUMNS},
            "answers": (own := {side: answers[entry[side]][entry["id"]] for side in ("A", "B")}),
            "sentences": {
                side: statements(text) if entry["by_sentence"] else [] for side, text in own.items()
            },
        }
        for name, entry in key["questions"].items()
    ]
    page = render(
        TEMPLATE, sheet=key["sheet"], items=items, left_out=key["more"], partial=partial,
        specialties=sorted({item["specialty"] for item in items}), aims=precision(len(key["strata"])),
        sample=key["sample"],
    )  # fmt: skip
    write_text(folder / SHEET, page)
    write_json(folder / KEY, key)
    shown = {
        item["name"]: {
            "question": item["question"],
            "specialty": item["specialty"],
            **{key["questions"][item["name"]][side]: text for side, text in item["answers"].items()},
        }
        for item in items
    }
    for sheet, kept in (read_keys(published) | {key["sheet"]: key | {"shown": shown}}).items():
        (folder / KEYS).mkdir(exist_ok=True)
        write_json(folder / KEYS / f"{sheet}.json", kept)


def read_keys(folder: Path) -> dict[str, dict[str, Any]]:
    """Identifier of each sheet of an evaluation → its key, with `shown`: name → texts on the sheet.

    A sheet of an earlier version has only review_key.json; its `shown` is empty.
    """
    paths = [path for path in (folder / KEY, *sorted((folder / KEYS).glob("*.json"))) if path.exists()]
    keys = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return {key["sheet"]: {"shown": {}} | key for key in keys}


def precision(available: int) -> list[tuple[int, int]]:
    """Numbers of questions to rate, each with the reach of the 95 % interval in percentage points.

    The interval is Student's for the share of questions on which one model is better, when that is one half
    and no answers are equal, from ratings alone and for a finite population.

    Args:
        available: number of questions with different answers.
    """
    from scipy.stats import t

    reach = {n: t.ppf(0.975, n - 1) * 0.5 * ((1 - n / available) / n) ** 0.5 for n in AIMS if n <= available}
    return [(n, round(100 * half)) for n, half in reach.items()]
