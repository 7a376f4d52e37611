"""The training loop: transformers' Trainer, fed with whole optimizer steps that are cut to fit the memory."""

import contextlib
import functools
import math
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.utils.data import DataLoader
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from medqa.modeling.adapter import write_adapter
from medqa.modeling.collator import collate, pack_first_fit_decreasing
from medqa.modeling.model_size import num_matmul_parameters
from medqa.modeling.tokenization import Example
from medqa.runtime import entrypoint
from medqa.runtime.console import counted, print_rank0
from medqa.runtime.distributed import rank
from medqa.runtime.errors import Failed
from medqa.runtime.progress import Progress
from medqa.training.batch_sampler import OptimizerStepSampler, SamplerEpochCallback
from medqa.training.callbacks import StopTraining, graceful_stop, stopped_early
from medqa.training.checkpointing import (
    BEST,
    CheckpointWriter,
    complete_checkpoints,
    is_evaluation_due,
    save_adapter,
    step_of,
)
from medqa.training.fsdp import is_shard
from medqa.training.metrics_logger import MetricsLogger, start_wandb
from medqa.training.resume import prepare
from medqa.training.run_estimate import measure_matmul_rate


class AnswerTrainer(Trainer):
    """A Trainer whose batch is a whole optimizer step of one process.

    The sequences of a step are cut into bins of `tokens_per_batch` tokens; each token's loss is divided by
    the number of trained tokens of the whole step, over all processes, so that neither the loss nor the
    gradient depends on how the step was cut.
    """

    def __init__(
        self, model: Any, args: TrainingArguments, examples: Sequence[Example],
        eval_examples: Sequence[Example], steps: OptimizerStepSampler, tokens_per_batch: int,
        log: MetricsLogger,
        checkpoints: CheckpointWriter, callbacks: list[TrainerCallback],
    ) -> None:  # fmt: skip
        self.examples, self.eval_examples = examples, eval_examples
        self.steps, self.tokens_per_batch, self.training_log = steps, tokens_per_batch, log
        self.sharded = any(map(is_shard, model.parameters()))
        self.checkpoints = checkpoints
        # A signal reaches one process or all, at any moment: they agree at the beginning of a step.
        self.stop_requested, self.stop_signal = False, signal.SIGINT
        # Step of the newest checkpoint, and the state of torch's random numbers after the last whole step.
        self.saved_step, self.rng_after_step = 0, None
        # Of the step that is being made: this process's part of the loss, and of the questions.
        self.own_loss, self.own_ids = torch.zeros(()), []
        super().__init__(
            model=model,
            args=args,
            train_dataset=examples,
            eval_dataset=eval_examples or None,
            callbacks=[log, *callbacks],
        )
        self.remove_callback(PrinterCallback)
        if self.sharded:
            # accelerate wraps no model in parts; `_forward_backward` averages its gradients.
            prepare = self.accelerator.prepare_model
            self.accelerator.prepare_model = functools.partial(prepare, evaluation_mode=True)

    def get_train_dataloader(self) -> DataLoader:
        """Steps in the seeded order, which the sampler shares out; accelerate must not do so again."""
        return DataLoader(
            self.examples, batch_sampler=self.steps, collate_fn=lambda batch: {"examples": batch}
        )

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Forward and backward over all bins of the step; returns its loss per trained token.

        GPU work is queued asynchronously; `log` synchronizes when it reads the loss.

        Raises:
            StopTraining: a signal asked for it. All processes agree on it here, before the first forward
                pass; one process alone also stops between two passes.
        """
        if not self.model.training:  # after an evaluation; it walks through all modules
            self.model.train()
        examples: list[Example] = inputs["examples"]
        mine = [
            sum(e.num_label_tokens for e in examples),
            self.stop_requested,
            sum(len(e.input_ids) for e in examples),
        ]
        whole = self.accelerator.reduce(torch.tensor(mine, device=self.args.device), reduction="sum").tolist()
        trained, stop_agreed, self.training_log.tokens = whole
        if stop_agreed:
            raise StopTraining()
        if not examples:  # the rest of an epoch may leave a process without work; it still joins the step
            examples = [dummy_example(self.examples[0])]

        while True:
            try:
                loss = self._forward_backward(model, examples, trained)
                self.own_loss, self.own_ids = loss, [example.id for example in examples]
                self.rng_after_step = rng_state(self.args.device)
                return loss
            except torch.OutOfMemoryError:
                longest = max(len(example.input_ids) for example in examples)
                if self.tokens_per_batch <= longest:
                    raise Failed(
                        f"the card's memory does not suffice for a sequence of {longest:,} tokens. Try "
                        "--GRADIENT_CHECKPOINTING on, if it is not, or a lower --MAX_SEQ_LENGTH."
                    ) from None
                if self.args.world_size > 1:  # the others already wait for this one's gradients
                    raise Failed(
                        f"a card does not hold {self.tokens_per_batch:,} tokens at once. "
                        "Go on from the last checkpoint with the same command and "
                        f"--TOKENS_PER_BATCH {max(longest, self.tokens_per_batch // 2)}"
                    ) from None
                model.zero_grad()
                torch.cuda.empty_cache()
                self.tokens_per_batch = max(longest, self.tokens_per_batch // 2)
                print_rank0(f"Out of memory: from now on up to {self.tokens_per_batch:,} tokens at once")

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Keep a record; a broken loss or gradient ends the run before anything of the step is saved."""
        loss, norm = logs.get("loss", 0.0), logs.get("grad_norm", 0.0)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            sound = not math.isfinite(loss) and math.isfinite(self.own_loss.item())
            suspects = gather_object([] if sound else self.own_ids)
            whole = complete_checkpoints(Path(self.args.output_dir))
            raise Failed(
                f"the loss is {loss:g}, and the norm of its gradient {norm:g}, in step "
                f"{self.state.global_step}, on the questions {', '.join(suspects)}. Nothing of this step was "
                f"saved; the last good checkpoint is {whole[-1] if whole else 'none'}. A lower LEARNING_RATE "
                f"often helps (now {self.args.learning_rate:g}).",
                by_all=True,
            )
        super().log(logs, start_time)

    def _forward_backward(self, model: Any, examples: Sequence[Example], trained: int) -> torch.Tensor:
        """All bins of the step; gradients are exchanged between processes with the last one."""
        total = torch.zeros((), device=self.args.device)
        passes = [collate(chosen, self.args.device) for chosen in self._passes(examples)]
        for number, packed in enumerate(passes):
            last = number == len(passes) - 1
            with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                # Processes average their gradients, so each one's share is scaled up by their number.
                self._stop_if_alone()
                loss = model(**packed) * (self.args.world_size / trained)
                self._stop_if_alone()
                self.accelerator.backward(loss)
            total += loss.detach()
        if self.sharded:
            gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
            means = self.accelerator.reduce(parameters_to_vector(gradients), reduction="mean")
            vector_to_parameters(means, gradients)
        return total

    def _stop_if_alone(self, evaluation_due: bool = False) -> None:
        """Stop between two passes where no other process waits for this one's gradients.

        Raises:
            StopTraining: a signal asked for it.
        """
        if self.stop_requested and self.args.world_size == 1:
            raise StopTraining(evaluation_due)

    def _passes(self, examples: Sequence[Example]) -> list[list[Example]]:
        """Sequences of each forward pass, up to `tokens_per_batch` tokens.

        Processes that share the base need each other for every layer: they go through as many passes each.
        """
        parts = pack_first_fit_decreasing(
            [len(example.input_ids) for example in examples], self.tokens_per_batch
        )
        passes = [[examples[index] for index in part] for part in parts]
        if self.sharded:
            counts = self.accelerator.gather(torch.tensor([len(passes)], device=self.args.device))
            passes += [[dummy_example(self.examples[0])]] * (int(counts.max()) - len(passes))
        return passes

    def evaluate(self, *_unused: Any, **_unused_too: Any) -> dict[str, float]:
        """Loss per token over all answer tokens of the eval split, as `eval_loss`; keeps the best adapter."""
        by_specialty = self.answer_loss(self.eval_examples)
        total, count = (sum(column) for column in zip(*by_specialty.values(), strict=True))
        metrics = {"eval_loss": total / count}
        if not math.isfinite(metrics["eval_loss"]):
            broken = f"the eval split's loss is {metrics['eval_loss']} at step {self.state.global_step}."
            raise Failed(broken, by_all=True)
        better = self.state.best_metric is None or metrics["eval_loss"] < self.state.best_metric
        if better:
            save_adapter(self.accelerator.unwrap_model(self.model), Path(self.args.output_dir) / BEST)
        self.log(dict(metrics))
        means = {name: total / count for name, (total, count) in by_specialty.items()}
        self.training_log.keep_evaluation(self.state.global_step, metrics["eval_loss"], means)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        if better:  # the Trainer keeps no best for the evaluation before the first step
            self.state.best_metric = metrics["eval_loss"]
        return metrics

    def answer_loss(self, examples: Sequence[Example]) -> dict[str, tuple[float, int]]:
        """Summed answer loss (nats) and number of answer tokens by specialty, over all processes."""
        self.model.eval()
        names = sorted({example.specialty for example in examples})
        sums = torch.zeros(len(names), 2, dtype=torch.float64)
        mine = examples[self.args.process_index :: self.args.world_size]
        with torch.no_grad(), Progress("eval split", len(mine), "sequence") as progress:
            for chosen in self._passes(mine):
                self._stop_if_alone(evaluation_due=True)
                losses = self.model(**collate(chosen, self.args.device)).double().cpu()
                for example, own in zip(
                    chosen, losses.split([e.num_label_tokens for e in chosen]), strict=True
                ):
                    if len(own):
                        row = sums[names.index(example.specialty)]
                        row += torch.stack([own.sum(), torch.tensor(len(own))])
                progress.advance(len(chosen))
        sums = self.accelerator.reduce(sums.to(self.args.device), reduction="sum").tolist()
        return {name: (total, int(count)) for name, (total, count) in zip(names, sums, strict=True)}

    def _save_checkpoint(self, model: Any, trial: Any, evaluation_due: bool = False) -> None:
        """Save the checkpoint of this step, unless it is there already, and mark it complete."""
        step = self.state.global_step
        if step == self.saved_step:
            return
        self.checkpoints.begin(step)
        super()._save_checkpoint(model, trial)
        self.checkpoints.complete(step, evaluation_due)
        self.saved_step = step

    def stop(self, evaluation_due: bool) -> None:
        """Save what the last whole step left, as if the dropped step had never begun, and close the log."""
        if self.state.global_step != self.saved_step:
            restore_rng_state(self.rng_after_step, self.args.device)
            self._save_checkpoint(self.model, None, evaluation_due)
        self.control = self.callback_handler.on_train_end(self.args, self.state, self.control)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        """Save a checkpoint's adapter, and no pickled arguments beside it."""
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            write_adapter(self.accelerator.unwrap_model(self.model), folder)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """4N per token: 2N forward, 2N to carry gradients back through frozen weights."""
        return self.training_log.operations * sum(len(example.input_ids) for example in inputs["examples"])


