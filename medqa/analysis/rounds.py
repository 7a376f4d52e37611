"""Adds an evaluation to the history of evaluations on the same holdout."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.analysis import round_history
from medqa.artifacts import history_csv
from medqa.runtime.console import WarningLog

if TYPE_CHECKING:
    import pandas as pd

# What the scores depend on besides the answers.
JUDGES = ("bertscore_model", "lexicon", "primary_metrics")


class Rounds:
    """This round and the earlier ones.

    Args:
        config: an EvaluationConfig.
        data: the manifest of the datasets, including the rounds that its recommendations listed.
        judged_by: what scores depend on: the keys `JUDGES`.
        comparison: the table of `comparison.compare`.
        started: when the evaluation began.
    """

    def __init__(
        self, config: Any, data: Mapping[str, Any], judged_by: Mapping[str, Any],
        comparison: "pd.DataFrame", started: str,
    ) -> None:  # fmt: skip
        scale = {name: judged_by[name] for name in JUDGES}
        self.comparison = comparison
        self.this, self.rows = _this_and_earlier(config, data, scale, started)
        # Number of low specialties in each earlier round on this holdout.
        self.uses = [row["low"] for row in round_history.before(self.rows, self.this)]

    def join(
        self, advice: dict[str, Any], eval_loss: float | None, warnings: WarningLog
    ) -> list[history_csv.Row]:
        """Add this round, unless it is partial, write the history into the advice, and return all rows."""
        if not advice["partial"]:
            found = round_history.measured(self.comparison, advice, eval_loss)
            self.rows = history_csv.merged(self.rows, [self.this | found])
        if self.uses:
            warnings.add(advice["holdout_use"]["note"])
        advice["history"] = [row for row in self.rows if row["holdout"] == self.this["holdout"]]
        return self.rows


def mean_loss(ids: Sequence[str], losses: Mapping[str, Sequence[float]]) -> float | None:
    """Loss per token (nats) of the reference answers of a split; None without any."""
    known = [losses[id] for id in ids if id in losses]
    tokens = sum(count for _, count in known)
    return sum(total for total, _ in known) / tokens if tokens else None


def _this_and_earlier(
    config: Any, data: Mapping[str, Any], judged_by: Mapping[str, Any], started: str
) -> tuple[history_csv.Row, list[history_csv.Row]]:
    """The identity of this round, and the rows of all known rounds."""
    from medqa.data import dataset_io
    from medqa.generation.prediction_cache import model_asked

    output = Path(config.OUTPUT_DIR)
    settings = ("MAX_NEW_TOKENS", "TEMPERATURE", "TOP_P", "USE_4BIT", "MAX_PROMPT_LENGTH")
    scale = {name: getattr(config, name) for name in settings} | dict(judged_by)
    scale |= {name: data[name] for name in ("chat_template_sha256", "system_message")}
    scale["base"] = model_asked(output, "base")
    ids = dataset_io.ids(Path(config.DATASET_DIR) / dataset_io.SPLITS["holdout"])
    this = round_history.identity(data, model_asked(output, "finetuned"), ids, scale, started)
    sources = [data.get("history", [])]
    if config.HISTORY:
        sources.append(history_csv.read(Path(config.HISTORY)))
    if (output / history_csv.FILE).exists():
        sources.append(history_csv.read(output))
    return this, history_csv.merged(*sources)
