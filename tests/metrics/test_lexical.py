"""BLEU, ROUGE and METEOR: the options of the libraries, numbers computed by hand, and unusual texts."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import examples
from hypothesis import given, settings, strategies as st
from pairs import ODD_TEXTS, ROOT, text_pairs

from medqa.metrics import lexical, wordnet
from medqa.metrics.lexical import bleu, corpus_bleu, meteor, rouge, tokens

# Texts of any characters, including lone surrogates, and texts of the pieces that the tokenizers' rules match.
PIECES = (
    ["cannot", "'tis", "gimme ", "n't ", "'s ", "'ll", "``", "''", '"', " ", "\n", "...", ". A", "fever. ", "5."]
    + [")", ". ", "'", "a", ",", "1,000", "0.5 mg", "-", "--", "&amp;", "<skipped>", "İ", "\x1f", "«"]
)  # fmt: skip
ANY_TEXT = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(), max_size=30),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
)


# ---- the numbers -------------------------------------------------------------------------------------------


def test_sentence_ends_are_tokens_and_decimals_stay_whole():
    found = " ".join(tokens("Mild fever. Give 0.5 mg/kg of drug B. Then 1,000 mL."))
    assert found == "Mild fever . Give 0.5 mg/kg of drug B. Then 1,000 mL ."


def test_bleu_by_hand():
    """4 of 5 words, 2 of 4 pairs, 1 of 3 triples; no quadruple of 2, which counts 0.1 (method 1)."""
    precisions = [4 / 5, 2 / 4, 1 / 3, 0.1 / 2]
    found = bleu("give the drug at night", "give the drug by night")
    for order in range(1, 5):
        expected = math.prod(precisions[:order]) ** (1 / order)
        assert found[f"BLEU-{order}"] == pytest.approx(expected, abs=1e-12)


def test_bleu_of_a_short_answer_is_lowered():
    assert bleu("a b c d e f g h", "a b c d") == pytest.approx(
        {f"BLEU-{order}": math.exp(1 - 8 / 4) for order in range(1, 5)}
    )


def test_corpus_bleu_by_hand():
    """Sums of both pairs: 7 of 8 words, 4 of 6 pairs, 2 of 4 triples, 1 of 2 quadruples."""
    found = corpus_bleu(["a b c d", "p q r s"], ["a b c d", "p q x s"])
    assert found == pytest.approx((7 / 8 * 4 / 6 * 2 / 4 * 1 / 2) ** (1 / 4), abs=1e-12)


def test_the_signature_equals_that_of_sacrebleu():
    from sacrebleu.metrics import BLEU

    library = BLEU()
    library.corpus_score(["a"], [["a"]])
    assert str(library.get_signature()).startswith(lexical.CORPUS_BLEU_SIGNATURE)


def test_corpus_bleu_is_silent_about_separate_full_stops(caplog):
    corpus_bleu(["a b ."] * 200, ["a b ."] * 200)
    assert not caplog.records


def test_rouge_by_hand():
    """Stemmed beyond three letters: "doses" and "dose" are one word, "gas" and "ga" are two."""
    found = rouge("two doses daily for gas", "daily dose for ga two")
    assert found["ROUGE-1"] == pytest.approx(4 / 5)  # all but gas
    assert found["ROUGE-2"] == 0  # no pair of neighbours
    assert found["ROUGE-L"] == pytest.approx(2 / 5)  # dose, for


def test_rouge_does_not_see_a_dose():
    assert rouge("0.5 mg", "5.0 mg")["ROUGE-1"] == 1


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("दमा में साँस लेने की दवा दो बार लें", "मधुमेह में मीठा कम खाएँ"),
        ("يستخدم البخاخ مرتين يوميا عند الربو", "يحتاج مرض السكري إلى حمية"),
        ("哮喘患者每天吸入药物两次", "糖尿病人应少吃甜食"),
        ("При астме вдыхают лекарство дважды в день", "Сахарный диабет требует диеты"),
        ("โรคหืดให้พ่นยาวันละสองครั้ง", "เบาหวานควรคุมอาหาร"),
    ],
)
def test_rouge_reads_other_scripts(text, other):
    assert set(rouge(text, text).values()) == {1.0}
    assert max(rouge(text, other).values()) < 0.5


def test_rouge_l_equals_rouge_score():
    from rouge_score.rouge_scorer import RougeScorer

    library = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    # The library fills its table in Python: shorter texts keep the test short.
    for reference, hypothesis in text_pairs(200, longest=500):
        expected = [score.fmeasure for score in library.score(reference, hypothesis).values()]
        if lexical.OTHER_SCRIPTS.search(reference + hypothesis) is None:  # rouge-score drops the others
            assert list(rouge(reference, hypothesis).values()) == expected, (reference, hypothesis)


@settings(max_examples=examples(500), deadline=None)
@given(st.lists(st.sampled_from("abcde"), max_size=40), st.lists(st.sampled_from("abcde"), max_size=40))
def test_the_longest_common_subsequence_equals_rouge_score(reference, hypothesis):
    from rouge_score.rouge_scorer import RougeScorer

    texts = " ".join(reference), " ".join(hypothesis)
    assert rouge(*texts)["ROUGE-L"] == RougeScorer(["rougeL"]).score(*texts)["rougeL"].fmeasure


def test_cached_stems_equal_those_of_nltk():
    from nltk.stem.porter import PorterStemmer

    words = {word for pair in text_pairs(50) for text in pair for word in tokens(text)}
    assert [lexical.STEMMER.stem(word) for word in words] == [PorterStemmer().stem(word) for word in words]


def test_meteor_by_hand():
    """5 of 6 words in 2 chunks, "give the drugs" and "night daily"; "drugs" is found by its stem."""
    [score] = meteor("give the drug at night daily", "give the drugs by night daily", None).values()
    share, chunks = 5 / 6, 2
    assert score == pytest.approx(share * (1 - 0.5 * (chunks / 5) ** 3), abs=1e-12)


def test_synonyms_count_only_with_wordnet(with_wordnet):
    pair = ("The physician prescribed rest.", "The doctor prescribed rest.")
    assert meteor(*pair, None)["meteor_without_synonyms"] < meteor(*pair, with_wordnet)["meteor"]


def test_meteor_equals_nltk_without_our_caches(with_wordnet):
    from nltk.translate.meteor_score import single_meteor_score

    from medqa.clinical.words.build import nltk_reader

    reader = nltk_reader()
    for reference, hypothesis in text_pairs(50):
        expected = single_meteor_score(tokens(reference), tokens(hypothesis), wordnet=reader)
        assert meteor(reference, hypothesis, with_wordnet) == {"meteor": expected}


# ---- every text gets a number ------------------------------------------------------------------------------


def _all_scores(reference, hypothesis, wordnet=None):
    return [
        *bleu(reference, hypothesis).values(),
        *rouge(reference, hypothesis).values(),
        *meteor(reference, hypothesis, wordnet).values(),
    ]


@settings(max_examples=examples(300), deadline=None)
@given(ANY_TEXT, ANY_TEXT)
def test_any_two_texts_have_scores_between_0_and_1(reference, hypothesis):
    scores = [*_all_scores(reference, hypothesis), corpus_bleu([reference], [hypothesis])]
    assert all(math.isfinite(score) and 0 <= score <= 1 + 1e-12 for score in scores)


@pytest.mark.parametrize("odd", ODD_TEXTS)
def test_unusual_texts_have_scores_with_wordnet(with_wordnet, odd):
    for pair in ((odd, odd), (odd, "fever"), ("fever", odd)):
        assert all(math.isfinite(score) for score in _all_scores(*pair, with_wordnet))


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
    """In a fresh process, because NLTK caches its search path."""
    script = "from medqa.metrics.wordnet import find_wordnet; print(find_wordnet())"
    environment = {"PATH": "", "HOME": str(tmp_path), "NLTK_DATA": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "None", done.stderr
    if "NLTK_DATA" in os.environ:
        environment["NLTK_DATA"] = os.environ["NLTK_DATA"]
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.stdout.strip().startswith(environment["NLTK_DATA"]) and done.stderr == ""


@pytest.fixture
def no_nltk_data(tmp_path, monkeypatch):
    """A machine without NLTK data: the search path is empty."""
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setenv("NLTK_DATA", "")
    return nltk


def test_nltk_data_that_cannot_be_downloaded_is_not_an_error(tmp_path, monkeypatch, no_nltk_data):
    asked = []

    def unreachable(name, **options):
        asked.append((name, options["download_dir"]))
        raise ValueError("Error loading wordnet:\n no address")

    monkeypatch.setattr(no_nltk_data, "download", unreachable)
    folder = tmp_path / "nltk_data"
    assert wordnet.download_nltk(folder) == "Error loading wordnet: no address"
    assert asked == [("wordnet", str(folder))]

    def blocked(name, **options):
        raise ValueError(
            "Error loading wordnet: <urlopen error pathsec.urlopen: no validated address; refusing>"
        )

    monkeypatch.setattr(no_nltk_data, "download", blocked)
    reason = wordnet.fetch_wordnet(online=True)
    assert "(no connection to NLTK's server)" in reason and "docs/offline.md" in reason
    assert no_nltk_data.data.path == [str(folder)]


def test_wordnet_is_downloaded_only_when_online_and_missing(
    tmp_path, monkeypatch, with_wordnet_files, no_nltk_data
):
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
    assert wordnet.find_wordnet().startswith(str(tmp_path))
    monkeypatch.setattr(no_nltk_data, "download", None)  # it is not downloaded again
    assert wordnet.fetch_wordnet(online=True) == ""


def test_a_truncated_archive_is_skipped(tmp_path, monkeypatch, no_nltk_data, with_wordnet_files):
    """And one behind a symbolic link, which NLTK itself refuses, is read."""
    whole = with_wordnet_files / "wordnet.zip"
    if not whole.exists():
        pytest.skip("WordNet is unpacked here")
    for folder in ("cut", "linked"):
        (tmp_path / folder / "corpora").mkdir(parents=True)
    (tmp_path / "cut" / "corpora" / "wordnet.zip").write_bytes(whole.read_bytes()[:100_000])
    (tmp_path / "linked" / "corpora" / "wordnet.zip").symlink_to(whole)
    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "cut"))
    assert wordnet.find_wordnet() is None
    monkeypatch.setenv("NLTK_DATA", f"{tmp_path / 'cut'}:{tmp_path / 'linked'}")
    assert wordnet.find_wordnet() == str(whole.resolve())
    assert wordnet.load_wordnet(wordnet.find_wordnet()).synsets("physician")


@pytest.fixture
def with_wordnet_files():
    """A folder `corpora` with WordNet in it; without it the test is skipped."""
    folder = Path(os.environ.get("NLTK_DATA") or "nowhere") / "corpora"
    if folder.is_dir():
        return folder
    pytest.skip("WordNet is not on this machine")


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import medqa.clinical", "nltk"),  # needed for the lexicon only
        ("import medqa.metrics.lexical", "torch transformers bert_score matplotlib"),
        ("from medqa.metrics.wordnet import import_nltk; import_nltk()", "scipy.stats sklearn"),
    ],
)
def test_an_import_does_not_load_heavy_libraries(code, absent):
    """Each worker of the pool imports the metrics."""
    script = f"import sys; {code}; print([name for name in {absent.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_scipy_can_be_imported_after_nltk():
    wordnet.import_nltk()
    from scipy import stats

    assert stats.norm.cdf(0) == 0.5


# ---- docstrings ---------------------------------------------------------------------------------------------


def _documented():
    from medqa import clinical
    from medqa.generation import reference_loss
    from medqa.metrics.bertscore import BertScorer
    from medqa.metrics.nli import EntailmentScorer

    return {
        "compute_bleu": lexical.bleu,
        "compute_rouge": lexical.rouge,
        "compute_meteor": lexical.meteor,
        "score_bertscore": BertScorer,
        "score_entailment": EntailmentScorer,
        "compute_exact_match": clinical.exact_match,
        "compute_token_f1": clinical.MedicalLexicon.token_f1,
        "compute_dose_error": clinical.dose_error,
        "corpus_bleu": lexical.corpus_bleu,
        "answer_loss": reference_loss.answer_losses,
    }


@pytest.mark.parametrize("name", sorted(_documented()))
def test_a_metric_documents_range_direction_formula_source_and_limits(name):
    text = " ".join(_documented()[name].__doc__.split())
    for part in ("Range", "is better", "Formula:", "Source:", "Does not see:"):
        assert part in text, (name, part)


def test_every_metric_of_the_class_is_documented():
    from evaluation import AutomaticMetrics

    found = {name for name in vars(AutomaticMetrics) if name.startswith(("compute_", "score_"))}
    assert found == {name for name in _documented() if name.startswith(("compute_", "score_"))}


def test_the_word_lists_contain_wordnets_licence():
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
