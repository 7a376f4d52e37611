"""From marks on the sheet to estimates for the whole holdout: two raters with known biases, and the truth."""

import json
from dataclasses import replace

import numpy as np
import pytest
from browser import browse, in_chromium
from evaluations import config, evaluation, published

import evaluation as evaluation_script
from medqa.report.review.estimate_tables import estimate_rows, metric_rows, tracking_note
from medqa.report.review.estimates import estimates, metrics_and_raters, rater_agreement, value_of
from medqa.report.review.ratings import Rating
from medqa.report.review.sheet import make_key

QUESTIONS = 160
# What each rater prefers: the longer answer with a tendency to tuned, or the answer with more "stop".
RATERS = ("anna", "ben")


def holdout():
    """An evaluation whose answers differ in length and words; the scores follow the length."""
    found = evaluation(QUESTIONS, 4)
    random = np.random.default_rng(11)
    for role, table in found.tables.items():
        words = random.integers(3, 14, QUESTIONS) + (role == "finetuned")
        table["hypothesis"] = [" ".join(random.choice(["stop", "go"], n)) + f" {role[0]}." for n in words]
        table["ROUGE-L"] = words / 20 + 0.1 * random.standard_normal(QUESTIONS)
        table["primary_score"] = table["ROUGE-L"]
    same = found.tables["base"]["hypothesis"].tolist()
    found.tables["finetuned"].loc[:9, "hypothesis"] = same[:10]  # ten questions with equal answers
    return found


def choice(rater: str, base: str, tuned: str) -> str:
    """The answer that a rater prefers."""
    length = {"base": len(base.split()), "finetuned": len(tuned.split())}
    stops = {"base": base.count("stop"), "finetuned": tuned.count("stop")}
    gain = length["finetuned"] - length["base"] if rater == "anna" else stops["finetuned"] - stops["base"] - 1
    return "finetuned" if gain > 0 else "base" if gain < 0 else "equal"


def is_harmful(rater: str, text: str) -> bool:
    """Anna: short answers; Ben: answers without a stop."""
    return len(text.split()) < 6 if rater == "anna" else text.count("stop") < 2


def mark(rater: str, id: str, base: str, tuned: str, sheet: str) -> Rating:
    harmful = {"base": is_harmful(rater, base), "finetuned": is_harmful(rater, tuned)}
    degree = {role: "severe" if mark else "none" for role, mark in harmful.items()}
    shown = {"base": base, "finetuned": tuned, "question": "?", "specialty": "s"}
    return Rating(rater, id, choice(rater, base, tuned), harmful, degree, "", "A", shown, sheet)


def truth(found, outcome: str) -> float:
    """Mean over all questions and both raters; equal answers are equally good."""
    pairs = zip(found.tables["base"]["hypothesis"], found.tables["finetuned"]["hypothesis"], strict=True)
    values = [
        value_of(mark(rater, "", *pair, ""), outcome) if pair[0] != pair[1] else 0
        for pair in pairs
        for rater in RATERS
    ]
    return float(np.mean(values)) / 2 + 0.5 if outcome == "preference" else float(np.mean(values))


def reviewed(found, seed: int, size: int = 60) -> tuple[list[Rating], dict]:
    """Ratings of the sample by both raters, and the keys."""
    key = make_key(found.tables, seed, size)
    base, tuned = (table.set_index("id")["hypothesis"] for table in found.tables.values())
    ids = [entry["id"] for entry in key["questions"].values()]
    shown = {
        name: {"base": base[one["id"]], "finetuned": tuned[one["id"]]}
        for name, one in key["questions"].items()
    }
    ratings = [mark(rater, id, base[id], tuned[id], key["sheet"]) for rater in RATERS for id in ids[:size]]
    return ratings, {key["sheet"]: key | {"shown": shown}}


