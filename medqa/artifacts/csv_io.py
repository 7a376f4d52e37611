"""Writes CSV tables whose texts a spreadsheet does not run as formulas, and reads them back unchanged."""

import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.artifacts.atomic_io import write_text

if TYPE_CHECKING:
    import pandas as pd

BYTE_ORDER_MARK = "\ufeff"
# A spreadsheet takes a cell that begins with one of these for a formula.
FORMULA = r"=+\-@\t\r"
UNSAFE = re.compile(f"'*[{FORMULA}]")
ESCAPED = re.compile(f"'+[{FORMULA}]")
# Cells with these are quoted. DataFrame.to_csv does not quote a lone carriage return, which ends a line for
# many readers, so that the rest of the text could be run as a formula; on Python 3.10 it also fails on NUL.
QUOTED = re.compile('[,"\r\n]')


def escape_formula(cell: Any) -> Any:
    """Prefix a text that a spreadsheet would run with an apostrophe; other values do not change.

    A text that begins with apostrophes and such a sign gets one more, so that `unescape_formula` restores
    every text.
    """
    return f"'{cell}" if isinstance(cell, str) and UNSAFE.match(cell) else cell


def unescape_formula(cell: Any) -> Any:
    """Undo `escape_formula`."""
    return cell[1:] if isinstance(cell, str) and ESCAPED.match(cell) else cell


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write a CSV file in UTF-8 with line feeds, and with a byte-order mark, by which Excel recognizes UTF-8.

    Texts are escaped, numbers stay numbers, and a missing value is an empty cell.
    """
    rows = chain([tuple(table.columns)], table.itertuples(index=False, name=None))
    write_text(path, chain([BYTE_ORDER_MARK], (",".join(map(_cell, row)) + "\n" for row in rows)))


def _cell(value: Any) -> str:
    """A value as it is written between two commas."""
    if value is None or value != value:  # NaN
        return ""
    text = str(escape_formula(value))
    return '"' + text.replace('"', '""') + '"' if QUOTED.search(text) else text


def read_table(path: Path, texts: Iterable[str] = ()) -> "pd.DataFrame":
    """Read a CSV file of `write_table`, with or without byte-order mark; numbers are exact to the last bit.

    An empty cell is NaN in a column of numbers, and "" in a column of texts.

    Args:
        texts: columns to read as text; the type of the others is inferred from their cells.
    """
    import pandas as pd

    # From version 3 on, pandas parses numbers exactly by default.
    exact = {} if int(pd.__version__.split(".")[0]) >= 3 else {"float_precision": "round_trip"}
    # "nan" and "None" are possible answers of a model; only an empty cell is missing.
    table = pd.read_csv(
        path,
        dtype=dict.fromkeys(texts, str),
        keep_default_na=False,
        na_values=[""],
        lineterminator="\n",
        encoding="utf-8-sig",
        **exact,
    ).rename(columns=unescape_formula)
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = table[name].fillna("").map(unescape_formula)
    return table
