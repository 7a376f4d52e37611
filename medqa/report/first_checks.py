"""Refuses, before a model is loaded, what an evaluation would else notice only after all answers."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from medqa.analysis.judge_client import Server
from medqa.artifacts.output_place import require_place
from medqa.metrics.encoder import require_encoder
from medqa.metrics.runner import require_metrics
from medqa.report.terminal import in_folder
from medqa.runtime.cli import select
from medqa.runtime.distributed import rank
from medqa.runtime.errors import UserError

HOLDOUT = "--HOLDOUT_SAMPLES_PER_SPECIALTY"
NO_QUESTION = 'ASK got no question. Ask one with: python evaluation.py --ASK "What is angina?"'


@dataclass(frozen=True)
class CheckedSettings:
    """The settings of the same names in capitals."""

    dataset_dir: str
    output_dir: str
    ask: str
    shard: str
    primary_metrics: tuple[str, ...]
    bertscore_model: str
    bertscore_layer: int
    judge_url: str
    judge_model: str
    allow_remote_judge: bool
    score_only: bool


def arguments() -> list[str]:
    """The arguments of the command line.

    Raises:
        UserError: an empty --ASK, as after a shell variable that is not set: it would evaluate everything.
    """
    typed = sys.argv[1:]
    if "--ASK=" in typed or ("--ASK", "") in zip(typed, typed[1:], strict=False):
        raise UserError(NO_QUESTION)
    return typed


def check(config: SimpleNamespace, metrics: type, data: Mapping[str, Any], default_encoder: str) -> None:
    """Check the settings that are used after the answers are generated, and that there are questions.

    Args:
        config: of the evaluation, with the settings in `CheckedSettings`.
        metrics: the class with the metrics.
        data: the manifest of the datasets.
        default_encoder: of BERTScore, which may be missing.

    Raises:
        UserError: what is wrong, and what to type.
    """
    settings = select(config, CheckedSettings)
    require_metrics(metrics, settings.primary_metrics)
    if settings.ask:
        if not settings.ask.strip():
            raise UserError(NO_QUESTION)
        return
    require_place(Path(settings.output_dir), "evaluation")
    require_holdout(Path(settings.dataset_dir), data["command"])
    if settings.shard or rank() != 0:  # only the first process of a whole evaluation scores
        return
    require_encoder(settings.bertscore_model, settings.bertscore_layer, default_encoder)
    if settings.judge_url and not settings.score_only:  # its stored verdicts may be all that is needed
        Server(settings.judge_url, settings.allow_remote_judge).require_answer(settings.judge_model)


def require_holdout(datasets: Path, command: str) -> None:
    """Refuse datasets without a question to answer.

    Args:
        datasets: their folder.
        command: prepared them.

    Raises:
        UserError: with the command that prepares datasets with a holdout.
    """
    from medqa.data.dataset_stats import read_stats  # which loads numpy

    if read_stats(datasets)["holdout_samples"]:
        return
    again = _with_holdout(command, datasets)
    raise UserError(
        f"the holdout of {datasets} is empty, so there is no question to evaluate on, and questions cannot "
        f"be held out later. Prepare the data into a new folder, and train on that: {again}"
    )


def _with_holdout(command: str, datasets: Path) -> str:
    """The command that prepared the datasets, with a holdout and another folder."""
    folder = f"{datasets}_with_holdout"
    default = ["python", "dataset_preparation.py", "--OUTPUT_DIR", folder]  # if none is recorded
    words = shlex.split(in_folder(command, folder)) or default
    if HOLDOUT in words:
        place = words.index(HOLDOUT)
        del words[place : place + 2]
    return shlex.join([*words, HOLDOUT, "10"])
