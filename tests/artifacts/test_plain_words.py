"""Messages to users say in words what an error of Python or of a library means."""

import json
from pathlib import Path

import pytest

from medqa.artifacts.plain_words import in_words


def raised(action) -> Exception:
    """The error that an action raises."""
    with pytest.raises(Exception) as error:
        action()
    return error.value


def unknown_kind() -> None:
    """Load the config of an encoder as that of a causal model, as transformers does."""
    from transformers import AutoModelForCausalLM, T5Config

    AutoModelForCausalLM.from_config(T5Config())


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: Path("/no/such/file").read_text(), "/no/such/file does not exist"),
        (lambda: Path("/").read_text(), "/ is a folder"),
        (lambda: Path("/dev/null/x").read_text(), "/dev/null/x is below a file"),
        (lambda: json.loads('{"a":\n'), "it is not JSON from line 2, column 1 on"),
        (lambda: b"a\xff".decode(), "it is not UTF-8 text from byte 1 on"),
        (lambda: {}["hidden_size"], "it has no entry hidden_size"),
        (unknown_kind, "T5Config is not the config of a causal language model"),
        (lambda: int("x y"), "invalid literal for int() with base 10: 'x y'"),
    ],
)
def test_an_error_in_words(action, words):
    assert in_words(raised(action)) == words


def test_what_libraries_quote_is_reworded():
    assert in_words(OSError("[Errno 2] No such file or directory: 'x'")) == "No such file or directory: 'x'"
    quoted = (
        "Unrecognized configuration class <class 'a.b.BertConfig'> for this kind of AutoModel: AutoModel."
    )
    assert in_words(ValueError(quoted)) == "BertConfig is not the config of an encoder"
    assert in_words(RecursionError()) == "it is nested too deeply"
