"""FP8 for a frozen base: linear layers that hold their weights, and multiply, in e4m3 (8 bits).

The weights are quantized from the checkpoint's 16-bit values while they load, one scale per output row;
states and gradients are quantized per token in each product. Only the base's linear layers are in FP8, and in
evaluation the key-value cache: embeddings, norms, adapter, head and loss keep their precision.
"""

from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.core_model_loading import ConversionOps
from transformers.quantizers import HfQuantizer, register_quantization_config, register_quantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

try:
    import triton
    import triton.language as tl
except ImportError:  # torch's CPU build comes without it
    triton = None

NAME = "medqa_fp8"
E4M3 = torch.float8_e4m3fn
LARGEST = torch.finfo(E4M3).max  # 448
# Tensor cores multiply blocks of so many values, so the sizes of a layer must be multiples of it.
MULTIPLE = 16
# Rows and columns of the blocks in which a matrix is transposed.
TILE = 128


def quantize_rows(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows in e4m3 [rows, columns], and their scales, float32 [rows, 1]: values ≈ quantized * scale.

    A row's scale maps its largest magnitude to the largest value of e4m3, 448.
    """
    values = values.float()
    scale = values.abs().amax(dim=-1, keepdim=True).clamp(min=1e-30) / LARGEST
    return (values / scale).to(E4M3), scale


def quantize_states(states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`quantize_rows`, as one kernel on a GPU; for code that torch.compile does not fuse.

    Args:
        states: [rows, columns]; the values of a row are adjacent.
    """
    if not states.is_cuda:
        return quantize_rows(states)
    rows, size = states.shape
    quantized = torch.empty(rows, size, device=states.device, dtype=E4M3)
    scales = torch.empty(rows, 1, device=states.device)
    block = triton.next_power_of_2(size)
    _quantize_row[(rows,)](
        states, quantized, scales, states.stride(0), LARGEST=LARGEST, SIZE=size, BLOCK=block,
        num_warps=max(1, min(16, block // 512)),
    )  # fmt: skip
    return quantized, scales


def saturated(values: torch.Tensor) -> torch.Tensor:
    """Values in e4m3 without a scale; those beyond 448 become 448, where torch's conversion may give NaN."""
    return values.clamp(-LARGEST, LARGEST).to(E4M3)


def is_fp8(model: Any) -> bool:
    """Whether a model was loaded with `Fp8Config`."""
    return getattr(model, "quantization_method", None) == NAME


def scaled_product(
    left: torch.Tensor, left_scale: torch.Tensor, right: torch.Tensor, right_scale: torch.Tensor
) -> torch.Tensor:
    """The product of two matrices in e4m3 with a scale per row, left @ right.T: [rows, columns].

    On a GPU in bfloat16, by its FP8 tensor cores; elsewhere the same quantized values are multiplied in
    float32.

    Args:
        left, left_scale: [rows, inner] and [rows, 1].
        right, right_scale: [columns, inner] and [columns, 1].
    """
    if not left.is_cuda:
        return (left.float() * left_scale) @ (right.float() * right_scale).t()
    return torch._scaled_mm(
        left, right.t(), left_scale, right_scale.t(), out_dtype=torch.bfloat16, use_fast_accum=True
    )


class _Product(torch.autograd.Function):
    """states @ weight.T for a frozen weight in e4m3; only the states get a gradient."""

    @staticmethod
    def forward(
        context: Any, states: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor
    ) -> torch.Tensor:
        context.save_for_backward(weight, scale)
        return scaled_product(*quantize_rows(states), weight, scale).to(states.dtype)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        # The weight's scales belong to the inner dimension of this product, so they multiply the gradient
        # before it is quantized. This makes it the gradient of the quantized layer, without a second rounding
        # of the weights.
        weight, scale = context.saved_tensors
        transposed = transpose(weight.view(torch.uint8)).view(E4M3)
        ones = torch.ones(len(transposed), 1, device=scale.device)
        inner = quantize_rows(gradient.float() * scale.t())
        return scaled_product(*inner, transposed, ones).to(gradient.dtype), None, None


@torch._dynamo.allow_in_graph
def _product(states: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """`_Product`, which torch.compile differentiates as autograd does.

    Left to itself, torch.compile decides by what it knows of `states` whether the backward pass is needed.
    torch 2.11 believes that the output of `varlen_attn` needs none, and the gradients of everything before it
    were 0, without a warning.
    """
    return _Product.apply(states, weight, scale)


class Fp8Linear(torch.nn.Linear):
    """A frozen linear layer in FP8.

    `weight` holds the e4m3 values as bytes [out, in], because peft and DDP handle bytes as they handle 4-bit
    weights, and FP8 types not everywhere. `scale` is float32 [out, 1]. The tensor cores read both factors
    along the inner dimension, so the backward pass needs the weight transposed, [in, out]. It makes a copy
    each time: of Llama-3-8B in 4 ms per pass, where keeping the copies would take 7 GB.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool, dtype: torch.dtype) -> None:
        if in_features % MULTIPLE or out_features % MULTIPLE:
            raise ValueError(
                f"FP8 needs layers whose sizes are multiples of {MULTIPLE}, and one has {in_features} x "
                f"{out_features}; use --BASE_PRECISION nf4."
            )
        super().__init__(in_features, out_features, bias, dtype=dtype)
        self.scale = torch.nn.Parameter(torch.empty(out_features, 1), requires_grad=False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """[..., in] → [..., out]."""
        rows = states.reshape(-1, self.in_features)
        output = _product(rows, self.weight.view(E4M3), self.scale)
        output = output.view(*states.shape[:-1], self.out_features)
        return output if self.bias is None else output + self.bias


@torch.library.custom_op("medqa::transpose", mutates_args=())
def transpose(matrix: torch.Tensor) -> torch.Tensor:
    """A contiguous transposed copy of a matrix of bytes [rows, columns]."""
    if not matrix.is_cuda:
        return matrix.t().contiguous()
    rows, columns = matrix.shape
    target = matrix.new_empty(columns, rows)
    grid = (triton.cdiv(rows, TILE), triton.cdiv(columns, TILE))
    _transpose_tile[grid](matrix, target, rows, columns, TILE=TILE, num_warps=8)
    return target


@transpose.register_fake
def _transposed_shape(matrix: torch.Tensor) -> torch.Tensor:
    """What `transpose` returns, for torch.compile."""
    return matrix.new_empty(matrix.shape[1], matrix.shape[0])


if triton is not None:

    @triton.jit
    def _transpose_tile(source, target, rows, columns, TILE: tl.constexpr):  # noqa: N803
        """Copy one tile; torch's own copy of single bytes reaches a fraction of the memory's rate."""
        row = tl.program_id(0) * TILE + tl.arange(0, TILE)
        column = tl.program_id(1) * TILE + tl.arange(0, TILE)
        inside = (row < rows)[:, None] & (column < columns)[None, :]
        tile = tl.load(source + row[:, None] * columns + column[None, :], mask=inside)
        tl.store(target + column[:, None] * rows + row[None, :], tl.trans(tile), mask=tl.trans(inside))

    @triton.jit
    def _quantize_row(
        states, quantized, scales, stride, LARGEST: tl.constexpr, SIZE: tl.constexpr, BLOCK: tl.constexpr
    ):  # fmt: skip
        """One row. A number divides a tensor on a GPU by its reciprocal, so this scale is that of torch."""
        row = tl.program_id(0).to(tl.int64)
        at = tl.arange(0, BLOCK)
        valid = at < SIZE
        values = tl.load(states + row * stride + at, mask=valid, other=0.0).to(tl.float32)
        scale = tl.maximum(tl.max(tl.abs(values), 0), 1e-30) * (1 / LARGEST)
        rounded = tl.div_rn(values, scale).to(quantized.dtype.element_ty)
        tl.store(quantized + row * SIZE + at, rounded, mask=valid)
        tl.store(scales + row, scale)


@register_quantization_config(NAME)
class Fp8Config(QuantizationConfigMixin):
    """Asks `from_pretrained` for FP8 linear layers."""

    def __init__(self) -> None:
        self.quant_method = NAME


@register_quantizer(NAME)
class Fp8Quantizer(HfQuantizer):
    """Quantizes each matrix as `from_pretrained` loads it, so the whole 16-bit model is never in memory."""

    is_trainable = True

    def is_serializable(self) -> bool:
        return False

    def param_needs_quantization(self, model: PreTrainedModel, param_name: str, **_unused: Any) -> bool:
        module, _, name = param_name.rpartition(".")
        return name == "weight" and isinstance(model.get_submodule(module), Fp8Linear)

    def param_element_size(self, model: PreTrainedModel, param_name: str, param: torch.Tensor) -> float:
        return 1 if self.param_needs_quantization(model, param_name) else param.element_size()

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **_unused: Any) -> None:
        head = model.get_output_embeddings()
        for module in list(model.modules()):
            for name, linear in module.named_children():
                if isinstance(linear, torch.nn.Linear) and linear is not head:
                    with torch.device("meta"):
                        sizes = linear.in_features, linear.out_features, linear.bias is not None
                        setattr(module, name, Fp8Linear(*sizes, dtype=linear.weight.dtype))

    def get_quantize_ops(self) -> ConversionOps:
        return _QuantizeOnLoad()


class _QuantizeOnLoad(ConversionOps):
    """A 16-bit matrix → its bytes in e4m3 and its scales."""

    def convert(self, input_dict: dict[str, Any], **_unused: Any) -> dict[str, torch.Tensor]:
        found = {}
        for name, values in input_dict.items():
            matrix = values[0] if isinstance(values, list) else values
            quantized, scale = quantize_rows(matrix)
            weight = torch.nn.Parameter(quantized.view(torch.uint8), requires_grad=False)
            found |= {name: weight, f"{name.removesuffix('weight')}scale": scale}
        return found
