"""Entailment equals transformers for one pair at a time, on small random classifiers."""

import json
import math
import random

import pytest
from pairs import ODD_TEXTS, answers, text_pairs
from test_bertscore import _deberta

from medqa.metrics import nli
from medqa.metrics.encoder import HeadMissing
from medqa.metrics.nli import EntailmentScorer, statements

LONGEST = 96
# In another order than that of microsoft/deberta-xlarge-mnli, and in other letters.
LABELS = {0: "ENTAILMENT", 1: "neutral", 2: "Contradiction"}


def short_pairs():
    """References of one to four short statements, which fit the longest input, and answers; odd texts, too."""
    chance = random.Random(4)
    words = [text.split() for text in answers()]

    def some():
        return " ".join(chance.choice(words)[:6]).strip(".,;").capitalize()

    made = [(". ".join(some() for _ in range(chance.randint(1, 4))) + ".", some()) for _ in range(80)]
    return made + [pair for pair in text_pairs(0) if all(text.strip() for text in pair)]


PAIRS = short_pairs()
LONG = " ".join(f"Statement number {number} is about fever and dose {number} mg." for number in range(40))


def _pieces():
    """A byte-level tokenizer that puts [CLS] answer [SEP] statement [SEP], as DeBERTa's do."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    core = Tokenizer(models.BPE(unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(answers()[:300], trainer)
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    names = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=core, mask_token="[MASK]", model_input_names=inputs, **names
    )


def _sizes(tokenizer, labels):
    return {
        "vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 48, "pad_token_id": tokenizer.pad_token_id, "max_position_embeddings": LONGEST,
        "id2label": labels, "label2id": {name: place for place, name in labels.items()},
        "initializer_range": 0.5,
    }  # fmt: skip


def _save(kind, path, labels=LABELS):
    import torch
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        DebertaConfig,
        DebertaForSequenceClassification,
        DebertaV2Config,
        DebertaV2ForSequenceClassification,
        logging,
    )

    logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    tokenizer = _deberta()[0] if kind == "deberta" else _pieces()
    tokenizer.model_max_length = 10**30  # as that of microsoft/deberta-xlarge-mnli
    sizes = _sizes(tokenizer, labels)
    if kind == "deberta":  # of the kind of microsoft/deberta-xlarge-mnli
        config = DebertaConfig(
            **sizes, relative_attention=True, pos_att_type=["c2p", "p2c"], position_biased_input=False,
            pooler_hidden_size=32,
        )  # fmt: skip
        model = DebertaForSequenceClassification(config)
    elif kind == "deberta_v2":
        config = DebertaV2Config(
            **sizes, relative_attention=True, pos_att_type=["c2p", "p2c"], position_biased_input=False,
            position_buckets=16, share_att_key=True, norm_rel_ebd="layer_norm", pooler_hidden_size=32,
        )  # fmt: skip
        model = DebertaV2ForSequenceClassification(config)
    else:
        model = BertForSequenceClassification(BertConfig(**sizes))
    model.eval()
    pairs = [(answer, one) for reference, answer in PAIRS[:40] for one in statements(reference)]
    with torch.no_grad():  # so that every label is some pair's likeliest
        inputs = tokenizer(*map(list, zip(*pairs, strict=True)), padding=True, truncation=True,
                           max_length=LONGEST, return_tensors="pt")  # fmt: skip
        logits = model(**inputs).logits
        model.classifier.bias -= logits.mean(0)
        model.classifier.weight /= logits.std()
        model.classifier.bias /= logits.std()
    tokenizer.save_pretrained(path)
    model.save_pretrained(path)
    return path


@pytest.fixture(
    scope="module", params=["deberta", pytest.param("deberta_v2", marks=pytest.mark.long), "bert"]
)
def folder(request, tmp_path_factory):
    return _save(request.param, tmp_path_factory.mktemp("judge") / request.param)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return _save("bert", tmp_path_factory.mktemp("judge") / "bert")


def expected_probabilities(folder, answer, statement):
    """Probabilities of one pair from transformers: a dict by label in lower case."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    if folder not in _loaded:
        model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
        _loaded[folder] = AutoTokenizer.from_pretrained(folder), model
    tokenizer, model = _loaded[folder]
    first, second = (tokenizer.encode(text, add_special_tokens=False) for text in (answer, statement))
    ids = [tokenizer.cls_token_id, *first, tokenizer.sep_token_id, *second, tokenizer.sep_token_id]
    if len(ids) > LONGEST:
        return None
    types = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    if model.config.model_type != "deberta":  # whose tokenizer puts two separators in transformers 5
        inputs = tokenizer(answer, statement)
        assert (inputs["input_ids"], inputs["token_type_ids"]) == (ids, types)
    with torch.no_grad():
        shares = model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types])).logits.softmax(-1)
    return {name.lower(): share for name, share in zip(LABELS.values(), shares[0].tolist(), strict=True)}


_loaded: dict = {}


# ---- agreement -----------------------------------------------------------------------------------------


