"""BLEU, ROUGE, METEOR and BERTScore against the libraries that define them."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pairs import ODD_TEXTS, ROOT, text_pairs

from medqa import metrics, wordnet
from medqa.metrics import bleu, corpus_bleu, meteor, rouge
from medqa.tokenisation import SENTENCE_END, mteval_tokens, tokens

PAIRS = text_pairs(500)
# Texts of any characters, halves of surrogate pairs included, and texts of the pieces that rules look for.
ANY_TEXT = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(), max_size=30),
    st.lists(
        st.sampled_from(
            [
                "cannot",
                "'tis",
                "gimme ",
                "n't ",
                "'s ",
                "'ll",
                "``",
                "''",
                '"',
                " ",
                "\n",
                "...",
                ". A",
                "fever. ",
            ]
            + [
                "5.",
                ")",
                ". ",
                "'",
                "a",
                ",",
                "1,000",
                "0.5 mg",
                "-",
                "--",
                "&amp;",
                "<skipped>",
                "İ",
                "\x1f",
                "«",
            ]
        ),
        max_size=12,
    ).map("".join),
)


@pytest.fixture
def without_wordnet(monkeypatch):
    """A machine on which WordNet is nowhere."""
    monkeypatch.setattr(metrics, "wordnet", lambda: None)


# ---- agreement with the libraries ------------------------------------------------------------------------


def test_tokens_are_those_of_nltk():
    from nltk.tokenize import NLTKWordTokenizer

    reference = NLTKWordTokenizer()
    for pair in PAIRS:
        for text in pair:
            assert list(tokens(text)) == reference.tokenize(SENTENCE_END.sub(" .", text))


@settings(max_examples=500, deadline=None)
@given(ANY_TEXT)
def test_tokens_are_those_of_nltk_for_any_text(text):
    from nltk.tokenize import NLTKWordTokenizer

    assert list(tokens(text)) == NLTKWordTokenizer().tokenize(SENTENCE_END.sub(" .", text))


def test_sentence_ends_are_tokens_and_decimals_stay_whole():
    found = " ".join(tokens("Mild fever. Give 0.5 mg/kg of drug B. Then 1,000 mL."))
    assert found == "Mild fever . Give 0.5 mg/kg of drug B. Then 1,000 mL ."


def test_bleu_is_that_of_nltk():
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    weights = [(1,), (1 / 2,) * 2, (1 / 3,) * 3, (1 / 4,) * 4]
    for reference, hypothesis in PAIRS:
        expected = sentence_bleu(
            [list(tokens(reference))], list(tokens(hypothesis)), weights, SmoothingFunction().method1
        )
        assert list(bleu(reference, hypothesis).values()) == expected, (reference, hypothesis)


def test_corpus_bleu_is_that_of_sacrebleu():
    from sacrebleu.metrics import BLEU

    references, hypotheses = zip(*PAIRS, strict=True)
    library = BLEU()
    for start, end in ((0, len(PAIRS)), (0, 40), (500, len(PAIRS)), (600, 601)):
        expected = (
            library.corpus_score(list(hypotheses[start:end]), [list(references[start:end])]).score / 100
        )
        assert corpus_bleu(references[start:end], hypotheses[start:end]) == pytest.approx(expected, abs=1e-12)
    assert str(library.get_signature()).startswith(metrics.CORPUS_BLEU_SIGNATURE)


@pytest.mark.parametrize(
    "pair", [("", ""), ("fever", ""), ("", "fever"), ("a b", "c d"), ("a b c d e", "a b x d e")]
)
def test_corpus_bleu_of_one_short_pair_is_that_of_sacrebleu(pair):
    import sacrebleu

    expected = sacrebleu.corpus_bleu([pair[1]], [[pair[0]]]).score / 100
    assert corpus_bleu([pair[0]], [pair[1]]) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=500, deadline=None)
@given(ANY_TEXT)
def test_mteval_tokens_are_those_of_sacrebleu_for_any_text(text):
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    assert list(mteval_tokens(text)) == Tokenizer13a()(text.rstrip()).split()


def test_rouge_is_that_of_rouge_score():
    from rouge_score.rouge_scorer import RougeScorer

    names = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}
    library = RougeScorer(list(names.values()), use_stemmer=True)
    # The library fills its table for ROUGE-L in Python: shorter texts keep the test short. Words of three
    # letters are not stemmed.
    for reference, hypothesis in [*text_pairs(500, longest=500), ("gas was", "ga wa"), ("gases", "gas")]:
        expected = library.score(reference, hypothesis)
        for ours, theirs in names.items():
            assert rouge(reference, hypothesis)[ours] == expected[theirs].fmeasure, (reference, hypothesis)


def test_meteor_is_that_of_nltk(with_wordnet):
    from nltk.translate.meteor_score import single_meteor_score

    assert metrics.meteor_variant() == "METEOR"
    from medqa.clinical.words.build import nltk_reader

    reader = nltk_reader()
    for reference, hypothesis in PAIRS:
        expected = single_meteor_score(tokens(reference), tokens(hypothesis), wordnet=reader)
        assert meteor(reference, hypothesis) == expected, (reference, hypothesis)


def test_meteor_without_wordnet_is_that_of_nltk_without_synonyms(without_wordnet):
    from nltk.translate.meteor_score import single_meteor_score

    class NoSynonyms:
        def synsets(self, word):
            return []

    assert metrics.meteor_variant() == "METEOR without synonyms"
    for reference, hypothesis in PAIRS:
        expected = single_meteor_score(tokens(reference), tokens(hypothesis), wordnet=NoSynonyms())
        assert meteor(reference, hypothesis) == expected, (reference, hypothesis)


class TinyWordNet:
    """Synonyms among a handful of words, as our reader gives them and as NLTK's does."""

    GROUPS = ({"doc", "medic", "leech"}, {"leech", "worm"}, {"ill", "sick", "worm"})

    def synonyms(self, word):
        return frozenset().union(*(group for group in self.GROUPS if word in group))

    def synsets(self, word):
        return [TinySense(group) for group in self.GROUPS if word in group]


