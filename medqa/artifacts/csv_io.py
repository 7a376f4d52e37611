"""CSV tables that a spreadsheet opens without running anything, and that come back as they were."""

import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.artifacts.atomic_io import write_text

if TYPE_CHECKING:
    import pandas as pd

# What makes a spreadsheet take a cell for a formula, when the cell begins with it.
FORMULA = r"=+\-@\t\r"
UNSAFE = re.compile(f"'*[{FORMULA}]")
ESCAPED = re.compile(f"'+[{FORMULA}]")
# A lone carriage return ends a line for many readers, so it is quoted like a line feed. DataFrame.to_csv
# leaves it bare, so that the rest of a text could begin a line as a formula, and on Python 3.10 fails on NUL.
QUOTED = re.compile('[,"\r\n]')


def escape_formula(cell: Any) -> Any:
    """A text that a spreadsheet would run with an apostrophe before it; all else as it is.

    A text that begins with apostrophes and such a sign gets one more, so that
    `unescape_formula` restores every text.
    """
    return f"'{cell}" if isinstance(cell, str) and UNSAFE.match(cell) else cell


def unescape_formula(cell: Any) -> Any:
    """What `escape_formula` was given."""
    return cell[1:] if isinstance(cell, str) and ESCAPED.match(cell) else cell


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write a CSV in UTF-8, its lines ended by a line feed.

    Texts are escaped, numbers stay numbers, a cell that does not apply is empty.
    """
    rows = chain([tuple(table.columns)], table.itertuples(index=False, name=None))
    write_text(path, (",".join(map(_cell, row)) + "\n" for row in rows))


def _cell(value: Any) -> str:
    """A value as it stands between two commas."""
    if value is None or value != value:  # NaN is no number, not even itself
        return ""
    text = str(escape_formula(value))
    return '"' + text.replace('"', '""') + '"' if QUOTED.search(text) else text


def read_table(path: Path, texts: Iterable[str] = ()) -> "pd.DataFrame":
    """Read a CSV of the evaluation as it was before `write_table`, to the last bit of its numbers.

    An empty cell is NaN in a column of numbers and "" in one of texts, where an answer may be empty.

    Args:
        texts: columns that are texts whatever stands in them; of the others the cells tell.
    """
    import pandas as pd

    # From version 3 on, pandas reads a number exactly without being told.
    exact = {} if int(pd.__version__.split(".")[0]) >= 3 else {"float_precision": "round_trip"}
    # "nan" and "None" are words that a model may answer; only an empty cell is none.
    table = pd.read_csv(
        path,
        dtype=dict.fromkeys(texts, str),
        keep_default_na=False,
        na_values=[""],
        lineterminator="\n",
        **exact,
    ).rename(columns=unescape_formula)
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = table[name].fillna("").map(unescape_formula)
    return table
