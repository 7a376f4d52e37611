"""Stores answers and losses on disk under a key of everything that determines them.

An answer is one line of JSON, appended as soon as it is finished, so that an interrupted run loses none.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medqa.artifacts import run_manifest
from medqa.artifacts.atomic_io import drop_cached, write_json
from medqa.artifacts.plain_words import in_words
from medqa.runtime.console import WarningLog
from medqa.runtime.errors import UserError

ROLES = ("base", "finetuned")
# In the folder of answers: which of them the last complete evaluation used.
ASKED = "asked.json"
# Fields of a line of answers, and their types.
FIELDS: dict[str, type | tuple[type, ...]] = {
    "key": str, "id": str, "hypothesis": str, "finish": str, "new_tokens": int, "repetition": (int, float),
    "prompt_cut": bool,
}  # fmt: skip
# Bytes of the longest line that can be an answer: 100,000 tokens are 1 MB.
LONGEST_LINE = 16_000_000
# By example id: summed nats and number of tokens.
Losses = dict[str, tuple[float, int]]


def answer_key(**determined_by: object) -> str:
    """Fingerprint of everything that determines an answer: model, prompt, decoding settings."""
    return hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()


def losses_key(model: Mapping[str, object], ids: Iterable[Sequence[int]]) -> str:
    """The same as `answer_key(model=…, ids=…)`, computed from one text at a time.

    The JSON of all texts at once would take ten times their memory.
    """
    digest = hashlib.sha256(b'{"ids": [')
    for number, text_ids in enumerate(ids):
        digest.update((", " * (number > 0) + json.dumps(text_ids)).encode())
    digest.update(f'], "model": {json.dumps(model, sort_keys=True)}}}'.encode())
    return digest.hexdigest()


def cut_half_line(path: Path) -> None:
    """Cut off the last line of a JSON-lines file if a killed run left it incomplete."""
    if not path.exists():
        return
    with open(path, "r+b") as file:
        drop_cached(file)  # else what this machine does not see yet would be cut off
        size = file.seek(0, os.SEEK_END)
        start = file.seek(max(0, size - LONGEST_LINE))
        end = start + file.read().rfind(b"\n") + 1
        if end < size:
            file.truncate(end)


def append_line(path: Path, content: Mapping[str, Any]) -> None:
    """Append one line of JSON in one write; several processes may append to the same file.

    Raises:
        OSError: the disk is full, and the last line may be incomplete: nothing may be written after it.
    """
    line = (json.dumps(content, ensure_ascii=False) + "\n").encode()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        if os.write(handle, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(handle)


class Predictions:
    """A JSON-lines file of answers, each line `{"key": …, "id": …, "hypothesis": …, …}`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def read(self) -> dict[str, dict[str, Any]]:
        """All answers by key, with the fields in `FIELDS`; the first answer with a key counts.

        A half line at the end is left out: another machine may be writing it.

        Raises:
            UserError: a line is not an answer.
        """
        answers: dict[str, dict[str, Any]] = {}
        if not self.path.exists():
            return answers
        with open(self.path, "rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
                try:
                    answer = json.loads(line.decode())
                    for name, kind in FIELDS.items():
                        if not isinstance(answer[name], kind):
                            raise TypeError
                    answer["hypothesis"].encode()  # a lone surrogate cannot be written into a table
                    if not math.isfinite(answer["repetition"]):
                        raise ValueError
                    # A new dict, because json.loads creates new key strings, half of an answer's memory.
                    answers.setdefault(answer["key"], {name: answer[name] for name in FIELDS})
                except (ValueError, KeyError, TypeError, RecursionError):
                    if not line.endswith(b"\n") and len(line) < LONGEST_LINE:
                        break
                    shown = line[:60].decode(errors="replace").strip()
                    raise UserError(
                        f"{self.path}, line {number}, is no answer ({shown!r}). Remove the line, "
                        "or the whole file to generate all answers again."
                    ) from None
        return answers

    def add(self, answer: Mapping[str, Any]) -> None:
        """Append one answer, in one write."""
        append_line(self.path, answer)


class LossFile:
    """Losses of the reference answers on disk, valid for one model and one set of texts.

    While they are computed, they are appended to a second file (`partial`), which `write` removes.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.partial = path, path.with_suffix(".partial.jsonl")

    def add(self, key: str, losses: Losses) -> None:
        """Append the losses of one forward pass."""
        append_line(self.partial, {"made_of": key, "losses": losses})

    def read_partial(self, key: str) -> Losses:
        """The losses of an interrupted run; those of a damaged line are missing."""
        losses: Losses = {}
        for line in self.partial.read_bytes().splitlines() if self.partial.exists() else []:
            losses |= _parse_losses(line, key) or {}
        return losses

    def read(self, key: str) -> Losses | None:
        """All losses, or None when the file is missing, damaged or has another key."""
        return _parse_losses(self.path.read_bytes(), key) if self.path.is_file() else None

    def write(self, key: str, losses: Losses) -> None:
        """Replace the file in one step, and remove the partial one."""
        write_json(self.path, {"made_of": key, "losses": losses})
        self.partial.unlink(missing_ok=True)


def _parse_losses(text: bytes, key: str) -> Losses | None:
    """Losses as `LossFile` writes them, or None when they are damaged or have another key."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        content = json.loads(text)
        losses = content["losses"]
        valid = all(math.isfinite(nats) and isinstance(tokens, int) for nats, tokens in losses.values())
        if content["made_of"] == key and valid:
            return losses
    return None


def model_asked(folder: Path, role: str) -> str:
    """Identifies the model, and its precision, that gave a role's answers in the evaluation in `folder`.

    Read from what that evaluation stored: the weights may have been replaced since.
    """
    asked = json.loads((folder / "predictions" / ASKED).read_text(encoding="utf-8"))
    return asked["losses"][role]


def answered_iteration(folder: Path) -> int:
    """Iteration of the data with which the answers of the evaluation in `folder` were made."""
    return int(json.loads((folder / "predictions" / ASKED).read_text(encoding="utf-8"))["iteration"])


def texts_sha256(records: Mapping[str, Any]) -> str:
    """Fingerprint of the questions and the reference answers: holdout and eval split."""
    digest = hashlib.sha256()
    for split in ("holdout", "eval"):
        for record in records[split]:
            digest.update(json.dumps([record["id"], record["formatted_chat"]]).encode())
    return digest.hexdigest()


def load_answers(
    folder: Path, records: Mapping[str, Any], iteration: int, warnings: WarningLog
) -> tuple[dict[str, list[dict]], dict[str, Losses], dict[str, Any]]:
    """Read what `runner.generate_answers` returned when it last finished here.

    Args:
        folder: the evaluation's output folder.
        records: the splits `holdout` and `eval`.
        iteration: iteration of the data that the splits are from.
        warnings: gets a warning when the answers are from another iteration.

    Returns answers and losses as `generate_answers` does, and the settings that produced them.

    Raises:
        UserError: the folder has no complete set of answers to these texts.
    """
    predictions = folder / "predictions"
    command = "Make them with: python evaluation.py, without --SCORE_ONLY"
    try:
        asked = json.loads((predictions / ASKED).read_text(encoding="utf-8"))
        texts, settings = asked["texts"], run_manifest.with_present_names(asked["settings"])
        answered_iteration = int(asked["iteration"])
        answers, losses = {}, {}
        for role in ROLES:
            stored = Predictions(predictions / f"{role}.jsonl").read()
            answers[role] = [stored[key] for key in asked["answers"][role]]
            losses[role] = LossFile(predictions / f"{role}_losses.json").read(asked["losses"][role])
    except FileNotFoundError:
        raise UserError(f"{predictions} holds no finished set of answers to score. {command}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{predictions / ASKED} names answers that are missing ({in_words(error):.200}). {command}"
        ) from None
    if texts != texts_sha256(records) or None in losses.values():
        raise UserError(
            f"the answers in {predictions} are of other questions or texts than these datasets. {command}"
        )
    if answered_iteration != iteration:
        warnings.add(
            f"the answers in {predictions} were made with iteration {answered_iteration} of the data, which "
            f"is at iteration {iteration} now. Train and evaluate with it: python fine_tuning.py && "
            "python evaluation.py"
        )
    return answers, losses, settings
