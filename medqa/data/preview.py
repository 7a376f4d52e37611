"""Formats prepared data for the screen: table of specialties, two examples, lengths of answers."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from medqa.data.normal_form import spaced
from medqa.data.source_files import listed
from medqa.modeling.chat_template import ChatTemplate, render
from medqa.runtime.console import table, use_colour

if TYPE_CHECKING:
    from datasets import Dataset

# Texts measured for the percentiles of length; more would not change them. They are taken in blocks of
# neighbours: reading 20,000 scattered rows of a split would load the whole file into memory.
SAMPLE = 20_000
BLOCK = 200
# Characters shown of a long answer, half from the beginning and half from the end.
SHOWN = 600
HEADING = "Examples: the loss is computed on the trained part, not on the masked part."
PERCENTILES = (50, 90, 95, 99)
TRAINED, MASKED, RESET = "\033[32m", "\033[2m", "\033[0m"


def specialty_table(specialties: Mapping[str, Mapping[str, Any]]) -> str:
    """One line for each specialty, and the total; below, why the columns of a specialty do not add up."""
    names = ("pairs", "refused", "holdout", "eval", "train", "pool")
    rows = [
        [specialty, *(f"{row[name]:,}" for name in names), f"{row['share']:g}"]
        for specialty, row in specialties.items()
    ]
    total = [f"{sum(row[name] for row in specialties.values()):,}" for name in names]
    lines = table(["specialty", *names, "share"], [*rows, ["all", *total, ""]])
    first, *others = names
    unequal = [one for one, row in specialties.items() if row[first] != sum(row[name] for name in others)]
    if not unequal:
        return lines
    return (
        f"{lines}\nThe columns do not add up to the pairs for {listed(unequal)}: holdout and eval also have "
        "questions that left the input, or the file of the specialty."
    )


def _example(record: Mapping[str, str], prompt: str, tokens: tuple[int, int] | None) -> str:
    """One rendered exchange: the masked part, then the trained part.

    Args:
        record: a row of a split.
        prompt: its generation prompt, with which `formatted_chat` begins.
        tokens: number of masked and of trained tokens, if there is a tokenizer.
    """
    trained = record["formatted_chat"][len(prompt) :]
    if len(trained) > SHOWN + 100:
        left = f" [… {len(trained) - SHOWN:,} characters …] "
        trained = trained[: SHOWN // 2] + left + trained[-SHOWN // 2 :]
    lines = ["", f"{record['specialty']}, {record['id']}"]
    for label, text, colour, number in (
        ("masked", prompt, MASKED, tokens and tokens[0]),
        ("trained", trained, TRAINED, tokens and tokens[1]),
    ):
        lines.append(f"  {label}" + (f", {number:,} tokens" if number is not None else ""))
        for line in text.split("\n"):
            lines.append(
                f"    | {colour}{line}{RESET}" if use_colour() and line else f"    | {line}".rstrip()
            )
    return "\n".join(lines)


class Measured(NamedTuple):
    """Two examples and the lengths, as lines to print."""

    lines: list[str]
    warnings: list[str]


def measure(
    split: "Dataset",
    tokenizer: Any,
    template: ChatTemplate,
    system_message: str,
    max_length: int,
    name: str = "train",
) -> Measured:
    """Render two examples of a split and measure its answers, in tokens with a tokenizer, else in words.

    Args:
        split: of a prepared folder; `name` is its name.
        tokenizer: of the base model; None: words are counted, which are fewer than tokens.
        template: chat template.
        system_message: at the start of every prompt.
        max_length: the setting MAX_SEQ_LENGTH, in tokens.
    """
    if not len(split):
        return Measured(["No pairs to show."], [])
    chosen = split.select(_in_blocks(len(split), SAMPLE))
    shown = chosen.select(_evenly(len(chosen), 2)).to_list()
    sample = f"{len(chosen):,} of " * (len(chosen) < len(split))
    measured = f"of {sample}the {len(split):,} {name} answers"
    prompts = [render(template, row["question"], None, system_message) for row in shown]
    if tokenizer is None:
        lines = [HEADING, *(_example(row, prompt, None) for row, prompt in zip(shown, prompts, strict=True))]
        answers = np.array([len(spaced(response).split()) for response in chosen["response"]])
        questions = np.array([len(spaced(question).split()) for question in chosen["question"]])
        lengths = f"Answers in words ({measured}): {_percentiles(answers)}."
        lines += ["", f"{lengths} Use --TOKENIZER to count tokens."]
        words = answers + questions + len(spaced(system_message).split())
        return Measured(lines, _too_long(words, max_length, " in words alone", measured))

    from medqa.modeling.tokenization import tokenize

    examples = tokenize(chosen.to_list(), tokenizer, template, system_message, sys.maxsize).examples
    parts = {one.id: (one.answer_start, one.num_label_tokens) for one in examples}
    lines = [_example(row, prompt, parts[row["id"]]) for row, prompt in zip(shown, prompts, strict=True)]
    lines.insert(0, HEADING)
    whole = np.array([len(one.input_ids) for one in examples])
    answers = [one.num_label_tokens for one in examples]
    lines += ["", f"Answers in tokens ({measured}): {_percentiles(answers)}."]
    lines.append(f"Whole sequences in tokens: {_percentiles(whole)}. MAX_SEQ_LENGTH is {max_length:,}.")
    return Measured(lines, _too_long(whole, max_length, "", measured))


def _too_long(lengths: np.ndarray, max_length: int, counted: str, measured: str) -> list[str]:
    """A warning if sequences of these lengths do not fit MAX_SEQ_LENGTH: how and where they were counted."""
    number = int((lengths > max_length).sum())
    if not number:
        return []
    return [
        f"{number / len(lengths):.1%} of the sequences are longer than MAX_SEQ_LENGTH = {max_length:,}"
        f"{counted}; the end of their answers will be cut ({number:,} {measured})."
    ]


def _evenly(number: int, most: int) -> list[int]:
    """Up to `most` of `number` positions, evenly spaced."""
    return [k * number // min(number, most) for k in range(min(number, most))]


def _in_blocks(number: int, most: int) -> list[int]:
    """Up to `most` of `number` positions, in evenly spaced blocks of neighbours."""
    if number <= most:
        return list(range(number))
    blocks = most // BLOCK
    starts = (k * (number - BLOCK) // (blocks - 1) for k in range(blocks))
    return [start + step for start in starts for step in range(BLOCK)]


def _percentiles(lengths: Sequence[int]) -> str:
    """Percentiles of lengths in one line; each is the length of one of them."""
    values = zip(PERCENTILES, np.percentile(lengths, PERCENTILES, method="inverted_cdf"), strict=True)
    shown = ", ".join(f"{name} % up to {value:,.0f}" for name, value in values)
    return f"{shown}, longest {max(lengths):,}"
