"""Statements that an answer reverses: a term or a sentence that one text affirms and the other negates."""

import re
from collections.abc import Iterable, Iterator
from itertools import product

from medqa.clinical.agreement import mirrored
from medqa.clinical.bindings import crossed
from medqa.clinical.contradictions import FIELDS
from medqa.clinical.directions import inverted_cause, reversed_directions, same_direction
from medqa.clinical.lexicon import MedicalLexicon
from medqa.clinical.names import GROUPS
from medqa.clinical.negation import (
    COMBINED,
    FAMILY,
    RELATIVE,
)
from medqa.clinical.opposites import ended_alike, in_one_way, kept_apart, leaves_open
from medqa.clinical.patients import is_only_possible, is_report, outside_criterion
from medqa.clinical.precedence import same_preference, turned_precedence
from medqa.clinical.quantity_reader import read
from medqa.clinical.questions import answered
from medqa.clinical.statements import OPEN, REFUSED, allowed_all_the_same, both_healthy, opposite, statement
from medqa.clinical.swaps import swapped
from medqa.clinical.text import forms
from medqa.clinical.word_forms import stem


def _class_errors(wanted: Iterable[str], given: Iterable[str]) -> list[dict[str, str]]:
    """Medicines that one text gives where the other is against the whole group, or the other way round."""
    errors = []
    opposed = {term[3:] for term in (*wanted, *given) if term.startswith("no ")}
    for group in sorted(opposed & GROUPS.keys()):
        members = GROUPS[group]
        for one, other in ((wanted, given), (given, wanted)):
            member = next((term for term in other if re.fullmatch(members, term)), None)
            if f"no {group}" not in one or member is None or {group, f"no {group}"} & set(other):
                continue
            if any(re.fullmatch(f"(?:no )?(?:{members})|{group}", term) for term in one):
                continue
            texts = (f"no {group}", member) if one is wanted else (member, f"no {group}")
            errors.append({"subject": member, "kind": "negation", "reference": texts[0], "answer": texts[1]})
    return errors


# Parts of a sentence in which a negation may reach a term.
PARTS = re.compile(
    r"[.;!?\n](?=\s|$)|[,:](?= )| and (?=there |no |the |he |she |it |they |an? |needs? |has |is "
    "|can |cannot |can't |could |will |does |did |was |were |never |not )"
)
# "Unless there is bleeding" and "as long as no bleeding occurs" are one condition.
LIMITS = re.compile(r"\b(?:unless|only (?:if|when|after|once|in)|except)(?![a-z])")
CONDITION = re.compile(
    r"\b(?:if|when|where|(?:as|so) long as|provided|providing|without|until|while|once|unless)(?![a-z])"
)
CLAUSE_OF = re.compile(r"[^.;,\n]*")
EXCLUSION = re.compile(r"\b(?:exclu[a-z]+|rul(?:e|es|ed|ing) (?:[a-z]+ ){0,4}?out)\b")
# "The guidelines advise against starting it."
PRONOUN = re.compile(
    r"(?:\b(?:not|never|cannot|against|without|avoid|avoided|than)|n't)"
    r" (?:[a-z]+ ){0,3}(?:it|them|this|these|one)\b"
)
# What follows a condition denies nothing before it: "keep taking it if you can't eat".
SUBORDINATE_PART = re.compile(r"(?i) (?:(?:even )?(?:if|when|while|though|although)|who|whose|which) ")
# "Wait until the attack is over before starting allopurinol", "wait with live vaccines"
WAITS = re.compile(
    r"(?<!not )(?<!n't )(?<!no need to )(?<!without )(?<!without any )(?<!reason to )"
    r"\b(?:wait(?:s|ed|ing)? (?:with|until|till|for)|(?:postpone|defer|delay)[a-z]*"
    r"|hold(?:ing)? off|put(?:ting)? off)(?![a-z])"
)
# A heading names a topic and affirms nothing.
HEADING = re.compile(r"(?m)^ ?#+ .*$")
ENDS = re.compile(
    r"\b(?:stop(?:s|ped|ping)?|discontinu(?:e|es|ed|ing|ation)|withdr(?:aw[a-z]*|ew)|ceas(?:e|es|ed|ing)"
    r"|end(?:s|ed)|came off|halted|suspended|withh[eo]ld|resol(?:ve[sd]?|ving|ution))(?![a-z])"
)
# "Stop it if", "to be withdrawn only when"
ENDS_IF = re.compile(rf"{ENDS.pattern}(?: [a-z-]+){{0,4}}? (?:if|when|once|unless)(?![a-z])")
# "There is no reason to stop", "metformin is continued and the contrast medium stopped"
NO_END = re.compile(
    rf"(?:\b(?:no|not|never|without|cannot|avoid|before|unnecessary)|n't) (?:[a-z]+ ){{0,3}}{ENDS.pattern}"
)
GOES_ON = (
    r"(?:continu|resum|restart|keep|kept|carry on|carries on|goes on|going on|maintain"
    r"|increas|rais|doubl|start|began|begin|add)[a-z]*"
)
# "Cannot be given to women who are not using contraception", and "must use contraception to receive it"
GIVEN_ONLY = re.compile(
    r"(?:\b(?:not|never|cannot|no)|n't)(?! (?:need|have to|necessary|required)) [^.;,:]{0,80}?"
    r"(?:\b(?:unless|without|until|before|lacks?|lacking)"
    r"|(?:\b(?:who|whose|which|that|if|when|while)\b[^.;]{0,40}?(?:\b(?:not|no|never)|n't)))(?![a-z])"
)
REQUIRED = re.compile(
    r"\b(?:must|ha(?:s|ve) to|needs? to|only|required?|requires|essential|mandatory|compulsory|obligatory"
    r"|prerequisite|as long as|provided|first)(?! not| never)(?![a-z])"
    r"|\bbefore (?:you |they |the )?(?:[a-z]+ ){0,2}?(?:starting|start|giving|give|taking|take|beginning"
    r"|begin|(?:is|are) (?:given|started|taken))(?![a-z])"
)
# "You don't need to avoid grapefruit juice"
NO_NEED = re.compile(
    r"(?:(?:\bnot|n't) (?:need|have) to|\bno (?:need|reason) to|\bneed(?: not|n't)) avoid"
    r" (?:the |your |any |all )?(?P<what>[a-z-]{4,})"
)


