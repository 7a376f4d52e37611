"""Names the processor and its units for bfloat16 matrix products."""

import functools
import platform
import re
from pathlib import Path

# Flags that Linux reports of processors that multiply bfloat16 matrices faster than float32 ones.
BFLOAT16_UNITS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}


@functools.cache
def _cpuinfo() -> str:
    """What Linux reports of the processor; empty on other systems."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def bfloat16_units() -> list[str]:
    """The processor's units for bfloat16: "AMX", "AVX512-BF16", both or none."""
    flags = re.search(r"^flags\s*:(.*)$", _cpuinfo(), re.M)
    present = flags[1].split() if flags else []
    return [name for flag, name in BFLOAT16_UNITS.items() if flag in present]


def describe() -> str:
    """The processor's name and its units for bfloat16, for the record of a run."""
    model = re.search(r"^model name\s*:\s*(.*)$", _cpuinfo(), re.M)
    name = model[1].strip() if model else platform.processor() or platform.machine()
    return f"{name} ({', '.join(bfloat16_units()) or 'neither AMX nor AVX512-BF16'})"
