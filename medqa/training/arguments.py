"""The settings of the optimizer, evaluations and checkpoints, and the Trainer's arguments that they give."""

import math
from dataclasses import dataclass

from transformers import TrainingArguments

from medqa.modeling.device import Device


@dataclass(frozen=True)
class TrainerSettings:
    """Settings of TrainingConfig for the optimizer, evaluations and checkpoints."""

    output_dir: str
    num_epochs: int
    batch_size: int
    gradient_accumulation_steps: int
    learning_rate: float
    warmup_ratio: float
    weight_decay: float
    max_grad_norm: float
    eval_steps: int
    save_steps: int
    save_total_limit: int
    early_stopping_patience: int
    seed: int
    use_wandb: bool


def training_arguments(
    settings: TrainerSettings, steps_per_epoch: int, evaluated: bool, device: Device
) -> TrainingArguments:
    """The arguments of transformers' Trainer.

    Args:
        settings: of the run.
        steps_per_epoch: optimizer steps of an epoch.
        evaluated: whether the eval split has sequences.
        device: where this rank trains.
    """
    in_all = steps_per_epoch * settings.num_epochs
    return TrainingArguments(
        output_dir=settings.output_dir,
        # One batch is this rank's part of a whole step; `training_step` packs it into passes.
        per_device_train_batch_size=settings.batch_size * settings.gradient_accumulation_steps,
        num_train_epochs=settings.num_epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        # The first warm-up step has a rate of 0, so the last step of a run cannot be one.
        warmup_steps=min(math.ceil(settings.warmup_ratio * in_all), in_all - 1),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        optim="adamw_torch_fused" if device.is_cuda else "adamw_torch",
        bf16=device.dtype == "bfloat16",
        use_cpu=not device.is_cuda,
        logging_steps=1,
        logging_nan_inf_filter=False,
        # "steps" even for one evaluation per epoch: with "epoch" the Trainer saves the checkpoint of the last
        # step before it evaluates, and a checkpoint must include the evaluation of its step.
        eval_strategy="steps" if evaluated else "no",
        eval_steps=settings.eval_steps or steps_per_epoch,
        save_strategy="steps" if settings.save_steps else "epoch",
        save_steps=settings.save_steps or 500,
        metric_for_best_model="eval_loss" if evaluated else None,
        greater_is_better=False,
        restore_callback_states_from_checkpoint=True,
        seed=settings.seed,
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        report_to=["wandb"] if settings.use_wandb else [],
    )
