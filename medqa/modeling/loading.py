"""Loads a base model's weights, in NF4 or unquantized, and adds a trained adapter to them."""

from pathlib import Path
from typing import Any

from medqa.modeling.adapter import ADAPTER_WEIGHTS, require_adapter
from medqa.modeling.base_model import BaseModel
from medqa.modeling.device import Device
from medqa.runtime.errors import UserError


def load_base(base: BaseModel, device: Device, four_bit: bool, attention: str = "sdpa") -> Any:
    """The model on `device`, frozen: in NF4 (QLoRA, arXiv 2305.14314) or in `device.dtype`.

    We freeze the weights ourselves: peft's `prepare_model_for_kbit_training` would also convert the
    embeddings, the norms and the head to float32, which costs 2 GB and a quarter of the speed.

    Raises:
        UserError: the model cannot be loaded, or weights are missing.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype = getattr(torch, device.dtype)
    quantization = None
    if four_bit:
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
    if four_bit and not device.is_cuda:
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
    from safetensors import safe_open

    path = Path(folder)
    require_adapter(path)
    try:
        loaded = PeftModel.from_pretrained(model, str(path), is_trainable=False)
        with safe_open(path / ADAPTER_WEIGHTS, "pt") as file:
            names = set(file.keys())
        # Without this argument peft asks the Hub whether the base's vocabulary was changed.
        embeddings = any(layer in name for name in names for layer in ("embed_tokens", "lm_head"))
        unmatched = names ^ set(get_peft_model_state_dict(loaded, save_embedding_layers=embeddings))
        if unmatched:  # peft only warns, and half of the adapter would be missing from the answers
            raise ValueError(f"{len(unmatched)} weights have no counterpart, such as {min(unmatched)}")
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # peft raises many types for an unexpected adapter_config.json
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(
            f"the adapter in {path} does not fit this base model, or is damaged: {reason}"
        ) from None
    return loaded
