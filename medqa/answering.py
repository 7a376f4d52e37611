"""Both models over the same questions: one base model in memory, the adapter on for tuned and off for base."""

import contextlib
import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medqa import attention, generation, model
from medqa.generation import Answer, Decoding, Prompt
from medqa.loss import packed_loss
from medqa.packing import Example, bins, collate
from medqa.predictions import Predictions
from medqa import run
from medqa.run import UserError, rank, say, sha256_of_file

BASE, TUNED = "base", "finetuned"
ROLES = (BASE, TUNED)
LOSS_TOKENS = 4096  # tokens of one teacher-forced forward pass


class Models:
    """Base and tuned model, loaded when first needed and never both at once.

    A tuned folder with an adapter shares the base's weights; one with a whole (merged) model is loaded after
    the base has been let go.
    """

    def __init__(self, base: str, tuned: str, device: model.Device, four_bit: bool) -> None:
        self.base, self.tuned, self.device = base, tuned, device
        self.has_adapter = (Path(tuned) / "adapter_config.json").is_file()
        self.four_bit = four_bit
        self._loaded: Any = None
        self._name = ""
        model.require_model(base, "BASE_MODEL_PATH")
        if not self.has_adapter and not any(Path(tuned).glob("model*.safetensors")):
            raise UserError(
                f"{tuned} holds neither an adapter (adapter_config.json) nor a whole model (model*.safetensors). "
                "Make it with: python fine_tuning.py"
            )

    def identity(self, role: str) -> dict[str, object]:
        """What makes this model this model: fingerprints of its weights, and its precision."""
        told = {"base": model.fingerprint(self.base), "four_bit": self.four_bit, "dtype": self.device.dtype}
        if role == TUNED and self.has_adapter:
            told["adapter"] = sha256_of_file(Path(self.tuned) / "adapter_model.safetensors")
        elif role == TUNED:
            told["base"] = model.fingerprint(self.tuned)
        return told

    @contextlib.contextmanager
    def using(self, role: str) -> Iterator[Any]:
        """The model of a role, in evaluation mode."""
        name = self.tuned if role == TUNED and not self.has_adapter else self.base
        if self._name != name:
            self._loaded = None
            gc.collect()
            say(f"Loading {name} in {'NF4' if self.four_bit else self.device.dtype}")
            self._loaded = model.load_base(name, self.device, self.four_bit, "BASE_MODEL_PATH")
            if self.has_adapter:
                self._loaded = model.load_adapter(self._loaded, self.tuned)
            self._loaded.eval()
            self._name = name
        off = role == BASE and self.has_adapter
        with self._loaded.disable_adapter() if off else contextlib.nullcontext():
            yield self._loaded


def make_missing_answers(
    models: Models,
    role: str,
    tokenizer: Any,
    prompts: dict[str, Prompt],
    decoding: Decoding,
    batch_size: int,
    automatic: bool,
    predictions: Predictions,
) -> int:
    """Answer the prompts, by key, that `predictions` does not hold yet; returns how many it held."""
    from tqdm import tqdm

    known = predictions.read()
    missing = [key for key in prompts if key not in known]
    if rank() == 0:
        predictions.repair()
    if not missing:
        return len(prompts)
    key_of = {prompts[key].id: key for key in missing}
    mine = generation.shard([prompts[key] for key in missing])
    with models.using(role) as loaded:
        longest = max(len(prompt.input_ids) for prompt in mine) + decoding.max_new_tokens if mine else 0
        batch = generation.starting_batch(batch_size, automatic, loaded, longest)
        with tqdm(
            total=len(mine), desc=f"{role} answers", unit="answer", disable=not run.shows_progress()
        ) as bar:

            def keep(answer: Answer) -> None:
                line = {"key": key_of[answer.id], "id": answer.id, "hypothesis": answer.text}
                predictions.add(line | answer._asdict() | {"text": None, "batch_size": batch})
                bar.update()

            generation.answer_all(loaded, tokenizer, mine, decoding, batch, keep)
    return len(prompts) - len(missing)


def answer_losses(models: Models, role: str, examples: Sequence[Example]) -> dict[str, tuple[float, int]]:
    """Teacher-forced loss of the reference answers: summed nats and number of tokens, by example id."""
    import torch

    losses: dict[str, tuple[float, int]] = {}
    with models.using(role) as loaded, torch.inference_mode():
        causal = loaded.get_base_model() if models.has_adapter else loaded
        before = causal.config._attn_implementation
        causal.set_attn_implementation(attention.NAME)
        for part in bins([len(example.input_ids) for example in examples], LOSS_TOKENS):
            chosen = [examples[index] for index in part]
            each = packed_loss(causal, **collate(chosen, models.device.name)).double().cpu()
            for example, own in zip(chosen, each.split([e.labels for e in chosen]), strict=True):
                losses[example.id] = (own.sum().item(), len(own))
        causal.set_attn_implementation(before)
    return losses


def four_bit_needed(wanted: bool, device: model.Device, name: str) -> bool:
    """Whether the base goes into NF4: as the user wants, or because bfloat16 would not fit the card."""
    import torch

    size = model.parameter_count(name)
    if wanted or not device.is_cuda or size is None:
        return wanted
    free = torch.cuda.mem_get_info()[0]
    if free < 2.4 * size:  # two bytes a weight, and room to work
        say(
            f"Precision: NF4, because {size / 1e9:.1f} billion weights in bfloat16 do not fit {free / 2**30:.0f} GiB"
        )
        return True
    return False
