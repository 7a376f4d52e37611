"""An evaluation among the earlier ones that used the same holdout."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa import history
from medqa.screen import Warnings

if TYPE_CHECKING:
    import pandas as pd

# What a metric's numbers depend on beside the answers.
JUDGES = ("bertscore_model", "lexicon")


class Rounds:
    """This round and the earlier ones.

    Args:
        config: an EvaluationConfig.
        data: the manifest of the datasets, which knows the rounds that its recommendations told of.
        judged_by: `scoring.about`, with what scores depend on.
        comparison: the table of `statistics.compare`.
        started: when the evaluation began.
    """

    def __init__(
        self, config: Any, data: Mapping[str, Any], judged_by: Mapping[str, Any],
        comparison: "pd.DataFrame", started: str,
    ) -> None:  # fmt: skip
        scale = {name: judged_by[name] for name in JUDGES}
        scale["primary_metrics"] = comparison.attrs["primary_metrics"]
        self.comparison, self.partial = comparison, bool(config.LIMIT)
        self.this, self.rows = _this_and_earlier(config, data, scale, started)
        # Specialties called low in each earlier round on this holdout: how often it has steered training.
        self.uses = [row["low"] for row in history.before(self.rows, self.this)]

    def join(self, advice: dict[str, Any], eval_loss: float | None, warnings: Warnings) -> list[history.Row]:
        """Add this round, unless it is a part only, and tell the advice of those before; returns all rows."""
        if self.partial:
            warnings.add("PARTIAL: only some of the holdout was answered, so nothing is recommended.")
        else:
            found = history.measured(self.comparison, advice, eval_loss)
            self.rows = history.merged(self.rows, [self.this | found])
        if self.uses:
            warnings.add(advice["holdout_use"]["note"])
        advice["history"] = [row for row in self.rows if row["holdout"] == self.this["holdout"]]
        return self.rows


def mean_loss(ids: Sequence[str], losses: Mapping[str, Sequence[float]]) -> float | None:
    """Loss per token (nats) of the reference answers of a whole split; None when there is none."""
    known = [losses[id] for id in ids if id in losses]
    tokens = sum(count for _, count in known)
    return sum(total for total, _ in known) / tokens if tokens else None


def _this_and_earlier(
    config: Any, data: Mapping[str, Any], judged_by: Mapping[str, Any], started: str
) -> tuple[history.Row, list[history.Row]]:
    """What tells this round from others, and the rows of all rounds that are known."""
    from medqa import storage
    from medqa.predictions import model_asked

    output = Path(config.OUTPUT_DIR)
    settings = ("MAX_NEW_TOKENS", "TEMPERATURE", "TOP_P", "USE_4BIT", "MAX_PROMPT_LENGTH")
    scale = {name: getattr(config, name) for name in settings} | dict(judged_by)
    scale |= {name: data[name] for name in ("chat_template_sha256", "system_message")}
    scale["base"] = model_asked(output, "base")
    ids = storage.ids(Path(config.DATASET_DIR) / storage.SPLITS["holdout"])
    this = history.identity(data, model_asked(output, "finetuned"), ids, scale, started)
    sources = [data.get("history", [])]
    if config.HISTORY:
        sources.append(history.read(Path(config.HISTORY)))
    if (output / history.FILE).exists():
        sources.append(history.read(output))
    return this, history.merged(*sources)
