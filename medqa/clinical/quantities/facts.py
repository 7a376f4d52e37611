"""Facts of a text that can be right or wrong by themselves, and how two texts agree in them."""

from functools import lru_cache

from medqa.clinical.notation.text import KEPT_TEXTS
from medqa.clinical.quantities.quantity import Quantity, same
from medqa.clinical.quantities.quantity_reader import read
from medqa.clinical.terms.lexicon import MedicalLexicon

FACT_COLUMNS = ("exact_match", "fact_precision", "fact_recall", "fact_f1")
QUANTITY_COLUMNS = ("quantity_match", "quantity_f1")


def factual_spans(text: str, lexicon: MedicalLexicon | None = None) -> list[str]:
    """The factual spans of a text, normalised, each once.

    Doses, quantities, laboratory values, percentages, frequencies, durations, ages, pressures, ratios and
    routes, in order ("500 mg", "2 a day", "by mouth"), then the medical terms when a lexicon is given.
    """
    spans = [str(quantity) for quantity in _distinct(text)]
    if lexicon is not None:
        spans.extend(lexicon.counts(text))
    return list(dict.fromkeys(spans))


@lru_cache(maxsize=KEPT_TEXTS)
def _distinct(text: str) -> tuple[Quantity, ...]:
    """Quantities of a text, each once: a repeated quantity is one fact."""
    return tuple(dict.fromkeys(read(text)))


def exact_match(
    reference: str, hypothesis: str, lexicon: MedicalLexicon | None = None
) -> dict[str, float | None]:
    """How the factual spans of an answer agree with those of the reference.

    What it measures: whether the answer states the same quantities (and, with a lexicon, names the same
        medical terms) as the reference, whatever the wording and the unit: 0.5 g is 500 mg, BID is twice
        daily, 98.6 °F is 37 °C.
    Range: 0 to 1, higher is better. None (not applicable, to be counted) when the reference has no span; for
        the two columns of quantities, when it has no quantity. An empty answer scores 0.
    Formula: spans are sets, matched one to one. `fact_precision` = matched / spans of the answer,
        `fact_recall` = matched / spans of the reference, `fact_f1` = their harmonic mean; `exact_match` is 1
        when all spans of both are matched, else 0. `quantity_match` and `quantity_f1` are the same over
        quantities alone, without the medical terms, which outnumber them. A bound is not needed for a match
        ("125 pg/mL", "above 125 pg/mL"), a contrary one prevents it ("below 125 pg/mL").
    Source: exact match and F1 of SQuAD (Rajpurkar et al., EMNLP 2016), on normalised facts in place of words.
    Does not see: what a quantity belongs to (`dose_errors` does); facts without a number or a term; that a
        fact which the reference lacks may be right: it lowers precision.
    """
    wanted, given = _distinct(reference), _distinct(hypothesis)
    columns: dict[str, float | None] = dict.fromkeys(FACT_COLUMNS + QUANTITY_COLUMNS)
    matched, wanted_count, given_count = _matches(wanted, given), len(wanted), len(given)
    if wanted:
        strict, _, _, f1 = _agreement(matched, wanted_count, given_count)
        columns |= {"quantity_match": strict, "quantity_f1": f1}
    if lexicon is not None:
        wanted_terms, given_terms = (terms.keys() for terms in lexicon.compared(reference, hypothesis))
        matched += len(wanted_terms & given_terms)
        wanted_count += len(wanted_terms)
        given_count += len(given_terms)
    if wanted_count:
        columns |= zip(FACT_COLUMNS, _agreement(matched, wanted_count, given_count), strict=True)
    return columns


def _agreement(matched: int, wanted: int, given: int) -> tuple[float, float, float, float]:
    """(1.0 or 0.0 for the strict match, precision, recall, F1)"""
    if matched == 0:
        return 0.0, 0.0, 0.0, 0.0
    return (
        float(matched == wanted == given),
        matched / given,
        matched / wanted,
        2 * matched / (wanted + given),
    )


def _matches(wanted: tuple[Quantity, ...], given: tuple[Quantity, ...]) -> int:
    """How many quantities both texts state, matched one to one."""
    # Equal ones first, so that "at least 5 mg" does not take the partner of "5 mg".
    equal = set(wanted) & set(given)
    left = [quantity for quantity in given if quantity not in equal]
    matched = len(equal)
    for quantity in wanted:
        partner = (
            None if quantity in equal else next((other for other in left if same(quantity, other)), None)
        )
        if partner is not None:
            left.remove(partner)
            matched += 1
    return matched