class TinySense:
    def __init__(self, names):
        self.names = names

    def lemmas(self):
        return [TinyLemma(name) for name in self.names]


class TinyLemma:
    def __init__(self, name):
        self._name = name

    def name(self):
        return self._name


WORDS = st.lists(st.sampled_from(["doc", "medic", "leech", "worm", "ill", "sick", "x"]), max_size=8).map(
    " ".join
)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WORDS, WORDS)
def test_meteor_aligns_synonyms_as_nltk(monkeypatch, reference, hypothesis):
    from nltk.translate.meteor_score import single_meteor_score

    tiny = TinyWordNet()
    monkeypatch.setattr(metrics, "wordnet", lambda: tiny)
    metrics.synonyms.cache_clear()
    expected = single_meteor_score(reference.split(), hypothesis.split(), wordnet=tiny)
    assert meteor(reference, hypothesis) == expected
    metrics.synonyms.cache_clear()


def test_synonyms_are_those_of_nltk(with_wordnet):
    from medqa.clinical.words.build import nltk_reader

    ours, theirs = wordnet.wordnet(), nltk_reader()
    words = [word for part in ours._index.values() for word in sorted(part)[::600]]
    words += [word + ending for word in words for ending in ("s", "es", "ed", "ing", "er", "est")]
    words += [form for part in ours._exceptions.values() for form in sorted(part)[::100]]
    words += ["bodies", "wolves", "boxes", "watchmen", "carries", "galore", "sick", "Sick", "a_b", "", "5"]
    for word in words:
        names = {name for sense in theirs.synsets(word) for name in sense.lemma_names()}
        assert ours.synonyms(word) == {name for name in names if "_" not in name}, word


def test_synonyms_count_only_with_wordnet(with_wordnet, monkeypatch):
    pair = ("The physician prescribed rest.", "The doctor prescribed rest.")
    with_synonyms = meteor(*pair)
    monkeypatch.setattr(metrics, "wordnet", lambda: None)
    assert meteor(*pair) < with_synonyms


# ---- every text gets a number ------------------------------------------------------------------------------


def _all_scores(reference, hypothesis):
    return [
        *bleu(reference, hypothesis).values(),
        *rouge(reference, hypothesis).values(),
        meteor(reference, hypothesis),
    ]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ANY_TEXT, ANY_TEXT)
def test_any_two_texts_have_scores_between_0_and_1(without_wordnet, reference, hypothesis):
    scores = [*_all_scores(reference, hypothesis), corpus_bleu([reference], [hypothesis])]
    assert all(math.isfinite(score) and 0 <= score <= 1 + 1e-12 for score in scores)


@pytest.mark.parametrize("odd", ODD_TEXTS)
def test_odd_texts_have_scores_with_wordnet(with_wordnet, odd):
    for pair in ((odd, odd), (odd, "fever"), ("fever", odd)):
        assert all(math.isfinite(score) for score in _all_scores(*pair))


@pytest.mark.parametrize("unit", ["a", "fever ", ". ", "'", '"', "\n", "5 mg ", "(((", "x-", "\u202eاب "])
def test_a_text_of_100000_characters_is_scored_in_time(unit):
    text = (unit * 100_000)[:100_000]
    started = time.monotonic()
    assert all(math.isfinite(score) for score in _all_scores(text, text[:50_000]))
    corpus_bleu([text], [text])
    assert time.monotonic() - started < 20


def test_an_empty_answer_scores_0_and_an_identical_one_1():
    text = "Apixaban 5 mg twice daily prevents stroke."
    assert _all_scores(text, "") == [0.0] * 8
    assert _all_scores(text, text)[:7] == [1.0] * 7
    # 8 words in one chunk
    assert _all_scores(text, text)[7] == pytest.approx(1 - 0.5 / len(tokens(text)) ** 3)
    assert corpus_bleu([text], [text]) == pytest.approx(1.0)


# ---- WordNet where it is and where it is not ---------------------------------------------------------------


