"""Does the memory stay flat and the time linear with many pairs and many questions?

    python benchmarks/load.py            # about 35 minutes on two cores, writes load.json
    python benchmarks/load.py --pairs 20000 --questions 5000

Preparation reads synthetic pairs in 42 files; an evaluation answers questions with a random
Llama of two layers and a random adapter, 4 tokens each, without BERTScore. Each is a process of its own,
whose wall clock, processor time and highest memory are taken.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPECIALTIES = 42
SYLLABLES = ("ka", "lo", "mi", "ne", "ru", "sta", "vo", "pre", "tin", "gal", "der", "mo", "phi", "cys")


def make_pairs(folder: Path, pairs: int, seed: int = 5) -> None:
    """Write `pairs` question-answer pairs of made-up words into 42 files, answers of about 60 words."""
    chance = random.Random(seed)
    words = sorted({"".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))) for _ in range(20_000)})
    folder.mkdir(parents=True)
    for number in range(SPECIALTIES):
        count = pairs // SPECIALTIES + (number < pairs % SPECIALTIES)
        content = {
            f"What does {' '.join(chance.choices(words, k=8))} mean?": " ".join(
                [*chance.choices(words, k=chance.randint(20, 98)), f"{chance.randint(1, 900)} mg daily."]
            )
            for _ in range(count)
        }
        path = folder / f"dataset_with_answers_field{number:02d}.json"
        path.write_text(json.dumps(content), encoding="utf-8")


def measured(*line: str) -> dict[str, float]:
    """Run a script; its wall clock and processor time in seconds, and its highest memory in MB."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, *line], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(line)} ended with {os.waitstatus_to_exitcode(status)}")
    return {
        "seconds": round(time.monotonic() - began, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
    }


def prepare(work: Path, pairs: int, *settings: str) -> tuple[Path, dict[str, float]]:
    """Make pairs and prepare them; the folder, and what it took."""
    data, output = work / f"data{pairs}", work / f"datasets{pairs}"
    make_pairs(data, pairs)
    told = measured("dataset_preparation.py", "--DATA_DIR", str(data), "--OUTPUT_DIR", str(output), *settings)
    shutil.rmtree(data)
    return output, told


def tiny_models(tokenizer: Path, base: Path, adapter: Path) -> None:
    """A random Llama of two layers with the demo's tokenizer, and an adapter with random weights."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    known = AutoTokenizer.from_pretrained(tokenizer)
    known.save_pretrained(base)
    config = LlamaConfig(
        vocab_size=len(known), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=64, max_position_embeddings=2048,
        bos_token_id=known.bos_token_id, eos_token_id=known.eos_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.save_pretrained(base)
    lora = LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(model, lora).save_pretrained(adapter)


def main() -> None:
    """Run both series, and write them after every size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, nargs="*", default=[20_000, 50_000, 200_000])
    parser.add_argument("--questions", type=int, nargs="*", default=[5_000, 20_000, 50_000])
    parser.add_argument("--tokenizer", type=Path, default=ROOT / "demo" / "base_model")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "load.json")
    given = parser.parse_args()
    found: dict[str, dict] = {"preparation": {}, "evaluation": {}}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for pairs in given.pairs:
            output, found["preparation"][str(pairs)] = prepare(work, pairs)
            shutil.rmtree(output)
            given.output.write_text(json.dumps(found, indent=2) + "\n")
            print(pairs, "pairs:", found["preparation"][str(pairs)], flush=True)
        tiny_models(given.tokenizer, work / "base", work / "adapter")
        for questions in given.questions:
            each = str(-(-questions // SPECIALTIES))
            datasets, _ = prepare(
                work, 5 * questions // 2, "--HOLDOUT_SAMPLES_PER_SPECIALTY", each, "--EVAL_SPLIT_SIZE", "0.01"
            )
            results = str(work / f"results{questions}")
            found["evaluation"][str(questions)] = measured(
                "evaluation.py", "--DATASET_DIR", str(datasets), "--BASE_MODEL_PATH", str(work / "base"),
                "--FINETUNED_MODEL_PATH", str(work / "adapter"), "--OUTPUT_DIR", results,
                "--MAX_NEW_TOKENS", "4", "--BERTSCORE_MODEL", "", "--PRIMARY_METRICS", "ROUGE-L", "token_f1",
            )  # fmt: skip
            given.output.write_text(json.dumps(found, indent=2) + "\n")
            print(questions, "questions:", found["evaluation"][str(questions)], flush=True)


if __name__ == "__main__":
    main()
