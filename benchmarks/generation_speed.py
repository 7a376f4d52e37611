"""Speed of the answers through evaluation.py itself, beside transformers' generate, on one card in one run.

python benchmarks/generation_speed.py MODEL_FOLDER ADAPTER_FOLDER OUT.json [--small MODEL] [--peers]
    [--precision fp8]

MODEL_FOLDER and ADAPTER_FOLDER: from benchmarks/make_model_shape.py. 420 questions of the demo, answers of
up to 512 tokens, both models; whole passes by their parts, with full answers and with lengths as MedQuAD's;
decode steps by their kernels. --peers measures transformers' generate and generate_batch too. --precision:
the BASE_PRECISION of evaluation.py; in fp8, keys and values are in e4m3 too.
"""

import argparse
import contextlib
import json
import math
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from config import SYSTEM_MESSAGE  # noqa: E402


def options(model: str, adapter: str, data: Path, output: Path) -> list[str]:
    """Of evaluation.py, for an evaluation without an encoder."""
    folders = {"BASE_MODEL_PATH": model, "FINETUNED_MODEL_PATH": adapter, "DATASET_DIR": str(data),
               "OUTPUT_DIR": str(output), "BERTSCORE_MODEL": ""}  # fmt: skip
    return [word for name, value in folders.items() for word in (f"--{name}", value)]


def said(output: str) -> dict:
    """What evaluation.py says of its speed: of each model, and of several processes together."""
    found = re.findall(r"(base|finetuned|\d+ processes): ([\d,]+) tokens in .*?, ([\d,]+) a second", output)
    return {
        "tokens_per_second": {role: int(speed.replace(",", "")) for role, _, speed in found},
        "tokens": {role: int(tokens.replace(",", "")) for role, tokens, _ in found},
        "said": [text for text in output.splitlines() if text.startswith(("Batch:", "Device:"))],
    }


def ours(model: str, adapter: str, data: Path, output: Path, *more: str) -> dict:
    """evaluation.py: what it says of each model's speed."""
    line = [sys.executable, "evaluation.py", *options(model, adapter, data, output), *more]
    began = time.monotonic()
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return {"whole_command_seconds": round(time.monotonic() - began, 1)} | said(done.stdout)


def prepare(data: Path) -> None:
    """Prepare the demo's data in a folder."""
    line = [sys.executable, "dataset_preparation.py", "--OUTPUT_DIR", str(data)]
    subprocess.run(line, cwd=ROOT, check=True, capture_output=True)


def prompts_of(tokenizer: Any, data: Path) -> list:
    """The prompts of evaluation.py for the holdout questions."""
    from datasets import load_from_disk

    from medqa.generation.engine import make_prompt
    from medqa.modeling.chat_template import apply_chat_template

    rows = load_from_disk(str(data / "holdout_dataset"))
    return [
        make_prompt(row["id"], row["question"], tokenizer, apply_chat_template, SYSTEM_MESSAGE, 512)
        for row in rows
    ]


def load(model_name: str, data: Path, precision: str) -> tuple[Any, Any, list]:
    """The model on the card in a precision, its tokenizer, and the prompts."""
    from medqa.modeling import loading
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.device import choose_device

    base = BaseModel(model_name, "")
    model = loading.load_base(base, choose_device(base, ""), precision).eval()
    return model, base.tokenizer, prompts_of(base.tokenizer, data)


def lengths_like_medquad(count: int) -> list[int]:
    """Answer lengths in tokens, 1 to 512: log-normal, with MedQuAD's median 162 and 95th percentile 714."""
    import numpy as np

    drawn = np.random.default_rng(0).lognormal(math.log(162), math.log(714 / 162) / 1.645, count)
    return np.clip(drawn.round(), 1, 512).astype(int).tolist()


@contextlib.contextmanager
def ending_after(lengths: dict[str, int], stop: int) -> Iterator[None]:
    """Let each answer end after a given number of tokens: random weights would never stop.

    The uniform number of the step in which an answer ends is 2, and the sampler answers it with a stop token.
    """
    import torch

    from medqa.generation import continuous_batching

    draws, choose = continuous_batching.uniform_draws, continuous_batching.choose_tokens

    def marked_draws(prompt: Any, decoding: Any) -> Any:
        found = draws(prompt, decoding)
        found[lengths[prompt.id] :] = 2
        return found

    def choose_or_stop(logits: Any, drawn: Any, *more: Any) -> Any:
        chosen, exact = choose(logits, drawn.clamp(max=0.999999), *more)
        return torch.where(drawn > 1, stop, torch.where(chosen == stop, stop + 1, chosen)), exact

    continuous_batching.uniform_draws, continuous_batching.choose_tokens = marked_draws, choose_or_stop
    yield
    continuous_batching.uniform_draws, continuous_batching.choose_tokens = draws, choose