def negation_errors(reference: str, hypothesis: str, lexicon: MedicalLexicon) -> list[dict[str, str]]:
    """Terms that one text affirms and the other negates: {"subject", "kind", "reference", "answer"}.

    A term that a text both affirms and negates ("no fever today, fever yesterday") is not an error, nor one
    that a text affirms in a sentence with another negation, which may well negate it. When no term is
    contradicted, two short statements in mostly the same words contradict each other if exactly one of them
    is negated.
    """
    reference, hypothesis = (
        answered(HEADING.sub("", text) if "#" in text else text) for text in (reference, hypothesis)
    )
    wanted, given = lexicon.counts(reference).keys(), lexicon.counts(hypothesis).keys()
    if mirrored(reference, hypothesis) or all(map(leaves_open, (reference, hypothesis))):
        return []
    if outside_criterion(reference, hypothesis) or outside_criterion(hypothesis, reference):
        return []
    agreed = _is_requirement(reference, hypothesis) or _is_requirement(hypothesis, reference)
    agreed = agreed or both_healthy(reference, hypothesis) or same_preference(reference, hypothesis)
    agreed = agreed or inverted_cause(reference, hypothesis)
    flips, excused = ([], True) if agreed else _flips(reference, hypothesis, lexicon)
    errors = [
        {
            "subject": term.removeprefix("no "),
            "kind": "negation",
            "reference": term,
            "answer": term[3:] if term.startswith("no ") else f"no {term}",
        }
        for term in flips
    ]
    of_groups = _class_errors(wanted, given)
    if of_groups and not _combines(reference, hypothesis) and not _both_end_if(reference, hypothesis):
        errors += of_groups
    if len({term.removeprefix("no ") for term in wanted} & {term.removeprefix("no ") for term in given}) > 1:
        changed = swapped(reference, hypothesis, lexicon.marks)
        errors += [dict(zip(FIELDS, error, strict=True)) for error in changed]
    errors = errors or [dict(zip(FIELDS, error, strict=True)) for error in crossed(reference, hypothesis)]
    errors = errors or list(_needlessly_avoided(reference, hypothesis))
    if not errors and (order := turned_precedence(reference, hypothesis)):
        errors = [dict(zip(FIELDS, order, strict=True))]
    if not errors:
        turned = reversed_directions(reference, hypothesis, lexicon)
        errors = [dict(zip(FIELDS, error, strict=True)) for error in turned]
    # Both negate one term, or one text says both.
    settled = any(term.startswith("no ") for term in wanted & given) or any(
        f"no {term}" in terms for terms in (wanted, given) for term in terms
    )
    settled = settled or excused or _both_end(reference, hypothesis)
    settled = settled or in_one_way(reference, hypothesis) or same_direction(reference, hypothesis)
    settled = settled or any(WAITS.search(forms(text)[2]) for text in (reference, hypothesis))
    shared = "" if errors else allowed_all_the_same(reference, hypothesis)
    shared = shared or ("" if errors or settled else opposite(reference, hypothesis))
    if shared:
        errors.append({"subject": shared, "kind": "negation", "reference": reference, "answer": hypothesis})
    return errors


