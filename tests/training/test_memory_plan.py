"""Plan and estimate of a run, compared with measurements of Llama-3-8B on an H100."""

from types import SimpleNamespace

import pytest

from medqa.modeling import model_size
from medqa.training import memory_plan
from medqa.training.memory_plan import MemorySettings, Plan, estimate_run

# Llama-3-8B
SIZES = SimpleNamespace(
    num_hidden_layers=32, hidden_size=4096, intermediate_size=14336, num_attention_heads=32,
    num_key_value_heads=8, vocab_size=128_256, tie_word_embeddings=False,
)  # fmt: skip
H100, CARD_24 = int(72e9), int(24e9 - 6.1e9)  # beside the weights


DEFAULTS = {"base_precision": "nf4", "max_seq_length": 2048, "tokens_per_batch": 0, "gradient_checkpointing": "auto",
            "compile": "on"}  # fmt: skip


def settings(**changes: object) -> MemorySettings:
    return MemorySettings(**DEFAULTS | changes)


def plan_pass(free, checkpointing="auto", tokens=0, compiled=True):
    wanted = settings(gradient_checkpointing=checkpointing, tokens_per_batch=tokens)
    return memory_plan.plan_pass(wanted, SIZES, free, compiled, memory_plan.USABLE)


def test_a_large_card_keeps_activations_and_takes_as_many_tokens_as_pay():
    assert plan_pass(H100)[:2] == (memory_plan.MAX_PASS_TOKENS, False)
    assert plan_pass(H100, compiled=False)[:2] == (memory_plan.MAX_PASS_TOKENS, False)
    assert plan_pass(H100, "on")[:2] == (memory_plan.MAX_PASS_TOKENS_RECOMPUTED, True)


def test_a_24_gb_card_trains_at_the_defaults_without_recomputing():
    plan = plan_pass(CARD_24)
    assert not plan.recompute and 2048 <= plan.tokens <= 4096
    # 3,670 tokens of compiled layers took 21.4 GB
    assert estimate_run(SIZES, int(6.1e9), plan, True, [[plan.tokens]], 0, 0, 8e14).gigabytes < 23


def test_a_small_card_recomputes_and_a_sequence_always_fits():
    plan = plan_pass(int(8e9))
    assert plan.recompute and plan.tokens >= 4096
    assert plan_pass(int(8e9), "off")[:2] == (2048, False)  # as the user wants; the rest is up to the card
    assert plan_pass(H100, "on", tokens=512)[:2] == (512, True)
    assert plan_pass(None)[:2] == (4096, False)


def choose(free_bytes, sharded=False, **changes):
    plan = memory_plan.plan_forward_pass(settings(**changes), SIZES, 10_000_000, free_bytes, True, sharded)
    return plan[0]


def test_a_sharded_base_leaves_a_fifth_of_the_memory_free():
    free = int(30e9)
    plan = choose(free, sharded=True)
    used = plan.tokens * model_size.bytes_per_token(SIZES, False, False) + model_size.PASS_OVERHEAD_BYTES
    assert 0.75 * free < used <= 0.8 * free
    assert choose(free, compile="off").tokens > plan.tokens


def test_a_sequence_that_may_not_fit_is_reported(capsys):
    assert choose(int(2.5e9), compile="off").tokens == 2048
    assert "MAX_SEQ_LENGTH 2048 may not fit" in capsys.readouterr().out
    choose(int(8e9), compile="off")
    assert "may not fit" not in capsys.readouterr().out


def test_weights_are_dequantized_once_if_they_fit(capsys):
    plan = choose(H100)
    assert plan.dequantized and plan.tokens == memory_plan.MAX_PASS_TOKENS
    assert "dequantized once" in capsys.readouterr().out
    once, each_pass = (
        estimate_run(SIZES, int(6.08e9), one, True, [[9000] * 2], 0, 0, 787e12)
        for one in (plan, plan._replace(dequantized=False))
    )
    # Two passes: 20.10 GB of weights instead of 6.08 GB less what both need, and 19 ms less for each.
    assert once.gigabytes - each_pass.gigabytes == pytest.approx(10.0, rel=0.01)
    assert each_pass.seconds - once.seconds == pytest.approx(0.038, rel=0.1)
    for free_bytes, changes in (
        (CARD_24, {}), (H100, {"compile": "off"}), (H100, {"base_precision": "bf16"}),
        (H100, {"gradient_checkpointing": "on"}), (H100, {"tokens_per_batch": 20_000}), (None, {}),
    ):  # fmt: skip
        assert not choose(free_bytes, **changes).dequantized
    assert "dequantized" not in capsys.readouterr().out


