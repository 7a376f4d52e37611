"""Blind review: the sheet does not tell who wrote what, marks come back whole, and the arithmetic is right."""

import hashlib
import html
import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from browser import browse, in_chromium
from conftest import run_script
from evaluations import config, evaluation, published

import evaluation as evaluation_script
from medqa.artifacts import atomic_io, run_manifest
from medqa.artifacts.csv_io import read_table
from medqa.report.review.ratings import Rating, read_ratings
from medqa.report.review.sheet import make_key, precision, read_keys
from medqa.report.review.summary import cohen_kappa, findings, proportion, sign_test, summarize
from medqa.runtime.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """A published evaluation."""
    return published(tmp_path / "results", evaluation())


def key_of(folder) -> dict:
    return json.loads((folder / "review_key.json").read_text(encoding="utf-8"))


def review_file(path, key, marks, reviewer="anna", **more) -> str:
    """A review file as the sheet saves it; `marks` are (preferred role, harmful roles, note) by question id."""
    ratings = {}
    for name, place in key["questions"].items():
        if place["id"] in marks:
            preferred, harmful, note = marks[place["id"]]
            side = {place["A"]: "A", place["B"]: "B"}.get(preferred, preferred)
            ratings[name] = {"choice": side, "harmful_A": place["A"] in harmful, "harmful_B": place["B"] in harmful, "note": note}  # fmt: skip
    content = {"kind": "medical answer review", "version": 1, "sheet": key["sheet"], "reviewer": reviewer, "ratings": ratings}  # fmt: skip
    path.write_text(json.dumps(content | more), encoding="utf-8")
    return str(path)


# ---- blinding -------------------------------------------------------------------------------------------------


def test_the_sheet_names_no_model_no_id_and_no_score(folder):
    page = (folder / "review_sheet.html").read_text(encoding="utf-8")
    outside = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.S)
    for told in (
        "finetuned",
        "tuned",
        "base",
        "meerkat",
        "ROUGE",
        "results",
        *(f'"id{n}"' for n in range(12)),
    ):
        assert told not in outside, told
    assert not re.search(r"\b(base|tuned|finetuned)\b", page)


def test_sides_and_order_follow_no_rule_that_the_sheet_gives_away():
    key = make_key(evaluation(400, 42).tables, 42, 60)
    places = list(key["questions"].values())
    first = [place["A"] == "finetuned" for place in places]
    assert 160 < sum(first) < 240
    assert 160 < sum(one == other for one, other in zip(first, first[1:], strict=False)) < 240
    names = list(key["questions"])
    assert names == sorted(names)  # so the order holds nothing that the names do not
    numbers = [int(place["id"][2:]) for place in places]
    assert abs(np.corrcoef(numbers, range(len(numbers)))[0, 1]) < 0.2
    for digit in range(16):  # nor does any letter of a name tell the side
        high = np.array([int(name[digit], 16) > 7 for name in names])
        assert abs(np.corrcoef(high, first)[0, 1]) < 0.25


def test_who_lacks_the_roles_cannot_make_the_key():
    """The digest needs each answer under its model: with the two swapped, names and sheet are others."""
    tables = evaluation().tables
    key = make_key(tables, 42, 60)
    swapped = make_key({"base": tables["finetuned"], "finetuned": tables["base"]}, 42, 60)
    assert key["sheet"] != swapped["sheet"] and not set(key["questions"]) & set(swapped["questions"])
    public = [
        hashlib.sha256(text.encode()).hexdigest()[:16] for n in range(12) for text in (f"id{n}", f"42id{n}")
    ]
    assert not set(public) & set(key["questions"])


def test_another_seed_deals_anew_and_the_same_gives_the_same(tmp_path):
    tables = evaluation().tables
    assert make_key(tables, 1, 60) == make_key(tables, 1, 60)
    sheets = {make_key(tables, seed, size)["sheet"] for seed, size in ((1, 60), (2, 60), (1, 5))}
    assert len(sheets) == 3
    sheets = [(published(tmp_path / name, evaluation()) / "review_sheet.html").read_bytes() for name in "ab"]
    assert sheets[0] == sheets[1]


