"""Answers questions with both models side by side, and writes no file."""

import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from medqa.generation import engine
from medqa.generation.model_pair import Models
from medqa.generation.prediction_cache import ROLES
from medqa.generation.runner import start_processes
from medqa.generation.settings import GenerationSettings
from medqa.modeling.base_model import BaseModel
from medqa.modeling.device import Device
from medqa.runtime.console import counted, print_rank0
from medqa.runtime.distributed import world_size
from medqa.runtime.errors import UserError

STANDARD_INPUT = "-"
# Columns of one answer in the terminal.
WIDTH = 54
NAMES = {"base": "BASE", "finetuned": "TUNED"}


def ask(
    asked: str, settings: GenerationSettings, base: BaseModel, device: Device, data: Mapping[str, Any],
    apply_chat_template: Callable[..., str],
) -> None:  # fmt: skip
    """Answer a question, or for "-" the lines of standard input, and print both answers side by side.

    The answers are those of an evaluation with the same settings. From a terminal each question is answered
    at once; other input is read to its end first, so that each model is loaded once.

    Raises:
        UserError: no question, or several processes.
    """
    if world_size() > 1:
        raise UserError("ASK runs in one process: python evaluation.py --ASK …")
    settings, template = start_processes(settings, base, device, data, apply_chat_template)
    models = Models(base, settings.finetuned_model_path, device, settings.base_precision)
    decoding = settings.decoding(base, template)
    prompted_with = base.tokenizer, template, data["system_message"], settings.max_prompt_length
    count = 0
    for questions in _blocks(asked, models.has_adapter):
        prompts = [
            engine.make_prompt(str(number), question, *prompted_with)
            for number, question in enumerate(questions)
        ]
        longest = max(len(prompt.input_ids) for prompt in prompts) + settings.max_new_tokens
        answers: dict[str, dict[str, engine.Answer]] = {role: {} for role in ROLES}
        for role, own in answers.items():
            with models.using(role) as causal:
                batch, _ = engine.choose_batch_size(
                    settings.batch_size, settings.auto_batch_size, causal, longest
                )

                def keep(answer: engine.Answer, own: dict[str, engine.Answer] = own) -> None:
                    own[answer.id] = answer

                engine.answer_all(causal, base.tokenizer, prompts, decoding, batch, keep)
        for number, question in enumerate(questions):
            pair = [answers[role][str(number)] for role in ROLES]
            print_rank0("", *side_by_side(question, pair, settings.max_new_tokens))
        count += len(questions)
    if not count:
        raise UserError('ASK got no question. Ask one with: python evaluation.py --ASK "What is angina?"')


def _blocks(asked: str, at_once: bool) -> Iterator[list[str]]:
    """Questions to answer together: one by one from a terminal if the models take turns without loading."""
    if asked != STANDARD_INPUT:
        yield [asked]
        return
    lines = (line.strip() for line in sys.stdin)
    if sys.stdin.isatty():
        print_rank0("Type one question a line; Ctrl-D ends.")
        if at_once:
            yield from ([line] for line in lines if line)
            return
    if questions := [line for line in lines if line]:
        yield questions


def side_by_side(question: str, answers: Sequence[engine.Answer], max_new_tokens: int) -> list[str]:
    """A question and its two answers in two columns, each with the reason why it ended.

    Args:
        question: as it was asked.
        answers: of base and tuned.
        max_new_tokens: for the reason.
    """
    columns = []
    for role, answer in zip(ROLES, answers, strict=True):
        end = "stop" if answer.finish == "stop" else f"length: cut at MAX_NEW_TOKENS {max_new_tokens}"
        lines = [f"{NAMES[role]} ({counted(answer.new_tokens, 'token')}, {end})", "-" * WIDTH]
        for paragraph in (answer.hypothesis or "(empty answer)").splitlines():
            lines += textwrap.wrap(paragraph, WIDTH) or [""]
        columns.append(lines)
    cut = " (too long: its middle was cut)" if answers[0].prompt_cut else ""
    rows = [f"{one:<{WIDTH}} | {other}".rstrip() for one, other in zip_longest(*columns, fillvalue="")]
    return [f"QUESTION{cut}: {question}", "", *rows]