def _is_requirement(denying: str, affirming: str) -> bool:
    """Whether a text denies something without a condition that the other requires: "no A without B"."""
    lower = forms(affirming)[2]
    return (
        GIVEN_ONLY.search(forms(denying)[2]) is not None
        and REQUIRED.search(lower) is not None
        and not statement(affirming).opposed
    )


def _both_end_if(*texts: str) -> bool:
    """Whether all texts name a condition on which something is stopped."""
    return all(ENDS_IF.search(forms(text)[2]) for text in texts)


def _both_against(one: str, other: str, lexicon: MedicalLexicon) -> bool:
    """Whether two texts advise against a combination: one may deny one medicine of it, the other both."""
    denied = [{term for term in lexicon.counts(text) if term.startswith("no ")} for text in (one, other)]
    return _combines(one) and _combines(other) and not denied[0].isdisjoint(denied[1])


def _combines(*texts: str) -> bool:
    """Whether one of the texts is about taking things together."""
    return any(COMBINED.search(forms(text)[2]) for text in texts)


def _needlessly_avoided(reference: str, hypothesis: str) -> Iterator[dict[str, str]]:
    """What one text need not avoid and the other forbids: "don't need to avoid milk", "do not drink milk"."""
    lower = [forms(text)[2] for text in (reference, hypothesis)]
    for one, other in (lower, lower[::-1]):
        for need in NO_NEED.finditer(one) if " avoid" in one and not NO_NEED.search(other) else ():
            forbids = re.search(
                rf"(?:\b(?:not|never|avoid)|n't) (?:[a-z]+ ){{0,3}}?{need['what']}"
                rf"|\b{need['what']}(?: (?!not|do|need)[a-z]+){{0,5}}"
                r" (?:avoided|contraindicated|forbidden)\b",
                other,
            )
            if forbids:
                texts = (
                    (forbids.group(), need.group()) if one is lower[1] else (need.group(), forbids.group())
                )
                error = (need["what"], "negation", *texts)
                yield dict(zip(FIELDS, error, strict=True))


def _flips(reference: str, hypothesis: str, lexicon: MedicalLexicon) -> tuple[list[str], bool]:
    """The terms that only one text negates, and whether an exception or a choice explains some."""
    wanted, given = lexicon.counts(reference).keys(), lexicon.counts(hypothesis).keys()
    flips = [
        term
        for term in wanted
        if term not in given and (term[3:] if term.startswith("no ") else f"no {term}") in given - wanted
    ]
    # One of two medicines is left out, as the text wants it that is against both together.
    apart = len({term.startswith("no ") for term in flips}) > 1 and _combines(reference, hypothesis)
    apart = (
        apart
        or ended_alike(reference, hypothesis)
        or _is_contrapositive(flips, reference, hypothesis, lexicon)
    )
    apart = apart or kept_apart(reference, hypothesis) or _both_against(reference, hypothesis, lexicon)
    flips = [] if apart else flips
    if len({term.startswith("no ") for term in flips}) > 1 and _both_end(reference, hypothesis):
        # "Stop A 5 days before and B 2 days before", and "B is stopped 2 days before, A needs 5"
        going_on = [
            _goes_on(term.removeprefix("no "), text) for term in flips for text in (reference, hypothesis)
        ]
        flips = flips if any(going_on) else []
    exception = bool(flips) and _is_exception(flips, reference, hypothesis, lexicon)
    if len({term.startswith("no ") for term in flips}) == 1:
        denying, affirming = (
            (reference, hypothesis) if flips[0].startswith("no ") else (hypothesis, reference)
        )
        common = statement(denying).denied & statement(affirming).denied
        explained = bool(common) or any(one.startswith("no ") for one in wanted & given)
        ended = _both_end(reference, hypothesis)
        flips = [] if exception else flips
        exception = exception or any(_of_patient(term, denying, affirming, lexicon) for term in flips)
        flips = [
            term
            for term in flips
            if not _of_patient(term, denying, affirming, lexicon)
            and not (ended and not _goes_on(term.removeprefix("no "), affirming))
            and not _same_denial(term, common, denying)
            and not _of_relative(term.removeprefix("no "), affirming, denying, lexicon)
            and not _may_be_negated(term.removeprefix("no "), affirming, lexicon, explained)
        ]
    return flips, exception or apart


