"""Generates the answers of both models to the holdout, and their losses on the reference answers."""

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from medqa.artifacts import atomic_io, hub
from medqa.generation import engine, reference_loss
from medqa.generation.engine import Answer, Decoding, Prompt
from medqa.generation.model_pair import Models, resolve_quantization
from medqa.generation.prediction_cache import (
    ASKED,
    ROLES,
    LossFile,
    Predictions,
    answer_key,
    cut_half_line,
    losses_key,
    texts_sha256,
)
from medqa.modeling import varlen_attention
from medqa.modeling.base_model import BaseModel
from medqa.modeling.chat_template import ChatTemplate
from medqa.modeling.device import Device
from medqa.modeling.tokenization import Example, stop_token_ids, tokenize
from medqa.runtime.console import WarningLog, counted, elapsed, print_rank0
from medqa.runtime.distributed import LONGEST_WAIT, fsdp_requested, own_share, rank, several_machines
from medqa.runtime.errors import UserError
from medqa.runtime.progress import Progress

# Settings that answers are made with; scoring them later takes these from there.
MADE_WITH = (
    "BASE_MODEL_PATH", "FINETUNED_MODEL_PATH", "MAX_NEW_TOKENS", "TEMPERATURE", "TOP_P", "USE_4BIT",
    "MAX_PROMPT_LENGTH", "SEED",
)  # fmt: skip

# By role, then by the key of the answer.
Keyed = Mapping[str, Mapping[str, Prompt]]


class RankResult(NamedTuple):
    """What one process did with one model: tokens written, the seconds it took, losses by example id."""

    tokens: int
    seconds: float
    losses: dict[str, Any]


def start_processes(base_model: str, four_bit: bool, device: Device) -> bool:
    """Connect the processes of this run, and decide for all of them whether models are loaded in NF4.

    Args:
        base_model: folder or Hub name.
        four_bit: whether the user asked for NF4.
        device: where the models run.

    Raises:
        UserError: the processes run on several machines.
    """
    from accelerate import PartialState
    from accelerate.utils import gather_object

    from medqa.runtime.library_warnings import quiet

    quiet()
    if several_machines():
        raise UserError(
            "evaluation.py runs on one machine, because its processes write to the same files. Try on one of "
            "them: accelerate launch --num_processes N evaluation.py"
        )
    if fsdp_requested():
        print_rank0("FSDP is for training: here each process holds a whole model.")
    hub.announce(base_model, "BASE_MODEL_PATH")
    PartialState(cpu=not device.is_cuda, timeout=LONGEST_WAIT)
    # The fullest card decides for all processes.
    return any(gather_object([resolve_quantization(four_bit, device, base_model)]))


def generate_answers(
    config: Any,
    records: dict[str, Any],
    data: Mapping[str, Any],
    template: ChatTemplate,
    device: Device,
    warnings: WarningLog,
) -> tuple[dict[str, list[dict]], dict[str, dict]]:
    """Answers of both models, and their losses on the reference answers: made if missing, else read.

    Args:
        config: an EvaluationConfig.
        records: the splits `holdout` (answered) and `eval` (losses only).
        data: the manifest of the datasets, for their system message and iteration.
        template: makes the prompts, with the system message.
        device: where the models run.
        warnings: told of shortened questions and answers.

    Returns:
        role → one answer a holdout question, in order; role → example id → (summed loss, tokens).

    Raises:
        UserError: what the models and files raise.
    """
    from accelerate import PartialState

    processes = PartialState()
    models = Models(config.BASE_MODEL_PATH, config.FINETUNED_MODEL_PATH, device, config.USE_4BIT)
    tokenizer = BaseModel(config.BASE_MODEL_PATH, "BASE_MODEL_PATH").tokenizer
    stops = tuple(stop_token_ids(tokenizer))
    decoding = Decoding(config.MAX_NEW_TOKENS, config.TEMPERATURE, config.TOP_P, config.SEED, stops)
    prompts, examples = texts(config, records, tokenizer, data["system_message"], template, warnings)
    keyed, made_of = keys(models, decoding, prompts, examples)
    folder = Path(config.OUTPUT_DIR) / "predictions"
    files = {role: Predictions(folder / f"{role}.jsonl") for role in ROLES}
    losses = make_missing(config, processes, models, tokenizer, decoding, keyed, made_of, examples, files)
    if rank() == 0:
        asked = {
            "texts": texts_sha256(records),
            "iteration": data["iteration"],
            "settings": {name: getattr(config, name) for name in MADE_WITH},
            "answers": {role: list(keyed[role]) for role in ROLES},
            "losses": made_of,
        }
        atomic_io.write_json(folder / ASKED, asked)
    known = {role: files[role].read() for role in ROLES}
    return {role: [known[role][key] for key in keyed[role]] for role in ROLES}, losses


