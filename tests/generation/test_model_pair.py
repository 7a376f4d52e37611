"""A tuned model that is the base is told, and only then."""

import shutil

import pytest

from medqa.generation.model_pair import check_tuned
from medqa.modeling.base_model import BaseModel
from medqa.runtime.console import WarningLog


def warned(tuned, model) -> list[str]:
    """The warnings about a tuned model."""
    warnings = WarningLog()
    check_tuned(str(tuned), BaseModel(str(model), "BASE_MODEL_PATH"), {}, warnings)
    return warnings.texts


def test_the_base_as_tuned_model_is_told(tiny_model, tmp_path):
    copy = shutil.copytree(tiny_model, tmp_path / "copy")
    for tuned in (tiny_model, copy):
        [told] = warned(tuned, tiny_model)
        assert f"{tuned} and the base model {tiny_model} are the same model" in told


@pytest.mark.parametrize("kind", ["other weights of the same size", "an adapter"])
def test_other_models_are_not(kind, tiny_model, tmp_path):
    copy = shutil.copytree(tiny_model, tmp_path / "copy")
    if kind == "an adapter":
        (copy / "adapter_config.json").write_text("{}")
    else:
        content = bytearray((copy / "model.safetensors").read_bytes())
        content[-1] ^= 1
        (copy / "model.safetensors").write_bytes(content)
    assert not warned(copy, tiny_model)