def _is_contrapositive(flips: list[str], one: str, other: str, lexicon: MedicalLexicon) -> bool:
    """Whether advice and its condition are both turned round: "none if it bleeds", "some if it does not"."""
    if len(flips) != 2 or len({term.startswith("no ") for term in flips}) != 2:
        return False
    conditional = []
    for text in (one, other):
        condition = CONDITION.search(forms(text)[2])
        if condition is None:
            return False
        clause = CLAUSE_OF.match(forms(text)[2], condition.end()).group()
        terms = {term.removeprefix("no ") for term in lexicon.counts(clause)}
        conditional.append([flip for flip in flips if flip.removeprefix("no ") in terms])
    return len(conditional[0]) == 1 and conditional[0] == conditional[1]


def _of_patient(term: str, denying: str, affirming: str, lexicon: MedicalLexicon) -> bool:
    """Whether a patient does not have what the other text only calls possible."""
    term = term.removeprefix("no ")
    return is_only_possible(term, lexicon.places(affirming), affirming) and is_report(
        term, lexicon.places(denying), denying
    )


def _both_end(one: str, other: str) -> bool:
    """Whether both texts end something and neither denies that: "was stopped", "ended on day 3"."""
    lower = [forms(text)[2] for text in (one, other)]
    return all(ENDS.search(text) and not NO_END.search(text) for text in lower)


def _goes_on(term: str, text: str) -> bool:
    """Whether a text continues what a term names: "continue metformin", "metformin was continued"."""
    name = re.escape(term)
    pattern = rf"\b{GOES_ON} (?:[a-z]+ ){{0,2}}{name}|\b{name}s? (?:[a-z]+ ){{0,3}}{GOES_ON}"
    return re.search(pattern, forms(text)[2]) is not None


def _is_exception(flips: list[str], one: str, other: str, lexicon: MedicalLexicon) -> bool:
    """Whether terms differ only because one text gives as an exception what the other has as a condition.

    "Unless there is bleeding" is "if there is no bleeding": the term of the exception is negated, and no
    other. "A only if B" is "no A without B": both are negated, or the threshold is given from its other side.
    """
    for first, second in ((one, other), (other, one)):
        lower, condition = forms(first)[2], CONDITION.search(forms(second)[2])
        limit = LIMITS.search(lower)
        other_limit = LIMITS.search(forms(second)[2])
        if limit and other_limit and limit.group() == "unless" and other_limit.group().startswith("only"):
            # "None unless it is infected", "some only if it is infected"
            return len(flips) == 1 and flips[0].startswith("no ") == (first is one)
        if limit is None or condition is None or other_limit:
            continue
        if limit.group() in ("unless", "except"):
            exception = lexicon.counts(CLAUSE_OF.match(lower, limit.end()).group())
            # A second negation, of the advice itself, reverses it: "stop it as long as no bleeding occurs".
            mine, theirs = (
                sum(term.startswith("no ") for term in lexicon.counts(text)) for text in (one, other)
            )
            excepted = all(flip.removeprefix("no ") in exception for flip in flips)
            return len(flips) == abs(mine - theirs) and excepted
        pairs = product(read(first), read(second))
        return len(flips) == 2 or any(
            mine.number == theirs.number and mine.unit == theirs.unit and mine.bound != theirs.bound
            for mine, theirs in pairs
        )
    return False


def _of_relative(term: str, affirming: str, denying: str, lexicon: MedicalLexicon) -> bool:
    """Whether a text affirms a term of a relative only, of whom the other text does not speak."""
    sentences = re.split(r"(?<=[.;!?\n])\s+", affirming)
    named = [sentence for sentence in sentences if term in lexicon.terms(sentence)]
    others = all(RELATIVE.match(forms(sentence)[2]) for sentence in named)
    return bool(named) and others and FAMILY.search(forms(denying)[2]) is None


def _same_denial(term: str, common: frozenset[str], text: str) -> bool:
    """Whether a text denies something that the other denies too, and the term only with it.

    "Do not crush enteric-coated tablets" and "enteric-coated tablets are never crushed".
    """
    words_of_term = {stem(word) for word in term.removeprefix("no ").split()}
    return bool(common) and statement(text).denied <= common and not words_of_term & statement(text).denied


def _may_be_negated(term: str, text: str, lexicon: MedicalLexicon, explained: bool) -> bool:
    """Whether a clause that affirms a term has a negation that neither text explains otherwise."""
    if explained:
        return False
    for clause in PARTS.split(forms(text)[0]):
        lower = clause.lower()
        named = term in lexicon.terms(clause)
        if REFUSED.search(lower) or (COMBINED.search(lower) and statement(clause).opposed):
            return True
        if named and EXCLUSION.search(lower) and not leaves_open(clause):
            return True  # `opposites` compares what is excluded and what is not
        main = SUBORDINATE_PART.split(clause)[0] if named else clause
        main = main if term in lexicon.terms(main) else clause
        if (named or PRONOUN.search(lower)) and not OPEN.search(lower) and statement(main).opposed:
            return True
        if WAITS.search(lower):
            return True
    return False
