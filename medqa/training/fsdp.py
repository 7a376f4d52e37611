"""FSDP for QLoRA: every process holds a part of each layer's frozen weights, and the whole adapter.

A layer's parts are gathered when it is needed and dropped again, so that a base that no single card holds can
be trained. Only the frozen weights are shared out. The adapter is small: it stays whole, the trainer averages
its gradients, and checkpoints are the same files as on one card.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from medqa.modeling import loading
from medqa.modeling.device import Device, free_memory
from medqa.modeling.model_size import weight_bytes
from medqa.runtime.console import print_rank0
from medqa.runtime.distributed import world_size


def load_before_sharding(config: Any, sizes: Any, device: Device, attention_name: str) -> Any:
    """The base before it is shared out: on the card, or in the machine's memory when that is too small.

    Args:
        config: a TrainingConfig.
        sizes: the base's config.
        device: where this process trains.
        attention_name: which attention is in use.
    """
    where = device
    needed = 1.4 * weight_bytes(sizes, config.USE_4BIT, 2)  # a little room for weights not quantised yet
    if device.is_cuda and free_memory(device.name) < needed:
        print_rank0("Loading: by way of the machine's memory, because a card does not hold the whole base")
        where = device._replace(name="cpu")
    with _quantised_on(device.name):
        return loading.load_base(config.MODEL_NAME, where, config.USE_4BIT, "MODEL_NAME", attention_name)


@contextlib.contextmanager
def _quantised_on(device_name: str) -> Iterator[None]:
    """Weights loaded into the machine's memory are quantised on the card, and their scales stay there.

    bitsandbytes quantises a weight where it lies, and a CPU takes minutes for what a card does in seconds.
    """
    from bitsandbytes.nn import Params4bit

    quantize = Params4bit._quantize

    def by_way_of_the_card(weight: Any, device: Any) -> Any:
        quantize(weight, device_name)
        weight.data = weight.data.to(device)
        return weight

    Params4bit._quantize = by_way_of_the_card
    try:
        yield
    finally:
        Params4bit._quantize = quantize


def shard_base(peft_model: Any, device_name: str) -> None:
    """Leave this process its part of the frozen matrices of the decoder's layers, on its device.

    Embeddings, head and norms stay whole. What FSDP cuts of a layer must be of one type, and torch 2.11 wants
    a floating-point one: the 4-bit matrices travel as float32. As bfloat16, which is what other projects
    store them in, they do not arrive as they were sent: the copy into the message goes by way of float32, and
    all patterns that read as not-a-number (one in 256) become the same one.

    Args:
        peft_model: on the CPU or the device.
        device_name: "cuda:0" or "cpu".
    """
    import torch
    from bitsandbytes.nn import Linear4bit
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    for module in peft_model.modules():
        if isinstance(module, Linear4bit):
            # FSDP cuts plain tensors; the scales of the 4-bit weights stay whole, where bitsandbytes looks.
            module.quant_state = module.weight.quant_state
            module.quant_state.to(device_name)
            stored = module.weight.data.flatten().view(torch.float32).unsqueeze(1)
            module.weight = torch.nn.Parameter(stored, requires_grad=False)
    mesh = init_device_mesh(torch.device(device_name).type, (world_size(),))
    base = peft_model.get_base_model()
    decoder = base.get_decoder()
    for layer in decoder.layers:
        whole = {weight for weight in layer.parameters() if weight.requires_grad or weight.dim() < 2}
        fully_shard(layer, mesh=mesh, ignored_params=whole)
    whole = [weight for weight in peft_model.parameters() if not is_shard(weight)]
    # The root: layers are gathered ahead of their turn.
    fully_shard(decoder, mesh=mesh, ignored_params=set(whole))
    for tensor in (*whole, *peft_model.buffers()):
        tensor.data = tensor.data.to(device_name)
        if tensor.requires_grad:  # the adapter, which all processes begin with alike
            torch.distributed.broadcast(tensor.data, 0)
    if getattr(base, "hf_device_map", None):  # accelerate asks it where the model is
        base.hf_device_map = {"": device_name}


def is_shard(weight: Any) -> bool:
    """Whether a weight is this process's part of one."""
    from torch.distributed.tensor import DTensor

    return isinstance(weight, DTensor)
