"""FP8 layers on the CPU: the same quantized values as on a GPU, multiplied in float32."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from medqa.modeling import fp8, loading, precision
from medqa.modeling.base_model import BaseModel
from medqa.modeling.device import Device
from medqa.runtime.errors import UserError

CPU = Device("cpu", "float32", "for the tests")
# Relative error of values rounded to 3 bits after the leading one, uniformly: 2^-4 / sqrt(3) at most, and half
# of that for the largest of an interval.
ROUNDING = 2**-4 / 3**0.5


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


@pytest.fixture
def quantized(tiny_model):
    """The tiny model in FP8, and as it is."""
    in_fp8 = loading.load_base(BaseModel(str(tiny_model), "MODEL_NAME"), CPU, "fp8")
    return in_fp8, AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)


def test_rows_are_quantized_each_with_its_scale():
    torch.manual_seed(0)
    values = torch.randn(50, 300) * torch.logspace(-15, 15, 50)[:, None]
    values[7] = 0
    rows, scale = fp8.quantize_rows(values)
    assert rows.dtype == torch.float8_e4m3fn and scale.shape == (50, 1)
    found = rows.float() * scale
    assert found.isfinite().all() and (found[7] == 0).all()
    others = torch.arange(50) != 7
    assert (rows.float().abs().amax(dim=1)[others] == 448).all()
    errors = (found - values).norm(dim=1)[others] / values.norm(dim=1)[others]
    assert errors.min() > 0.3 * ROUNDING and errors.max() < ROUNDING
    again, same_scale = fp8.quantize_rows(found)
    assert torch.equal(again.float(), rows.float()) and torch.allclose(scale, same_scale)


def test_only_the_linear_layers_of_the_decoder_are_in_fp8(quantized):
    model, plain = quantized
    names = {name for name, part in model.named_modules() if isinstance(part, fp8.Fp8Linear)}
    assert len(names) == 2 * 7 and "lm_head" not in names
    assert all(not weight.requires_grad for weight in model.parameters())
    for name, weight in plain.named_parameters():
        module = name.rpartition(".")[0]
        if module in names:
            layer = model.get_submodule(module)
            assert layer.weight.dtype == torch.uint8
            assert error(layer.weight.view(fp8.E4M3).float() * layer.scale, weight) < ROUNDING
        else:
            assert torch.equal(model.get_parameter(name), weight)


def test_products_and_gradients_are_those_of_the_layer_within_the_rounding(quantized):
    torch.manual_seed(0)
    for name in ("self_attn.q_proj", "mlp.down_proj"):
        layer, plain = (model.model.layers[1].get_submodule(name) for model in quantized)
        states = torch.randn(3, 40, layer.in_features, requires_grad=True)
        output = layer(states)
        gradient = torch.randn_like(output)
        output.backward(gradient)
        # Both factors are rounded, so the errors add up like independent ones.
        assert 0 < error(output, plain(states)) < 2**0.5 * ROUNDING
        assert 0 < error(states.grad, gradient @ plain.weight) < 2**0.5 * ROUNDING
        # Of the quantized weights, only the other factor is rounded.
        exact = layer.weight.view(fp8.E4M3).float() * layer.scale
        assert error(output, states @ exact.T) < ROUNDING
        assert error(states.grad, gradient @ exact) < ROUNDING


class Doubled(torch.autograd.Function):
    """Stands for the attention kernel."""

    @staticmethod
    def forward(context, states):
        return states * 2

    @staticmethod
    def backward(context, gradient):
        return gradient * 2


def test_compiled_layers_keep_the_gradient_behind_an_operator_that_hides_it(quantized):
    """Dynamo of torch 2.11 believes that the output of `varlen_attn` needs no gradient."""
    from torch._subclasses.fake_tensor import FakeTensor

    library = torch.library.Library("medqa_test", "DEF")
    library.define("hidden(Tensor x) -> Tensor")
    library.impl("hidden", lambda states: states * 2, "CompositeExplicitAutograd")
    hide = lambda states: states.detach() * 2 if isinstance(states, FakeTensor) else Doubled.apply(states)  # noqa: E731
    library.impl("hidden", hide, "AutogradCPU")
    layer = quantized[0].model.layers[0].mlp.up_proj

    def whole(states):
        return layer(torch.ops.medqa_test.hidden(states))

    def traced_by_dynamo(states):
        states = torch.ops.medqa_test.hidden(states)
        return fp8._Product.apply(states, layer.weight.view(fp8.E4M3), layer.scale)

    states = torch.randn(40, layer.in_features)
    gradients = []
    for call in (whole, torch.compile(whole, backend="aot_eager", dynamic=True),
                 torch.compile(traced_by_dynamo, backend="aot_eager", dynamic=True)):  # fmt: skip
        own = states.clone().requires_grad_()
        call(own).square().sum().backward()
        gradients.append(own.grad)
    expected, compiled, lost = gradients
    torch.testing.assert_close(compiled, expected)
    # The backward pass of `_Product` was dropped; on a GPU, whose product has no derivative, nothing is left.
    assert error(lost, expected) > 0.01


def test_a_bias_is_added_and_other_sizes_are_refused():
    with pytest.raises(ValueError, match="multiples of 16, and one has 24 x 32; use --BASE_PRECISION nf4"):
        fp8.Fp8Linear(24, 32, False, torch.float32)
    layer = fp8.Fp8Linear(16, 32, True, torch.float32)
    weight, layer.scale.data = fp8.quantize_rows(torch.randn(32, 16))
    layer.weight = torch.nn.Parameter(weight.view(torch.uint8), requires_grad=False)
    zeros = torch.zeros(5, 16)
    assert torch.equal(layer(zeros), layer.bias.expand(5, 32))


@pytest.mark.parametrize(
    ("capability", "sharded", "message"),
    [(None, False, "there is no GPU here"), ((8, 6), False, "NVIDIA A10 has 8.6"), ((8, 9), True, "FSDP"),
     ((8, 9), False, ""), ((10, 0), False, "")],
)  # fmt: skip
def test_fp8_is_refused_where_it_is_missing(monkeypatch, capability, sharded, message):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda name: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda name: "NVIDIA A10")
    name = "cuda:0" if capability else "cpu"
    precision.require_supported("nf4", name, sharded)
    if not message:
        precision.require_supported("fp8", name, sharded)
        return
    with pytest.raises(UserError, match=message) as refused:
        precision.require_supported("fp8", name, sharded)
    assert "--BASE_PRECISION nf4" in str(refused.value)


def test_fp8_is_suggested_where_nf4_was_chosen(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda name: (9, 0))
    precision.suggest_fp8("nf4", "cuda:0", False)
    assert "--BASE_PRECISION fp8" in capsys.readouterr().out
    for chosen, name, sharded in (("fp8", "cuda:0", False), ("nf4", "cpu", False), ("nf4", "cuda:0", True)):
        precision.suggest_fp8(chosen, name, sharded)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda name: (8, 0))
    precision.suggest_fp8("nf4", "cuda:0", False)
    assert capsys.readouterr().out == ""
