"""Stage 2: fine-tune the base model on the prepared data with QLoRA.

    python fine_tuning.py
    python fine_tuning.py --LORA_RANK 16 --LORA_ALPHA 32 --NUM_EPOCHS 5
    accelerate launch --num_processes 4 fine_tuning.py

A run that was interrupted goes on from its last checkpoint when the same command is typed again.
"""

import contextlib
import time
from pathlib import Path
from typing import Any

from config import LIMITS, EvaluationConfig, TrainingConfig
from medqa.artifacts import atomic_io, output_dir, run_manifest
from medqa.modeling.chat_template import apply_chat_template, template_sha256
from medqa.runtime.cli import checked, next_command, parse
from medqa.runtime.console import WarningLog, counted, elapsed, print_rank0
from medqa.runtime.distributed import LONGEST_WAIT, fsdp_requested, rank, several_machines, world_size
from medqa.runtime.entrypoint import run_script
from medqa.runtime.errors import Interrupted, UserError


def train(config: TrainingConfig) -> Path:
    """Train, or go on training, and return the folder with the adapter.

    Raises:
        UserError: wrong settings, unfinished or edited datasets, no device for the model, or an unfinished
            run with other settings in the output folder.
    """
    started, clock = run_manifest.now(), time.monotonic()
    config = checked(config, TrainingConfig, LIMITS)
    output, warnings = Path(config.OUTPUT_DIR), WarningLog()

    # 1. Check what comes in, before anything heavy is loaded.
    data = check_datasets(config)
    from medqa.artifacts import hub
    from medqa.modeling import loading
    from medqa.modeling.device import choose_device, limit_gpu_memory
    from medqa.runtime.library_warnings import quiet

    loading.require_model(config.MODEL_NAME, "MODEL_NAME")
    device = choose_device(config.MODEL_NAME, "fine_tuning.py")
    print_rank0(f"Device: {device.name} in {device.dtype} ({device.reason})")
    limit_gpu_memory(config.GPU_MEMORY_GB, device)
    quiet()
    sharded = fsdp_requested()
    if config.DRY_RUN:
        print_dry_run_estimate(config, data, device, sharded, warnings)
        return output
    hub.announce(config.MODEL_NAME, "MODEL_NAME")

    from accelerate import PartialState

    from medqa.training import export, lora, resume, trainer as training
    from medqa.training.batch_sampler import steps_of

    learned = resume.run_signature(config, data, loading.fingerprint(config.MODEL_NAME))
    if several_machines():
        print_rank0("Waiting for the other machines; if one says ERROR, end this one with Ctrl-C")
    processes = PartialState(cpu=not device.is_cuda, timeout=LONGEST_WAIT)
    resume.assert_same_across_ranks(vars(config) | learned)
    with output_dir.output_dir_lock(output, "fine_tuning") if rank() == 0 else contextlib.nullcontext():
        if rank() == 0:
            output_dir.recover(output)
        processes.wait_for_everyone()
        start = resume.begin(output, learned, config.RESUME)
        if start == "done":
            print_rank0(f"{output} is up to date: same data, same settings. Start over with --RESUME never")
            merge_if_wanted(config, device)
            show_next(config)
            return output

        # 2. Tokenise. The loss is on the answer and its end of turn, never on the question.
        tokenizer = loading.load_tokenizer(config.MODEL_NAME, "MODEL_NAME")
        examples, eval_examples = tokenised(config, data, tokenizer, warnings)
        lengths = [len(example.input_ids) for example in examples]
        steps = steps_of(config, lengths)

        # 3. Load the base in 4 bits, frozen, add the adapter, and cut the steps to fit the card.
        model = lora.load(config, device, sharded)
        tokens = sum(lengths) * config.NUM_EPOCHS // world_size()
        tokens_per_pass = lora.configure_for_memory(config, model, device, tokens, sharded)

        # 4. Train, or go on from the last whole checkpoint.
        in_all, sequences = len(steps) * config.NUM_EPOCHS, counted(steps.per_step, "sequence")
        print_rank0(f"Steps: {len(steps)} an epoch, {in_all} in all, {sequences} each")
        trainer = training.build_trainer(
            model, examples, eval_examples, steps, tokens_per_pass, config, learned, device
        )
        finished = training.fit(trainer, start)

        # 5. Save the best adapter with all that tells how it was made.
        if finished and rank() == 0:
            export.publish(config, trainer, tokenizer, data, learned, started, write_report)
        processes.wait_for_everyone()
    if not finished:
        raise Interrupted(trainer.stop_signal)
    del model, trainer
    merge_if_wanted(config, device)
    print_summary(config, time.monotonic() - clock, warnings)
    return output


def check_datasets(config: TrainingConfig) -> dict[str, Any]:
    """Manifest of the datasets, finished, unedited and formatted with the template in use."""
    data = run_manifest.require_finished(
        Path(config.DATASET_DIR), "dataset_preparation", "python dataset_preparation.py"
    )
    if data["chat_template_sha256"] != template_sha256(apply_chat_template):
        raise UserError(
            f"{config.DATASET_DIR} was formatted with another chat template than the one in use now. Bring "
            "them together with: python dataset_preparation.py"
        )
    if config.MERGE_TO:
        taken = {name: getattr(config, name) for name in ("OUTPUT_DIR", "DATASET_DIR")}
        if Path(config.MODEL_NAME).is_dir():
            taken["MODEL_NAME"] = config.MODEL_NAME
        output_dir.require_place_for_merged(Path(config.MERGE_TO), taken)
    from medqa.data.dataset_stats import read_stats

    if config.USE_WANDB:
        import importlib.util

        if importlib.util.find_spec("wandb") is None:
            raise UserError("USE_WANDB is on, but wandb is not installed. Install it with: pip install wandb")
    return data | {"stats": read_stats(Path(config.DATASET_DIR))}


