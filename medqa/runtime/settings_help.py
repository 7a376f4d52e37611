"""Formats `--help`: the description of the script, then every setting with its comment and default."""

import ast
import inspect
import shutil
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

# Characters shown of a default.
LONGEST_DEFAULT = 40


class Setting(NamedTuple):
    """The group of a setting, and the comment above it."""

    group: str
    comment: str


def described(config_class: type) -> dict[str, Setting]:
    """Group and comment of every setting, read from the source of the class.

    A group begins with a comment of the form `# == Name ==`; the comment of a setting is the block above it.
    """
    lines = Path(inspect.getsourcefile(config_class)).read_text(encoding="utf-8").splitlines()
    tree = ast.parse("\n".join(lines))
    [body] = [one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == config_class.__name__]
    places = {one.lineno - 1: one.target.id for one in body.body if isinstance(one, ast.AnnAssign)}
    found: dict[str, Setting] = {}
    group, above = "Settings", []
    for number in range(body.lineno, body.end_lineno):
        text = lines[number].strip()
        if text.startswith("# == ") and text.endswith(" =="):
            group = text[5:-3]
        elif text.startswith("#"):
            above.append(text.lstrip("# "))
        elif number in places:
            found[places[number]] = Setting(group, " ".join(above))
            above = []
        else:
            above = []
    return found


def default_of(item: Field) -> Any:
    """The default of a dataclass field."""
    return item.default if item.default_factory is MISSING else item.default_factory()


def help_text(config_class: type, description: str) -> str:
    """The text of `--help`, one line for each setting; on a terminal lines are wrapped at its width."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    settings, kinds = described(config_class), get_type_hints(config_class)
    left = max(len(name) for name in settings) + 6
    lines = [
        description.strip(),
        "",
        "Settings are given as --NAME VALUE; the default is [in brackets] and can be changed in config.py.",
    ]
    group = None
    for item in fields(config_class):
        setting = settings[item.name]
        if setting.group != group:
            group = setting.group
            lines += ["", f"{group}:"]
        text = f"{setting.comment} [{_shown(item.name, default_of(item), kinds[item.name])}]"
        first, *rest = textwrap.wrap(text, max(30, width - left)) if width < left + len(text) else [text]
        lines.append(f"  --{item.name:<{left - 4}}{first}")
        lines += [" " * left + more for more in rest]
    return "\n".join(lines)


def _shown(name: str, default: Any, kind: Any) -> str:
    """A default as it is typed, with the other choices of a setting that has few."""
    if isinstance(default, bool):
        return f"on; off: --no_{name}" if default else "off; on: the name alone"
    if get_origin(kind) is Literal:
        others = [choice for choice in get_args(kind) if choice != default]
        return f"{default}; or {', '.join(others)}"
    if isinstance(default, Mapping):
        return " ".join(f"{key} {value:g}" for key, value in default.items()) or "none; as NAME NUMBER pairs"
    if isinstance(default, tuple):
        return " ".join(default) or "none"
    if isinstance(default, float):
        return f"{default:g}"
    if default == "":
        return "empty"
    text = str(default)
    return text if len(text) <= LONGEST_DEFAULT else f"{text[: LONGEST_DEFAULT - 1].rstrip()}…"
