"""Loads what BERTScore, entailment and METEOR need, and reports what is not available on this machine."""

from pathlib import Path

from medqa.artifacts import hub
from medqa.metrics.bertscore import BertScorer
from medqa.metrics.encoder import EncoderMissing, HeadMissing
from medqa.metrics.nli import EntailmentScorer
from medqa.metrics.wordnet import fetch_wordnet
from medqa.runtime.console import WarningLog


def load(
    model: str, layer: int, cache: Path, warnings: WarningLog
) -> tuple[BertScorer | None, EntailmentScorer | None, dict[str, str]]:
    """Load the encoder and WordNet, from the internet where that is allowed; warn about what is missing.

    Args:
        model: encoder for both, a folder or a name on the Hub; empty: neither metric, and no warning.
        layer: see `BertScorer`.
        cache: folder for their scores.
        warnings: gets what is left out.

    Returns:
        the scorers for BERTScore and for entailment, None for one that is left out; and what is left out
        ("meteor": its synonyms, "bertscore", "nli") → the reason.
    """
    left_out: dict[str, str] = {}
    scorer = judge = None
    # With an encoder from the Hub, the run goes online anyway; a run from local folders contacts no server.
    if reason := fetch_wordnet(not hub.forbidden() and bool(model) and not Path(model).is_dir()):
        left_out["meteor"] = reason
    if model:
        try:
            scorer = BertScorer(model, layer, cache_folder=cache)
            judge = EntailmentScorer(model, cache_folder=cache)
        except EncoderMissing as missing:
            left_out["bertscore"] = f"BERTScore is left out: {missing}"
            left_out["nli"] = "Entailment is left out: it has no encoder either"
        except HeadMissing as missing:
            advice = "the default of BERTSCORE_MODEL, or another encoder trained on MNLI, does"
            left_out["nli"] = f"Entailment is left out: {missing}; {advice}"
    for reason in left_out.values():
        warnings.add(f"{reason}.")
    if not model:
        left_out |= dict.fromkeys(("bertscore", "nli"), 'BERTSCORE_MODEL is ""')
    return scorer, judge, left_out
