"""Finds holdout questions that are near the training data, and compares the models without them.

Preparation keeps near-duplicates in one split. The holdout can still overlap with the training data when the
tuned model was trained on another folder of data, or when a training pair has the same answer under another
question.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.analysis.verdicts import finding
from medqa.artifacts import atomic_io, run_manifest
from medqa.data.near_duplicates import nearest_of
from medqa.data.normal_form import normal_form
from medqa.runtime.console import WarningLog, counted

if TYPE_CHECKING:
    import pandas as pd

NEAR_QUESTION = "near-duplicate of a training question"
SAME_ANSWER = "its answer is a training answer word for word"
# Words. Shorter answers ("Yes.", "Once a day") can be equal by chance.
LONG_ANSWER = 8
TRAIN = "train_dataset"
# Columns of the comparison without the near questions.
KEPT = ("metric", "base", "finetuned", "difference", "ci_low", "ci_high", "n")


def trained_on(datasets: Path, tuned: Path) -> tuple[list[Path], str]:
    """Folders with the data that a tuned model was trained on.

    Args:
        datasets: the folder that the model is evaluated on.
        tuned: folder of the tuned model.

    Returns:
        the folders that exist, always including `datasets`; why the list may be incomplete, or "".
    """
    manifest = run_manifest.read_manifest(tuned) if tuned.is_dir() else None
    if manifest is None or manifest["stage"] != "fine_tuning":
        return [datasets], f"{tuned} does not say what it was trained on"
    given = manifest["settings"]
    own = Path({**given["default"], **given["given"]}["DATASET_DIR"])
    if own.resolve() == datasets.resolve():
        return [datasets], ""
    if (own / TRAIN).is_dir():
        return [datasets, own], ""
    seen = {sha for name, sha in manifest["inputs"].items() if f"/{TRAIN}/" in name}
    here = {atomic_io.sha256_of_file(path) for path in (datasets / TRAIN).iterdir()}
    return [datasets], "" if seen <= here else f"{own}, the training data of {tuned}, is not here"


def near_training(holdout: Any, folders: Sequence[Path]) -> dict[str, dict[str, str]]:
    """Find holdout pairs near a training pair.

    A question is near when its word-3-gram Jaccard similarity to a training question is at least 0.7
    (medqa/data/near_duplicates.py), an answer when it has at least `LONG_ANSWER` words and equals a training
    answer in normal form.

    Args:
        holdout: a split with the columns id, question, response.
        folders: folders of prepared data; their train splits are searched.

    Returns:
        id → {"why": the criterion, "like": the training question}.
    """
    from datasets import load_from_disk

    answers = [normal_form(answer) for answer in holdout["response"]]
    long = {form for form in answers if len(form.split()) >= LONG_ANSWER}
    questions: list[str] = []
    like: dict[str, str] = {}  # normal form of a long answer → a training question with this answer
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


def check_contamination(
    config: Any,
    holdout: Any,
    tables: Mapping[str, "pd.DataFrame"],
    compare: Callable[["pd.DataFrame", "pd.DataFrame"], "pd.DataFrame"],
    warnings: WarningLog,
) -> dict[str, Any]:
    """Mark the holdout questions near the training data, and compare the models without them.

    Args:
        config: an EvaluationConfig.
        holdout: the holdout split.
        tables: role → results table in the order of the holdout; the column `near_training` is added.
        compare: base and tuned table → table of `comparison.compare`.
        warnings: receives the result, and what could not be searched.

    Returns:
        the value of `near_training` in training_recommendations.json.
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
        result = f"Without them: {finding(without[0])}." if without else "No other question is left."
        warnings.add(
            f"{len(near)} of {counted(len(holdout), 'holdout question')} near-duplicate the training data "
            f"(column near_training). {result}"
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


def _value(value: Any) -> Any:
    """A table cell as a JSON value: NaN becomes None."""
    return None if isinstance(value, float) and math.isnan(value) else value
