"""Does more data where the advice asks for it help there? Two rounds of all three stages, needs known.

    python benchmarks/loop.py               # writes benchmarks/loop.json, about 8 minutes of one core
    python benchmarks/loop.py --seeds 1     # a look; writes nothing

The task: each of 8 specialties has 80 pairs, "What is given first against NAME" → two words. In five of them
they are 10 facts asked in eight ways: half of the data shows every fact. In three they are 40 facts asked in
two ways: a holdout question can be answered only when the one other pair about its fact is in train. These
three are **truly short of data**; nothing tells the pipeline so.

A seed is a task and a run of the three stages: prepare with half of the data, train, evaluate, apply the
recommendations, train anew, evaluate. A second arm spreads as many new pairs evenly over all specialties. The
base model is a Llama of two layers that has learnt the form of questions and answers from other names. Scores
are the tuned model's on the holdout (ROUGE-L of two words: 0, 0.5 or 1). Intervals are Student's over seeds.
"""

import argparse
import contextlib
import io
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent))

from config import DatasetConfig, EvaluationConfig, TrainingConfig
from dataset_preparation import update_training_data
from evaluation import evaluate
from fine_tuning import train
from medqa.analysis.significance import t_interval
from medqa.artifacts import run_manifest
from medqa.modeling.chat_template import apply_chat_template

SEEDS = 6
SHORT, COVERED = 3, 5
WAYS = (
    "Which cure is called for by {}", "What is given first against {}", "Name the usual remedy of {}",
    "How do you treat {}", "What should patients receive for {}", "Please tell me what helps in {}",
    "Prescribe something that relieves {}", "Doctors choose which therapy for {}",
)  # fmt: skip
# (facts, ways to ask each): both make 80 pairs, 20 of them in the holdout.
SHORT_FACTS, COVERED_FACTS = (40, 2), (10, 8)
HOLDOUT, START = 20, 0.5
ANSWER_WORDS = 30
EPOCHS = 25
# The base model has read as many facts, in so many steps of 32.
KNOWN_FACTS, BASE_STEPS = 200, 400
SYSTEM = "Answer."
LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]


def words(chance: random.Random, number: int, syllables: int) -> list[str]:
    """Distinct words that mean nothing."""
    found: dict[str, None] = {}
    while len(found) < number:
        found["".join(chance.choices(SYLLABLES, k=syllables))] = None
    return list(found)


def vocabulary() -> tuple[list[str], list[str], list[str]]:
    """Names for the facts of the task, names that the base model has read of, and the words of answers."""
    chance = random.Random(0)
    facts = SHORT * SHORT_FACTS[0] + COVERED * COVERED_FACTS[0]
    names = words(chance, facts + KNOWN_FACTS, 3)
    return names[:facts], names[facts:], words(chance, ANSWER_WORDS, 2)


def write_task(folder: Path, seed: int) -> list[str]:
    """Write the specialty files; returns the names of the specialties that are truly short of data."""
    chance = random.Random(seed)
    names, _, answers = vocabulary()
    chance.shuffle(names)
    kinds = [SHORT_FACTS] * SHORT + [COVERED_FACTS] * COVERED
    chance.shuffle(kinds)
    short = []
    folder.mkdir(parents=True)
    for number, (facts, ways) in enumerate(kinds):
        specialty = f"specialty_{number:02d}"
        pairs = {}
        for _ in range(facts):
            name, answer = names.pop(), " ".join(chance.sample(answers, 2))
            pairs |= {way.format(name): answer for way in chance.sample(WAYS, ways)}
        path = folder / f"dataset_with_answers_{specialty}.json"
        path.write_text(json.dumps(pairs, indent=1), encoding="utf-8")
        if facts == SHORT_FACTS[0]:
            short.append(specialty)
    return short


def batch(tokenizer: Any, facts: dict[str, str], chance: random.Random) -> tuple[Any, Any]:
    """Token ids and labels of 32 questions about different facts, both int64 [32, longest]."""
    import torch

    texts = [(chance.choice(WAYS).format(name), facts[name]) for name in chance.sample(list(facts), 32)]
    ids, labels = [], []
    for question, answer in texts:
        prompt, whole = (
            tokenizer(apply_chat_template(question, text, SYSTEM), add_special_tokens=False)["input_ids"]
            for text in (None, answer)
        )
        ids.append(whole)
        labels.append([-100] * len(prompt) + whole[len(prompt) :])
    longest = max(map(len, ids))
    padded = [
        [row + [fill] * (longest - len(row)) for row in rows] for rows, fill in ((ids, 0), (labels, -100))
    ]
    return torch.tensor(padded[0]), torch.tensor(padded[1])


