"""Without a network all stages work, and nobody tries to reach one unless the user named something there.

Two machines that are connected with each other alone evaluate as one.
"""

import ctypes
import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import LAUNCHER
from faults_results import keep
from stages import EVALUATE, PREPARE, ROOT, TRAIN, copy, differences, left, run

# Every attempt to reach another machine fails, and is written down.
NO_NETWORK = """
import runpy, socket, sys
def fail(*arguments, **more):
    with open("attempts.txt", "a") as file:
        print(*arguments, file=file)
    raise OSError("no network here")
socket.getaddrinfo = socket.create_connection = fail
class NoSocket(socket.socket):
    def connect(self, address):
        return super().connect(address) if self.family == socket.AF_UNIX else fail(address)
    connect_ex = connect
socket.socket = NoSocket
script = sys.argv[1]
sys.argv = sys.argv[1:]
runpy.run_path(script, run_name="__main__")
"""


SWITCHES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


def online() -> dict[str, str]:
    """The environment without the switches that would forbid a request."""
    return {name: value for name, value in os.environ.items() if name not in SWITCHES} | {
        "OMP_NUM_THREADS": "1"
    }


@pytest.mark.long
def test_no_stage_tries_to_reach_the_network(undisturbed, whole):
    folder = copy(undisturbed.states["empty"], undisturbed.top / "offline")
    for line in (PREPARE, TRAIN, EVALUATE):
        done = subprocess.run(
            [sys.executable, "-c", NO_NETWORK, ROOT / line[0], *line[1:]],
            cwd=folder, env=online() | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    tried = (folder / "attempts.txt").read_text().splitlines() if (folder / "attempts.txt").exists() else []
    # WordNet is fetched where it is nowhere on the machine, and that is said before.
    assert not [one for one in tried if "githubusercontent" not in one], tried
    assert not tried or "Fetching WordNet" in done.stdout
    keep(whole, "offline", "sockets that fail", stages=3, attempts=0)
    assert not differences(left(folder), left(undisturbed.states["evaluate"]))


def allow_requests() -> None:
    """Take back the switches that forbid a request, in a process that has loaded the libraries."""
    import datasets
    from huggingface_hub import constants

    for name in SWITCHES:
        os.environ.pop(name, None)
    constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = False


def test_no_stage_opens_a_connection(undisturbed):
    """All three stages, by Python's own events, which no library can go around."""
    folder = copy(undisturbed.states["empty"], undisturbed.top / "no connection")
    attempts = folder.parent / "attempts.txt"

    def note(event: str, arguments: tuple) -> None:
        if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            with open(attempts, "a") as file:
                print(event, arguments, file=file)
            raise OSError("no network here")

    def watched() -> None:
        allow_requests()
        sys.addaudithook(note)

    for line in (PREPARE, TRAIN, EVALUATE):
        done = run(folder, line, watched)
        assert (done.code, done.err) == (0, ""), done
        tried = attempts.read_text().splitlines() if attempts.exists() else []
        assert not [one for one in tried if "githubusercontent" not in one], tried  # WordNet, said before
        assert not tried or "Fetching WordNet" in done.out


def without_a_route() -> None:
    """Move this process into a network namespace of its own, in which every address is out of reach."""
    allow_requests()
    new_network = 0x40000000  # CLONE_NEWNET of sched.h; os.unshare is there from Python 3.12 on
    if ctypes.CDLL(None, use_errno=True).unshare(new_network):
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket() as probe:
        assert probe.connect_ex(("192.0.2.1", 9)) == errno.ENETUNREACH


@pytest.fixture
def namespaces() -> None:
    """Skip where no network namespace can be made."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a network namespace can be made by root alone")
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("this machine makes no network namespace")


@pytest.mark.long
def test_all_stages_work_in_a_network_namespace_without_a_route(undisturbed, namespaces):
    folder = copy(undisturbed.states["empty"], undisturbed.top / "namespace")
    for line in (PREPARE, TRAIN, EVALUATE):
        done = run(folder, line, without_a_route)
        assert (done.code, done.err) == (0, ""), done
    assert not differences(left(folder), left(undisturbed.states["evaluate"]))


def test_all_stages_start_in_a_network_namespace_without_a_route(undisturbed, namespaces, whole):
    if not whole:
        pytest.skip("three processes that load all libraries: in make faults")
    folder = copy(undisturbed.states["empty"], undisturbed.top / "namespace of processes")
    for line in (PREPARE, TRAIN, EVALUATE):
        done = subprocess.run(
            ["unshare", "-n", sys.executable, ROOT / line[0], *line[1:]],
            cwd=folder, env=online(), capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    keep(whole, "offline", "namespace without a route", stages=3)


@pytest.fixture
def of_the_hub(tiny_model):
    """A model with an adapter whose base is named on the Hub."""
    from transformers import AutoModelForCausalLM

    from medqa.training.lora import add_lora

    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    base.name_or_path = base.config._name_or_path = "owner/base"
    return add_lora(base, 4, 8, 0.0, ("q_proj", "v_proj", "k_proj", "o_proj"))


def test_saving_an_adapter_or_a_checkpoint_asks_the_hub_nothing(of_the_hub, tmp_path, monkeypatch):
    import peft.utils.save_and_load as peft_saving

    from medqa.modeling.adapter import write_adapter
    from medqa.training.trainer import AnswerTrainer

    asked = []
    monkeypatch.setattr(peft_saving, "check_file_exists_on_hf_hub", lambda *names, **_: asked.append(names))
    of_the_hub.save_pretrained(tmp_path / "as peft does")
    assert asked == [("owner/base", "config.json")]  # what is to be kept from happening
    write_adapter(of_the_hub, tmp_path / "adapter")
    trainer = SimpleNamespace(
        args=SimpleNamespace(should_save=True, output_dir=""),
        accelerator=SimpleNamespace(unwrap_model=lambda model: model),
        model=of_the_hub,
    )
    AnswerTrainer._save(trainer, str(tmp_path / "checkpoint"))
    assert len(asked) == 1
    files = [
        {path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ("adapter", "checkpoint")
    ]
    assert files[0] == files[1] and "training_args.bin" not in files[0]


def test_an_adapter_has_the_same_bytes_in_every_process(of_the_hub, tmp_path):
    """peft keeps the names of layers in a set, whose order depends on the process."""
    import json

    from medqa.modeling.adapter import write_adapter

    write_adapter(of_the_hub, tmp_path)
    layers = json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"]
    assert layers == ["k_proj", "o_proj", "q_proj", "v_proj"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            [("model-1.safetensors", 9_000_000_000), ("model-2.safetensors", 7_100_000_000), ("old.bin", 1)],
            "16.1 GB",
        ),
        ([("pytorch_model.bin", 5)], "of unknown size"),
        (None, "of unknown size"),
    ],
)
def test_what_is_fetched_is_said_in_one_line(monkeypatch, capsys, files, told):
    from medqa.artifacts import hub

    def asked(name, sizes=False):
        if files is None:
            raise OSError("no internet")
        return [SimpleNamespace(rfilename=file, size=size) for file, size in files]

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    monkeypatch.setattr(hub, "files_of", asked)
    hub.announce("owner/base", "MODEL_NAME")
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(f"MODEL_NAME: downloading owner/base ({told})") and "--MODEL_NAME FOLDER" in line
    hub.announce(str(ROOT), "MODEL_NAME")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.announce("owner/base", "MODEL_NAME")
    assert capsys.readouterr().out == ""


def test_a_model_in_the_cache_is_not_called_fetched(monkeypatch, capsys, tmp_path):
    from huggingface_hub import constants

    from medqa.artifacts import hub

    snapshot = tmp_path / "models--owner--base" / "snapshots" / "1f"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").touch()
    (tmp_path / "models--owner--base" / "refs").mkdir()
    (tmp_path / "models--owner--base" / "refs" / "main").write_text("1f")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    if not hub.in_cache("owner/base"):  # the cache's place was read when the library was loaded
        monkeypatch.setattr(hub, "in_cache", lambda name: name == "owner/base")
    hub.announce("owner/base", "MODEL_NAME")
    assert "from the local cache of the Hub" in capsys.readouterr().out


# ---- hostile models and settings -------------------------------------------------------------------------


def mark(path: Path):
    """An object whose pickle makes a file when it is read."""

    class Mark:
        def __reduce__(self):
            return Path.touch, (path,)

    return Mark()


def test_a_pickle_in_an_encoder_runs_nothing(undisturbed, tmp_path):
    import torch

    from medqa.metrics.encoder import EncoderMissing, load_encoder

    folder = copy(undisturbed.states["empty"] / "model", tmp_path / "encoder")
    (folder / "model.safetensors").unlink()
    torch.save({"weights": mark(tmp_path / "ran")}, folder / "pytorch_model.bin")
    with pytest.raises(EncoderMissing):
        load_encoder(str(folder))
    assert not (tmp_path / "ran").exists()
    with pytest.raises(Exception, match="safetensors"):  # the base model is never read from one at all
        from medqa.modeling.base_model import BaseModel
        from medqa.modeling.device import Device
        from medqa.modeling.loading import load_base

        load_base(BaseModel(str(folder), "MODEL_NAME"), Device("cpu", "float32", ""), "bf16")
    assert not (tmp_path / "ran").exists()


def test_code_that_comes_with_a_model_is_not_run_and_nobody_is_asked(undisturbed, tmp_path, monkeypatch):
    import builtins
    import json

    from medqa.metrics import encoder
    from medqa.modeling import loading
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.device import Device
    from medqa.runtime.errors import UserError

    folder = copy(undisturbed.states["empty"] / "model", tmp_path / "model")
    (folder / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Mine: pass\n")
    settings = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "mine.Mine", "AutoModel": "mine.Mine", "AutoModelForCausalLM": "mine.Mine"}
    settings |= {"model_type": "mine", "auto_map": own}
    (folder / "config.json").write_text(json.dumps(settings))
    told = json.loads((folder / "tokenizer_config.json").read_text()) | {"tokenizer_class": "Mine"}
    told["auto_map"] = {"AutoTokenizer": ["mine.Mine", None]}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("the user was asked"))
    base = BaseModel(str(folder), "MODEL_NAME")
    for load in (
        lambda: base.model_config,
        lambda: base.tokenizer,
        lambda: loading.load_base(base, Device("cpu", "float32", ""), "bf16"),
        lambda: encoder.load_encoder(str(folder)),
    ):
        with pytest.raises(UserError):
            load()
    assert not (tmp_path / "ran").exists()


SECRETS = {"HF_TOKEN": "hf_PlantedSecretOfATest", "WANDB_API_KEY": "planted0wandb0key0of0a0test"}


def test_no_token_stands_in_any_output(undisturbed):
    folder = copy(undisturbed.states["empty"], undisturbed.top / "secrets")
    for line in (PREPARE, TRAIN, EVALUATE, (*EVALUATE, "--TEMPERATURE", "-5")):
        ended = run(folder, line, lambda: os.environ.update(SECRETS))
        assert not [secret for secret in SECRETS.values() if secret in ended.out + ended.err]
    searched = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(searched) > 40
    for path in searched:
        assert not [secret for secret in SECRETS.values() if secret.encode() in path.read_bytes()], path


@pytest.mark.parametrize(
    "token",
    ["<|eot_id|>", "<|im_start|>", "<|end_of_text|>", "<s>", "</s>", "<pad>", "<unk>", "[INST]", "[/INST]",
     "<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<｜end▁of▁sentence｜>"],
)  # fmt: skip
def test_a_control_token_of_any_family_is_text_in_a_question(token):
    """Also for a tokenizer that knows it: what stands in the prompt is no longer the token."""
    from tokenizers import Tokenizer, models

    from medqa.modeling.chat_template import neutralize_control_tokens

    tokenizer = Tokenizer(models.BPE({"a": 0}, []))
    tokenizer.add_special_tokens([token])
    known = tokenizer.token_to_id(token)
    assert known in tokenizer.encode(f"a{token}a").ids
    assert known not in tokenizer.encode(neutralize_control_tokens(f"a{token}a")).ids
    assert neutralize_control_tokens(neutralize_control_tokens(token)) == neutralize_control_tokens(token)


def test_what_only_resembles_a_control_token_stays():
    from medqa.modeling.chat_template import neutralize_control_tokens

    for text in ("5 < 6 | 7 > 2", "[ADHD]", "<sub>2</sub>", "a <| b |>", "p<0.05", "<so>", "[INSTR]"):
        assert neutralize_control_tokens(text) == text


# ---- several machines ------------------------------------------------------------------------------------

ADDRESSES = ("10.77.0.1", "10.77.0.2")
LAUNCH = (sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "2",
          "--num_processes", "2", "--main_process_ip", ADDRESSES[0], "--main_process_port", "29500", *LAUNCHER)  # fmt: skip


@pytest.fixture
def machines(whole) -> Iterator[tuple[str, str]]:
    """Two network namespaces, whose only connection is one with each other."""
    if not whole:
        pytest.skip("two launchers that load all libraries: in make faults")
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root, and ip of Debian's iproute2")
    names = (f"medqa-{os.getpid()}-0", f"medqa-{os.getpid()}-1")

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    try:
        for name in names:
            ip("netns", "add", name)
        ip(
            "link",
            "add",
            "veth",
            "netns",
            names[0],
            "type",
            "veth",
            "peer",
            "name",
            "veth",
            "netns",
            names[1],
        )
        for name, address in zip(names, ADDRESSES, strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "veth")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "veth", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name])


def test_two_machines_evaluate_as_one(undisturbed, machines):
    folder = copy(undisturbed.states["train"], undisturbed.top / "two machines")
    running = [
        subprocess.Popen(
            [
                "ip",
                "netns",
                "exec",
                name,
                *LAUNCH,
                "--machine_rank",
                str(rank),
                ROOT / EVALUATE[0],
                *EVALUATE[1:],
            ],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "veth"},
        )  # fmt: skip
        for rank, name in enumerate(machines)
    ]
    try:
        printed = [machine.communicate(timeout=300)[0] for machine in running]
    finally:
        for machine in running:
            machine.kill()
    assert [machine.returncode for machine in running] == [0, 0], printed
    assert "2 processes" in printed[0]
    for name in ("base_model_results.csv", "finetuned_model_results.csv", "model_comparison.csv"):
        made, alone = (
            place / "evaluation_results" / name for place in (folder, undisturbed.states["evaluate"])
        )
        assert made.read_bytes() == alone.read_bytes(), name
