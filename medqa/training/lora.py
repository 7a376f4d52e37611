"""Prepares the model for training: the frozen base with a new LoRA adapter, on one GPU or sharded."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from transformers import set_seed

from medqa.modeling import loading, precision, varlen_attention
from medqa.modeling.base_model import BaseModel
from medqa.modeling.collator import collate
from medqa.modeling.device import Device, free_memory
from medqa.modeling.loss import use_packed_loss
from medqa.modeling.model_size import all_gather_bytes
from medqa.modeling.tokenization import Example
from medqa.runtime.console import print_rank0
from medqa.runtime.distributed import world_size
from medqa.runtime.errors import UserError
from medqa.training import fsdp, memory_plan
from medqa.training.compile_cache import keep_compiled_code

# Compiled FP8 layers are compared with uncompiled ones on the first layers and one sequence of so many
# tokens. Roundings add up from layer to layer, so that a whole model of 32 layers differs too much to judge.
PROBE_LAYERS, PROBE_TOKENS = 2, 256
# Largest relative difference of the adapter's gradients: rounding gives 0.03 to 0.05, a lost backward pass 1.
LARGEST_GRADIENT_ERROR = 0.2


@dataclass(frozen=True)
class AdapterSettings:
    """Settings of TrainingConfig that define the model in training."""

    lora_rank: int
    lora_alpha: int
    lora_dropout: float
    lora_target_modules: tuple[str, ...]
    base_precision: str
    max_seq_length: int
    seed: int


def require_trainable(model_config: Any, settings: AdapterSettings) -> None:
    """Refuse a model or target modules that cannot be trained, before a weight is loaded.

    Raises:
        UserError: with what is supported, or the modules of the model.
    """
    from transformers import AutoModelForCausalLM

    varlen_attention.require_supported(model_config, settings.max_seq_length)
    with torch.device("meta"):
        empty_model = AutoModelForCausalLM.from_config(model_config, attn_implementation="sdpa")
    require_targets(empty_model, settings.lora_target_modules)


def load(base: BaseModel, settings: AdapterSettings, device: Device, sharded: bool) -> Any:
    """The base model with a new adapter and packed attention.

    Args:
        base: the base model.
        settings: of the adapter.
        device: where this rank trains.
        sharded: whether the ranks share the base's weights.
    """
    require_trainable(base.model_config, settings)
    precision.suggest_fp8(settings.base_precision, device.name, sharded)
    set_seed(settings.seed)
    if sharded:
        model = fsdp.load_before_sharding(base, settings.base_precision, device, varlen_attention.NAME)
    else:
        model = loading.load_base(base, device, settings.base_precision, varlen_attention.NAME)
    targets = settings.lora_target_modules
    peft_model = add_lora(model, settings.lora_rank, settings.lora_alpha, settings.lora_dropout, targets)
    trained, total = peft_model.get_nb_trainable_parameters()
    base_in = precision.describe(settings.base_precision, device.dtype)
    print_rank0(f"Model: {total - trained:,} weights in {base_in}, frozen; adapter: {trained:,} weights")
    if sharded:
        fsdp.shard_base(peft_model, device.name)
        print_rank0(f"FSDP: each of {world_size()} processes holds a shard of the frozen layers")
    return peft_model


def configure_for_memory(
    settings: memory_plan.MemorySettings, peft_model: Any, device: Device, tokens_in_run: int, sharded: bool
) -> int:
    """Dequantize, compile or recompute layers as the free memory allows; returns the tokens of one pass.

    All ranks use the plan of the GPU with the least free memory, and compile only if every machine has a
    compiler: DDP copies rank 0's weights to the other ranks, so all must have the same form.
    """
    print_rank0(f"Attention: {varlen_attention.describe(device.is_cuda)}")
    free_bytes, compiler = None, memory_plan.has_compiler()
    if device.is_cuda:
        ranks = gather_object([(free_memory(device.name), compiler)])
        free_bytes, compiler = min(free for free, _ in ranks), all(has for _, has in ranks)
        if sharded:
            free_bytes -= all_gather_bytes(peft_model.config, settings.base_precision, 2)
    plan, compiled = memory_plan.plan_forward_pass(
        settings, peft_model.config, tokens_in_run, free_bytes, compiler, sharded
    )
    if plan.dequantized:
        dequantize(peft_model)
        torch.cuda.empty_cache()  # the 4-bit weights leave blocks that are too small for activations
    use_packed_loss(peft_model, compiled)
    prepare_layers(peft_model, plan.recompute, compiled)
    if compiled and settings.base_precision == precision.FP8:
        require_gradients(peft_model, device)
    return plan.tokens


def require_gradients(peft_model: Any, device: Device) -> None:
    """Train FP8 layers uncompiled if their compiled form gives the adapter other gradients on this device.

    A compiler that loses the backward pass of a layer reports nothing, as torch 2.11 does behind
    `varlen_attn`. All ranks do the same.
    """
    try:
        eager = adapter_gradient(peft_model, device, "force_eager")
        compiled = adapter_gradient(peft_model, device, "default")
        error = ((compiled - eager).norm() / eager.norm()).item()
    except Exception as failure:  # the compiler raises many types
        print_rank0(f"Compiling failed: {type(failure).__name__} {str(failure)[:200]}")
        error = math.inf
    if not all(found <= LARGEST_GRADIENT_ERROR for found in gather_object([error])):  # not for NaN either
        print_rank0(
            "Layers: not compiled, because the adapter's gradients would be wrong on this GPU (relative "
            f"difference {error:.2f})"
        )
        for layer in peft_model.get_base_model().get_decoder().layers:
            layer._compiled_call_impl = None


def adapter_gradient(peft_model: Any, device: Device, stance: str) -> torch.Tensor:
    """The adapter's gradients in the first layers, of one short sequence, flat.

    Args:
        peft_model: with `use_packed_loss`.
        device: where it is.
        stance: "default", or "force_eager" to leave compiled code aside.
    """
    trained = [weight for weight in peft_model.parameters() if weight.requires_grad]
    dropout = any(part.p for part in peft_model.modules() if isinstance(part, torch.nn.Dropout))
    peft_model.train(not dropout)  # in the mode of the training, for which the code is compiled, if it can be
    sequence = Example("", "", np.arange(PROBE_TOKENS) % peft_model.config.vocab_size, 1)
    decoder = peft_model.get_base_model().get_decoder()
    layers, decoder.layers = decoder.layers, decoder.layers[:PROBE_LAYERS]
    with torch.compiler.set_stance(stance), torch.autocast("cuda", torch.bfloat16, enabled=device.is_cuda):
        (peft_model(**collate([sequence], device.name)) / PROBE_TOKENS).backward()
    decoder.layers = layers
    gradient = torch.cat([weight.grad.float().flatten() for weight in trained if weight.grad is not None])
    peft_model.zero_grad()
    return gradient


def add_lora(model: Any, rank: int, alpha: int, dropout: float, target_modules: tuple[str, ...]) -> Any:
    """Add a new LoRA adapter (Hu et al., arXiv 2106.09685), the only part that is trained.

    Raises:
        UserError: no layer of the model has one of the names.
    """
    from peft import LoraConfig, get_peft_model

    require_targets(model, target_modules)
    return get_peft_model(
        model,
        LoraConfig(
            task_type="CAUSAL_LM",
            r=rank,
            lora_alpha=alpha,
            lora_dropout=dropout,
            target_modules=list(target_modules),
        ),
    )


def require_targets(model: Any, target_modules: tuple[str, ...]) -> None:
    """Refuse target modules that the model does not have, and its head, which the loss treats as frozen.

    Raises:
        UserError: with the names of the model's linear layers.
    """
    head = model.get_output_embeddings()
    linear = [n for n, part in model.named_modules() if hasattr(part, "in_features") and part is not head]
    unknown = [one for one in target_modules if not any(f".{name}".endswith(f".{one}") for name in linear)]
    if unknown or not target_modules:
        why = f"this model has no {', '.join(unknown)} to add an adapter to" if unknown else "none is named"
        why += "; separate names with spaces: q_proj v_proj" * any("," in name for name in unknown)
        names = ", ".join(sorted({name.rsplit(".", 1)[-1] for name in linear}))
        raise UserError(f"LORA_TARGET_MODULES {list(target_modules)}: {why}. The model has: {names}.")


def dequantize(peft_model: Any) -> None:
    """Replace the 4-bit matrices by their bfloat16 values, which every pass would compute again.

    Training is still QLoRA: the same quantized values, the same products.
    """
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    for module in peft_model.modules():
        for name, quantized in module.named_children():
            if isinstance(quantized, Linear4bit):
                values = dequantize_4bit(quantized.weight.data, quantized.weight.quant_state)
                linear = torch.nn.Linear(quantized.in_features, quantized.out_features, device="meta")
                linear.weight = torch.nn.Parameter(values.to(quantized.compute_dtype), requires_grad=False)
                linear.bias = quantized.bias
                setattr(module, name, linear)


def prepare_layers(model: Any, recompute: bool, compiled: bool) -> None:
    """Recompute activations in the backward pass, or compile the layers one by one, or neither."""
    if recompute:
        # transformers 5.23 renamed the method and warns about the old name.
        renamed = hasattr(model, "activation_checkpointing_enable")
        enable = model.activation_checkpointing_enable if renamed else model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
        model.enable_input_require_grads()
    if compiled:
        print_rank0(f"Compiled code: kept in {keep_compiled_code()}")
        # DDP exchanges only the adapter's gradients, so splitting the graph for it gains nothing.
        torch._dynamo.config.optimize_ddp = False
        # Numbers such as the adapter's scale stay constants. As variables they are computed by C++ code on
        # the CPU, whose vector instructions torch tries first, in one process after another.
        torch._dynamo.config.specialize_float = True
        for layer in model.get_base_model().get_decoder().layers:
            layer.compile(dynamic=True)  # all layers share the code, for any number of tokens