def test_fp8_weights_leave_a_24_gb_card_without_recomputing():
    assert model_size.weight_bytes(SIZES, "fp8", 2) == pytest.approx(9.08e9, rel=0.01)
    assert not choose(H100, base_precision="fp8").dequantized
    within_24 = choose(int(24e9 - 9.08e9), base_precision="fp8")
    assert not within_24.recompute and within_24.tokens >= 3000


def test_sharded_weights_take_less_memory_on_each_gpu():
    """Two cards: half of 3.49 GB of matrices, two layers gathered, scales and embeddings whole."""
    assert model_size.weight_bytes(SIZES, "nf4", 2, 2) == pytest.approx(4.5e9, rel=0.02)
    assert model_size.all_gather_bytes(SIZES, "nf4", 2) == pytest.approx(0.22e9, rel=0.02)
    assert model_size.weight_bytes(SIZES, "bf16", 2, 2) == pytest.approx((7.0 + 0.9 + 2.1) * 1e9, rel=0.02)


@pytest.mark.parametrize(
    ("tokens", "gigabytes", "compiled"),
    [(3670, 21.37, True), (6070, 30.16, True), (8996, 41.05, True), (10322, 45.88, True),
     (5796, 37.45, False), (8822, 52.98, False)],
)  # fmt: skip
def test_estimated_memory_is_as_measured(tokens, gigabytes, compiled):
    plan = Plan(tokens, False, "")
    estimate = estimate_run(SIZES, int(6.08e9), plan, compiled, [[tokens]], 0, 0, 8e14)
    assert estimate.gigabytes == pytest.approx(gigabytes, rel=0.05)


@pytest.mark.parametrize(
    ("speed", "tokens", "compiled", "dequantized"),
    [(18174, 13253, True, False), (17448, 8657, True, False), (15706, 4562, True, False),
     (13075, 2600, True, False), (18610, 13253, True, True), (18311, 8753, True, True),
     (17826, 5358, True, True), (12938, 8616, False, False), (12450, 5011, False, False)],
)  # fmt: skip
def test_estimated_speed_is_as_measured(speed, tokens, compiled, dequantized):
    plan = Plan(16384, False, "", dequantized=dequantized)
    estimate = estimate_run(SIZES, 0, plan, compiled, [[tokens]] * 10, 0, 0, 787e12)
    assert estimate.tokens_per_second == pytest.approx(speed, rel=0.1)
    assert estimate.seconds == pytest.approx(
        10 * tokens / estimate.tokens_per_second + memory_plan.COMPILE_SECONDS * compiled
    )


def test_recomputing_and_evaluating_take_their_time():
    kept, again = (
        estimate_run(SIZES, 0, Plan(8192, on, ""), False, [[8000]], 0, 0, 8e14) for on in (False, True)
    )
    assert again.seconds == pytest.approx(1.5 * kept.seconds, rel=0.05)
    assert again.gigabytes < kept.gigabytes / 5
    evaluated = estimate_run(SIZES, 0, Plan(8192, False, ""), False, [[8000]], 4000, 2, 8e14)
    assert evaluated.seconds == pytest.approx(1.5 * kept.seconds, rel=0.05)


def test_weights_are_those_of_the_model():
    assert model_size.weight_bytes(SIZES, "bf16", 2) == pytest.approx(2 * 8_030_261_248, rel=1e-3)
    assert model_size.weight_bytes(SIZES, "nf4", 2) == pytest.approx(6.08e9, rel=0.01)
    assert model_size.num_matmul_parameters(SIZES) == pytest.approx(7.5e9, rel=0.01)


def test_layers_are_compiled_where_it_pays(monkeypatch):
    assert memory_plan.decide_compile("auto", True, 10_000_000, True, False)[0]
    compiled, why = memory_plan.decide_compile("auto", True, 10_000, True, False)
    assert not compiled and "10,000 tokens" in why
    assert memory_plan.decide_compile("on", True, 10_000, True, False)[0]
    assert not memory_plan.decide_compile("off", True, 10_000_000, True, False)[0]
    assert not memory_plan.decide_compile("on", False, 10_000_000, True, False)[0]
    assert not memory_plan.decide_compile("on", True, 10_000_000, True, True)[0]
    compiled, why = memory_plan.decide_compile("on", True, 10_000_000, False, False)
    assert not compiled and "gcc" in why
    for there in ("/usr/bin/gcc", None):
        monkeypatch.setattr(memory_plan.shutil, "which", {"gcc": there}.get)
        assert memory_plan.has_compiler() == bool(there)