def test_equal_answers_are_left_out_and_a_large_holdout_is_sampled():
    found = evaluation()
    found.tables["base"].loc[4, "hypothesis"] = found.tables["finetuned"].loc[4, "hypothesis"] + " "
    key = make_key(found.tables, 0, 60)
    assert key["alike"] == 1 and "id4" not in {place["id"] for place in key["questions"].values()}
    key = make_key(evaluation(900, 3).tables, 0, 60)
    assert len(key["questions"]) == 500 and key["more"] == 400


def test_the_key_records_the_sample_and_its_probabilities():
    key = make_key(evaluation(200, 3).tables, 0, 60)
    entries = list(key["questions"].values())
    assert key["sample"] == 60 and len(entries) == len(key["strata"]) == 200
    by_stratum = {stratum: [] for stratum in key["strata"].values()}
    for place, entry in enumerate(entries):
        by_stratum[key["strata"][entry["id"]]].append((place < 60, entry["probability"]))
    assert len(by_stratum) == 4
    for own in by_stratum.values():
        assert {probability for _, probability in own} == {round(np.mean([inside for inside, _ in own]), 6)}
    assert [place for place, entry in enumerate(entries) if entry["by_sentence"]] == list(range(0, 60, 5))


def test_each_side_shows_the_answer_that_the_key_says(folder):
    page = (folder / "review_sheet.html").read_text(encoding="utf-8")
    tables = {role: table.set_index("id") for role, table in evaluation().tables.items()}
    for name, place in key_of(folder)["questions"].items():
        item = re.search(f'<article class="item" id="{name}".*?</article>', page, re.S)[0]
        for side in "AB":
            text = re.search(rf'Answer {side}</h3><p class="text">(.*?)</p>', item, re.S)[1]
            answer = tables[place[side]].at[place["id"], "hypothesis"]
            assert text.startswith(answer[:20]) if answer else text == "<em>empty answer</em>"


# ---- arithmetic -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "n"), [(0, 10), (10, 10), (7, 10), (1, 400), (3, 3)])
def test_the_interval_of_a_share_is_that_of_clopper_and_pearson(count, n):
    found = proportion(count, n)

    def tail(p, ks):
        return math.fsum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in ks)

    if count:
        assert tail(found["ci_low"], range(count, n + 1)) == pytest.approx(0.025, abs=1e-6)
    else:
        assert found["ci_low"] == 0
    if count < n:
        assert tail(found["ci_high"], range(count + 1)) == pytest.approx(0.025, abs=1e-6)
    else:
        assert found["ci_high"] == 1


def test_the_sign_test_counts_all_ways_that_are_no_likelier():
    for count, n in ((9, 10), (5, 10), (0, 3)):
        ways = [math.comb(n, k) for k in range(n + 1)]
        assert sign_test(count, n) == pytest.approx(sum(way for way in ways if way <= ways[count]) / 2**n)
    assert sign_test(0, 0) is None and proportion(0, 0)["share"] is None


def test_kappa_is_that_of_a_worked_example():
    # 20 both yes, 5 and 10 apart, 15 both no: p_o = 0.7, p_e = 0.5 (Cohen 1960)
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohen_kappa(pairs) == pytest.approx(0.4)
    assert cohen_kappa([("y", "y"), ("n", "n")]) == 1
    assert cohen_kappa([("y", "n"), ("n", "y")]) == -1
    assert cohen_kappa([("y", "y")]) is None and cohen_kappa([]) is None


def rating(reviewer, id, preferred="", base=None, tuned=None, side="A") -> Rating:
    harmful = {"base": base, "finetuned": tuned}
    degree = {role: {True: "unspecified", False: "none", None: ""}[mark] for role, mark in harmful.items()}
    shown = {"base": "Give aspirin.", "finetuned": "Give aspirin 100 mg."}
    return Rating(reviewer, id, preferred, harmful, degree, "", side if preferred else "", shown)


