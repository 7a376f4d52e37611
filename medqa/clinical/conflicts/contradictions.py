"""Quantities of an answer that contradict those of the reference."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import islice, product

from medqa.clinical.claims.agreement import agree, in_same_words, is_range, may_be_one
from medqa.clinical.claims.claims import Claim, Found, claims
from medqa.clinical.claims.counterparts import (
    is_converted_content,
    is_only_counterpart,
    is_slip,
    likeness,
    of_one_statement,
    of_other_phase,
    same_thing,
)
from medqa.clinical.claims.harmonized import with_common_subject, with_common_times, without_body_weight
from medqa.clinical.claims.mistaken import is_course, other_medicine, other_sense, other_unit
from medqa.clinical.claims.opposites import names_way, wrong_way
from medqa.clinical.claims.patients import is_own_value
from medqa.clinical.conflicts.bands import wrong_band
from medqa.clinical.conflicts.bases import is_product, lost_size, other_base
from medqa.clinical.conflicts.crossings import crossed_over
from medqa.clinical.conflicts.daily_totals import other_total
from medqa.clinical.conflicts.day_parts import Side, is_part_of_day
from medqa.clinical.conflicts.derived import is_derived
from medqa.clinical.conflicts.exchanges import exchanged, unmoved
from medqa.clinical.conflicts.fitting import other_figure, unlike
from medqa.clinical.conflicts.odd_values import odd_value
from medqa.clinical.conflicts.rates import other_rate
from medqa.clinical.conflicts.regimens import is_one_regimen, other_regimen
from medqa.clinical.conflicts.sequences import relisted, repeated
from medqa.clinical.conflicts.swaps import swapped
from medqa.clinical.conflicts.thresholds import other_side
from medqa.clinical.conflicts.timing import repeated_single
from medqa.clinical.notation.names import medicine
from medqa.clinical.notation.numbers import parse
from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.notation.topics import SHORT_TEXT, about_one_thing, words_around
from medqa.clinical.quantities.items import ITEMS
from medqa.clinical.quantities.quantity import amounts_meet, is_inside, kind_of
from medqa.clinical.quantities.quantity_reader import read

FIELDS = ("subject", "kind", "reference", "answer")
# Rules that compare two texts when claims show no error.
OF_TEXTS = (repeated, other_rate, relisted)
# Rules that compare two texts when no other rule has found an error.
LAST = (other_regimen, crossed_over, odd_value, other_side, other_total)
# Longer texts, in characters, hold several regimens, in which these rules are least certain.
LONGEST_FOR_LAST = 1000
# Characters on each side of an amount that show what differs where the amount does not; then more.
BESIDE = (40, 200)
# How many times as much two sentences of longer texts must have in common, one of which names another way.
LEAST_OF_WAYS = 2
# A text with more quantities of a dimension is a table or several regimens.
MOST_OF_A_DIMENSION = 3
STAGES = {"first", "later"}
# No citation, and no number of an item of a list.
BARE_NUMBER = re.compile(r"[0-9](?<![a-z0-9.,/\[-].)[0-9]*(?:\.[0-9]+)?(?![0-9/\])]|\. [^0-9]| [0-9]| ?x )")
# "At 30 to 60 it can be prescribed": the ends of a range are no values.
BARE_RANGE = re.compile(
    r"(?<!day )(?<!days )(?<![0-9.])([0-9]+(?:\.[0-9]+)?) to ([0-9]+(?:\.[0-9]+)?)(?![0-9]|\.[0-9])"
)


# Rows that say one thing of a disease, wherever a text names them.
OF_DISEASES = {"inheritance", "chromosome"}


def dose_errors(reference: str, hypothesis: str) -> list[dict[str, str]] | None:
    """Quantities of an answer that contradict the reference for the same medicine or measure.

    What it measures: the most dangerous mistakes of an answer. Each comes as {"subject", "kind", "reference",
        "answer"}, the last two in the words of the texts, for a clinician to judge.
    Kinds: "ten-fold" (5 mg for 0.5 mg), "100 times", "1,000 times", …, "unit" (the same number, another
        unit), "frequency" (the same amount at another frequency), "value" (another amount, or "above" for
        "below"), "swapped", "route", "side", "base" (`bases`).
    Rule: a claim of the reference that agrees with none of the answer is contradicted by a claim of the
        answer of the same subject and dimension that agrees with none of the reference. These agree: a value
        within a range, an equal value in another unit (`equivalents`), the same amount at a time (2 puffs of
        100 mcg, 200 mcg) or a day within 3 % (1 g daily, 333 mg three times daily). These are not compared:
        amounts by different routes, for different age groups or days, a maximum and a usual dose. Where one
        text names no medicine, its doses are compared as doses of the only one of the other; where that is
        the answer, the subject ends in "(medicine assumed)".
    Not applicable (None): the reference has no quantity, no side of the body and no only route.
    Source: our own.
    Without a common subject: an amount, duration, age, frequency or share that is the only one of its
        dimension that does not agree; two values that changed places; the other route, side of the body or
        time of day (`opposites`); the figure that fits best (`fitting`); the only value in which the texts
        differ (`odd_values`); a bound on the other side (`thresholds`); another daily total (`daily_totals`).
    Does not see: amounts more than one sentence from their medicine among several; a wrong dose where the
        reference gives none; other clock times and days of the week.
        A text of several regimens of one medicine can be flagged wrongly: the errors are listed for that.
    """
    ours, theirs = claims(reference), claims(hypothesis)
    if not (ours or names_way(reference)):
        changed = list(swapped(reference, hypothesis)) or list(exchanged(reference, hypothesis))
        changed = changed or list(relisted(reference, hypothesis))
        changed = _on_one_thing(changed or _last(reference, hypothesis), (reference, hypothesis))
        changed += _other_figures(changed, (reference, hypothesis))
        return [dict(zip(FIELDS, error, strict=True)) for error in changed] or None
    ours, theirs = with_common_subject(*with_common_times(*without_body_weight(ours, theirs)))
    pairs = [
        (one, other)
        for one, other in _contradictions(ours, theirs, (reference, hypothesis))
        if not (
            is_derived(one, other, reference, hypothesis)
            or of_other_phase(one, other, ours, theirs)
            or is_product(one, other, (ours, theirs), (reference, hypothesis))
            or is_part_of_day(one, other, Side(ours, reference), Side(theirs, hypothesis))
            or is_own_value(one, other, reference, hypothesis)
            or is_own_value(other, one, hypothesis, reference)
            or is_one_regimen(one, other, reference, hypothesis)
            or unlike(one, other, reference, hypothesis)
        )
    ]
    if any(one.counted != other.counted for one, other in pairs):
        # "Three 4 mg tablets" for one of them is one error, and not also one of tablets.
        pairs = [(one, other) for one, other in pairs if one.quantity.unit not in ITEMS]
    texts = (reference, hypothesis)
    contradicted = filter(_differs, (_error(one, other, texts) for one, other in pairs))
    found = [
        *contradicted,
        *_on_one_thing(wrong_way(reference, hypothesis, ours, theirs), texts, LEAST_OF_WAYS),
    ]
    found += _on_one_thing(_beside(found, ours, theirs, texts), texts)
    found += _other_figures(found, texts)
    found = found or _on_one_thing(_instead(ours, theirs, texts), texts)
    return [dict(zip(FIELDS, error, strict=True)) for error in found]


def _on_one_thing(found: Iterable[Found], texts: tuple[str, str], times: int = 1) -> list[Found]:
    """Those of the contradictions whose places in the texts are about the same."""
    return [error for error in found if error[1] in OF_DISEASES or about_one_thing(error[2:], texts, times)]


def _differs(error: Found) -> bool:
    """Whether the words of both texts differ in anything that a reader would see."""
    one, other = (re.sub("[^A-Za-z0-9.<>≤≥%]", "", words_of) for words_of in error[2:])  # "mIU", "MIU"
    return one != other


def _beside(
    known: Sequence[Found], ours: Sequence[Claim], theirs: Sequence[Claim], texts: tuple[str, str]
) -> list[Found]:
    """What is looked for whether or not claims contradict each other, `known`."""
    reference, hypothesis = texts
    found = [*known, *other_medicine(ours, theirs), *other_sense(ours, theirs)]
    found += wrong_band(reference, hypothesis, ours, theirs)
    reported = " ".join(text for error in found for text in error[2:])
    for error in swapped(reference, hypothesis):
        if not any(text in reported for text in error[2:]) and not unmoved(reference, hypothesis, *error[2:]):
            found.append(error)
    return found[len(known) :]


def _other_figures(known: Sequence[Found], texts: tuple[str, str]) -> list[Found]:
    """The figures that differ, except those whose words are in a known error."""
    return [
        error
        for error in other_figure(*texts)
        if not any(
            all(text in words or words in text for text, words in zip(error[2:], one[2:], strict=True))
            for one in known
        )
    ]


def _instead(ours: Sequence[Claim], theirs: Sequence[Claim], texts: tuple[str, str]) -> list[Found]:
    """What is looked for where nothing else was found: the most general rules, in this order."""
    found = [*_by_rules(OF_TEXTS, *texts), *repeated_single(ours, theirs), *other_unit(ours, theirs)]
    found = found or [*exchanged(*texts), *lost_size(ours, theirs), *other_base(ours, theirs, *texts)]
    return found or _last(*texts)


def _last(reference: str, hypothesis: str) -> list[Found]:
    """What the first of the last rules finds that finds anything."""
    if max(len(reference), len(hypothesis)) > LONGEST_FOR_LAST:
        return []
    return next(filter(None, (_by_rules((rule,), reference, hypothesis) for rule in LAST)), [])


def _by_rules(
    rules: Sequence[Callable[[str, str], Iterator[Found]]], reference: str, hypothesis: str
) -> list[Found]:
    return [row for rule in rules for row in rule(reference, hypothesis)]


def dose_error(reference: str, hypothesis: str) -> int | None:
    """How many quantities of an answer contradict the reference for the same medicine or measure.

    What it measures: the answer's most dangerous mistakes, of all kinds of `dose_errors`.
    Range: 0, 1, 2, …, lower is better. None (not applicable, to be counted) when the reference has no dose
        or value. An empty answer contradicts nothing: 0.
    Formula: |`dose_errors`|.
    Source: our own.
    Does not see: see `dose_errors`; an answer that leaves the dose out, which `fact_recall` sees.
    """
    errors = dose_errors(reference, hypothesis)
    return None if errors is None else len(errors)


@lru_cache(maxsize=KEPT_TEXTS)
def _bare_numbers(text: str) -> frozenset[Fraction]:
    """The numbers of a text that no quantity has, as in "85 g/L before and 102 after"."""
    quantities, lower = read(text), forms(text)[2]
    ranges = BARE_RANGE.finditer(lower) if " to " in lower else ()
    ends = {found.start(end) for found in ranges for end in (1, 2)}
    return frozenset(
        parse(number.group())
        for number in BARE_NUMBER.finditer(lower)
        if number.start() not in ends and not is_inside(quantities, number.start())
    )


def _contradictions(
    ours: Sequence[Claim], theirs: Sequence[Claim], texts: tuple[str, str]
) -> Iterator[tuple[Claim, Claim]]:
    """Each claim of the reference that is contradicted, with the claim of the answer that contradicts it.

    Rule: a claim of the reference that agrees with none of the answer is contradicted by a claim of the
        answer that agrees with none of the reference: by one of the same subject, or, without a common
        subject, by the only one of its dimension. A number that the other text has without its unit
        contradicts nothing: "Hb 85 g/L before and 102 after".
    """
    left = [one for one in _alone(ours, theirs) if not _is_bare(one, texts[1])]
    rivals = [one for one in _alone(theirs, ours) if not _is_bare(one, texts[0])]
    for one in list(left):
        against = [other for other in rivals if same_thing(one, other)]
        if against:
            likeliest = min(against, key=lambda other: likeness(one, other))
            left.remove(one)
            rivals.remove(likeliest)
            yield one, likeliest
    for other in list(rivals):
        # "10 mL of 75 mg/5 mL" is 150 mg, whatever the reference compares with it.
        one = next((one for one in ours if is_converted_content(one, other)), None)
        if one is not None:
            rivals.remove(other)
            yield one, other
    for other in list(rivals):
        # "10 mg/min in steps of 10 µg/min" for "10 µg/min in steps of 10 µg/min"
        one = next((one for one in ours if is_slip(one, other) and of_one_statement(one, other, texts)), None)
        if one is not None:
            rivals.remove(other)
            yield one, other
    yield from _only_ones(ours, theirs, left, rivals, texts)


def _only_ones(
    ours: Sequence[Claim],
    theirs: Sequence[Claim],
    left: Sequence[Claim],
    rivals: Sequence[Claim],
    texts: tuple[str, str],
) -> Iterator[tuple[Claim, Claim]]:
    """Pairs of claims that agree with none (`left`, `rivals`) and are the only ones of a dimension."""
    settled = _settled(ours, theirs)
    for dimension in dict.fromkeys(one.dimension for one in left if one.dimension not in settled):
        wanted, given = ([claim for claim in side if claim.dimension == dimension] for side in (ours, theirs))
        if max(len(wanted), len(given)) > MOST_OF_A_DIMENSION:
            continue
        mine = [one for one in left if one.dimension == dimension]
        against = [other for other in rivals if other.dimension == dimension]
        # The answer's only amount is none of those of the reference.
        only = len(given) == 1 and (dimension.startswith("amount") or max(map(len, texts)) > SHORT_TEXT)
        none = len(mine) == len(wanted) == len(against) == len(given)
        single = len(against) == 1 and (len(mine) == 1 or only)
        # "Three times a day, every day" for "on Monday, Wednesday and Friday"
        rhythm = dimension == "frequency day" and len({other.sentence for other in given}) == 1
        single |= rhythm and len(mine) == len(wanted) == 1 and len(against) == len(given) == 2
        if not (single or none) and dimension == "duration day":
            # "For 35 days" is compared with the only other time that is how long something is done.
            lasting = [[claim for claim in side if is_course(claim)] for side in (wanted, given)]
            mine, against = (
                [claim for claim in side if claim in rest]
                for side, rest in zip(lasting, (mine, against), strict=True)
            )
            single = all(len(side) == 1 for side in (*lasting, mine, against))
        # In a longer text the one that is about the same
        likely = mine if single and max(map(len, texts)) > SHORT_TEXT else mine[:1]
        pairs = ((one, against[0]) for one in likely if single or none)
        yield from islice((pair for pair in pairs if is_only_counterpart(*pair, texts)), 1)


def _is_bare(claim: Claim, text: str) -> bool:
    """Whether the number of a claim is among the numbers without a unit of the other text."""
    return claim.quantity.kind in ("amount", "score") and claim.quantity.number in _bare_numbers(text)


def _alone(claims: Sequence[Claim], others: Sequence[Claim]) -> list[Claim]:
    """The claims that agree with none of the others.

    A claim is compared with those of its own unit where there are any, and a bound with bounds: "up to 10
    puffs" is not confirmed by "one puff at a time".
    """
    left = []
    roles: dict[str, set[str]] = {}
    for claim in claims:
        roles.setdefault(claim.subject, set()).add(claim.role)
    # A loading dose is compared with the loading dose.
    staged = {subject: STAGES for subject, found in roles.items() if found >= STAGES and medicine(subject)}
    for claim in claims:
        alike = [other for other in others if other.dimension == claim.dimension and may_be_one(claim, other)]
        like = [other for other in alike if other.role == claim.role]
        if like and (claim.role in ("maximum", "step") or claim.role in staged.get(claim.subject, ())):
            alike = like
        if claim.daily is not None and not (claim.item or claim.counted):
            # The dose of a day is not what one item contains.
            alike = [other for other in alike if not other.item or other.daily is not None] or alike
        if claim.counted:
            # The dose of "three 5 mg tablets" is none of those that "5 mg tablets" confirm.
            alike = [other for other in alike if other.counted or not other.item] or alike
        if is_range(claim):
            # "0.2 to 14" is not confirmed by "begin with 0.7", where the other text has "0.2 to 1.4".
            alike = [other for other in alike if is_range(other)] or alike
            if _is_enclosed(claim, others):
                continue
        bounded = [other for other in alike if bool(other.quantity.bound) == bool(claim.quantity.bound)]
        at_value = [
            other
            for other in bounded
            if claim.quantity.bound and other.quantity.values == claim.quantity.values
        ]
        if not any(agree(claim, other) for other in at_value or bounded or alike or others) and not any(
            in_same_words(claim, other) for other in others
        ):
            left.append(claim)
    return left


def _is_enclosed(claim: Claim, others: Sequence[Claim]) -> bool:
    """Whether others give the two ends of a range as bounds: "not under 88 % and not over 92 %"."""
    (low, high), ends = claim.quantity.values[0], {}
    for other in others:
        if other.dimension == claim.dimension and other.quantity.bound and may_be_one(claim, other):
            ends[other.quantity.bound] = other.quantity.values[0][0]
    return ends == {">": low, "<": high}


def _error(one: Claim, other: Claim, texts: tuple[str, str]) -> tuple[str, str, str, str]:
    subject = one.subject or one.quantity.kind
    if other.assumed:
        subject += " (medicine assumed)"
    same_amount = one.daily and other.daily and one.counted == other.counted
    same_amount = same_amount and amounts_meet(one.quantity, other.quantity)
    kind = "frequency" if same_amount else kind_of(one.quantity, other.quantity)
    error = (subject, kind, one.written, other.written)
    same = one.quantity.values == other.quantity.values and one.quantity.unit == other.quantity.unit
    if _differs(error) and (kind == "frequency" or not same):
        return error
    # "If it is below 5.5" for "if it is above 5.5": what differs is beside the amount.
    for most in BESIDE:
        places = ((claim.dose.amount if claim.dose else claim.quantity) for claim in (one, other))
        around = [
            words_around(text, place.start, place.end, most)
            for text, place in zip(texts, places, strict=True)
        ]
        if _differs(error := (subject, kind, *around)):
            break
    return error


def _settled(ours: Sequence[Claim], theirs: Sequence[Claim]) -> set[str]:
    """The dimension of frequencies, when those of one subject are compared as part of its doses."""
    pairs = product(*([claim for claim in side if claim.times_a_day] for side in (ours, theirs)))
    return {"frequency day"} if any(may_be_one(one, other) for one, other in pairs) else set()
