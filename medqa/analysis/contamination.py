"""Finds holdout questions that are near the training data, and compares the models without them.

Preparation keeps near-duplicates in one split. The holdout can still overlap with the training data when the
tuned model was trained on another folder of data, or when a training pair has the same answer under another
question.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.analysis.verdicts import judge
from medqa.artifacts import atomic_io, run_manifest
from medqa.artifacts.output_dir import MERGED
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
COLUMNS = ["metric", "base", "finetuned", "difference", "ci_low", "ci_high", "n"]


def training_folders(datasets: Path, tuned: Path) -> tuple[list[Path], str]:
    """Folders with the data that a tuned model was trained on.

    Args:
        datasets: the folder that the model is evaluated on.
        tuned: folder of the tuned model.

    Returns:
        the folders that exist, always including `datasets`; why the list may be incomplete, or "".
    """
    record = _trained_on(tuned)
    if record is None:
        return [datasets], f"{tuned} does not record its training data"
    own, recorded = record
    if own.resolve() == datasets.resolve():
        return [datasets], ""
    if (own / TRAIN).is_dir():
        return [datasets, own], ""
    present = {atomic_io.sha256_of_file(path) for path in (datasets / TRAIN).iterdir()}
    return [datasets], "" if recorded <= present else f"{own}, the training data of {tuned}, is missing"


def _trained_on(tuned: Path) -> tuple[Path, set[str]] | None:
    """The datasets of a tuned model and the SHA-256 of their train split; None if they are not recorded.

    A model that MERGE_TO wrote has the record of its adapter.
    """
    if (tuned / MERGED).is_file():
        # Earlier versions did not record the data.
        found = json.loads((tuned / MERGED).read_text(encoding="utf-8")).get("trained_on")
        return (Path(found["DATASET_DIR"]), set(found["train_sha256"])) if found else None
    manifest = run_manifest.read_manifest(tuned) if tuned.is_dir() else None
    if manifest is None or manifest["stage"] != "fine_tuning":
        return None
    settings = manifest["settings"]
    recorded = {sha for name, sha in manifest["inputs"].items() if f"/{TRAIN}/" in name}
    return Path({**settings["default"], **settings["given"]}["DATASET_DIR"]), recorded


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
    long = {answer for answer in answers if len(answer.split()) >= LONG_ANSWER}
    questions: list[str] = []
    question_of: dict[str, str] = {}  # long answer → the first training question with this answer
    for folder in folders:
        train = load_from_disk(str(folder / TRAIN))
        questions += train["question"][:]
        for question, answer in zip(train["question"], train["response"], strict=True):
            if (form := normal_form(answer)) in long:
                question_of.setdefault(form, question)
    forms = [normal_form(question) for question in holdout["question"]]
    nearest = nearest_of([normal_form(question) for question in questions], forms).tolist()
    found = {}
    for id, answer, position in zip(holdout["id"], answers, nearest, strict=True):
        if position >= 0:
            found[id] = {"why": NEAR_QUESTION, "like": questions[position]}
        elif answer in question_of:
            found[id] = {"why": SAME_ANSWER, "like": question_of[answer]}
    return found


def check_contamination(
    datasets: Path,
    tuned: Path,
    holdout: Any,
    tables: Mapping[str, "pd.DataFrame"],
    compare: Callable[["pd.DataFrame", "pd.DataFrame"], "pd.DataFrame"],
    warnings: WarningLog,
) -> dict[str, Any]:
    """Mark the holdout questions near the training data, and compare the models without them.

    Args:
        datasets: folder of the prepared data that the models are evaluated on.
        tuned: folder of the tuned model.
        holdout: the holdout split.
        tables: role → results table in the order of the holdout; the column `near_training` is added.
        compare: base and tuned table → table of `comparison.compare`.
        warnings: receives the result, and which training data could not be searched.

    Returns:
        the value of `near_training` in training_recommendations.json.
    """
    folders, incomplete = training_folders(datasets, tuned)
    near = near_training(holdout, folders)
    marked = tables["base"]["id"].isin(near)
    for table in tables.values():
        table["near_training"] = marked
    comparison: list[dict[str, Any]] = []
    if near:
        result = "No other question is left."
        if not marked.all():
            without = compare(tables["base"][~marked], tables["finetuned"][~marked])
            result = f"Without them: {judge(without).headline}."
            cells = without[COLUMNS].astype(object)
            comparison = cells.where(cells.notna(), None).to_dict("records")  # JSON has no NaN
        warnings.add(
            f"{len(near)} of {counted(len(holdout), 'holdout question')} near-duplicate the training data "
            f"(column near_training). {result}"
        )
    if incomplete:
        warnings.add(f"{incomplete}, so the holdout was not compared with all of the training data.")
    columns = zip(holdout["id"], holdout["specialty"], holdout["question"], strict=True)
    return {
        "questions": len(near),
        "of": len(holdout),
        "compared_with": [str(folder / TRAIN) for folder in folders],
        "not_compared": incomplete,
        "pairs": [
            {"id": id, "specialty": name, "question": question, **near[id]}
            for id, name, question in columns
            if id in near
        ],
        "comparison_without": comparison,
    }
