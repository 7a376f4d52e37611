"""Assembles report.html: the settings, the tables, the figure, and the questions with both answers."""

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medqa.analysis import pairing, round_history, verdicts
from medqa.analysis.paired_scores import PRIMARY
from medqa.report import retention
from medqa.report.html import questions, specialties
from medqa.report.html.questions import shown
from medqa.report.html.template import render
from medqa.report.review.estimate_tables import estimate_rows, metric_rows
from medqa.report.review.summary import findings, length_balance
from medqa.runtime.console import counted

TEMPLATE = Path(__file__).with_name("report.html.j2")
# Settings that do not describe the comparison.
HIDDEN = ("OUTPUT_DIR", "REVIEW")
# Technical terms of the page in plain words.
GLOSSARY = {
    "base, tuned": "The model before and after fine-tuning.",
    "holdout": "Questions that were kept out of training, so that they test the models fairly.",
    "dose error": "A quantity in the answer that contradicts the reference for the same medicine or "
    "measurement.",
    "contradiction": "A statement of the reference that the answer contradicts, as judged by a model.",
    "primary score": "The one score by which the models are compared: per question, the mean of a few "
    "measures of how well the answer agrees with the reference.",
    "95 % interval": "Range that contains the true value in 95 of 100 such evaluations. If the range of a "
    "difference contains 0, the difference can be chance.",
    "p-value": "Probability of a difference at least this large if the models were equally good. Below 0.05, "
    "chance is an unlikely explanation.",
    "Holm": "Correction for testing many metrics at once: without it, one in twenty would look significant "
    "by chance.",
    "PPI++": "Prediction-powered inference: the ratings of a random sample, corrected by the scores of all "
    "questions. Where these predict ratings, the interval is narrower than from the ratings alone.",
    "Kendall's tau": "Agreement of two rankings, −1 to 1; 0: none.",
    "AUC": "Probability that a metric gains more on a question where reviewers prefer tuned than on one "
    "where they prefer base; 0.5: no better than chance.",
    "shrunken mean": "Estimate of a specialty's true score: its mean, pulled towards the mean of all "
    "specialties. Few questions are pulled far, many questions little.",
    "credible interval": "Range that contains a specialty's true score with a probability of 95 %, averaged "
    "over specialties. In simulations it contains that of the lowest tenth in 81 to 90 % only.",
}


def report_html(results: Any, settings: Mapping[str, Mapping[str, Any]]) -> str:
    """The page as text; the same results and settings give the same bytes.

    Args:
        results: an `evaluation_output.Results`.
        settings: all settings of the evaluation, from `runtime.cli.given_and_default`.
    """
    comparison = results.comparison.to_dict("records")
    metrics = [PRIMARY, *(row["metric"] for row in comparison if row["metric"] != PRIMARY)]
    lower = [row["metric"] for row in comparison if row["direction"] == "↓"]
    base, tuned = results.tables["base"], results.tables["finetuned"]
    positions = questions.chosen((tuned[PRIMARY] - base[PRIMARY]).to_numpy(float))
    entries = questions.entries(results.tables, positions, metrics, lower)
    reviews = results.review.by_question if results.review else {}
    for entry in entries:
        entry["review"] = reviews.get(entry["id"], [])
        reviewed = [flag for marks in entry["review"] for flag in marks["flags"]]
        entry["flags"] = list(dict.fromkeys(entry["flags"] + reviewed))
    earlier = round_history.comparable(results.history)
    return render(
        TEMPLATE,
        **_evaluation(results, settings),
        metrics=metrics,
        figure=specialties.layout(results.performance, results.advice),
        advice=results.advice,
        warnings=results.warnings.texts,
        comparison=[_row(row) for row in results.labelled_comparison().to_dict("records")],
        retention=_retention(results.advice.get("retention")),
        paired=pairing.summary(results.advice["paired"]) if "paired" in results.advice else "",
        paired_rows=_paired(results.advice.get("paired")),
        glossary=GLOSSARY,
        lengths=length_balance(results.tables),
        cut=_cut(results.tables),
        history=round_history.table_rows(earlier) if len(earlier) > 1 else [],
        history_header=round_history.HEADER,
        review=findings(results.review.summary) if results.review else [],
        review_method=results.review.summary["method"] if results.review else "",
        estimates=estimate_rows(results.review.summary) if results.review else [],
        metrics_and_raters=metric_rows(results.review.summary) if results.review else [],
        left_out=len(base) - len(positions),
        extremes=questions.EXTREMES,
        longest=questions.LONGEST_TEXT,
        questions=entries,
        names=sorted({entry["specialty"] for entry in entries}),
        counts=sorted(Counter(flag for entry in entries for flag in entry["flags"]).items()),
        errors=(errors := [(entry, error) for entry in entries for error in entry["errors"]]),
        errors_of=Counter((error["role"], error["kind"] == "negation") for _, error in errors),
    )


