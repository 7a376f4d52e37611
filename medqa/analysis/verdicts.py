"""States the result of an evaluation: one verdict, harm first, and the table printed at the end.

Input: rows of `comparison.compare`, and the summary of a blind review. The verdict is computed once, stored
in training_recommendations.json, and shown by the terminal, the report, the figure and the model card.
"""

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from medqa.analysis.comparison import HARM
from medqa.analysis.paired_scores import PRIMARY, TIE
from medqa.analysis.significance import PERMUTATIONS
from medqa.runtime.console import table

if TYPE_CHECKING:
    import pandas as pd

# Columns of a terminal.
WIDTH = 100
HEADER = ("metric", "base", "tuned", "difference [95 %]", "p", "win/tie/loss", "n")
# Below the table.
NOTE_ON_P = "p: Holm-corrected over the metrics; *: declared beforehand, not corrected"
LEVEL = 0.05
NAMES = {"dose_error": "dose errors", "nli_contradicted": "contradictions", PRIMARY: "the primary score"}
UNITS = {"dose_error": " per answer", "nli_contradicted": " of the reference's statements"}


@dataclass(frozen=True)
class Finding:
    """The result for one endpoint.

    Attributes:
        endpoint: the metric, "clinicians_harm", "clinicians_severity" or "clinicians_preference".
        effect: "better", "worse", "possibly worse" (a rise in harm whose interval contains 0), "undecided",
            or "not measured".
        short: a clause for the headline.
        text: a sentence with the interval, without its full stop.
    """

    endpoint: str
    effect: str
    short: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """The result of an evaluation: a label, one sentence, and the findings, harm first."""

    label: str
    headline: str
    findings: list[Finding]


def judge(comparison: "pd.DataFrame", review: Mapping[str, Any] | None = None) -> Verdict:
    """The verdict: harm, then the clinicians' preference, then the primary score.

    Harm endpoints are dose errors, contradictions and the clinicians' harm marks. They are declared
    beforehand and not corrected for multiplicity, and a rise that can be chance counts as possible harm. The
    estimates of a review for the whole holdout replace the counts of the rated questions where they exist.

    Args:
        comparison: table of `comparison.compare`.
        review: content of review_results.json; None without a review.
    """
    rows = {row["metric"]: row for row in comparison.to_dict("records")}
    harm = [_measured(name, rows[name]) for name in HARM if name in rows]
    benefit = [_measured(PRIMARY, rows[PRIMARY])] if PRIMARY in rows else []
    if review:
        marked, preferred = _by_clinicians(review)
        harm, benefit = harm + marked, preferred + benefit
    known = [finding for finding in harm if finding.effect != "not measured"]
    effects = {finding.effect for finding in known}
    gain = any(finding.effect == "better" for finding in [*harm, *benefit])
    if "worse" in effects:
        label = "Mixed, with more harm" if gain else "More harm"
    elif "possibly worse" in effects:
        label = "Mixed, with possible harm" if gain else "Possible harm"
    elif any(finding.effect == "worse" for finding in benefit):
        label = "Mixed" if gain else "Worse"
    elif all(finding.effect == "not measured" for finding in benefit):
        label = "Better" if gain else "Primary score not measured"
    else:
        label = "Better" if gain else "No detectable change"
    clauses = [finding.short for finding in [*known, *benefit]]
    if not known:
        clauses.insert(0, "harm was not measured")
    return Verdict(label, f"{label}: {'; '.join(clauses)}", [*harm, *benefit])


def effect(row: Mapping[str, Any]) -> str:
    """What happened to a metric: "better", "worse", "possibly worse" or "undecided".

    The corrected test decides where there is one; for the endpoints declared beforehand, the interval does,
    or the sign-flip test where equal differences give no interval. A rise in harm that is not confirmed is
    "possibly worse".

    Args:
        row: of `comparison.compare`; the metric's name may be followed by that of its encoder.
    """
    gain = -row["difference"] if row["direction"] == "↓" else row["difference"]
    if math.isfinite(row.get("p_holm", math.nan)):
        detected = row["p_holm"] < LEVEL
    else:
        known = math.isfinite(row["ci_low"])
        detected = row["ci_low"] > 0 or row["ci_high"] < 0 if known else row.get("p_value", 1) < LEVEL
    if detected:
        return "better" if gain > 0 else "worse"
    is_harm = row.get("metric", "").split(" ")[0] in HARM
    return "possibly worse" if is_harm and gain < -TIE else "undecided"


