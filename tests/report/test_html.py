"""report.html: everything is on it, nothing in the data can break it, and its controls work in a browser."""

import dataclasses
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from browser import browse, in_chromium
from evaluations import HOSTILE, config, evaluation, published

from config import EvaluationConfig
from medqa.analysis.methods import describe
from medqa.artifacts import run_manifest
from medqa.generation.settings import GenerationSettings
from medqa.report import evaluation_output
from medqa.report.html import questions, report_page, specialties
from medqa.report.html.differences import runs
from medqa.report.html.report_page import report_html
from medqa.report.latex import comparison_table
from medqa.report.review.sheet import SHEET
from medqa.runtime.cli import given_and_default, select

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Reader(HTMLParser):
    """What a browser would see of a page: its elements, and the text outside of script and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.tags, self.text, self.problems = [], [], "", []
        self.feed(page)
        self.problems += [f"{tag} is not closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text += data


def page_of(found: evaluation_output.Results, **settings: object) -> str:
    return report_html(found, given_and_default(config("somewhere", **settings)))


@pytest.fixture(scope="module")
def found() -> evaluation_output.Results:
    return evaluation()


@pytest.fixture(scope="module")
def page(found) -> str:
    return page_of(found)


# ---- content ------------------------------------------------------------------------------------------------


def test_the_page_is_well_formed_and_loads_nothing(page):
    seen = Reader(page)
    assert not seen.problems
    assert not [tag for tag, _ in seen.tags if tag in {"img", "link", "iframe", "object"}]
    assert not [value for _, attributes in seen.tags for name, value in attributes.items()
                if name in {"src", "href"} and not value.startswith("#")]  # fmt: skip
    assert "url(" not in page and "@import" not in page


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("file", ["report.html", SHEET])
def test_hostile_texts_appear_as_text(hostile, file, tmp_path_factory):
    folder = published(tmp_path_factory.mktemp("hostile"), evaluation())
    seen = Reader((folder / file).read_text(encoding="utf-8"))
    assert not seen.problems
    assert len([tag for tag, _ in seen.tags if tag == "script"]) == 1
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on")]
    question = next(f"{hostile} number {n}?" for n in range(12) if HOSTILE[n % len(HOSTILE)] == hostile)
    assert question in seen.text
    answer = f"Take aspirin 100 mg f daily. {hostile}"
    assert " ".join(answer.split()) in " ".join(seen.text.split())


def test_hostile_names_and_notes_are_escaped_too(found):
    bad = HOSTILE[0] + '" onmouseover="x'
    tables = {role: table.assign(specialty=bad) for role, table in found.tables.items()}
    performance = found.performance.assign(specialty=bad)
    comparison = found.comparison.assign(metric=[bad + name for name in found.comparison["metric"]])
    tables = {
        role: table.rename(columns={name: bad + name for name in ("ROUGE-L", "token_f1", "dose_error")})
        for role, table in tables.items()
    }
    tables = {
        role: table.rename(columns={"answer_loss": bad + "answer_loss"}) for role, table in tables.items()
    }
    comparison = comparison[comparison["metric"] != bad + "primary_score"]
    advice = found.advice | {"summary": bad, "reasons": {bad: bad}, "bertscore_model": bad}
    seen = Reader(page_of(replace(found, tables=tables, performance=performance, comparison=comparison, advice=advice)))  # fmt: skip
    assert not seen.problems and len([tag for tag, _ in seen.tags if tag == "script"]) == 1
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on")]


def test_the_page_says_what_was_compared_and_how(found, page):
    text = Reader(page).text
    for told in (
        "Not for clinical use without review", "metric <b>own</b> failed", "some/encoder, layer 3",
        "12 questions of 3 specialties", "temperature 0.1", "seed 42", found.advice["summary"],
        found.advice["holdout_use"]["note"], "dmis-lab/llama-3-meerkat-8b-v1.0", "MAX_NEW_TOKENS",
    ):  # fmt: skip
        assert told in text, told
    for row in found.comparison.to_dict("records"):
        assert f"{row['metric']} {row['direction']}" in text
        assert f"{row['wins']} / {row['ties']} / {row['losses']}" in text
    assert f"{found.comparison.loc[0, 'base']:.3f}" in text
    assert len(re.findall('<details class="question"', page)) == 12
    assert "PARTIAL" not in text


def test_the_verdict_comes_first_and_its_harm_is_named(page, found):
    text = Reader(page).text
    headline = found.advice["verdict"]["headline"]
    assert "dose errors rose" in headline and headline in text
    order = [re.search(f'<(?:h2|p class="finding")>{name}', page).start() for name in (
        "(?:Mixed|Possible|More)", "Dose errors", "Blind review", "Comparison", "Specialties", "Questions")]  # fmt: skip
    assert order == sorted(order)
    assert "Rate first, read later" in text and "words (base)" in text
    assert all(name in text for name in report_page.GLOSSARY)
    assert "specialty 01" in text and "specialty_01" not in text


def test_a_change_that_rounds_to_zero_has_no_colour(found):
    cells = questions._metric("ROUGE-L", 0.5, 0.5004, False, False)
    assert (cells["change"], cells["verdict"]) == ("0.000", "")
    row = found.comparison.iloc[0].to_dict() | {"difference": 0.0004, "ci_low": 0.0001, "ci_high": 0.0007}
    assert report_page._row(row)["verdict"] == "no change"


def test_the_latex_table_has_a_row_per_metric_and_no_bare_sign(found):
    lines = comparison_table(found.comparison).splitlines()
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len(rows) == 1 + len(found.comparison) and all(line.count("&") == 6 for line in rows)
    assert r"primary\_score $\uparrow$" in rows[1] and not re.search(r"(?<!\\)_", "".join(rows))


def test_a_metric_that_enters_the_primary_score_negated_is_named(found):
    lower = {"primary_metrics": ["ROUGE-L", "answer_loss"], "lower_is_better": ["dose_error", "answer_loss"]}
    advice = found.advice | lower
    lines = evaluation_output.notes(replace(found, advice=advice))
    assert lines[1].startswith(
        "Primary score: mean of ROUGE-L, −answer_loss; −: negated, because lower is better"
    )
    text = describe(select(EvaluationConfig(), GenerationSettings), found.tables["base"], advice)["text"]
    assert "score is the mean of ROUGE-L, −answer_loss (−: negated, because lower is better)" in text
    assert "negated" not in " ".join(evaluation_output.notes(found)) + found.advice["methods"]["text"]


def test_a_partial_run_is_stamped(found):
    partial = replace(found, advice=found.advice | {"partial": True})
    text = page_of(partial)
    assert (
        "<title>PARTIAL" in text
        and "PARTIAL: only 12 questions of the holdout answered." in Reader(text).text
    )


def test_dose_errors_tell_which_quantity_contradicts_which(page):
    seen = Reader(page).text
    assert re.search(r"Dose error of tuned \(ten-fold, aspirin\): the reference has\s+100 mg", seen)
    assert len(re.findall("Dose error of", seen)) == 1


def test_reversed_statements_are_not_among_the_dose_errors_that_are_counted():
    found = evaluation()
    reversed_one = {"subject": "steroid", "kind": "negation", "reference": "no steroid", "answer": "steroid"}
    wrong_dose = {"subject": "iron", "kind": "value", "reference": "60 mg", "answer": "90 mg"}
    tables = {role: table.assign(dose_errors="[]") for role, table in found.tables.items()}
    tables["finetuned"].loc[0, "dose_errors"] = json.dumps([reversed_one, wrong_dose, wrong_dose])
    text = " ".join(Reader(page_of(replace(found, tables=tables))).text.split())
    assert "Dose errors: 2 in the answers of tuned, 0 in those of base." in text
    assert "which the metric does not count: 1 and 0." in text


def test_flags_follow_the_columns_of_the_run(page):
    counts = {html.unescape(name): int(number) for name, number in re.findall(
        r'name="flag" value="([^"]+)">.*?class="count">(\d+)', page)}  # fmt: skip
    assert counts == {
        "dose error/tuned": 1,
        "empty answer/base": 1,
        "answer cut off/base": 1,
        "answer cut off/tuned": 1,
    }
    assert "The length limit cut 1 answer of base and 1 of tuned, of 12 each." in Reader(page).text
    with_nli = page_of(evaluation(nli=True))
    assert 'value="contradicts the reference/base"' in with_nli
    found = evaluation()
    bare = {role: table.drop(columns=["dose_error", "dose_errors", "finish", "repetition", "new_tokens", "prompt_cut"])
            for role, table in found.tables.items()}  # fmt: skip
    comparison = found.comparison[found.comparison["metric"] != "dose_error"]
    text = page_of(replace(found, tables=bare, comparison=comparison))
    assert re.findall(r'name="flag" value="([^"]+)"', text) == ["empty answer/base"]
    assert "<h2>Dose errors" not in text


def test_same_results_same_bytes_wherever_they_lie(tmp_path):
    pages = [
        (published(tmp_path / name, evaluation()) / "report.html").read_bytes() for name in ("one", "other")
    ]
    assert pages[0] == pages[1]
    folder = tmp_path / "one"
    manifest = run_manifest.require_finished(folder, "evaluation", "")
    again = report_html(evaluation_output.read(folder, manifest), manifest["settings"])
    assert again.encode() == pages[0]


def test_tables_are_read_back_as_they_were_written(tmp_path):
    found = evaluation()
    odd = ["NA", "", "a\rb\r\nc", '"q", \x01', "\u2028", "007", "nan", "null", "1e5", "=1", " x ", "-"]
    found.tables["base"]["hypothesis"] = odd
    found.tables["base"].loc[3, "ROUGE-L"] = np.nan
    folder = published(tmp_path, found)
    again = evaluation_output.read(folder, run_manifest.require_finished(folder, "evaluation", ""))
    for role, table in found.tables.items():
        pd.testing.assert_frame_equal(again.tables[role], table, check_dtype=False, check_exact=True)
    pd.testing.assert_frame_equal(again.comparison, found.comparison, check_dtype=False, check_exact=True)
    assert again.advice == found.advice and again.warnings.texts == found.warnings.texts


def test_rounds_and_questions_near_the_training_data_are_shown():
    found = evaluation()
    assert "Evaluations on this holdout" not in page_of(found) and "near the training data" not in page_of(
        found
    )
    for table in found.tables.values():
        table["near_training"] = [number == 4 for number in range(12)]
    score = {
        f"primary_score_{part}": 0.25 for part in ("base", "finetuned", "difference", "ci_low", "ci_high")
    }
    rows = [
        {"round": number, "holdout": "h", "scale": "s", "train_pairs": 1000 * number, "eval_answer_loss": 1.5}
        | score
        for number in (1, 2)
    ]
    text = page_of(dataclasses.replace(found, history=rows))
    assert text.count("near the training data, question") == 2  # the filter, and question 5
    shown = re.search(r"Evaluations on this holdout.*?</table>", text, re.S)[0]
    assert "<td>2</td><td>2,000</td><td>0.250</td><td>+0.250</td>" in shown


# ---- size -----------------------------------------------------------------------------------------------------


def test_a_very_long_text_is_cut_and_says_so():
    found = evaluation()
    found.tables["base"].loc[3, "hypothesis"] = "fever " * 2_000
    text = Reader(page_of(found)).text
    assert "cut after 10,000 characters" in " ".join(text.split())
    assert text.count("fever") == 1_666 and "1,999 characters more" in text


@pytest.mark.parametrize("most", [600, pytest.param(questions.MOST_QUESTIONS, marks=pytest.mark.long)])
def test_a_large_evaluation_is_sampled_and_says_so(most, monkeypatch):
    monkeypatch.setattr(questions, "MOST_QUESTIONS", most)
    text = page_of(evaluation(4 * most, 42))
    assert f"{most:,} of {4 * most:,} questions are shown" in text
    assert len(re.findall('<details class="question"', text)) == most
    assert len(text.encode()) < 1e6 + 13e3 * most
    assert Reader(text).problems == []


def test_the_sample_holds_the_extremes_and_goes_through_the_whole_holdout():
    gains = np.random.default_rng(1).normal(size=10_000)
    gains[::7] = np.nan
    places = questions.chosen(gains)
    assert places == sorted(set(places)) and len(places) == questions.MOST_QUESTIONS
    known = np.flatnonzero(np.isfinite(gains))
    ordered = known[np.argsort(gains[known])]
    assert set(ordered[:250]) <= set(places) and set(ordered[-250:]) <= set(places)
    assert {place // 1000 for place in places} == set(range(10))
    assert questions.chosen(gains[:20]) == list(range(20))


# ---- parts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "others", "expected"),
    [
        ("Give 5 mg.", {"n": "give 5 mg"}, [("Give 5 mg.", "")]),
        ("Give 0.5 mg", {"n": "give 5 mg"}, [("Give ", ""), ("0.5", "n"), (" mg", "")]),
        ("a b c", {"n": "b", "o": "c b"}, [("a ", "no"), ("b ", ""), ("c", "no")]),
        ("a b", {"n": "", "o": "a"}, [("a ", "n"), ("b", "no")]),
        ("", {"n": "x"}, []),
        ("  x \n", {"n": "y"}, [("  ", ""), ("x", "n"), (" \n", "")]),
        ("- x", {"n": "x -"}, None),
    ],
)
def test_differing_words_are_marked(text, others, expected):
    found = runs(text, others)
    assert "".join(piece for piece, _ in found) == text
    if expected is None:
        assert sum(bool(marks) for _, marks in found) == 1
    else:
        merged = {(piece.strip(), marks) for piece, marks in found if piece.strip()}
        assert merged == {(piece.strip(), marks) for piece, marks in expected if piece.strip()}


def test_the_figure_puts_everything_inside_and_in_order(found):
    drawn = specialties.layout(found.performance, found.advice)  # without detectable differences
    assert [row["specialty"] for row in drawn["rows"]] == list(found.performance["specialty"])
    drawn = specialties.layout(found.performance, found.advice | {"heterogeneity_p": 0.01})
    assert [row["specialty"] for row in drawn["rows"]] == list(
        found.performance.sort_values("shrunken_mean", ascending=False)["specialty"]
    )
    percent = [float(row[model][end].rstrip("%")) for row in drawn["rows"]
               for model in ("base", "tuned") for end in ("low", "at", "high")]  # fmt: skip
    assert min(percent) >= 0 and max(percent) <= 100
    for row in drawn["rows"]:
        low, at, high = (float(row["tuned"][end].rstrip("%")) for end in ("low", "at", "high"))
        assert low < at < high
    alone = evaluation(1, 1)
    drawn = specialties.layout(alone.performance, alone.advice)
    assert not drawn["shrunken"] and len(drawn["rows"]) == 1
    nothing = found.performance.assign(primary_score_n=0)
    assert specialties.layout(nothing, found.advice) is None
    assert "<h2>Specialties" not in page_of(replace(found, performance=nothing))


@pytest.mark.parametrize(("low", "high"), [(0.02, 0.09), (0, 0), (-3, 5), (0.3999, 0.4), (1e-9, 1.0)])
def test_ticks_are_round_and_enclose_the_range(low, high):
    ticks = specialties._ticks(low, high)
    assert ticks[0] <= low + 1e-9 and ticks[-1] >= high - 1e-9 and 2 <= len(ticks) <= 8


def test_settings_of_the_run_are_told_without_where_it_wrote(tmp_path):
    text = page_of(evaluation(), TEMPERATURE=0.5)
    assert re.search(r"TEMPERATURE</th><td>0.5</td><td>given", text)
    assert '<th scope="row">OUTPUT_DIR' not in text and "somewhere" not in text


# ---- in a browser ---------------------------------------------------------------------------------------------

TYPE = """
const put = (id, value) => { const field = document.getElementById(id); field.value = value;
  field.dispatchEvent(new Event("input", {bubbles: true})); };
