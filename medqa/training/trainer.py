"""The training loop: transformers' Trainer with whole optimizer steps, packed into forward passes."""

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
from medqa.training.arguments import TrainerSettings, training_arguments
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
from medqa.training.memory_plan import measure_matmul_rate
from medqa.training.metrics_logger import MetricsLogger, start_wandb
from medqa.training.resume import FROM_BASE, prepare_output

# Steps in which the gradient must not be 0: then it does not reach the adapter.
FIRST_STEPS = 3


class AnswerTrainer(Trainer):
    """A Trainer whose batch is one rank's part of a whole optimizer step.

    The sequences of a step are packed into passes of `tokens_per_pass` tokens. Each token's loss is divided
    by the number of label tokens of the whole step, over all ranks, so loss and gradient do not depend on
    the packing.
    """

    def __init__(
        self, model: Any, args: TrainingArguments, examples: Sequence[Example],
        eval_examples: Sequence[Example], sampler: OptimizerStepSampler, tokens_per_pass: int,
        metrics_logger: MetricsLogger, checkpoints: CheckpointWriter, callbacks: list[TrainerCallback],
    ) -> None:  # fmt: skip
        self.examples, self.eval_examples = examples, eval_examples
        self.sampler, self.tokens_per_pass = sampler, tokens_per_pass
        self.metrics_logger, self.checkpoints = metrics_logger, checkpoints
        self.sharded = any(map(is_shard, model.parameters()))
        # A signal may reach one rank or all, at any time: they agree at the beginning of a step.
        self.stop_requested, self.stop_signal = False, signal.SIGINT
        # Step of the newest checkpoint, and the state of torch's random numbers after the last finished step.
        self.saved_step, self.rng_after_step = 0, None
        # This rank's part of the current step: its loss, and the ids of its examples.
        self.own_loss, self.own_ids = torch.zeros(()), []
        super().__init__(
            model=model,
            args=args,
            train_dataset=examples,
            eval_dataset=eval_examples or None,
            callbacks=[metrics_logger, *callbacks],
        )
        self.remove_callback(PrinterCallback)
        if self.sharded:
            # Keeps accelerate from wrapping the sharded model; `_forward_backward` averages the gradients.
            prepare = self.accelerator.prepare_model
            self.accelerator.prepare_model = functools.partial(prepare, evaluation_mode=True)

    def get_train_dataloader(self) -> DataLoader:
        """Batches of the sampler, which has split them across the ranks already; accelerate must not."""
        return DataLoader(
            self.examples, batch_sampler=self.sampler, collate_fn=lambda batch: {"examples": batch}
        )

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Forward and backward over all passes of the step; returns its loss per label token.

        GPU work is queued asynchronously; `log` synchronizes when it reads the loss.

        Raises:
            StopTraining: a signal asked for it. All ranks agree here, before the first forward pass; a
                single process also stops between two passes.
            Failed: a sequence does not fit in the memory, or several ranks would need smaller passes.
        """
        if not self.model.training:  # set only after an evaluation, because it visits all modules
            self.model.train()
        examples: list[Example] = inputs["examples"]
        label_tokens = sum(example.num_label_tokens for example in examples)
        own = [label_tokens, self.stop_requested, sum(len(example.input_ids) for example in examples)]
        total = self.accelerator.reduce(torch.tensor(own, device=self.args.device), reduction="sum").tolist()
        label_tokens, stop_agreed, self.metrics_logger.tokens = total
        if stop_agreed:
            raise StopTraining()
        if not examples:  # an epoch's last step may leave a rank without sequences; it still joins the step
            examples = [dummy_example(self.examples[0])]

        while True:
            try:
                loss = self._forward_backward(model, examples, label_tokens)
                self.own_loss, self.own_ids = loss, [example.id for example in examples]
                self.rng_after_step = rng_state(self.args.device)
                return loss
            except torch.OutOfMemoryError:
                longest = max(len(example.input_ids) for example in examples)
                if self.tokens_per_pass <= longest:
                    raise Failed(
                        f"the card's memory does not suffice for a sequence of {longest:,} tokens. Try "
                        "--GRADIENT_CHECKPOINTING on, if it is off, or a lower --MAX_SEQ_LENGTH."
                    ) from None
                if self.args.world_size > 1:  # the other ranks already wait for this one's gradients
                    raise Failed(
                        f"a card does not hold {self.tokens_per_pass:,} tokens at once. "
                        "Go on from the last checkpoint with the same command and "
                        f"--TOKENS_PER_BATCH {max(longest, self.tokens_per_pass // 2)}"
                    ) from None
                model.zero_grad()
                torch.cuda.empty_cache()
                self.tokens_per_pass = max(longest, self.tokens_per_pass // 2)
                print_rank0(f"Out of memory: from now on up to {self.tokens_per_pass:,} tokens at once")

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log; a loss or gradient that is not finite ends the run before anything of the step is saved.

        So does a gradient of 0 in the first steps, when the adapter does not get one.

        Raises:
            Failed: with the examples of the step, of the rank whose loss is not finite if it is one.
        """
        loss, norm = logs.get("loss", 0.0), logs.get("grad_norm", 0.0)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            unaffected = not math.isfinite(loss) and math.isfinite(self.own_loss.item())
            suspects = gather_object([] if unaffected else self.own_ids)
            checkpoints = complete_checkpoints(Path(self.args.output_dir))
            raise Failed(
                f"the loss is {loss:g}, and the norm of its gradient {norm:g}, in step "
                f"{self.state.global_step}, on the questions {', '.join(suspects)}. Nothing of this step was "
                f"saved; the last good checkpoint is {checkpoints[-1] if checkpoints else 'none'}. A lower "
                f"LEARNING_RATE often helps (now {self.args.learning_rate:g}).",
                by_all=True,
            )
        if logs.get("grad_norm") == 0.0 and self.state.global_step <= FIRST_STEPS:
            raise Failed(
                f"the gradient of the adapter is exactly 0 in step {self.state.global_step}, so it cannot "
                "learn. Try --COMPILE off, or another --BASE_PRECISION.",
                by_all=True,
            )
        super().log(logs, start_time)

    def _forward_backward(self, model: Any, examples: Sequence[Example], label_tokens: int) -> torch.Tensor:
        """All passes of this rank's part of the step; gradients are reduced with the last one."""
        total = torch.zeros((), device=self.args.device)
        passes = [collate(part, self.args.device) for part in self._passes(examples)]
        for number, packed in enumerate(passes):
            last = number == len(passes) - 1
            with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                self._stop_if_alone()
                # DDP averages the gradients of the ranks, so each is scaled up by their number.
                loss = model(**packed) * (self.args.world_size / label_tokens)
                self._stop_if_alone()
                self.accelerator.backward(loss)
            total += loss.detach()
        if self.sharded:
            gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
            means = self.accelerator.reduce(parameters_to_vector(gradients), reduction="mean")
            vector_to_parameters(means, gradients)
        return total

    def _stop_if_alone(self, evaluation_due: bool = False) -> None:
        """Stop between two passes of a single process, where no other rank waits for its gradients.

        Raises:
            StopTraining: a signal asked for it.
        """
        if self.stop_requested and self.args.world_size == 1:
            raise StopTraining(evaluation_due)

    def _passes(self, examples: Sequence[Example]) -> list[list[Example]]:
        """Sequences of each forward pass, up to `tokens_per_pass` tokens.

        Ranks that share the base gather every layer together, so all make the same number of passes.
        """
        lengths = [len(example.input_ids) for example in examples]
        bins = pack_first_fit_decreasing(lengths, self.tokens_per_pass)
        passes = [[examples[index] for index in positions] for positions in bins]
        if self.sharded:
            counts = self.accelerator.gather(torch.tensor([len(passes)], device=self.args.device))
            passes += [[dummy_example(self.examples[0])]] * (int(counts.max()) - len(passes))
        return passes

    def evaluate(self, *_unused: Any, **_unused_too: Any) -> dict[str, float]:
        """Mean loss over all label tokens of the eval split, as `eval_loss`; saves the best adapter.

        Raises:
            Failed: the loss is not finite.
        """
        by_specialty = self.answer_loss(self.eval_examples)
        total, count = (sum(column) for column in zip(*by_specialty.values(), strict=True))
        metrics = {"eval_loss": total / count}
        if not math.isfinite(metrics["eval_loss"]):
            message = f"the eval split's loss is {metrics['eval_loss']} at step {self.state.global_step}."
            raise Failed(message, by_all=True)
        better = self.state.best_metric is None or metrics["eval_loss"] < self.state.best_metric
        if better:
            save_adapter(self.accelerator.unwrap_model(self.model), Path(self.args.output_dir) / BEST)
        self.log(dict(metrics))
        means = {name: total / count for name, (total, count) in by_specialty.items()}
        self.metrics_logger.log_evaluation(self.state.global_step, metrics["eval_loss"], means)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        if better:  # the Trainer does not record the evaluation before the first step
            self.state.best_metric = metrics["eval_loss"]
        return metrics

    def answer_loss(self, examples: Sequence[Example]) -> dict[str, tuple[float, int]]:
        """Summed loss (nats) and number of label tokens by specialty, over all ranks."""
        self.model.eval()
        names = sorted({example.specialty for example in examples})
        sums = torch.zeros(len(names), 2, dtype=torch.float64)
        own = examples[self.args.process_index :: self.args.world_size]
        with torch.no_grad(), Progress("eval split", len(own), "sequence") as progress:
            for part in self._passes(own):
                self._stop_if_alone(evaluation_due=True)
                losses = self.model(**collate(part, self.args.device)).double().cpu()
                of_each = losses.split([example.num_label_tokens for example in part])
                for example, its in zip(part, of_each, strict=True):
                    if len(its):  # not a dummy, whose specialty the split may lack
                        row = sums[names.index(example.specialty)]
                        row += torch.stack([its.sum(), torch.tensor(len(its))])
                progress.advance(len(part))
        sums = self.accelerator.reduce(sums.to(self.args.device), reduction="sum").tolist()
        return {name: (total, int(count)) for name, (total, count) in zip(names, sums, strict=True)}

    def _save_checkpoint(self, model: Any, trial: Any, evaluation_due: bool = False) -> None:
        """Save the checkpoint of this step, unless it is saved already, and mark it complete."""
        step = self.state.global_step
        if step == self.saved_step:
            return
        self.checkpoints.begin(step)
        super()._save_checkpoint(model, trial)
        self.checkpoints.complete(step, evaluation_due)
        self.saved_step = step

    def stop(self, evaluation_due: bool) -> None:
        """Save the state after the last finished step, as if the dropped step had never begun."""
        if self.state.global_step != self.saved_step:
            restore_rng_state(self.rng_after_step, self.args.device)
            self._save_checkpoint(self.model, None, evaluation_due)
        self.control = self.callback_handler.on_train_end(self.args, self.state, self.control)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        """Save a checkpoint's adapter, without the pickled arguments that the Trainer would add."""
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            write_adapter(self.accelerator.unwrap_model(self.model), folder)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """4N per token: 2N forward, 2N to propagate gradients through frozen weights."""
        return self.metrics_logger.operations * sum(len(example.input_ids) for example in inputs["examples"])


