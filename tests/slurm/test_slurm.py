"""launch/slurm on a real SLURM: a controller and two nodes on this machine, started as root for the test.

Skipped where slurmctld, slurmd and munged are not installed (Debian: slurm-wlm, munge), by another user, and where
127.0.0.1 is the machine's only address (SLURM resolves none then).
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT

import evaluation
from config import EvaluationConfig

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")


def resolves_addresses() -> bool:
    """Whether SLURM can resolve 127.0.0.1 here: it asks for addresses of a kind that this machine has."""
    try:
        return bool(socket.getaddrinfo("127.0.0.1", 1, family=socket.AF_INET, flags=socket.AI_ADDRCONFIG))
    except socket.gaierror:
        return False


pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or any(shutil.which(name) is None for name in PROGRAMS) or not resolves_addresses(),
    reason="needs root, the packages slurm-wlm and munge, and an address besides 127.0.0.1",
)
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/controller.log
SlurmdLogFile={folder}/%n.log
SlurmctldPort={ports[0]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=100000
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2
PartitionName=main Nodes=ALL Default=YES State=UP
"""
SITE = """
PARTITION=main ACCOUNT="" GPUS=0 NODES=2 SHARDS=4 HOURS=1 CPUS=1
setup() {{ export PATH={bin}:$PATH HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1; }}
PREPARE=(--DATA_DIR {data} --OUTPUT_DIR "data sets" --HOLDOUT_SAMPLES_PER_SPECIALTY 10)
TRAIN=(--MODEL_NAME {model} --DATASET_DIR "data sets" --OUTPUT_DIR results --NUM_EPOCHS 1 --CPU_PRECISION fp32)
EVALUATE=(--BASE_MODEL_PATH {model} --FINETUNED_MODEL_PATH results --DATASET_DIR "data sets" --OUTPUT_DIR evaluated
    --MAX_NEW_TOKENS 800 --CPU_PRECISION fp32 --BERTSCORE_MODEL "" --AUTO_BATCH_SIZE False --BATCH_SIZE 1)
LAUNCH=()
"""


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Callable[..., str]]:
    """Runs a command of SLURM in the test's cluster, and returns what it prints."""
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool-node1", "spool-node2", "munge"):
        (folder / name).mkdir()
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o711)  # munged refuses a socket that others cannot reach
    (folder / "munge/key").write_bytes(os.urandom(128))
    (folder / "munge/key").chmod(0o400)
    settings = {"host": socket.gethostname().split(".")[0], "folder": folder, "ports": free_ports(3)}
    (folder / "slurm.conf").write_text(CONFIGURATION.format(**settings))
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}

    def run(*command: object, cwd: Path = folder) -> str:
        done = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, env=environment, cwd=cwd, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    files = {name: folder / "munge" / name for name in ("key", "socket", "pid", "log", "seed")}
    run("munged", "--force", f"--key-file={files['key']}", f"--socket={files['socket']}",
        f"--pid-file={files['pid']}", f"--log-file={files['log']}", f"--seed-file={files['seed']}")  # fmt: skip
    run("slurmctld", "-c")
    for node in ("node1", "node2"):
        run("slurmd", "-N", node)
    wait_for(lambda: run("sinfo", "--noheader", "--format", "%T").split() == ["idle"], "idle nodes", 30)
    yield run
    run("scancel", "--user", "root")
    for path in (*folder.glob("*.pid"), files["pid"]):
        os.kill(int(path.read_text()), 15)


@pytest.fixture
def checkout(tmp_path, specialty_files, tiny_model) -> Path:
    """A copy of the repository whose site.sh names the test's cluster, data and model."""
    copy = tmp_path / "the repository"
    copy.mkdir()
    names = ["medqa", "launch", "config.py", "dataset_preparation.py", "fine_tuning.py", "evaluation.py"]
    for name in names:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copy / name)
    settings = {"bin": Path(sys.executable).parent, "data": specialty_files, "model": tiny_model}
    (copy / "launch/slurm/site.sh").write_text(SITE.format(**settings))
    return copy


def wait_for(condition: Callable[[], object], what: str, seconds: float = 300) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} after {seconds:.0f} s"
        time.sleep(0.3)


def logs(folder: Path) -> str:
    """What all jobs printed."""
    return "\n".join(path.read_text(errors="replace") for path in sorted((folder / "logs").glob("*")))


