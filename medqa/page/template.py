"""Fills in a template, with everything escaped and no script allowed but the page's own."""

import base64
import hashlib
from pathlib import Path

COMMON = Path(__file__).with_name("common.css")


def render(template: Path, **content: object) -> str:
    """One self-contained HTML file: a Jinja2 template with its style and script inside.

    Whatever comes from data is escaped (autoescape). As a second lock the page carries a content security
    policy: nothing is loaded from anywhere, and only the script with this hash runs.

    Args:
        template: `NAME.html.j2`, which places `style`, `script` and `policy`; beside it lie `NAME.css` (which
            follows common.css) and `NAME.js`.
        content: what the template names; a name that is missing is an error, not an empty text.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    name = template.name.split(".")[0]
    styles = [COMMON, template.with_name(f"{name}.css")]
    code = template.with_name(f"{name}.js").read_text(encoding="utf-8")
    allowed = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return environment.get_template(template.name).render(
        style="\n".join(style.read_text(encoding="utf-8") for style in styles),
        script=code,
        policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'",
        **content,
    )