def rng_state(device: torch.device) -> list[torch.Tensor]:
    """States of torch's random number generators: of the CPU and, if there is one, of the GPU."""
    states = [torch.get_rng_state()]
    return states if device.type == "cpu" else [*states, torch.cuda.get_rng_state(device)]


def restore_rng_state(states: Sequence[torch.Tensor], device: torch.device) -> None:
    """Set the states that `rng_state` returned."""
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state(states[1], device)


def dummy_example(example: Example) -> Example:
    """One token without a loss, for a rank that has no sequences but must join the pass."""
    return example._replace(input_ids=example.input_ids[:1], answer_start=1)


def build_trainer(
    model: Any, examples: list[Example], eval_examples: list[Example], sampler: OptimizerStepSampler,
    tokens_per_pass: int, settings: TrainerSettings, signature: dict[str, Any], device: Any,
) -> AnswerTrainer:  # fmt: skip
    """The Trainer with its callbacks.

    Args:
        model: from `lora.load`, prepared by `lora.configure_for_memory`.
        examples, eval_examples: the splits.
        sampler: of this rank's steps.
        tokens_per_pass: maximum of one forward pass.
        settings: of the run.
        signature: everything that determines the adapter, from `resume.run_signature`.
        device: where this rank trains.
    """
    in_all, sequences = len(sampler) * settings.num_epochs, counted(sampler.per_step, "sequence")
    print_rank0(f"Steps: {len(sampler)} an epoch, {in_all} in all, {sequences} each")
    if settings.use_wandb:
        print_rank0(
            "Weights & Biases gets curves and settings. Leave out --USE_WANDB to keep them on this machine."
        )
    arguments = training_arguments(settings, len(sampler), bool(eval_examples), device)
    callbacks = [SamplerEpochCallback(sampler)]
    if settings.early_stopping_patience and eval_examples:
        callbacks.append(EarlyStoppingCallback(settings.early_stopping_patience))
    output = Path(settings.output_dir)
    rate = measure_matmul_rate(device.name) * arguments.world_size if device.is_cuda else 0.0
    metrics_logger = MetricsLogger(output, 4 * num_matmul_parameters(model.config), rate)
    checkpoints = CheckpointWriter(output, settings.save_total_limit, signature)
    return AnswerTrainer(
        model, arguments, examples, eval_examples, sampler, tokens_per_pass, metrics_logger, checkpoints,
        callbacks,
    )  # fmt: skip


def fit(trainer: AnswerTrainer, start: str) -> bool:
    """Train from a checkpoint, or from the base model; False when a signal interrupted the run."""
    start_wandb(trainer)
    if rank() == 0:
        prepare_output(Path(trainer.args.output_dir), start)
    entrypoint.goes_on()
    trainer.accelerator.wait_for_everyone()
    resumed = start != FROM_BASE
    if resumed and stopped_early(Path(start)):
        return True
    trainer.model.train()  # the base was loaded in eval mode; `training_step` checks the outer module only
    evaluate_first = not resumed or is_evaluation_due(Path(start))
    trainer.args.eval_on_start = bool(trainer.eval_examples) and evaluate_first
    if resumed:
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
