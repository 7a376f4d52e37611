"""Assembles report.html: the settings, the tables, the figure, and the questions with both answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medqa.analysis import round_history, verdicts
from medqa.analysis.paired_scores import PRIMARY
from medqa.artifacts.atomic_io import write_text
from medqa.report.html import questions, specialties
from medqa.report.html.questions import shown
from medqa.report.html.template import render
from medqa.runtime.console import counted

TEMPLATE = Path(__file__).with_name("report.html.j2")
# Rows of the table of dose errors; all of them are listed at their questions.
MOST_ERRORS = 200
# Settings that do not describe the comparison.
NOT_TOLD = ("OUTPUT_DIR", "REVIEW")
VERDICTS = {1: "better", -1: "worse", 0: "undecided"}


def write_report(found: Any, settings: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Write the page; the same results and settings give the same bytes.

    Args:
        found: a results.Results.
        settings: `given_and_default` of its config.
        path: of the file.
    """
    write_text(path, report_html(found, settings))


def report_html(found: Any, settings: Mapping[str, Mapping[str, Any]]) -> str:
    """The page as text."""
    comparison = found.comparison.to_dict("records")
    metrics = [PRIMARY, *(row["metric"] for row in comparison if row["metric"] != PRIMARY)]
    lower = [row["metric"] for row in comparison if row["direction"] == "↓"]
    base, tuned = found.tables["base"], found.tables["finetuned"]
    places = questions.chosen((tuned[PRIMARY] - base[PRIMARY]).to_numpy(float))
    entries = questions.entries(found.tables, places, metrics, lower)
    _add_review(entries, found)
    counts: dict[str, dict[str, int]] = {}
    for entry in entries:
        for kind, role in entry["flags"]:
            own = counts.setdefault(kind, {})
            own[role] = own.get(role, 0) + 1
    errors = [(entry, error) for entry in entries for error in entry["errors"]]
    return render(
        TEMPLATE,
        **_about(found, settings),
        metrics=metrics,
        figure=specialties.layout(found.performance, found.advice),
        left_out=len(base) - len(places),
        extremes=questions.EXTREMES,
        longest=questions.LONGEST_TEXT,
        questions=entries,
        names=sorted({entry["specialty"] for entry in entries}),
        counts=counts,
        errors=errors[:MOST_ERRORS],
        more_errors=len(errors[MOST_ERRORS:]),
    )


def _add_review(entries: Sequence[dict[str, Any]], found: Any) -> None:
    """Add the reviewers' ratings to their questions."""
    said = found.review.by_question if found.review else {}
    for entry in entries:
        entry["review"] = said.get(entry["id"], [])
        for mark in entry["review"]:
            entry["flags"] += [flag for flag in mark["flags"] if flag not in entry["flags"]]


def _about(found: Any, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Everything on the page except the questions: data, settings, results, warnings."""
    given = {name: value for name, value in settings["given"].items() if name not in NOT_TOLD}
    default = {name: value for name, value in settings["default"].items() if name not in NOT_TOLD}
    config, advice = given | default, found.advice
    base = found.tables["base"]
    facts = {
        "Base model": config["BASE_MODEL_PATH"],
        "Tuned model": config["FINETUNED_MODEL_PATH"],
        "Data": f"{counted(len(base), 'question')} of "
        f"{counted(base['specialty'].nunique(), 'specialty', 'specialties')}, holdout of "
        f"{config['DATASET_DIR']}, iteration {advice['iteration']}",
        "Answers": f"at most {config['MAX_NEW_TOKENS']} tokens, temperature {config['TEMPERATURE']:g}, "
        f"top-p {config['TOP_P']:g}, seed {config['SEED']}",
        "Primary score": f"per question the mean of {', '.join(advice['primary_metrics'] or ['nothing'])}",
        "BERTScore's encoder": advice["bertscore_model"] or "none: BERTScore was left out",
        "Medical terms": f"{advice['lexicon']['terms']:,}, lexicon {advice['lexicon']['sha256'][:12]}",
    }
    return {
        "title": f"Base against tuned on {counted(len(base), 'medical question')}",
        "partial": f"PARTIAL: {counted(len(base), 'question')} of the holdout answered." * advice["partial"],
        # No line break within "95 %".
        "finding": verdicts.finding(found.comparison.iloc[0]).replace(" %", "\N{NO-BREAK SPACE}%"),
        "summary": advice["summary"],
        "holdout_use": advice["holdout_use"]["note"],
        "rounds": round_history.lines(rounds)
        if len(rounds := round_history.comparable(found.rounds)) > 1
        else [],
        "rounds_header": round_history.HEADER,
        "facts": facts,
        "versions": ", ".join(f"{name} {version}" for name, version in advice["versions"].items()),
        "settings": [(name, _told(value), True) for name, value in given.items()]
        + [(name, _told(value), False) for name, value in default.items()],
        "warnings": found.warnings.texts,
        "comparison": [_row(row) for row in found.labelled_comparison().to_dict("records")],
        "review": found.review.findings() if found.review else [],
        "review_method": found.review.summary["method"] if found.review else "",
        "low": advice["low_performance_specialties"],
        "worse": advice["regressed_specialties"],
        "increases": advice["recommended_sample_increases"],
        "reasons": advice["reasons"],
    }


def _told(value: Any) -> str:
    """A setting's value as it is typed on the command line."""
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the comparison as texts."""
    told = {"metric": row["metric"], "direction": row["direction"], "n": row["n"], "verdict": ""}
    if not row["n"]:
        return told | dict.fromkeys(("base", "tuned", "change", "interval", "p", "won"), "–")
    interval = f"{shown(row['ci_low'], signed=True)} to {shown(row['ci_high'], signed=True)}"
    one = row["n"] == 1
    return told | {
        "base": shown(row["base"]),
        "tuned": shown(row["finetuned"]),
        "change": shown(row["difference"], signed=True),
        "interval": "one question" if one else interval,
        "p": shown(row["p_holm"], 4),
        "won": f"{row['wins']} / {row['ties']} / {row['losses']}",
        "verdict": "" if one else VERDICTS[verdicts.verdict(row)],
    }
