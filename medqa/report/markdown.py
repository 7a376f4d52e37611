"""Escapes names and texts for Markdown, in which `a|b` would split a cell and `<b>` would be HTML."""

import re

# A `_` between letters or digits is plain text (CommonMark 0.31, section 6.2), and stays readable.
SPECIAL = re.compile(r"[\\`*|\[\]]|(?<![^\W_])_|_(?![^\W_])")
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escaped(text: str) -> str:
    """A text that Markdown shows as it is, in one line, also in a cell of a table."""
    line = " ".join(text.split())
    plain = SPECIAL.sub(lambda found: f"\\{found[0]}", line)
    return re.sub("[&<>]", lambda found: ENTITIES[found[0]], plain)
