"""BERTScore equals the bert_score library, on small random DeBERTa, BERT and RoBERTa encoders."""

import itertools
import json
import math
import time

import pytest
from pairs import ODD_TEXTS, answers, text_pairs

from medqa.metrics import bertscore, encoder
from medqa.metrics.bertscore import BertScorer
from medqa.metrics.encoder import EncoderMissing

LONGEST = 64
LAYER = 2
# What the library can score: it fails on an empty text, and gives NaN for one of special tokens alone.
SCORABLE = [
    pair
    for pair in text_pairs(500, longest=160)
    if all(text.strip() and text != "[SEP] [CLS]" for text in pair)
]


def _byte_pair_vocabulary(special):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(answers()[:300], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def _sizes(tokenizer):
    return {
        "vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
        "intermediate_size": 48, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip


def _deberta():
    from transformers import DebertaConfig, DebertaModel, DebertaTokenizer

    vocabulary, merges = _byte_pair_vocabulary(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"])
    tokenizer = DebertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=LONGEST)
    # As microsoft/deberta-xlarge-mnli: relative positions, in both directions, and no absolute ones.
    config = DebertaConfig(
        **_sizes(tokenizer), max_position_embeddings=LONGEST, relative_attention=True,
        pos_att_type=["c2p", "p2c"], position_biased_input=False,
    )  # fmt: skip
    return tokenizer, DebertaModel(config)


def _bert():
    from transformers import BertConfig, BertModel, BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz0123456789.,-%/()"]
    words += [f"##{character}" for character in "abcdefghijklmnopqrstuvwxyz0123456789"]
    words += sorted({word for text in answers()[:50] for word in text.lower().split() if word.isalpha()})
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    tokenizer = BertTokenizer(vocab=vocabulary, model_max_length=LONGEST)
    return tokenizer, BertModel(BertConfig(**_sizes(tokenizer), max_position_embeddings=LONGEST))


def _roberta():
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    vocabulary, merges = _byte_pair_vocabulary(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer = RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=LONGEST)
    positions = LONGEST + tokenizer.pad_token_id + 1
    return tokenizer, RobertaModel(RobertaConfig(**_sizes(tokenizer), max_position_embeddings=positions))


@pytest.fixture(scope="module", params=[_deberta, _bert, _roberta], ids=["deberta", "bert", "roberta"])
def folder(request, tmp_path_factory):
    return _save(request.param, tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def deberta(tmp_path_factory):
    return _save(_deberta, tmp_path_factory.mktemp("encoder"))


def _save(build, path):
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)  # of these small encoders, more threads only wait for each other
    torch.manual_seed(0)
    tokenizer, model = build()
    with torch.no_grad():
        for layer in model.encoder.layer:
            # As in trained encoders, all states point roughly one way. Without this some similarities are
            # negative, which bert_score takes for 0 wherever the batch happens to have padding.
            layer.output.LayerNorm.bias += 0.7
    tokenizer.save_pretrained(path)
    model.save_pretrained(path)
    return path


# ---- agreement ---------------------------------------------------------------------------------------------


def test_scores_equal_bert_score(folder):
    from bert_score import score

    assert len(SCORABLE) > 500
    references, hypotheses = map(list, zip(*SCORABLE, strict=True))
    ours = BertScorer(folder, layer=LAYER, device="cpu").score(references, hypotheses)
    theirs = score(hypotheses, references, model_type=str(folder), num_layers=LAYER, device="cpu")
    for name, expected in zip(("precision", "recall", "f1"), theirs, strict=True):
        assert ours[f"bertscore_{name}"] == pytest.approx(expected.tolist(), abs=1e-6)
    # The encoder is random, but not blind: it tells these texts apart.
    assert len({round(value, 3) for value in ours["bertscore_f1"]}) > 50


def test_f1_lies_between_precision_and_recall_for_any_signs():
    values = [-0.9, -0.2, -1e-9, 0.0, 1e-9, 0.1, 0.6]
    for precision, recall in itertools.product(values, values):
        *_, f1 = bertscore.with_f1(precision, recall)
        assert min(precision, recall) - 1e-12 <= f1 <= max(precision, recall) + 1e-12
    assert bertscore.with_f1(0.6, 0.2)[2] == pytest.approx(0.3)
    assert bertscore.with_f1(0.4, -0.15) == (0.4, -0.15, 0.0)


def test_f1_of_opposite_signs_stored_by_an_earlier_version_is_not_used(deberta, tmp_path):
    scorer = BertScorer(deberta, layer=LAYER, device="cpu", cache_folder=tmp_path)
    scorer._cache.add({("fever", "cough"): (0.4, -0.15, -0.48)})
    again = BertScorer(deberta, layer=LAYER, device="cpu", cache_folder=tmp_path)
    assert again.score(["fever"], ["cough"])["bertscore_f1"] == [0.0]


def test_bfloat16_is_near_float32(folder):
    references, hypotheses = map(list, zip(*SCORABLE[:40], strict=True))
    exact, rounded = (
        BertScorer(folder, layer=LAYER, device="cpu", dtype=dtype).score(references, hypotheses)[
            "bertscore_f1"
        ]
        for dtype in ("float32", "bfloat16")
    )
    assert rounded == pytest.approx(exact, abs=0.02)
    assert rounded != exact


def test_the_layer_changes_the_score(deberta):
    pair = (["Apixaban prevents stroke."], ["Warfarin prevents clots."])
    by_layer = [
        BertScorer(deberta, layer=layer, device="cpu").score(*pair)["bertscore_f1"][0] for layer in (1, 2, 3)
    ]
    assert len(set(by_layer)) == 3
    # 0 means the last layer of an encoder that bert_score does not know
    assert BertScorer(deberta, device="cpu").score(*pair)["bertscore_f1"][0] == by_layer[2]
    with pytest.raises(EncoderMissing, match="BERTSCORE_LAYER is 4, but the encoder has the layers 1 to 3"):
        BertScorer(deberta, layer=4, device="cpu")


def test_tuned_layer_and_baseline_belong_to_the_named_model(tmp_path, deberta):
    """Also when it lies in a folder of that name, or in the Hub's own cache."""
    for path in (
        "microsoft/deberta-xlarge-mnli",
        "/models/deberta-xlarge-mnli",
        "/cache/models--microsoft--deberta-xlarge-mnli/snapshots/0123abc",
    ):
        assert encoder.known_name(path) == "microsoft/deberta-xlarge-mnli"
    assert encoder.known_name("/models/our-own") == "/models/our-own"
    # deberta-xlarge-mnli.tsv of bert_score 0.3.13, line of layer 40
    assert bertscore._baseline("microsoft/deberta-xlarge-mnli", 40) == (0.5169066, 0.5170288, 0.5150192)
    assert bertscore._baseline("/models/our-own", 40) is None
    named = tmp_path / "deberta-base-mnli"
    named.symlink_to(deberta)
    scorer = BertScorer(named, device="cpu")
    # its tuned layer is 9; this one has only 3
    assert (scorer.name, scorer.layer) == ("microsoft/deberta-base-mnli", 3)


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")  # bert_score's own
def test_rescaled_values_equal_bert_score(tmp_path, deberta):
    from bert_score import BERTScorer

    named = tmp_path / "deberta-base"
    named.symlink_to(deberta)
    references, hypotheses = map(list, zip(*SCORABLE[:40], strict=True))
    library = BERTScorer(
        model_type=str(deberta), num_layers=2, lang="en", device="cpu", rescale_with_baseline=True
    )
    library.baseline_path = str(_packaged_baseline("microsoft/deberta-base"))
    theirs = library.score(hypotheses, references)
    ours = BertScorer(named, layer=2, device="cpu").score(references, hypotheses)
    for name, expected in zip(("precision", "recall", "f1"), theirs, strict=True):
        assert ours[f"bertscore_{name}_rescaled"] == pytest.approx(expected.tolist(), abs=1e-5)
    assert not any(
        "rescaled" in name for name in BertScorer(deberta, layer=2, device="cpu").score(["a"], ["a"])
    )


def _packaged_baseline(name):
    from pathlib import Path

    import bert_score

    return Path(bert_score.__file__).parent / "rescale_baseline" / "en" / f"{name}.tsv"


# ---- every text, and each once -----------------------------------------------------------------------------


def test_every_text_gets_a_number_and_empty_ones_0(folder):
    scorer = BertScorer(folder, layer=LAYER, device="cpu")
    texts = [*ODD_TEXTS, "\ud83d half a character", "5 mg " * 20_000]
    for pairs in ([("fever", text) for text in texts], [(text, "fever") for text in texts]):
        scores = scorer.score(*zip(*pairs, strict=True))
        assert all(math.isfinite(value) for values in scores.values() for value in values)
        for pair, value in zip(pairs, scores["bertscore_f1"], strict=True):
            if not (pair[0].strip() and pair[1].strip()):
                assert value == 0.0
    assert scorer.score([], []) == {"bertscore_precision": [], "bertscore_recall": [], "bertscore_f1": []}


def test_each_distinct_text_is_encoded_once(deberta, monkeypatch):
    monkeypatch.setattr(bertscore, "PAIRS_PER_BLOCK", 3)  # a text that several blocks need is kept
    scorer = BertScorer(deberta, layer=LAYER, device="cpu")
    references = [f"reference {number}" for number in range(10)] * 2
    hypotheses = [f"answer {number}" for number in range(10)] + ["I do not know."] * 10
    scores = scorer.score(references, hypotheses)
    assert scorer.encoded == 10 + 10 + 1
    alone = BertScorer(deberta, layer=LAYER, device="cpu").score(references[15:16], hypotheses[15:16])
    assert scores["bertscore_f1"][15] == pytest.approx(alone["bertscore_f1"][0], abs=1e-6)


def test_a_batch_too_large_for_the_memory_is_halved(deberta, monkeypatch):
    import torch

    scorer = BertScorer(deberta, layer=LAYER, device="cpu")
    expected = BertScorer(deberta, layer=LAYER, device="cpu").score(*zip(*SCORABLE[:30], strict=True))
    forward = scorer.encoder.forward

    def small_card(ids, **options):
        if ids.numel() > 300:
            raise torch.OutOfMemoryError("planted")
        return forward(ids, **options)

    monkeypatch.setattr(scorer.encoder, "forward", small_card)
    scores = scorer.score(*zip(*SCORABLE[:30], strict=True))
    assert scores["bertscore_f1"] == pytest.approx(expected["bertscore_f1"], abs=1e-6)


def test_texts_beyond_the_longest_input_are_counted(deberta):
    scorer = BertScorer(deberta, layer=LAYER, device="cpu")
    assert scorer.max_tokens == LONGEST
    long = "fever and pain " * 100
    scorer.score([long, long, "short"], ["short", "short", "short"])
    assert len(scorer.truncated) == 1


def test_a_tokenizer_without_a_longest_input_takes_the_encoders(tmp_path, deberta):
    """As that of microsoft/deberta-xlarge-mnli, on which bert_score raises OverflowError."""
    import shutil

    from transformers import AutoTokenizer

    unlimited = shutil.copytree(deberta, tmp_path / "unlimited")
    settings = json.loads((unlimited / "tokenizer_config.json").read_text())
    del settings["model_max_length"]
    (unlimited / "tokenizer_config.json").write_text(json.dumps(settings))
    assert AutoTokenizer.from_pretrained(unlimited).model_max_length > 10**9
    scorer = BertScorer(unlimited, layer=LAYER, device="cpu")
    assert scorer.max_tokens == LONGEST
    assert math.isfinite(scorer.score(["fever " * 500], ["fever"])["bertscore_f1"][0])


# ---- the cache ---------------------------------------------------------------------------------------------


def test_scores_are_stored_from_run_to_run(deberta, tmp_path):
    references, hypotheses = map(list, zip(*SCORABLE[:20], strict=True))
    first = BertScorer(deberta, layer=LAYER, device="cpu", cache_folder=tmp_path)
    scores = first.score(references, hypotheses)
    assert first.encoded > 0
    again = BertScorer(deberta, layer=LAYER, device="cpu", cache_folder=tmp_path)
    assert again.score(references, hypotheses) == scores
    assert again.encoded == 0
    # one new answer costs two texts
    again.score([*references, references[0]], [*hypotheses, "something new"])
    assert again.encoded == 2


def test_another_layer_or_other_weights_have_another_cache(deberta, tmp_path):
    import torch
    from transformers import AutoModel, AutoTokenizer

    other = tmp_path / "other"
    model = AutoModel.from_pretrained(deberta)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(1.01)
    model.save_pretrained(other)
    AutoTokenizer.from_pretrained(deberta).save_pretrained(other)
    scorers = [
        BertScorer(deberta, layer=2, device="cpu"),
        BertScorer(deberta, layer=1, device="cpu"),
        BertScorer(other, layer=2, device="cpu"),
        BertScorer(deberta, layer=2, device="cpu", dtype="bfloat16"),
    ]
    assert len({scorer.fingerprint for scorer in scorers}) == 4
    assert BertScorer(deberta, layer=2, device="cpu").fingerprint == scorers[0].fingerprint


def test_a_damaged_cache_loses_only_the_damaged_lines(deberta, tmp_path):
    references, hypotheses = map(list, zip(*SCORABLE[:20], strict=True))
    scores = BertScorer(deberta, layer=LAYER, device="cpu", cache_folder=tmp_path).score(
        references, hypotheses
    )
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:-25])  # killed while writing the last line
    again = BertScorer(deberta, layer=LAYER, device="cpu", cache_folder=tmp_path)
    assert again.score(references, hypotheses)["bertscore_f1"] == pytest.approx(
        scores["bertscore_f1"], abs=1e-6
    )
    assert again.encoded == 2
    file.write_bytes(b"\xff\xfe{[1]\n[]\nnull\n" + content)
    whole = BertScorer(deberta, layer=LAYER, device="cpu", cache_folder=tmp_path)
    assert whole.score(references, hypotheses) == scores
    assert whole.encoded == 0


# ---- without an encoder ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["/no/such/folder", "./missing", "~/missing", "a/b/c", ""])
def test_a_missing_folder_is_one_sentence(name):
    with pytest.raises(EncoderMissing, match=f"there is no folder {name!r}[^\n]*--BERTSCORE_MODEL FOLDER"):
        BertScorer(name)


def test_a_folder_without_an_encoder_is_one_sentence(tmp_path):
    with pytest.raises(EncoderMissing, match="holds none that can be loaded"):
        BertScorer(tmp_path)


@pytest.mark.parametrize(
    ("offline", "message"),
    [("1", "HF_HUB_OFFLINE forbids fetching it"), ("0", r"failed \(Name or service not known\)")],
    ids=["offline", "unreachable"],
)
def test_without_the_hub_a_missing_encoder_is_one_sentence(monkeypatch, offline, message):
    calls = []

    def unreachable(model):
        calls.append(model)
        raise OSError("Name or service not known\nand many more lines")

    monkeypatch.setattr(encoder.hub, "files_of", unreachable)
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    started = time.monotonic()
    with pytest.raises(EncoderMissing, match=message):
        BertScorer("nobody/such-an-encoder")
    assert len(calls) == (offline == "0") and time.monotonic() - started < 10
