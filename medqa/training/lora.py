"""The model as it is trained: the frozen base with a fresh adapter, on one card or in parts on several."""

from typing import Any

import torch
from accelerate.utils import gather_object
from transformers import set_seed

from medqa.modeling import loading, varlen_attention
from medqa.modeling.device import Device, free_memory
from medqa.modeling.loss import use_packed_loss
from medqa.modeling.model_size import all_gather_bytes
from medqa.runtime.console import print_rank0
from medqa.runtime.distributed import world_size
from medqa.runtime.errors import UserError
from medqa.training import fsdp, memory_plan


def require_trainable(config: Any, sizes: Any) -> None:
    """Refuse, before a weight is loaded, a model or layers that cannot be trained here.

    Raises:
        UserError: with what is known, or what the model has.
    """
    from transformers import AutoModelForCausalLM

    varlen_attention.require_supported(sizes, config.MAX_SEQ_LENGTH)
    with torch.device("meta"):
        hollow = AutoModelForCausalLM.from_config(sizes, attn_implementation="sdpa")
    require_targets(hollow, config.LORA_TARGET_MODULES)


def load(config: Any, device: Device, sharded: bool) -> Any:
    """The base model with a fresh adapter, packed attention, and a loss over the answers only.

    Args:
        config: a TrainingConfig.
        device: where this process trains.
        sharded: whether the processes share the base.
    """
    sizes = loading.load_config(config.MODEL_NAME, "MODEL_NAME")
    require_trainable(config, sizes)
    set_seed(config.SEED)
    if sharded:
        base = fsdp.load_before_sharding(config, sizes, device, varlen_attention.NAME)
    else:
        base = loading.load_base(
            config.MODEL_NAME, device, config.USE_4BIT, "MODEL_NAME", varlen_attention.NAME
        )
    peft_model = add_lora(
        base, config.LORA_RANK, config.LORA_ALPHA, config.LORA_DROPOUT, config.LORA_TARGET_MODULES
    )
    trained, total = peft_model.get_nb_trainable_parameters()
    precision = "NF4" if config.USE_4BIT else device.dtype
    print_rank0(f"Model: {total - trained:,} weights in {precision}, frozen; adapter: {trained:,} weights")
    if sharded:
        fsdp.shard_base(peft_model, device.name)
        print_rank0(f"FSDP: each of {world_size()} processes holds its part of the frozen layers")
    return peft_model


def configure_for_memory(
    config: Any, peft_model: Any, device: Device, tokens_in_run: int, sharded: bool
) -> int:
    """Prepare the layers as the free memory and the length of the run ask for; returns tokens of one pass.

    The fullest card decides for all processes, and compiling needs a compiler on every machine: DDP copies
    the first one's weights to the others, so theirs must be of the same form.
    """
    print_rank0(f"Attention: {varlen_attention.describe(device.is_cuda)}")
    free, compiler = None, memory_plan.has_compiler()
    if device.is_cuda:
        cards, compilers = zip(*gather_object([(free_memory(device.name), compiler)]), strict=True)
        free, compiler = min(cards), all(compilers)
        if sharded:
            free -= all_gather_bytes(peft_model.config, config.USE_4BIT, 2)
    cut, compiled = memory_plan.plan_forward_pass(
        config, peft_model.config, tokens_in_run, free, compiler, sharded
    )
    if cut.dequantized:
        dequantize(peft_model)
        torch.cuda.empty_cache()  # the 4-bit ones' memory, in pieces too small for what comes
    use_packed_loss(peft_model, compiled)
    prepare_layers(peft_model, cut.checkpointing, compiled)
    return cut.tokens


def add_lora(model: Any, rank: int, alpha: int, dropout: float, target_modules: tuple[str, ...]) -> Any:
    """Add a fresh LoRA adapter (Hu et al., arXiv 2106.09685), the only part that is trained.

    Raises:
        UserError: no layer of the model has one of the names.
    """
    from peft import LoraConfig, get_peft_model

    require_targets(model, target_modules)
    try:
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
    except ValueError as error:
        raise UserError(f"LORA_TARGET_MODULES {list(target_modules)}: {str(error).splitlines()[0]}") from None


def require_targets(model: Any, target_modules: tuple[str, ...]) -> None:
    """Refuse names of layers that the model does not have, and its head, which the loss takes as frozen.

    Raises:
        UserError: with the names that it has.
    """
    head = model.get_output_embeddings()
    linear = [n for n, part in model.named_modules() if hasattr(part, "in_features") and part is not head]
    unknown = [one for one in target_modules if not any(f".{name}".endswith(f".{one}") for name in linear)]
    if unknown or not target_modules:
        why = f"this model has no {', '.join(unknown)} to add an adapter to" if unknown else "none is named"
        names = ", ".join(sorted({name.rsplit(".", 1)[-1] for name in linear}))
        raise UserError(f"LORA_TARGET_MODULES {list(target_modules)}: {why}. The model has: {names}.")


def dequantize(peft_model: Any) -> None:
    """Hold the 4-bit matrices as bfloat16: the very values that each pass would dequantize again.

    So the adapter is trained against the same quantised weights (QLoRA) with the same products.
    """
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    for module in peft_model.modules():
        for name, packed in module.named_children():
            if isinstance(packed, Linear4bit):
                values = dequantize_4bit(packed.weight.data, packed.weight.quant_state)
                linear = torch.nn.Linear(packed.in_features, packed.out_features, device="meta")
                linear.weight = torch.nn.Parameter(values.to(packed.compute_dtype), requires_grad=False)
                linear.bias = packed.bias
                setattr(module, name, linear)


def prepare_layers(model: Any, recompute: bool, compiled: bool) -> None:
    """Recompute activations in the backward pass, or compile the layers one by one, or neither."""
    if recompute:
        # transformers 5.23 gave it another name and warns about the old one.
        known = hasattr(model, "activation_checkpointing_enable")
        enable = model.activation_checkpointing_enable if known else model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
        model.enable_input_require_grads()
    if compiled:
        # Several processes exchange the gradients of the adapter alone: no graph need be cut for that.
        torch._dynamo.config.optimize_ddp = False
        for layer in model.get_base_model().get_decoder().layers:
            layer.compile(dynamic=True)  # all layers share the code, for any number of tokens
