"""A tiny random Llama with an in-process tokenizer, and specialty files to run the stages on."""

import base64
import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault(
    "CUDA_VISIBLE_DEVICES", ""
)  # the tests compare numbers of the CPU; "0" tries the kernels
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# What accelerate's launcher would else print a note about.
LAUNCHER = ("--mixed_precision", "no", "--dynamo_backend", "no")

SPECIALTIES = ("cardiology", "neurology", "dermatology")
SUBJECTS = {
    "cardiology": ["angina", "heart failure", "atrial fibrillation", "myocarditis", "pericarditis", "shock"],
    "neurology": ["migraine", "epilepsy", "stroke", "multiple sclerosis", "meningitis", "neuropathy"],
    "dermatology": ["acne", "psoriasis", "eczema", "rosacea", "melanoma", "urticaria"],
}  # fmt: skip
QUESTIONS = ("What defines {}?", "Which drug is given first for {}?", "How does one recognise {} early?",
             "When does {} need urgent care?")  # fmt: skip


def pytest_addoption(parser) -> None:
    """`make faults` asks for all tests in full; `make test` takes a short version of them."""
    parser.addoption(
        "--whole", action="store_true", help="all faults and all long tests, with the faults' results as JSON"
    )


def pytest_configure(config) -> None:
    """Properties are tried on the same examples each time, so that who changed nothing breaks nothing."""
    global WHOLE
    WHOLE = config.getoption("--whole")
    hypothesis.settings.register_profile(
        "here", derandomize=not WHOLE, deadline=None, max_examples=examples(100)
    )
    hypothesis.settings.load_profile("here")


def examples(number: int) -> int:
    """How many examples a property is tried on: all in `make faults`, a fifth of them in `make test`."""
    return number if WHOLE else max(number // 5, 10)


WHOLE = False

# First the files that fork this process, as long as no other test has started threads in it. Then those that take
# longest, so that no process is left alone with one at the end; the SLURM tests mostly wait, while the others work.
FIRST = (
    "test_kill", "test_phases", "test_network", "test_bad_inputs", "test_two_processes", "test_library_warnings",
    "test_fuzz", "test_slurm", "test_trainer", "test_pipeline", "test_resume", "test_loop", "test_figures",
    "test_html", "test_review",
)  # fmt: skip


def pytest_collection_modifyitems(config, items) -> None:
    """Sort the files as in FIRST; `make test` leaves out what is marked as long."""
    rank = {name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
    for item in items if not config.getoption("--whole") else ():
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="only in make faults"))


# Drawing a figure takes longer than a training of the tiny model.
FIGURES = ("comparison_figure", "specialty_figure", "progress_figure", "training_figure")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)


@pytest.fixture(scope="session", autouse=True)
def whole_figures(whole) -> Iterator[Callable]:
    """Figures are one pixel, except in `make faults`, inside `with whole_figures():` and in new processes."""
    from medqa.report import plots

    drawing = {name: getattr(plots, name) for name in FIGURES}

    @contextlib.contextmanager
    def drawn() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, function in drawing.items():
                patch.setattr(plots, name, function)
            yield

    with pytest.MonkeyPatch.context() as patch:
        for name in FIGURES if not whole else ():
            patch.setattr(plots, name, lambda _, path, *more: path.write_bytes(PIXEL))
        yield drawn


@pytest.fixture(scope="session")
def whole(request) -> bool:
    """Whether all faults are wanted."""
    return request.config.getoption("--whole")


