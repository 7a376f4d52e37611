"""Write a checkpoint of the shape of Llama-3-8B or 70B with random weights: speed does not depend on values.

python benchmarks/make_model_shape.py FOLDER [--size 70B] [--tokenizer demo/base_model] [--adapter FOLDER]

8B needs a GPU with 20 GB. 70B is written on the CPU, 141 GB, all its layers with the same values: into
/dev/shm if the machine has the memory. The tokenizer is copied from the folder given; its ids are all below
128,256. The adapter, of rank 8 on q and v, has random weights too.
"""

import argparse
import functools
import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

# Hidden size, size of the MLP, layers, attention heads.
SIZES = {"8B": (4096, 14_336, 32, 32), "70B": (8192, 28_672, 80, 64)}
WRITERS = 8  # processes that write files of a large model
LAYER = "model.layers.0."


def model_config(size: str, tokenizer: Any) -> Any:
    """The configuration of Llama 3 of this size."""
    from transformers import LlamaConfig

    hidden, mlp, layers, heads = SIZES[size]
    return LlamaConfig(
        hidden_size=hidden, intermediate_size=mlp, num_hidden_layers=layers, num_attention_heads=heads,
        vocab_size=128_256, num_key_value_heads=8, max_position_embeddings=8192,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0}, rms_norm_eps=1e-5,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, dtype="bfloat16",
        architectures=["LlamaForCausalLM"],
    )  # fmt: skip


def write_layer(number: int, folder: Path, tensors: dict[str, Any]) -> None:
    """Write the tensors of layer 0 as those of another layer."""
    from safetensors.torch import save_file

    named = {name.replace(LAYER, f"model.layers.{number}."): values for name, values in tensors.items()}
    save_file(named, folder / f"layer_{number}.safetensors", {"format": "pt"})


def write_in_parts(config: Any, folder: Path) -> None:
    """Write a model that no GPU holds: one layer is drawn, and a file written for each layer."""
    import torch
    from safetensors.torch import save_file
    from transformers import LlamaForCausalLM

    with torch.device("meta"):
        empty = LlamaForCausalLM(config)
    shapes = {name: weight.shape for name, weight in empty.named_parameters()}
    torch.manual_seed(0)
    drawn = {
        name: torch.ones(shape, dtype=torch.bfloat16) if len(shape) == 1
        else torch.empty(shape, dtype=torch.bfloat16).normal_(std=config.initializer_range)
        for name, shape in shapes.items() if name.startswith(LAYER) or ".layers." not in name
    }  # fmt: skip
    layer = {name: values for name, values in drawn.items() if name.startswith(LAYER)}
    save_file(
        {name: drawn[name] for name in drawn.keys() - layer}, folder / "rest.safetensors", {"format": "pt"}
    )
    with multiprocessing.get_context("fork").Pool(WRITERS) as pool:
        pool.map(
            functools.partial(write_layer, folder=folder, tensors=layer), range(config.num_hidden_layers)
        )
    files = {
        name: f"layer_{name.split('.')[2]}.safetensors" if ".layers." in name else "rest.safetensors"
        for name in shapes
    }
    size = sum(2 * shape.numel() for shape in shapes.values())
    index = {"metadata": {"total_size": size}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config.save_pretrained(folder)


def add_adapter(model: Any, folder: Path) -> None:
    """Write a random adapter."""
    import torch
    from peft import LoraConfig, get_peft_model

    targets = ["q_proj", "v_proj"]
    adapted = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=targets))
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.001)
    adapted.save_pretrained(folder)


def main() -> None:
    """Make the checkpoint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="8B")
    parser.add_argument("--tokenizer", default="demo/base_model")
    parser.add_argument("--adapter", type=Path, help="folder for an adapter of 8B; without it, none is made")
    arguments = parser.parse_args()

    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    started = time.monotonic()
    tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)
    config = model_config(arguments.size, tokenizer)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(arguments.folder)
    if arguments.size != "8B":
        write_in_parts(config, arguments.folder)
    else:
        torch.manual_seed(0)
        torch.set_default_dtype(torch.bfloat16)
        with torch.device("cuda"):
            model = LlamaForCausalLM(config)
        model.save_pretrained(arguments.folder)
        if arguments.adapter:
            add_adapter(model, arguments.adapter)
    print(f"{arguments.folder}: {arguments.size} shape, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
