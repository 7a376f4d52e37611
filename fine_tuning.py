"""Stage 2: fine-tune the base model on the prepared data with QLoRA.

    python fine_tuning.py
    python fine_tuning.py --LORA_RANK 16 --LORA_ALPHA 32 --NUM_EPOCHS 5
    accelerate launch --num_processes 4 fine_tuning.py

An interrupted run resumes from its last checkpoint when the same command is typed again.
"""

import contextlib
import functools
import time
from pathlib import Path
from typing import Any

from config import LIMITS, EvaluationConfig, TrainingConfig
from medqa.artifacts import hub, output_dir, output_place, run_manifest
from medqa.export import gguf_files
from medqa.modeling.base_model import BaseModel
from medqa.modeling.chat_template import ChatTemplate, apply_chat_template, checked_template
from medqa.modeling.device import Device, prepare_device
from medqa.modeling.prompt_format import PROBES, PromptFormat
from medqa.runtime.cli import checked, given_and_default, next_command, parse, replaced, select
from medqa.runtime.console import WarningLog, counted, elapsed, print_rank0
from medqa.runtime.distributed import fsdp_requested, rank, world_size
from medqa.runtime.entrypoint import run_script
from medqa.runtime.errors import Interrupted, UserError, require_package


def train(config: TrainingConfig) -> Path:
    """Train, or resume training, and return the folder with the adapter.

    Raises:
        UserError: wrong settings, unfinished or edited datasets, no device for the model, or an unfinished
            run with other settings in the output folder.
    """
    started, clock = run_manifest.now(), time.monotonic()
    config = checked(config, TrainingConfig, LIMITS)
    output, warnings = Path(config.OUTPUT_DIR), WarningLog()

    # 1. Check the input before anything heavy is loaded.
    data = check_datasets(config)
    prompts, device = check_base(config, data)
    base, template = prompts.base, prompts.template
    config = replaced(config, CPU_PRECISION=device.cpu_precision)
    sharded = fsdp_requested()
    if config.DRY_RUN:
        print_dry_run_estimate(config, base, data, template, device, sharded, warnings)
        return output

    from medqa.training import arguments, batch_sampler, export, resume, trainer as training

    signature = resume.run_signature(vars(config), data, base.fingerprint)
    ranks = resume.connect_ranks(device, vars(config) | signature)
    with output_dir.output_dir_lock(output, "fine_tuning") if rank() == 0 else contextlib.nullcontext():
        ranks.wait_for_everyone()
        start = resume.agree_on_start(output, signature, config.RESUME, vars(TrainingConfig()))
        if start == resume.DONE:
            export_if_wanted(config, data, prompts, device)
            show_next(config)
            return output

        # 2. Tokenize. The loss is computed on the answer and its end of turn, never on the question.
        examples, eval_examples = tokenize_splits(config, data, base, template, warnings)
        settings = select(config, arguments.TrainerSettings)
        sampler = batch_sampler.step_sampler(examples, settings)

        # 3. Load the frozen base, quantized, add the adapter, and plan the forward passes for the memory.
        model, tokens_per_pass = load_model(config, base, device, sampler.lengths, sharded)

        # 4. Train, or resume from the last complete checkpoint.
        trainer = training.build_trainer(
            model, examples, eval_examples, sampler, tokens_per_pass, settings, signature, device
        )
        finished = training.fit(trainer, start)

        # 5. Save the best adapter with the record of how it was made.
        if finished and rank() == 0:
            finish = functools.partial(write_report, config, data, signature, started)
            export.publish(vars(config), trainer, prompts, signature, finish, warnings)
        ranks.wait_for_everyone()
    if not finished:
        raise Interrupted(trainer.stop_signal)
    del model, trainer
    export_if_wanted(config, data, prompts, device)
    print_summary(config, time.monotonic() - clock, warnings)
    return output