def write_base(folder: Path) -> float:
    """A Llama of two layers that knows how questions are answered, about names that the task does not have.

    Returns:
        its last loss per answer token (nats).
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    unseen, known, answers = vocabulary()
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=3000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    # Each word often enough to become one token.
    core.train_from_iterator([" " + " ".join([*unseen, *known, *answers, *WAYS])] * 10, trainer)
    core.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>",
                             "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"])  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>"
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=3072, hidden_size=128, intermediate_size=256, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=256,
            bos_token_id=core.token_to_id("<|begin_of_text|>"),
            eos_token_id=core.token_to_id("<|end_of_text|>"),
        )
    )  # fmt: skip
    # Frozen random embeddings: names that are known and names that are new look alike to the layers.
    embeddings = model.model.embed_tokens.weight
    torch.nn.init.normal_(embeddings, std=0.5)
    embeddings.requires_grad_(False)
    chance = random.Random(1)
    facts = {name: " ".join(chance.sample(answers, 2)) for name in known}
    optimizer = torch.optim.AdamW(
        [w for w in model.parameters() if w.requires_grad], lr=3e-3, weight_decay=0.0
    )
    loss = torch.zeros(())
    for _ in range(BASE_STEPS):
        ids, labels = batch(tokenizer, facts, chance)
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return loss.item()


class Loop:
    """One seed: its task, and the stages with the settings that all rounds share."""

    def __init__(self, folder: Path, base: Path, seed: int) -> None:
        self.folder, self.base, self.seed = folder, str(base), seed
        self.short = write_task(folder / "data", seed)

    def prepare(
        self, datasets: str, recommendations: str = "", shares: dict[str, float] | None = None
    ) -> dict[str, int]:
        """Stage 1; returns the number of training pairs by specialty."""
        config = DatasetConfig(
            DATA_DIR=str(self.folder / "data"), OUTPUT_DIR=str(self.folder / datasets), EVAL_SPLIT_SIZE=0.0,
            HOLDOUT_SAMPLES_PER_SPECIALTY=HOLDOUT, INITIAL_TRAIN_PERCENTAGE=START, SYSTEM_MESSAGE=SYSTEM,
            RANDOM_SEED=self.seed, RECOMMENDATIONS=recommendations,
        )  # fmt: skip
        update_training_data(config, shares or {})
        return run_manifest.read_manifest(self.folder / datasets)["train_samples"]

    def train_and_evaluate(self, arm: str) -> tuple[dict[str, Any], dict[str, float]]:
        """Stages 2 and 3; returns the advice, and the tuned model's primary score by specialty."""
        data, results = str(self.folder / f"datasets{arm}"), str(self.folder / f"results{arm}")
        output = self.folder / f"evaluation{arm}"
        train(
            TrainingConfig(
                MODEL_NAME=self.base, DATASET_DIR=data, OUTPUT_DIR=results, BASE_PRECISION="bf16",
                LORA_RANK=64, LORA_ALPHA=64, LORA_TARGET_MODULES=LAYERS, NUM_EPOCHS=EPOCHS, BATCH_SIZE=16,
                GRADIENT_ACCUMULATION_STEPS=1, LEARNING_RATE=4e-3, MAX_GRAD_NORM=1e9, SEED=self.seed,
                SAVE_STEPS=1_000_000,
            )
        )  # fmt: skip
        advice = evaluate(
            EvaluationConfig(
                BASE_MODEL_PATH=self.base, FINETUNED_MODEL_PATH=results, DATASET_DIR=data,
                OUTPUT_DIR=str(output), MAX_NEW_TOKENS=8, TEMPERATURE=0.0, BERTSCORE_MODEL="",
                PRIMARY_METRICS=("ROUGE-L",), SEED=self.seed,
            )
        )  # fmt: skip
        table = pd.read_csv(output / "specialty_performance.csv").set_index("specialty")
        return advice, table["primary_score_finetuned"].to_dict()