def rng_state(device: torch.device) -> list[torch.Tensor]:
    """States of torch's random number generators: of the CPU, and of the card if there is one."""
    states = [torch.get_rng_state()]
    return states if device.type == "cpu" else [*states, torch.cuda.get_rng_state(device)]


def restore_rng_state(states: Sequence[torch.Tensor], device: torch.device) -> None:
    """Undo what was drawn since `rng_state`."""
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state(states[1], device)


def dummy_example(example: Example) -> Example:
    """One token and nothing to learn, for a process that has no work but must not be missed."""
    return example._replace(input_ids=example.input_ids[:1], answer_start=1)


def build_trainer(
    model: Any, examples: list[Example], eval_examples: list[Example], steps: OptimizerStepSampler,
    tokens_per_batch: int,
    config: Any, learned: dict[str, Any], device: Any,
) -> AnswerTrainer:  # fmt: skip
    """The Trainer with every setting of a TrainingConfig."""
    evaluated, in_all = bool(eval_examples), len(steps) * config.NUM_EPOCHS
    if config.USE_WANDB:
        print_rank0(
            "Weights & Biases gets curves and settings. Leave out --USE_WANDB to keep them on this machine."
        )
    arguments = TrainingArguments(
        output_dir=config.OUTPUT_DIR,
        # One batch is a whole step of this process; `training_step` cuts it.
        per_device_train_batch_size=config.BATCH_SIZE * config.GRADIENT_ACCUMULATION_STEPS,
        num_train_epochs=config.NUM_EPOCHS,
        learning_rate=config.LEARNING_RATE,
        lr_scheduler_type="cosine",
        # The first of them has a rate of 0: the last step of a run is none.
        warmup_steps=min(math.ceil(config.WARMUP_RATIO * in_all), in_all - 1),
        weight_decay=config.WEIGHT_DECAY,
        max_grad_norm=config.MAX_GRAD_NORM,
        optim="adamw_torch_fused" if device.is_cuda else "adamw_torch",
        bf16=device.is_cuda,
        use_cpu=not device.is_cuda,
        logging_steps=1,
        logging_nan_inf_filter=False,
        # By steps also once an epoch, so that a checkpoint knows the evaluation of its step: those at the end
        # of an epoch the Trainer makes when the checkpoint of the last step is written.
        eval_strategy="steps" if evaluated else "no",
        eval_steps=config.EVAL_STEPS or len(steps),
        save_strategy="steps" if config.SAVE_STEPS else "epoch",
        save_steps=config.SAVE_STEPS or 500,
        metric_for_best_model="eval_loss" if evaluated else None,
        greater_is_better=False,
        restore_callback_states_from_checkpoint=True,
        seed=config.SEED,
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        report_to=["wandb"] if config.USE_WANDB else [],
    )
    callbacks = [SamplerEpochCallback(steps)]
    if config.EARLY_STOPPING_PATIENCE and evaluated:
        callbacks.append(EarlyStoppingCallback(config.EARLY_STOPPING_PATIENCE))
    rate = measure_matmul_rate(device.name) * arguments.world_size if device.is_cuda else 0.0
    log = MetricsLogger(Path(config.OUTPUT_DIR), 4 * num_matmul_parameters(model.config), rate)
    checkpoints = CheckpointWriter(Path(config.OUTPUT_DIR), config.SAVE_TOTAL_LIMIT, learned)
    return AnswerTrainer(
        model, arguments, examples, eval_examples, steps, tokens_per_batch, log, checkpoints, callbacks
    )


def fit(trainer: AnswerTrainer, start: str) -> bool:
    """Train from a checkpoint, or from the beginning with ""; False when a signal ended it early."""
    start_wandb(trainer)
    if rank() == 0:
        prepare(Path(trainer.args.output_dir), start)
    entrypoint.goes_on()
    trainer.accelerator.wait_for_everyone()
    if start and stopped_early(Path(start)):
        return True
    trainer.model.train()  # all of it: the base was loaded for evaluation
    evaluation_due = bool(start) and is_evaluation_due(Path(start))
    trainer.args.eval_on_start = bool(trainer.eval_examples) and (not start or evaluation_due)
    if start:
        trainer.saved_step = step_of(Path(start))
    if trainer.args.eval_on_start:
        print_rank0(f"Evaluating {counted(len(trainer.eval_examples), 'sequence')} of the eval split first")
    with graceful_stop(trainer):
        try:
            trainer.train(resume_from_checkpoint=start or None)
        except StopTraining as stop:
            trainer.stop(stop.evaluation_due)
            return stop.finished
    return True
