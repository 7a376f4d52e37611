"""FSDP for QLoRA: each rank holds a shard of every layer's frozen weights, and the whole adapter.

The shards of a layer are gathered when it is needed and freed again, so a base that does not fit on one GPU
can be trained. The adapter is small and not sharded: the trainer averages its gradients, and checkpoints have
the same files as on one GPU.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from medqa.modeling import loading
from medqa.modeling.base_model import BaseModel
from medqa.modeling.device import Device, free_memory
from medqa.modeling.model_size import weight_bytes
from medqa.runtime.console import print_rank0
from medqa.runtime.distributed import world_size


def load_before_sharding(base: BaseModel, precision: str, device: Device, attention: str) -> Any:
    """The whole base model: on `device`, or in CPU memory when the GPU is too small for it.

    Args:
        base: the base model.
        precision: "nf4" or "bf16".
        device: where this rank trains.
        attention: name of the attention implementation.
    """
    target = device
    # 1.4: some weights are not quantized yet while others are.
    needed = 1.4 * weight_bytes(base.model_config, precision, 2)
    if device.is_cuda and free_memory(device.name) < needed:
        print_rank0("Loading: through CPU memory, because a GPU does not hold the whole base")
        target = device._replace(name="cpu")
    with _quantize_on(device.name):
        return loading.load_base(base, target, precision, attention)


@contextlib.contextmanager
def _quantize_on(device_name: str) -> Iterator[None]:
    """Quantize weights that load into CPU memory on the GPU; their scales stay on the GPU.

    bitsandbytes quantizes a weight where it is, and a CPU takes minutes for what a GPU does in seconds.
    """
    from bitsandbytes.nn import Params4bit

    quantize = Params4bit._quantize

    def quantize_on_device(weight: Any, device: Any) -> Any:
        quantize(weight, device_name)
        weight.data = weight.data.to(device)
        return weight

    Params4bit._quantize = quantize_on_device
    try:
        yield
    finally:
        Params4bit._quantize = quantize


def shard_base(peft_model: Any, device_name: str) -> None:
    """Keep this rank's shard of the frozen matrices of the decoder layers, on its device.

    Embeddings, head and norms are not sharded. FSDP needs one data type per layer, and torch 2.11 needs a
    floating-point one, so 4-bit matrices are viewed as float32. A view as bfloat16, which other projects use,
    corrupts them: the copy into the communication buffer goes through float32, and all bit patterns that
    read as NaN (one in 256) become the same one.

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
            # FSDP shards plain tensors; the scales are not sharded and stay where bitsandbytes expects them.
            module.quant_state = module.weight.quant_state
            module.quant_state.to(device_name)
            stored = module.weight.data.flatten().view(torch.float32).unsqueeze(1)
            module.weight = torch.nn.Parameter(stored, requires_grad=False)
    mesh = init_device_mesh(torch.device(device_name).type, (world_size(),))
    base = peft_model.get_base_model()
    decoder = base.get_decoder()
    for layer in decoder.layers:
        unsharded = {weight for weight in layer.parameters() if weight.requires_grad or weight.dim() < 2}
        fully_shard(layer, mesh=mesh, ignored_params=unsharded)
    unsharded = [weight for weight in peft_model.parameters() if not is_shard(weight)]
    # The root prefetches the layers.
    fully_shard(decoder, mesh=mesh, ignored_params=set(unsharded))
    for tensor in (*unsharded, *peft_model.buffers()):
        tensor.data = tensor.data.to(device_name)
        if tensor.requires_grad:  # the adapter must start with the same weights on all ranks
            torch.distributed.broadcast(tensor.data, 0)
    if getattr(base, "hf_device_map", None):  # accelerate reads the model's device from it
        base.hf_device_map = {"": device_name}


def is_shard(weight: Any) -> bool:
    """Whether a weight is this rank's shard."""
    from torch.distributed.tensor import DTensor

    return isinstance(weight, DTensor)
