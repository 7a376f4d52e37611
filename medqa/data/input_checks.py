"""Refuses an input that leaves nothing to train on or to test with."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from medqa.data.dataset_io import SPLITS
from medqa.data.record_shapes import REPEATED_FIELD
from medqa.data.source_files import PREFIX, Source
from medqa.data.splits import Splits
from medqa.runtime.console import counted
from medqa.runtime.errors import UserError


def require_settings(output: Path, data: Path, eval_share: float) -> None:
    """Refuse an output folder among the input, and an eval split that takes all pairs.

    Args:
        output, data: the settings OUTPUT_DIR and DATA_DIR.
        eval_share: the setting EVAL_SPLIT_SIZE.

    Raises:
        UserError: with what to type.
    """
    data, output = data.resolve(), output.resolve()
    written = [output / name for name in SPLITS.values()]
    as_input = output.parent == data and output.name.startswith(PREFIX)
    if data == output or as_input or any(map(data.is_relative_to, written)):
        raise UserError(
            f"DATA_DIR ({data}) and OUTPUT_DIR ({output}) must be separate folders. Give another one for the "
            "output: --OUTPUT_DIR …"
        )
    if eval_share == 1:
        raise UserError(
            "EVAL_SPLIT_SIZE = 1 would leave nothing to train on: it is a share of the selected pairs, not a "
            "number of them. For a fifth of them, type --EVAL_SPLIT_SIZE 0.2"
        )


def require_usable(source: Source, folder: str) -> None:
    """Refuse an input without a usable pair.

    Raises:
        UserError: with the number of refused pairs by reason, and the first of them.
    """
    if source.records:
        return
    pairs = sum(source.pairs.values())
    if not pairs:
        raise UserError(
            f"the files in {folder} hold no question-answer pairs. Expected {{question: answer}} in each "
            "file; nothing was written."
        )
    reasons = Counter(one.reason for one in source.refused)
    first = source.refused[0]
    found = f"question {_without_text(first.question)}, answer {_without_text(first.answer)}"
    if first.reason.startswith(REPEATED_FIELD.partition("{")[0]):
        found = "a record with the same column or key twice; rename or remove all but one"
    where = f"record {first.record}" if first.record else found
    raise UserError(
        f"{folder} has no usable pair: of {counted(pairs, 'pair')}, "
        f"{', '.join(f'{number:,} × {reason}' for reason, number in sorted(reasons.items()))}. The first, in "
        f"{source.files[first.specialty]}: {where}. Expected a question and an answer in text; nothing was "
        "written."
    )


def _without_text(value: Any) -> str:
    """A value in words; a text of a few characters as it is, and of a longer one only the length."""
    if isinstance(value, str):
        return json.dumps(value) if len(value) <= 5 else f"of {len(value):,} characters"
    return {dict: "an object", list: "a list"}.get(type(value), json.dumps(value, default=str))


def require_splits(splits: Splits, groups: np.ndarray, holdout_size: int) -> None:
    """Refuse splits without training data, or without a holdout.

    Args:
        splits: of the input.
        groups: int64 [questions of the input, and more], equal for near-duplicates.
        holdout_size: holdout questions wanted for each specialty; 0 in later iterations.

    Raises:
        UserError: with the sizes of the splits, and what to change.
    """
    sizes = ", ".join(f"{name} {len(records):,}" for name, records in splits._asdict().items())
    if holdout_size and not splits.holdout:
        largest, number = int(np.bincount(groups).max()), len(groups)
        in_group = f"all {number:,}" if largest == number else f"{largest:,} of the {number:,}"
        near = f" Here one group has {in_group} questions." if largest > 1 else ""
        raise UserError(
            f"no holdout could be chosen ({sizes}): it gets at most half of the pairs of a specialty, and "
            f"all or none of a group of near-duplicates.{near} Add pairs with other questions, or prepare "
            "without a holdout: --HOLDOUT_SAMPLES_PER_SPECIALTY 0 (evaluation.py then has no question to "
            "answer; it can only try the adapter with --ASK). Nothing was written."
        )
    if not splits.train:
        raise UserError(
            f"no pair is left for training ({sizes}). Add pairs, raise --INITIAL_TRAIN_PERCENTAGE or the "
            "shares, or lower --EVAL_SPLIT_SIZE. Nothing was written."
        )
