"""Write a checkpoint of the Llama-3-8B shape with random weights: speed and memory do not depend on values.

python benchmarks/make_8b_shape.py FOLDER [--tokenizer demo/base_model] [--adapter FOLDER]

Needs a GPU with 20 GB. The tokenizer is copied from the folder given; its ids are all below 128,256. The
adapter, of rank 8 on q and v, has random weights too.
"""

import argparse
import time
from pathlib import Path


def main() -> None:
    """Make the checkpoint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokenizer", default="demo/base_model")
    parser.add_argument("--adapter", type=Path, help="folder for an adapter; without it, none is made")
    arguments = parser.parse_args()

    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    started = time.monotonic()
    tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)
    config = LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
        rms_norm_eps=1e-5,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        dtype="bfloat16",
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = LlamaForCausalLM(config)
    model.save_pretrained(arguments.folder)
    tokenizer.save_pretrained(arguments.folder)
    if arguments.adapter:
        from peft import LoraConfig, get_peft_model

        targets = ["q_proj", "v_proj"]
        adapted = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=targets))
        for name, weights in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weights, std=0.001)
        adapted.save_pretrained(arguments.adapter)
    print(f"{arguments.folder}: {model.num_parameters():,} weights, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