def start_soon(cluster: Callable[..., str], held: dict[str, float]) -> None:
    """Start the jobs that SLURM holds back for two minutes after they were queued again, after five seconds.

    A job that starts within the second in which it was requeued is refused by its node: "credential revoked".
    """
    now = time.monotonic()
    for job in cluster("squeue", "--noheader", "--array", "--format", "%i %r").splitlines():
        number, reason = job.split(maxsplit=1)
        if reason != "BeginTime":
            held.pop(number, None)
        elif now - held.setdefault(number, now) > 5:
            cluster("scontrol", "update", f"job={number}", "StartTime=now")


def requeues(folder: Path) -> int:
    """How often a job was stopped and queued again."""
    return logs(folder).count("queued again")


def answers(folder: Path) -> list[str]:
    """The keys of all answers that are stored, with repetitions."""
    files = (folder / "evaluated/predictions").rglob("*.jsonl")
    lines = [line for path in files if "losses" not in path.name for line in path.read_text().splitlines()]
    return [json.loads(line)["key"] for line in lines if line.endswith("}")]


@pytest.mark.long
def test_the_pipeline_survives_requeues_and_a_drained_node(cluster, checkout):
    wanted, held_out = 20, 10
    submitted = cluster("bash", "launch/slurm/pipeline.sh", cwd=checkout)
    _, train, evaluate, _ = re.findall(r"\d+(?=,| \(|$)", submitted.splitlines()[0])

    def running(job: str) -> list[str]:
        found = cluster("squeue", "--noheader", "--array", "--states", "RUNNING", "--format", "%i")
        return [name for name in found.split() if name.split("_")[0] == job]

    wait_for(lambda: running(train), "training")
    cluster("scancel", "--signal=USR1", "--batch", train)
    before, held, drained = 0, {}, False

    def has_new_answer() -> bool:
        start_soon(cluster, held)
        return len(answers(checkout)) > before or not cluster("squeue", "--noheader")

    while requeues(checkout) < wanted and cluster("squeue", "--noheader"):
        wait_for(has_new_answer, "new answer")
        before, known = len(answers(checkout)), requeues(checkout)
        for job in running(evaluate)[:1]:
            cluster("scancel", "--signal=USR1", "--batch", job)
            wait_for(
                lambda job=job, known=known: requeues(checkout) > known or job not in running(evaluate), "end"
            )
        if requeues(checkout) >= 2 and not drained:
            cluster("scontrol", "update", "nodename=node1", "state=drain", "reason=test")
            drained = True

    def is_over() -> bool:
        start_soon(cluster, held)
        return not cluster("squeue", "--noheader")

    wait_for(is_over, "end of all jobs", 900)
    assert drained
    cluster("scontrol", "update", "nodename=node1", "state=resume")
    text = logs(checkout)
    assert "FAILED" not in text and requeues(checkout) >= wanted, text
    for stage in ("dataset_preparation.py", "fine_tuning.py", "evaluation.py"):
        assert f"{stage} is done" in text
    keys = answers(checkout)
    assert len(keys) == len(set(keys)) == 2 * 3 * held_out, "answers were lost and made again"
    compare_with_one_run(checkout)


def compare_with_one_run(checkout: Path) -> None:
    """The scored tables are those of an evaluation that was not divided."""
    record = json.loads((checkout / "evaluated/manifest.json").read_text())["settings"]
    settings = record["default"] | record["given"] | {"OUTPUT_DIR": str(checkout / "whole")}
    for name in ("DATASET_DIR", "FINETUNED_MODEL_PATH"):
        settings[name] = str(checkout / settings[name])
    evaluation.evaluate(EvaluationConfig(**settings))
    for name in ("base_model_results.csv", "finetuned_model_results.csv", "model_comparison.csv"):
        assert (checkout / "evaluated" / name).read_bytes() == (checkout / "whole" / name).read_bytes()


def test_a_stage_that_fails_is_named_and_the_later_ones_are_removed(cluster, checkout):
    site = checkout / "launch/slurm/site.sh"
    site.write_text(site.read_text().replace("--HOLDOUT_SAMPLES_PER_SPECIALTY 10", "--HOLDOUT 10"))
    cluster("bash", "launch/slurm/pipeline.sh", cwd=checkout)
    wait_for(lambda: not cluster("squeue", "--noheader"), "end of all jobs")
    text = logs(checkout)
    assert "dataset_preparation.py FAILED with exit code 2" in text
    assert "HOLDOUT_SAMPLES_PER_SPECIALTY" in text  # the reason, with the name that was meant
    assert [path.name.split("-")[1] for path in (checkout / "logs").glob("*")] == ["prepare"]
