"""The long format has the numbers of the wide tables, one row per metric."""

import pandas as pd

from medqa.report.long_format import ITERATION, PARTS, SPECIALTY, long_format

WIDE = [
    {"specialty": "cardiology", "n": 10, "bleu_1_n": 9, "bleu_1_base": 0.1, "bleu_1_finetuned": 0.3,
     "bleu_1_difference": 0.2, "bleu_1_ci_low": 0.1, "bleu_1_ci_high": 0.3, "nli_difference": None, "rank": 1},
    {"specialty": "neurology", "n": 5, "bleu_1_n": 5, "bleu_1_base": 0.2, "bleu_1_finetuned": 0.1,
     "bleu_1_difference": -0.1, "bleu_1_ci_low": -0.3, "bleu_1_ci_high": 0.1, "nli_difference": 0.5, "rank": 2},
]  # fmt: skip


def test_each_specialty_and_metric_has_a_row() -> None:
    table = long_format(WIDE, SPECIALTY)
    assert list(table) == ["specialty", "metric", *PARTS]
    assert table[["specialty", "metric"]].to_numpy().tolist() == [
        ["cardiology", "bleu_1"], ["cardiology", "nli"], ["neurology", "bleu_1"], ["neurology", "nli"],
    ]  # fmt: skip
    assert table.loc[2, [*PARTS]].tolist() == [5, 0.2, 0.1, -0.1, -0.3, 0.1]
    assert pd.isna(table.loc[1, "difference"]) and table.loc[3, "difference"] == 0.5


def test_a_history_without_numbers_of_questions_has_no_such_column() -> None:
    row = {"round": 1, "model": "a", "bleu_1_base": 0.1, "bleu_1_difference": 0.2}
    table = long_format([row], ITERATION)
    assert list(table) == ["round", "model", "metric", "base", "difference"]