def whole_pass(model: Any, tokenizer: Any, prompts: list, lengths: list[int]) -> dict:
    """Seconds of the parts of a pass: setting up, prefill, recording of graphs, decoding, texts."""
    import torch

    from medqa.generation import engine
    from medqa.generation.continuous_batching import ContinuousBatcher

    seconds, counts = Counter(), Counter()
    originals = {
        name: getattr(ContinuousBatcher, name) for name in ("__init__", "admit", "_record", "decode")
    }

    def timed(name: str) -> Callable[..., Any]:
        def run(*values: Any) -> Any:
            torch.cuda.synchronize()
            began = time.monotonic()
            result = originals[name](*values)
            torch.cuda.synchronize()
            seconds[name] += time.monotonic() - began
            counts[name] += 1
            return result

        return run

    stop, kept = 2, []
    decoding = engine.Decoding(512, 0.1, 0.9, 42, (stop,))
    by_id = {prompt.id: length for prompt, length in zip(prompts, lengths, strict=True)}
    for name in originals:
        setattr(ContinuousBatcher, name, timed(name))
    try:
        with ending_after(by_id, stop):
            began = time.monotonic()
            engine.answer_all(model, tokenizer, prompts, decoding, 512, kept.append)
            total = time.monotonic() - began
    finally:
        for name, original in originals.items():
            setattr(ContinuousBatcher, name, original)
    seconds["decode"] -= seconds["_record"]
    tokens = sum(answer.new_tokens for answer in kept)
    torch.cuda.empty_cache()
    return {
        "tokens_per_second": round(tokens / total),
        "tokens": tokens,
        "seconds": {name: round(value, 2) for name, value in seconds.items()}
        | {"texts and the rest": round(total - seconds.total(), 2), "all": round(total, 2)},
        "calls": counts,
    }


def decode_steps(model: Any, prompts: list) -> dict:
    """Milliseconds of a decode step once all rows are under way, and the kernels that take longest in it."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from medqa.generation import continuous_batching, engine

    found, decoding = {}, engine.Decoding(512, 0.1, 0.9, 42, ())
    longest = max(len(prompt.input_ids) for prompt in prompts) + 512
    for rows in (420, 64, 4):
        with torch.inference_mode():
            made = continuous_batching.ContinuousBatcher(model, decoding, rows, longest)
            made.admit(prompts[:rows])
            made.decode()
            torch.cuda.synchronize()
            began, checks = time.monotonic(), 61
            for _ in range(checks // 2):
                made.decode()
            torch.cuda.synchronize()
            paused = time.monotonic()
            with profile(activities=[ProfilerActivity.CUDA]) as profiler:
                made.decode()
                torch.cuda.synchronize()
            began += time.monotonic() - paused
            for _ in range(checks - checks // 2):
                made.decode()
            torch.cuda.synchronize()
        per_check = continuous_batching.STEPS_PER_CHECK
        passed = time.monotonic() - began
        kernels = Counter()
        for event in profiler.events():
            kernels[event.name[:160]] += event.self_device_time_total / per_check / 1000
        found[f"{rows} at once"] = {
            "tokens_per_second": round(rows * checks * per_check / passed),
            "ms_a_step": round(1000 * passed / (checks * per_check), 2),
            "ms_of_kernels": {name: round(ms, 3) for name, ms in kernels.most_common(20)},
            "ms_of_all_kernels": round(kernels.total(), 2),
            "recorded": all(hasattr(step, "__self__") for step in made._step_functions.values()),
        }
        del made
        torch.cuda.empty_cache()
    return found


def shared_prefix_difference(model: Any, prompts: list) -> list[float]:
    """Relative difference of keys and values with and without the shared prefix, in bfloat16, by layer."""
    import torch

    from medqa.generation import continuous_batching, engine

    decoding, asked = engine.Decoding(8, 0.0, 0.9, 42, ()), prompts[:32]
    prefix, found = continuous_batching.shared_prefix(asked), []
    longest = max(len(prompt.input_ids) for prompt in asked) + 8
    with torch.inference_mode():
        for shared in (prefix, None):
            made = continuous_batching.ContinuousBatcher(model, decoding, len(asked), longest, shared)
            made.admit(asked)
            found.append(made.cache.states)
    print(f"{len(prefix)} of {sum(len(one.input_ids) for one in asked) / len(asked):.1f} tokens are shared")
    # Without those of the prefix itself, which are the same.
    with_prefix, without = (states[..., len(prefix) :, :].float().flatten(1) for states in found)
    return ((with_prefix - without).norm(dim=1) / without.norm(dim=1)).tolist()


def peers(model: Any, tokenizer: Any, prompts: list) -> dict:
    """Speed of transformers' generate and generate_batch."""
    import torch

    found = {}
    for rows in (1, 4):
        batch = tokenizer.pad(
            {"input_ids": [prompt.input_ids.tolist() for prompt in prompts[:rows]]}, padding_side="left",
            return_tensors="pt",
        ).to("cuda")  # fmt: skip
        speeds = []
        for _ in range(2):
            torch.cuda.synchronize()
            began = time.monotonic()
            out = model.generate(**batch, max_new_tokens=64, do_sample=True, temperature=0.1, top_p=0.9,
                                 eos_token_id=None, pad_token_id=0)  # fmt: skip
            torch.cuda.synchronize()
            new = (out.shape[1] - batch["input_ids"].shape[1]) * rows
            speeds.append(new / (time.monotonic() - began))
        found[f"generate, {rows} at once"] = round(speeds[-1], 1)
    found["generate_batch, 420 questions, 128 tokens"] = continuous(model, prompts)
    return found


