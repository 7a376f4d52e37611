"""Each metric method becomes a column, also in a subclass and when it fails on some pairs."""

import math
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest

from medqa.analysis.local_judge import COLUMN as JUDGE
from medqa.analysis.paired_scores import PRIMARY
from medqa.metrics.runner import (
    NOTES,
    RESERVED,
    metric_names,
    require_free_names,
    require_metrics,
    results_tables,
    score_pairs,
)
from medqa.report import evaluation_output
from medqa.runtime.console import WarningLog
from medqa.runtime.errors import UserError

REFERENCES = ["a b", "c", "d e f"]
HYPOTHESES = ["a b", "", "f"]


class Metrics:
    """One of each kind."""

    def compute_words(self, reference: str, hypothesis: str) -> float:
        return len(hypothesis.split()) / len(reference.split())

    def compute_pair(self, reference: str, hypothesis: str) -> dict[str, float]:
        return {"same": reference == hypothesis, "length": len(hypothesis)}

    def score_all(self, references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, list[float]]:
        return {"rank": np.arange(len(references)) / 2, "known": [None, 1, 0.5]}

    def compute_applicable(self, reference: str, hypothesis: str) -> float | None:
        return None if not hypothesis else 1

    def _compute_hidden(self, reference: str, hypothesis: str) -> float:
        raise AssertionError("not a metric")

    def prepare(self) -> None:
        raise AssertionError("not a metric")

    compute_constant = 3  # not a method


def scores(metrics: object) -> tuple[dict[str, Sequence[float]], list[str]]:
    warnings = WarningLog()
    return score_pairs(metrics, REFERENCES, HYPOTHESES, warnings).columns, warnings.texts


def same(found: Sequence[float], expected: list[float]) -> bool:
    return all(type(number) is float for number in found) and np.array_equal(found, expected, equal_nan=True)


def test_every_kind_of_result_becomes_columns_of_floats():
    columns, warnings = scores(Metrics())
    assert same(columns["words"], [1, 0, 1 / 3])
    assert same(columns["same"], [1, 0, 0]) and same(columns["length"], [3, 0, 1])
    assert same(columns["applicable"], [1, math.nan, 1])
    assert same(columns["rank"], [0, 0.5, 1])
    assert same(columns["known"], [math.nan, 1, 0.5])
    assert warnings == []
    # In the order of the methods; those that take all pairs at once come last.
    assert list(columns) == ["words", "same", "length", "applicable", "rank", "known"]


@pytest.mark.parametrize("name", ["compute_specialty", "score_primary_score", "compute_shrunken"])
def test_a_method_with_the_name_of_another_column_is_refused(name):
    require_free_names(Metrics)
    with pytest.raises(UserError, match=f"{name} of Named: the name .* is reserved.*Rename"):
        require_free_names(type("Named", (Metrics,), {name: Metrics.compute_words}))


@pytest.mark.parametrize("column", ["specialty", "words"])
def test_a_column_that_exists_is_not_replaced(column):
    metrics = type("Named", (Metrics,), {"compute_two": lambda self, reference, hypothesis: {column: 1}})()
    with pytest.raises(UserError, match=f"metric two returns the column {column}"):
        scores(metrics)


def test_every_column_that_is_not_a_metric_is_reserved():
    assert {PRIMARY, JUDGE, *evaluation_output.TEXTS, *evaluation_output.NOTES} <= RESERVED


def test_a_subclass_or_an_attribute_adds_and_replaces_metrics():
    class More(Metrics):
        def compute_custom_metric(self, reference: str, hypothesis: str) -> float:
            return 0.25

        def compute_words(self, reference: str, hypothesis: str) -> float:
            return 7

    metrics = More()
    metrics.compute_late = lambda reference, hypothesis: 0.5
    columns, _ = scores(metrics)
    assert list(columns) == [
        "words",
        "same",
        "length",
        "applicable",
        "custom_metric",
        "late",
        "rank",
        "known",
    ]
    assert same(columns["custom_metric"], [0.25] * 3) and same(columns["words"], [7] * 3)
    assert same(columns["late"], [0.5] * 3)