def one_seed(folder: Path, base: Path, seed: int) -> dict[str, Any]:
    """Both rounds, and the arm with as many new pairs spread evenly."""
    loop = Loop(folder, base, seed)
    pairs = loop.prepare("datasets")
    advice, first = loop.train_and_evaluate("")
    for name in ("datasets", "evaluation"):
        shutil.copytree(folder / name, folder / f"{name} even")
    grown = loop.prepare("datasets", str(folder / "evaluation" / "training_recommendations.json"))
    _, second = loop.train_and_evaluate("")
    new = sum(grown.values()) - sum(pairs.values())
    share = START + new / len(pairs) / (SHORT_FACTS[0] * SHORT_FACTS[1] - HOLDOUT)
    spread = loop.prepare("datasets even", shares=dict.fromkeys(pairs, share))
    _, even = loop.train_and_evaluate(" even")

    def mean(scores: dict[str, float], names: Iterable[str]) -> float:
        return round(float(np.mean([scores[name] for name in names])), 4)

    rest = [name for name in pairs if name not in loop.short]
    rounds = {"first": first, "second": second, "second, spread evenly": even}
    return {
        "seed": seed,
        "short": loop.short,
        "recommended": list(advice["recommended_sample_increases"]),
        "grown": [name for name in pairs if grown[name] > pairs[name]],
        "new_pairs": new,
        "new_pairs_spread_evenly": sum(spread.values()) - sum(pairs.values()),
        "scores": {
            name: {"short": mean(scores, loop.short), "rest": mean(scores, rest), "all": mean(scores, pairs)}
            for name, scores in rounds.items()
        },
    }


def interval(values: Iterable[float]) -> dict[str, float]:
    """Mean over seeds with Student's 95 % interval."""
    numbers = np.array(list(values))
    error = numbers.std(ddof=1) / np.sqrt(len(numbers))
    low, high = t_interval(numbers.mean(), error, len(numbers) - 1)
    return {
        "mean": round(float(numbers.mean()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }


def summary(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """What the seeds say together."""

    def gain(seed: dict[str, Any], group: str, arm: str = "second") -> float:
        return seed["scores"][arm][group] - seed["scores"]["first"][group]

    even = "second, spread evenly"
    asked = sum(len(seed["recommended"]) for seed in seeds)
    right = sum(len(set(seed["recommended"]) & set(seed["short"])) for seed in seeds)
    return {
        "recommended": asked,
        "recommended_and_short": right,
        "short_found": round(right / sum(len(seed["short"]) for seed in seeds), 3),
        "grown_only_where_recommended": all(set(s["grown"]) == set(s["recommended"]) for s in seeds),
        "gain_short": interval(gain(seed, "short") for seed in seeds),
        "gain_rest": interval(gain(seed, "rest") for seed in seeds),
        "gain_short_minus_rest": interval(gain(seed, "short") - gain(seed, "rest") for seed in seeds),
        "gain_all": interval(gain(seed, "all") for seed in seeds),
        "gain_short_spread_evenly": interval(gain(seed, "short", even) for seed in seeds),
        "gain_rest_spread_evenly": interval(gain(seed, "rest", even) for seed in seeds),
        "gain_short_minus_rest_spread_evenly": interval(
            gain(seed, "short", even) - gain(seed, "rest", even) for seed in seeds
        ),
        "gain_all_spread_evenly": interval(gain(seed, "all", even) for seed in seeds),
        "gain_short_minus_spread_evenly": interval(
            gain(seed, "short") - gain(seed, "short", even) for seed in seeds
        ),
    }


def main() -> None:
    """Run the seeds, print each and what they say together, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    number = parser.parse_args().seeds
    started, cpu = time.monotonic(), time.process_time()
    seeds = []
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        base = Path(folder) / "base"
        base_loss = write_base(base)
        for seed in range(number):
            seeds.append(one_seed(Path(folder) / str(seed), base, seed))
            print(json.dumps(seeds[-1]), flush=True)
    if number < 2:
        return
    result = {
        "summary": summary(seeds),
        "seeds": seeds,
        "base_loss": round(base_loss, 4),
        "seconds": round(time.monotonic() - started),
        "processor_seconds": round(time.process_time() - cpu),
        "versions": run_manifest.versions(),
    }
    print(json.dumps(result["summary"], indent=1))
    if number == SEEDS:
        text = json.dumps(result, indent=1, allow_nan=False)
        Path(__file__).with_suffix(".json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