def test_probabilities_equal_transformers_one_pair_at_a_time(folder):
    pairs = [(a.strip(), one) for r, a in PAIRS for one in statements(r)]
    found = EntailmentScorer(folder, device="cpu").judge(pairs)
    seen, compared = set(), 0
    for pair in dict.fromkeys(pairs):
        expected = expected_probabilities(folder, *pair)
        if expected is None:
            continue
        compared += 1
        wanted = (expected["entailment"], expected["contradiction"], expected["neutral"])
        assert found[pair] == pytest.approx(wanted, abs=1e-5), pair
        seen.add(max(expected, key=expected.get))
    assert compared > 100 and seen == {"entailment", "contradiction", "neutral"}


def test_scores_are_shares_of_the_most_likely_labels(folder):
    scorer = EntailmentScorer(folder, device="cpu")
    columns = scorer.score(*map(list, zip(*PAIRS, strict=True)))
    for place, (reference, answer) in enumerate(PAIRS):
        likeliest = [
            max(shares, key=shares.get)
            if (shares := expected_probabilities(folder, answer.strip(), one))
            else None
            for one in statements(reference)
        ]
        if not likeliest or None in likeliest:
            continue
        for name, label in (("nli_entailed", "entailment"), ("nli_contradicted", "contradiction")):
            assert columns[name][place] == likeliest.count(label) / len(likeliest)
    assert len(set(columns["nli_entailed"])) > 3 and len(set(columns["nli_contradicted"])) > 3


def test_the_names_of_the_labels_decide_and_not_their_order(tmp_path):
    """The same weights, with two labels' names swapped: the columns swap."""
    one = _save("bert", tmp_path / "one")
    two = _save("bert", tmp_path / "two", {0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"})
    # Short answers: of the parts of a long one, one that entails goes first.
    texts = [reference[:80] for reference, _ in PAIRS[:30]], [answer[:60] for _, answer in PAIRS[:30]]
    first, second = (EntailmentScorer(path, device="cpu") for path in (one, two))
    a, b = first.score(*texts), second.score(*texts)
    assert a["nli_entailed"] == b["nli_contradicted"] != b["nli_entailed"] == a["nli_contradicted"]
    assert first.fingerprint != second.fingerprint


# ---- long answers ----------------------------------------------------------------------------------------


def test_a_long_answer_is_read_in_windows_and_entails_what_any_window_entails(folder):
    import torch

    scorer = EntailmentScorer(folder, device="cpu")
    one = "Statement number 7 is about fever."
    inputs = scorer._inputs((LONG, one))
    assert len(inputs) > 3 and all(len(row["input_ids"]) <= LONGEST for row in inputs)
    # The parts hold the whole answer, overlap, and each is followed by the statement.
    own = scorer.tokenizer.encode(LONG, add_special_tokens=False)
    asked = scorer.tokenizer.encode(one, add_special_tokens=False)
    covered, start = 0, 0
    for row in inputs:
        ids = row["input_ids"]
        part = ids[1 : ids.index(scorer.tokenizer.sep_token_id)]
        assert ids[len(part) + 2 : -1] == asked
        start = next(at for at in range(start, len(own)) if own[at : at + len(part)] == part)
        assert start <= covered
        covered = start + len(part)
    assert covered == len(own)
    alone = []
    for row in inputs:
        with torch.no_grad():
            logits = scorer.classifier(**{name: torch.tensor([ids]) for name, ids in row.items()}).logits
        alone.append(logits.softmax(-1)[0, [0, 2, 1]].tolist())
    found = scorer.judge([(LONG, one)])[LONG, one]
    assert any(found == pytest.approx(part, abs=1e-5) for part in alone)
    best = max(range(len(alone)), key=lambda index: nli._decision_key(tuple(alone[index])))
    assert found == pytest.approx(alone[best], abs=1e-5)
    assert scorer.windowed == {LONG}


@pytest.mark.parametrize(
    ("parts", "decides"),
    [
        ([(0.2, 0.1, 0.7), (0.6, 0.1, 0.3), (0.0, 0.9, 0.1)], 1),
        ([(0.6, 0.1, 0.3), (0.7, 0.1, 0.2)], 1),
        ([(0.1, 0.5, 0.4), (0.2, 0.7, 0.1), (0.1, 0.0, 0.9)], 1),
        ([(0.1, 0.2, 0.7), (0.2, 0.2, 0.6)], 0),
    ],
)
def test_a_window_that_entails_decides_before_one_that_contradicts(parts, decides):
    assert max(parts, key=nli._decision_key) == parts[decides]


def test_a_long_statement_is_truncated(folder):
    scorer = EntailmentScorer(folder, device="cpu")
    for row in scorer._inputs((LONG, LONG)):
        assert len(row["input_ids"]) <= LONGEST
    columns = scorer.score([LONG.replace(". ", ", ")], [LONG])
    assert columns["nli_entailed"][0] in (0.0, 1.0)


# ---- each pair once, kept from run to run ------------------------------------------------------------------


def test_each_distinct_pair_is_judged_once_and_stored(bert, tmp_path):
    references, hypotheses = ["Take 5 mg. Rest well.", "Take 5 mg."] * 3, ["Rest.", "Rest."] * 3
    first = EntailmentScorer(bert, device="cpu", cache_folder=tmp_path)
    columns = first.score(references, hypotheses)
    assert first.judged == 2  # two statements, one answer
    again = EntailmentScorer(bert, device="cpu", cache_folder=tmp_path)
    assert again.score(references, hypotheses) == columns and again.judged == 0
    again.score([*references, "Sleep."], [*hypotheses, "Rest."])
    assert again.judged == 1
    # Long answers are counted also when their judgements come from the cache.
    first.score(["Rest."], [LONG])
    cached = EntailmentScorer(bert, device="cpu", cache_folder=tmp_path)
    cached.score(["Rest."], [LONG])
    assert (first.windowed, cached.windowed, cached.judged) == ({LONG}, {LONG}, 0)


# ---- every text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", ODD_TEXTS)
def test_unusual_texts_have_shares_or_do_not_apply(bert, odd):
    scorer = _scorer(bert)
    columns = scorer.score([odd, odd, "Fever is dangerous."], ["Fever.", odd, odd])
    for values in columns.values():
        for reference, value in zip([odd, odd, "x"], values, strict=True):
            assert (value is None) == (not statements(reference))
            assert value is None or (math.isfinite(value) and 0 <= value <= 1)
    assert scorer.score([], []) == {"nli_entailed": [], "nli_contradicted": []}


def _scorer(folder, known={}):  # noqa: B006 - kept from test to test
    if folder not in known:
        known[folder] = EntailmentScorer(folder, device="cpu")
    return known[folder]


def test_an_empty_answer_entails_and_contradicts_nothing(bert):
    assert _scorer(bert).score(["Take 5 mg. Rest."], [" "]) == {
        "nli_entailed": [0.0],
        "nli_contradicted": [0.0],
    }


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("", []),
        ("...", []),
        ("5.0", []),
        ("Fever", ["Fever"]),
        ("Take 0.5 mg. Then rest.", ["Take 0.5 mg.", "Then rest."]),
        ("Give 5 mg b.i.d. for 7 days.", ["Give 5 mg b.i.d. for 7 days."]),
        ("Dr. Smith and St. John's wort, e.g. Hypericum.", ["Dr. Smith and St. John's wort, e.g. Hypericum."]),
        ("Is it catching? No. It is not!", ["Is it catching?", "No.", "It is not!"]),
        ("It rises (above 38 °C). 2 tablets help.", ["It rises (above 38 °C).", "2 tablets help."]),
        ('He said "rest." Then left.', ['He said "rest."', "Then left."]),
        ("One line\nand another", ["One line", "and another"]),
        ("Rest. Rest. Rest.", ["Rest."]),
        ("Watch for:\n- fever\n- rash\nCall then.", ["Watch for: fever", "Watch for: rash", "Call then."]),
        ("It is rare. Signs are:\n1. Fever. High.\n2) rash",
         ["It is rare.", "Signs are: Fever.", "High.", "Signs are: rash"]),
        ("- fever\n- rash", ["fever", "rash"]),
    ],
)  # fmt: skip
def test_statements_of_a_text(text, stated):
    assert statements(text) == stated


