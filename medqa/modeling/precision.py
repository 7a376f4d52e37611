"""The precisions of a base model: their names, the GPUs that have them, and what they cost."""

from medqa.runtime.console import print_rank0
from medqa.runtime.errors import UserError

NF4, FP8, BF16 = "nf4", "fp8", "bf16"
# Compute capability of the first GPUs whose tensor cores multiply FP8: Ada (8.9), Hopper (9.0), Blackwell.
FP8_CAPABILITY = (8, 9)


def describe(precision: str, dtype: str) -> str:
    """The precision in words; `dtype` is that of unquantized weights on this device."""
    return {NF4: "NF4", FP8: "FP8"}.get(precision, dtype)


def has_fp8(device_name: str) -> bool:
    """Whether a device multiplies FP8 natively."""
    import torch

    return device_name.startswith("cuda") and torch.cuda.get_device_capability(device_name) >= FP8_CAPABILITY


def require_supported(precision: str, device_name: str, sharded: bool) -> None:
    """Refuse FP8 where it cannot be used, before a weight is loaded.

    Args:
        precision: of the base.
        device_name: "cuda:0" or "cpu".
        sharded: whether the processes share the base's weights (FSDP).

    Raises:
        UserError: what is missing, and the precision to use.
    """
    if precision != FP8:
        return
    if not has_fp8(device_name):
        import torch

        found = "there is no GPU here"
        if device_name.startswith("cuda"):
            major, minor = torch.cuda.get_device_capability(device_name)
            found = f"{torch.cuda.get_device_name(device_name)} has {major}.{minor}"
        raise UserError(
            f"BASE_PRECISION fp8 needs a GPU of compute capability 8.9 or later, and {found}. Use "
            "--BASE_PRECISION nf4 (4 bits) or --BASE_PRECISION bf16 (unquantized)."
        )
    if sharded:
        raise UserError(
            "FSDP does not shard an FP8 base: each GPU holds the whole of it, 9 GB for 8 billion parameters. "
            "Start without FSDP (accelerate launch --num_processes N fine_tuning.py), or use "
            "--BASE_PRECISION nf4."
        )


def suggest_fp8(precision: str, device_name: str, sharded: bool) -> None:
    """Print what FP8 would give in training, where NF4 is used and the GPU has FP8."""
    if precision == NF4 and not sharded and has_fp8(device_name):
        print_rank0(
            "Precision: NF4. This GPU has FP8: with --BASE_PRECISION fp8 weights are rounded by 3 % instead "
            "of 9 % and take 3 GB more for 8 billion parameters, and training is up to 1.3 times as fast"
        )