def test_a_metric_that_fails_loses_the_pair_and_not_the_run():
    class Failing:
        def compute_ratio(self, reference: str, hypothesis: str) -> float:
            return 1 / len(hypothesis)

        def compute_two(self, reference: str, hypothesis: str) -> dict[str, float]:
            return {"x": 1 / len(hypothesis), "y": 2}

        def compute_never(self, reference: str, hypothesis: str) -> float:
            raise KeyError("lexicon")

        def compute_good(self, reference: str, hypothesis: str) -> float:
            return 1

    columns, warnings = scores(Failing())
    assert same(columns["ratio"], [1 / 3, math.nan, 1])
    assert same(columns["x"], [1 / 3, math.nan, 1]) and same(columns["y"], [2, math.nan, 2])
    assert same(columns["never"], [math.nan] * 3) and same(columns["good"], [1] * 3)
    assert warnings == [
        "metric ratio failed on 1 of 3 pairs, which do not count; the first: ZeroDivisionError: division by zero",
        "metric two failed on 1 of 3 pairs, which do not count; the first: ZeroDivisionError: division by zero",
        "metric never failed on 3 of 3 pairs, which do not count; the first: KeyError: 'lexicon'",
    ]


@pytest.mark.parametrize("value", ["good", [1, 2], np.zeros(2), {"x": "good"}], ids=repr)
def test_a_value_that_is_not_a_number_is_a_failure_of_the_metric(value):
    class Odd:
        def compute_odd(self, reference: str, hypothesis: str):
            return value if hypothesis else 1

    columns, warnings = scores(Odd())
    assert same(columns["odd"], [math.nan, 1, math.nan])
    [text] = warnings
    assert text.startswith("metric odd failed on 2 of 3 pairs, which do not count; the first: ")


def test_a_value_that_is_not_finite_is_a_failure_and_none_is_not():
    class Infinite:
        def compute_log(self, reference: str, hypothesis: str) -> float:
            return -np.inf if not hypothesis else np.float32(0.5)

        def compute_nan(self, reference: str, hypothesis: str) -> float:
            return math.nan

        def compute_none(self, reference: str, hypothesis: str) -> None:
            return None

        def score_batch(self, references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, list]:
            return {"first": [1, None, math.nan], "second": [1, 2, 3]}

    columns, warnings = scores(Infinite())
    assert same(columns["log"], [0.5, math.nan, 0.5])
    assert same(columns["nan"], [math.nan] * 3) and same(columns["none"], [math.nan] * 3)
    assert same(columns["first"], [1, math.nan, math.nan]) and same(columns["second"], [1, 2, 3])
    end = "; a metric that does not apply returns None"
    assert warnings == [
        f"metric log failed on 1 of 3 pairs, which do not count; the first: MetricFailed: it gave -inf{end}",
        f"metric nan failed on 3 of 3 pairs, which do not count; the first: MetricFailed: it gave nan{end}",
        f"metric batch failed on 1 of 3 pairs, which do not count; the first: MetricFailed: it gave nan{end}",
    ]
    found = score_pairs(Infinite(), REFERENCES, HYPOTHESES, WarningLog()).failed
    assert found == {"log": [1], "nan": [0, 1, 2], "first": [2], "second": [2]}


def test_a_batch_metric_that_fails_is_lost_and_not_the_run():
    class Batches:
        def score_broken(self, references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, list]:
            raise RuntimeError("out of memory")

        def score_short(self, references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, list]:
            return {"x": [1, 2]}

        def score_absent(self, references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, list]:
            return {}

    columns, warnings = scores(Batches())
    assert list(columns) == ["broken", "short"]
    assert same(columns["broken"], [math.nan] * 3) and same(columns["short"], [math.nan] * 3)
    assert "RuntimeError: out of memory" in warnings[0] and "it gave 2 values for 3 pairs" in warnings[1]


def test_metrics_compute_a_pair_before_the_next_and_pairs_of_one_reference_together():
    """So that what they cache about a text is still there, however many pairs there are."""
    seen = []

    class Watching:
        def compute_one(self, reference: str, hypothesis: str) -> float:
            seen.append(("one", reference, hypothesis))
            return len(hypothesis)

        def compute_two(self, reference: str, hypothesis: str) -> float:
            seen.append(("two", reference, hypothesis))
            return 1 / len(hypothesis[1:])

    warnings = WarningLog()
    found = score_pairs(Watching(), ["a", "b", "a"], ["1", "2", "333"], warnings)
    assert [entry[1:] for entry in seen] == [("a", "1")] * 2 + [("a", "333")] * 2 + [("b", "2")] * 2
    assert same(found.columns["one"], [1, 1, 3]) and same(found.columns["two"], [math.nan, math.nan, 0.5])
    assert found.failed == {"two": [0, 1]}


