"""A spreadsheet runs no text of a results table as a formula, and the table is read back unchanged."""

import csv
import math
import tracemalloc

import pandas as pd
import pytest
from hypothesis import given, strategies as st

from medqa.artifacts.csv_io import escape_formula, read_table, unescape_formula, write_table

RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")


@given(st.text(alphabet=st.sampled_from([*RUN_BY_SPREADSHEETS, "'", "a", "1", '"', "\n"])))
def test_every_text_is_escaped_and_restored(text):
    assert not escape_formula(text).startswith(RUN_BY_SPREADSHEETS)
    assert unescape_formula(escape_formula(text)) == text
    assert escape_formula(text) == text or text.lstrip("'").startswith(RUN_BY_SPREADSHEETS)


def test_numbers_are_not_escaped():
    assert escape_formula(-1.5) == -1.5 and escape_formula(None) is None


TEXTS = ["=cmd|' /C calc'!A0", "@SUM(1)", "-5 mg", "'tis", "'=", "\rx", "\tx", "a\rb", "a\nb", 'say "no", or',
         "", "nan", "None", "NA", "\x00", "é\u2028ü", "12", "0.50", "x" * 200_000]  # fmt: skip


def test_a_table_is_read_back_unchanged(tmp_path):
    numbers = [-1.5, math.nan, 1e-7, *map(float, range(len(TEXTS) - 3))]
    table = pd.DataFrame({"question": TEXTS, "-score": numbers, "n": range(len(TEXTS))})
    write_table(table, tmp_path / "table.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.csv"), table, check_dtype=False)
    csv.field_size_limit(1_000_000)
    assert (tmp_path / "table.csv").read_bytes().startswith(b"\xef\xbb\xbf")  # Excel shows µ and ° by it
    with open(tmp_path / "table.csv", encoding="utf-8-sig", newline="") as file:
        cells = [row[0] for row in csv.reader(file)]
    assert len(cells) == len(TEXTS) + 1
    assert not [cell for cell in cells if cell.startswith(RUN_BY_SPREADSHEETS)]


def test_numbers_are_written_as_pandas_writes_them(tmp_path):
    table = pd.DataFrame(
        {
            "a": [0.1, -2.0, math.nan, 1e300],
            "b": [1, -2, 3, 4],
            "c": [True, False, True, False],
            "d": ["x"] * 4,
        }
    )
    write_table(table, tmp_path / "table.csv")
    expected = table.to_csv(index=False, lineterminator="\n")
    assert (tmp_path / "table.csv").read_text("utf-8-sig") == expected
    (tmp_path / "older.csv").write_text(expected)  # version 0.2.0 wrote no byte-order mark
    pd.testing.assert_frame_equal(read_table(tmp_path / "older.csv"), read_table(tmp_path / "table.csv"))


def test_a_long_table_is_never_in_memory_as_text(tmp_path):
    table = pd.DataFrame({"answer": [f"{n} " * 200 for n in range(2_000)], "score": 0.5})
    write_table(table[:10], tmp_path / "table.csv")  # what is imported on the way does not count
    tracemalloc.start()
    write_table(table, tmp_path / "table.csv")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < (tmp_path / "table.csv").stat().st_size / 4


@pytest.mark.parametrize("name", ["=specialty", "@x", "a\rb"])
def test_column_names_are_escaped_too(tmp_path, name):
    write_table(pd.DataFrame({name: [1]}), tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes()[3:4] in (b"'", b'"')
    assert list(read_table(tmp_path / "table.csv").columns) == [name]