def test_estimates_contain_the_truth_of_two_biased_raters() -> None:
    found = holdout()
    inside, narrower = [], []
    for seed in range(8):
        ratings, keys = reviewed(found, seed)
        result = estimates(ratings, found.tables, keys)
        assert (result["questions"], result["alike"], result["rated"], result["left_out"]) == (
            QUESTIONS,
            10,
            60,
            0,
        )
        for outcome in ("preference", "harm", "severity"):
            one = result["outcomes"][outcome]
            inside.append(one["ci_low"] <= truth(found, outcome) <= one["ci_high"])
            narrower.append(
                (one["ci_high"] - one["ci_low"]) / (one["plain"]["ci_high"] - one["plain"]["ci_low"])
            )
        assert result["outcomes"]["correctness"] is None  # not marked
    assert np.mean(inside) > 0.85
    assert max(narrower) < 1.0001 and np.mean(narrower) < 0.95  # length predicts the raters


def test_chosen_questions_are_no_sample() -> None:
    found = holdout()
    ratings, keys = reviewed(found, 1, 100)
    chosen = [rating for rating in ratings if rating.id in {one.id for one in ratings[40:90]}]
    result = estimates(chosen, found.tables, keys)
    assert result["rated"] == 0 and result["left_out"] == 50 and set(result["outcomes"].values()) == {None}
    gaps = [rating for place, rating in enumerate(ratings[:100]) if place % 20 != 7]  # 5 % not rated
    assert estimates(gaps, found.tables, keys)["rated"] == 95


def test_a_sheet_of_other_answers_gives_no_estimate_and_an_old_one_does() -> None:
    found = holdout()
    ratings, keys = reviewed(found, 1)
    [key] = keys.values()
    old = {name: value for name, value in key.items() if name not in ("strata", "sample")}
    result = estimates(ratings, found.tables, {key["sheet"]: old})
    assert result["outcomes"]["preference"]["n"] == 60
    found.tables["base"].loc[20, "hypothesis"] = "Another answer."
    assert estimates(ratings, found.tables, keys) is None


def test_agreement_by_kind_of_mark() -> None:
    base = mark("anna", "q0", "go " * 9, "stop " * 3, "s")
    ratings = []
    for number in range(20):
        agree = number % 4 > 0
        for rater in RATERS:
            other = rater == "ben" and not agree
            ratings.append(
                replace(
                    base, reviewer=rater, id=f"q{number}", preferred="base" if other else "finetuned",
                    correct={"base": "yes", "finetuned": "no" if other else "yes"},
                    omission={"base": "minor", "finetuned": "none"}, wrong={"base": (0,) if other else (1,)},
                )
            )  # fmt: skip
    found = rater_agreement(ratings, {(f"q{number}", "base"): 2 for number in range(20)})
    assert found["preference"]["units"] == 20 and found["wrong sentences"]["units"] == 40
    assert found["omission"] == {"alpha": 1.0, "units": 40, "level": "ordinal"}
    assert found["preference"]["alpha"] < 0.1 < found["wrong sentences"]["alpha"] < 0.6
    assert rater_agreement(ratings[:1], {})["harm"]["alpha"] is None
    json.dumps(found, allow_nan=False)


def test_a_primary_score_that_does_not_follow_the_raters_is_named() -> None:
    found = holdout()
    ratings, _ = reviewed(found, 3)
    lower = {"primary_score": False, "answer_loss": True}
    summary = {"metrics": metrics_and_raters(ratings, found.tables, lower)}
    assert summary["metrics"]["primary_score"]["tau_low"] > 0 and tracking_note(summary) == ""
    assert [row["name"] for row in metric_rows(summary)] == list(lower)
    random = np.random.default_rng(5)
    for table in found.tables.values():
        table["primary_score"] = random.random(QUESTIONS)
    summary = {"metrics": metrics_and_raters(ratings, found.tables, lower)}
    assert tracking_note(summary).startswith("The primary score does not detectably follow these reviewers'")
    for table, share in zip(found.tables.values(), (0.2, 0.8), strict=True):
        table["judge_uncalibrated"] = share + 0.1 * random.random(QUESTIONS)  # of a local judge
    judged = metrics_and_raters(ratings, found.tables, lower)["judge_uncalibrated"]
    assert judged["n"] == 60 and judged["tau_low"] < judged["tau"] < judged["tau_high"]
    flipped = {
        "metrics": {
            "primary_score": summary["metrics"]["primary_score"] | {"tau_low": -0.9, "tau_high": -0.1}
        }
    }
    assert "contradicts" in tracking_note(flipped)
    assert tracking_note({"metrics": {}}) == "" and estimate_rows({}) == metric_rows({}) == []


