"""Malformed inputs of every kind, each as a change to a folder in which the stages have run.

`cases()` gives them all; each names the stage that must refuse it and a word that the refusal must say.
"""

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from stages import EVALUATE, PREPARE, TRAIN

Damage = Callable[[Path], object]
CARDIOLOGY = "data/dataset_with_answers_cardiology.json"
ADVICE = "evaluation_results/training_recommendations.json"
RECOMMENDED = (*PREPARE, "--RECOMMENDATIONS", ADVICE)
OTHER_OUTPUT = ("--OUTPUT_DIR", "other")
DEEP = 100_000


class Case(NamedTuple):
    """A malformed input."""

    name: str
    state: str  # of the undisturbed stages: where the damage is done
    line: tuple[str, ...]
    damage: Damage
    told: str  # what the message must name
    environment: dict[str, str] = {}


def write(path: str, content: bytes | str) -> Damage:
    """Put a file with this content in the place of another."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content

    def damage(folder: Path) -> None:
        own_model(folder)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    return damage


def own_model(folder: Path) -> None:
    """Give the folder a model of its own, in place of the link to the one that all share."""
    if (folder / "model").is_symlink():
        source = (folder / "model").resolve()
        (folder / "model").unlink()
        shutil.copytree(source, folder / "model")


def edit(path: str, change: Callable[[Any], Any]) -> Damage:
    """Change the content of a JSON file."""

    def damage(folder: Path) -> None:
        own_model(folder)
        content = json.loads((folder / path).read_text())
        changed = change(content)
        (folder / path).write_text(json.dumps(content if changed is None else changed))

    return damage


def without(*names: str) -> Callable[[dict], None]:
    """Remove keys of a JSON object."""

    def change(content: dict) -> None:
        for name in names:
            content.pop(name)

    return change


def with_(**values: Any) -> Callable[[dict], None]:
    """Set keys of a JSON object."""
    return lambda content: content.update(values)


def gone(path: str) -> Damage:
    """Remove a file or folder."""

    def damage(folder: Path) -> None:
        own_model(folder)
        target = folder / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return damage


def cut(path: str, kept: float) -> Damage:
    """Keep only the beginning of a file."""

    def damage(folder: Path) -> None:
        own_model(folder)
        [target] = list(folder.glob(path))[:1]
        data = target.read_bytes()
        target.write_bytes(data[: int(len(data) * kept)])

    return damage


def flipped(path: str) -> Damage:
    """Turn over the bits of one byte in the middle of a file."""

    def damage(folder: Path) -> None:
        [target] = list(folder.glob(path))[:1]
        data = bytearray(target.read_bytes())
        data[len(data) // 2] ^= 0xFF
        target.write_bytes(data)

    return damage


def in_place_of(path: str, kind: str) -> Damage:
    """Put a folder, a pipe, or a link to nowhere in the place of a file."""

    def damage(folder: Path) -> None:
        own_model(folder)
        target = folder / path
        if target.is_file():
            target.unlink()
        target.parent.mkdir(parents=True, exist_ok=True)
        if kind == "folder":
            target.mkdir()
        elif kind == "pipe":
            os.mkfifo(target)
        else:
            target.symlink_to("nowhere")

    return damage


def nothing(folder: Path) -> None:
    """Leave the folder as it is: the command line is what is wrong."""


def sparse(path: str, size: int, start: bytes = b"") -> Damage:
    """A file that says it is very large, and takes no room."""

    def damage(folder: Path) -> None:
        with open(folder / path, "wb") as file:
            file.write(start)
            file.truncate(size)

    return damage


# ---- the corpus ------------------------------------------------------------------------------------------


def data_files() -> Iterator[Case]:
    """Specialty files."""
    pair = '{"What is angina?": "Chest pain."}'
    contents: dict[str, bytes | str] = {
        "nothing at all": b"",
        "blanks alone": b"  \n\t ",
        "no JSON": "question,answer\n",
        "cut in a text": pair[:-8],
        "cut after the comma": pair[:-1] + ",",
        "two objects": pair + pair,
        "single quotes": "{'a': 'b'}",
        "a comment": "{/* x */}",
        "a text": '"angina"',
        "a number": "1",
        "null": "null",
        "true": "true",
        "Windows-1252": '{"é": "ü"}'.encode("cp1252"),
        "compressed": b"\x1f\x8b\x08\x00" + bytes(40),
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(40),
        "zeros": bytes(1000),
        "a broken escape": '{"a": "\\x"}',
        "half a surrogate escape": '{"a": "\\ud8"}',
        "a line break in a text": '{"a": "b\nc"}',
        "deep lists": "[" * DEEP + "]" * DEEP,
        "deep lists without end": "[" * DEEP,
        "deep objects": '{"a":' * DEEP + "1" + "}" * DEEP,
        "a number of many digits": '{"a": ' + "9" * 5000 + "}",
        "lines of JSON, cut off": '{"question": "a b", "answer": "c"}\n{"question": "d e", "ans',
    }
    for name, content in contents.items():
        yield Case(f"data: {name}", "evaluate", PREPARE, write(CARDIOLOGY, content), "cardiology.json")
    for kind in ("folder", "pipe", "link"):
        yield Case(f"data: a {kind}", "evaluate", PREPARE, in_place_of(CARDIOLOGY, kind), "cardiology.json")
    yield Case("data: 2 GB in a line", "evaluate", PREPARE, sparse(CARDIOLOGY, 2 << 30, b'{"'), "2,147 MB")
    yield Case("data: no folder", "evaluate", PREPARE, gone("data"), "data")
    yield Case(
        "data: DATA_DIR is a file", "evaluate", (*PREPARE, "--DATA_DIR", CARDIOLOGY), nothing, "cardiology"
    )

    def emptied(folder: Path) -> None:
        shutil.rmtree(folder / "data")
        (folder / "data").mkdir()

    yield Case("data: an empty folder", "evaluate", PREPARE, emptied, "--DATA_DIR")


def file_names() -> Iterator[Case]:
    """Names of specialty files."""
    pair = '{"What is angina?": "Chest pain."}'
    for name, file in {
        "no name": b"dataset_with_answers_.json",
        "a hidden name": b"dataset_with_answers_.x.json",
        "a name that is no text": b"dataset_with_answers_\xff\xfe.json",
        "a name with an escape sequence": b"dataset_with_answers_\x1b[31m.json",
        "a name with a line break": b"dataset_with_answers_a\nb.json",
        "a name with a C1 control": "dataset_with_answers_\x9b31m.json".encode(),
        "a name with a backslash": b"dataset_with_answers_..\\x.json",
        "a name with a colon": b"dataset_with_answers_C:.json",
    }.items():

        def named(folder: Path, file: bytes = file) -> None:
            Path(os.fsdecode(os.fsencode(folder) + b"/data/" + file)).write_text(pair)

        yield Case(f"data: {name}", "evaluate", PREPARE, named, "Rename the file")

    def twice(folder: Path) -> None:
        for name in ("e\u0301", "\u00e9"):
            (folder / f"data/dataset_with_answers_{name}.json").write_text(pair)

    yield Case("data: one specialty under two names", "evaluate", PREPARE, twice, "Merge the two")


def recommendations() -> Iterator[Case]:
    """training_recommendations.json."""
    shares = '{"recommended_sample_increases": %s}'
    contents: dict[str, bytes | str] = {
        "nothing": b"",
        "no JSON": "shares",
        "no UTF-8": b"\xff\xfe{}",
        "a list": "[]",
        "null": "null",
        "without shares": "{}",
        "shares in a list": shares % "[1]",
        "a share in words": shares % '{"cardiology": "all"}',
        "a share above 1": shares % '{"cardiology": 1.5}',
        "a share below 0": shares % '{"cardiology": -0.1}',
        "a share that is no number": shares % '{"cardiology": NaN}',
        "a share without end": shares % '{"cardiology": 1e999}',
        "a share that is true": shares % '{"cardiology": true}',
        "a share in a list": shares % ('{"cardiology": ' + "[" * 500 + "]" * 500 + "}"),
        "an unknown specialty": shares % '{"cardiologie": 0.6}',
        "a specialty with a very long name": shares % ('{"' + "x" * 1_000_000 + '": 0.6}'),
        "a share below what is trained": shares % '{"cardiology": 0.1}',
        "deep": "[" * DEEP,
    }
    for name, content in contents.items():
        told = (
            "cardiolog" if "cardiolog" in str(content) else "xxx" if "xxx" in str(content) else "training_rec"
        )
        yield Case(f"recommendations: {name}", "evaluate", RECOMMENDED, write(ADVICE, content), told)
    for kind in ("folder", "pipe", "link"):
        yield Case(
            f"recommendations: a {kind}", "evaluate", RECOMMENDED, in_place_of(ADVICE, kind), "training_rec"
        )
    yield Case("recommendations: 2 GB", "evaluate", RECOMMENDED, sparse(ADVICE, 2 << 30), "2,147 MB")


def manifests() -> Iterator[Case]:
    """manifest.json of datasets/ and results/, and what it vouches for."""
    again = (*TRAIN, *OTHER_OUTPUT)
    for stage, folder, line in (
        ("train", "datasets", again), ("evaluate", "results", EVALUATE), ("prepare", "datasets", PREPARE)
    ):  # fmt: skip
        path = f"{folder}/manifest.json"
        changes: dict[str, Damage] = {
            "nothing": write(path, b""),
            "cut": cut(path, 0.5),
            "a list": write(path, "[]"),
            "null": write(path, "null"),
            "no UTF-8": write(path, b"\xff" * 10),
            "deep": write(path, "[" * DEEP),
            "without its stage": edit(path, without("stage")),
            "its stage a list": edit(path, with_(stage=[1])),
            "without its outputs": edit(path, without("outputs")),
            "outputs in a list": edit(path, with_(outputs=["a"])),
            "an output above the folder": edit(path, lambda c: c["outputs"].update({"../data": "0"})),
            "an output elsewhere": edit(path, lambda c: c["outputs"].update({"/etc/passwd": "0"})),
            "an output without a name": edit(path, lambda c: c["outputs"].update({"": "0"})),
            "without its template": edit(path, without("chat_template_sha256")),
            "without its iteration": edit(path, without("iteration")),
            "its iteration a word": edit(path, with_(iteration="one")),
            "of another stage": edit(path, with_(stage="evaluation")),
            "a pipe": in_place_of(path, "pipe"),
            "2 GB": sparse(path, 2 << 30),
        }
        for name, damage in changes.items():
            yield Case(f"{path} for {stage}: {name}", "evaluate", line, damage, folder)
    for name, damage in {
        "shares a list": edit("datasets/manifest.json", with_(shares=[])),
        "without its system message": edit("datasets/manifest.json", without("system_message")),
        "an edited split": flipped("datasets/train_dataset/*.arrow"),
        "a cut split": cut("datasets/train_dataset/*.arrow", 0.5),
        "a missing split": gone("datasets/train_dataset"),
        "edited numbers": edit("datasets/dataset_stats.json", with_(train_samples=7)),
        "no manifest": gone("datasets/manifest.json"),
        "no folder": gone("datasets"),
    }.items():
        yield Case(f"datasets: {name}", "evaluate", again, damage, "datasets")
    yield Case(
        "datasets: an edited holdout",
        "evaluate",
        PREPARE,
        flipped("datasets/holdout_dataset/*.arrow"),
        "holdout",
    )
    yield Case(
        "results: an edited adapter",
        "evaluate",
        EVALUATE,
        flipped("results/adapter_model.safetensors"),
        "adapter_model",
    )
    yield Case("results: no folder", "evaluate", EVALUATE, gone("results"), "results")


def models() -> Iterator[Case]:
    """The base model."""
    sizes = {
        "sizes in words": {"hidden_size": "64"},
        "a size of zero": {"num_attention_heads": 0},
        "a size below zero": {"hidden_size": -64},
        "a size that is null": {"vocab_size": None},
        "an unknown kind": {"model_type": "no_such_kind"},
        "a kind that is a list": {"model_type": []},
        "sizes that the weights do not have": {"num_hidden_layers": 3},
        "code of its own": {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine"}},
    }
    retrain = (*TRAIN, *OTHER_OUTPUT)
    for name, values in sizes.items():
        yield Case(f"model: {name}", "prepare", retrain, edit("model/config.json", with_(**values)), "model")
    for name, damage in {
        "no config": gone("model/config.json"),
        "an empty config": write("model/config.json", b""),
        "a config in a list": write("model/config.json", "[]"),
        "a deep config": write("model/config.json", "[" * DEEP),
        "a config of 2 GB": sparse("model/config.json", 2 << 30),
        "no weights": gone("model/model.safetensors"),
        "cut weights": cut("model/model.safetensors", 0.5),
        "empty weights": write("model/model.safetensors", b""),
        "weights with a header without end": write(
            "model/model.safetensors", struct.pack("<Q", 2**60) + bytes(9)
        ),
        "weights that are text": write(
            "model/model.safetensors", "version https://git-lfs.github.com/spec/v1\n"
        ),
        "no tokenizer": gone("model/tokenizer.json"),
        "a cut tokenizer": cut("model/tokenizer.json", 0.5),
        "an empty tokenizer": write("model/tokenizer.json", b"{}"),
        "a tokenizer in a list": write("model/tokenizer.json", b"[]"),
        "an empty tokenizer config": write("model/tokenizer_config.json", b""),
        "a tokenizer config in a list": write("model/tokenizer_config.json", b"[]"),
    }.items():

        def damaged(folder: Path, damage: Damage = damage) -> None:
            own_model(folder)
            damage(folder)

        yield Case(f"model: {name}", "prepare", retrain, damaged, "model")


def adapters() -> Iterator[Case]:
    """An adapter of another program."""
    foreign = (*EVALUATE, "--FINETUNED_MODEL_PATH", "adapter")

    def adapter(change: Damage) -> Damage:
        def damage(folder: Path) -> None:
            (folder / "adapter").mkdir()
            for name in ("adapter_model.safetensors", "adapter_config.json"):
                shutil.copy(folder / "results" / name, folder / "adapter" / name)
            change(folder)

        return damage

    def pickled(folder: Path) -> None:
        (folder / "adapter/adapter_model.safetensors").rename(folder / "adapter/adapter_model.bin")

    config = "adapter/adapter_config.json"
    for name, change in {
        "pickled": pickled,
        "no weights": gone("adapter/adapter_model.safetensors"),
        "cut weights": cut("adapter/adapter_model.safetensors", 0.5),
        "empty weights": write("adapter/adapter_model.safetensors", b""),
        "no config": gone(config),
        "an empty config": write(config, b""),
        "a config in a list": write(config, b"[]"),
        "a deep config": write(config, "[" * DEEP),
        "an unknown method": edit(config, with_(peft_type="MAGIC")),
        "a rank in words": edit(config, with_(r="eight")),
        "a rank below zero": edit(config, with_(r=-8)),
        "another rank": edit(config, with_(r=4)),
        "layers that are not there": edit(config, with_(target_modules=["x_proj"])),
        "other layers": edit(config, with_(target_modules=["k_proj"])),
        "an unknown setting of another task": edit(config, with_(task_type="MAGIC")),
    }.items():
        yield Case(f"adapter: {name}", "evaluate", foreign, adapter(change), "adapter")


def predictions() -> Iterator[Case]:
    """Answers and checkpoints that a run is to go on from."""
    path = "evaluation_results/predictions/base.jsonl"
    for name, content in {
        "no JSON": b"an answer\n",
        "a number": b"1\n",
        "null": b"null\n",
        "a list": b"[]\n",
        "an answer without its text": b'{"key": "k"}\n',
        "an answer that is a number": b'{"key": "k", "hypothesis": 5}\n',
        "no UTF-8": b"\xff\xfe\n",
        "deep": b"[" * DEEP + b"\n",
        "an empty line": b"\n",
        "zeros": bytes(100) + b"\n",
    }.items():
        yield Case(f"answers: {name}", "evaluate", EVALUATE, write(path, content), "base.jsonl, line 1")
    yield Case("answers: a line of 2 GB", "evaluate", EVALUATE, endless(path), "base.jsonl, line 1")
    yield Case("answers: a folder", "evaluate", EVALUATE, in_place_of(path, "folder"), "base.jsonl")
    for name, damage in {
        "a cut optimizer": cut("results/checkpoint-4/optimizer.pt", 0.5),
        "an edited optimizer": flipped("results/checkpoint-4/optimizer.pt"),
        "an empty scheduler": write("results/checkpoint-4/scheduler.pt", b""),
        "a pickled scheduler": write("results/checkpoint-4/scheduler.pt", b"\x80\x04N."),
        "an edited adapter": flipped("results/checkpoint-4/adapter_model.safetensors"),
        "a cut adapter": cut("results/checkpoint-4/adapter_model.safetensors", 0.5),
        "an empty state": write("results/checkpoint-4/trainer_state.json", b""),
        "an empty mark": write("results/checkpoint-4/complete.json", b""),
        "a mark in a list": write("results/checkpoint-4/complete.json", b"[]"),
    }.items():

        def unfinished(folder: Path, damage: Damage = damage) -> None:
            (folder / "results/manifest.json").unlink()
            damage(folder)

        yield Case(f"checkpoint: {name}", "evaluate", TRAIN, unfinished, "checkpoint-4")
    yield Case(
        "checkpoint: of other settings",
        "evaluate",
        (*TRAIN, "--LORA_RANK", "4"),
        gone("results/manifest.json"),
        "LORA_RANK",
    )


def endless(path: str) -> Damage:
    """A file whose first line has 2 GB, which take no room."""

    def damage(folder: Path) -> None:
        with open(folder / path, "r+b") as file:
            file.truncate(2 << 30)
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
            file.seek(0)
            file.write(b'{"key": "' + bytes(10_000))

    return damage


def settings() -> Iterator[Case]:
    """The command line and the environment."""
    retrain = (*TRAIN, *OTHER_OUTPUT)
    for line, told in {
        (*PREPARE, "--INITIAL_TRAIN_PERCENTAGE", "50"): "INITIAL_TRAIN_PERCENTAGE",
        (*PREPARE, "--EVAL_SPLIT_SIZE", "nan"): "EVAL_SPLIT_SIZE",
        (*PREPARE, "--RANDOM_SEED", "-1"): "RANDOM_SEED",
        (*PREPARE, "--RANDOM_SEED", "9" * 400): "RANDOM_SEED",
        (*PREPARE, "--SYSTEM_MESSAGE", "\udcff"): "SYSTEM_MESSAGE",
        (*PREPARE, "--SPECIALTY_SAMPLE_PERCENTAGES", "cardiology", "2"): "cardiology",
        (*PREPARE, "--SPECIALTY_SAMPLE_PERCENTAGES", "cardio", "0.9"): "cardiology",
        (*PREPARE, "--OUTPUT_DIR", "results"): "results",
        (*PREPARE, "--OUTPUT_DIR", "data/dataset_with_answers_cardiology.json"): "cardiology.json",
        (*PREPARE, "--TOKENIZER", "nowhere/at/all"): "nowhere",
        (*PREPARE, "--HOLDOUT_SAMPLES_PER_SPECIALTY", "5"): "HOLDOUT_SAMPLES_PER_SPECIALTY",
        (*retrain, "--LEARNING_RATE", "1e999"): "LEARNING_RATE",
        (*retrain, "--NUM_EPOCHS", "0"): "NUM_EPOCHS",
        (*retrain, "--LORA_TARGET_MODULES", "x_proj"): "x_proj",
        (*retrain, "--MODEL_NAME", "nowhere"): "nowhere",
        (*retrain, "--MODEL_NAME", "../.."): "../..",
        (*retrain, "--MODEL_NAME", ""): "MODEL_NAME",
        (*retrain, "--DATASET_DIR", "data"): "data",
        (*retrain, "--MAX_SEQ_LENGTH", "16"): "nothing to train on",
        (*TRAIN, "--OUTPUT_DIR", "datasets"): "datasets",
        (*EVALUATE, "--OUTPUT_DIR", "results"): "results",
        (*EVALUATE, "--OUTPUT_DIR", "datasets"): "datasets",
        (*EVALUATE, "--MAX_PROMPT_LENGTH", "16"): "MAX_PROMPT_LENGTH",
        (*EVALUATE, "--BASE_MODEL_PATH", "results"): "results",
        (*EVALUATE, "--TEMPERATURE", "-1"): "TEMPERATURE",
        (*EVALUATE, "--FINETUNED_MODEL_PATH", "data"): "data",
    }.items():
        yield Case(f"settings: {' '.join(line[-2:])[:60]!a} of {line[0]}", "evaluate", line, nothing, told)
    for name, value in {"RANK": "first", "WORLD_SIZE": "all", "LOCAL_RANK": "-", "WORLD_SIZE ": "2"}.items():
        name = name.strip()
        if name == "LOCAL_RANK":  # read on a GPU alone
            continue
        yield Case(f"environment: {name}={value}", "prepare", retrain, nothing, name, {name: value})


def cases() -> list[Case]:
    """All of them."""
    kinds = (data_files, file_names, recommendations, manifests, models, adapters, predictions, settings)
    return [case for kind in kinds for case in kind()]
