"""Pairs the tuned model of this evaluation with that of another evaluation of the same questions.

The other model may come from another iteration, another rank, or be an artefact of the same adapter (a merged
model). The result is the entry `paired` of training_recommendations.json.
"""

import json
import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.analysis.comparison import HARM, compare
from medqa.analysis.paired_scores import PRIMARY, add_primary_score
from medqa.analysis.verdicts import difference_text
from medqa.artifacts import run_manifest
from medqa.artifacts.atomic_io import sha256_of_file
from medqa.artifacts.csv_io import read_table
from medqa.artifacts.output_dir import MERGED
from medqa.generation.settings import ANSWER_SETTINGS
from medqa.modeling.adapter import ADAPTER_WEIGHTS
from medqa.modeling.base_model import BaseModel
from medqa.runtime.console import table
from medqa.runtime.errors import Failed, UserError

if TYPE_CHECKING:
    import pandas as pd

LOSS = "answer_loss"
# An artefact is refused if the primary score is lower than its adapter's by more than this.
MARGIN = 0.01
# What the scores of two evaluations must have in common to be subtracted.
SCALE = ("bertscore_model", "entailment_model", "lexicon")
# What the answers of two evaluations must have in common, so that the models cause their differences:
# settings, and entries of the manifest. The tuned models are what is compared.
BASE_MODEL = "BASE_MODEL_PATH"
DECODING = tuple(name for name in ANSWER_SETTINGS if name != "FINETUNED_MODEL_PATH")
NAMES = {"BASE_PRECISION": "BASE_PRECISION (weights and key-value cache)"}
PROMPT = {"chat_template_sha256": "chat template", "system_message": "system message"}
# Without an effect on greedy decoding.
SAMPLING = ("TOP_P", "SEED")
# Characters of a value in a message.
LONGEST_VALUE = 80
TEXTS = ("question", "reference", "hypothesis", "specialty", "id", "failed")
HEADER = ("metric", "base", "tuned", "other", "tuned - other [95 %]", "win/tie/loss", "n")


@dataclass(frozen=True)
class Other:
    """A finished evaluation.

    Attributes:
        folder: where it is.
        model: the tuned model that it evaluated.
        answers: results table of that model.
        scale: how it was scored, the keys in `SCALE`.
        answered: how its answers were made: its settings, and its manifest.
        is_adapter: whether this evaluation's model was merged from that one.
    """

    folder: str
    model: str
    answers: "pd.DataFrame"
    scale: dict[str, Any]
    answered: dict[str, Any]
    is_adapter: bool


def read_other(folder: str, holdout: Mapping[str, Sequence[str]], tuned: str) -> Other | None:
    """The evaluation to compare with; None for "".

    Args:
        folder: the setting COMPARE_WITH.
        holdout: the questions of this evaluation, with the columns `id`, `question`, `response`.
        tuned: the tuned model of this evaluation.

    Raises:
        UserError: the folder has no finished evaluation, or one of other questions.
    """
    if not folder:
        return None
    path = Path(folder)
    manifest = run_manifest.require_finished(path, "evaluation", "python evaluation.py")
    answers = read_table(path / "finetuned_model_results.csv", TEXTS)
    advice = json.loads((path / "training_recommendations.json").read_text(encoding="utf-8"))
    here = list(zip(holdout["id"], holdout["question"], holdout["response"], strict=True))
    there = list(zip(answers["id"], answers["question"], answers["reference"], strict=True))
    if here != there:
        common = len({*here} & {*there})
        raise UserError(
            f"COMPARE_WITH {folder} answered other questions: {common:,} of its {len(there):,} are among the "
            f"{len(here):,} of this evaluation. Name an evaluation of the same holdout with the same --LIMIT."
        )
    recorded = manifest["settings"]["given"] | manifest["settings"]["default"]
    answered = run_manifest.with_present_names(recorded) | manifest
    model = answered["FINETUNED_MODEL_PATH"]
    scale = {name: advice.get(name) for name in SCALE}
    is_adapter = _is_merged_from(Path(tuned), Path(model), manifest["inputs"])
    return Other(folder, model, answers, scale, answered, is_adapter)


