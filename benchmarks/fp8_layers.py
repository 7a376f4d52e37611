"""FP8 layers of the Llama-3-8B shape on a card: error, speed, and the cost of one copy of the weights.

python benchmarks/fp8_layers.py OUT.json

For every kind of layer: errors of product and gradient against float32, and milliseconds of the forward and
the input-gradient product in bfloat16 and in FP8. For the whole model: milliseconds in which one pass
transposes all its weights, which a second, transposed copy (7 GB) saves. For a small model: how far the
adapter's gradients through compiled layers and in bfloat16 are from those in FP8. Takes a minute.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# In and out features → layers of this size in the model.
SHAPES = {(4096, 4096): 64, (4096, 1024): 64, (4096, 14336): 64, (14336, 4096): 32}
TOKENS = 4700


def milliseconds(call: Callable[[], object], times: int = 20) -> float:
    """Mean time of a call on the card."""
    import torch

    for _ in range(3):
        call()
    torch.cuda.synchronize()
    began = time.monotonic()
    for _ in range(times):
        call()
    torch.cuda.synchronize()
    return 1000 * (time.monotonic() - began) / times


def measure(inner: int, outer: int) -> dict[str, float]:
    """Errors and times of one layer."""
    import torch

    from medqa.modeling import fp8

    def error(found: torch.Tensor, expected: torch.Tensor) -> float:
        return round(((found.float() - expected).norm() / expected.norm()).item(), 4)

    torch.manual_seed(0)
    dense = torch.randn(outer, inner, device="cuda", dtype=torch.bfloat16) / inner**0.5
    layer = fp8.Fp8Linear(inner, outer, False, torch.bfloat16).cuda()
    quantized, scale = fp8.quantize_rows(dense)
    layer.weight = torch.nn.Parameter(quantized.view(torch.uint8), requires_grad=False)
    layer.scale = torch.nn.Parameter(scale, requires_grad=False)
    states = torch.randn(TOKENS, inner, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    gradient = torch.randn(TOKENS, outer, device="cuda", dtype=torch.bfloat16)
    output = layer(states)
    output.backward(gradient)
    weight = layer.weight.view(fp8.E4M3)
    transposed = fp8.transpose(layer.weight)
    assert torch.equal(transposed, layer.weight.t())
    transposed = transposed.view(fp8.E4M3)
    rows, row_scale = fp8.quantize_rows(states)
    back, back_scale = fp8.quantize_rows(gradient)
    ones = torch.ones(inner, 1, device="cuda")
    return {
        "product_error": error(output, states.float() @ dense.float().t()),
        "gradient_error": error(states.grad, gradient.float() @ dense.float()),
        "bf16_forward_ms": milliseconds(lambda: states.detach() @ dense.t()),
        "fp8_forward_ms": milliseconds(lambda: fp8.scaled_product(rows, row_scale, weight, scale)),
        "bf16_backward_ms": milliseconds(lambda: gradient @ dense),
        "fp8_backward_ms": milliseconds(lambda: fp8.scaled_product(back, back_scale, transposed, ones)),
        "transpose_ms": milliseconds(lambda: fp8.transpose(layer.weight)),
        "torch_transpose_ms": milliseconds(lambda: layer.weight.t().contiguous()),
    }


def adapter_gradients(folder: Path, precision: str, compiled: bool) -> list:
    """Gradients of a random adapter on a small random model, through the packed loss of training."""
    import numpy as np
    import torch

    from medqa.modeling import loading
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.collator import collate
    from medqa.modeling.device import Device
    from medqa.modeling.loss import use_packed_loss
    from medqa.modeling.tokenization import Example
    from medqa.modeling.varlen_attention import NAME
    from medqa.training import lora

    device = Device("cuda:0", "bfloat16", "")
    model = loading.load_base(BaseModel(str(folder), "MODEL_NAME"), device, precision, NAME)
    torch.manual_seed(0)
    model = lora.add_lora(model, 8, 16, 0.0, ("q_proj", "v_proj")).train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in trained:
        weight.data = torch.randn_like(weight) / 30
    use_packed_loss(model)
    lora.prepare_layers(model, False, compiled)
    sequences = [Example(str(start), "", np.arange(start, 180), 50) for start in (2, 60)]
    with torch.autocast("cuda", torch.bfloat16):
        loss = model(**collate(sequences, "cuda"))
    loss.backward()
    return [weight.grad.flatten() for weight in trained]


def gradient_errors() -> dict[str, float]:
    """Relative differences of the adapter's gradients from those of layers in FP8 that are not compiled."""
    import tempfile

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = Path(tempfile.mkdtemp())
    config = LlamaConfig(
        vocab_size=512, hidden_size=512, intermediate_size=1024, num_hidden_layers=3,
        num_attention_heads=8, num_key_value_heads=2,
    )  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    eager = torch.cat(adapter_gradients(folder, "fp8", compiled=False))
    assert (eager != 0).float().mean() > 0.9
    found = {
        "compiled": torch.cat(adapter_gradients(folder, "fp8", compiled=True)),
        "bfloat16": torch.cat(adapter_gradients(folder, "bf16", compiled=False)),
    }
    return {name: round(((own - eager).norm() / eager.norm()).item(), 4) for name, own in found.items()}


def main() -> None:
    """Measure every kind of layer, and sum over the model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    import torch

    layers = {f"{inner} -> {outer}": measure(inner, outer) for inner, outer in SHAPES}
    times = [name for name in layers["4096 -> 4096"] if name.endswith("_ms")]
    whole = {
        name: round(sum(count * layers[f"{i} -> {o}"][name] for (i, o), count in SHAPES.items()), 2)
        for name in times
    }
    result = {"card": torch.cuda.get_device_name(), "torch": torch.__version__, "tokens": TOKENS}
    result |= {"layers": layers, "whole_model": whole, "gradients": gradient_errors()}
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({name: result[name] for name in list(result)[4:]}, indent=2))


if __name__ == "__main__":
    main()
