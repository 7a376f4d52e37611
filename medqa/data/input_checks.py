"""Refuses an input that leaves nothing to train on or to test with."""

import json
from collections import Counter

from medqa.data.source_files import Source
from medqa.data.splits import Splits
from medqa.runtime.console import counted
from medqa.runtime.errors import UserError


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
    shown = json.dumps({"question": first.question, "answer": first.answer}, ensure_ascii=False)
    raise UserError(
        f"{folder} has no usable pair: of {counted(pairs, 'pair')}, "
        f"{', '.join(f'{number:,} × {reason}' for reason, number in sorted(reasons.items()))}. The first, in "
        f"{source.files[first.specialty]}: {shown[:200]}. Expected a question and an answer in text; nothing "
        "was written."
    )


def require_splits(splits: Splits, holdout_size: int) -> None:
    """Refuse splits without training data, or without a holdout.

    Args:
        splits: of the input.
        holdout_size: holdout questions wanted for each specialty; 0 in later iterations.

    Raises:
        UserError: with the sizes of the splits, and what to change.
    """
    sizes = ", ".join(f"{name} {len(records):,}" for name, records in splits._asdict().items())
    if holdout_size and not splits.holdout:
        raise UserError(
            f"no holdout could be chosen ({sizes}): it gets at most half of the pairs of a specialty, and "
            "all or none of a group of near-duplicates. Add pairs, or prepare without a holdout: "
            "--HOLDOUT_SAMPLES_PER_SPECIALTY 0. Nothing was written."
        )
    if not splits.train:
        raise UserError(
            f"no pair is left for training ({sizes}). Add pairs, raise --INITIAL_TRAIN_PERCENTAGE or the "
            "shares, or lower --EVAL_SPLIT_SIZE. Nothing was written."
        )