def check_datasets(config: TrainingConfig) -> dict[str, Any]:
    """The manifest of finished, unedited datasets, after a check of the folders and of wandb."""
    folder = Path(config.DATASET_DIR)
    data = run_manifest.require_finished(folder, "dataset_preparation", "python dataset_preparation.py")
    output_place.require_place(Path(config.OUTPUT_DIR), "fine_tuning")
    output_dir.require_place_for_exports(select(config, output_dir.TrainingFolders))
    from medqa.data.dataset_io import first_questions
    from medqa.data.dataset_stats import read_stats

    if config.USE_WANDB:
        require_package("wandb", "USE_WANDB")
    return data | {"stats": read_stats(folder), "questions": first_questions(folder, PROBES)}


def check_base(config: TrainingConfig, data: dict) -> tuple[PromptFormat, Device]:
    """The base model with its prompt format, and its device, checked without loading a weight."""
    base = BaseModel(config.MODEL_NAME, "MODEL_NAME")
    base.require_weights()
    device = prepare_device(base, "fine_tuning.py", config.CPU_PRECISION, config.GPU_MEMORY_GB)
    if not config.DRY_RUN:
        hub.announce(base.name, base.setting)
    base.require_usable(config.BASE_PRECISION, device.name, fsdp_requested())
    base.require_mergeable(config.MERGE_TO or config.EXPORT_TO)
    prepared = data["chat_template_sha256"], config.DATASET_DIR
    template = checked_template(apply_chat_template, base.tokenizer, *prepared)
    prompts = PromptFormat(base, template, data["system_message"], data["questions"])
    if config.EXPORT_TO:
        gguf_files.require_exportable(prompts)
    return prompts, device


def tokenize_splits(
    config: TrainingConfig, data: dict, base: BaseModel, template: ChatTemplate, warnings: WarningLog
) -> list[list]:
    """Examples of the train and the eval split; warns of what was cut or left out."""
    from datasets import load_from_disk

    from medqa.modeling.tokenization import print_split, require_end, tokenize

    splits, limit = [], config.MAX_SEQ_LENGTH
    for name in ("train_dataset", "eval_dataset"):
        records = load_from_disk(str(Path(config.DATASET_DIR) / name))
        split = tokenize(records, base.tokenizer, template, data["system_message"], limit)
        print_split(split, name, limit, warnings)
        base.warn_of_long(split.examples, name, warnings)
        require_end(split, base.tokenizer, base.stop_token_ids(template))
        splits.append(split.examples)
    if not splits[0]:
        warnings.show()
        raise UserError(f"{config.DATASET_DIR}/train_dataset holds nothing to train on.")
    return splits


def load_model(
    config: TrainingConfig, base: BaseModel, device: Device, lengths: list[int], sharded: bool
) -> tuple[Any, int]:
    """The model with its new adapter, ready to train, and the tokens of a forward pass that fit in memory."""
    from medqa.training import lora, memory_plan

    model = lora.load(base, select(config, lora.AdapterSettings), device, sharded)
    memory = select(config, memory_plan.MemorySettings)
    tokens = sum(lengths) * config.NUM_EPOCHS // world_size()
    return model, lora.configure_for_memory(memory, model, device, tokens, sharded)


