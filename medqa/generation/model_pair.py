"""Loads the two models that are compared, one at a time, and checks that they belong together."""

import contextlib
import gc
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from medqa.artifacts import run_manifest
from medqa.artifacts.atomic_io import sha256_of_file
from medqa.artifacts.output_dir import MERGED
from medqa.generation.prediction_cache import ROLES, answered_iteration
from medqa.generation.settings import GenerationSettings
from medqa.modeling import loading
from medqa.modeling.adapter import ADAPTER_CONFIG, adapter_identity
from medqa.modeling.base_model import BaseModel
from medqa.modeling.device import Device, free_memory
from medqa.modeling.model_size import weight_bytes
from medqa.modeling.precision import BF16, FP8, NF4, describe
from medqa.runtime.console import WarningLog, print_rank0
from medqa.runtime.errors import UserError

BASE, TUNED = ROLES


class Models:
    """Base and tuned model, loaded when first needed and never both at once.

    An adapter is loaded onto the base's weights; a merged model replaces the base in memory.

    Args:
        base: the base model.
        tuned: folder of the tuned model.
        device: where the models run.
        precision: of the models' weights.
    """

    def __init__(self, base: BaseModel, tuned: str, device: Device, precision: str) -> None:
        self.base, self.tuned, self.device = base, tuned, device
        self.has_adapter = (Path(tuned) / "adapter_config.json").is_file()
        self.precision = precision
        self._loaded: Any = None
        self._name = ""
        self._identities: dict[str, dict[str, object]] = {}  # by role, as first computed
        base.require_weights()
        if not self.has_adapter and not any(Path(tuned).glob("model*.safetensors")):
            raise UserError(
                f"{tuned} holds neither an adapter (adapter_config.json) nor a whole model "
                "(model*.safetensors). Make it with: python fine_tuning.py"
            )
        if not self.has_adapter:
            whole = BaseModel(tuned, "FINETUNED_MODEL_PATH")
            whole.require_weights()
            whole.require_causal()

    def identity(self, role: str) -> dict[str, object]:
        """Identifies a model: fingerprints of its weights, and its precision."""
        identity = {
            "base": self.base.fingerprint,
            "four_bit": self.precision == NF4,
            "dtype": self.device.dtype,
        }
        if self.precision == FP8:  # answers without this entry, or with "fp8", had another cache
            identity["precision"] = "fp8, cache in e4m3"
        if role == TUNED and self.has_adapter:
            identity |= adapter_identity(self.tuned)
        elif role == TUNED:
            identity["base"] = BaseModel(self.tuned, "FINETUNED_MODEL_PATH").fingerprint
            if not (Path(self.tuned) / MERGED).is_file():
                # Merged by hand: the fingerprint sees file sizes only, and every merge has the same.
                files = sorted(Path(self.tuned).glob("model*.safetensors"))
                identity["weights"] = [sha256_of_file(path) for path in files]
        return self._identities.setdefault(role, identity)

    def _require_unchanged(self) -> None:
        """Make sure that answers are stored under the identity of the weights that gave them.

        Raises:
            UserError: the tuned model was replaced after `identity` was first called.
        """
        expected = self._identities.pop(TUNED, None)
        if expected is not None and self.identity(TUNED) != expected:
            raise UserError(
                f"{self.tuned} was changed while this evaluation was running. Evaluate what is there now by "
                "typing the same command again."
            )

    @contextlib.contextmanager
    def using(self, role: str) -> Iterator[Any]:
        """The causal model of a role, in evaluation mode; the adapter is enabled for the tuned role only."""
        merged = role == TUNED and not self.has_adapter
        model = BaseModel(self.tuned, "FINETUNED_MODEL_PATH") if merged else self.base
        if self._name != model.name:
            self._loaded = None
            gc.collect()
            kind = describe(self.precision, self.device.dtype)
            print_rank0(f"Model: {model.name} in {kind} (BASE_PRECISION {self.precision})")
            with ThreadPoolExecutor(1) as beside:
                if self.device.is_cuda:
                    beside.submit(_warm_up, model.model_config, self.device, self.precision == FP8)
                self._loaded = loading.load_base(model, self.device, self.precision)
            if self.has_adapter:
                self._loaded = loading.load_adapter(self._loaded, self.tuned)
            self._loaded.eval()
            self._name = model.name
            if self.has_adapter or role == TUNED:  # tuned weights were loaded
                self._require_unchanged()
        disabled = role == BASE and self.has_adapter
        with self._loaded.disable_adapter() if disabled else contextlib.nullcontext():
            yield self._loaded.get_base_model() if self.has_adapter else self._loaded


