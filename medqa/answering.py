"""Both models answer the same questions: one base model in memory, the adapter on for tuned, off for base."""

import contextlib
import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medqa import attention, generation, hub, model, run
from medqa.adapter import adapter_identity
from medqa.chat import ChatTemplate
from medqa.generation import Answer, Decoding, Prompt
from medqa.loss import packed_loss, plain_loss
from medqa.packing import Example, bins, collate, tokenize
from medqa.plan import weight_bytes
from medqa.predictions import ASKED, ROLES, LossFile, Predictions, answer_key, losses_key
from medqa.progress import Progress
from medqa.run import UserError, elapsed, rank, say

BASE, TUNED = ROLES
LOSS_TOKENS = 4096  # tokens of one teacher-forced forward pass
# Settings that answers are made with; scoring them later takes these from there.
MADE_WITH = (
    "BASE_MODEL_PATH", "FINETUNED_MODEL_PATH", "MAX_NEW_TOKENS", "TEMPERATURE", "TOP_P", "USE_4BIT",
    "MAX_PROMPT_LENGTH", "SEED",
)  # fmt: skip


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
                f"{tuned} holds neither an adapter (adapter_config.json) nor a whole model "
                "(model*.safetensors). Make it with: python fine_tuning.py"
            )

    def identity(self, role: str) -> dict[str, object]:
        """What makes this model this model: fingerprints of its weights, and its precision."""
        told = {"base": model.fingerprint(self.base), "four_bit": self.four_bit, "dtype": self.device.dtype}
        if role == TUNED and self.has_adapter:
            told |= adapter_identity(self.tuned)
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
            why = "to fit, or as USE_4BIT says" if self.four_bit else "USE_4BIT is off, and it fits"
            say(f"Model: {name} in {'NF4' if self.four_bit else self.device.dtype} ({why})")
            self._loaded = model.load_base(name, self.device, self.four_bit, "BASE_MODEL_PATH")
            if self.has_adapter:
                self._loaded = model.load_adapter(self._loaded, self.tuned)
            self._loaded.eval()
            self._name = name
        off = role == BASE and self.has_adapter
        with self._loaded.disable_adapter() if off else contextlib.nullcontext():
            yield self._loaded


def answer_losses(models: Models, role: str, examples: Sequence[Example]) -> dict[str, tuple[float, int]]:
    """Teacher-forced loss of the reference answers: summed nats and number of tokens, by example id.

    What it measures (`answer_loss`, their quotient): how surprised a model is by the reference answer, told
        the question and the answer's words so far.
    Range: 0 to infinity, lower is better; nats per token of this tokenizer, so models with different
        tokenizers must not be compared. None (not applicable, to be counted) when the question alone fills
        the longest input.
    Formula: −Σ log p(token | prompt, tokens before) / tokens, over the answer and its end of turn; e to this
        power is the perplexity.
    Source: the loss that fine-tuning lowers; perplexity: Jelinek et al., 1977.
    Does not see: what the model writes by itself; whether the reference is right; what lies beyond
        MAX_PROMPT_LENGTH + MAX_NEW_TOKENS.
    """
    import torch

    losses: dict[str, tuple[float, int]] = {}
    with models.using(role) as loaded, torch.inference_mode():
        causal = loaded.get_base_model() if models.has_adapter else loaded
        longest = max((len(example.input_ids) for example in examples), default=0)
        if not attention.is_plain(causal.config, longest):
            for example in examples:
                own = plain_loss(causal, example.input_ids, example.answer_start).double().cpu()
                losses[example.id] = (own.sum().item(), len(own))
            return losses
        with attention.in_use(causal):
            for part in bins([len(example.input_ids) for example in examples], LOSS_TOKENS):
                chosen = [examples[index] for index in part]
                each = packed_loss(causal, **collate(chosen, models.device.name)).double().cpu()
                for example, own in zip(chosen, each.split([e.labels for e in chosen]), strict=True):
                    losses[example.id] = (own.sum().item(), len(own))
    return losses


