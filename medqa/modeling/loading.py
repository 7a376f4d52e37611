"""Tokenizer, base model, adapter: loaded, checked, told apart."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medqa.artifacts.output_dir import MERGED
from medqa.modeling.adapter import require_adapter
from medqa.modeling.device import Device
from medqa.runtime.errors import UserError

STOP_TOKENS = ("<|eot_id|>", "<|end_of_text|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "</s>")
PADDING_TOKENS = ("<|finetune_right_pad_id|>", "<|reserved_special_token_0|>", "<pad>")


def require_model(model_name: str, setting: str) -> None:
    """Refuse a base model that is neither a folder nor the form of a Hub name, or a folder without weights.

    Raises:
        UserError: with what was looked for, and the name of the setting to change.
    """
    folder = Path(model_name)
    if folder.is_dir():
        if not any(folder.glob("*.safetensors")):
            found = ", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "nothing"
            raise UserError(
                f"{folder} has no *.safetensors weights (found: {found}). Set --{setting} to a model folder."
            )
    elif model_name.count("/") != 1 or model_name.startswith((".", "/", "~")):
        raise UserError(
            f"{model_name} is neither a folder nor a name on the Hugging Face Hub (owner/name). Set "
            f"--{setting}; the demo's model is made with: python demo/build_model.py"
        )


def fingerprint(model_name: str) -> str:
    """What identifies a model: SHA-256 over config.json and the names and sizes of the weight files.

    Of a model that `--MERGE_TO` made, also over what it was merged from. A Hub name is its own fingerprint.
    Reading 16 GB to hash them would take longer than the demo.
    """
    folder = Path(model_name)
    if not folder.is_dir():
        return model_name
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(f"{path.name} {path.stat().st_size}".encode())
    if (folder / MERGED).is_file():
        digest.update((folder / MERGED).read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _told_plainly(model_name: str, setting: str) -> Iterator[None]:
    """Turn the library's error about an unreachable or broken model into one line."""
    import torch

    try:
        yield
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the libraries raise all kinds for a file that is not what it should be
        first = (str(error).strip().split("\n")[0] or type(error).__name__)[:300]
        way = (
            "Put the model's own files back."
            if Path(model_name).is_dir()
            else "Without internet, copy the model's folder here."
        )
        raise UserError(
            f"{model_name} could not be loaded: {first} {way} Set its path with --{setting}."
        ) from None


def load_config(model_name: str, setting: str) -> Any:
    """The architecture and sizes of a model, without its weights."""
    from transformers import AutoConfig

    with _told_plainly(model_name, setting):
        return AutoConfig.from_pretrained(model_name, trust_remote_code=False)


def load_tokenizer(model_name: str, setting: str) -> Any:
    """The tokenizer, with a padding token that is none of the tokens that end a text."""
    from transformers import AutoTokenizer

    with _told_plainly(model_name, setting):
        tokenizer = AutoTokenizer.from_pretrained(
            model_name, clean_up_tokenization_spaces=False, trust_remote_code=False
        )
    # Saved otherwise, so that the same tokenizer had other bytes when the machine was offline.
    tokenizer.init_kwargs.pop("local_files_only", None)
    if tokenizer.pad_token in (None, tokenizer.eos_token, *STOP_TOKENS):
        vocabulary = tokenizer.get_vocab()
        spare = [token for token in PADDING_TOKENS if token in vocabulary]
        tokenizer.pad_token = spare[0] if spare else tokenizer.eos_token
    return tokenizer


def stop_token_ids(tokenizer: Any) -> list[int]:
    """Ids of the tokens that end an answer: the end of turn and the end of text.

    Meerkat's files name `<|end_of_text|>` alone, although an answer ends with `<|eot_id|>`: both are taken.

    Raises:
        UserError: the tokenizer knows neither.
    """
    vocabulary = tokenizer.get_vocab()
    ids = {vocabulary[token] for token in STOP_TOKENS if token in vocabulary}
    if tokenizer.eos_token_id is not None:
        ids.add(tokenizer.eos_token_id)
    if not ids:
        raise UserError(
            "the tokenizer names no token that ends a text. Set eos_token in its tokenizer_config.json, "
            "for example to <|eot_id|>."
        )
    return sorted(ids)


def load_base(model_name: str, device: Device, four_bit: bool, setting: str, attention: str = "sdpa") -> Any:
    """The base model on `device`, frozen: in NF4 (QLoRA, arXiv 2305.14314) or in `device.dtype`.

    Weights are frozen by hand: peft's `prepare_model_for_kbit_training` would also turn the embeddings, the
    norms and the head into float32, which costs 2 GB and a quarter of the speed for nothing here.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype = getattr(torch, device.dtype)
    quantization = None
    if four_bit:
        # The library's defaults are FP4 and float32, so everything is named.
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_use_double_quant=False,
        )
    with _told_plainly(model_name, setting):
        model, loading = AutoModelForCausalLM.from_pretrained(
            model_name,
            dtype=dtype,
            quantization_config=quantization,
            # "auto" would spread one model over all cards and break training in parallel.
            device_map={"": device.name},
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        # The library fills what is missing with random numbers, and says so in a warning only.
        if absent := sorted({*loading["missing_keys"], *map(str, loading["mismatched_keys"])}):
            raise ValueError(
                f"its weights lack {len(absent)} of what config.json names, such as {absent[0]}."
            )
    if four_bit and not device.is_cuda:
        _keep_4bit_weights_as_they_are(model)
    model.requires_grad_(False)
    return model


def _keep_4bit_weights_as_they_are(model: Any) -> None:
    """Stop bitsandbytes from repacking 4-bit weights in evaluation on CPUs with AVX512-BF16.

    After such a forward pass the gradients of later training steps are wrong, with only a warning.
    """
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def load_adapter(model: Any, folder: str) -> Any:
    """Put a trained adapter on the base model.

    Raises:
        UserError: no adapter there, only a pickled one, or one that does not fit this base.
    """
    import torch
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    path = Path(folder)
    require_adapter(path)
    try:
        loaded = PeftModel.from_pretrained(model, str(path), is_trainable=False)
        with safe_open(path / "adapter_model.safetensors", "pt") as file:
            names = set(file.keys())
        # Said aloud, because peft would else ask the Hub whether the base's vocabulary was changed.
        embeddings = any(layer in name for name in names for layer in ("embed_tokens", "lm_head"))
        strangers = names ^ set(get_peft_model_state_dict(loaded, save_embedding_layers=embeddings))
        if strangers:  # peft only warns, and answers with an adapter that is half there
            raise ValueError(f"{len(strangers)} weights have no counterpart, such as {min(strangers)}")
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a strange adapter_config.json fails in as many ways as peft has
        told = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(
            f"the adapter in {path} does not fit this base model, or is damaged: {told}"
        ) from None
    return loaded
