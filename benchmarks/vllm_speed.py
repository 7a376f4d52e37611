"""Speed of vLLM beside evaluation.py: the same prompts, adapter and sampling, on one card in one run.

python benchmarks/vllm_speed.py MODEL_FOLDER ADAPTER_FOLDER OUT.json [--vllm_path FOLDER[:FOLDER]]
    [--precision bf16 fp8] [--options JSON] [--skip_evaluation]

MODEL_FOLDER and ADAPTER_FOLDER: from benchmarks/make_model_shape.py. 420 questions of the demo, answers of
512 tokens, at temperature 0.1 and top-p 0.9, by the base, by the adapter, and by both in one batch of 840.
vLLM runs in a separate process, with --vllm_path on its PYTHONPATH, adapters enabled for the base too, and
compiles from an empty cache. Then
evaluation.py answers the same questions with both models, in bfloat16 and FP8. --precision: what vLLM is
measured in. --options: further arguments of vllm.LLM. OUT.json is completed after each part; the log of
vLLM is OUT.log.
"""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import generation_speed

NEW_TOKENS = 512
FLASHINFER_SAMPLER = "VLLM_USE_FLASHINFER_SAMPLER"
PART = "PART "  # starts a line of the measuring process that is a result
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine in the process that is measured
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "PYTHONUNBUFFERED": "1",
}
# In FP8 vLLM keeps the cache in e4m3 too, as evaluation.py does.
PRECISIONS = {"bf16": {}, "fp8": {"quantization": "fp8", "kv_cache_dtype": "fp8"}}
# What tells how vLLM ran: kernels, seconds of each part of its start, room of the cache.
LOGGED = re.compile(
    r"attention backend|FlashAttention version|FlashInfer|FLASH|torch\.compile|Graph captur|Model loading"
    r"|Loading weights|KV cache size|Maximum concurrency|init engine|[Rr]unner|preempt|LoRA|WARNING|ERROR"
)


def keep_part(name: str, found: Any) -> None:
    """Hand a result to the parent."""
    print(PART + json.dumps({name: found}), flush=True)


def answer(
    llm: Any, prompts: list[list[int]], adapters: list[Any], tokens: int = NEW_TOKENS
) -> dict[str, Any]:
    """Answer the prompts, each with its adapter or None; the speed."""
    from vllm import SamplingParams

    sampling = SamplingParams(temperature=0.1, top_p=0.9, max_tokens=tokens, ignore_eos=True)
    inputs = [{"prompt_token_ids": prompt} for prompt in prompts]
    began = time.monotonic()
    outputs = llm.generate(inputs, sampling, lora_request=adapters, use_tqdm=False)
    seconds = time.monotonic() - began
    made = sum(len(output.outputs[0].token_ids) for output in outputs)
    return {"tokens_per_second": round(made / seconds), "tokens": made, "seconds": round(seconds, 2)}


def measure(model: str, adapter: str, prompts_file: Path, started: float, options: dict[str, Any]) -> None:
    """Measure vLLM; runs in the process that can import it."""
    # vLLM samples with FlashInfer by default, and does not start if that is missing.
    os.environ.setdefault(FLASHINFER_SAMPLER, str(int(importlib.util.find_spec("flashinfer") is not None)))
    import torch
    import vllm
    from vllm.lora.request import LoRARequest

    imported = time.time()
    llm = vllm.LLM(
        model=model, dtype="bfloat16", enable_lora=True, max_lora_rank=8, max_loras=1, max_model_len=1024,
        gpu_memory_utilization=0.9, **options,
    )  # fmt: skip
    loaded = time.time()
    prompts = json.loads(prompts_file.read_text())
    answer(llm, prompts[:1], [None], 1)
    first_token = time.time()
    keep_part("versions", {"vllm": vllm.__version__, "torch": torch.__version__,
                           "card": torch.cuda.get_device_name(), "options": options,
                           "flashinfer_sampler": os.environ[FLASHINFER_SAMPLER] == "1"})  # fmt: skip
    seconds = {"import": imported - started, "load, compile, record": loaded - imported,
               "first token": first_token - loaded, "all": first_token - started}  # fmt: skip
    keep_part("seconds_until_first_token", {name: round(value, 1) for name, value in seconds.items()})
    tuned = LoRARequest("adapter", 1, adapter)
    for role, adapters in (("base", (None,)), ("finetuned", (tuned,)), ("both in one batch", (None, tuned))):
        # All questions of one model, then all of the other.
        questions = prompts * len(adapters)
        asked = [one for one in adapters for _ in prompts]
        for call in ("first call", "second call"):
            llm.reset_prefix_cache()  # prompts of an earlier call would not be prefilled again
            keep_part(f"{role}, {call}", answer(llm, questions, asked))


