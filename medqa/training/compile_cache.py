"""Keeps the code of compiled layers on disk, so that later runs and other ranks do not compile again."""

import os
from pathlib import Path

import torch

from medqa.artifacts import atomic_io
from medqa.modeling import fp8


def keep_compiled_code() -> str:
    """Choose the folder of the compiled code before anything is compiled, and return it.

    The folder is TORCHINDUCTOR_CACHE_DIR if that is set, or else medqa/compiled in the user's cache: torch's
    default is below /tmp, which a restart empties. Without a writable home torch's default stays. torch
    identifies code by source, versions, GPU and shapes, so one folder serves every run.
    """
    from torch._inductor.runtime.cache_dir_utils import cache_dir, default_cache_dir

    # torch keeps graphs with functions that it does not trace only if a text identifies their code.
    fp8_code = atomic_io.sha256_of_file(Path(fp8.__file__))
    torch._inductor.config.unsafe_marked_cacheable_functions["medqa.modeling.fp8._product"] = fp8_code
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "medqa" / "compiled"
    if cache_dir() == default_cache_dir():  # torch itself sets the variable to its default
        try:
            cache.mkdir(parents=True, exist_ok=True)
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache)
        except OSError:
            pass
    return cache_dir()
