"""report.html: what was compared, the tables, the figure, and the questions with both answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medqa import history, report
from medqa.disk import write_text
from medqa.page import questions, specialties
from medqa.page.questions import shown
from medqa.page.template import render
from medqa.statistics import PRIMARY, primary_score

TEMPLATE = Path(__file__).with_name("report.html.j2")
# Bytes of the page: in proportion to its questions, at least as for so many, and never more than the last.
BYTES_PER_QUESTION = 11_700
FEWEST = 420
MOST_BYTES = 18_000_000
# Characters after which texts are cut where the page would be too large.
CUTS = (20_000, 10_000, 7_000, 5_000, 4_000, 3_000, 2_500, 2_000, 1_750, 1_500, 1_250, 1_000, 700, 400, 200)
# Contradictions listed in one table; each stands at its question as well.
MOST_ERRORS = 200
# Settings that say where the run wrote or what was added later, not what was compared.
NOT_TOLD = ("OUTPUT_DIR", "REVIEW")
VERDICTS = {1: "better", -1: "worse", 0: "undecided"}


def write_report(found: Any, settings: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Write the page. The same results and settings give the same bytes.

    Args:
        found: a results.Results.
        settings: `manifests.settings` of its config.
        path: where the page goes.
    """
    write_text(path, report_html(found, settings))


def report_html(found: Any, settings: Mapping[str, Mapping[str, Any]]) -> str:
    """The page as text, with as much of the answers as its size allows."""
    base = found.tables["base"]
    comparison = found.comparison.to_dict("records")
    metrics = [row["metric"] for row in comparison if row["metric"] != PRIMARY]
    lower = [row["metric"] for row in comparison if row["direction"] == "↓"]
    used = found.advice["primary_metrics"] or []
    scores = {role: primary_score(table, used, lower)[0].to_numpy() for role, table in found.tables.items()}
    places = questions.chosen(scores["finetuned"] - scores["base"])
    content = _about(found, settings) | {
        "metrics": ["primary_score", *metrics],
        "figure": specialties.layout(found.performance, found.advice),
        "left_out": len(base) - len(places),
        "extremes": questions.EXTREMES,
    }
    entries = questions.entries(found.tables, places, metrics, lower, scores)
    _add_review(entries, found)
    return _fitting(content, entries, min(MOST_BYTES, BYTES_PER_QUESTION * max(FEWEST, len(places))))


def _fitting(content: Mapping[str, Any], entries: Sequence[dict[str, Any]], budget: int) -> str:
    """The page with whole texts, or cut as late as makes it no larger than `budget` bytes."""
    page = _page(content, entries, None)
    size = len(page.encode())
    if size <= budget:
        return page
    # All that is not text, and the bytes that a character takes with its marks.
    fixed = len(_page(content, entries, 0).encode())
    each = (size - fixed) / max(_characters(entries, None), 1)
    for longest in CUTS:
        if fixed + each * _characters(entries, longest) <= budget or longest == CUTS[-1]:
            page = _page(content, entries, longest)
            if len(page.encode()) <= budget:
                break
    return page


def _characters(entries: Sequence[Mapping[str, Any]], longest: int | None) -> int:
    """Characters of all texts, cut at `longest`."""
    pairs = [entry["pair"] for entry in entries]
    texts = [pair["base"]["reference"] for pair in pairs]
    texts += [row["hypothesis"] for pair in pairs for row in pair.values()]
    return sum(len(text) if longest is None else min(len(text), longest) for text in texts)


def _add_review(entries: Sequence[dict[str, Any]], found: Any) -> None:
    """Put to each question what reviewers said of it."""
    said = found.review.by_question if found.review else {}
    for entry in entries:
        entry["review"] = said.get(entry["id"], [])
        for mark in entry["review"]:
            entry["flags"] += [flag for flag in mark["flags"] if flag not in entry["flags"]]


def _page(content: Mapping[str, Any], entries: Sequence[dict[str, Any]], longest: int | None) -> str:
    """The page, with texts cut at `longest`."""
    asked = [entry | questions.texts(entry["pair"], longest) for entry in entries]
    counts: dict[str, dict[str, int]] = {}
    for entry in asked:
        for kind, whose in entry["flags"]:
            own = counts.setdefault(kind, {})
            own[whose] = own.get(whose, 0) + 1
    errors = [(entry, error) for entry in asked for error in entry["errors"]]
    return render(
        TEMPLATE,
        **content,
        questions=asked,
        names=sorted({entry["specialty"] for entry in asked}),
        counts=counts,
        errors=errors[:MOST_ERRORS],
        more_errors=len(errors) - len(errors[:MOST_ERRORS]),
        longest=longest if any(_is_cut(entry) for entry in asked) else None,
    )


def _is_cut(entry: Mapping[str, Any]) -> bool:
    """Whether a text of a question is not whole on the page."""
    return bool(entry["reference"]["rest"] or any(one["rest"] for one in entry["answers"]))


def _about(found: Any, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What was compared, on what, how, and what came of it: all of the page but the questions."""
    given = {name: value for name, value in settings["given"].items() if name not in NOT_TOLD}
    default = {name: value for name, value in settings["default"].items() if name not in NOT_TOLD}
    config, advice = given | default, found.advice
    base = found.tables["base"]
    facts = {
        "Base model": config["BASE_MODEL_PATH"],
        "Tuned model": config["FINETUNED_MODEL_PATH"],
        "Data": f"{len(base):,} questions of {base['specialty'].nunique()} specialties, holdout of "
        f"{config['DATASET_DIR']}, iteration {advice['iteration']}",
        "Answers": f"at most {config['MAX_NEW_TOKENS']} tokens, temperature {config['TEMPERATURE']:g}, "
        f"top-p {config['TOP_P']:g}, seed {config['SEED']}",
        "Primary score": f"per question the mean of {', '.join(advice['primary_metrics'] or ['nothing'])}",
        "BERTScore's encoder": advice["bertscore_model"] or "none: BERTScore was left out",
        "Medical terms": f"{advice['lexicon']['terms']:,}, lexicon {advice['lexicon']['sha256'][:12]}",
    }
    return {
        "title": f"Base against tuned on {len(base):,} medical questions",
        "partial": f"PARTIAL: only {len(base):,} questions of the holdout were answered." * advice["partial"],
        # "95 %" stays on one line.
        "finding": report.finding(found.comparison.iloc[0]).replace(" %", "\N{NO-BREAK SPACE}%"),
        "summary": advice["summary"],
        "holdout_use": advice["holdout_use"]["note"],
        "rounds": history.lines(rounds) if len(rounds := history.comparable(found.rounds)) > 1 else [],
        "rounds_header": history.HEADER,
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
    """A setting's value as it is typed."""
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
        "verdict": "" if one else VERDICTS[report.verdict(row)],
    }
