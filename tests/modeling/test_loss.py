"""The packed loss is the loss of the sequences one by one, in value and in gradient, however it is cut."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from medqa.modeling import loss, varlen_attention
from medqa.modeling.chat_template import apply_chat_template, render
from medqa.modeling.collator import collate, pack_first_fit_decreasing, shared_prefix_length
from medqa.modeling.tokenization import tokenize

SYSTEM = "Answer briefly."


@pytest.fixture(scope="module")
def examples(tiny_model):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    pairs = [("What is angina?", "Chest pain."), ("And migraine?", "Headache."), ("Acne?", "Spots " * 20)]
    records = [
        {"id": str(n), "specialty": "x", "question": q,
         "formatted_chat": render(apply_chat_template, q, a, SYSTEM)}
        for n, (q, a) in enumerate(pairs)
    ]  # fmt: skip
    return tokenize(records, tokenizer, apply_chat_template, SYSTEM, 512).examples


def load(tiny_model, attn):
    return AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32, attn_implementation=attn)


def plain_losses(model, example):
    """Loss of each trained token by the library's own forward pass over one sequence."""
    ids = torch.tensor(example.input_ids, dtype=torch.long)[None]
    logits = model(input_ids=ids).logits[0, example.answer_start - 1 : -1]
    return torch.nn.functional.cross_entropy(logits, ids[0, example.answer_start :], reduction="none")


def test_packed_losses_equal_the_sequences_one_by_one(tiny_model, examples):
    plain, packed = load(tiny_model, "eager"), load(tiny_model, varlen_attention.NAME)
    with torch.no_grad():
        together = loss.packed_loss(packed, **collate(examples, "cpu"))
        alone = torch.cat([plain_losses(plain, example) for example in examples])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("budget", [10_000, 120, 1])
def test_gradients_do_not_depend_on_the_cut(tiny_model, examples, budget):
    plain, packed = load(tiny_model, "eager"), load(tiny_model, varlen_attention.NAME)
    for model in (plain, packed):
        model.get_output_embeddings().requires_grad_(False)
    sum(plain_losses(plain, example).sum() for example in examples).backward()
    for part in pack_first_fit_decreasing([len(example.input_ids) for example in examples], budget):
        loss.packed_loss(packed, **collate([examples[index] for index in part], "cpu")).backward()
    for (name, wanted), found in zip(plain.named_parameters(), packed.parameters(), strict=True):
        if wanted.grad is not None:
            assert torch.linalg.norm(found.grad - wanted.grad) <= 1e-5 * torch.linalg.norm(wanted.grad), name


def test_a_models_own_forward_pass_gives_the_same_loss(tiny_model, examples):
    plain, packed = load(tiny_model, "eager"), load(tiny_model, varlen_attention.NAME)
    with torch.no_grad():
        wanted = loss.packed_loss(packed, **collate(examples, "cpu"))
        found = torch.cat([loss.plain_loss(plain, e.input_ids, e.answer_start) for e in examples])
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


OTHERS = {
    "gemma2": {"sliding_window": 8, "attn_logit_softcapping": 3.0, "final_logit_softcapping": 4.0},
    "gemma3_text": {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]},
    "granite": {"logits_scaling": 3.0, "attention_multiplier": 0.2, "residual_multiplier": 0.5},
    "olmo2": {},
    "mistral": {"sliding_window": 8},
    "qwen3": {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 0},
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_architectures_learn_what_their_own_attention_would(examples, kind):
    """Sliding windows shorter than a sequence, capped scores and scaled logits are followed."""
    from transformers import AutoConfig

    small = {"vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
             "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "pad_token_id": 0,
             "query_pre_attn_scalar": 16}  # fmt: skip
    models = []
    for attention in ("eager", varlen_attention.NAME):
        torch.manual_seed(3)
        config = AutoConfig.for_model(kind, **small | OTHERS[kind])
        model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).float()
        torch.nn.init.normal_(model.get_output_embeddings().weight, std=0.3)
        model.get_output_embeddings().requires_grad_(False)
        models.append(model)
    plain, packed = models
    assert varlen_attention.is_supported(plain.config, 512)
    wanted = sum(plain_losses(plain, example).sum() for example in examples)
    found = loss.packed_loss(packed, **collate(examples, "cpu"))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-3)
    wanted.backward(), found.backward()
    ours, theirs = (model.get_decoder().layers[0].self_attn.q_proj.weight.grad for model in (packed, plain))
    assert torch.linalg.norm(ours - theirs) <= 1e-4 * torch.linalg.norm(theirs)


def test_chunks_of_the_head_change_nothing(tiny_model, examples, monkeypatch):
    model = load(tiny_model, varlen_attention.NAME)
    model.get_output_embeddings().requires_grad_(False)
    weight = model.get_decoder().layers[0].self_attn.q_proj.weight
    gradients = []
    for rows in (1024, 3):
        monkeypatch.setattr(loss, "HEAD_ROWS", rows)
        model.zero_grad()
        loss.packed_loss(model, **collate(examples, "cpu")).backward()
        gradients.append(weight.grad.clone())
    assert torch.linalg.norm(gradients[1] - gradients[0]) <= 1e-5 * torch.linalg.norm(gradients[0])


def test_no_sequence_sees_another(tiny_model, examples):
    model = load(tiny_model, varlen_attention.NAME)
    kept = shared_prefix_length(examples)  # reversed too, it would not be shared, and sums round differently
    ids = examples[0].input_ids
    changed = examples[0]._replace(input_ids=np.concatenate([ids[:kept], ids[: kept - 1 : -1]]))
    with torch.no_grad():
        before = loss.packed_loss(model, **collate(examples, "cpu"))
        after = loss.packed_loss(model, **collate([changed, *examples[1:]], "cpu"))
    own = examples[0].num_label_tokens
    assert torch.equal(before[own:], after[own:])
    assert not torch.allclose(before[:own], after[:own])
