"""How long dataset_preparation.py takes, how much memory, and whether it finds what is planted.

    python benchmarks/preparation.py                        # 10,000, 100,000 and 1,000,000 pairs
    python benchmarks/preparation.py --pairs 10000

Makes 42 specialty files, 1 % of whose questions are near-duplicates of another question, runs the script on
them as a user would, adds near-duplicates of holdout and eval questions to the files, and runs it again with
larger shares. The results go to benchmarks/preparation.json.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from medqa.data.near_duplicates import jaccard  # noqa: E402
from medqa.data.normal_form import normal_form  # noqa: E402
from medqa.data.similarity_join import THRESHOLD  # noqa: E402

RESULTS = ROOT / "benchmarks" / "preparation.json"
SPECIALTIES = 42
PLANTED = 0.01

ONSETS = [
    "b",
    "c",
    "d",
    "f",
    "g",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "z",
    "br",
    "cl",
    "dr",
    "fr",
    "gl",
    "pr",
    "st",
    "tr",
    "th",
    "ch",
    "ph",
]
VOWELS = ["a", "e", "i", "o", "u", "ae", "ia", "io"]
ENDINGS = [
    "osis",
    "itis",
    "oma",
    "emia",
    "pathy",
    "algia",
    "plegia",
    "ectasia",
    "trophy",
    "penia",
    "uria",
    "edema",
]
DRUG_ENDINGS = [
    "olol",
    "pril",
    "sartan",
    "statin",
    "mab",
    "nib",
    "cillin",
    "azole",
    "prazole",
    "gliptin",
    "oxacin",
    "tidine",
]
GROUPS = [
    "adults",
    "children",
    "infants",
    "pregnant women",
    "older people",
    "smokers",
    "athletes",
    "people with diabetes",
    "people on dialysis",
    "people after a transplant",
    "people with asthma",
    "breastfeeding women",
]
# Template → weight. {d} disease, {e} another one, {m} drug, {s} symptom, {g} group of people, {n} number.
TEMPLATES = {
    "What are the symptoms of {d}?": 5,
    "What causes {d}?": 3,
    "How to diagnose {d} in {g}?": 3,
    "What are the treatments for {d}?": 5,
    "Is {d} inherited?": 1,
    "What is the outlook for {d}?": 1,
    "What are the genetic changes related to {d}?": 2,
    "What research (or clinical trials) is being done for {d}?": 1,
    "Can {m} cause {s} in {g} who also have {d}?": 8,
    "What is the usual dose of {m} for {d} in {g} with {s}?": 8,
    "A {n}-year-old with {d} and {s} takes {m}; which tests should be done before {e} is ruled out?": 8,
    "Does {m} lower the risk of {e} in {g} with {d}, compared with placebo?": 8,
    "Which signs tell {d} from {e} when {s} is present?": 6,
    "How long after the start of {m} does {s} from {d} improve?": 6,
}


def words_of_medicine(random_state: random.Random) -> dict[str, list[str]]:
    """Made-up diseases, drugs and symptoms: one to three words each."""

    def stem(syllables: int) -> str:
        return "".join(random_state.choice(ONSETS) + random_state.choice(VOWELS) for _ in range(syllables))

    def disease() -> str:
        name = stem(random_state.choice((1, 2, 2, 3))) + random_state.choice(ENDINGS)
        kind = random_state.random()
        if kind < 0.3:
            return f"{stem(2)} {name}"
        return f"{name} type {random_state.randint(1, 9)}" if kind < 0.4 else name

    symptoms = ("pain", "loss", "rash", "fever")
    return {
        "d": [disease() for _ in range(60_000)],
        "m": [stem(2) + random_state.choice(DRUG_ENDINGS) for _ in range(4_000)],
        "s": [f"{stem(2)} {random_state.choice(symptoms)}" for _ in range(800)],
        "w": [stem(random_state.choice((1, 1, 2, 3))) for _ in range(30_000)],
    }


def drawn(words: list[str], random_state: random.Random) -> str:
    """One of `words`, the first ones far more often: half of all draws fall on the first quarter."""
    return words[int(len(words) * random_state.random() ** 2)]


def questions(number: int, seed: int) -> Iterator[str]:
    """Distinct questions from templates, with as many slots as the templates of real collections have."""
    random_state = random.Random(seed)
    words = words_of_medicine(random_state)
    templates = [template for template, weight in TEMPLATES.items() for _ in range(weight)]
    seen: set[str] = set()
    while len(seen) < number:
        question = random_state.choice(templates).format(
            d=drawn(words["d"], random_state),
            e=drawn(words["d"], random_state),
            m=drawn(words["m"], random_state),
            s=drawn(words["s"], random_state),
            g=random_state.choice(GROUPS),
            n=random_state.randint(18, 95),
        )
        if question not in seen:
            seen.add(question)
            yield question


def near_copy(question: str, random_state: random.Random) -> str | None:
    """`question` with one word more, less or other, as a near-duplicate; None if it is too short."""
    words = question.split()
    for _ in range(4):
        at = random_state.randrange(len(words))
        word = random_state.choice(("usually", "first", "often", "severe"))
        copies = (["Please:", *words], words[1:], [*words[:-1], word + "?"], [*words[:at], word, *words[at:]])
        copy = " ".join(random_state.choice(copies))
        first, second = normal_form(question), normal_form(copy)
        if first != second and jaccard(first, second) >= THRESHOLD:
            return copy
    return None


def answers(seed: int) -> Iterator[str]:
    """Endless answers of about the lengths of MedQuAD's: a median of 900 characters, a long tail."""
    random_state = random.Random(seed)
    words = words_of_medicine(random_state)
    sentences = [
        " ".join(random_state.choices(words["w"], k=random_state.randint(8, 24))).capitalize() + "."
        for _ in range(20_000)
    ]
    while True:
        number = max(1, min(60, round(random_state.lognormvariate(1.9, 0.8))))
        yield " ".join(random_state.choices(sentences, k=number))


