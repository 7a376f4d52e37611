"""Names and texts are shown in Markdown as they are: they neither split a cell nor become HTML."""

import pytest
from test_model_card import DATA, RECORDS, SETTINGS

from medqa.report.markdown import escaped
from medqa.report.model_card import model_card


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cardiology", "cardiology"),
        ("internal_medicine", "internal_medicine"),
        ("a|b", r"a\|b"),
        ("<b>x", "&lt;b&gt;x"),
        ("ear & nose", "ear &amp; nose"),
        ("_skin_ *x* `y`", r"\_skin\_ \*x\* \`y\`"),
        ("[a](b)", r"\[a\](b)"),
        ("a\\b\nc", r"a\\b c"),
        ("p < 0.05", "p &lt; 0.05"),
        ("Sjögren_Syndrom", "Sjögren_Syndrom"),
    ],
)
def test_a_text_is_shown_as_it_is(text, shown):
    assert escaped(text) == shown


def test_a_specialty_is_one_cell_of_the_card():
    rows = {"a|b": {"train": 1, "eval": 2, "holdout": 3}, "<b>x": {"train": 4, "eval": 5, "holdout": 6}}
    data = DATA | {"stats": DATA["stats"] | {"splits_per_specialty": rows}}
    text = model_card(SETTINGS, data, RECORDS, has_template=True)
    assert "| &lt;b&gt;x | 4 | 5 | 6 |\n| a\\|b | 1 | 2 | 3 |" in text and "<b>" not in text