def _evaluation(results: Any, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What was compared, with which settings, and the main result."""
    value_of, advice, base = settings["given"] | settings["default"], results.advice, results.tables["base"]
    size = counted(len(base), "question")
    facts = {
        "Base model": value_of["BASE_MODEL_PATH"],
        "Tuned model": value_of["FINETUNED_MODEL_PATH"],
        "Data": f"{size} of {counted(base['specialty'].nunique(), 'specialty', 'specialties')}, holdout of "
        f"{value_of['DATASET_DIR']}, iteration {advice['iteration']}",
        "Answers": f"at most {value_of['MAX_NEW_TOKENS']} tokens, temperature {value_of['TEMPERATURE']:g}, "
        f"top-p {value_of['TOP_P']:g}, seed {value_of['SEED']}",
        "Primary score": f"mean of {', '.join(advice['primary_metrics'] or ['no metric'])} per question",
        "Encoder of BERTScore": advice["bertscore_model"] or "none: BERTScore was left out",
        "Medical terms": f"{advice['lexicon']['terms']:,}, lexicon {advice['lexicon']['sha256'][:12]}",
    }
    return {
        "title": f"Base and tuned model on {counted(len(base), 'medical question')}",
        "partial": f"PARTIAL: only {size} of the holdout answered." * advice["partial"],
        "facts": facts,
        "versions": ", ".join(f"{name} {version}" for name, version in advice["versions"].items()),
        "settings": [
            (name, " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value, kind)
            for kind in ("given", "default")
            for name, value in settings[kind].items()
            if name not in HIDDEN
        ],
    }


def _retention(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """The comparison on the questions of RETENTION_FILE as text; empty without one.

    The interval decides what is better or worse, as for the endpoints that are declared beforehand.
    """
    if found is None:
        return {}
    rows = []
    for row in found["comparison"]:
        numbers = {name: math.nan if value is None else value for name, value in row.items()} | {
            "p_holm": math.nan
        }
        rows.append(_row(numbers | {"metric": retention.NAMES[row["metric"]]}))
    return {**found, "rows": rows}


def _cut(tables: Mapping[str, Any]) -> str:
    """How many answers the length limit cut, a sentence; "" without any."""
    if "finish" not in tables["base"]:
        return ""
    base, tuned = (int((tables[role]["finish"] == "length").sum()) for role in ("base", "finetuned"))
    if not base + tuned:
        return ""
    return (
        f"The length limit cut {counted(base, 'answer')} of base and {tuned:,} of tuned, of "
        f"{len(tables['base']):,} each. "
        "What a cut answer would have said later, errors included, is not counted; raise MAX_NEW_TOKENS."
    )


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the comparison as text."""
    cells = {"metric": row["metric"], "direction": row["direction"], "n": row["n"], "verdict": ""}
    if not row["n"]:
        return cells | dict.fromkeys(("base", "tuned", "change", "interval", "p", "won"), "–")
    one = row["n"] == 1
    effect = verdicts.effect(row) if round(row["difference"], 3) else "no change"
    return cells | {
        "base": shown(row["base"]),
        "tuned": shown(row["finetuned"]),
        "change": shown(row["difference"], signed=True),
        "interval": _interval(row),
        "p": verdicts.p_of(row),
        "won": f"{row['wins']} / {row['ties']} / {row['losses']}",
        "verdict": "" if one else effect,
    }


def _interval(row: Mapping[str, Any]) -> str:
    """The 95 % interval of a difference as text, or why there is none."""
    ends = (row["ci_low"], row["ci_high"])
    return verdicts.no_interval(row) or " to ".join(shown(end, signed=True) for end in ends)


def _paired(paired: Mapping[str, Any] | None) -> list[list[str]]:
    """The lines of the paired table as text."""
    return [
        [
            f"{row['metric']} {row['direction']}",
            *("–" if row[name] is None else shown(row[name]) for name in ("base", "finetuned", "other")),
            shown(row["difference"], signed=True),
            _interval(row),
            f"{row['wins']} / {row['ties']} / {row['losses']}",
            str(row["n"]),
        ]
        for row in (paired or {"metrics": []})["metrics"]
    ]
