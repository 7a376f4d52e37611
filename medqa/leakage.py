"""Holdout questions that stand near the training data, and what the comparison says without them.

Preparation keeps near-duplicates on one side. They can meet all the same: in a model that was trained on
another folder of data, or in pairs whose answer is a training answer word for word under another question.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa import disk, manifests
from medqa.duplicates import nearest_of, normal_form
from medqa.screen import Warnings, counted

if TYPE_CHECKING:
    import pandas as pd

NEAR_QUESTION = "near-duplicate of a training question"
SAME_ANSWER = "its answer is a training answer word for word"
# A shorter answer ("Yes.", "Once a day") can be the same by chance.
LONG_ANSWER = 8
TRAIN = "train_dataset"
# What is told of each metric without the questions that are near.
KEPT = ("metric", "base", "finetuned", "difference", "ci_low", "ci_high", "n")


def trained_on(datasets: Path, tuned: Path) -> tuple[list[Path], str]:
    """The folders whose training data a tuned model has seen, as far as they are here.

    Args:
        datasets: the folder of data that it is evaluated on.
        tuned: folder of the tuned model.

    Returns:
        folders, `datasets` always among them; what of its training cannot be looked at, empty when all can.
    """
    manifest = manifests.read_manifest(tuned) if tuned.is_dir() else None
    if manifest is None or manifest["stage"] != "fine_tuning":
        return [datasets], f"{tuned} does not say what it was trained on"
    given = manifest["settings"]
    own = Path({**given["default"], **given["given"]}["DATASET_DIR"])
    if own.resolve() == datasets.resolve():
        return [datasets], ""
    if (own / TRAIN).is_dir():
        return [datasets, own], ""
    seen = {sha for name, sha in manifest["inputs"].items() if f"/{TRAIN}/" in name}
    here = {disk.sha256_of_file(path) for path in (datasets / TRAIN).iterdir()}
    return [datasets], "" if seen <= here else f"{own}, which {tuned} was trained on, is not here"


def near_training(holdout: Any, folders: Sequence[Path]) -> dict[str, dict[str, str]]:
    """Holdout pairs near a training pair: id → `why`, and the training question that it is `like`.

    A question counts as near when its word-3-gram Jaccard similarity to a training question is 0.7 or more
    (medqa/duplicates.py); an answer when it has at least `LONG_ANSWER` words and the same normal form.

    Args:
        holdout: a split with columns id, question, response.
        folders: of prepared data; their train splits are compared with.
    """
    from datasets import load_from_disk

    answers = [normal_form(answer) for answer in holdout["response"]]
    long = {form for form in answers if len(form.split()) >= LONG_ANSWER}
    questions: list[str] = []
    like: dict[str, str] = {}  # of the long answers that are training answers: a question with this answer
    for folder in folders:
        train = load_from_disk(str(folder / TRAIN))
        questions += train["question"][:]
        for question, answer in zip(train["question"], train["response"], strict=True):
            if (form := normal_form(answer)) in long:
                like.setdefault(form, question)
    forms = [normal_form(question) for question in holdout["question"]]
    nearest = nearest_of([normal_form(question) for question in questions], forms).tolist()
    found = {}
    for id, form, position in zip(holdout["id"], answers, nearest, strict=True):
        if position >= 0:
            found[id] = {"why": NEAR_QUESTION, "like": questions[position]}
        elif form in like:
            found[id] = {"why": SAME_ANSWER, "like": like[form]}
    return found


def look(
    config: Any,
    holdout: Any,
    tables: Mapping[str, "pd.DataFrame"],
    compare: Callable[["pd.DataFrame", "pd.DataFrame"], "pd.DataFrame"],
    warnings: Warnings,
) -> dict[str, Any]:
    """Mark the holdout pairs near the training data, and compare once more without them.

    Args:
        config: an EvaluationConfig.
        holdout: the holdout split.
        tables: role → one row a question, in the order of the holdout; get the column `near_training`.
        compare: base and tuned table → table of `statistics.compare`.
        warnings: told of what was found, and of what could not be compared.

    Returns:
        what training_recommendations.json holds under `near_training`.
    """
    folders, unknown = trained_on(Path(config.DATASET_DIR), Path(config.FINETUNED_MODEL_PATH))
    near = near_training(holdout, folders)
    marked = tables["base"]["id"].isin(near)
    for table in tables.values():
        table["near_training"] = marked
    without = []
    if near and not marked.all():
        without = compare(tables["base"][~marked], tables["finetuned"][~marked]).to_dict("records")
    if near:
        warnings.add(
            f"{len(near)} of {counted(len(holdout), 'holdout question')} near-duplicate the training data "
            f"(column near_training). {_without_them(without)}"
        )
    if unknown:
        warnings.add(f"{unknown}, so the holdout could not be compared with all of the training data.")
    columns = zip(holdout["id"], holdout["specialty"], holdout["question"], strict=True)
    return {
        "questions": len(near),
        "of": len(holdout),
        "compared_with": [str(folder / TRAIN) for folder in folders],
        "not_compared": unknown,
        "pairs": [
            {"id": id, "specialty": name, "question": question, **near[id]}
            for id, name, question in columns
            if id in near
        ],
        "comparison_without": [{name: _value(row[name]) for name in KEPT} for row in without],
    }


def _without_them(rows: Sequence[Mapping[str, Any]]) -> str:
    """The first metric without the questions that are near, in a sentence."""
    if not rows or not rows[0]["n"]:
        return "No other question is left to compare."
    first = rows[0]
    return (
        f"Without them: {first['metric']} {first['base']:.3f} → {first['finetuned']:.3f}, difference "
        f"{first['difference']:+.3f} (95 % interval {first['ci_low']:+.3f} to {first['ci_high']:+.3f}), "
        f"n = {first['n']}."
    )


def _value(value: Any) -> Any:
    """A cell of a table as JSON has it: NaN becomes None."""
    return None if isinstance(value, float) and math.isnan(value) else value