def test_judging_one_reviewer():
    ratings = [rating("a", f"q{n}", "finetuned", base=n < 3, tuned=n == 4) for n in range(6)]
    ratings += [
        rating("a", "q6", "base", True, True),
        rating("a", "q7", "equal"),
        rating("a", "q8", "", False),
    ]
    found = summarize(ratings)
    assert found["questions"] == 9 and found["reviewers"] == 1
    preference = found["preference"]
    assert (preference["tuned_better"], preference["equal"], preference["base_better"]) == (6, 1, 1)
    assert preference["rated"] == 8 and preference["win_rate"]["share"] == pytest.approx(6 / 7)
    assert preference["p_value"] == pytest.approx(2 * 8 / 2**7)
    harm = found["harm"]
    assert (harm["base"]["count"], harm["base"]["n"]) == (4, 8)
    assert (harm["finetuned"]["count"], harm["finetuned"]["n"]) == (2, 7)
    assert (harm["only_base"], harm["only_finetuned"], harm["both_judged"]) == (3, 1, 7)
    assert harm["p_value"] == pytest.approx(10 / 16)  # 3 against 1
    assert found["agreement"]["preference"] == {"kappa": None, "pairs_with_kappa": 0, "n": 0, "agreed": None, "pairs": []}  # fmt: skip


def test_several_reviewers_of_a_question_count_as_one_question():
    ratings = [rating(name, "q0", "finetuned", False, False) for name in "abc"]
    ratings += [rating("a", "q1", "finetuned", False, False), rating("b", "q1", "base", True, False)]
    ratings += [rating("a", "q2", "base"), rating("b", "q2", "base"), rating("c", "q2", "finetuned")]
    found = summarize(ratings)
    preference = found["preference"]
    assert (preference["tuned_better"], preference["equal"], preference["base_better"]) == (1, 1, 1)
    assert (found["harm"]["base"]["count"], found["harm"]["base"]["n"]) == (1, 2)
    # Pairs ab: q0 q1 q2, ac and bc: q0 q2
    agreement = found["agreement"]["preference"]
    assert [pair["n"] for pair in agreement["pairs"]] == [3, 2, 2] and agreement["n"] == 7
    kappas = [cohen_kappa([("t", "t"), ("t", "b"), ("b", "b")]), cohen_kappa([("t", "t"), ("b", "t")])]
    assert agreement["kappa"] == pytest.approx((kappas[0] + 2 * kappas[1]) / 3)
    assert (
        set(found["by_reviewer"]) == set("abc")
        and found["by_reviewer"]["b"]["preference"]["base_better"] == 2
    )
    json.dumps(found, allow_nan=False)
    assert found["agreement"]["harm"]["pairs"]


def test_no_question_where_only_one_is_harmful_is_no_evidence():
    found = summarize([rating("a", "q0", "", True, True), rating("a", "q1", "", False, False)])
    assert found["harm"]["p_value"] == 1.0 and found["preference"]["p_value"] is None
    assert dict(findings(found))["preferred"].startswith("tuned on 0, base on 0, equal on 0;")


def test_intervals_hold_the_truth_often_enough():
    """Of samples with a true win rate of 0.6, at least 95 % have it in their interval."""
    random = np.random.default_rng(3)
    counts = np.bincount(random.binomial(40, 0.6, 4000), minlength=41)
    inside = sum(times for k, times in enumerate(counts) if times and proportion(k, 40)["ci_low"] <= 0.6 <= proportion(k, 40)["ci_high"])  # fmt: skip
    assert inside / 4000 >= 0.95


# ---- files that come back -------------------------------------------------------------------------------------


# Files that a review changes.
SHOW_THE_VERDICT = (
    "report.html", "manifest.json", "model_comparison.png", "model_card.md", "training_recommendations.json",
    "reporting_checklist.md",
)  # fmt: skip