def four_bit_needed(wanted: bool, device: model.Device, name: str) -> bool:
    """Whether the base goes into NF4: as the user wants, or because bfloat16 would not fit the card."""
    if wanted or not device.is_cuda:
        return wanted
    sizes = model.load_config(name, "BASE_MODEL_PATH")
    if not hasattr(sizes, "intermediate_size"):  # another kind of model: its size is not known beforehand
        return wanted
    weights, free = weight_bytes(sizes, False, 2), model.free_memory(device.name)
    if free < 1.2 * weights:  # room to work
        say(f"Precision: NF4, because {weights / 1e9:.0f} GB in bfloat16 do not fit {free / 1e9:.0f} GB")
        return True
    return False


def check_tuned(tuned_name: str, base_name: str, data: dict[str, Any], warnings: run.Warnings) -> None:
    """Refuse a tuned model that is unfinished, of another base, or trained with another chat template.

    A folder that fine_tuning.py did not write (an adapter or a merged model from elsewhere) is let through.

    Raises:
        UserError: with what differs, and what to type.
    """
    tuned = Path(tuned_name)
    if (
        tuned.is_dir()
        and not (tuned / "training_config.json").exists()
        and not any(tuned.glob("checkpoint-*"))
    ):
        return
    manifest = run.require_finished(tuned, "fine_tuning", "python fine_tuning.py")
    template_sha = data["chat_template_sha256"]
    if manifest["iteration"] != data["iteration"]:
        warnings.add(
            f"{tuned} was trained on iteration {manifest['iteration']} of the data, which is at iteration "
            f"{data['iteration']} now. Train on it with: python fine_tuning.py"
        )
    if manifest["chat_template_sha256"] != template_sha:
        raise UserError(
            f"{tuned} was trained with chat template {manifest['chat_template_sha256'][:12]}, but the one in "
            f"use is {template_sha[:12]}. Restore the template in medqa/chat.py, or prepare and train again "
            "with: python dataset_preparation.py && python fine_tuning.py"
        )
    if manifest["learned"]["base model"] != model.fingerprint(base_name):
        name = (manifest["settings"]["given"] | manifest["settings"]["default"])["MODEL_NAME"]
        raise UserError(
            f"the adapter in {tuned} was trained on {name}, which differs from {base_name}. Evaluate it "
            f"with: --BASE_MODEL_PATH {name}"
        )


def ask_both(
    config: Any,
    records: dict[str, Any],
    system_message: str,
    template: ChatTemplate,
    device: model.Device,
    warnings: run.Warnings,
) -> tuple[dict[str, list[dict]], dict[str, dict]]:
    """Answers of both models, and their losses on the reference answers: made if missing, else read.

    Args:
        config: an EvaluationConfig.
        records: the splits `holdout` (answered) and `eval` (losses only).
        system_message, template: make the prompts.
        device: where the models run.
        warnings: told of shortened questions.

    Returns:
        role → one answer a holdout question, in order; role → example id → (summed loss, tokens), on
        the first process only.
    """
    from accelerate import PartialState

    from medqa.noise import quiet

    quiet()
    hub.announce(config.BASE_MODEL_PATH, "BASE_MODEL_PATH")
    processes = PartialState(cpu=not device.is_cuda)
    # From here on the setting says what was done: manifest, report and history take it from there.
    config.USE_4BIT = four_bit_needed(config.USE_4BIT, device, config.BASE_MODEL_PATH)
    models = Models(config.BASE_MODEL_PATH, config.FINETUNED_MODEL_PATH, device, config.USE_4BIT)
    tokenizer = model.load_tokenizer(config.BASE_MODEL_PATH, "BASE_MODEL_PATH")
    stops = tuple(model.stop_token_ids(tokenizer))
    decoding = Decoding(config.MAX_NEW_TOKENS, config.TEMPERATURE, config.TOP_P, config.SEED, stops)
    longest = config.MAX_PROMPT_LENGTH
    prompts = [
        generation.make_prompt(record["id"], record["question"], tokenizer, template, system_message, longest)
        for record in records["holdout"]
    ]
    if any(prompt.cut for prompt in prompts):
        count = sum(prompt.cut for prompt in prompts)
        warnings.add(f"{count} questions lost their middle at MAX_PROMPT_LENGTH {longest}.")
    most = longest + config.MAX_NEW_TOKENS
    examples = []
    for split in ("holdout", "eval"):
        made = tokenize(records[split], tokenizer, template, system_message, most)
        examples += made.examples
        if made.cut or made.left_out:
            warnings.add(
                f"answer_loss of {split}: {len(made.cut)} reference answers count up to token {most} "
                f"(MAX_PROMPT_LENGTH + MAX_NEW_TOKENS) only, and {len(made.left_out)} questions are so long "
                "that they have none."
            )
    answers, losses = {}, {}
    made_with = {name: getattr(config, name) for name in MADE_WITH}
    ids = [prompt.id for prompt in prompts]
    asked: dict[str, Any] = {"questions": ids, "settings": made_with, "answers": {}, "losses": {}}
    for role in ROLES:
        identity = models.identity(role)
        path = Path(config.OUTPUT_DIR) / "predictions" / f"{role}.jsonl"
        keyed = {
            answer_key(model=identity, decoding=asdict(decoding), prompt=prompt.input_ids.tolist()): prompt
            for prompt in prompts
        }
        answers[role] = answer_missing(models, role, tokenizer, keyed, decoding, config, Predictions(path))
        processes.wait_for_everyone()
        if run.rank() == 0:
            file = LossFile(path.with_name(f"{role}_losses.json"))
            made_of = losses_key(identity, (example.input_ids.tolist() for example in examples))
            losses[role] = file.read(made_of)
            if losses[role] is None:
                losses[role] = answer_losses(models, role, examples)
                file.write(made_of, losses[role])
            asked["answers"][role], asked["losses"][role] = list(keyed), made_of
        processes.wait_for_everyone()
    if run.rank() == 0:
        run.write_json(Path(config.OUTPUT_DIR) / "predictions" / ASKED, asked)
    return answers, losses


