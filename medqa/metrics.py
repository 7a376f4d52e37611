"""Text pairs → numbers: BLEU, corpus BLEU, ROUGE and METEOR.

Every function takes (reference, hypothesis) as they stand, and gives a number for any text: an empty answer,
or an answer without a single matching word, scores 0. The numbers are those of the field's own tools, digit
by digit (nltk, sacrebleu, rouge_score); `tests/test_metrics.py` compares them. They are computed
here because the tools are slow (rouge_score's ROUGE-L fills a table cell by cell in Python). What none of
these metrics sees is a wrong dose: that is `medqa/clinical`.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from medqa.tokenisation import KEPT_TEXTS, mteval_tokens, stem, tokens
from medqa.wordnet import wordnet

# ---- BLEU ------------------------------------------------------------------------------------------------


def bleu(reference: str, hypothesis: str) -> dict[str, float]:
    """BLEU-1 to BLEU-4 of one answer: how many of its word sequences stand in the reference.

    Range 0 to 1, higher is better.
    Formula: BLEU-n = BP · exp(Σ_{k≤n} log(p_k) / n), p_k = clipped matches of k-grams / k-grams of the
        answer,
        BP = min(1, exp(1 − |reference| / |answer|)). A p_k without a match counts 0.1 matches (smoothing
        method 1 of Chen and Cherry). The same numbers as `nltk.translate.bleu_score.sentence_bleu` with
        `SmoothingFunction().method1` and the weights 1/n, on `tokens`, case kept.
    Source: Papineni et al., ACL 2002; Chen and Cherry, WMT 2014.
    Does not see: paraphrases, synonyms, word order beyond four words, which word matters. An answer that is
        right and shorter than the reference is punished by BP. BLEU of one sentence is noisy: compare means,
        and report `corpus_bleu` beside them.
    """
    reference_tokens, hypothesis_tokens = tokens(reference), tokens(hypothesis)
    matches, totals = _ngram_matches(reference_tokens, hypothesis_tokens)
    if matches[0] == 0:
        return {f"BLEU-{order}": 0.0 for order in range(1, 5)}
    logs = [math.log((match or 0.1) / max(1, total)) for match, total in zip(matches, totals, strict=True)]
    penalty = _brevity_penalty(len(reference_tokens), len(hypothesis_tokens))
    return {
        f"BLEU-{order}": penalty * math.exp(math.fsum(1 / order * log for log in logs[:order]))
        for order in range(1, 5)
    }


def _ngram_matches(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[list[int], list[int]]:
    """Clipped matches, and n-grams of the hypothesis, for n = 1 to 4."""
    matches, totals = [], []
    for order in range(1, 5):
        wanted = Counter(zip(*(reference[start:] for start in range(order)), strict=False))
        given = Counter(zip(*(hypothesis[start:] for start in range(order)), strict=False))
        matches.append(_clipped(wanted, given))
        totals.append(max(0, len(hypothesis) - order + 1))
    return matches, totals


def _clipped(wanted: Counter, given: Counter) -> int:
    """How many items two multisets share."""
    both = wanted.keys() & given.keys()
    return sum(map(min, map(wanted.__getitem__, both), map(given.__getitem__, both)))


def _brevity_penalty(reference_length: int, hypothesis_length: int) -> float:
    """1 for an answer at least as long as the reference, below 1 for a shorter one."""
    if hypothesis_length >= reference_length:
        return 1.0
    return math.exp(1 - reference_length / hypothesis_length) if hypothesis_length else 0.0


# The name under which a corpus BLEU is comparable between papers (Post, WMT 2018), as sacrebleu writes it.
CORPUS_BLEU_SIGNATURE = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"


def corpus_bleu(references: Iterable[str], hypotheses: Iterable[str]) -> float:
    """BLEU of all answers together: matches and lengths are summed before the division.

    Range 0 to 1 (sacrebleu prints the same number times 100), higher is better.
    Formula: as BLEU-4 with the sums over all pairs; a p_k without a match is halved again and again (1/2,
        1/4, …) of one match, as mteval does. The same number as `sacrebleu.corpus_bleu(hypotheses,
        [references])`, signature `CORPUS_BLEU_SIGNATURE`, which has a tokenisation of its own, mteval-v13a.
    Source: Papineni et al., ACL 2002; Post, "A Call for Clarity in Reporting BLEU Scores", WMT 2018.
    Does not see: what BLEU does not see. Long answers weigh more than short ones, and one number for the
        corpus has no spread: for a paired test use the mean of `bleu`.
    """
    matches, totals = [0] * 4, [0] * 4
    reference_length = hypothesis_length = 0
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        reference_tokens, hypothesis_tokens = mteval_tokens(reference), mteval_tokens(hypothesis)
        found, total = _ngram_matches(reference_tokens, hypothesis_tokens)
        matches = [a + b for a, b in zip(matches, found, strict=True)]
        totals = [a + b for a, b in zip(totals, total, strict=True)]
        reference_length += len(reference_tokens)
        hypothesis_length += len(hypothesis_tokens)
    if not any(matches) or 0 in totals:
        return 0.0
    logs, halved = [], 1.0
    for match, total in zip(matches, totals, strict=True):
        if match == 0:
            halved /= 2
        logs.append(math.log((match or halved) / total))
    return _brevity_penalty(reference_length, hypothesis_length) * math.exp(sum(logs) / 4)


# ---- ROUGE -----------------------------------------------------------------------------------------------

ROUGE_WORD = re.compile("[a-z0-9]+")


def rouge(reference: str, hypothesis: str) -> dict[str, float]:
    """ROUGE-1, ROUGE-2 and ROUGE-L of one answer: words, word pairs and word order shared with the reference.

    Range 0 to 1, higher is better.
    Formula: F = 2PR / (P + R), P = shared / in the answer, R = shared / in the reference; shared are the
        clipped matches of words (1) or word pairs (2), or the longest common subsequence (L) over the whole
        text. Words are runs of a–z and 0–9, lower-cased, Porter-stemmed beyond three letters. The same
        numbers as the F-measures of `rouge_score.rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"],
        use_stemmer=True)`; rougeL, not rougeLsum.
    Source: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004.
    Does not see: paraphrases; doses ("0.5 mg" and "5.0 mg" are both "0 5 mg" in some order, so that ROUGE-1
        is 1); µ, °, accented and non-Latin letters, which all fall away; negation ("no fever").
    """
    wanted, given = _rouge_words(reference), _rouge_words(hypothesis)
    return {
        "ROUGE-1": _f_measure(_shared(wanted, given), len(wanted), len(given)),
        "ROUGE-2": _f_measure(
            _shared(zip(wanted, wanted[1:], strict=False), zip(given, given[1:], strict=False)),
            len(wanted) - 1,
            len(given) - 1,
        ),
        "ROUGE-L": _f_measure(_longest_common(wanted, given), len(wanted), len(given)),
    }


@lru_cache(maxsize=KEPT_TEXTS)
def _rouge_words(text: str) -> tuple[str, ...]:
    return tuple(stem(word) if len(word) > 3 else word for word in ROUGE_WORD.findall(text.lower()))


def _shared(wanted: Iterable, given: Iterable) -> int:
    return _clipped(Counter(wanted), Counter(given))


def _longest_common(wanted: Sequence[str], given: Sequence[str]) -> int:
    """Length of the longest common subsequence, bit-parallel: about 300 times faster than a table."""
    from rapidfuzz.distance import LCSseq

    # Numbered, because rapidfuzz compares words by their hash, where two words might collide.
    numbers = {word: number for number, word in enumerate({*wanted, *given})}
    return LCSseq.similarity([numbers[word] for word in wanted], [numbers[word] for word in given])


def _f_measure(shared: int, wanted: int, given: int) -> float:
    """Harmonic mean of precision and recall; 0 when nothing is shared."""
    if shared == 0:
        return 0.0
    precision, recall = shared / given, shared / wanted
    return 2 * precision * recall / (precision + recall)


# ---- METEOR ----------------------------------------------------------------------------------------------


def meteor_variant() -> str:
    """What `meteor` computes here: "METEOR", or "METEOR without synonyms" when WordNet is absent."""
    return "METEOR" if wordnet() is not None else "METEOR without synonyms"


def meteor(reference: str, hypothesis: str) -> float:
    """METEOR of one answer: words aligned with the reference by form, by stem and by synonym.

    Range 0 to just under 1 (an identical text of m words has 1 − 0.5 / m³), higher is better.
    Formula: with m aligned words in c unbroken chunks, P = m / |answer|, R = m / |reference|,
        Fmean = PR / (0.9 P + 0.1 R), METEOR = Fmean · (1 − 0.5 · (c / m)³): recall counts nine times as much
        as precision. The same number as `nltk.translate.meteor_score.single_meteor_score` on `tokens`.
        nltk's alignment is greedy from the end, not the one with the fewest chunks, and it looks up synonyms
        of the *stem*, so that fewer are found than the paper would find; both are kept, to agree.
        Without WordNet only form and stem are aligned: a different, lower number with a different name
        (`meteor_variant`), never to be compared with METEOR.
    Source: Banerjee and Lavie 2005; Lavie and Agarwal, WMT 2007. It uses no embeddings.
    Does not see: paraphrases of more than one word, the wrong dose, negation; a long answer that contains
        the reference is hardly punished.
    """
    wanted = [token.lower() for token in tokens(reference)]
    given = [token.lower() for token in tokens(hypothesis)]
    pairs: list[tuple[int, int]] = []
    rest_given, rest_wanted = list(enumerate(given)), list(enumerate(wanted))
    rest_given, rest_wanted = _align(rest_given, rest_wanted, pairs)
    rest_given = [(position, stem(word)) for position, word in rest_given]
    rest_wanted = [(position, stem(word)) for position, word in rest_wanted]
    rest_given, rest_wanted = _align(rest_given, rest_wanted, pairs)
    if wordnet() is not None:
        _align_synonyms(rest_given, rest_wanted, pairs)
    if not pairs:
        return 0.0
    pairs.sort()
    chunks = 1 + sum(
        after != (before[0] + 1, before[1] + 1) for before, after in zip(pairs, pairs[1:], strict=False)
    )
    precision, recall = len(pairs) / len(given), len(pairs) / len(wanted)
    mean = precision * recall / (0.9 * precision + (1 - 0.9) * recall)
    return (1 - 0.5 * (chunks / len(pairs)) ** 3) * mean


Numbered = list[tuple[int, str]]


def _align(given: Numbered, wanted: Numbered, pairs: list[tuple[int, int]]) -> tuple[Numbered, Numbered]:
    """Pair equal words, last with last; add the pairs of positions and return the words left over."""
    places: dict[str, list[int]] = {}
    for position, word in wanted:
        places.setdefault(word, []).append(position)
    left, used = [], set()
    for position, word in reversed(given):
        if places.get(word):
            partner = places[word].pop()
            used.add(partner)
            pairs.append((position, partner))
        else:
            left.append((position, word))
    return left[::-1], [entry for entry in wanted if entry[0] not in used]


def _align_synonyms(given: Numbered, wanted: Numbered, pairs: list[tuple[int, int]]) -> None:
    """Pair each word, from the last, with the last word of the reference that is its synonym."""
    places: dict[str, list[int]] = {}
    for position, word in wanted:
        places.setdefault(word, []).append(position)
    for position, word in reversed(given):
        reachable = [places[other] for other in synonyms(word) if places.get(other)]
        if reachable:
            last = max(reachable, key=lambda positions: positions[-1])
            pairs.append((position, last.pop()))


@lru_cache(maxsize=1 << 17)
def synonyms(word: str) -> frozenset[str]:
    """Single words that share a WordNet sense with `word`."""
    return wordnet().synonyms(word)
