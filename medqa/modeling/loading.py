"""Loads a base model's weights, in NF4, in FP8 or unquantized, and adds a trained adapter to them."""

from pathlib import Path
from typing import Any

from medqa.artifacts.plain_words import in_words
from medqa.modeling.adapter import ADAPTER_WEIGHTS, read_config, require_adapter
from medqa.modeling.base_model import BaseModel
from medqa.modeling.device import Device
from medqa.modeling.precision import FP8, NF4
from medqa.runtime.errors import UserError


def load_base(base: BaseModel, device: Device, precision: str, attention: str = "sdpa") -> Any:
    """The model on `device`, frozen: in NF4 (QLoRA, arXiv 2305.14314), in FP8 or in `device.dtype`.

    We freeze the weights ourselves: peft's `prepare_model_for_kbit_training` would also convert the
    embeddings, the norms and the head to float32, which costs 2 GB and a quarter of the speed.

    Raises:
        UserError: the model cannot be loaded, or weights are missing.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype = getattr(torch, device.dtype)
    if attention == "sdpa" and getattr(base.model_config, "attn_logit_softcapping", None):
        attention = "eager"  # torch's attention does not cap scores
    quantization = None
    if precision == FP8:
        from medqa.modeling.fp8 import Fp8Config

        quantization = Fp8Config()
    elif precision == NF4:
        # The library's defaults are FP4 and float32, so every option is given.
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_use_double_quant=False,
        )
    with base.load_errors():
        model, loading = AutoModelForCausalLM.from_pretrained(
            base.name,
            dtype=dtype,
            quantization_config=quantization,
            # "auto" would spread one model over all GPUs, which breaks data-parallel training.
            device_map={"": device.name},
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        # transformers initializes missing weights at random, with only a warning.
        if missing := sorted({*loading["missing_keys"], *map(str, loading["mismatched_keys"])}):
            raise ValueError(
                f"its weights lack {len(missing)} of what config.json names, such as {missing[0]}."
            )
    if precision == NF4 and not device.is_cuda:
        _disable_4bit_repacking(model)
    model.requires_grad_(False)
    return model


def _disable_4bit_repacking(model: Any) -> None:
    """Stop bitsandbytes from repacking 4-bit weights in evaluation mode on CPUs with AVX512-BF16.

    After such a forward pass the gradients of later training steps are wrong, with only a warning.
    """
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def load_adapter(model: Any, folder: str) -> Any:
    """Add a trained adapter to a loaded base model.

    Raises:
        UserError: no adapter there, only a pickled one, or one that does not fit this base.
    """
    import torch
    from peft import PeftModel, get_peft_model_state_dict

    path = Path(folder)
    require_adapter(path)
    names = _checked_weights(path)
    try:
        loaded = PeftModel.from_pretrained(model, str(path), is_trainable=False)
        # Without the argument peft asks the Hub whether the base's vocabulary was changed.
        unmatched = names ^ set(get_peft_model_state_dict(loaded, save_embedding_layers=False))
        if unmatched:  # peft only warns, and half of the adapter would be missing from the answers
            raise ValueError(f"{len(unmatched)} weights have no counterpart, such as {min(unmatched)}")
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # peft raises many types for an unexpected adapter_config.json
        # torch puts a heading above the list of all weights that differ.
        lines = [line for line in str(error).split("\n") if not line.startswith("Error(s) in loading")]
        reason = " ".join((lines or [""])[0].split())[:300].rstrip(".") or type(error).__name__
        more = f" (and {len(lines) - 1} more)" if reason.startswith("size mismatch") and lines[1:] else ""
        raise UserError(
            f"the adapter in {path} does not fit this base model, or is damaged: {reason}{more}. Give the "
            "base that it was trained on; adapter_config.json names it as base_model_name_or_path."
        ) from None
    return loaded


def _checked_weights(folder: Path) -> set[str]:
    """Names of an adapter's weights.

    Raises:
        UserError: the file cannot be read, or holds NaN, or the embeddings of a model with added tokens.
    """
    from safetensors import SafetensorError, safe_open

    damaged = f"the adapter in {folder} is damaged:"
    try:
        with safe_open(folder / ADAPTER_WEIGHTS, "pt") as file:
            names = set(file.keys())
            broken = [name for name in names if not file.get_tensor(name).isfinite().all()]
    except (OSError, SafetensorError) as error:
        raise UserError(f"{damaged} {in_words(error)}. Put its own files back.") from None
    if broken:
        raise UserError(
            f"{damaged} {len(broken)} of its weights hold NaN or infinity, such as {min(broken)}. Train it "
            "again, with a lower learning rate."
        )
    trained = tuple(f"{name}.weight" for name in read_config(folder).get("modules_to_save") or ())
    whole = [name for name in names if name.endswith(("embed_tokens.weight", "lm_head.weight"))]
    if added := [name for name in whole if not name.endswith(trained)]:
        raise UserError(
            f"the adapter in {folder} holds whole embeddings ({min(added)}), so its base had other tokens "
            "than this one. Merge it where it was trained (merge_and_unload of peft, then save_pretrained of "
            "model and tokenizer). Give the merged model as FINETUNED_MODEL_PATH and its resized base as "
            "BASE_MODEL_PATH."
        )
    return names