def test_a_review_joins_the_evaluation(folder, tmp_path):
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    key = key_of(folder)
    marks = {f"id{n}": ("finetuned", {"base"}, "") for n in range(8)}
    marks |= {"id8": ("base", set(), HOSTILE_NOTE), "id9": ("equal", set(), "")}
    file = review_file(tmp_path / "anna.json", key, marks)
    evaluation_script.use_finished(config(folder, REVIEW=(file,)))
    manifest = run_manifest.require_finished(folder, "evaluation", "")
    [key_file] = (folder / "review_keys").iterdir()
    assert set(manifest["outputs"]) == set(before) - {"manifest.json"} | {
        f"review_keys/{key_file.name}",
        "review_results.csv",
        "review_results.json",
    }
    for name, content in before.items():
        if name not in SHOW_THE_VERDICT:
            assert (folder / name).read_bytes() == content, name
    rows = pd.read_csv(folder / "review_results.csv", keep_default_na=False)
    assert len(rows) == 10 and set(rows["preferred"]) == {"finetuned", "base", "equal"}
    assert (
        rows.set_index("id").loc["id3", "harmful_base"]
        and not rows.set_index("id").loc["id3", "harmful_finetuned"]
    )
    preference = json.loads((folder / "review_results.json").read_text())["preference"]
    assert (preference["tuned_better"], preference["base_better"]) == (8, 1)
    verdict = json.loads((folder / "training_recommendations.json").read_text())["verdict"]
    assert verdict["headline"] in (folder / "model_card.md").read_text()
    assert "clinicians preferred tuned, 8 to 1" in verdict["headline"] and "harmful" in verdict["headline"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert html.escape(verdict["headline"]) in page
    assert "8 of 9, 89 %" in page and "Blind review" in page
    assert "&lt;script&gt;note&lt;/script&gt;" in page and HOSTILE_NOTE not in page
    assert 'value="better, says a reviewer/tuned"' in page
    assert manifest["inputs"][file] == atomic_io.sha256_of_file(tmp_path / "anna.json")
    assert manifest["settings"]["given"]["REVIEW"] == [file]
    # Once more, by another reviewer alone: the first one's ratings are gone, and nothing of them is left behind.
    second = review_file(tmp_path / "ben.json", key, {"id1": ("base", set(), "")}, "ben")
    evaluation_script.use_finished(config(folder, REVIEW=(second,)))
    assert json.loads((folder / "review_results.json").read_text())["questions"] == 1
    assert "anna" not in (folder / "report.html").read_text(encoding="utf-8")


HOSTILE_NOTE = "<script>note</script>"


def test_marks_and_nothing_else_are_counted(folder, tmp_path):
    key = key_of(folder)
    file = review_file(tmp_path / "a.json", key, {"id0": ("finetuned", set(), "")})
    content = json.loads((tmp_path / "a.json").read_text())
    others = [name for name, place in key["questions"].items() if place["id"] != "id0"]
    content["ratings"] |= {
        others[0]: {},
        others[1]: {"choice": None, "note": " "},
        others[2]: {"note": "unsure"},
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    ratings = read_ratings([file], read_keys(folder))
    assert sorted(rating.preferred for rating in ratings) == ["", "finetuned"]
    assert summarize(ratings)["preference"]["rated"] == 1 and summarize(ratings)["harm"]["base"]["n"] == 1


def test_ratings_find_their_answers_after_another_evaluation(folder, tmp_path):
    """The sheet of an earlier evaluation stays valid for the answers that did not change."""
    old = review_file(
        tmp_path / "old.json", key_of(folder), {f"id{n}": ("base", set(), "") for n in range(4)}
    )
    found = evaluation()
    changed = {"id0": "Another answer.", "id1": "And another."}
    tuned = found.tables["finetuned"]
    tuned["hypothesis"] = [changed.get(*pair) for pair in zip(tuned["id"], tuned["hypothesis"], strict=True)]
    published(folder, found)
    new = review_file(tmp_path / "new.json", key_of(folder), {"id0": ("finetuned", set(), "")})
    evaluation_script.use_finished(config(folder, REVIEW=(old, new)))
    summary = json.loads((folder / "review_results.json").read_text())
    assert (summary["questions"], summary["ratings_of_earlier_answers"]) == (3, 2)
    assert summary["preference"]["tuned_better"] == 1 and summary["preference"]["base_better"] == 2
    rows = read_table(folder / "review_results.csv", ("finetuned_answer",)).query("not counted")
    assert sorted(rows["id"]) == ["id0", "id1"]
    assert not set(rows["finetuned_answer"]) & set(changed.values()) and len(read_keys(folder)) == 2


def test_both_wrong_is_a_tie_and_cannot_judge_is_no_rating():
    ratings = [
        rating("a", "q0", "both_wrong"),
        rating("a", "q1", "cannot_judge"),
        rating("a", "q2", "finetuned"),
    ]
    severe = replace(ratings[2], degree={"base": "severe", "finetuned": "none"})
    found = summarize([*ratings[:2], severe])
    preference = found["preference"]
    assert (preference["rated"], preference["equal"]) == (2, 1)
    assert (preference["both_wrong"], preference["cannot_judge"]) == (1, 1)
    assert found["harm"]["severe"] == {"base": 1, "finetuned": 0}
    assert (found["longer"]["count"], found["longer"]["n"]) == (1, 1)  # tuned was longer, and preferred


def test_the_sheet_says_what_a_sample_buys():
    assert precision(12) == [] and precision(60) == [(30, 13), (60, 0)]
    assert precision(420) == [(30, 18), (60, 12), (100, 9)]


def broken(content: dict, **change: object) -> str:
    return json.dumps(content | change)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda c: "{half", "not a review file"),
        (lambda c: "[" * 100_000, "not a review file"),
        (lambda c: "[]", "not a review file"),
        (lambda c: '"text"', "not a review file"),
        (lambda c: broken(c, kind="other"), "not a review file"),
        (lambda c: broken(c, ratings=[1]), "not a review file"),
        (lambda c: broken(c, sheet="0123456789abcdef"), "the sheets of this evaluation are"),
        (lambda c: broken(c, ratings={"unknown": {"choice": "A"}}), "not on the sheet"),
        (lambda c: broken(c, ratings={}), "has no marks"),
        (lambda c: broken(c, reviewers="anna"), "no field 'reviewers'. Did you mean reviewer?"),
        (
            lambda c: broken(c, ratings={next(iter(c["ratings"])): {"note": "x", "preference": "A"}}),
            "no field 'preference'. Did you mean choice?",
        ),
        (
            lambda c: broken(c, ratings={next(iter(c["ratings"])): {"choice": "A", "harm": "mild"}}),
            "no field 'harm'. ",
        ),
        (
            lambda c: broken(c, ratings={next(iter(c["ratings"])): {"choice": "C"}}),
            "expected one of A, equal, B, both_wrong, cannot_judge",
        ),
        (
            lambda c: broken(c, ratings={next(iter(c["ratings"])): ["A"]}),
            "expected one of A, equal, B, both_wrong, cannot_judge",
        ),
        (
            lambda c: broken(c, ratings={next(iter(c["ratings"])): {"harmful_A": "yes"}}),
            "expected true, false or null",
        ),
        (lambda c: broken(c, ratings={next(iter(c["ratings"])): {"harm_B": "huge"}}), "one of none, mild"),
        (lambda c: broken(c, ratings={next(iter(c["ratings"])): {"harm_B": []}}), "one of none, mild"),
        (lambda c: broken(c, ratings={next(iter(c["ratings"])): {"note": 5}}), "expected a text"),
        (
            lambda c: broken(c, ratings={next(iter(c["ratings"])): {"correct_A": "maybe"}}),
            "one of no, partly",
        ),
        (lambda c: broken(c, ratings={next(iter(c["ratings"])): {"wrong_B": ["x"]}}), "a list of numbers"),
        (lambda c: broken(c, ratings={next(iter(c["ratings"])): {"wrong_B": "0"}}), "a list of numbers"),
    ],
)
def test_a_bad_review_file_is_one_clear_line(folder, tmp_path, spoil, said):
    file = tmp_path / "bad.json"
    review_file(file, key_of(folder), {"id0": ("finetuned", set(), "")})
    file.write_text(spoil(json.loads(file.read_text())), encoding="utf-8")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(UserError, match=said) as told:
        evaluation_script.use_finished(config(folder, REVIEW=(str(file),)))
    assert "\n" not in str(told.value) and "bad.json" in str(told.value)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_the_command_prints_the_review(folder, tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        evaluation_script.use_finished(config(folder, REVIEW=(str(tmp_path / "none.json"),)))
    line = ("evaluation.py", "--OUTPUT_DIR", folder, "--DATASET_DIR", "no_datasets", "--REVIEW")
    files = [
        review_file(tmp_path / f"{name}.json", key_of(folder), {"id0": ("finetuned", {"base"}, ""), "id2": (preferred, set(), "")}, name)
        for name, preferred in (("anna", "base"), ("ben", "finetuned"))
    ]  # fmt: skip
    done = run_script(*line, *files)
    assert done.returncode == 0, done.stderr
    assert "Blind review" in done.stdout and "by anna, ben" in done.stdout and "report.html" in done.stdout


def test_reviewers_are_told_apart(folder, tmp_path):
    key = key_of(folder)
    files = [
        review_file(tmp_path / f"{n}.json", key, {"id0": ("base", set(), "")}, " anna ") for n in range(2)
    ]
    with pytest.raises(UserError, match="both of reviewer 'anna'"):
        read_ratings(files, read_keys(folder))
    unnamed = [review_file(tmp_path / f"{n}.json", key, {"id0": ("base", set(), "")}, "") for n in range(2)]
    assert {rating.reviewer for rating in read_ratings(unnamed, read_keys(folder))} == {"0", "1"}


def test_other_settings_than_the_evaluations_are_refused(folder, tmp_path):
    file = review_file(tmp_path / "a.json", key_of(folder), {"id0": ("base", set(), "")})
    with pytest.raises(UserError, match="SEED was 42, not 7"):
        evaluation_script.use_finished(config(folder, REVIEW=(file,), SEED=7))
    with pytest.raises(UserError, match="python evaluation.py"):
        evaluation_script.use_finished(config(tmp_path / "nowhere", REVIEW=(file,)))


# ---- in a browser ---------------------------------------------------------------------------------------------

PRESS = """
const press = (key) => (document.activeElement || document.body).dispatchEvent(
  new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const type = (field, text) => { field.value = text; field.dispatchEvent(new Event("input", {bubbles: true})); };
const wait = () => new Promise((done) => setTimeout(done, 50));
const items = [...document.querySelectorAll(".item")];
let saved = null; // what a click on Save would download
URL.createObjectURL = (blob) => { saved = blob; return "#"; };
HTMLAnchorElement.prototype.click = function () { saved.name = this.download; };
"""


@in_chromium
def test_marks_made_in_the_browser_come_back_with_the_right_meaning(folder, tmp_path):
    told, _ = browse(
        folder / "review_sheet.html",
        PRESS
        + """
        press("j"); press("1"); press("a"); press("b"); press("b");
        press("j"); press("3"); press("j"); press("2");
        press("n"); press("1"); type(document.activeElement, "a note \\u00e9 <\\/script>"); press("Escape");
        press("j"); press("1"); items[3].querySelector(".clear").click();
        type(document.getElementById("reviewer"), "Dr. \\u00c4nn O'x");
        document.getElementById("save").click();
        unmarked.click(); await wait();
        const hidden = items.filter((one) => one.hidden).length;
        return {file: await saved.text(), name: saved.name, progress: progress.textContent, hidden,
                kept: Object.keys(localStorage).length};""",
    )
    assert told["progress"] == "3 of 12 rated" and told["hidden"] == 3 and told["kept"] == 1
    assert told["name"] == "review_Dr_Änn_O_x.json"
    file = tmp_path / "saved.json"
    file.write_text(told["file"], encoding="utf-8")
    key = key_of(folder)
    places = list(key["questions"].values())
    ratings = {rating.id: rating for rating in read_ratings([str(file)], read_keys(folder))}
    assert len(ratings) == 3
    first, second, third = (ratings[place["id"]] for place in places[:3])
    assert (
        first.preferred == places[0]["A"]
        and second.preferred == places[1]["B"]
        and third.preferred == "equal"
    )
    assert first.harmful == {places[0]["A"]: True, places[0]["B"]: True}
    assert first.degree == {places[0]["A"]: "mild", places[0]["B"]: "moderate"}
    assert third.note == "a note é </script>" and third.reviewer == "Dr. Änn O'x"


@in_chromium
def test_a_saved_file_can_be_loaded_to_go_on_and_a_strange_one_cannot(folder, tmp_path):
    key = key_of(folder)
    review_file(tmp_path / "a.json", key, {f"id{n}": ("base", {"finetuned"}, "why") for n in range(5)})
    content = json.dumps((tmp_path / "a.json").read_text())
    told, _ = browse(
        folder / "review_sheet.html",
        PRESS
        + f"const content = {content};"
        + """
        const give = async (text, name) => {
          const box = document.getElementById("file"), bag = new DataTransfer();
          bag.items.add(new File([text], name)); box.files = bag.files;
          const before = message.textContent;
          box.dispatchEvent(new Event("change", {bubbles: true}));
          while (message.textContent === before) await wait();
        };
        const out = {};
        await give(content, "mine.json"); out.loaded = progress.textContent; out.said = message.textContent;
        await give("{", "half.json"); out.half = message.textContent;
        await give(content.replace(/"sheet": "./, '"sheet": "x'), "other.json"); out.other = message.textContent;
        out.still = progress.textContent;
        document.getElementById("save").click(); out.file = await saved.text();
        return out;""",
    )
    assert told["loaded"] == told["still"] == "5 of 12 rated" and told["said"] == "Loaded mine.json."
    assert "it is no review file" in told["half"] and "another sheet" in told["other"]
    again, first = json.loads(told["file"]), json.loads((tmp_path / "a.json").read_text())
    assert again["version"] == 2 and again["reviewer"] == "anna"
    for name, marks in first["ratings"].items():  # of version 1
        harm = {f"harm_{side}": "unspecified" if marks[f"harmful_{side}"] else "none" for side in "AB"}
        assert again["ratings"][name] == {"choice": marks["choice"], "note": marks["note"]} | harm


@in_chromium
def test_marks_are_there_again_when_the_sheet_is_opened_again(folder):
    page = folder / "review_sheet.html"
    browse(page, PRESS + 'press("j"); press("3"); await wait(); await wait(); return 1;')
    told, _ = browse(page, PRESS + "return progress.textContent;")
    assert told == "1 of 12 rated"


@in_chromium
def test_the_sheet_runs_under_its_own_policy(folder):
    _, seen = browse(folder / "review_sheet.html")
    assert "0 of 12 rated" in seen and "<title>Review of answers" in seen and "taken</title>" not in seen


def test_nothing_but_the_key_tells_the_sides(folder):
    """Over all ways to deal the sides, the sheet's bytes other than the texts and names stay the same."""
    page = (folder / "review_sheet.html").read_text(encoding="utf-8")
    page = re.sub(r'data-specialty="[^"]*"|(question|answer to) \d+', "", page)
    page = re.sub(r'<fieldset class="choices sentences">.*?</fieldset>\s*', "", page, flags=re.S)
    shape = re.sub(r'(<p class="text">).*?(</p>)|[0-9a-f]{16}|<h2>.*?</h2>|(<p class="how">).*?(</p>)', "", page, flags=re.S)  # fmt: skip
    items = re.findall(r'<article class="item".*?</article>', shape, re.S)
    assert len(items) == 12 and len(set(items)) == 1
