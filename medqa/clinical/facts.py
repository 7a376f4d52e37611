"""What matters in a medical answer and no overlap metric sees: quantities, doses, medical terms, negation.

Each measure is None where it does not apply (the reference has nothing of the kind); such questions are
counted and left out of its mean. An empty answer scores 0. No text raises.
"""

from functools import lru_cache

from medqa.clinical import doses as _doses
from medqa.clinical.lexicon import MedicalLexicon
from medqa.clinical.quantities import KEPT_TEXTS, Quantity, read

__all__ = ["MedicalLexicon", "dose_error", "dose_errors", "exact_match", "factual_spans"]

FACT_COLUMNS = ("exact_match", "fact_precision", "fact_recall", "fact_f1", "quantity_match", "quantity_f1")


def factual_spans(text: str, lexicon: MedicalLexicon | None = None) -> list[str]:
    """The facts of a text that can be right or wrong by themselves, normalised, each once.

    Doses, quantities, laboratory values, percentages, frequencies, durations, ages, pressures, ratios and
    routes, in order ("500 mg", "2 a day", "by mouth"), then the medical terms when a lexicon is given.
    """
    spans = [str(quantity) for quantity in _distinct(text)]
    if lexicon is not None:
        spans.extend(lexicon.counts(text))
    return list(dict.fromkeys(spans))


@lru_cache(maxsize=KEPT_TEXTS)
def _distinct(text: str) -> tuple[Quantity, ...]:
    """Quantities of a text, each once: said twice it is still one fact."""
    return tuple(dict.fromkeys(read(text)))


def exact_match(
    reference: str, hypothesis: str, lexicon: MedicalLexicon | None = None
) -> dict[str, float | None]:
    """How the factual spans of an answer agree with those of the reference.

    What it measures: whether the answer states the same quantities (and, with a lexicon, names the same
        medical terms) as the reference, whatever the wording and the unit: 0.5 g is 500 mg, BID is twice
        daily, 98.6 °F is 37 °C.
    Range: 0 to 1, higher is better. All None (not applicable, to be counted) when the reference has no span;
        the two quantity columns also when it has no quantity.
    Formula: spans are sets, matched one to one. `fact_precision` = matched / spans of the answer,
        `fact_recall` = matched / spans of the reference, `fact_f1` = their harmonic mean; `exact_match` is 1.0
        when all spans of both are matched, else 0.0. `quantity_match` and `quantity_f1` are the same two
        over quantities alone, without the medical terms, which outnumber them. A bound is not needed for
        a match ("125 pg/mL" and "above 125 pg/mL"), a contrary one prevents it ("below 125 pg/mL").
    Source: exact match and F1 of SQuAD (Rajpurkar et al., EMNLP 2016), on normalised facts in place of words.
    Does not see: what a quantity belongs to (`dose_errors` does), facts without a number or term, a fact
        that is right and not in the reference: it lowers precision.
    """
    wanted, given = _distinct(reference), _distinct(hypothesis)
    matched = _matches(wanted, given)
    columns: dict[str, float | None] = dict.fromkeys(FACT_COLUMNS)
    if wanted:
        columns["quantity_match"], _, _, columns["quantity_f1"] = _agreement(matched, len(wanted), len(given))
    if lexicon is not None:
        wanted_terms, given_terms = lexicon.counts(reference), lexicon.counts(hypothesis)
        counts = (
            matched + len(wanted_terms.keys() & given_terms.keys()),
            len(wanted) + len(wanted_terms),
            len(given) + len(given_terms),
        )
    else:
        counts = (matched, len(wanted), len(given))
    if counts[1]:
        columns |= zip(FACT_COLUMNS, _agreement(*counts), strict=False)
    return columns


def _agreement(matched: int, wanted: int, given: int) -> tuple[float, float, float, float]:
    """(strict match, precision, recall, F1)"""
    if matched == 0:
        return 0.0, 0.0, 0.0, 0.0
    return float(matched == wanted == given), matched / given, matched / wanted, 2 * matched / (wanted + given)


def _matches(wanted: tuple[Quantity, ...], given: tuple[Quantity, ...]) -> int:
    """Quantities that both texts state, matched one to one."""
    left = list(given)
    matched = 0
    # Equal ones first, so that "5 mg" does not take the partner of "at least 5 mg".
    for same in (lambda one, other: one == other, _same):
        for quantity in wanted if same is not _same else rest:
            partner = next((other for other in left if same(quantity, other)), None)
            if partner is not None:
                left.remove(partner)
                matched += 1
        rest = [quantity for quantity in wanted if quantity not in given]
    return matched


def _same(one: Quantity, other: Quantity) -> bool:
    """Whether two quantities state the same, as far as one bound may be missing and conversions round."""
    kinds = {one.kind, other.kind}
    if one.unit != other.unit or (len(kinds) > 1 and kinds != {"age", "duration"}):
        return False
    if one.bound and other.bound and one.bound != other.bound:
        return False
    return len(one.values) == len(other.values) and all(
        _doses.near(first, second, one, other)
        for range_one, range_other in zip(one.values, other.values, strict=True)
        for first, second in zip(range_one, range_other, strict=True)
    )


def dose_errors(reference: str, hypothesis: str) -> list[dict[str, str]]:
    """Quantities of an answer that contradict the reference for the same medicine or measure.

    What it measures: the most dangerous mistakes of an answer. Each comes as {"subject", "kind", "reference",
        "answer"}, the last two in the words of the texts, for a clinician to judge.
    Kinds: "ten-fold" (5 mg for 0.5 mg, or 100-fold …), "unit" (the same number, another unit), "frequency"
        (the same amount, given at another frequency), "value" (another amount).
    Rule: a contradiction needs the same subject, the same kind of unit, and an amount of the reference that
        the answer nowhere gives; a value within the reference's range, the same amount a day (1 g twice daily,
        2 g daily), another route, another age group, or a maximum beside a usual dose is none. An amount
        that the reference does not speak of is no contradiction. Where one text names no medicine, its doses
        are those of the only one of the other.
    Source: our own.
    Does not see: a medicine that its word does not show to be one; amounts in different sentences from their
        medicine, except the next one; durations, ages and ratios; a dose that is wrong without the reference
        giving one. A text of several regimens of one medicine can be accused wrongly: look at the list.
    """
    return _doses.contradictions(reference, hypothesis)


def dose_error(reference: str, hypothesis: str) -> int | None:
    """Number of `dose_errors`: 0 or more, lower is better; None when the reference has no dose or value."""
    return len(dose_errors(reference, hypothesis)) if _doses.doses(reference) else None
