"""Stage 2: fine-tune the base model on the prepared data with QLoRA.

    python fine_tuning.py
    python fine_tuning.py --LORA_RANK 16 --LORA_ALPHA 32 --NUM_EPOCHS 5
    accelerate launch --num_processes 4 fine_tuning.py

A run that was interrupted goes on from its last checkpoint when the same command is typed again.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from config import LIMITS, EvaluationConfig, TrainingConfig
from medqa import run
from medqa.chat import apply_chat_template, template_sha256
from medqa.command_line import checked, next_command, parse
from medqa.run import UserError, say


def train(config: TrainingConfig) -> Path:
    """Train, or go on training, and return the folder with the adapter.

    Raises:
        UserError: wrong settings, unfinished or edited datasets, no device for the model, or an unfinished
            run with other settings in the output folder.
    """
    started, clock = run.now(), run.clock()
    config = checked(config, TrainingConfig, LIMITS)
    output, warnings = Path(config.OUTPUT_DIR), run.Warnings()

    # 1. Check what comes in, before anything heavy is loaded.
    data = check_datasets(config)
    from medqa import model as models
    from medqa.noise import quiet

    models.require_model(config.MODEL_NAME, "MODEL_NAME")
    device = models.choose_device(config.MODEL_NAME, "fine_tuning.py")
    say(f"Device: {device.name} in {device.dtype} ({device.reason})")
    quiet()

    from accelerate import PartialState

    from medqa import checkpoints, training

    learned = checkpoints.what_is_learned(config, data, models.fingerprint(config.MODEL_NAME))
    processes = PartialState(cpu=not device.is_cuda)
    with run.occupied(output) if run.rank() == 0 else run.nothing():
        if run.rank() == 0:
            run.recover(output)
        processes.wait_for_everyone()
        start = checkpoints.where_to_start(output, learned, config.RESUME)
        if start == "done":
            say(f"{output} is up to date: same data, same settings. Start over with --RESUME never")
            show_next(config)
            return output
        processes.wait_for_everyone()
        if run.rank() == 0:
            checkpoints.clear(output, start)

        # 2. Tokenise. The loss is on the answer and its end of turn, never on the question.
        tokenizer = models.load_tokenizer(config.MODEL_NAME, "MODEL_NAME")
        examples = tokenised(config, data, "train_dataset", tokenizer, warnings)
        eval_examples = tokenised(config, data, "eval_dataset", tokenizer, warnings)
        if not examples:
            raise UserError(f"{config.DATASET_DIR}/train_dataset holds nothing to train on.")

        # 3. Load the base in 4 bits, frozen, and add the adapter.
        model = load_for_training(config, device)

        # 4. Train, or go on from the last whole checkpoint.
        tokens_per_batch = cut_steps(config, model, device)
        per_step = learned["sequences per step"]
        steps = training.Steps(len(examples), per_step, config.SEED, run.rank(), run.world_size())
        batch = f"{config.BATCH_SIZE} x {config.GRADIENT_ACCUMULATION_STEPS} x {run.world_size()} processes"
        say(f"Steps: {len(steps)} an epoch, {len(steps) * config.NUM_EPOCHS} in all, {batch} = {per_step}")
        trainer = training.build_trainer(
            model, examples, eval_examples, steps, tokens_per_batch, config, learned, device
        )
        finished = training.fit(trainer, start)

        # 5. Save the best adapter with all that tells how it was made.
        if finished and run.rank() == 0:
            save(config, trainer, tokenizer, data, learned, started)
        processes.wait_for_everyone()
    if not finished:
        raise run.Interrupted(trainer.stop_signal)
    tell_the_end(config, run.clock() - clock, warnings)
    return output


def check_datasets(config: TrainingConfig) -> dict[str, Any]:
    """Manifest of the datasets, finished, unedited and formatted with the template in use."""
    data = run.require_finished(
        Path(config.DATASET_DIR), "dataset_preparation", "python dataset_preparation.py"
    )
    if data["chat_template_sha256"] != template_sha256(apply_chat_template):
        raise UserError(
            f"{config.DATASET_DIR} was formatted with another chat template than the one in use now. Bring "
            "them together with: python dataset_preparation.py"
        )
    if config.USE_WANDB:
        import importlib.util

        if importlib.util.find_spec("wandb") is None:
            raise UserError("USE_WANDB is on, but wandb is not installed. Install it with: pip install wandb")
    stats = json.loads((Path(config.DATASET_DIR) / "dataset_stats.json").read_text(encoding="utf-8"))
    return data | {"stats": stats}


def tokenised(config: TrainingConfig, data: dict, split: str, tokenizer: Any, warnings: run.Warnings) -> list:
    """One split as examples; what was cut or left out becomes a warning."""
    from datasets import load_from_disk

    from medqa.packing import tokenize

    records = load_from_disk(str(Path(config.DATASET_DIR) / split))
    done = tokenize(records, tokenizer, apply_chat_template, data["system_message"], config.MAX_SEQ_LENGTH)
    tokens = sum(len(example.input_ids) for example in done.examples)
    trained = sum(example.labels for example in done.examples)
    say(
        f"{split}: {len(done.examples):,} sequences, {tokens:,} tokens, {trained:,} of them trained (answers)"
    )
    if done.cut:
        warnings.add(
            f"{len(done.cut)} answers of {split} were cut at MAX_SEQ_LENGTH {config.MAX_SEQ_LENGTH} "
            f"(first: {done.cut[0]}); cut answers teach the model to stop in mid-sentence."
        )
    if done.left_out:
        warnings.add(
            f"{len(done.left_out)} pairs of {split} were left out, because the question alone fills "
            f"MAX_SEQ_LENGTH {config.MAX_SEQ_LENGTH} (first: {done.left_out[0]})."
        )
    return done.examples


def load_for_training(config: TrainingConfig, device: Any) -> Any:
    """The base model with a fresh adapter, packed attention, and a loss over the answers only."""
    from transformers import set_seed

    from medqa import attention
    from medqa import model as models
    from medqa.loss import use_packed_loss

    set_seed(config.SEED)
    base = models.load_base(config.MODEL_NAME, device, config.USE_4BIT, "MODEL_NAME", attention.NAME)
    model = models.add_lora(
        base, config.LORA_RANK, config.LORA_ALPHA, config.LORA_DROPOUT, config.LORA_TARGET_MODULES
    )
    use_packed_loss(model)
    trainable, total = model.get_nb_trainable_parameters()
    precision = "NF4" if config.USE_4BIT else device.dtype
    say(f"Model: {total - trainable:,} weights in {precision}, frozen; adapter: {trainable:,} weights")
    return model


def cut_steps(config: TrainingConfig, model: Any, device: Any) -> int:
    """Tokens of one forward pass, and recomputation of activations, as the memory allows; both said once."""
    import torch

    from medqa import attention
    from medqa.model import recompute_activations
    from medqa.training import plan_memory

    free = torch.cuda.mem_get_info()[0] if device.is_cuda else None
    plan = plan_memory(
        model.config, free, config.GRADIENT_CHECKPOINTING, config.TOKENS_PER_BATCH, config.MAX_SEQ_LENGTH
    )
    if plan.checkpointing:
        recompute_activations(model)
    kept = "recomputed" if plan.checkpointing else "kept"
    say(f"Attention: {attention.told(device.is_cuda)}")
    say(f"Batch: up to {plan.tokens:,} tokens at once, activations {kept} ({plan.reason})")
    return plan.tokens


def save(
    config: TrainingConfig, trainer: Any, tokenizer: Any, data: dict, learned: dict, started: str
) -> None:
    """Publish adapter, tokenizer, settings, records, curves and model card; the manifest comes last."""
    from medqa.checkpoints import BEST, save_adapter
    from medqa.figures import training_figure
    from medqa.model_card import model_card
    from medqa.training_log import METRICS, read_records

    output = Path(config.OUTPUT_DIR)
    if not (output / BEST).is_dir():  # without an eval split there is no best one: the last is taken
        save_adapter(trainer.accelerator.unwrap_model(trainer.model), output / BEST)
    records = read_records(output / METRICS)
    with run.staged(output) as staging:
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            shutil.copy2(output / BEST / name, staging / name)
        tokenizer.save_pretrained(staging)
        shutil.copy2(output / METRICS, staging / METRICS)
        told = {
            "processes": run.world_size(),
            "base_model": learned["base model"],
            "versions": run.versions(),
        }
        run.write_json(staging / "training_config.json", vars(config) | told)
        training_figure(records, staging / "training_curves.png")
        run.write_text(staging / "README.md", model_card(vars(config), data, records))
        run.write_manifest(
            staging,
            "fine_tuning",
            config,
            started,
            inputs={f"{config.DATASET_DIR}/{name}": sha for name, sha in data["outputs"].items()},
            learned=learned,
            chat_template_sha256=data["chat_template_sha256"],
            iteration=data["iteration"],
        )
    shutil.rmtree(output / BEST)


def tell_the_end(config: TrainingConfig, seconds: float, warnings: run.Warnings) -> None:
    """What was done, the losses, the warnings, the files, the next command."""
    from medqa.training_log import METRICS, losses_table, read_records

    records = read_records(Path(config.OUTPUT_DIR) / METRICS)
    evaluations = [record for record in records if "eval_loss" in record]
    say(
        "",
        f"Trained: {sum('loss' in record for record in records)} steps, {run.elapsed(seconds)} this time.",
        "",
    )
    if evaluations:
        best = min(evaluations, key=lambda record: record["eval_loss"])
        say(losses_table(evaluations, best))
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
    say("", f"Files: {config.OUTPUT_DIR}/ (adapter, tokenizer, training_curves.png, model card README.md)")
    say(f"Next:  {command}")


if __name__ == "__main__":
    run.run_script(
        lambda: train(parse(TrainingConfig, __doc__)),
        "What was saved is kept; the same command goes on from there.",
    )