def make_missing(
    config: Any, processes: Any, models: Models, tokenizer: Any, decoding: Decoding, keyed: Keyed,
    made_of: Mapping[str, str], examples: Sequence[Example], files: Mapping[str, Predictions],
) -> dict[str, dict]:  # fmt: skip
    """Make the answers and losses that the files lack, each process its share, and keep them there.

    Returns role → example id → loss.
    """
    loss_files = {role: LossFile(file.path.with_name(f"{role}_losses.json")) for role, file in files.items()}
    if rank() == 0:
        for path in (
            *(file.path for file in files.values()),
            *(file.partial for file in loss_files.values()),
        ):
            cut_half_line(path)
    processes.wait_for_everyone()
    mine = own_share(missing_answers(keyed, files))
    stored = {role: file.read(made_of[role]) for role, file in loss_files.items()}
    partial = {role: file.read_partial(made_of[role]) for role, file in loss_files.items()}
    processes.wait_for_everyone()  # all have read before the first writes
    made: dict[str, RankResult] = {}
    for role in ROLES:  # all that one model has to do before the next one is loaded
        own = {key: keyed[role][key] for of, key in mine if of == role}
        tokens, seconds = answer(models, role, tokenizer, own, decoding, config, files[role])
        keep = functools.partial(loss_files[role].add, made_of[role])
        losses = stored[role] or reference_loss.answer_losses(models, role, examples, partial[role], keep)
        made[role] = RankResult(tokens, seconds, losses)
    losses = gather(made, examples, partial)
    processes.wait_for_everyone()
    for role, file in loss_files.items():
        if rank() == 0 and stored[role] is None:
            file.write(made_of[role], losses[role])
    return losses


def keys(
    models: Models, decoding: Decoding, prompts: Sequence[Prompt], examples: Sequence[Example]
) -> tuple[Keyed, dict[str, str]]:
    """Of each role: the prompts by the key of their answer, and what identifies the losses."""
    told = asdict(decoding)
    keyed, made_of = {}, {}
    for role in ROLES:
        identity = models.identity(role)
        made_of[role] = losses_key(identity, (example.input_ids.tolist() for example in examples))
        keyed[role] = {
            answer_key(model=identity, decoding=told, prompt=prompt.input_ids.tolist()): prompt
            for prompt in prompts
        }
    return keyed, made_of


def texts(
    config: Any,
    records: dict[str, Any],
    tokenizer: Any,
    system_message: str,
    template: ChatTemplate,
    warnings: WarningLog,
) -> tuple[list[Prompt], list[Example]]:
    """Prompts of the holdout, and holdout and eval split with their reference answers, for the losses."""
    longest = config.MAX_PROMPT_LENGTH
    prompts = [
        engine.make_prompt(record["id"], record["question"], tokenizer, template, system_message, longest)
        for record in records["holdout"]
    ]
    if any(prompt.cut for prompt in prompts):
        count = sum(prompt.cut for prompt in prompts)
        warnings.add(f"{counted(count, 'question')} lost the middle at MAX_PROMPT_LENGTH {longest}.")
    most = longest + config.MAX_NEW_TOKENS
    examples = []
    for split in ("holdout", "eval"):
        made = tokenize(records[split], tokenizer, template, system_message, most)
        examples += made.examples
        if made.cut or made.left_out:
            warnings.add(
                f"answer_loss of {split}: at most {most} tokens (MAX_PROMPT_LENGTH + MAX_NEW_TOKENS) of each "
                f"pair count; {counted(len(made.cut), 'reference answer')} cut, and no loss for "
                f"{counted(len(made.left_out), 'question')} as long as that."
            )
    return prompts, examples