def test_a_column_may_be_missing_for_some_pairs():
    class Uneven:
        def compute_uneven(self, reference: str, hypothesis: str) -> dict[str, float]:
            return {"a b": {"x": 1}, "": {"y": 2, "x": 3}, "f": {"z": 4}}[hypothesis]

        def compute_none(self, reference: str, hypothesis: str) -> dict[str, float]:
            return {}

    columns, warnings = scores(Uneven())
    assert list(columns) == ["x", "y", "z", "none"] and not warnings
    assert same(columns["x"], [1, 3, math.nan]) and same(columns["none"], [math.nan] * 3)


def test_scores_take_little_more_memory_than_their_numbers():
    """8 bytes each: 50,000 questions and two models are 100,000 pairs of some twenty numbers."""

    class Four:
        def compute_four(self, reference: str, hypothesis: str) -> dict[str, float]:
            return {name: len(hypothesis) / 7 for name in "abcd"}

    texts = [str(number) for number in range(20_000)]
    score_pairs(Four(), texts[:10], texts[:10], WarningLog())
    tracemalloc.start()
    scored = score_pairs(Four(), texts, texts, WarningLog())
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(scored.columns) == 4 and kept < 2 * 4 * 8 * len(texts)


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(ValueError):
        score_pairs(Metrics(), REFERENCES, HYPOTHESES[:2], WarningLog())


# ---- tables --------------------------------------------------------------------------------------------

HOLDOUT = {
    "id": ["x", "y", "z"],
    "specialty": ["heart", "heart", "skin"],
    "question": ["Q1?", "Q2?", "Q3?"],
    "response": REFERENCES,
}


def answers(texts: list[str], finish: str = "stop") -> list[dict]:
    return [
        {"id": id, "hypothesis": text, "finish": finish, "new_tokens": len(text), "repetition": 0.0,
         "prompt_cut": False, "key": "k", "batch": 4}
        for id, text in zip(HOLDOUT["id"], texts, strict=True)
    ]  # fmt: skip


def test_a_name_that_no_metric_has_is_refused_with_the_nearest():
    from config import EvaluationConfig
    from evaluation import AutomaticMetrics

    class Own(AutomaticMetrics):
        def compute_length_ratio(self, reference: str, hypothesis: str) -> float:
            return len(hypothesis) / len(reference)

    metrics = Own(EvaluationConfig(BERTSCORE_MODEL=""), [], WarningLog())
    scored = score_pairs(metrics, ["Give aspirin 100 mg."], ["Give 50 mg."], WarningLog())
    require_metrics(Own, [*scored.columns, "bertscore_f1", "nli_entailed", "answer_loss"])
    for wrong, near in (("rouge-l", "ROUGE-L"), ("length_rate", "length_ratio"), ("nonsense", "")):
        with pytest.raises(UserError, match=f"no metric is called '{wrong}'. The nearest name is {near}"):
            require_metrics(Own, ["ROUGE-L", wrong])


def test_columns_of_a_metric_that_returns_a_dict_are_known_after_scoring():
    require_metrics(Words, ["match", "nonsense"])
    require_metrics(Words, ["match"], ["words", "match"])
    with pytest.raises(UserError, match="The nearest name is words"):
        require_metrics(Words, ["wards"], ["words", "match"])


class Words:
    def __init__(self):
        self.calls = 0

    def compute_words(self, reference: str, hypothesis: str) -> float:
        return len(hypothesis.split())

    def score_batch(self, references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, list[float]]:
        self.calls += 1
        return {"match": [float(r == h) for r, h in zip(references, hypotheses, strict=True)]}


