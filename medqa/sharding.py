"""FSDP for QLoRA: every process holds a part of each layer's frozen weights, and the whole adapter.

A layer's parts are gathered when it is needed and dropped again, so that a base that no single card holds can
be trained. Only the frozen weights are shared out. The adapter is small: it stays whole, the trainer averages
its gradients, and checkpoints are the same files as on one card.
"""

import os
from typing import Any

from medqa import model, plan
from medqa.run import launched, say, world_size


def asked_for() -> bool:
    """Whether `accelerate launch` was given an FSDP configuration (launch/fsdp_qlora.yaml); asked once.

    The word is taken out of the environment: accelerate and transformers would else share out the adapter and
    its optimizer too, and could resume from checkpoints of the same number of processes only.
    """
    return os.environ.pop("ACCELERATE_USE_FSDP", "").lower() == "true" and world_size() > 1


def loaded_on(config: Any, sizes: Any, device: model.Device) -> model.Device:
    """Where the whole base lies until it is shared out: on the card, or in the machine's memory.

    Args:
        config: a TrainingConfig.
        sizes: the base's config.
        device: where this process trains.
    """
    import torch

    needed = 1.4 * plan.weight_bytes(sizes, config.USE_4BIT, 2)  # a little room for weights not quantised yet
    if not device.is_cuda or model.free_memory(device.name) > needed:
        return device
    # The launcher leaves each process one thread, with which 8 billion weights take four minutes.
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // launched("LOCAL_WORLD_SIZE", 1)))
    say("Loading: in the machine's memory, because a card does not hold the whole base")
    return device._replace(name="cpu")


def shard_base(peft_model: Any, device_name: str) -> None:
    """Leave this process its part of the frozen weights of the decoder's layers, on its device.

    Embeddings, head and norms outside of the layers stay whole: they are needed by all processes at once.

    Args:
        peft_model: its base was loaded by `load_base(..., sharded=True)`, on the CPU or the device.
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
            module.weight = torch.nn.Parameter(module.weight.data, requires_grad=False)
    mesh = init_device_mesh(torch.device(device_name).type, (world_size(),))
    base = peft_model.get_base_model()
    decoder = base.get_decoder()
    for layer in decoder.layers:
        fully_shard(layer, mesh=mesh, ignored_params={w for w in layer.parameters() if w.requires_grad})
    whole = {weight for weight in peft_model.parameters() if not is_shard(weight)}
    fully_shard(decoder, mesh=mesh, ignored_params=whole)  # the root: layers are gathered ahead of their turn
    for tensor in (*whole, *peft_model.buffers()):
        tensor.data = tensor.data.to(device_name)
    if getattr(base, "hf_device_map", None):  # accelerate asks it where the model is
        base.hf_device_map = {"": device_name}


def is_shard(weight: Any) -> bool:
    """Whether a weight is this process's part of one."""
    from torch.distributed.tensor import DTensor

    return isinstance(weight, DTensor)
