"""Generates the answers of both models to the holdout, and their losses on the reference answers."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from medqa.artifacts import atomic_io, hub
from medqa.generation import engine, reference_loss, shards
from medqa.generation.continuous_batching import Prompt
from medqa.generation.model_pair import Models, resolve_precision
from medqa.generation.prediction_cache import (
    ASKED,
    ROLES,
    Losses,
    LossFile,
    Predictions,
    answer_key,
    cut_half_line,
    load_answers,
    losses_key,
    texts_sha256,
)
from medqa.generation.sampling import Decoding
from medqa.generation.settings import ANSWER_SETTINGS, GenerationSettings
from medqa.modeling import varlen_attention
from medqa.modeling.base_model import BaseModel
from medqa.modeling.chat_template import ChatTemplate, checked_template
from medqa.modeling.device import Device
from medqa.modeling.precision import NF4
from medqa.modeling.tokenization import Example, tokenize
from medqa.runtime.console import WarningLog, counted, elapsed, print_rank0
from medqa.runtime.distributed import LONGEST_WAIT, fsdp_requested, launched, own_share, rank
from medqa.runtime.progress import Progress


class Job(NamedTuple):
    """What one model has to do, and where the results are stored."""

    prompts: dict[str, Prompt]  # by the key of the answer, in the order of the holdout
    answers: Predictions
    loss_key: str
    losses: LossFile


class RankResult(NamedTuple):
    """What one rank did with one model."""

    tokens: int
    seconds: float
    losses: Losses  # without those of earlier runs


def start_processes(
    settings: GenerationSettings, base: BaseModel, device: Device, data: Mapping[str, Any],
    apply_chat_template: Callable[..., str],
) -> tuple[GenerationSettings, ChatTemplate]:  # fmt: skip
    """Connect the processes of this run, and decide for all of them the precision of the models.

    Args:
        settings: as the user gave them.
        base: the base model.
        device: where the models run.
        data: the manifest of the datasets, for the hash of their chat template.
        apply_chat_template: of the script.

    Returns the settings with the precision that is used, and the template of the base model.

    Raises:
        UserError: the base model cannot be used, or the datasets have another template.
    """
    from accelerate import PartialState
    from accelerate.utils import gather_object

    if fsdp_requested():
        print_rank0("FSDP is for training: in evaluation each process holds a whole model.")
    hub.announce(base.name, base.setting)
    precision = settings.base_precision
    base.require_usable(precision, device.name, sharded=False)
    PartialState(cpu=not device.is_cuda, timeout=LONGEST_WAIT)
    # The GPU with the least free memory decides for all processes.
    if NF4 in gather_object([resolve_precision(precision, device, base)]):
        precision = NF4
    prepared = data["chat_template_sha256"], settings.dataset_dir
    template = checked_template(apply_chat_template, base.tokenizer, *prepared)
    return replace(settings, base_precision=precision, cpu_precision=device.cpu_precision), template


def generate_answers(
    settings: GenerationSettings, models: tuple[BaseModel, Device] | None, records: dict[str, Any],
    data: Mapping[str, Any], apply_chat_template: Callable[..., str], warnings: WarningLog,
) -> tuple[dict[str, list[dict]], dict[str, Losses], dict[str, Any]]:  # fmt: skip
    """Answers of both models, and their losses on the reference answers: read from disk or generated.

    Args:
        settings: paths, decoding and batch size.
        models: the base model, and where both run; None reads what the last complete evaluation used.
        records: the splits `holdout` (answered) and `eval` (losses of the tuned model only).
        data: the manifest of the datasets, for their chat template, system message and iteration.
        apply_chat_template: of the script.
        warnings: gets warnings about shortened questions and answers.

    Returns:
        role → one answer per holdout question, in order; role → example id → (summed loss, tokens); the
        settings that determined them, by their names in `EvaluationConfig`. The first two are empty for a
        shard, and on all ranks but the first.

    Raises:
        UserError: what the models and files raise.
    """
    if models is None:
        return load_answers(Path(settings.output_dir), records, data["iteration"], warnings)
    base, device = models
    settings, template = start_processes(settings, base, device, data, apply_chat_template)
    made = {name: getattr(settings, name.lower()) for name in ANSWER_SETTINGS}
    pair = Models(base, settings.finetuned_model_path, device, settings.base_precision)
    tokenizer, decoding = base.tokenizer, settings.decoding(base, template)
    texts = records, tokenizer, template, data["system_message"]
    prompts, examples = tokenize_records(
        *texts, settings.max_prompt_length, settings.max_new_tokens, warnings
    )
    shard = shards.parse(settings.shard)
    merge_shards(settings.predictions, shard)
    folder = shards.writer_folder(settings.predictions, shard)
    jobs = {role: make_job(pair, role, decoding, prompts, examples[role], folder) for role in ROLES}
    losses = run_jobs(settings, pair, tokenizer, decoding, jobs, examples, shard)
    merge_shards(settings.predictions, shard)
    if shard != shards.WHOLE:
        print_rank0(
            f"Shard {settings.shard} is complete. When all are, score them by this command without --SHARD"
        )
    if rank() != 0 or shard != shards.WHOLE:
        return {}, {}, made
    answers = shards.read_wanted(settings.predictions, {role: job.prompts for role, job in jobs.items()})
    for role, job in jobs.items():
        losses[role] = {example.id: losses[role][example.id] for example in examples[role]}
        LossFile(settings.predictions / job.losses.path.name).write(job.loss_key, losses[role])
    record_asked(settings.predictions, records, data["iteration"], made, jobs)
    return answers, losses, made


def record_asked(
    predictions: Path, records: Mapping[str, Any], iteration: int, made: Mapping[str, Any],
    jobs: Mapping[str, Job],
) -> None:  # fmt: skip
    """Record which of the stored answers and losses this evaluation uses, for `load_answers`."""
    asked = {
        "texts": texts_sha256(records),
        "iteration": iteration,
        "settings": made,
        "answers": {role: list(job.prompts) for role, job in jobs.items()},
        "losses": {role: job.loss_key for role, job in jobs.items()},
    }
    atomic_io.write_json(predictions / ASKED, asked)


def merge_shards(predictions: Path, shard: shards.Shard) -> None:
    """Merge what other writers stored, in the first process of a whole evaluation; the others wait for it."""
    from accelerate import PartialState

    PartialState().wait_for_everyone()
    if rank() == 0 and shard == shards.WHOLE:
        shards.merge(predictions)
    PartialState().wait_for_everyone()


def tokenize_records(
    records: dict[str, Any],
    tokenizer: Any,
    template: ChatTemplate,
    system_message: str,
    max_prompt_length: int,
    max_new_tokens: int,
    warnings: WarningLog,
) -> tuple[list[Prompt], dict[str, list[Example]]]:
    """Prompts of the holdout, and role → pairs whose reference answers get a loss.

    The tuned model gets losses on the eval split too, by which specialties are compared once more.
    """
    prompts = [
        engine.make_prompt(
            record["id"], record["question"], tokenizer, template, system_message, max_prompt_length
        )
        for record in records["holdout"]
    ]
    if count := sum(prompt.cut for prompt in prompts):
        warnings.add(
            f"{counted(count, 'question')} lost the middle at MAX_PROMPT_LENGTH {max_prompt_length}."
        )
    max_length = max_prompt_length + max_new_tokens
    examples: dict[str, list[Example]] = {role: [] for role in ROLES}
    for split, roles in (("holdout", ROLES), ("eval", ("finetuned",))):
        tokenized = tokenize(records[split], tokenizer, template, system_message, max_length)
        for role in roles:
            examples[role] += tokenized.examples
        if tokenized.cut or tokenized.left_out:
            warnings.add(
                f"answer_loss of {split}: at most {max_length} tokens (MAX_PROMPT_LENGTH + MAX_NEW_TOKENS) "
                f"of each pair count; {counted(len(tokenized.cut), 'reference answer')} cut, and no loss for "
                f"{counted(len(tokenized.left_out), 'question')} that fill this length alone."
            )
    return prompts, examples


def make_job(
    models: Models, role: str, decoding: Decoding, prompts: Sequence[Prompt], examples: Sequence[Example],
    folder: Path,
) -> Job:  # fmt: skip
    """The keys and files of the answers and losses of one model."""
    model = models.identity(role)
    loss_key = losses_key(model, (example.input_ids.tolist() for example in examples))
    by_key = {
        answer_key(model=model, decoding=asdict(decoding), prompt=prompt.input_ids.tolist()): prompt
        for prompt in prompts
    }
    answers, losses = Predictions(folder / f"{role}.jsonl"), LossFile(folder / f"{role}_losses.json")
    return Job(by_key, answers, loss_key, losses)


def run_jobs(
    settings: GenerationSettings, models: Models, tokenizer: Any, decoding: Decoding,
    jobs: Mapping[str, Job], examples: Mapping[str, Sequence[Example]], shard: shards.Shard,
) -> dict[str, Losses]:  # fmt: skip
    """Generate the answers and compute the losses of the shard that are not on disk, shared among the ranks.

    Returns role → example id → loss.
    """
    from accelerate import PartialState

    processes = PartialState()
    if launched("LOCAL_RANK", 0) == 0:
        for job in jobs.values():
            cut_half_line(job.answers.path)
            cut_half_line(job.losses.partial)
    processes.wait_for_everyone()
    assigned = own_share(missing_answers(jobs, settings.predictions, shard))
    known = {role: shards.read_losses(settings.predictions, role, job.loss_key) for role, job in jobs.items()}
    processes.wait_for_everyone()  # all ranks have read before the first one writes
    results: dict[str, RankResult] = {}
    for role, job in jobs.items():  # all work of one model before the next one is loaded
        prompts = {key: job.prompts[key] for of, key in assigned if of == role}
        tokens, seconds = answer(models, role, tokenizer, prompts, decoding, settings, job.answers)
        keep = functools.partial(job.losses.add, job.loss_key)
        losses = reference_loss.answer_losses(models, role, examples[role], known[role], keep, shard)
        results[role] = RankResult(tokens, seconds, losses)
    return gather_losses(results, known)


def missing_answers(jobs: Mapping[str, Job], predictions: Path, shard: shards.Shard) -> list[tuple[str, str]]:
    """Role and key of each answer of the shard that is not on disk.

    One list for both models: with two processes, each answers all questions with one model. Answering many
    questions together costs less per question.
    """
    missing = []
    for role, job in jobs.items():
        stored = shards.read_answers(predictions, role)
        keys = shard.part(list(job.prompts), ROLES.index(role), len(ROLES))
        absent, count = [(role, key) for key in keys if key not in stored], len(keys)
        print_rank0(
            f"{role}: {counted(count, 'answer')} wanted, {count - len(absent):,} reused from an earlier run"
        )
        missing += absent
    return missing


def answer(
    models: Models, role: str, tokenizer: Any, prompts: Mapping[str, Prompt], decoding: Decoding,
    settings: GenerationSettings, file: Predictions,
) -> tuple[int, float]:  # fmt: skip
    """Answer prompts with one model, and store each answer as it is finished.

    Args:
        models, role, tokenizer: the model.
        prompts: by the key of their answer.
        decoding: how tokens are chosen.
        settings: for the batch size.
        file: where the answers are stored.

    Returns the number of generated tokens, and the seconds.
    """
    if not prompts:
        return 0, 0.0
    key_of = {prompt.id: key for key, prompt in prompts.items()}
    with models.using(role) as causal, Progress(f"{role} model", len(prompts), "answer") as progress:
        longest = max(len(prompt.input_ids) for prompt in prompts.values()) + decoding.max_new_tokens
        without_padding = varlen_attention.is_decoded(causal.config, longest)
        batch, reason = engine.choose_batch_size(
            settings.batch_size, settings.auto_batch_size, causal, longest
        )
        padding = f"{'without' if without_padding else 'with'} padding ({causal.config.model_type})"
        print_rank0(f"Batch: up to {counted(batch, 'question')} at once ({reason}), {padding}")

        tokens, start = 0, time.monotonic()

        def keep(found: engine.Answer) -> None:
            nonlocal tokens
            tokens += found.new_tokens
            line = {"key": key_of[found.id], "hypothesis": found.hypothesis, "batch": batch}
            file.add(line | found._asdict())
            progress.advance()

        engine.answer_all(causal, tokenizer, list(prompts.values()), decoding, batch, keep)
        seconds = time.monotonic() - start
    print_rank0(f"{role}: {tokens:,} tokens in {elapsed(seconds)}, {tokens / seconds:,.0f} a second")
    return tokens, seconds


def gather_losses(results: Mapping[str, RankResult], known: Mapping[str, Losses]) -> dict[str, Losses]:
    """Role → example id → loss, from all ranks and from earlier runs.

    Prints the joint speed of several processes.
    """
    from accelerate.utils import gather_object

    ranks = gather_object([results])
    tokens = sum(result.tokens for own in ranks for result in own.values())
    if tokens and len(ranks) > 1:
        seconds = max(sum(result.seconds for result in own.values()) for own in ranks)
        speed = f"{tokens / seconds:,.0f} a second"
        print_rank0(f"{len(ranks)} processes: {tokens:,} tokens in {elapsed(seconds)}, {speed}")
    return {
        role: functools.reduce(dict.__or__, (own[role].losses for own in ranks), known[role])
        for role in results
    }