@pytest.fixture
def tables():
    losses = {"base": {"x": (6.0, 3), "y": (5.0, 2), "z": (1.0, 1)},
              "finetuned": {"x": (3.0, 3), "z": (2.0, 1)}}  # fmt: skip
    warnings, metrics = WarningLog(), Words()
    found = {"base": answers(HYPOTHESES), "finetuned": answers(REFERENCES, "length")}
    results = results_tables(metrics, found, losses, HOLDOUT, warnings)
    assert metrics.calls == 1  # both models at once
    return results, warnings.texts


def test_a_table_holds_texts_metrics_loss_and_notes(tables):
    for table in tables[0].values():
        assert list(table.columns) == [
            "question", "reference", "hypothesis", "specialty", "words", "match", "answer_loss", "id",
            "finish", "new_tokens", "repetition", "prompt_cut", "failed",
        ]  # fmt: skip
        assert list(table.columns[-5:-1]) == list(NOTES)
        assert metric_names(table) == ["words", "match", "answer_loss"]
        assert table["reference"].tolist() == REFERENCES
        assert all(table[name].tolist() == HOLDOUT[name] for name in ("id", "question", "specialty"))


def test_each_model_has_its_own_answers_scores_and_losses(tables):
    base, tuned = tables[0]["base"], tables[0]["finetuned"]
    assert list(tables[0]) == ["base", "finetuned"]
    assert base["hypothesis"].tolist() == HYPOTHESES and tuned["hypothesis"].tolist() == REFERENCES
    assert base["words"].tolist() == [2, 0, 1] and tuned["words"].tolist() == [2, 1, 3]
    assert base["match"].tolist() == [1, 0, 0] and tuned["match"].tolist() == [1, 1, 1]
    assert base["answer_loss"].tolist() == [2, 2.5, 1]
    assert same(tuned["answer_loss"].tolist(), [1, math.nan, 2])
    assert tuned["finish"].tolist() == ["length"] * 3 and base["new_tokens"].tolist() == [3, 0, 1]


def test_failures_are_counted_by_model_and_in_the_comparison(tables):
    from medqa.analysis.comparison import compare
    from medqa.analysis.paired_scores import add_primary_score

    class Fragile:
        def compute_ratio(self, reference: str, hypothesis: str) -> float | None:
            return None if reference == "c" else 1 / (len(hypothesis) - 1)

    warnings = WarningLog()
    found = {"base": answers(["ab", "x", "f"]), "finetuned": answers(["abc", "y", "ef"])}
    results = results_tables(Fragile(), found, {"base": {}, "finetuned": {}}, HOLDOUT, warnings)
    assert [list(table["failed"]) for table in results.values()] == [["", "", "ratio"], ["", "", ""]]
    assert add_primary_score(results, ["ratio"], ()) == ["ratio"]
    row = compare(*results.values(), ["ratio"], (), 0).set_index("metric")
    for name in ("ratio", "primary_score"):
        assert list(row.loc[name, ["n", "n_not_applicable", "n_failed"]]) == [1, 1, 1]
    # Also of a part of the questions, as when those near the training data are left out.
    some = [table[table["id"] != "x"] for table in results.values()]
    row = compare(*some, ["ratio"], (), 0).set_index("metric").loc["ratio"]
    assert list(row[["n", "n_not_applicable", "n_failed"]]) == [0, 1, 1]


def test_empty_and_unfinished_answers_are_counted_in_warnings(tables):
    assert tables[1] == [
        "base: 1 answer is empty.",
        "finetuned: 3 answers had not ended at MAX_NEW_TOKENS.",
    ]


def test_f1_of_opposite_signs_is_counted_in_a_warning():
    class Bertscore:
        def score_bertscore(self, references: Sequence[str], hypotheses: Sequence[str]) -> dict:
            values = [0.5, 0.4, -0.1] * 2, [0.5, -0.2, -0.3] * 2
            return {
                f"bertscore_{side}": own for side, own in zip(("precision", "recall"), values, strict=True)
            }

    warnings, found = WarningLog(), {"base": answers(REFERENCES), "finetuned": answers(REFERENCES)}
    results_tables(Bertscore(), found, {"base": {}, "finetuned": {}}, HOLDOUT, warnings)
    assert [text.split(" is 0, because")[0] for text in warnings.texts] == [
        "base: bertscore_f1 of 1 answer",
        "finetuned: bertscore_f1 of 1 answer",
    ]