def _is_merged_from(tuned: Path, adapter: Path, inputs: Mapping[str, str]) -> bool:
    """Whether `tuned` was merged from the adapter that another evaluation, with these `inputs`, evaluated."""
    recorded = run_manifest.recorded_input(inputs, adapter / run_manifest.MANIFEST)
    if not ((tuned / MERGED).is_file() and (adapter / run_manifest.MANIFEST).is_file()):
        return False
    merged_from = json.loads((tuned / MERGED).read_text(encoding="utf-8"))["adapter_sha256"]
    trained = run_manifest.read_manifest(adapter)["outputs"].get(ADAPTER_WEIGHTS)
    return sha256_of_file(adapter / run_manifest.MANIFEST) == recorded and merged_from == trained


def different_settings(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[dict[str, str]]:
    """What determined the answers of two evaluations and differs, other than their tuned models.

    Args:
        there, here: settings and manifest; what one of them does not record is not compared.

    Returns:
        for each one its `name`, and the values `other` and `tuned`.
    """
    greedy = not any(found.get("TEMPERATURE", 1) for found in (there, here))
    names = [name for name in DECODING if name in there and not (greedy and name in SAMPLING)]
    names += [name for name in PROMPT if there.get(name) is not None]
    return [
        {"name": (NAMES | PROMPT).get(name, name), "other": values[0], "tuned": values[1]}
        for name in names
        if there[name] != here[name] and not (name == BASE_MODEL and _same_base(there[name], here[name]))
        for values in [_distinguished(str(there[name]), str(here[name]))]
    ]


def _same_base(there: str, here: str) -> bool:
    """Whether two paths or names are of one model, by the files as they are now."""
    if not all((Path(name) / "config.json").is_file() for name in (there, here)):
        return False
    return BaseModel(there, BASE_MODEL).fingerprint == BaseModel(here, BASE_MODEL).fingerprint


def _distinguished(*values: str) -> list[str]:
    """Two values, shortened to a part in which they differ."""
    start = max(0, len(os.path.commonprefix(values)) - 20)
    if max(map(len, values)) <= LONGEST_VALUE:
        return list(values)
    shown = [("…" if start else "") + value[start : start + LONGEST_VALUE] for value in values]
    return [
        part + "…" * (len(value) > start + LONGEST_VALUE) for part, value in zip(shown, values, strict=True)
    ]


def add(
    other: Other | None, answered: Mapping[str, Any], results: Any, lower_is_better: Collection[str]
) -> None:
    """Add the comparison of the tuned model with the other one to the advice, if there is another one.

    Args:
        other: the other evaluation.
        answered: how the answers of this evaluation were made: settings, and manifest of the datasets.
        results: of this evaluation: `tables`, `advice` (extended) and `warnings` (extended).
        lower_is_better: metrics for which lower is better.
    """
    if not other:
        return
    paired = pair(other, results.tables, results.advice, lower_is_better, answered["SEED"])
    paired["settings_that_differ"] = different_settings(other.answered, answered)
    results.advice["paired"] = paired
    if text := confounded(paired):
        results.warnings.add(f"COMPARE_WITH {paired['with']}: {text}")


def pair(
    other: Other,
    tables: Mapping[str, "pd.DataFrame"],
    scale: Mapping[str, Any],
    lower_is_better: Collection[str],
    seed: int,
) -> dict[str, Any]:
    """Compare the tuned model with the other one on the primary score, on harm and on the answer loss.

    Args:
        other: the other evaluation.
        tables: role → results table of this evaluation.
        scale: how this evaluation was scored: the keys in `SCALE`, and the metrics in the primary score.
        lower_is_better: metrics for which lower is better.
        seed: of the sign-flip test.

    Raises:
        UserError: the other evaluation was scored in another way.
    """
    here = json.loads(json.dumps({name: scale[name] for name in SCALE}))
    primary_metrics = scale["primary_metrics"]
    missing = [name for name in primary_metrics if name not in other.answers]
    differs = [name for name in SCALE if here[name] != other.scale[name]] + missing
    if differs:
        raise UserError(
            f"COMPARE_WITH {other.folder} was scored in another way ({', '.join(differs)}). Score its "
            "answers again, with the settings of this evaluation and: python evaluation.py --SCORE_ONLY "
            f"--OUTPUT_DIR {shlex.quote(other.folder)}"
        )
    theirs, ours = other.answers.drop(columns=PRIMARY, errors="ignore"), tables["finetuned"]
    add_primary_score({"other": theirs}, primary_metrics, lower_is_better)
    names = [name for name in (*HARM, LOSS) if name in ours and name in theirs]
    base = {name: tables["base"][name].mean() for name in (PRIMARY, *names)}
    rows = compare(theirs, ours, names, lower_is_better, seed).rename(columns={"base": "other"})
    kept = ["metric", "other", "finetuned", "difference", "ci_low", "ci_high", "p_value", "wins", "ties",
            "losses", "n", "direction"]  # fmt: skip
    return {
        "with": other.folder,
        "model": other.model,
        "is_its_adapter": other.is_adapter,
        "equal_answers": int((ours["hypothesis"] == theirs["hypothesis"]).sum()),
        "answers": len(ours),
        # Without an interval, which takes two questions, a difference says nothing.
        "metrics": [
            {name: None if value != value else value for name, value in row.items()}  # JSON has no NaN
            for row in rows.assign(base=rows["metric"].map(base))[["base", *kept]].to_dict("records")
            if row["n"] > 1
        ],
    }


def paired_text(paired: Mapping[str, Any]) -> str:
    """The paired table for the terminal."""
    rows = [
        [
            f"{row['metric']} {row['direction']}",
            *("-" if row[name] is None else f"{row[name]:.3f}" for name in ("base", "finetuned", "other")),
            difference_text(row),
            f"{row['wins']}/{row['ties']}/{row['losses']}",
            row["n"],
        ]
        for row in paired["metrics"]
    ]
    return f"{summary(paired)}\n{table(HEADER, rows)}"


def summary(paired: Mapping[str, Any]) -> str:
    """What was paired, the share of equal answers, and what else than the models differs."""
    adapter = ", the adapter that tuned was merged from" * paired["is_its_adapter"]
    share = paired["equal_answers"] / paired["answers"]
    text = (
        f"Tuned against other ({paired['model']}, evaluated in {paired['with']}{adapter}): "
        f"{paired['equal_answers']:,} of {paired['answers']:,} answers are equal ({share:.0%})."
    )
    return " ".join(filter(None, (text, confounded(paired))))


def confounded(paired: Mapping[str, Any]) -> str:
    """What else than the models can cause the differences, with both values; "" if nothing is known."""
    differing = paired.get("settings_that_differ", ())  # earlier versions did not compare them
    if not differing:
        return ""
    named = "; ".join(f"{one['name']}: {one['other']} there, {one['tuned']} here" for one in differing)
    return (
        f"NOT A COMPARISON OF MODELS ALONE: the answers were made with other settings ({named}), which can "
        "cause every difference by themselves. Evaluate both models with the same settings."
    )


def require_equivalent(paired: Mapping[str, Any] | None) -> None:
    """End the run if an artefact is worse than its adapter beyond doubt.

    Args:
        paired: from `pair`; None when no other evaluation was given.

    Raises:
        Failed: the 95 % interval of the difference in the primary score lies below −`MARGIN`.
    """
    if paired is None:
        return
    [primary] = [row for row in paired["metrics"] if row["metric"] == PRIMARY] or [None]
    if paired["is_its_adapter"] and primary and (primary["ci_high"] or 0.0) < -MARGIN:
        raise Failed(
            f"the merged model is worse than its adapter: primary score {primary['difference']:+.3f} (95 % "
            f"interval {primary['ci_low']:+.3f} to {primary['ci_high']:+.3f}, below -{MARGIN}). Do not ship "
            f"it; the results are written. {confounded(paired)}".rstrip()
        )