MARK = """
const send = (input) => input.dispatchEvent(new Event("input", {bubbles: true}));
const choose = (name, value) => {
  const box = [...document.getElementsByName(name)].find((one) => one.value === value);
  box.checked = true; send(box);
};
const words = (text) => text.split(/\\s+/).length, stops = (text) => text.split("stop").length - 1;
const items = [...document.querySelectorAll(".item")];
for (const item of items.slice(0, Number(document.body.dataset.sample))) {
  const [A, B] = [...item.querySelectorAll(".pair .text")].map((one) => one.textContent.trim());
  const tuned = A.endsWith("f.") ? A : B, base = A.endsWith("f.") ? B : A; // the texts name their model
  const gain = RATER === "anna" ? words(tuned) - words(base) : stops(tuned) - stops(base) - 1;
  choose(`${item.id}-choice`, gain === 0 ? "equal" : (gain > 0) === (tuned === A) ? "A" : "B");
  for (const [side, text] of [["A", A], ["B", B]]) {
    const harmful = RATER === "anna" ? words(text) < 6 : stops(text) < 2;
    choose(`${item.id}-harm_${side}`, harmful ? "severe" : "none");
    choose(`${item.id}-correct_${side}`, stops(text) > 2 ? "yes" : "partly");
    choose(`${item.id}-omission_${side}`, words(text) > 8 ? "none" : "important");
    if (document.getElementsByName(`${item.id}-wrong_${side}`).length) {
      choose(`${item.id}-wrong_${side}`, "0");
      if (RATER === "ben") choose(`${item.id}-wrong_${side}`, "none"); // which unchecks the sentence
    }
  }
}
one = document.getElementById("reviewer"); one.value = RATER; send(one);
let saved = null;
URL.createObjectURL = (blob) => { saved = blob; return "#"; };
HTMLAnchorElement.prototype.click = function () {};
document.getElementById("save").click();
return {file: await saved.text(), progress: document.getElementById("progress").textContent};
"""


@in_chromium
def test_two_raters_in_the_browser_give_an_estimate_of_the_whole_holdout(tmp_path) -> None:
    found = holdout()
    folder = published(tmp_path / "results", found, REVIEW_SAMPLE=60)
    files = []
    for rater in RATERS:
        script = f'const RATER = "{rater}"; let one;' + MARK
        told, _ = browse(folder / "review_sheet.html", script)
        assert told["progress"] == "60 of 60 rated"
        files.append(tmp_path / f"{rater}.json")
        files[-1].write_text(told["file"], encoding="utf-8")
    results = evaluation_script.use_finished(config(folder, REVIEW=tuple(map(str, files)), REVIEW_SAMPLE=60))
    summary = json.loads((folder / "review_results.json").read_text(encoding="utf-8"))
    for outcome in ("preference", "harm", "severity", "correctness", "completeness"):
        one = summary["estimates"]["outcomes"][outcome]
        assert one["n"] == 60 and one["ci_low"] < one["value"] < one["ci_high"]
        if outcome in ("preference", "harm", "severity"):
            assert one["ci_low"] <= truth(found, outcome) <= one["ci_high"], outcome
    assert summary["alpha"]["wrong sentences"]["units"] == 2 * 12  # one sentence an answer
    assert summary["wrong_sentences"] == dict.fromkeys(("base", "finetuned"), {"count": 12, "n": 24})
    assert summary["alpha"]["wrong sentences"]["alpha"] == pytest.approx(-0.9583, abs=1e-3)
    verdict = results["verdict"]
    text = [finding["text"] for finding in verdict["findings"] if finding["endpoint"] == "clinicians_harm"][0]
    assert "estimated for all 160 questions from 60 rated" in text
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "the verdict uses the estimates for all questions, which are about this holdout" in page
    assert "Estimates for all questions" in page and "win rate of tuned" in page and "Kendall" in page
    rows = (folder / "review_results.csv").read_text(encoding="utf-8-sig")
    assert "omission_finetuned" in rows.splitlines()[0]