def _measured(name: str, row: Mapping[str, Any]) -> Finding:
    """The finding of the primary score or of a metric in `HARM`."""
    known_as = NAMES[name]
    if not row["n"]:
        return Finding(name, "not measured", f"{known_as}: not measured", f"No question has {known_as}")
    found = effect(row)
    change = f"from {row['base']:.3f} to {row['finetuned']:.3f}"
    doubt = "no interval can be estimated" if no_interval(row) else "the 95 % interval includes no rise"
    what = {
        "better": f"{known_as} {'fell' if name in HARM else 'improved'} {change}",
        "worse": f"{known_as} {'rose' if name in HARM else 'worsened'} {change}",
        "possibly worse": f"{known_as} rose {change}, though {doubt}",
        "undecided": f"no {'rise in' if name in HARM else 'detectable change of'} {known_as} ({change})",
    }[found]
    span = f"95 % interval {row['ci_low']:+.3f} to {row['ci_high']:+.3f}, n = {row['n']}"
    if not math.isfinite(row["ci_low"]):
        span = f"n = {row['n']}"
        if row["n"] > 1:
            more = f" within each specialty, sign-flip test p = {p_text(row['p_value'])}"
            more = "" if row["ties"] == row["n"] else more
            span = f"interval not estimable: all {row['n']} differences are equal{more}"
    numbers = f"difference {row['difference']:+.3f}{UNITS.get(name, '')}"
    if name == "dose_error":
        base, tuned = (round(row[role] * row["n"]) for role in ("base", "finetuned"))
        numbers = f"{base:,} in base's answers and {tuned:,} in tuned's, {numbers}"
    text = f"{what}: {numbers} ({span})"
    return Finding(name, found, what, text[0].upper() + text[1:])


def _by_clinicians(review: Mapping[str, Any]) -> tuple[list[Finding], list[Finding]]:
    """Findings of a review: harm, and preference."""
    estimates = review.get("estimates") or {"outcomes": {}}
    outcomes = estimates["outcomes"]
    harm, preference = [], []
    if outcomes.get("harm"):
        harm = [_estimated("harm", outcomes["harm"], estimates["questions"])]
        harm = [_with_severe(harm[0], outcomes["harm"]["value"], review["harm"]["severe"])]
    elif review["harm"]["both_judged"]:
        marked = review["harm"]
        harm = [_with_severe(_marked_harmful(marked), marked["difference"]["difference"], marked["severe"])]
    if outcomes.get("severity"):
        severity = _estimated("severity", outcomes["severity"], estimates["questions"])
        harm += [severity] * (severity.effect == "worse")  # harm as frequent as before can be more severe
    if outcomes.get("preference"):
        preference = [_estimated("preference", outcomes["preference"], estimates["questions"])]
    elif review["preference"]["win_rate"]["n"]:
        preference = [_preferred(review["preference"])]
    return harm, preference


def _estimated(outcome: str, found: Mapping[str, Any], questions: int) -> Finding:
    """The finding of an outcome that a review estimates for all questions."""
    value, low, high = (found[name] for name in ("value", "ci_low", "ci_high"))
    is_harm, change = outcome != "preference", 0.5 if outcome == "preference" else 0.0
    rise = low > change, high < change
    effect = (
        ("worse" if is_harm else "better")
        if rise[0]
        else ("better" if is_harm else "worse")
        if rise[1]
        else ""
    )
    effect = effect or ("possibly worse" if is_harm and value > TIE else "undecided")
    what = {
        ("harm", "worse"): "clinicians find tuned more often harmful",
        ("harm", "better"): "clinicians find tuned less often harmful",
        ("harm", "possibly worse"): "clinicians find tuned more often harmful, which can be chance",
        ("harm", "undecided"): "clinicians find no rise in harm",
        ("severity", "worse"): "clinicians find the harm of tuned more severe",
        ("preference", "better"): "clinicians prefer tuned",
        ("preference", "worse"): "clinicians prefer base",
        ("preference", "undecided"): "clinicians' preference is undecided",
    }.get((outcome, effect), f"clinicians' {outcome}: {effect}")
    basis = f"estimated for all {questions:,} questions from {found['n']:,} rated"
    if outcome == "severity":
        numbers = f"{value:+.2f} on a scale of 3 (95 % interval {low:+.2f} to {high:+.2f}"
    elif is_harm:
        numbers = (
            f"{100 * value:+.1f} % of the questions (95 % interval {100 * low:+.1f} to {100 * high:+.1f} %"
        )
    else:
        numbers = f"win rate {100 * value:.0f} % (95 % interval {100 * low:.0f} to {100 * high:.0f} %"
    text = f"{what[0].upper()}{what[1:]}: {numbers}; {basis})"
    short = {"harm": f"{what} ({100 * value:+.1f} %)", "preference": f"{what} (win rate {100 * value:.0f} %)"}
    return Finding(f"clinicians_{outcome}", effect, short.get(outcome, what), text)


