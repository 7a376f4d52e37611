"""Compiled code is kept where a restart does not remove it, and leaves nothing to the CPU."""

import os

import torch
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from medqa.training import lora
from medqa.training.compile_cache import keep_compiled_code


def test_the_folder_is_the_users_own_or_in_the_cache_or_torchs_default(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    own = str(tmp_path / "medqa" / "compiled")
    assert keep_compiled_code() == own == os.environ["TORCHINDUCTOR_CACHE_DIR"]
    assert (tmp_path / "medqa" / "compiled").is_dir()

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "chosen"))
    assert keep_compiled_code() == str(tmp_path / "chosen")

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", default_cache_dir())
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert keep_compiled_code() == default_cache_dir()


def test_compiled_layers_compute_no_number_on_the_cpu(tiny_model, monkeypatch, tmp_path):
    from transformers import AutoModelForCausalLM

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    traced = []
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    peft_model = lora.add_lora(model, 4, 8, 0.05, ("q_proj",)).train()
    with torch._dynamo.config.patch(optimize_ddp=True, specialize_float=False):  # as torch sets them
        lora.prepare_layers(peft_model, recompute=False, compiled=True)
        for layer in model.get_decoder().layers:
            layer.compile(dynamic=True, backend=lambda graph, _: traced.append(graph) or graph)
        peft_model(input_ids=torch.tensor([[5, 6, 7]])).logits.sum().backward()
    called = {str(node.target) for graph in traced for node in graph.graph.nodes}
    assert any("linear" in name for name in called) and "item" not in called
