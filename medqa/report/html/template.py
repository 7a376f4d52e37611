"""Renders a Jinja2 template with all data escaped and no script allowed except the page's own."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

COMMON = Path(__file__).with_name("common.css")


@cache
def _environment(folder: Path) -> "Environment":
    """The Jinja2 environment of a folder, which keeps its compiled templates."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = lambda name: name.replace("_", " ")
    return environment


def render(template: Path, **content: object) -> str:
    """One self-contained HTML file: a Jinja2 template with its style and script inside.

    All data is escaped (autoescape). In addition a content security policy forbids loading anything and
    running any script except the one with the page's hash.

    Args:
        template: `NAME.html.j2`, which inserts `style`, `script` and `policy`; its folder holds `NAME.css`
            (appended to common.css) and `NAME.js`.
        content: the template's variables; a missing one is an error.
    """
    name = template.name.split(".")[0]
    styles = [COMMON, template.with_name(f"{name}.css")]
    code = template.with_name(f"{name}.js").read_text(encoding="utf-8")
    allowed = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return (
        _environment(template.parent)
        .get_template(template.name)
        .render(
            style="\n".join(style.read_text(encoding="utf-8") for style in styles),
            script=code,
            policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'",
            **content,
        )
    )