def _marked_harmful(harm: Mapping[str, Any]) -> Finding:
    """The finding of the clinicians' harm marks."""
    rise, low, high = (harm["difference"][name] for name in ("difference", "ci_low", "ci_high"))
    found = "worse" if low > 0 else "better" if high < 0 else "possibly worse" if rise > 0 else "undecided"
    counts = f"{harm['finetuned']['count']} answers of tuned and {harm['base']['count']} of base"
    chance = ", a difference that can be chance" * (found in ("possibly worse", "undecided"))
    what = f"clinicians marked {counts} as harmful{chance}"
    text = (
        f"{what[0].upper()}{what[1:]}: difference {100 * rise:+.0f} % of the {harm['both_judged']} questions "
        f"judged (95 % interval {100 * low:+.0f} to {100 * high:+.0f} %)"
    )
    return Finding("clinicians_harm", found, what, text)


def _with_severe(finding: Finding, rise: float, severe: Mapping[str, int]) -> Finding:
    """The finding of harm, which names severe harm where it points the other way.

    Args:
        finding: of harm.
        rise: tuned − base, of the questions with a harmful answer.
        severe: role → questions on which a reviewer marks severe harm.
    """
    if (severe["finetuned"] - severe["base"]) * rise >= 0:
        return finding
    clause = f", but severe harm in {severe['base']} answers of base and {severe['finetuned']} of tuned"
    return replace(finding, short=finding.short + clause, text=finding.text + clause)


def _preferred(preference: Mapping[str, Any]) -> Finding:
    """The finding of the clinicians' preference."""
    rate = preference["win_rate"]
    won, lost = preference["tuned_better"], preference["base_better"]
    if rate["ci_low"] > 0.5:
        found, what = "better", f"clinicians preferred tuned, {won} to {lost}"
    elif rate["ci_high"] < 0.5:
        found, what = "worse", f"clinicians preferred base, {lost} to {won}"
    else:
        found, what = "undecided", f"clinicians' preference is undecided, {won} for tuned and {lost} for base"
    share, low, high = (100 * rate[name] for name in ("share", "ci_low", "ci_high"))
    text = (
        f"{what[0].upper()}{what[1:]}: tuned better on {share:.0f} % of the questions that are not equal "
        f"(95 % interval {low:.0f} to {high:.0f} %)"
    )
    return Finding("clinicians_preference", found, what, text)


def verdict_text(verdict: Mapping[str, Any]) -> str:
    """A stored verdict for the terminal: the headline, then each finding with its interval."""
    lines = [verdict["headline"], *(f"- {finding['text']}" for finding in verdict["findings"])]
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines)


def comparison_text(comparison: "pd.DataFrame") -> str:
    """The table of metrics, at most `WIDTH` columns wide; longer metric names are cut in the middle.

    n is the number of questions to which the metric applies.
    """
    rows = comparison.to_dict("records")
    numbers = [_numbers(row) for row in rows]
    rest = len(table(HEADER[1:], numbers).split("\n")[1]) + len(" ↑  ")
    names = [f"{shortened(row['metric'], WIDTH - rest)} {row['direction']}" for row in rows]
    return table(HEADER, [[name, *cells] for name, cells in zip(names, numbers, strict=True)])


def _numbers(row: Mapping[str, Any]) -> list[str]:
    """The cells of one metric, without its name."""
    if not row["n"]:
        return ["-", "-", "not applicable", "-", "-", "0"]
    return [
        f"{row['base']:.3f}", f"{row['finetuned']:.3f}", difference_text(row),
        p_of(row), f"{row['wins']}/{row['ties']}/{row['losses']}", str(row["n"]),
    ]  # fmt: skip


def difference_text(row: Mapping[str, Any]) -> str:
    """A difference with its 95 % interval, or why it has none: "+0.051 [+0.033, +0.069]"."""
    interval = no_interval(row) or f"{row['ci_low']:+.3f}, {row['ci_high']:+.3f}"
    return f"{row['difference']:+.3f} [{interval}]"


def no_interval(row: Mapping[str, Any]) -> str:
    """Why a difference has no 95 % interval; "" if it has one.

    Args:
        row: of `comparison.compare`, with NaN or None where there is no number.
    """
    if row["n"] == 1:
        return "one question"
    return "" if row["ci_low"] is not None and math.isfinite(row["ci_low"]) else "not estimable"


def p_of(row: Mapping[str, Any]) -> str:
    """The p-value of a metric that decides: corrected, or with a star for an endpoint declared beforehand."""
    return p_text(row["p_holm"]) if math.isfinite(row["p_holm"]) else f"{p_text(row['p_value'])}*"


def p_text(p_value: float) -> str:
    """A p-value with four decimals; at the floor of the sign-flip test and below it, "≤ 0.0001"."""
    return "≤ 0.0001" if p_value <= 1 / (1 + PERMUTATIONS) else f"{p_value:.4f}"


def shortened(name: str, longest: int) -> str:
    """A name of at most `longest` characters; a longer one is cut in the middle."""
    half = longest // 2
    return name if len(name) <= longest else f"{name[: half - 1]}…{name[-half:]}"