# ---- where there is no judge ---------------------------------------------------------------------------------


def test_an_encoder_without_a_head_is_refused(tmp_path):
    """As the demo's toy encoder: no classification head among its weights, no labels in its config."""
    from transformers import AutoModel, AutoTokenizer

    whole = _save("bert", tmp_path / "whole")
    bare = tmp_path / "bare"
    AutoModel.from_pretrained(whole).save_pretrained(bare)
    AutoTokenizer.from_pretrained(whole).save_pretrained(bare)
    with pytest.raises(HeadMissing, match="its weights lack classifier"):
        EntailmentScorer(bare, device="cpu")
    config = json.loads((bare / "config.json").read_text())
    del config["id2label"], config["label2id"]
    (bare / "config.json").write_text(json.dumps(config))
    with pytest.raises(HeadMissing, match="no entailment and contradiction, but LABEL_0, LABEL_1"):
        EntailmentScorer(bare, device="cpu")


def test_labels_without_contradiction_are_refused(tmp_path):
    two = _save("bert", tmp_path / "two", {0: "entailment", 1: "not_entailment"})
    with pytest.raises(HeadMissing, match="but entailment, not_entailment"):
        EntailmentScorer(two, device="cpu")
    with pytest.raises(HeadMissing, match="does not judge entailment"):
        EntailmentScorer(tmp_path / "nothing", device="cpu")


def test_a_large_judge_needs_a_gpu(bert, monkeypatch):
    monkeypatch.setattr(nli, "LARGEST_ON_CPU", 1000)
    with pytest.raises(HeadMissing, match="needs a GPU"):
        EntailmentScorer(bert, device="cpu")
