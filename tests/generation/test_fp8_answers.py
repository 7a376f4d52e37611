"""Answers of a model in FP8: joined products, and keys and values in e4m3. On the CPU, in float32."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from test_engine import QUESTIONS, STEPS, answers, greedy, prompt_of
from transformers import DynamicCache

from medqa.generation import engine, fused_kernels
from medqa.generation.fused_decoder import FusedDecoder, Projection
from medqa.generation.kv_cache import StaticKVCache, read_tokens, write_tokens
from medqa.generation.model_pair import Models
from medqa.generation.sampling import Decoding
from medqa.modeling import fp8, loading
from medqa.modeling.base_model import BaseModel
from medqa.modeling.decode_attention import decode_attention
from medqa.modeling.device import Device

CPU = Device("cpu", "float32", "for the tests")
ATTENTION = ("q_proj", "k_proj", "v_proj")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.fixture(scope="module")
def model(tiny_model):
    return loading.load_base(BaseModel(str(tiny_model), "MODEL_NAME"), CPU, "fp8").eval()


@pytest.fixture(scope="module")
def prompts(tiny_model):
    tokenizer = BaseModel(str(tiny_model), "MODEL_NAME").tokenizer
    return [prompt_of(question, tokenizer, 512, str(number)) for number, question in enumerate(QUESTIONS)]


class RoundedCache(DynamicCache):
    """The cache of transformers, with keys and values rounded to e4m3."""

    def update(self, key_states, value_states, *others, **more):
        rounded = (fp8.saturated(states).float() for states in (key_states, value_states))
        return super().update(*rounded, *others, **more)


def test_greedy_answers_are_those_of_transformers_with_a_rounded_cache(model, prompts):
    expected, unrounded = {}, {}
    for prompt in prompts:
        ids = torch.tensor([prompt.input_ids])
        for cache, kept in ((RoundedCache, expected), (DynamicCache, unrounded)):
            out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, eos_token_id=None,
                                 max_new_tokens=STEPS, pad_token_id=0,
                                 past_key_values=cache(config=model.config))  # fmt: skip
            kept[prompt.id] = " ".join(map(str, out[0, ids.shape[1] :].tolist()))
    for batch_size in (1, 3, len(prompts)):
        found = answers(model, prompts, greedy(), batch_size)
        assert {id: answer.hypothesis for id, answer in found.items()} == expected
    assert expected != unrounded


def test_a_sampled_answer_depends_on_its_question_alone(model, prompts):
    decoding = Decoding(STEPS, 0.9, 0.95, 7, ())
    alone = answers(model, prompts, decoding, 1)
    assert answers(model, prompts[::-1], decoding, 3) == alone
    some = answers(model, prompts[1:4], decoding, 3)
    assert some == {id: alone[id] for id in some}


@pytest.mark.parametrize("adapted", [(), ("q_proj", "v_proj"), ATTENTION])
def test_a_joined_product_is_that_of_its_layers_and_takes_no_memory_twice(tiny_model, adapted):
    model = loading.load_base(BaseModel(str(tiny_model), "MODEL_NAME"), CPU, "fp8").eval()
    if adapted:
        tuned = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=list(adapted))).eval()
        for name, weights in tuned.named_parameters():
            weights.data.normal_(0, 0.2) if "lora_B" in name else None
    attention = model.model.layers[0].self_attn
    layers = [getattr(attention, name) for name in ATTENTION]
    hidden = torch.randn(7, 64)
    expected = torch.cat([layer(hidden) for layer in layers], dim=1)
    joined = Projection(layers, torch.float32)
    assert joined.joined
    torch.testing.assert_close(joined(hidden), expected)
    torch.testing.assert_close(joined(hidden, joined.quantized(hidden)), expected)
    bases = [getattr(layer, "base_layer", layer) for layer in layers]
    storages = {base.weight.untyped_storage().data_ptr() for base in bases}
    assert storages == {joined.weight.untyped_storage().data_ptr()}
    assert joined.weight.untyped_storage().nbytes() == sum(base.weight.nbytes for base in bases)
    again = Projection(layers, torch.float32)
    assert again.weight.data_ptr() == joined.weight.data_ptr()
    torch.testing.assert_close(torch.cat([layer(hidden) for layer in layers], dim=1), expected)


def test_the_bias_of_joined_layers_is_added():
    layers = [fp8.Fp8Linear(32, size, True, torch.float32) for size in (16, 48)]
    for layer in layers:
        weight, layer.scale.data = fp8.quantize_rows(torch.randn_like(layer.weight))
        layer.weight = torch.nn.Parameter(weight.view(torch.uint8), requires_grad=False)
        layer.requires_grad_(False)
    hidden = torch.randn(5, 32)
    expected = torch.cat([layer(hidden) for layer in layers], dim=1)
    torch.testing.assert_close(Projection(layers, torch.float32)(hidden), expected)
    assert expected.isfinite().all() and all(layer.bias.abs().max() > 0 for layer in layers)


def test_gate_and_up_share_one_quantization(model, monkeypatch):
    """Four quantizations a layer: for q, k and v; for the output; for gate and up; for the last product."""
    from medqa.generation import fused_decoder

    seen = []
    quantize = fp8.quantize_states
    monkeypatch.setattr(fused_decoder, "quantize_states", lambda x: seen.append(x.shape) or quantize(x))
    decoder = FusedDecoder(model, 16)
    cache = StaticKVCache(model.config, 2, 16, "cpu", fp8.E4M3)
    place = torch.tensor([0, 1])
    lengths = torch.tensor([1, 2])
    decoder(place, place, place, cache, lambda q, k, v: decode_attention(q, k, v, lengths, decoder.scaling))
    assert seen == [(2, 64), (2, 128), (2, 64), (2, 128)] * 2


def test_the_cache_in_e4m3_stores_saturates_moves_and_keeps_a_prefix(model):
    cache = StaticKVCache(model.config, 4, 10, "cpu", fp8.E4M3)
    keys, _ = cache.states[0]
    new = torch.randn(3, *keys.shape[1::2])
    new[0, 0, :2] = torch.tensor([1e4, -500.0])
    rows, positions = torch.tensor([0, 0, 2]), torch.tensor([0, 1, 5])
    write_tokens(keys, rows, positions, new)
    expected = new.clamp(-448, 448).to(fp8.E4M3).float()
    assert torch.equal(read_tokens(keys, rows, positions, torch.float32), expected)
    assert expected[0, 0, :2].tolist() == [448, -448]
    cache.move(2, 1)
    cache.keep_prefix(2)
    cache.write_prefix(slice(2, 4))
    states = keys.float()
    assert torch.equal(states[1, :, 5], expected[2])
    assert torch.equal(states[3, :, :2], expected[:2].transpose(0, 1))
    assert torch.equal(states[2, :, 5], expected[2]) and (states[3, :, 2:] == 0).all()


def test_twice_as_many_questions_fit_beside_a_cache_in_e4m3(model, monkeypatch):
    monkeypatch.setattr(engine, "free_memory", lambda _: int(2**31 / 0.9 + 1e7))
    on_gpu = type("Model", (), {"config": model.config, "device": torch.device("cuda")})
    rows, _ = engine.choose_batch_size(4, True, on_gpu, 1024)
    on_gpu.quantization_method = model.quantization_method
    assert rows > 4 and engine.choose_batch_size(4, True, on_gpu, 1024)[0] in (2 * rows, 2 * rows + 1)
    # A model that is answered with padding keeps the cache of transformers, in bfloat16.
    monkeypatch.setattr(engine.varlen_attention, "SUPPORTED_ARCHITECTURES", ())
    assert engine.choose_batch_size(4, True, on_gpu, 1024)[0] == rows


def test_answers_in_fp8_of_earlier_versions_are_not_reused(tiny_model):
    """Their cache was in 16 bits, and their identity had `"precision": "fp8"`."""
    base = BaseModel(str(tiny_model), "BASE_MODEL_PATH")
    of = {name: Models(base, str(tiny_model), CPU, name).identity("base") for name in ("fp8", "bf16")}
    assert of["fp8"] == of["bf16"] | {"precision": "fp8, cache in e4m3"}


@needs_gpu
@pytest.mark.parametrize("size", [64, 96, 4096, 14336])
def test_the_kernel_quantizes_as_torch_does(size):
    states = torch.randn(50, size, device="cuda") * torch.logspace(-15, 15, 50, device="cuda")[:, None]
    states[7] = 0
    for dtype in (torch.bfloat16, torch.float32):
        found, expected = fp8.quantize_states(states.to(dtype)), fp8.quantize_rows(states.to(dtype))
        assert torch.equal(found[0].float(), expected[0].float())
        assert torch.equal(found[1], expected[1])


@needs_gpu
def test_the_kernels_of_the_cache_do_what_torch_does(monkeypatch):
    qkv = 100 * torch.randn(6, 12, 64, device="cuda").bfloat16()
    cosine, sine = (torch.randn(50, 32, device="cuda").bfloat16().repeat(1, 2) for _ in range(2))
    rows, positions = (torch.tensor(x, device="cuda") for x in ([0, 1, 2, 3, 0, 1], [3, 4, 5, 6, 7, 8]))
    lengths = torch.tensor([8, 9, 6, 7], device="cuda", dtype=torch.int32)
    found = []
    for kernels in (True, False):
        if not kernels:
            monkeypatch.setattr(fused_kernels, "triton", None)
        keys, values = torch.zeros(2, 4, 2, 50, 64, device="cuda").to(fp8.E4M3)
        query = fused_kernels.rotate_and_store(qkv, cosine, sine, rows, positions, keys, values)
        found.append([query.float(), keys.float(), values.float()])
    for one, other in zip(*found, strict=True):
        # One step of e4m3; torch rounds both products of a rotation, up to 400, to bfloat16 before their sum.
        torch.testing.assert_close(one, other, rtol=0.13, atol=1)
        assert (one - other).abs().mean() < 0.01 * other.abs().mean() and one.isfinite().all()
    query = torch.randn(4, 8, 64, device="cuda").bfloat16()
    attended = decode_attention(query, keys, values, lengths, 0.01).float()
    expected = decode_attention(query.cpu().float(), keys.cpu(), values.cpu(), lengths.cpu(), 0.01)
    torch.testing.assert_close(attended.cpu(), expected, rtol=0.01, atol=0.5)