@pytest.fixture(scope="session")
def specialty_files(tmp_path_factory) -> Path:
    """A folder with three specialties of 24 pairs each."""
    folder = tmp_path_factory.mktemp("data")
    chance = random.Random(7)
    for specialty in SPECIALTIES:
        pairs = {
            question.format(
                subject
            ): f"{subject.capitalize()} is treated with {chance.randint(1, 90)} mg daily; "
            f"watch for {chance.choice(['fever', 'pain', 'cough'])} within {chance.randint(2, 9)} days."
            for subject in SUBJECTS[specialty]
            for question in QUESTIONS
        }
        path = folder / f"dataset_with_answers_{specialty}.json"
        path.write_text(json.dumps(pairs), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory, specialty_files) -> Path:
    """A random Llama of two layers (sizes in multiples of 64) with Llama-3's control tokens, as a folder."""
    import stages
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    stages.load_everything()  # and keep it out of the garbage collections of the tests
    folder = tmp_path_factory.mktemp("tiny") / "model"
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    core.train_from_iterator([path.read_text() for path in specialty_files.iterdir()], trainer)
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|start_header_id|>",
               "<|end_header_id|>", "<|eot_id|>"]  # fmt: skip
    core.add_special_tokens(special)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>"
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=512,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=64,
            max_position_embeddings=1024,
            initializer_range=0.2,
            bos_token_id=core.token_to_id("<|begin_of_text|>"),
            eos_token_id=core.token_to_id("<|end_of_text|>"),
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, specialty_files, tiny_model):
    """A folder after each of the three stages, each run as a process that nothing disturbed."""
    import stages

    return stages.undisturbed(tmp_path_factory.mktemp("stages"), specialty_files, tiny_model)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, specialty_files) -> Path:
    """Splits of the specialty files, 4 held out of each; not to be changed."""
    from config import DatasetConfig
    from dataset_preparation import create_datasets

    folder = tmp_path_factory.mktemp("prepared") / "datasets"
    create_datasets(
        DatasetConfig(DATA_DIR=str(specialty_files), OUTPUT_DIR=str(folder), HOLDOUT_SAMPLES_PER_SPECIALTY=4)
    )
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory, prepared, tiny_model) -> Path:
    """What the training of `config` leaves; not to be changed."""
    from fine_tuning import train

    return train(tiny_training(tmp_path_factory.mktemp("trained") / "results", prepared, tiny_model))


def tiny_training(output: Path, datasets: Path, model: Path):
    """A training: two epochs of six steps on the tiny model, in float32, so that numbers can be compared."""
    from config import TrainingConfig

    return TrainingConfig(
        MODEL_NAME=str(model), DATASET_DIR=str(datasets), OUTPUT_DIR=str(output),
        BASE_PRECISION="bf16", CPU_PRECISION="fp32", NUM_EPOCHS=2, BATCH_SIZE=2, GRADIENT_ACCUMULATION_STEPS=2, LEARNING_RATE=1e-2,
        EVAL_STEPS=2, SAVE_STEPS=2, SAVE_TOTAL_LIMIT=20,
    )  # fmt: skip


@pytest.fixture
def datasets(tmp_path, prepared) -> Path:
    """A copy of `prepared`."""
    return shutil.copytree(prepared, tmp_path / "datasets")


@pytest.fixture
def config(tmp_path, datasets, tiny_model):
    """The training of `tiny_training` into an empty folder."""
    return tiny_training(tmp_path / "results", datasets, tiny_model)


@pytest.fixture
def finished(config, trained) -> Path:
    """The output folder of `config` after its training."""
    return shutil.copytree(trained, Path(config.OUTPUT_DIR))


def adapter(folder: Path) -> dict:
    """The weights of an adapter."""
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def same(one: dict, other: dict) -> bool:
    """Whether two adapters are the same to the last bit."""
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


def close(one: dict, other: dict, tolerance: float) -> bool:
    """Whether two adapters are the same but for rounding."""
    return all((one[name] - other[name]).norm() <= tolerance * one[name].norm() + 1e-7 for name in one)


def run_script(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run one of the three scripts as a user does."""
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )


IN_TWO = ("--multi_gpu", "--num_processes", "2")
ONE_MACHINE = ("--num_machines", "1", "--main_process_port", "0")


def start_in_two(
    script: str, *arguments: str, launch: Sequence[str] = IN_TWO, machines: Sequence[str] = ONE_MACHINE
) -> subprocess.Popen:
    """Start one of the scripts in two processes, as on two cards; or what one of two machines runs of them."""
    return subprocess.Popen(
        [sys.executable, "-m", "accelerate.commands.launch", *launch, *LAUNCHER, *machines, script, *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def run_in_two(script: str, *arguments: str, launch: Sequence[str] = IN_TWO) -> subprocess.CompletedProcess:
    """Run one of the scripts in two processes to its end."""
    with start_in_two(script, *arguments, launch=launch) as process:
        try:
            told, errors = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, told, errors)
    done.stderr = without_hostname_warning(done.stderr)
    return done


def without_hostname_warning(errors: str) -> str:
    """Standard error without what torch prints where no server can resolve an address: without a network."""
    return re.sub(r"^\[W.*hostname of the client socket cannot.*\n", "", errors, flags=re.M)


@pytest.fixture
def with_wordnet(monkeypatch):
    """Where WordNet is: in NLTK_DATA or NLTK's own places; without it the test is skipped."""
    import nltk

    from medqa.metrics import wordnet

    # A copy of NLTK's list, put back afterwards: the other tests are to find what the machine itself has.
    monkeypatch.setattr(nltk.data, "path", list(nltk.data.path))
    if (place := wordnet.find_wordnet()) is None:
        pytest.skip("WordNet is not on this machine")
    return place