def missing_answers(keyed: Keyed, files: Mapping[str, Predictions]) -> list[tuple[str, str]]:
    """Role and key of each answer that the files do not hold yet.

    One list of both models' answers, so that with two processes each has all the questions of one model: the
    fewer questions are answered together, the dearer is each.
    """
    missing = []
    for role in ROLES:
        known = files[role].read()
        absent = [(role, key) for key in keyed[role] if key not in known]
        count = len(keyed[role])
        print_rank0(
            f"{role}: {counted(count, 'answer')} wanted, {count - len(absent):,} reused from an earlier run"
        )
        missing += absent
    return missing


def answer(
    models: Models, role: str, tokenizer: Any, keyed: Mapping[str, Prompt], decoding: Decoding, config: Any,
    file: Predictions,
) -> tuple[int, float]:  # fmt: skip
    """Answer prompts with one model, each answer written as it is finished.

    Args:
        models, role, tokenizer: the model.
        keyed: prompts by the key of their answer.
        decoding: how the answers are made.
        config: an EvaluationConfig.
        file: where they are kept.

    Returns the tokens made, and the seconds it took.
    """
    if not keyed:
        return 0, 0.0
    key_of = {prompt.id: key for key, prompt in keyed.items()}
    with models.using(role) as causal, Progress(f"{role} model", len(keyed), "answer") as progress:
        longest = max(len(prompt.input_ids) for prompt in keyed.values()) + decoding.max_new_tokens
        batch = engine.starting_batch(config.BATCH_SIZE, config.AUTO_BATCH_SIZE, causal, longest)
        plain = varlen_attention.is_supported(causal.config, longest)
        print_rank0(
            f"Attention: {'without padding' if plain else 'with padding'} ({causal.config.model_type})"
        )
        why = "BATCH_SIZE, as AUTO_BATCH_SIZE is off"
        if config.AUTO_BATCH_SIZE:
            on_gpu = models.device.is_cuda
            why = "what the memory holds" if on_gpu else "more are not faster on a CPU"
        print_rank0(f"Batch: up to {counted(batch, 'question')} at once ({why})")

        tokens, clock = 0, time.monotonic()

        def keep(made: Answer) -> None:
            nonlocal tokens
            tokens += made.new_tokens
            told = made._asdict()
            file.add({"key": key_of[made.id], "hypothesis": told.pop("text"), "batch": batch} | told)
            progress.advance(note=f"{tokens / (time.monotonic() - clock):,.0f} tokens/s")

        engine.answer_all(causal, tokenizer, list(keyed.values()), decoding, batch, keep)
        seconds = time.monotonic() - clock
        print_rank0(f"{role}: {tokens:,} tokens in {elapsed(seconds)}, {tokens / seconds:,.0f} a second")
    return tokens, seconds


def gather(
    made: Mapping[str, RankResult], examples: Sequence[Example], partial: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict]:
    """Role → example id → loss from what each process made, and from what an interrupted run had kept.

    The speed of several processes together is printed.
    """
    from accelerate.utils import gather_object

    each = gather_object([made])
    tokens = sum(one[role].tokens for one in each for role in ROLES)
    if tokens and len(each) > 1:
        seconds = max(sum(one[role].seconds for role in ROLES) for one in each)
        speed = f"{tokens / seconds:,.0f} a second"
        print_rank0(f"{len(each)} processes: {tokens:,} tokens in {elapsed(seconds)}, {speed}")
    losses = {}
    for role in ROLES:
        found = dict(partial[role])
        for one in each:
            found |= one[role].losses
        losses[role] = {example.id: found[example.id] for example in examples}
    return losses
