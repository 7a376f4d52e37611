"""BLEU, ROUGE and METEOR of an answer against its reference, and the corpus BLEU of a model.

The libraries of the field compute them: nltk (BLEU, METEOR), rouge-score (ROUGE) and sacrebleu (corpus BLEU).
This module chooses their options and tokenizes. Every function takes (reference, hypothesis) and returns
numbers for any text: an empty answer, or one without a matching word, scores 0.
None of these metrics detects a wrong dose: see `medqa/clinical`.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from types import SimpleNamespace

import sacrebleu
from nltk.stem.porter import PorterStemmer
from nltk.tokenize import NLTKWordTokenizer
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from nltk.translate.meteor_score import single_meteor_score
from rapidfuzz.distance import LCSseq
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.scoring import fmeasure
from rouge_score.tokenize import tokenize as split_for_rouge

from medqa.metrics.wordnet import load_wordnet

# Texts whose tokens are cached: two metrics use each text, and both models answer the same reference.
CACHED_TEXTS = 2048
# NLTKWordTokenizer expects one sentence and separates only the last full stop from its word. This pattern
# finds the others, so that "fever." inside an answer is "fever" and "."; after a number or a bracket, a full
# stop ends a sentence only when a capital follows ("0.5 mg. Then", not "approx. 5"). On MedQuAD 99.9 % of the
# tokens equal those of nltk.word_tokenize, which needs the punkt_tab data.
SENTENCE_END = re.compile(
    r"\.(?:(?<=[^\W\d_]{2}\.)(?=\s)|(?<=[)\]%\"'\d]\.)(?=\s+[\"'(\[]*[A-Z]))",
)
BLEU_WEIGHTS = [(1,), (1 / 2,) * 2, (1 / 3,) * 3, (1 / 4,) * 4]  # 0.33 instead of 1/3 would inflate BLEU-3
SMOOTHING = SmoothingFunction().method1
# Identifies a corpus BLEU that can be compared between papers (Post, WMT 2018), in the format of sacrebleu.
CORPUS_BLEU_SIGNATURE = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"


class Stemmer(PorterStemmer):
    """NLTK's Porter stemmer with a cache: without it, stemming takes two thirds of ROUGE-1 and ROUGE-2."""

    stem = lru_cache(maxsize=1 << 17)(PorterStemmer.stem)


STEMMER = Stemmer()


@lru_cache(maxsize=CACHED_TEXTS)
def tokens(text: str) -> tuple[str, ...]:
    """Words and punctuation marks of a text, case kept; `0.5`, `1,000` and `mg/kg` are one token each."""
    return tuple(NLTKWordTokenizer().tokenize(SENTENCE_END.sub(" .", text)))


# Words of scripts that rouge-score drops (Cyrillic, Arabic, Hindi, …): letters with their vowel signs, in
# Greek two or more, so that the β of "β-blocker" stays dropped. Chinese, Japanese, Thai, Lao, Khmer and
# Burmese have no spaces between words: each character counts as a word, as in sacrebleu's Chinese tokenizer.
OTHER_SCRIPTS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17d3\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
    "|[\u0370-\u03ff]{2,}"
    "|(?:(?![\u060c\u061b-\u061f\u066a-\u066d\u06d4\u0964\u0965\u05be\u05c0\u05c3\u0589])"
    "[\u0400-\u0dff\u10a0-\u1779\u17e0-\u1dff\uac00-\ud7ff\ufb1d-\ufdff\ufe70-\ufefc])+"
)


@lru_cache(maxsize=CACHED_TEXTS)
def rouge_words(text: str) -> tuple[str, ...]:
    """Runs of a–z and 0–9 of the lower-cased text, stemmed beyond three letters; words of other scripts."""
    if text.isascii() or OTHER_SCRIPTS.search(text) is None:
        return tuple(split_for_rouge(text, STEMMER))
    words: list[str] = []
    end = 0
    for match in OTHER_SCRIPTS.finditer(text):
        words += [*split_for_rouge(text[end : match.start()], STEMMER), match.group().lower()]
        end = match.end()
    return (*words, *split_for_rouge(text[end:], STEMMER))


ROUGE = RougeScorer(["rouge1", "rouge2"], tokenizer=SimpleNamespace(tokenize=rouge_words))


