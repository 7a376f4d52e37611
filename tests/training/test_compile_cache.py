"""Compiled code is kept where a restart does not remove it."""

import os

from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from medqa.training.compile_cache import keep_compiled_code


def test_the_folder_is_the_users_own_or_in_the_cache_or_torchs_default(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    own = str(tmp_path / "medqa" / "compiled")
    assert keep_compiled_code() == own == os.environ["TORCHINDUCTOR_CACHE_DIR"]
    assert (tmp_path / "medqa" / "compiled").is_dir()

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "chosen"))
    assert keep_compiled_code() == str(tmp_path / "chosen")

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", default_cache_dir())
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert keep_compiled_code() == default_cache_dir()