def continuous(model: Any, prompts: list) -> dict:
    """Speed of transformers' continuous batching; the first call is a warm-up."""
    import torch
    from transformers import GenerationConfig

    wanted = GenerationConfig(
        max_new_tokens=128, do_sample=True, temperature=0.1, top_p=0.9, eos_token_id=-1, pad_token_id=0
    )
    inputs = [prompt.input_ids.tolist() for prompt in prompts]
    speeds, statuses = [], Counter()
    for part in (inputs[:32], inputs):
        torch.cuda.synchronize()
        began = time.monotonic()
        made = model.generate_batch(part, generation_config=wanted)
        passed = time.monotonic() - began
        statuses = Counter(str(output.status) for output in made.values())
        speeds.append(sum(len(output.generated_tokens) for output in made.values()) / passed)
    return {"tokens_per_second": round(speeds[-1], 1), "statuses": statuses}


def exact(small: str, data: Path) -> dict:
    """Number of answers, greedy and in float32 on this card, that are transformers' own token for token."""
    import torch
    from transformers import AutoModelForCausalLM

    from medqa.generation import engine
    from medqa.generation.sampling import choose_tokens

    _, _, prompts = load(small, data, "bf16")
    prompts = prompts[:60]
    model = AutoModelForCausalLM.from_pretrained(small, dtype=torch.float32).to("cuda").eval()

    class Numbers:
        def decode(self, ids: list[int], **_: object) -> str:
            return " ".join(map(str, ids))

    kept = {}
    engine.answer_all(
        model, Numbers(), prompts, engine.Decoding(64, 0.0, 0.9, 42, ()), 16,
        lambda answer: kept.__setitem__(answer.id, answer.hypothesis),
    )  # fmt: skip
    same = 0
    for prompt in prompts:
        ids = torch.tensor([prompt.input_ids.tolist()], device="cuda")
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=64,
                             eos_token_id=None, pad_token_id=0)  # fmt: skip
        same += kept[prompt.id] == " ".join(map(str, out[0, ids.shape[1] :].tolist()))
    logits = (torch.randn(420, 128_256, device="cuda") * 1.3).bfloat16()
    draws = torch.rand(420, device="cuda", dtype=torch.float64)
    sampled = {"rows sampled": len(draws)}
    for temperature in (0.1, 0.7):
        decoding = engine.Decoding(1, temperature, 0.9, 42, ())
        of_card, enough = choose_tokens(logits, draws, decoding, 64)
        of_cpu, _ = choose_tokens(logits.cpu(), draws.cpu(), decoding, 0)
        sampled[f"as on the CPU at {temperature}"] = (of_card.cpu() == of_cpu).sum().item()
        sampled[f"64 candidates were enough at {temperature}"] = bool(enough)
    return {"questions": len(prompts), "same": same} | sampled


def arguments_of(description: str) -> argparse.ArgumentParser:
    """What each benchmark of a model and its adapter is given."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("adapter")
    parser.add_argument("out", type=Path)
    return parser


def main() -> None:
    """Measure and write the results."""
    parser = arguments_of(__doc__)
    parser.add_argument("--small", default="demo/base_model", help="a model for the check of exactness")
    parser.add_argument("--peers", action="store_true", help="measure transformers' own generation too")
    parser.add_argument("--precision", choices=["bf16", "fp8"], default="bf16", help="BASE_PRECISION")
    given = parser.parse_args()
    import torch

    folder = Path(tempfile.mkdtemp())
    data = folder / "datasets"
    prepare(data)
    result = {"card": torch.cuda.get_device_name(), "torch": torch.__version__}
    result["precision"] = given.precision

    def keep(name: str, found: dict) -> None:
        result[name] = found
        print(name, found, flush=True)
        given.out.write_text(json.dumps(result, indent=2) + "\n")

    keep("exact in float32", exact(given.small, data))
    whole = ours(given.model, given.adapter, data, folder / "whole", "--BASE_PRECISION", given.precision)
    keep("evaluation.py", whole)
    model, tokenizer, prompts = load(given.model, data, given.precision)
    lengths = [512] * len(prompts)
    keep("whole pass of the base", whole_pass(model, tokenizer, prompts, lengths))
    drawn = lengths_like_medquad(len(prompts))
    keep("lengths as MedQuAD's", whole_pass(model, tokenizer, prompts, drawn))
    keep("decode steps of the base", decode_steps(model, prompts))
    keep("difference by the shared prefix", shared_prefix_difference(model, prompts))
    if given.peers:
        keep("transformers", peers(model, tokenizer, prompts))


if __name__ == "__main__":
    main()
