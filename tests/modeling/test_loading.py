"""Devices, base models and adapters: what is loaded, and what is refused in one line."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from medqa.modeling import device as devices, loading
from medqa.modeling.adapter import ADAPTER_CONFIG as CONFIG, ADAPTER_WEIGHTS as WEIGHTS
from medqa.modeling.base_model import BaseModel
from medqa.modeling.device import Device, choose_device, prepare_device
from medqa.modeling.tokenization import stop_token_ids
from medqa.runtime import processor
from medqa.runtime.errors import UserError
from medqa.training import lora

CPU = Device("cpu", "float32", "for the tests")
LLAMA_3_8B = {
    "hidden_size": 4096, "num_hidden_layers": 32, "vocab_size": 128_256, "intermediate_size": 14_336,
    "num_attention_heads": 32, "num_key_value_heads": 8,
}  # fmt: skip


def refused(call, *arguments: object) -> str:
    """The one line with which a call is refused."""
    with pytest.raises(UserError) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def copy(tiny_model, tmp_path) -> Path:
    """A copy of the tiny model, to be damaged."""
    return Path(shutil.copytree(tiny_model, tmp_path / "copy"))


def model(name: object, setting: str = "MODEL_NAME") -> BaseModel:
    return BaseModel(str(name), setting)


def base(folder: Path, precision: str = "bf16"):
    return loading.load_base(model(folder), CPU, precision)


# ---- device --------------------------------------------------------------------------------------------


@pytest.fixture
def gpus(monkeypatch):
    """Pretend to have GPUs."""
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    chosen = []

    def pretend(count: int, capability: tuple[int, int] = (8, 0)) -> list[int]:
        answers = {
            "is_available": lambda: count > 0,
            "device_count": lambda: count,
            "set_device": chosen.append,
            "get_device_capability": lambda _: capability,
            "get_device_name": lambda _: "NVIDIA X",
        }
        for name, answer in answers.items():
            monkeypatch.setattr(torch.cuda, name, answer)
        return chosen

    return pretend


def test_a_small_model_runs_on_the_cpu(gpus, tiny_model):
    gpus(0)
    device = choose_device(model(tiny_model), "fine_tuning.py")
    assert device.name == "cpu" and not device.is_cuda and "no GPU found" in device.reason


@pytest.mark.parametrize(
    ("flags", "wanted", "dtype", "reason"),
    [
        ("fpu avx2", "auto", "float32", "neither AMX nor AVX512-BF16"),
        ("fpu avx512f avx512_bf16", "auto", "bfloat16", "the processor has AVX512-BF16"),
        ("fpu amx_bf16 amx_tile avx512_bf16", "auto", "bfloat16", "the processor has AMX and AVX512-BF16"),
        ("fpu amx_bf16", "fp32", "float32", "CPU_PRECISION fp32"),
        ("fpu avx2", "bf16", "bfloat16", "CPU_PRECISION bf16"),
    ],
)
def test_a_cpu_computes_in_bfloat16_where_it_has_units_for_it(
    gpus, tiny_model, monkeypatch, flags, wanted, dtype, reason
):
    gpus(0)
    monkeypatch.setattr(processor, "_cpuinfo", lambda: f"model name\t: X 1\nflags\t\t: {flags}\n")
    device = choose_device(model(tiny_model), "fine_tuning.py", wanted)
    assert device.dtype == dtype and reason in device.reason
    assert device.cpu_precision == {"float32": "fp32", "bfloat16": "bf16"}[dtype]
    assert processor.describe().startswith("X 1 (")


def test_libraries_are_quiet_before_bitsandbytes_is_imported(gpus, monkeypatch, tiny_model):
    gpus(0)
    order = []
    monkeypatch.setattr(devices, "quiet", lambda: order.append("quiet"))
    monkeypatch.setattr(devices, "import_bitsandbytes", lambda: order.append("imported"))
    prepare_device(model(tiny_model), "evaluation.py", "auto", 0)
    assert order == ["quiet", "imported"]


def test_without_a_gpu_a_model_of_the_hub_is_refused(gpus):
    gpus(0)
    message = refused(choose_device, model("dmis-lab/llama-3-meerkat-8b-v1.0"), "fine_tuning.py")
    assert (
        "dmis-lab/llama-3-meerkat-8b-v1.0" in message
        and "NVIDIA GPU" in message
        and message.endswith("make demo")
    )


def test_without_a_gpu_the_size_of_a_model_of_the_hub_decides(gpus, monkeypatch, tiny_model, copy):
    gpus(0)
    unknown = refused(choose_device, model("owner/name"), "fine_tuning.py")
    assert "of unknown size" in unknown and "billion" not in unknown
    cached = {"owner/small": str(tiny_model / "config.json"), "owner/large": str(copy / "config.json")}
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda name, file: cached.get(name))
    edit(copy / "config.json", **LLAMA_3_8B, head_dim=128)
    assert choose_device(model("owner/small"), "fine_tuning.py").name == "cpu"
    assert "8.0 billion parameters" in refused(choose_device, model("owner/large"), "fine_tuning.py")


def test_without_a_gpu_a_large_model_is_refused(gpus, copy):
    gpus(0)
    edit(copy / "config.json", **LLAMA_3_8B, head_dim=128)
    message = refused(choose_device, model(copy), "fine_tuning.py")
    assert "8.0 billion parameters" in message and message.endswith("make demo")


def test_several_gpus_need_a_launcher(gpus, monkeypatch):
    gpus(2)
    with pytest.raises(UserError) as error:
        choose_device(model("owner/name"), "evaluation.py")
    assert "accelerate launch --num_processes 2 evaluation.py" in str(error.value)
    assert "CUDA_VISIBLE_DEVICES=0 python evaluation.py" in str(error.value)
    # From here on started by `accelerate launch`, with --num_processes 1 and 2.
    for number, processes in ((0, 1), (1, 2)):
        monkeypatch.setenv("LOCAL_RANK", str(number))
        monkeypatch.setenv("WORLD_SIZE", str(processes))
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        assert choose_device(model("owner/name"), "evaluation.py")[:2] == (f"cuda:{number}", "bfloat16")
    assert gpus(2) == [0, 1]


def test_one_gpu_is_taken_in_bfloat16_with_the_reason(gpus):
    gpus(1, (9, 0))
    device = choose_device(model("owner/name"), "evaluation.py")
    assert device[:2] == ("cuda:0", "bfloat16") and device.is_cuda
    assert "NVIDIA X" in device.reason and "9.0" in device.reason


def test_a_gpu_without_bfloat16_is_refused(gpus):
    gpus(1, (7, 5))
    assert "compute capability 7.5" in refused(choose_device, model("owner/name"), "evaluation.py")


# ---- the model's files ---------------------------------------------------------------------------------


def test_parameter_count_is_the_real_one(tiny_model):
    loaded = AutoModelForCausalLM.from_pretrained(tiny_model)
    assert model(tiny_model).parameter_count == pytest.approx(loaded.num_parameters(), rel=0.01)


@pytest.mark.parametrize(
    ("changes", "billions"),
    [
        ({}, 8.030),
        (
            {"hidden_size": 2048, "num_hidden_layers": 16, "intermediate_size": 8192, "head_dim": 64,
             "tie_word_embeddings": True},
            1.236,
        ),
    ],
    ids=["Llama-3-8B", "Llama-3.2-1B"],
)  # fmt: skip
def test_parameter_count_of_published_models(tmp_path, changes, billions):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_3_8B | changes))
    assert model(tmp_path).parameter_count / 1e9 == pytest.approx(billions, rel=0.01)


def test_parameter_count_is_unknown_without_the_hub_and_refuses_a_folder_without_config(tmp_path):
    assert model("owner/name").parameter_count is None
    assert "config.json cannot be read" in refused(lambda: model(tmp_path).parameter_count)
    for text in ("{", "[]", "{}", '{"hidden_size": null}'):
        (tmp_path / "config.json").write_text(text)
        assert "config.json cannot be read" in refused(lambda: model(tmp_path).parameter_count)


def test_a_model_folder_and_a_hub_name_are_accepted(tiny_model):
    model(tiny_model).require_weights()
    model("dmis-lab/llama-3-meerkat-8b-v1.0").require_weights()


@pytest.mark.parametrize("name", ["meerkat", "a/b/c", "./models/meerkat", "/models/meerkat", "~/meerkat"])
def test_a_name_that_is_neither_a_folder_nor_a_hub_name_is_refused(name):
    message = refused(model(name, "BASE_MODEL_PATH").require_weights)
    assert message.startswith(f"{name} is neither") and "--BASE_MODEL_PATH" in message
    assert message.endswith("python demo/fetch_models.py")


def test_a_folder_without_weights_is_refused(tmp_path):
    message = refused(model(tmp_path).require_weights)
    assert "no *.safetensors weights (found: nothing)" in message and "--MODEL_NAME" in message
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert "(found: pytorch_model.bin)" in refused(model(tmp_path).require_weights)


def sharded(folder: Path, names: dict[str, str]) -> None:
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (lambda folder: os.truncate(folder / "model.safetensors", 100_000), "model.safetensors"),
        (lambda folder: os.truncate(folder / "model.safetensors", 4), "model.safetensors"),
        (
            lambda folder: sharded(folder, {"a": "model-1.safetensors", "b": "two.safetensors"}),
            "two.safetensors",
        ),
        (lambda folder: sharded(folder, {"a": 1}), "model.safetensors.index.json"),
        (lambda folder: sharded(folder, []), "model.safetensors.index.json"),
    ],
    ids=["half copied", "nearly nothing", "a missing shard", "no name", "no map"],
)
def test_weight_files_that_are_not_whole_are_refused_before_they_are_loaded(copy, damage, file):
    model(copy).require_weights()
    damage(copy)
    message = refused(model(copy).require_weights)
    assert (
        message.startswith(f"{copy / file} is missing, incomplete or damaged: ") and "--MODEL_NAME" in message
    )


def test_other_weights_beside_those_that_are_loaded_do_not_matter(copy):
    (copy / "adapter_model.safetensors").write_bytes(b"")
    model(copy).require_weights()
    sharded(copy, {"a": "model-1.safetensors"})
    model(copy).require_weights()


def test_the_fingerprint_is_of_config_and_weights(copy, tiny_model):
    own = model(tiny_model).fingerprint
    assert model(copy).fingerprint == own
    (copy / "notes.txt").write_text("no part of the model")
    assert model(copy).fingerprint == own
    edit(copy / "config.json", rope_theta=1)
    other = model(copy).fingerprint
    (copy / "model.safetensors").write_bytes(b"shorter")
    assert len({own, other, model(copy).fingerprint}) == 3
    assert model("owner/name").fingerprint == "owner/name"


# ---- tokenizer -----------------------------------------------------------------------------------------


def test_the_padding_token_is_not_a_stop_token(tiny_model):
    tokenizer = model(tiny_model).tokenizer
    assert tokenizer.pad_token == "<|reserved_special_token_0|>"
    assert tokenizer.pad_token_id not in stop_token_ids(tokenizer)
    assert len(tokenizer) == len(AutoTokenizer.from_pretrained(tiny_model))  # the embeddings need no new row


@pytest.mark.parametrize(
    ("ends", "pads"),
    [("<|end_of_text|>", "<|end_of_text|>"), ("<|end_of_text|>", "<|eot_id|>"), ("<|end_header_id|>",) * 2],
)
def test_a_padding_token_that_ends_a_text_is_replaced(tiny_model, tmp_path, ends, pads):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.eos_token, tokenizer.pad_token = ends, pads
    tokenizer.save_pretrained(tmp_path)
    loaded = model(tmp_path).tokenizer
    assert loaded.pad_token == "<|reserved_special_token_0|>"
    assert loaded.pad_token_id not in stop_token_ids(loaded)


def test_a_separate_padding_token_is_kept(tiny_model, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.pad_token = "!"
    tokenizer.save_pretrained(tmp_path)
    assert model(tmp_path).tokenizer.pad_token == "!"


def test_an_answer_ends_with_the_turn_and_with_the_text(tiny_model):
    tokenizer = model(tiny_model).tokenizer
    wanted = {tokenizer.convert_tokens_to_ids(token) for token in ("<|eot_id|>", "<|end_of_text|>")}
    assert set(stop_token_ids(tokenizer)) == wanted and len(wanted) == 2


def test_a_tokenizer_that_ends_nothing_is_refused():
    class Tokenizer(SimpleNamespace):
        def __call__(self, texts, **_options):
            return {"input_ids": [[0] for _ in texts]}

    other = Tokenizer(get_vocab=lambda: {"a": 0, "<end>": 1}, eos_token_id=1, all_special_ids=[1])
    assert stop_token_ids(other) == [1]
    assert stop_token_ids(other, generation_stops=[7]) == [1, 7]
    endless = Tokenizer(get_vocab=lambda: {"a": 0}, eos_token_id=None, all_special_ids=[])
    assert "tokenizer_config.json" in refused(stop_token_ids, endless)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nobody/nothing", "could not be loaded"),
        ("folder", "holds no tokenizer"),
        ("folder/nowhere", "is neither a folder nor a name on the Hugging Face Hub"),
    ],
)
def test_a_missing_tokenizer_is_a_user_error(tmp_path, name, why):
    name = name.replace("folder", str(tmp_path))
    message = refused(lambda: model(name).tokenizer)
    assert message.startswith(f"{name} {why}") and "--MODEL_NAME" in message


# ---- base model ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_base_is_frozen_and_in_the_precision_of_the_device(tiny_model, dtype):
    loaded = loading.load_base(model(tiny_model), CPU._replace(dtype=dtype), "bf16")
    assert all(not weight.requires_grad for weight in loaded.parameters())
    assert {weight.dtype for weight in loaded.parameters()} == {getattr(torch, dtype)}
    assert loaded.config._attn_implementation == "sdpa" and not loaded.training


def test_the_base_in_four_bits(tiny_model, monkeypatch):
    import bitsandbytes.nn.modules as layers

    monkeypatch.setattr(layers, "has_avx512bf16", lambda: True)  # as on the CPUs that repack their weights
    loaded = base(tiny_model, "nf4")
    assert all(not weight.requires_grad for weight in loaded.parameters())
    quantised = {name: part for name, part in loaded.named_modules() if isinstance(part, layers.Linear4bit)}
    assert len(quantised) == 2 * 7 and "lm_head" not in quantised
    assert {part.support_avx512bf16_for_cpu for part in quantised.values()} == {False}
    assert {part.weight.quant_type for part in quantised.values()} == {"nf4"}
    assert {part.compute_dtype for part in quantised.values()} == {torch.float32}
    assert {part.weight.dtype for part in quantised.values()} == {torch.uint8}
    others = {name: w for name, w in loaded.named_parameters() if name.rpartition(".")[0] not in quantised}
    assert {weight.dtype for weight in others.values()} == {torch.float32}


def test_no_repacking_in_evaluation_on_the_cpu(tiny_model):
    loaded = base(tiny_model, "nf4").eval()
    before = {name: weight.clone() for name, weight in loaded.named_parameters()}
    with torch.inference_mode():
        loaded(input_ids=torch.arange(8)[None])
    assert all(torch.equal(weight, before[name]) for name, weight in loaded.named_parameters())


def pickle_weights(path: Path, pickled: str) -> None:
    torch.save(load_file(path), path.with_name(pickled))
    path.unlink()


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: pickle_weights(folder / "model.safetensors", "pytorch_model.bin"),
        lambda folder: os.truncate(folder / "model.safetensors", 100_000),
        lambda folder: (folder / "config.json").write_text("{"),
    ],
    ids=["no weights", "pickled weights", "half copied", "config"],
)
def test_a_broken_base_is_a_user_error(copy, damage):
    damage(copy)
    message = refused(base, copy)
    assert message.startswith(f"{copy} could not be loaded") and "--MODEL_NAME" in message
    assert ". Put the model's own files back. Set" in message and ".. " not in message


# ---- what other models bring ---------------------------------------------------------------------------


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused(copy):
    tokenizer = AutoTokenizer.from_pretrained(copy)
    tokenizer.add_tokens([f"<drug-{number}>" for number in range(30)])
    tokenizer.save_pretrained(copy)
    message = refused(model(copy).require_usable, "bf16", "cpu", False)
    assert "536 tokens" in message and "resize_token_embeddings" in message


@pytest.mark.parametrize(
    ("stored", "precision", "message"),
    [
        ({"quant_method": "gptq", "bits": 4}, "nf4", "quantized with gptq"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "nf4", "bitsandbytes_8bit"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bf16", "--BASE_PRECISION nf4"),
    ],
)
def test_a_quantized_base_is_refused_or_wants_a_setting(copy, stored, precision, message):
    edit(copy / "config.json", quantization_config=stored)
    assert message in refused(model(copy).require_usable, precision, "cpu", False)
    assert "(MERGE_TO, EXPORT_TO) needs 16-bit weights" in refused(model(copy).require_mergeable, "merged")
    model(copy).require_mergeable("")


def test_a_base_stored_in_four_bits_loads_as_it_is(tiny_model, tmp_path):
    base(tiny_model, "nf4").save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path)
    model(tmp_path).require_usable("nf4", "cpu", False)
    ids = torch.arange(8)[None]
    with torch.inference_mode():
        stored, made = (base(folder, "nf4").eval()(input_ids=ids).logits for folder in (tmp_path, tiny_model))
    torch.testing.assert_close(stored, made)


def test_sequences_longer_than_the_positions_of_the_model_are_counted(copy):
    from medqa.modeling.tokenization import Example
    from medqa.runtime.console import WarningLog

    edit(copy / "config.json", max_position_embeddings=16)
    warnings = WarningLog()
    examples = [Example(str(n), "s", range(n), 1) for n in (15, 16, 17, 18)]
    model(copy).warn_of_long(examples, "train_dataset", warnings)
    [text] = warnings.texts
    assert text.startswith("2 sequences of train_dataset longer than the 16 positions")


# ---- adapter -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def adapter(tiny_model, tmp_path_factory) -> Path:
    """A trained adapter on q_proj and v_proj, as a folder."""
    folder = tmp_path_factory.mktemp("adapter")
    tuned = lora.add_lora(base(tiny_model), 4, 8, 0.0, ("q_proj", "v_proj"))
    torch.manual_seed(1)
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    tuned.save_pretrained(folder)
    return folder


def test_lora_is_the_only_part_that_is_trained(tiny_model):
    tuned = lora.add_lora(base(tiny_model), 4, 8, 0.0, ("q_proj", "v_proj"))
    trained = {name: tuple(w.shape) for name, w in tuned.named_parameters() if w.requires_grad}
    assert len(trained) == 2 * 2 * 2
    assert all(".q_proj.lora_" in name or ".v_proj.lora_" in name for name in trained)
    assert all(4 in shape for shape in trained.values())


@pytest.mark.parametrize("names", [(), ("attention",), ("q_proj", "v_porj")])
def test_lora_refuses_names_that_no_layer_has(tiny_model, names):
    message = refused(lora.add_lora, base(tiny_model), 4, 8, 0.0, names)
    assert message.startswith(f"LORA_TARGET_MODULES {list(names)}")
    assert "q_proj" in message.split("The model has:")[1]


def test_an_adapter_changes_the_model_and_can_be_switched_off(tiny_model, adapter):
    ids = torch.arange(8)[None]
    with torch.inference_mode():
        plain = base(tiny_model).eval()(input_ids=ids).logits
        tuned = loading.load_adapter(base(tiny_model), str(adapter)).eval()
        assert not any(weight.requires_grad for weight in tuned.parameters())
        assert not torch.allclose(tuned(input_ids=ids).logits, plain, atol=1e-2)
        with tuned.disable_adapter():
            torch.testing.assert_close(tuned(input_ids=ids).logits, plain)


def test_loading_an_adapter_does_not_ask_the_hub(tiny_model, adapter, tmp_path, monkeypatch):
    """peft would ask the Hub about the vocabulary of a base that is named there: a wait without internet."""
    import peft.utils.save_and_load as peft_files

    def ask(*_):
        raise AssertionError

    folder = Path(shutil.copytree(adapter, tmp_path / "adapter"))
    edit(folder / "adapter_config.json", base_model_name_or_path="owner/name")
    monkeypatch.setattr(peft_files, "check_file_exists_on_hf_hub", ask)
    loading.load_adapter(base(tiny_model), str(folder))


def edit_weights(folder: Path, change) -> None:
    path = folder / "adapter_model.safetensors"
    save_file({name: w.clone() for name, w in change(load_file(path)).items()}, path)


DAMAGED = {
    "weights missing": (lambda f: (f / WEIGHTS).unlink(), "Make it with: python fine_tuning.py"),
    "pickled": (lambda f: pickle_weights(f / WEIGHTS, "adapter_model.bin"), "pickled"),
    "cut off": (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:-10]), "damaged"),
    "empty": (lambda f: (f / WEIGHTS).write_bytes(b""), "damaged"),
    "config missing": (lambda f: (f / CONFIG).unlink(), "adapter_config.json"),
    "config cut off": (lambda f: (f / CONFIG).write_text('{"r": 4,'), "damaged"),
    "NaN": (lambda f: edit_weights(f, lambda w: {name: w[name] * float("nan") for name in w}), "NaN"),
    "other rank": (lambda f: edit(f / CONFIG, r=8), "size mismatch"),
    "more layers": (
        lambda f: edit_weights(
            f, lambda w: w | {name.replace("layers.1.", "layers.2."): w[name] for name in w}
        ),
        "layers.2.",
    ),
    "fewer layers": (
        lambda f: edit_weights(f, lambda w: {name: w[name] for name in w if "layers.1." not in name}),
        "layers.1.",
    ),
    "other names": (
        lambda f: edit_weights(f, lambda w: {name.replace("layers", "blocks"): w[name] for name in w}),
        "does not fit",
    ),
    "other modules": (lambda f: edit(f / CONFIG, target_modules=["query_key_value"]), "query_key_value"),
}


@pytest.mark.parametrize(
    "kind",
    [
        {"modules_to_save": ["lm_head"]},
        {"modules_to_save": ["embed_tokens"]},
        {"trainable_token_indices": {"embed_tokens": [1, 5]}},
        {"target_modules": "all-linear"},
        {"use_dora": True},
    ],
    ids=str,
)
def test_an_adapter_of_another_kind_is_loaded_as_peft_does(tiny_model, tmp_path, kind):
    from peft import LoraConfig, PeftModel, get_peft_model

    settings = {"task_type": "CAUSAL_LM", "r": 4, "target_modules": ["q_proj", "v_proj"]} | kind
    torch.manual_seed(2)
    tuned = get_peft_model(base(tiny_model), LoraConfig(**settings))
    for weight in tuned.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.1)
    tuned.save_pretrained(tmp_path, save_embedding_layers=False)
    ids = torch.arange(8)[None]
    with torch.inference_mode():
        plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), tmp_path).eval()
        ours = loading.load_adapter(base(tiny_model), str(tmp_path)).eval()
        torch.testing.assert_close(ours(input_ids=ids).logits, plain(input_ids=ids).logits)
        with ours.disable_adapter():
            logits = base(tiny_model).eval()(input_ids=ids).logits
            torch.testing.assert_close(ours(input_ids=ids).logits, logits)


@pytest.mark.parametrize("kind", ["prompt", "prefix", "p-tuning"])
def test_an_adapter_that_adds_tokens_is_refused(tiny_model, tmp_path, kind):
    import peft

    configs = {"prompt": peft.PromptTuningConfig, "prefix": peft.PrefixTuningConfig,
               "p-tuning": peft.PromptEncoderConfig}  # fmt: skip
    tuned = peft.get_peft_model(base(tiny_model), configs[kind](task_type="CAUSAL_LM", num_virtual_tokens=3))
    tuned.save_pretrained(tmp_path)
    message = refused(loading.load_adapter, base(tiny_model), str(tmp_path))
    assert tuned.peft_config["default"].peft_type.value in message and "virtual tokens" in message


def test_an_adapter_of_resized_embeddings_says_what_to_do(tiny_model, tmp_path):
    model = base(tiny_model)
    model.resize_token_embeddings(model.config.vocab_size + 3)
    lora.add_lora(model, 4, 8, 0.0, ("q_proj",)).save_pretrained(tmp_path, save_embedding_layers=True)
    assert "Merge it where it was trained" in refused(loading.load_adapter, base(tiny_model), str(tmp_path))


@pytest.mark.parametrize("damage", DAMAGED)
def test_an_adapter_that_is_damaged_or_does_not_fit_is_refused(tiny_model, adapter, tmp_path, damage):
    folder = shutil.copytree(adapter, tmp_path / "adapter")
    break_adapter, reason = DAMAGED[damage]
    break_adapter(folder)
    message = refused(loading.load_adapter, base(tiny_model), str(folder))
    assert str(folder) in message and reason in message
    if damage == "other rank":
        assert message.count("size mismatch") == 1 and "Error(s)" not in message and "more). Give" in message


# ---- an adapter in the place of a model ----------------------------------------------------------------


@pytest.mark.parametrize("check", ["require_weights", "fingerprint", "parameter_count"])
@pytest.mark.parametrize("base_name", ["my base", None])
def test_an_adapter_in_the_place_of_a_base_model_names_its_base(check, base_name, tmp_path):
    (tmp_path / CONFIG).write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": base_name}))
    (tmp_path / WEIGHTS).write_bytes(b"")

    def read() -> None:
        found = getattr(model(tmp_path), check)
        if callable(found):
            found()

    told = refused(read)
    assert f"{tmp_path} holds an adapter, not a base model." in told
    assert ("Its base model is my base: --MODEL_NAME 'my base'" in told) == bool(base_name)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "config.json does not exist"), ('{"a":', "it is not JSON from line 1, column 6 on")],
)
def test_a_config_that_cannot_be_read_is_told_in_words(content, words, copy):
    (copy / "config.json").unlink()
    if content:
        (copy / "config.json").write_text(content)
    told = refused(lambda: model(copy).parameter_count)
    assert words in told and "Error" not in told and "Errno" not in told


def test_a_model_without_a_config_has_no_fingerprint(tmp_path):
    assert "has no config.json. Set --MODEL_NAME" in refused(lambda: model(tmp_path).fingerprint)


def test_an_encoder_cannot_answer(copy):
    model(copy).require_causal()
    (copy / "config.json").write_text(json.dumps({"model_type": "modernbert"}))
    told = refused(model(copy, "FINETUNED_MODEL_PATH").require_causal)
    assert "(modernbert) is not a causal language model" in told and "--FINETUNED_MODEL_PATH" in told


@pytest.mark.parametrize(
    "name", ["a b/c", "owner/name?", "ünï/code", "a/b/c", "/no/such", "../b", "~/b", "nosuch"]
)
def test_what_cannot_be_a_name_on_the_hub_is_refused_in_words(name):
    for check in (model(name).require_weights, lambda: model(name).parameter_count):
        assert f"{name} is neither a folder nor a name on the Hugging Face Hub" in refused(check)


@pytest.mark.parametrize("name", ["dmis-lab/llama-3-meerkat-8b-v1.0", "Qwen/Qwen2.5-0.5B", "0-hero/a_b"])
def test_names_on_the_hub_are_accepted(name):
    model(name).require_name()
