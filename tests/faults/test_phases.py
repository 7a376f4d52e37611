"""On default settings, stopped in any phase, once or twice in a row, a stage ends as if nothing had happened."""

import os
import signal
import stat
from collections.abc import Callable

import pytest
from faults_results import keep
from stages import EVALUATE, KILLED, copy, differences, left, run

# Default settings but for the model and steps of a size that lets an epoch have several.
DEFAULTS = ("fine_tuning.py", "--MODEL_NAME", "model", "--CPU_PRECISION", "fp32", "--BATCH_SIZE", "2", "--GRADIENT_ACCUMULATION_STEPS", "4",
            "--LEARNING_RATE", "1e-2")  # fmt: skip
SIGNALS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM, "kill": signal.SIGKILL}


def calls(name: str, number: int, sent: int) -> Callable[[], None]:
    """What makes a process send itself a signal in its call number `number`, from 1, of a trainer's method."""

    def arm() -> None:
        from medqa.training.trainer import AnswerTrainer

        method, count = getattr(AnswerTrainer, name), iter(range(1, 1_000_000))

        def watched(self, *given, **more):
            if next(count) == number:
                os.kill(os.getpid(), sent)
            return method(self, *given, **more)

        setattr(AnswerTrainer, name, watched)

    return arm


# Phase → the trainer's method, and in which call of it. An epoch has 4 steps, a step 1 forward pass; the eval
# split is measured before the first step and after each epoch.
PHASES = {
    "before the first evaluation": ("evaluate", 1),
    "during the first evaluation": ("_stop_if_alone", 1),
    "before the first step": ("training_step", 1),
    "in the first step": ("_forward_backward", 1),
    "in mid-epoch": ("_forward_backward", 3),
    "in the first step of an epoch": ("_forward_backward", 5),
    "before the evaluation of an epoch": ("evaluate", 2),
    "during the evaluation of an epoch": ("answer_loss", 2),
    "while a checkpoint is saved": ("_save_optimizer_and_scheduler", 1),
    "before a checkpoint is marked": ("_save_rng_state", 2),
    "in the last step": ("_forward_backward", 12),
    "during the last evaluation": ("answer_loss", 4),
    "when the last checkpoint is saved": ("_save_rng_state", 3),
}
SHORT = {
    ("SIGTERM", "in mid-epoch"), ("SIGTERM", "during the evaluation of an epoch"), ("kill", "while a checkpoint is saved")
}  # fmt: skip


@pytest.fixture(scope="module")
def trained_by_default(undisturbed):
    """The folder after a training on default settings that nothing disturbed."""
    folder = copy(undisturbed.states["prepare"], undisturbed.top / "train by default")
    done = run(folder, DEFAULTS)
    assert (done.code, done.err) == (0, ""), done
    return folder


def require_resumable(folder, ended, sent: int) -> None:
    """An interrupted run names the command that goes on, and that command is not refused."""
    if sent == signal.SIGKILL:
        assert ended.code == KILLED, ended
    elif ended.code != 0:  # a signal in the last moment may come too late
        assert ended.code == 128 + sent and "the same command resumes" in ended.err, ended
        assert "Traceback" not in ended.err


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", SIGNALS)
def test_a_default_training_goes_on_after(undisturbed, trained_by_default, phase, name, whole):
    if not whole and (name, phase) not in SHORT:
        pytest.skip("only in make faults")
    folder, sent = copy(undisturbed.states["prepare"], undisturbed.top / "case"), SIGNALS[name]
    require_resumable(folder, run(folder, DEFAULTS, calls(*PHASES[phase], sent)), sent)
    # Once more, in the first forward pass after the resume, whatever that belongs to.
    require_resumable(folder, run(folder, DEFAULTS, calls("_stop_if_alone", 1, sent)), sent)
    again = run(folder, DEFAULTS)
    assert (again.code, again.err) == (0, ""), again
    # A signal saves the step at which it came, too.
    different = differences(left(folder), left(trained_by_default))
    assert not [name for name in different if not name.startswith("results/checkpoint-")], different
    keep(whole, "phases", f"{name}, {phase}", stops=2)


def test_a_checkpoint_never_lists_itself_and_one_step_is_saved_once(undisturbed, trained_by_default):
    folder = copy(undisturbed.states["prepare"], undisturbed.top / "case")
    run(folder, DEFAULTS, calls("_forward_backward", 3, signal.SIGTERM))
    found = left(folder)
    marks = [content for name, content in found.items() if name.endswith("complete.json")]
    assert marks and all("complete.json" not in mark["files"] for mark in marks)
    assert "results/checkpoint-2/complete.json" in found


def test_what_is_published_follows_the_umask(trained_by_default):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (trained_by_default / "results").iterdir()
             if path.is_file()}  # fmt: skip
    assert len(set(modes.values())) == 1, modes


# ---- evaluation --------------------------------------------------------------------------------------------


def kept_and_then_stopped(number: int, sent: int) -> Callable[[], None]:
    """What makes a process send itself a signal after so many forward passes of reference answers."""

    def arm() -> None:
        from medqa.generation.prediction_cache import LossFile
        from medqa.modeling import answer_loss

        answer_loss.LOSS_TOKENS = 256  # several forward passes of these few texts
        add, count = LossFile.add, iter(range(1, 1_000_000))

        def added(self, *given):
            add(self, *given)
            if next(count) == number:
                os.kill(os.getpid(), sent)

        LossFile.add = added

    return arm


@pytest.mark.parametrize("sent", [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGKILL])
def test_losses_of_reference_answers_are_kept_as_they_are_computed(undisturbed, sent):
    folder = copy(undisturbed.states["train"], undisturbed.top / "case")
    for number in (2, 1):
        ended = run(folder, EVALUATE, kept_and_then_stopped(number, sent))
        assert ended.code in (KILLED, 128 + sent) and "Traceback" not in ended.err, ended
    kept = (folder / "evaluation_results/predictions/base_losses.partial.jsonl").read_text()
    assert kept.count("\n") == 3
    again = run(folder, EVALUATE, kept_and_then_stopped(10**9, sent))
    assert (again.code, again.err) == (0, ""), again
    assert (
        "base: answer_loss of" in again.out and ", 0 reused" not in again.out.split("answer_loss of")[1][:40]
    )
    undivided = copy(undisturbed.states["train"], undisturbed.top / "undivided")
    assert run(undivided, EVALUATE, kept_and_then_stopped(10**9, sent)).code == 0
    assert not differences(left(folder), left(undivided))