def answer_missing(
    models: Models, role: str, tokenizer: Any, prompts: dict[str, Prompt], decoding: Decoding, config: Any,
    predictions: Predictions,
) -> list[dict]:  # fmt: skip
    """Answer the prompts, by key, that `predictions` does not hold yet; returns all answers, in order."""
    import torch

    if rank() == 0:
        predictions.repair()
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
    known = predictions.read()
    missing = [key for key in prompts if key not in known]
    say(f"{role}: {len(prompts)} answers wanted, {len(prompts) - len(missing)} reused from an earlier run")
    if missing:
        key_of = {prompts[key].id: key for key in missing}
        mine = generation.shard([prompts[key] for key in missing])
        with models.using(role) as loaded, Progress(f"{role} model", len(mine), "answer") as progress:
            longest = max((len(prompt.input_ids) for prompt in mine), default=0) + decoding.max_new_tokens
            batch = generation.starting_batch(config.BATCH_SIZE, config.AUTO_BATCH_SIZE, loaded, longest)
            causal = loaded.get_base_model() if models.has_adapter else loaded
            plain = attention.is_plain(causal.config, longest)
            say(f"Attention: {'without padding' if plain else 'with padding'} ({causal.config.model_type})")
            why = "BATCH_SIZE, as AUTO_BATCH_SIZE is off"
            if config.AUTO_BATCH_SIZE:
                on_gpu = models.device.is_cuda
                why = "what the memory holds" if on_gpu else "more are not faster on a CPU"
            say(f"Batch: up to {batch} questions at once ({why})")

            tokens, clock = 0, time.monotonic()

            def keep(answer: Answer) -> None:
                nonlocal tokens
                tokens += answer.new_tokens
                told = answer._asdict()
                predictions.add(
                    {"key": key_of[answer.id], "hypothesis": told.pop("text"), "batch": batch} | told
                )
                progress.advance(note=f"{tokens / (time.monotonic() - clock):,.0f} tokens/s")

            generation.answer_all(loaded, tokenizer, mine, decoding, batch, keep)
            seconds = time.monotonic() - clock
            say(f"{role}: {tokens:,} tokens in {elapsed(seconds)}, {tokens / seconds:,.0f} a second")
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        known = predictions.read()
    return [known[key] for key in prompts]