const press = (key) => (document.activeElement || document.body).dispatchEvent(
  new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const wait = () => new Promise((done) => setTimeout(done, 20));
const listed = () => [...document.querySelectorAll(".question")].filter((one) => !one.hidden).map((one) => Number(one.id.slice(1)));
const opened = () => [...document.querySelectorAll(".question")].filter((one) => one.open).map((one) => Number(one.id.slice(1)));
const box = (value) => { const one = document.querySelector(`[name=flag][value="${value}"]`); one.checked = !one.checked;
  one.dispatchEvent(new Event("input", {bubbles: true})); };
"""


@pytest.fixture(scope="module")
def report_file(tmp_path_factory, found):
    return published(tmp_path_factory.mktemp("browser"), found) / "report.html"


@in_chromium
def test_filters_search_and_order_work(report_file, found):
    told, _ = browse(
        report_file,
        TYPE
        + """
        const out = {all: listed()};
        put("search", "7*7"); out.search = listed(); out.told = shown.textContent;
        put("search", "nowhere to be found"); out.nothing = listed(); out.said = !none.hidden;
        put("search", ""); put("specialty", "specialty_01"); out.specialty = listed();
        box("answer cut off/base"); out.both = listed();
        put("specialty", ""); box("dose error/tuned"); out.flags = listed();
        controls.reset(); await wait(); out.reset = listed();
        put("order", "loss"); out.loss = listed(); put("order", "gain"); out.gain = listed();
        put("metric", "4"); out.lossmetric = listed();
        document.querySelector(".plot [data-specialty=specialty_02]").click(); out.clicked = listed().sort((a, b) => a - b);
        return out;""",
    )
    base, tuned = found.tables["base"], found.tables["finetuned"]
    gain = (
        tuned[["ROUGE-L", "token_f1"]].mean(axis=1) - base[["ROUGE-L", "token_f1"]].mean(axis=1)
    ).to_numpy()
    by_loss = (np.argsort(gain) + 1).tolist()
    whole = list(range(1, 13))
    assert told["all"] == told["reset"] == whole
    assert told["search"] == [2, 6, 10] and told["told"] == "3 of 12 questions"
    assert told["nothing"] == [] and told["said"]
    assert told["specialty"] == [2, 5, 8, 11] and told["both"] == [] and told["flags"] == [1, 3]
    assert told["loss"] == by_loss and told["gain"] == by_loss[::-1]
    less = (base["answer_loss"] - tuned["answer_loss"]).to_numpy()
    assert told["lossmetric"] == (np.argsort(-less) + 1).tolist()
    assert told["clicked"] == [3, 6, 9, 12]


@in_chromium
def test_the_keyboard_moves_through_the_questions(report_file):
    told, _ = browse(
        report_file,
        TYPE
        + """
        const out = {};
        press("j"); out.first = opened(); press("j"); press("j"); out.third = opened(); press("k"); out.back = opened();
        out.focus = document.activeElement.closest(".question").id;
        press("/"); out.search = document.activeElement.id; press("j"); out.typed = opened();
        press("Escape"); press("j"); out.after = opened();
        press("m"); out.marks = list.dataset.marks; press("m"); out.none = list.dataset.marks;
        press("o"); out.all = opened().length; press("o"); out.closed = opened().length;
        box("dose error/tuned"); press("r"); await wait(); out.shown = listed().length;
        return out;""",
    )
    assert told == {
        "first": [1], "third": [3], "back": [2], "focus": "q2", "search": "search", "typed": [2],
        "after": [3], "marks": "o", "none": "", "all": 12, "closed": 0, "shown": 12,
    }  # fmt: skip


@in_chromium
def test_the_page_runs_under_its_own_policy_and_hostile_texts_do_nothing(report_file):
    _, seen = browse(report_file, at="#q2")
    assert re.search(r'<details class="question" id="q2"[^>]* open', seen)
    assert "taken</title>" not in seen and "<title>Base and tuned model" in seen


@in_chromium
def test_nothing_is_wider_than_a_phone(report_file):
    told, _ = browse(
        report_file,
        """const frame = document.createElement("iframe"); frame.style.width = "390px"; frame.style.height = "800px";
        frame.srcdoc = document.documentElement.outerHTML.replace(/<script[^]*<.script>/g, "").replaceAll("<details", "<details open");
        await new Promise((done) => { frame.onload = done; document.body.append(frame); });
        const root = frame.contentDocument.documentElement;
        return [root.clientWidth, root.scrollWidth];""",
    )
    assert told[0] <= 390 and told[1] <= told[0]
