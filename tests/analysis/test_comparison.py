"""The two tables: against small cases by hand, scipy, and whatever odd shape a holdout can have."""

import time
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from medqa.analysis.by_specialty import LEAST_FREEDOM, Spread, by_specialty
from medqa.analysis.comparison import DECLARED, FEW, compare
from medqa.analysis.paired_scores import add_primary_score, failures, warn_of_gaps
from medqa.runtime.console import WarningLog

PRIMARY = ("ROUGE-L", "bertscore_f1")
METRICS = ("ROUGE-L", "bertscore_f1", "dose_error")
LESS = {"dose_error"}


def holdout(
    counts: list[int], spread: float = 0.05, gain: float = 0.02, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Base and tuned on the same questions; `dose_error` applies to about half of them."""
    random = np.random.default_rng(seed)
    rows = np.repeat(np.arange(len(counts)), counts)
    theta = random.normal(0.5, spread, len(counts))[rows]
    difficulty = random.normal(0, 0.1, len(rows))
    without = random.random(len(rows)) < 0.5
    tables = []
    for change in (0.0, gain):
        table = pd.DataFrame(
            {
                "id": [f"q{number}" for number in range(len(rows))],
                "question": "q",
                "reference": "r",
                "hypothesis": "h",
                "specialty": [f"specialty_{row:02d}" for row in rows],
            }
        )
        for metric in METRICS:
            table[metric] = theta + difficulty + change + random.normal(0, 0.05, len(rows))
        table.loc[without, "dose_error"] = np.nan
        tables.append(table)
    return tables[0], tables[1]


def scored(base: pd.DataFrame, tuned: pd.DataFrame, primary: tuple[str, ...] = PRIMARY) -> list[pd.DataFrame]:
    """Both tables with their primary score."""
    tables = {"base": base.copy(), "finetuned": tuned.copy()}
    add_primary_score(tables, primary, LESS)
    return list(tables.values())


def both(
    base: pd.DataFrame, tuned: pd.DataFrame, seed: int = 42
) -> tuple[pd.DataFrame, pd.DataFrame, Spread]:
    """The overall comparison, and that by specialty, with the metrics of this file."""
    tables = scored(base, tuned)
    return compare(*tables, METRICS, LESS, seed), *by_specialty(*tables, METRICS, 0.02)


# ---- the primary score ---------------------------------------------------------------------------------


def test_primary_score_takes_what_is_there() -> None:
    table = pd.DataFrame(
        {
            "specialty": ["a", "a", "b"],
            "ROUGE-L": [0.1, 0.2, 0.3],
            "token_f1": [0.3, np.nan, 0.5],
            "bertscore_f1": [np.nan] * 3,
            "answer_loss": [1.0, 2.0, 3.0],
            "failed": ["", "token_f1; other", "other"],
        }
    )
    tables = {"base": table, "finetuned": table.copy()}
    wanted = ("ROUGE-L", "bertscore_f1", "token_f1", "absent")
    assert add_primary_score(tables, wanted, ()) == ["ROUGE-L", "token_f1"]
    np.testing.assert_allclose(table["primary_score"], [0.2, np.nan, 0.4])
    assert list(table["failed"]) == ["", "token_f1; other; primary_score", "other"]
    assert failures(table, ["primary_score", "other"]).tolist() == [
        [False, False],
        [True, True],
        [False, True],
    ]
    add_primary_score(tables, ("ROUGE-L", "answer_loss"), {"answer_loss"})
    np.testing.assert_allclose(table["primary_score"], [-0.45, -0.9, -1.35])
    assert add_primary_score(tables, ("absent",), ()) == [] and table["primary_score"].isna().all()


@pytest.mark.parametrize(
    ("token_f1", "failed", "warning"),
    [
        (
            [0.1, 0.2, None, None, None, None],
            "",
            "4 of 6 questions, all of طب, 中医, have no primary score because token_f1 does not apply to them; "
            "choose others with --PRIMARY_METRICS.",
        ),
        ([0.1, None, 0.1, 0.2, None, None], "", "3 of 6 questions, among them all of 中医, have no primary"),
        ([0.1, None, 0.1, 0.2, 0.3, 0.4], "token_f1", "1 of 6 questions has no primary score because token_f1 "
         "does not apply to it or failed"),
        ([None] * 6, "", "the primary score is without token_f1, which applies to no question of this holdout"),
        ([None] * 6, "token_f1", "the primary score is without token_f1, which has no value, because it failed"),
        ([0.1] * 6, "", None),
    ],
)  # fmt: skip
def test_questions_and_metrics_that_the_primary_score_is_without(
    token_f1: list, failed: str, warning: str | None
) -> None:
    table = pd.DataFrame({"specialty": ["eng", "eng", "طب", "طب", "中医", "中医"], "ROUGE-L": [0.5] * 6,
                          "token_f1": np.array(token_f1, float), "id": list("abcdef"), "failed": ["", failed] + [""] * 4})  # fmt: skip
    tables = {"base": table, "finetuned": table.copy()}
    wanted = ("ROUGE-L", "token_f1")
    found = WarningLog()
    warn_of_gaps(table, tables["finetuned"], wanted, add_primary_score(tables, wanted, ()), found)
    gaps = found.texts
    assert len(gaps) == (warning is not None) and gaps[:1] == [gap for gap in gaps if gap.startswith(warning)]


@pytest.mark.parametrize("missing", ["base", "tuned"])
def test_a_primary_metric_of_one_model_alone_is_left_out(missing: str) -> None:
    base, tuned = holdout([10, 10])
    (base if missing == "base" else tuned)["bertscore_f1"] = np.nan
    assert add_primary_score({"base": base, "finetuned": tuned}, PRIMARY, LESS) == ["ROUGE-L"]
    table = compare(base, tuned, METRICS, LESS, 0)
    columns = ["base", "finetuned", "difference", "p_value", "n"]
    np.testing.assert_allclose(
        table.loc[0, columns].astype(float), table.loc[1, columns].astype(float), rtol=1e-12
    )


# ---- the overall comparison ----------------------------------------------------------------------------


def test_comparison_by_hand() -> None:
    base = pd.DataFrame(
        {"id": range(5), "specialty": list("aabbb"), "score": [0.1, 0.2, 0.5, np.nan, 0.4], "loss": [3.0] * 5}
    )
    tuned = base.assign(score=[0.3, 0.2, 0.4, 0.9, 0.6], loss=[2.0, 3.0, 3.0 + 1e-8, 4.0, 2.5])
    table = compare(base, tuned, ("score", "loss"), {"loss"}, 0).set_index("metric")
    score, loss = table.loc["score"], table.loc["loss"]
    assert score["base"] == pytest.approx(0.3) and score["finetuned"] == pytest.approx(0.375)
    assert score["difference"] == pytest.approx(0.075)
    assert list(score[["wins", "ties", "losses", "n", "n_not_applicable"]]) == [2, 1, 1, 4, 1]
    assert list(loss[["wins", "ties", "losses", "n", "n_not_applicable"]]) == [2, 2, 1, 5, 0]
    assert score["direction"] == "↑" and loss["direction"] == "↓"
    # Two strata of two: SE² = (1/2)²·s²/2 each, differences 0.2, 0 and −0.1, 0.2.
    assert score["standard_error"] ** 2 == pytest.approx((0.02 + 0.045) / 8)
    # Differences 0.2, −0.1, 0.2: four of eight flips sum to 0.3 or more in size, and the tie flips nothing.
    assert score["p_value"] == pytest.approx(4 / 8)
    assert score["p_holm"] == pytest.approx(1.0)


def test_one_specialty_is_the_paired_t_test() -> None:
    base, tuned = holdout([25])
    row = compare(base, tuned, ("ROUGE-L",), (), 0).iloc[0]
    test = stats.ttest_rel(tuned["ROUGE-L"], base["ROUGE-L"])
    interval = test.confidence_interval(0.95)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((interval.low, interval.high))
    assert row["p_value"] == pytest.approx(test.pvalue, abs=0.03)


def test_primary_score_comes_first_and_declared_endpoints_are_not_corrected() -> None:
    table, _, _ = both(*holdout([10] * 8))
    assert list(table["metric"]) == ["primary_score", *METRICS]
    declared = table["metric"].isin(DECLARED)
    assert (table["p_holm"].isna() == declared).all()
    smallest = table.loc[~declared, "p_value"].idxmin()
    count = (~declared).sum()
    assert table.loc[smallest, "p_holm"] == pytest.approx(min(1, count * table.loc[smallest, "p_value"]))


def test_numbers_depend_on_neither_order_nor_company() -> None:
    base, tuned = holdout([10] * 6)
    order = np.random.default_rng(0).permutation(len(base))
    whole, specialties, _ = both(base, tuned)
    shuffled, by_name, _ = both(base.iloc[order], tuned.iloc[order])
    exact = ["base", "finetuned", "difference", "standard_error", "ci_low", "ci_high", "wins", "losses", "n"]
    pd.testing.assert_frame_equal(whole[exact], shuffled[exact], rtol=1e-10)
    pd.testing.assert_frame_equal(specialties, by_name, rtol=1e-6)
    alone = compare(base, tuned, ("ROUGE-L",), LESS, 42)
    pd.testing.assert_frame_equal(
        alone.drop(columns="p_holm"),
        whole[whole["metric"] == "ROUGE-L"].drop(columns="p_holm").reset_index(drop=True),
    )


def test_seed_decides_the_sign_flips() -> None:
    base, tuned = holdout([10] * 6)
    first, again, other = (compare(base, tuned, METRICS, LESS, seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert first["p_value"].tolist() != other["p_value"].tolist()
    assert (first["ci_low"] == other["ci_low"]).all()


def test_other_questions_are_refused() -> None:
    base, tuned = holdout([5, 5])
    with pytest.raises(ValueError, match="same questions"):
        compare(base, tuned.iloc[::-1], METRICS, LESS, 0)


def test_fifty_thousand_questions_are_quick() -> None:
    random = np.random.default_rng(0)
    metrics = [f"metric_{number}" for number in range(15)]
    base = pd.DataFrame(random.random((50_000, 15)), columns=metrics)
    base.insert(0, "specialty", np.repeat([f"s{number}" for number in range(40)], 1250))
    base.insert(0, "id", range(50_000))
    started = time.monotonic()
    tables = scored(base, base.assign(metric_0=0.5), tuple(metrics[:3]))
    compare(*tables, metrics, (), 0)
    by_specialty(*tables, metrics, 0.02)
    assert time.monotonic() - started < 60


# ---- the specialties -----------------------------------------------------------------------------------


def test_each_specialty_has_its_own_paired_interval() -> None:
    base, tuned = holdout([10, 4, 7])
    table = both(base, tuned)[1].set_index("specialty")
    assert list(table["n"]) == [10, 4, 7]
    for name, row in table.iterrows():
        here = base["specialty"] == name
        for metric in METRICS:
            before, after = (data.loc[here, metric].dropna() for data in (base, tuned))
            interval = stats.ttest_rel(after, before).confidence_interval(0.95)
            found = row[
                [f"{metric}_{part}" for part in ("n", "base", "finetuned", "difference", "ci_low", "ci_high")]
            ]
            expected = [
                len(before), before.mean(), after.mean(), (after - before).mean(), interval.low, interval.high
            ]  # fmt: skip
            np.testing.assert_allclose(found.astype(float), expected, rtol=1e-9)


@pytest.mark.parametrize(("questions", "estimable"), [(3, False), (29, False), (30, True)])
def test_equal_differences_give_a_specialty_no_interval_where_the_comparison_has_none(questions, estimable):
    before = pd.DataFrame(
        {"id": [str(n) for n in range(questions)], "specialty": "skin", "m": np.linspace(0, 0.5, questions)}
    )
    tables = before, before.assign(m=before["m"] + 0.25)
    add_primary_score({"base": tables[0], "finetuned": tables[1]}, ["m"], ())
    overall = compare(*tables, ["m"], (), 0).set_index("metric").loc["m"]
    own = by_specialty(*tables, ["m"], 0.02)[0].iloc[0]
    for row, prefix in ((overall, ""), (own, "m_"), (own, "primary_score_")):
        assert row[f"{prefix}difference"] == pytest.approx(0.25)
        assert np.isfinite([row[f"{prefix}ci_low"], row[f"{prefix}ci_high"]]).all() == estimable


def test_columns_of_the_primary_score_agree_with_each_other() -> None:
    table, spread = by_specialty(*scored(*holdout([10] * 20, spread=0.1)), METRICS, margin=0.03)
    mean = table["primary_score_finetuned"].mean()
    assert spread.mean == pytest.approx(mean)
    assert spread.specialties == 20
    inward = np.abs(table["shrunken_mean"] - mean) < np.abs(table["primary_score_finetuned"] - mean)
    assert inward.all()
    assert list(table["shrunken_mean"].rank(ascending=False)) == list(table["rank"])
    assert (
        (table["shrunken_ci_low"] < table["shrunken_mean"])
        & (table["shrunken_mean"] < table["shrunken_ci_high"])
    ).all()
    # The order of P(low) and of q follows the scores; all have the same n.
    assert list(table["p_low"].rank()) == list(table["shrunken_mean"].rank(ascending=False))
    lowest = table["primary_score_finetuned"].idxmin()
    assert table["q_value"].idxmin() == lowest and table.loc[lowest, "p_low"] > 0.9
    assert table["expected_deficit"].sum() == pytest.approx(0, abs=1e-9)


def test_worse_is_told_from_better() -> None:
    base, tuned = holdout([10] * 10, gain=0.05)
    lost = tuned["specialty"] == "specialty_03"
    for metric in PRIMARY:
        tuned.loc[lost, metric] -= 0.2
    p_worse = both(base, tuned)[1].set_index("specialty")["p_worse"]
    assert p_worse["specialty_03"] > 0.95
    assert (p_worse.drop("specialty_03") < 0.3).all()


def test_shares_and_eval_losses_become_columns() -> None:
    table, _ = by_specialty(*scored(*holdout([5, 5])), (), 0.02, {"specialty_00": 0.5}, {"specialty_01": 1.7})
    np.testing.assert_array_equal(table["train_share"], [0.5, np.nan])
    np.testing.assert_array_equal(table["eval_answer_loss"], [np.nan, 1.7])


def test_q_value_is_benjamini_hochberg_of_pooled_t_tests() -> None:
    base, tuned = holdout([6, 9, 12])
    table, _ = by_specialty(*scored(base, tuned, ("ROUGE-L",)), (), 0.02)
    groups = [rows.to_numpy() for _, rows in tuned.groupby("specialty")["ROUGE-L"]]
    freedom = sum(len(group) - 1 for group in groups)
    variance = sum(((group - group.mean()) ** 2).sum() for group in groups) / freedom
    p_values = []
    for number, group in enumerate(groups):
        others = [other for place, other in enumerate(groups) if place != number]
        distance = group.mean() - np.mean([other.mean() for other in others])
        error = np.sqrt(variance * (1 / len(group) + sum(1 / len(other) for other in others) / 4))
        p_values.append(stats.t.cdf(distance / error, freedom))
    np.testing.assert_allclose(table["q_value"], stats.false_discovery_control(p_values))


# ---- odd shapes ----------------------------------------------------------------------------------------


def all_equal(base: pd.DataFrame, tuned: pd.DataFrame) -> None:
    tuned[list(METRICS)] = base[list(METRICS)]


def constant(base: pd.DataFrame, tuned: pd.DataFrame) -> None:
    base[list(METRICS)], tuned[list(METRICS)] = 0.3, 0.3


def shifted(base: pd.DataFrame, tuned: pd.DataFrame) -> None:
    base[list(METRICS)], tuned[list(METRICS)] = 0.0, 0.1


def infinite(base: pd.DataFrame, tuned: pd.DataFrame) -> None:
    tuned.loc[0, "ROUGE-L"] = np.inf


@pytest.mark.parametrize("counts", [[10] * 42, [10] * 80, [10], [2], [5, 5], [1, 1, 1, 9], [1, 3, 17, 2, 40]])
@pytest.mark.parametrize("change", [None, all_equal, constant, shifted, infinite])
def test_every_shape_gives_numbers_without_a_warning(counts: list[int], change) -> None:
    base, tuned = holdout(counts)
    base["dose_error"] = tuned["dose_error"] = 0.5
    if change is not None:
        change(base, tuned)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table, specialties, spread = both(base, tuned)
    numbers = ["base", "finetuned", "difference", "p_value", "wins", "ties", "losses"]
    assert table[numbers].notna().all().all()
    estimable = table["ci_low"].notna()
    assert estimable[table["n"] >= FEW].all() and not estimable[table["n"] == 1].any()
    assert ((table["ci_high"] - table["ci_low"])[estimable & (table["n"] < FEW)] > 0).all()
    shared = [name for name in specialties if name.startswith(("shrunken", "p_", "rank", "q_", "expected"))]
    if (specialties["primary_score_n"] == 0).any():
        return
    if change in (constant, shifted) or spread.within_freedom < LEAST_FREEDOM:
        assert specialties[shared].isna().all().all() and spread.heterogeneity_p is None
    else:
        assert np.isfinite(specialties[shared].to_numpy(float)).all()
        assert specialties[["p_low", "p_worse", "q_value"]].stack().between(0, 1).all()
    least = FEW if change in (all_equal, constant, shifted) else 2
    few = specialties["primary_score_n"] < least
    np.testing.assert_array_equal(specialties["primary_score_ci_low"].isna(), few)


def test_ties_are_no_change() -> None:
    base, tuned = holdout([20] * 5)
    all_equal(base, tuned)
    table, specialties, _ = both(base, tuned)
    assert (table[["difference", "standard_error", "ci_low", "ci_high"]] == 0).all().all()
    assert (table["p_value"] == 1).all() and (table["ties"] == table["n"]).all()
    assert (specialties["p_worse"] == 0).all()


def test_a_variance_that_cannot_be_estimated_is_no_certainty() -> None:
    """Two questions of each specialty with equal scores: no test, no probability, no interval of zero width."""
    base, tuned = holdout([2, 2])
    base["ROUGE-L"], tuned["ROUGE-L"] = 0.05, [0.12, 0.12, 0.0, 0.0]
    tables = scored(base, tuned, ("ROUGE-L",))
    specialties, spread = by_specialty(*tables, (), 0.02)
    assert spread == Spread(specialties=2, within_freedom=2)
    assert specialties[["p_low", "p_worse", "shrunken_ci_low"]].isna().all().all()
    row = compare(*tables, (), (), 0).iloc[0]
    assert row["difference"] == pytest.approx(0.01) and np.isnan(row["ci_low"]) and row["n"] == 4
    base, tuned = holdout([10] * 3)
    base["ROUGE-L"] = 0.05
    tuned["ROUGE-L"] = np.random.default_rng(0).random(30)
    specialties = by_specialty(*scored(base, tuned, ("ROUGE-L",)), (), 0.02)[0]
    assert specialties["shrunken_base_ci_low"].isna().all() and specialties["p_worse"].notna().all()
    tuned["ROUGE-L"] += base["ROUGE-L"]
    base["ROUGE-L"] = tuned["ROUGE-L"] + 0.1
    specialties = by_specialty(*scored(base, tuned, ("ROUGE-L",)), (), 0.02)[0]
    assert specialties["p_worse"].isna().all() and specialties["p_low"].notna().all()


@pytest.mark.parametrize("counts", [[1], [1] * 30])
def test_one_question_per_specialty_has_differences_but_no_shrinkage(counts: list[int]) -> None:
    table, specialties, spread = both(*holdout(counts))
    assert np.isfinite(table.loc[0, "difference"])
    assert np.isfinite(table.loc[0, "ci_low"]) == (len(counts) > 1)
    assert specialties["primary_score_difference"].notna().all()
    assert (
        specialties[["primary_score_ci_low", "shrunken_mean", "p_low", "p_worse", "rank"]].isna().all().all()
    )
    assert spread == Spread(specialties=len(counts))


def test_a_metric_without_any_value_is_nan_and_counted() -> None:
    base, tuned = holdout([10, 10])
    base["bertscore_f1"] = tuned["bertscore_f1"] = np.nan
    table, specialties, _ = both(base, tuned)
    row = table.set_index("metric").loc["bertscore_f1"]
    assert (row["n"], row["n_not_applicable"], row["wins"], row["ties"]) == (0, 20, 0, 0)
    assert row[["base", "difference", "ci_low", "p_value", "p_holm"]].isna().all()
    assert (specialties["bertscore_f1_n"] == 0).all() and specialties["bertscore_f1_base"].isna().all()
    assert specialties["shrunken_mean"].notna().all()


def test_nothing_at_all_is_nan_and_counted() -> None:
    base, tuned = holdout([10, 10])
    for data in (base, tuned):
        data[list(METRICS)] = np.nan
    table, specialties, spread = both(base, tuned)
    assert (table["n"] == 0).all() and table["difference"].isna().all()
    assert specialties["p_low"].isna().all() and spread.specialties == 0


def test_a_specialty_without_a_primary_score_is_left_out_of_the_ranks() -> None:
    base, tuned = holdout([10] * 4)
    tuned.loc[tuned["specialty"] == "specialty_01", "ROUGE-L"] = np.nan
    specialties = both(base, tuned)[1].set_index("specialty")
    assert specialties.loc["specialty_01", ["shrunken_mean", "rank", "p_low"]].isna().all()
    assert specialties.loc["specialty_01", "bertscore_f1_n"] == 10
    assert sorted(specialties["rank"].dropna()) == [1, 2, 3]