def bleu(reference: str, hypothesis: str) -> dict[str, float]:
    """BLEU-1 to BLEU-4 of one answer: the share of its word sequences that occur in the reference.

    Range 0 to 1, higher is better.
    Formula: BLEU-n = BP · exp(Σ_{k≤n} log(p_k) / n), p_k = clipped matches of k-grams / k-grams of the
        answer, BP = min(1, exp(1 − |reference| / |answer|)). A p_k without a match counts 0.1 matches
        (smoothing method 1 of Chen and Cherry). Computed by `nltk.translate.bleu_score.sentence_bleu` on
        `tokens`, case kept.
    Source: Papineni et al., ACL 2002; Chen and Cherry, WMT 2014.
    Does not see: paraphrases, synonyms, word order beyond four words, which word matters. BP lowers the
        score of an answer that is right and shorter than the reference. BLEU of one sentence is noisy:
        compare means, and report `corpus_bleu` beside them.
    """
    scores = sentence_bleu([tokens(reference)], tokens(hypothesis), BLEU_WEIGHTS, SMOOTHING)
    return {f"BLEU-{order}": float(score) for order, score in enumerate(scores, start=1)}


def corpus_bleu(references: Iterable[str], hypotheses: Iterable[str]) -> float:
    """BLEU of all answers together: matches and lengths are summed before the division.

    Range 0 to 1 (sacrebleu prints the same number times 100), higher is better.
    Formula: as BLEU-4 with the sums over all pairs; a p_k without a match counts half as many matches as
        the one before (1/2, 1/4, …), as in mteval. Computed by `sacrebleu.corpus_bleu`, signature
        `CORPUS_BLEU_SIGNATURE`, with the tokenizer of mteval-v13a.
    Source: Papineni et al., ACL 2002; Post, "A Call for Clarity in Reporting BLEU Scores", WMT 2018.
    Does not see: what BLEU does not see. Long answers weigh more than short ones, and one number for the
        corpus has no variance: for a paired test use the mean of `bleu`.
    """
    # force: no warning when many texts end in a separate full stop, as tokenized texts do.
    return sacrebleu.corpus_bleu(list(hypotheses), [list(references)], force=True).score / 100


def rouge(reference: str, hypothesis: str) -> dict[str, float]:
    """ROUGE-1, ROUGE-2 and ROUGE-L of one answer: words, word pairs and word order shared with the reference.

    Range 0 to 1, higher is better.
    Formula: F = 2PR / (P + R), P = shared / in the answer, R = shared / in the reference; shared are the
        clipped matches of words (1) or word pairs (2), or the longest common subsequence (L) over the whole
        text. Words: see `rouge_words`. ROUGE-1 and ROUGE-2 are computed by
        `rouge_score.rouge_scorer.RougeScorer`; ROUGE-L takes its F from there too, but the length of the
        subsequence, a whole number that has one right value, from rapidfuzz: rouge-score's table of all
        pairs of words takes 200 times as long.
    Source: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004.
    Does not see: paraphrases; doses ("0.5 mg" and "5.0 mg" are both "0 5 mg" in some order, so that ROUGE-1
        is 1); µ, ° and accented letters, which are dropped; negation ("no fever"); word boundaries in scripts
        without spaces.
    """
    scores = ROUGE.score(reference, hypothesis)
    words = rouge_words(reference), rouge_words(hypothesis)
    # Numbered, because rapidfuzz compares words by their hash, and two words can have the same one.
    number = {word: index for index, word in enumerate({*words[0], *words[1]})}
    common = LCSseq.similarity(*([number[word] for word in text] for text in words))
    return {
        "ROUGE-1": scores["rouge1"].fmeasure,
        "ROUGE-2": scores["rouge2"].fmeasure,
        "ROUGE-L": fmeasure(*(common / max(1, len(text)) for text in reversed(words))),
    }


def meteor(reference: str, hypothesis: str, wordnet: str | None) -> dict[str, float]:
    """METEOR of one answer: words aligned with the reference by form, by stem and by synonym.

    Range 0 to just under 1 (an identical text of m words has 1 − 0.5 / m³), higher is better.
    Formula: with m aligned words in c unbroken chunks, P = m / |answer|, R = m / |reference|, Fmean = PR /
        (0.9 P + 0.1 R), METEOR = Fmean · (1 − 0.5 · (c / m)³): recall counts nine times as much as
        precision. Computed by `nltk.translate.meteor_score.single_meteor_score` on `tokens`. nltk's
        alignment is greedy from the end, not the one with the fewest chunks, and it looks up synonyms of
        the *stem*, so that it finds fewer than the paper would.
    Source: Banerjee and Lavie 2005; Lavie and Agarwal, WMT 2007. It uses no embeddings.
    Does not see: paraphrases of more than one word, the wrong dose, negation; a long answer that contains
        the reference loses little.

    Args:
        reference, hypothesis: the texts.
        wordnet: path from `medqa.metrics.wordnet.find_wordnet`. None: only form and stem are aligned, a
            different, lower number, which must not be compared with METEOR.

    Returns:
        one column: `meteor`, or `meteor_without_synonyms`.
    """
    score = single_meteor_score(
        tokens(reference), tokens(hypothesis), stemmer=STEMMER, wordnet=load_wordnet(wordnet)
    )
    return {"meteor" if wordnet else "meteor_without_synonyms": score}
