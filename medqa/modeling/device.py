"""Chooses where a model runs and in which precision; limits and measures the GPU memory."""

import os
from typing import NamedTuple

from medqa.modeling.base_model import BaseModel
from medqa.runtime import processor
from medqa.runtime.console import print_rank0
from medqa.runtime.distributed import launched, world_size
from medqa.runtime.errors import UserError
from medqa.runtime.library_warnings import quiet

# Parameters of the largest model that is run on a CPU.
MAX_CPU_PARAMETERS = 1_500_000_000


class Device(NamedTuple):
    """Where a model runs and in which precision, and why."""

    name: str  # "cuda:0" or "cpu"
    dtype: str  # "bfloat16" or "float32"
    reason: str

    @property
    def is_cuda(self) -> bool:
        """Whether this is a GPU."""
        return self.name.startswith("cuda")

    @property
    def cpu_precision(self) -> str:
        """The value of CPU_PRECISION in use: never "auto" on a CPU, always "auto" on a GPU."""
        return "auto" if self.is_cuda else {"bfloat16": "bf16", "float32": "fp32"}[self.dtype]


def choose_cpu_dtype(wanted: str) -> tuple[str, str]:
    """The precision in which this processor trains and generates, and the reason.

    Args:
        wanted: "bf16", "fp32", or "auto": bfloat16 where the processor has units for it. Other processors
            emulate it, which is several times slower than float32.
    """
    if wanted != "auto":
        return {"bf16": "bfloat16", "fp32": "float32"}[wanted], f"CPU_PRECISION {wanted}"
    if units := processor.bfloat16_units():
        return "bfloat16", f"the processor has {' and '.join(units)}"
    return "float32", "the processor has neither AMX nor AVX512-BF16"


def choose_device(base: BaseModel, script: str, cpu_precision: str = "auto") -> Device:
    """The device of this process, checked before any weight is read.

    Args:
        base: the base model.
        script: name of the calling script, for the command lines in messages.
        cpu_precision: `wanted` of `choose_cpu_dtype`.

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
        count = base.parameter_count
        if count is None or count > MAX_CPU_PARAMETERS:
            known = "" if count is None else f"{count / 1e9:.1f} billion parameters"
            size = known or "of unknown size, because its config.json could not be fetched"
            raise UserError(
                f"{base.name} ({size}) needs an NVIDIA GPU with 24 GB or more, and torch "
                f"{torch.__version__} sees none. Try the pipeline on this machine with: make demo"
            )
        if "MASTER_ADDR" in os.environ and "WORLD_SIZE" not in os.environ:
            print_rank0(
                "Processes: 1, because accelerate launch starts no more with --cpu. For several on the CPU: "
                f"accelerate launch --multi_gpu --num_processes N {script}"
            )
        dtype, reason = choose_cpu_dtype(cpu_precision)
        return Device("cpu", dtype, f"no GPU found; {reason}")
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


def prepare_device(base: BaseModel, script: str, cpu_precision: str, gigabytes: float) -> Device:
    """The device of `choose_device`, printed with its reason, within the limit of `limit_gpu_memory`.

    Libraries are kept quiet from here on: bitsandbytes warns when it is imported on a CPU with AVX512-BF16.
    """
    quiet()
    device = choose_device(base, script, cpu_precision)
    print_rank0(f"Device: {device.name} in {device.dtype} ({device.reason})")
    limit_gpu_memory(gigabytes, device)
    import_bitsandbytes()
    return device


def import_bitsandbytes() -> None:
    """Import bitsandbytes, which peft needs, without loading torch's compiler: a fifth of a stage's start.

    At its import bitsandbytes compiles two functions, for devices for which it has no kernels.
    """
    import torch

    compiler = torch.compile
    torch.compile = lambda function=None, **_: function or (lambda decorated: decorated)
    try:
        import bitsandbytes  # noqa: F401
    finally:
        torch.compile = compiler


def limit_gpu_memory(gigabytes: float, device: Device) -> None:
    """Limit this process to some GB of its GPU; 0 sets no limit.

    Raises:
        UserError: the GPU has less.
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
    """Bytes of a GPU that this process can still allocate, within the limit of `limit_gpu_memory`."""
    import torch

    free, total = torch.cuda.mem_get_info(device_name)
    reserved = torch.cuda.memory_reserved(device_name)
    allowed = torch.cuda.get_per_process_memory_fraction(device_name) * total
    reusable = reserved - torch.cuda.memory_allocated(device_name)  # cached by torch
    return int(min(free + reusable, allowed - reserved + reusable))