def _warm_up(model_config: Any, device: Device, fp8: bool) -> None:
    """Prepare the kernels that generate the answers, if this model uses them."""
    import torch

    from medqa.generation.warm_up import warm_up
    from medqa.modeling.varlen_attention import SUPPORTED_ARCHITECTURES

    if model_config.model_type in SUPPORTED_ARCHITECTURES:
        with torch.cuda.device(device.name):
            warm_up(model_config, torch.device(device.name), getattr(torch, device.dtype), fp8)


def resolve_precision(wanted: str, device: Device, base: BaseModel) -> str:
    """The precision that the user wants, or NF4 if the base does not fit the GPU in bfloat16."""
    if wanted != BF16 or not device.is_cuda:
        return wanted
    if not hasattr(base.model_config, "intermediate_size"):  # an architecture whose size we cannot compute
        return wanted
    weights, free = weight_bytes(base.model_config, BF16, 2), free_memory(device.name)
    fits = free >= 1.2 * weights  # a fifth for key-value cache and activations
    if not fits:
        print_rank0(
            f"Precision: NF4, because {weights / 1e9:.0f} GB in bfloat16 do not fit {free / 1e9:.0f} GB"
        )
    return BF16 if fits else NF4


def training_if_outdated(
    settings: GenerationSettings, base: str, tuned: str, iteration: int
) -> dict[str, Any]:
    """Settings of fine_tuning.py that train the model again on the present data; empty if it is up to date.

    A model is outdated when it was trained, or its answers were made, with another iteration of the data.

    Args:
        settings: of the answers.
        base: the base model.
        tuned: folder of the tuned model. Without the record of a training there, only the answers count.
        iteration: of the data.
    """
    manifest = run_manifest.read_manifest(Path(tuned))
    trained = manifest if manifest and manifest["stage"] == "fine_tuning" else {"iteration": iteration}
    if {trained["iteration"], answered_iteration(Path(settings.output_dir))} == {iteration}:
        return {}
    given = trained.get("settings", {"given": {}})["given"]
    folders = {"MODEL_NAME": base, "DATASET_DIR": settings.dataset_dir, "OUTPUT_DIR": tuned}
    return run_manifest.with_present_names(given) | folders


def _is_base(tuned: Path, base: BaseModel) -> bool:
    """Whether the tuned model is the base itself, or a copy of it: the same config and the same weights."""
    source = Path(base.name)
    adapter = (tuned / ADAPTER_CONFIG).is_file()
    if adapter or not all((folder / "config.json").is_file() for folder in (tuned, source)):
        return False
    if tuned.resolve() == source.resolve():
        return True
    # The fingerprint sees names and sizes of the weights only, which other weights can have, too.
    return BaseModel(str(tuned), "FINETUNED_MODEL_PATH").fingerprint == base.fingerprint and all(
        sha256_of_file(path) == sha256_of_file(source / path.name) for path in tuned.glob("*.safetensors")
    )


def check_tuned(tuned_name: str, base: BaseModel, data: dict[str, Any], warnings: WarningLog) -> None:
    """Refuse a tuned model that is unfinished, of another base, or trained with another chat template.

    A folder that fine_tuning.py did not write (an adapter or a merged model from elsewhere) is accepted.

    Raises:
        UserError: what differs, and what to type.
    """
    tuned = Path(tuned_name)
    if _is_base(tuned, base):
        warnings.add(
            f"the tuned model {tuned} and the base model {base.name} are the same model, so every "
            "difference is 0 or chance. Name the model to evaluate with --FINETUNED_MODEL_PATH."
        )
    if (
        tuned.is_dir()
        and not (tuned / "training_config.json").exists()
        and not any(tuned.glob("checkpoint-*"))
    ):
        return
    manifest = run_manifest.require_finished(tuned, "fine_tuning", "python fine_tuning.py")
    template_sha = data["chat_template_sha256"]
    if manifest["iteration"] != data["iteration"]:
        warnings.add(
            f"{tuned} was trained on iteration {manifest['iteration']} of the data, which is at iteration "
            f"{data['iteration']} now. Train on it with: python fine_tuning.py"
        )
    if manifest["chat_template_sha256"] != template_sha:
        raise UserError(
            f"{tuned} was trained with chat template {manifest['chat_template_sha256'][:12]}, but the one in "
            f"use is {template_sha[:12]}. Restore the template in medqa/modeling/chat_template.py, or "
            "prepare and train again with: python dataset_preparation.py && python fine_tuning.py"
        )
    if manifest["learned"]["base model"] != base.fingerprint:
        name = (manifest["settings"]["given"] | manifest["settings"]["default"])["MODEL_NAME"]
        raise UserError(
            f"the adapter in {tuned} was trained on {name}, which differs from {base.name}. Evaluate it "
            f"with: --BASE_MODEL_PATH {shlex.quote(name)}"
        )