def vllm_alone(given: argparse.Namespace, prompts: Path, precision: str, keep: Any) -> None:
    """Run `measure` in a process of its own, and keep its results as they come."""
    with tempfile.TemporaryDirectory() as cache:
        paths = [*given.vllm_path.split(os.pathsep), os.environ.get("PYTHONPATH", "")]
        path = os.pathsep.join(filter(None, paths))
        environment = os.environ | ENVIRONMENT | {"PYTHONPATH": path, "VLLM_CACHE_ROOT": cache}
        options = PRECISIONS[precision] | json.loads(given.options)
        began = time.time()
        line = [sys.executable, __file__, given.model, given.adapter, str(prompts),
                "--measure", str(began), "--options", json.dumps(options)]  # fmt: skip
        process = subprocess.Popen(
            line, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        found, logged = {}, []
        log = given.out.with_suffix(".log").open("a", encoding="utf-8")
        with log:
            for text in process.stdout:
                if text.startswith(PART):
                    part = json.loads(text.removeprefix(PART))
                    print(f"vLLM, {precision}", part, flush=True)
                    found |= part
                    keep(f"vLLM, {precision}", found)
                else:
                    log.write(text)
                    log.flush()
                    logged += [text.strip()] if LOGGED.search(text) else []
        code = process.wait()
        found |= {"whole_command_seconds": round(time.time() - began, 1), "logged": logged[:80]}
        if code:
            found["failed"] = f"exit code {code}, see {log.name}"
            print(found["failed"], *logged[-5:], sep="\n", flush=True)
        keep(f"vLLM, {precision}", found)


def main() -> None:
    """Measure and write the results."""
    parser = generation_speed.arguments_of(__doc__)
    parser.add_argument("--vllm_path", default="", help="folders that contain vLLM and what it needs")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=["bf16"], help="of vLLM")
    parser.add_argument("--options", default="{}", help="further arguments of vllm.LLM, as JSON")
    parser.add_argument("--skip_evaluation", action="store_true", help="measure vLLM only")
    parser.add_argument("--measure", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.model, given.adapter, given.out, given.measure, json.loads(given.options))
        return
    from medqa.modeling.base_model import BaseModel

    folder = Path(tempfile.mkdtemp())
    data, prompts_file = folder / "datasets", folder / "prompts.json"
    generation_speed.prepare(data)
    prompts = generation_speed.prompts_of(BaseModel(given.model, "").tokenizer, data)
    prompts_file.write_text(json.dumps([prompt.input_ids.tolist() for prompt in prompts]))
    result: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    result["questions"] = len(prompts)

    def keep(name: str, found: dict) -> None:
        result[name] = found
        given.out.write_text(json.dumps(result, indent=2) + "\n")

    for precision in given.precision:
        vllm_alone(given, prompts_file, precision, keep)
    for precision in () if given.skip_evaluation else ("bf16", "fp8"):
        output = folder / f"evaluation_{precision}"
        found = generation_speed.ours(given.model, given.adapter, data, output, "--BASE_PRECISION", precision)
        print(f"evaluation.py, {precision}", found, flush=True)
        keep(f"evaluation.py, {precision}", found)


if __name__ == "__main__":
    main()