def make_files(folder: Path, number: int, seed: int = 1) -> list[tuple[str, str]]:
    """Write the specialty files, and return the planted near-duplicates as pairs of questions."""
    random_state = random.Random(seed)
    originals = list(questions(number - int(number * PLANTED), seed))
    planted: list[tuple[str, str]] = []
    known = set(originals)
    while len(planted) < int(number * PLANTED):
        original = random_state.choice(originals)
        copy = near_copy(original, random_state)
        if copy is not None and copy not in known:
            known.add(copy)
            planted.append((original, copy))
    answer = answers(seed)
    files: list[dict[str, str]] = [{} for _ in range(SPECIALTIES)]
    for question in [*originals, *(copy for _, copy in planted)]:
        random_state.choice(files)[question] = next(answer)
    folder.mkdir(parents=True)
    for index, pairs in enumerate(files):
        write_file(folder, index, pairs)
    return planted


def write_file(folder: Path, index: int, pairs: dict[str, str]) -> None:
    """Write the file of one specialty."""
    path = folder / f"dataset_with_answers_specialty_{index:02d}.json"
    path.write_text(json.dumps(pairs, ensure_ascii=False), encoding="utf-8")


# ---- measuring ---------------------------------------------------------------------------------------


# Started between this process and the script: a process begins with the peak of the one that started it.
LAUNCHER = """
import json, resource, subprocess, sys, time
begun = time.monotonic()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
seconds, usage = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
if done.returncode:
    sys.exit(f"dataset_preparation.py ended with status {done.returncode}: {done.stderr[-2000:]}")
print(json.dumps([seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9]))
"""


def run_script(*arguments: str) -> dict[str, float]:
    """Run dataset_preparation.py in a process of its own: seconds, and the peak of its memory in GB."""
    script = [sys.executable, str(ROOT / "dataset_preparation.py"), *arguments]
    launched = subprocess.run([sys.executable, "-c", LAUNCHER, *script], stdout=subprocess.PIPE, check=True)
    seconds, cpu_seconds, peak = json.loads(launched.stdout)
    return {"seconds": round(seconds, 1), "cpu_seconds": round(cpu_seconds, 1), "peak_gb": round(peak, 2)}


def sides(output: Path) -> dict[str, str]:
    """Normal form of each question → the side it is on: holdout, eval, or train and pool."""
    from datasets import load_from_disk

    folders = {"holdout_dataset": "holdout", "eval_dataset": "eval"}
    folders |= {"train_dataset": "train+pool", "eval_pool_dataset": "train+pool"}
    return {
        normal_form(question): side
        for name, side in folders.items()
        for question in load_from_disk(str(output / name))["question"]
    }


def measure(number: int, folder: Path) -> dict[str, object]:
    """Prepare `number` pairs, then again with near-duplicates of holdout and eval questions and more data."""
    data, output = folder / "data", folder / "datasets"
    planted = make_files(data, number)
    first = run_script("--DATA_DIR", str(data), "--OUTPUT_DIR", str(output))
    side = sides(output)
    apart = sum(side[normal_form(a)] != side[normal_form(b)] for a, b in planted)

    manifest = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
    random_state = random.Random(2)
    held = [form for form, where in side.items() if where != "train+pool"]
    random_state.shuffle(held)
    copies = [near_copy(form, random_state) for form in held[: number // 100]]
    late = sorted({copy for copy in copies if copy is not None and normal_form(copy) not in side})
    write_file(data, SPECIALTIES, {question: f"A late answer to it: {question}" for question in late})
    second = run_script(
        "--DATA_DIR", str(data), "--OUTPUT_DIR", str(output), "--INITIAL_TRAIN_PERCENTAGE", "0.8"
    )
    lines = (output / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    refused = {line["question"] for line in map(json.loads, lines) if line["reason"].startswith("near-dup")}
    after = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
    constant = all(
        after["outputs"][name] == value
        for name, value in manifest["outputs"].items()
        if name.startswith(("holdout_dataset/", "eval_dataset/"))
    )
    third = run_script(
        "--DATA_DIR", str(data), "--OUTPUT_DIR", str(output), "--INITIAL_TRAIN_PERCENTAGE", "0.8"
    )
    return {
        "pairs": number,
        "input_gb": round(sum(path.stat().st_size for path in data.iterdir()) / 1e9, 2),
        "first": first,
        "iteration": second,
        "up_to_date": third,
        "planted": len(planted),
        "planted_on_two_sides": apart,
        "planted_late": len(late),
        "planted_late_not_refused": len(set(late) - refused),
        "holdout_and_eval_unchanged": constant,
    }


def main() -> None:
    """Measure all sizes and write the results."""
    parser = argparse.ArgumentParser(description="Measure dataset_preparation.py.")
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    results = []
    for number in arguments.pairs:
        folder = Path(tempfile.mkdtemp(prefix="preparation_"))
        try:
            results.append(measure(number, folder))
        finally:
            shutil.rmtree(folder)
        print(json.dumps(results[-1]), flush=True)
    text = json.dumps({"cpus": os.cpu_count(), "results": results}, indent=2)
    arguments.results.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
