"""Answers on disk: one line each, written as it finishes, found again by what determines it."""

import contextlib
import errno
import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medqa.artifacts.atomic_io import write_json
from medqa.runtime.console import WarningLog
from medqa.runtime.errors import UserError

ROLES = ("base", "finetuned")
# In the folder of answers: which of them belong to the last evaluation that had them all.
ASKED = "asked.json"
# What a line of answers holds, and of which type.
FIELDS: dict[str, type | tuple[type, ...]] = {
    "key": str, "id": str, "hypothesis": str, "finish": str, "new_tokens": int, "repetition": (int, float),
    "prompt_cut": bool,
}  # fmt: skip
# Longest line that is taken for an answer, in bytes: 100,000 tokens are 1 MB.
LONGEST_LINE = 16_000_000
BLOCK = 1 << 20


def answer_key(**determined_by: object) -> str:
    """Fingerprint of everything that determines an answer: model, prompt, decoding settings."""
    return hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()


def losses_key(model: Mapping[str, object], ids: Iterable[Sequence[int]]) -> str:
    """`answer_key(model=…, ids=…)`, with the token ids of one text at a time.

    All texts together, as Python's numbers and then as one line of JSON, would take ten times their room.
    """
    digest = hashlib.sha256(b'{"ids": [')
    for number, one in enumerate(ids):
        digest.update((", " * (number > 0) + json.dumps(one)).encode())
    digest.update(f'], "model": {json.dumps(model, sort_keys=True)}}}'.encode())
    return digest.hexdigest()


def cut_half_line(path: Path) -> None:
    """Cut off the last line of a JSON-lines file if a killed run left it half-written."""
    if not path.exists():
        return
    with open(path, "r+b") as file:
        end = size = file.seek(0, os.SEEK_END)
        while end:  # backwards, block by block: a line may be longer than the memory
            start = max(0, end - BLOCK)
            file.seek(start)
            if (found := file.read(end - start).rfind(b"\n")) >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            file.truncate(end)


def append_line(path: Path, content: Mapping[str, Any]) -> None:
    """Append one line of JSON in one write, also while other processes append to the same file.

    Raises:
        OSError: the disk is full; nothing may be written after half a line.
    """
    line = (json.dumps(content, ensure_ascii=False) + "\n").encode()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        if os.write(handle, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(handle)


class Predictions:
    """A JSON-lines file of answers, each line `{"key": …, "id": …, "hypothesis": …, …}`.

    Lines are appended in one write, also by several processes at once. A line that a killed run left
    half-written is dropped when the file is opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def read(self) -> dict[str, dict[str, Any]]:
        """All answers by key, of each line what `FIELDS` names; of two with the same key the first counts.

        Raises:
            UserError: a line is no answer.
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
                    # json makes new names of the fields for every line, half of what an answer would take.
                    answers.setdefault(answer["key"], {name: answer[name] for name in FIELDS})
                except (ValueError, KeyError, TypeError, RecursionError):
                    shown = line[:60].decode(errors="replace").strip()
                    raise UserError(
                        f"{self.path}, line {number}, is no answer ({shown!r}). Remove the line, "
                        "or the whole file to have all answers made again."
                    ) from None
        return answers

    def add(self, answer: Mapping[str, Any]) -> None:
        """Append one answer, in one write."""
        append_line(self.path, answer)


class LossFile:
    """Losses of reference answers on disk, valid for the model and the texts that they were made of.

    While they are computed they are kept line by line in a file beside it, which the whole file replaces.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.partial = path, path.with_suffix(".partial.jsonl")

    def add(self, made_of: str, losses: Mapping[str, Any]) -> None:
        """Append the losses of one forward pass."""
        append_line(self.partial, {"made_of": made_of, "losses": losses})

    def read_partial(self, made_of: str) -> dict[str, Any]:
        """What an interrupted run has computed, by example id; a line that is damaged is computed again."""
        known: dict[str, Any] = {}
        for line in self.partial.read_bytes().splitlines() if self.partial.exists() else []:
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
                content = json.loads(line)
                if content["made_of"] == made_of:
                    known |= checked_losses(content["losses"])
        return known

    def read(self, made_of: str) -> dict[str, Any] | None:
        """The losses by example id, or None when the file is absent or of something else."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if content["made_of"] != made_of:
                return None
            return checked_losses(content["losses"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def write(self, made_of: str, losses: Mapping[str, Any]) -> None:
        """Replace the file in one step, and remove what was kept while the losses were computed."""
        write_json(self.path, {"made_of": made_of, "losses": losses})
        self.partial.unlink(missing_ok=True)


def checked_losses(losses: Mapping[str, Any]) -> dict[str, Any]:
    """The losses by example id as they were read, if each is (summed nats, number of tokens).

    Raises:
        ValueError, TypeError: one is something else.
    """
    for total, tokens in losses.values():
        if not math.isfinite(total) or not isinstance(tokens, int):
            raise ValueError(f"{total!r}, {tokens!r} is no loss")
    return dict(losses)


def model_asked(folder: Path, role: str) -> str:
    """Identifies the model, with its precision, that gave a role's answers in an evaluation's folder.

    It is what `generate_answers` noted when it came to its end: weights may have been replaced since.
    """
    asked = json.loads((folder / "predictions" / ASKED).read_text(encoding="utf-8"))
    return asked["losses"][role]


def texts_sha256(records: Mapping[str, Any]) -> str:
    """Fingerprint of what models were asked, and what answers are held against: holdout and eval split."""
    digest = hashlib.sha256()
    for split in ("holdout", "eval"):
        for record in records[split]:
            digest.update(json.dumps([record["id"], record["formatted_chat"]]).encode())
    return digest.hexdigest()


def asked_before(
    folder: Path, records: Mapping[str, Any], iteration: int, warnings: WarningLog
) -> tuple[dict[str, list[dict]], dict[str, dict], dict[str, Any]]:
    """Read from the files what `runner.generate_answers` returned when it last finished here.

    Args:
        folder: the evaluation's output folder.
        records: the splits `holdout` and `eval`.
        iteration: of the data, as they are now.
        warnings: told when the answers are of another iteration.

    Returns answers and losses as `generate_answers` does, and the settings that they were made with.

    Raises:
        UserError: there are no complete answers to these very texts.
    """
    place = folder / "predictions"
    how = "Make them with: python evaluation.py, without --SCORE_ONLY"
    try:
        asked = json.loads((place / ASKED).read_text(encoding="utf-8"))
        texts, made_of, settings = asked["texts"], asked["losses"], asked["settings"]
        before = int(asked["iteration"])
        answers, losses = {}, {}
        for role in ROLES:
            known = Predictions(place / f"{role}.jsonl").read()
            answers[role] = [known[key] for key in asked["answers"][role]]
            losses[role] = LossFile(place / f"{role}_losses.json").read(made_of[role])
    except FileNotFoundError:
        raise UserError(f"{place} holds no finished set of answers to score. {how}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{place / ASKED} names answers that are not there ({error!r}). {how}") from None
    if texts != texts_sha256(records) or None in losses.values():
        raise UserError(f"the answers in {place} are of other questions or texts than these datasets. {how}")
    if before != iteration:
        warnings.add(
            f"the answers in {place} were made with iteration {before} of the data, which is at iteration "
            f"{iteration} now. Train and evaluate with it: python fine_tuning.py && python evaluation.py"
        )
    return answers, losses, settings