def test_wordnet_is_found_in_a_given_folder_and_not_elsewhere(tmp_path):
    """In a fresh process: NLTK remembers where it has looked."""
    script = "from medqa import metrics; print(metrics.meteor_variant())"
    environment = {"PATH": "", "HOME": str(tmp_path), "NLTK_DATA": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "METEOR without synonyms", done.stderr
    if "NLTK_DATA" in os.environ:
        environment["NLTK_DATA"] = os.environ["NLTK_DATA"]
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.stdout.strip() == "METEOR", done.stderr
        assert done.stderr == ""


@pytest.fixture
def no_nltk_data(tmp_path, monkeypatch):
    """A machine whose NLTK looks nowhere; its own list is put back afterwards."""
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setenv("NLTK_DATA", "")
    wordnet.wordnet.cache_clear()
    yield nltk
    wordnet.wordnet.cache_clear()


def test_nltk_data_that_cannot_be_fetched_are_no_error(tmp_path, monkeypatch, no_nltk_data):
    asked = []

    def unreachable(name, **options):
        asked.append((name, options["download_dir"]))
        raise ValueError("Error loading wordnet:\n no address")

    monkeypatch.setattr(no_nltk_data, "download", unreachable)
    folder = tmp_path / "nltk_data"
    assert wordnet.download_nltk(folder) == "Error loading wordnet: no address"
    assert asked == [("wordnet", str(folder))]
    assert no_nltk_data.data.path == [str(folder)]


def test_wordnet_is_fetched_when_it_can_be(tmp_path, monkeypatch, with_wordnet_files, no_nltk_data):
    import shutil

    def download(name, download_dir, **options):
        """As NLTK: into the first of its own places."""
        if name == "wordnet":
            shutil.copytree(with_wordnet_files, tmp_path / "corpora")
        return True

    monkeypatch.setattr(no_nltk_data, "download", download)
    no_nltk_data.data.path.append(str(tmp_path))
    reason = wordnet.fetch_wordnet(online=False)
    assert reason.startswith("WordNet is not here (no server was asked")
    assert wordnet.fetch_wordnet(online=True) == ""
    assert metrics.meteor_variant() == "METEOR"
    monkeypatch.setattr(no_nltk_data, "download", None)  # what is here is not fetched again
    assert wordnet.fetch_wordnet(online=True) == ""


@pytest.fixture
def with_wordnet_files():
    """A folder `corpora` with WordNet in it; without it the test is skipped."""
    folder = Path(os.environ.get("NLTK_DATA") or "nowhere") / "corpora"
    if folder.is_dir():
        return folder
    pytest.skip("WordNet is not on this machine")


def test_importing_the_metrics_loads_neither_torch_nor_transformers_nor_nltk():
    heavy = ("torch", "transformers", "nltk", "bert_score", "matplotlib")
    script = (
        f"import sys, medqa.metrics, medqa.clinical\nprint([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


# ---- what each one says of itself --------------------------------------------------------------------------


def _told():
    from medqa import answering, clinical
    from medqa.bertscore import BertScorer
    from medqa.entailment import EntailmentScorer

    return {
        "compute_bleu": metrics.bleu,
        "compute_rouge": metrics.rouge,
        "compute_meteor": metrics.meteor,
        "score_bertscore": BertScorer,
        "score_entailment": EntailmentScorer,
        "compute_exact_match": clinical.exact_match,
        "compute_token_f1": clinical.MedicalLexicon.token_f1,
        "compute_dose_error": clinical.dose_error,
        "corpus_bleu": metrics.corpus_bleu,
        "answer_loss": answering.answer_losses,
    }


@pytest.mark.parametrize("name", sorted(_told()))
def test_a_metric_tells_range_direction_formula_source_and_what_it_cannot_see(name):
    text = " ".join(_told()[name].__doc__.split())
    for part in ("Range", "is better", "Formula:", "Source:", "Does not see:"):
        assert part in text, (name, part)


def test_no_metric_of_the_class_is_without_such_an_account():
    from evaluation import AutomaticMetrics

    found = {name for name in vars(AutomaticMetrics) if name.startswith(("compute_", "score_"))}
    assert found == {name for name in _told() if name.startswith(("compute_", "score_"))}


def test_wordnets_licence_stands_beside_what_is_drawn_from_it():
    folder = ROOT / "medqa" / "clinical" / "words"
    licence = " ".join((folder / "LICENSE.WordNet.txt").read_text(encoding="utf-8").split())
    for part in ("WordNet 3.0 Copyright 2006 by Princeton University", "without fee or royalty", "AS IS"):
        assert part in licence
    for name in ("medical_terms.txt", "general_english.txt"):
        head = (folder / name).read_text(encoding="utf-8").replace("# ", "")
        notice = " ".join(head.split("OTHER RIGHTS.")[0].split())
        # The permission and the disclaimer, word by word.
        for start, end in (("Permission to use", "distribution."), ("THIS SOFTWARE", "TRADEMARKS")):
            permission = licence[licence.index(start) : licence.index(end) + len(end)]
            assert permission.replace("MERCHANT- ABILITY", "MERCHANTABILITY") in notice
