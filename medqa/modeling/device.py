"""Where a model runs and in which precision, with the reason; how much of the card is free."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from medqa.artifacts.atomic_io import read_whole
from medqa.modeling.model_size import num_parameters
from medqa.runtime.console import print_rank0
from medqa.runtime.distributed import launched, world_size
from medqa.runtime.errors import UserError

# Above this many parameters a model is no job for a CPU.
LARGEST_ON_CPU = 1_500_000_000
# Most that is read of a config.json.
LARGEST_CONFIG = 16_000_000


class Device(NamedTuple):
    """Where the model runs and in which precision, with a line that says why."""

    name: str  # "cuda:0" or "cpu"
    dtype: str  # "bfloat16" or "float32"
    reason: str

    @property
    def is_cuda(self) -> bool:
        """Whether this is a GPU."""
        return self.name.startswith("cuda")


def choose_device(model_name: str, script: str) -> Device:
    """The device of this process, checked before any weight is read.

    Args:
        model_name: folder or Hub name of the base model.
        script: name of the calling script, for the command lines in messages.

    Raises:
        UserError: no GPU for a model that needs one, or several GPUs and no launcher.
    """
    import torch

    if world_size() > 1 and "MASTER_ADDR" not in os.environ:
        raise UserError(
            f"the environment says WORLD_SIZE={world_size()} without MASTER_ADDR. Start several processes "
            f"with: accelerate launch --num_processes N {script}\n       or alone with: unset WORLD_SIZE RANK"
        )
    if not torch.cuda.is_available():
        size = parameter_count(model_name)
        if size is None or size > LARGEST_ON_CPU:
            told = "about 8 billion parameters" if size is None else f"{size / 1e9:.1f} billion parameters"
            raise UserError(
                f"{model_name} ({told}) needs an NVIDIA GPU with 24 GB or more, and torch "
                f"{torch.__version__} sees none. Try the pipeline on this machine with: make demo"
            )
        if "MASTER_ADDR" in os.environ and "WORLD_SIZE" not in os.environ:
            print_rank0(
                "Processes: 1, because accelerate launch starts no more with --cpu. For several on the CPU: "
                f"accelerate launch --multi_gpu --num_processes N {script}"
            )
        return Device("cpu", "float32", "no GPU found, and the model is small enough for the CPU")
    if torch.cuda.device_count() > 1 and world_size() == 1 and "LOCAL_RANK" not in os.environ:
        count = torch.cuda.device_count()
        raise UserError(
            f"{count} GPUs are visible, but only one process runs. Use them all with: "
            f"accelerate launch --num_processes {count} {script}\n"
            f"       or choose one with: CUDA_VISIBLE_DEVICES=0 python {script}"
        )
    number = launched("LOCAL_RANK", 0)
    torch.cuda.set_device(number)
    major, minor = torch.cuda.get_device_capability(number)
    name = torch.cuda.get_device_name(number)
    if major < 8:
        raise UserError(
            f"{name} (compute capability {major}.{minor}) has no bfloat16; 8.0 or later is needed."
        )
    return Device(f"cuda:{number}", "bfloat16", f"{name}, compute capability {major}.{minor}, has bfloat16")


def limit_gpu_memory(gigabytes: float, device: Device) -> None:
    """Let this process take no more than so many GB of its card; 0 leaves it alone.

    Raises:
        UserError: the card has less.
    """
    if not gigabytes or not device.is_cuda:
        return
    import torch

    total = torch.cuda.mem_get_info(device.name)[1]
    if gigabytes * 1e9 > total:
        raise UserError(
            f"GPU_MEMORY_GB {gigabytes:g} is more than {device.name} has ({total / 1e9:.0f} GB). Lower it, "
            "or leave it at 0 to use what is free."
        )
    torch.cuda.set_per_process_memory_fraction(gigabytes * 1e9 / total, device.name)


def free_memory(device_name: str) -> int:
    """Bytes of a card that this process can still take, within what `limit_gpu_memory` allowed."""
    import torch

    free, total = torch.cuda.mem_get_info(device_name)
    reserved = torch.cuda.memory_reserved(device_name)
    allowed = torch.cuda.get_per_process_memory_fraction(device_name) * total
    own = reserved - torch.cuda.memory_allocated(device_name)  # torch keeps it, and can use it again
    return int(min(free + own, allowed - reserved + own))


def parameter_count(model_name: str) -> int | None:
    """Parameters of a Llama-like model in a local folder, counted from its config.json; None for a Hub name.

    Raises:
        UserError: the folder has no readable config.json.
    """
    folder = Path(model_name)
    if not folder.is_dir():
        return None
    try:
        config = json.loads(read_whole(folder / "config.json", LARGEST_CONFIG))
        hidden, heads = config["hidden_size"], config["num_attention_heads"]
        numbers = {
            "hidden_size": hidden,
            "num_hidden_layers": config["num_hidden_layers"],
            "vocab_size": config["vocab_size"],
            "intermediate_size": config.get("intermediate_size", 4 * hidden),
            "num_attention_heads": heads,
            "num_key_value_heads": config.get("num_key_value_heads", heads),
            "head_dim": config.get("head_dim") or hidden // heads,
        }
        if not all(isinstance(number, int) and number > 0 for number in numbers.values()):
            raise ValueError(f"sizes that are no whole numbers above 0: {numbers}")
        return num_parameters(
            SimpleNamespace(**numbers, tie_word_embeddings=config.get("tie_word_embeddings"))
        )
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise UserError(
            f"{folder / 'config.json'} cannot be read as the config of a causal language model "
            f"({error!r:.200}). Give the folder that holds config.json, the tokenizer and the *.safetensors "
            "files."
        ) from None