def tokenised(config: TrainingConfig, data: dict, tokenizer: Any, warnings: WarningLog) -> list[list]:
    """Train and eval split as examples; what was cut or left out becomes a warning."""
    from datasets import load_from_disk

    from medqa.modeling.tokenization import require_end, tokenize

    splits = []
    for split in ("train_dataset", "eval_dataset"):
        records = load_from_disk(str(Path(config.DATASET_DIR) / split))
        done = tokenize(
            records, tokenizer, apply_chat_template, data["system_message"], config.MAX_SEQ_LENGTH
        )
        tokens = sum(len(example.input_ids) for example in done.examples)
        answers = sum(example.num_label_tokens for example in done.examples)
        sequences = counted(len(done.examples), "sequence")
        print_rank0(f"{split}: {sequences}, {tokens:,} tokens, {answers:,} of them in answers")
        if done.cut:
            warnings.add(
                f"{counted(len(done.cut), 'answer')} of {split} cut at MAX_SEQ_LENGTH "
                f"{config.MAX_SEQ_LENGTH} (first: {done.cut[0]}); cut answers teach "
                "the model to stop in mid-sentence."
            )
        if done.left_out:
            warnings.add(
                f"{counted(len(done.left_out), 'pair')} of {split} left out, because the question alone "
                f"fills MAX_SEQ_LENGTH {config.MAX_SEQ_LENGTH} (first: {done.left_out[0]})."
            )
        require_end(done, tokenizer, config.MODEL_NAME)
        splits.append(done.examples)
    if not splits[0]:
        warnings.show()
        raise UserError(f"{config.DATASET_DIR}/train_dataset holds nothing to train on.")
    return splits


def print_dry_run_estimate(
    config: TrainingConfig, data: dict, device: Any, sharded: bool, warnings: WarningLog
) -> None:
    """The dry run: two examples with what is trained in them, steps, memory and time; no weight is loaded."""
    from datasets import load_from_disk

    from medqa.data import preview
    from medqa.modeling import loading
    from medqa.training import lora, resume, run_estimate
    from medqa.training.batch_sampler import steps_of

    sizes, shards = loading.load_config(config.MODEL_NAME, "MODEL_NAME"), world_size() if sharded else 1
    resume.refuse_foreign_files(Path(config.OUTPUT_DIR))
    lora.require_trainable(config, sizes)
    tokenizer = loading.load_tokenizer(config.MODEL_NAME, "MODEL_NAME")
    examples, eval_examples = tokenised(config, data, tokenizer, warnings)
    records = load_from_disk(str(Path(config.DATASET_DIR) / "train_dataset"))
    system, longest = data["system_message"], config.MAX_SEQ_LENGTH
    print_rank0(*preview.measure(records, tokenizer, apply_chat_template, system, longest).lines, "")
    lengths = [len(example.input_ids) for example in examples]
    steps = steps_of(config, lengths)
    of_steps = [[lengths[index] for index in step] for step in steps]
    eval_tokens = sum(len(example.input_ids) for example in eval_examples) // world_size()
    run_estimate.print_dry_run_estimate(config, sizes, device, of_steps, eval_tokens, shards)
    warnings.show()
    print_rank0("", "Dry run: nothing was trained and nothing written. Leave out --DRY_RUN to train.")


def write_report(folder: Path, config: TrainingConfig, data: dict, records: list[dict]) -> None:
    """Write the training curves and the model card into `folder`.

    Args:
        data: manifest of the datasets.
        records: lines of training_metrics.jsonl.
    """
    from medqa.report.model_card import model_card
    from medqa.report.plots import training_figure

    training_figure(records, folder / "training_curves.png")
    atomic_io.write_text(folder / "README.md", model_card(vars(config), data, records))


def merge_if_wanted(config: TrainingConfig, device: Any) -> None:
    """Write base and adapter as one model into MERGE_TO."""
    if config.MERGE_TO and rank() == 0:
        from medqa.training import export

        export.merge(config.MODEL_NAME, config.OUTPUT_DIR, config.MERGE_TO, device)


def print_summary(config: TrainingConfig, seconds: float, warnings: WarningLog) -> None:
    """What was done, the losses, the warnings, the files, the next command."""
    from medqa.training.metrics_logger import METRICS_FILE, eval_loss_table, read_records

    records = read_records(Path(config.OUTPUT_DIR) / METRICS_FILE)
    evaluations = [record for record in records if "eval_loss" in record]
    steps = sum("loss" in record for record in records)
    print_rank0(
        "",
        f"Trained: {counted(steps, 'step')}, {elapsed(seconds)} this time.",
        "",
    )
    if evaluations:
        best = min(evaluations, key=lambda record: record["eval_loss"])
        print_rank0(eval_loss_table(evaluations, best))
        if best["step"] == 0:
            warnings.add("no evaluation was better than the base model: the saved adapter changes nothing.")
    warnings.show()
    show_next(config)


def show_next(config: TrainingConfig) -> None:
    """Where the files are, and the next command."""
    folders = {"FINETUNED_MODEL_PATH": config.OUTPUT_DIR, "DATASET_DIR": config.DATASET_DIR}
    command = next_command(
        "evaluation.py", EvaluationConfig, {"BASE_MODEL_PATH": config.MODEL_NAME} | folders
    )
    files = f"{config.OUTPUT_DIR}/ (adapter, tokenizer, training_curves.png, model card README.md)"
    print_rank0("", f"Files: {files}", f"Next:  {command}")


if __name__ == "__main__":
    run_script(
        lambda: train(parse(TrainingConfig, __doc__)),
        "What was saved is kept; the same command goes on from there.",
    )