def print_dry_run_estimate(
    config: TrainingConfig, base: BaseModel, data: dict, template: ChatTemplate, device: Device,
    sharded: bool, warnings: WarningLog,
) -> None:  # fmt: skip
    """Print two examples with their trained part, and steps, memory and time; loads no weight."""
    from datasets import load_from_disk

    from medqa.data import preview
    from medqa.training import arguments, batch_sampler, lora, memory_plan, resume

    output_dir.require_creatable(Path(config.OUTPUT_DIR))
    output_dir.require_own(Path(config.OUTPUT_DIR), "fine_tuning")
    resume.refuse_foreign_files(Path(config.OUTPUT_DIR))
    lora.require_trainable(base.model_config, select(config, lora.AdapterSettings))
    examples, eval_examples = tokenize_splits(config, data, base, template, warnings)
    records = load_from_disk(str(Path(config.DATASET_DIR) / "train_dataset"))
    system, limit = data["system_message"], config.MAX_SEQ_LENGTH
    print_rank0(*preview.measure(records, base.tokenizer, template, system, limit).lines, "")
    sampler = batch_sampler.step_sampler(examples, select(config, arguments.TrainerSettings))
    epoch = [[sampler.lengths[index] for index in step] for step in sampler]
    eval_tokens = sum(len(example.input_ids) for example in eval_examples) // world_size()
    memory, shards = select(config, memory_plan.MemorySettings), world_size() if sharded else 1
    memory_plan.print_dry_run_estimate(
        memory, base.model_config, device, epoch, config.NUM_EPOCHS, eval_tokens, config.EVAL_STEPS, shards
    )
    warnings.show()
    print_rank0("", "Dry run: nothing was trained and nothing written. Leave out --DRY_RUN to train.")


def write_report(
    config: TrainingConfig, data: dict, signature: dict, started: str, folder: Path, records: list[dict]
) -> None:
    """Write training curves, model card and, last, the manifest into `folder`."""
    from medqa.report.model_card import write_card
    from medqa.report.plots import training_figure

    training_figure(records, folder / "training_curves.png")
    write_card(folder, vars(config), data, records)
    inputs = {f"{config.DATASET_DIR}/{name}": sha for name, sha in data["outputs"].items()}
    more = {name: data[name] for name in ("chat_template_sha256", "iteration")} | {"learned": signature}
    run_manifest.write_manifest(folder, "fine_tuning", given_and_default(config), started, inputs, **more)


def export_if_wanted(config: TrainingConfig, data: dict, prompts: PromptFormat, device: Device) -> None:
    """Write base and adapter as one model into MERGE_TO, and as GGUF files into EXPORT_TO."""
    if (config.MERGE_TO or config.EXPORT_TO) and rank() == 0:
        from medqa.export import merging
        from medqa.report.model_card import write_card
        from medqa.training.metrics_logger import METRICS_FILE, read_records

        records = read_records(Path(config.OUTPUT_DIR) / METRICS_FILE)
        finish = functools.partial(write_card, settings=vars(config), data=data, records=records)
        merging.export(select(config, merging.ExportSettings), prompts, device, finish)


def print_summary(config: TrainingConfig, seconds: float, warnings: WarningLog) -> None:
    """Print what was done, the eval losses, the warnings, the files and the next command."""
    from medqa.training.metrics_logger import METRICS_FILE, eval_loss_table, read_records

    records = read_records(Path(config.OUTPUT_DIR) / METRICS_FILE)
    evaluations = [record for record in records if "eval_loss" in record]
    steps = sum("loss" in record for record in records)
    print_rank0("", f"Trained: {counted(steps, 'step')}, {elapsed(seconds)} this time.", "")
    if evaluations:
        best = min(evaluations, key=lambda record: record["eval_loss"])
        print_rank0(eval_loss_table(evaluations, best))
        if best["step"] == 0:
            warnings.add("no evaluation was better than the base model: the saved adapter changes nothing.")
    warnings.show()
    show_next(config)


def show_next(config: TrainingConfig) -> None:
    """Print where the files are, and the next command."""
    folders = {"BASE_MODEL_PATH": config.MODEL_NAME, "FINETUNED_MODEL_PATH": config.OUTPUT_DIR}
    folders |= {"DATASET_DIR": config.DATASET_DIR} | hub.missing_encoder(EvaluationConfig.BERTSCORE_MODEL)
    files = f"{config.OUTPUT_DIR}/ (adapter, tokenizer, training_curves.png, model card README.md)"
    print_rank0("", f"Files: {files}", f"Next:  {next_command('evaluation.py', EvaluationConfig, folders)}")


if __name__ == "__main__":
    kept = "What was saved is kept; the same command resumes from there."
    run_script(lambda: train(parse(TrainingConfig, __doc__)), kept)
