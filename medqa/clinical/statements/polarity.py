"""Statements that an answer reverses: a term or a sentence that one text affirms and the other negates."""

import re
from collections.abc import Iterable
from itertools import product

from medqa.clinical.claims.agreement import mirrored
from medqa.clinical.claims.opposites import in_one_way, leaves_open
from medqa.clinical.claims.patients import is_only_possible, is_report, outside_criterion
from medqa.clinical.conflicts.bindings import crossed
from medqa.clinical.conflicts.contradictions import FIELDS
from medqa.clinical.conflicts.swaps import swapped
from medqa.clinical.notation.names import GROUPS
from medqa.clinical.notation.text import forms
from medqa.clinical.notation.topics import SHORT_TEXT, about_one_thing, of_one_thing, sentence_at
from medqa.clinical.notation.word_forms import stem
from medqa.clinical.quantities.quantity_reader import read
from medqa.clinical.statements.directions import reversed_directions
from medqa.clinical.statements.endings import both_end, both_end_if, goes_on
from medqa.clinical.statements.healthy import both_healthy
from medqa.clinical.statements.poles import turned_poles
from medqa.clinical.statements.prerequisites import dropped_prerequisite, same_prerequisite
from medqa.clinical.statements.questions import answered
from medqa.clinical.statements.signs import turned_sign
from medqa.clinical.statements.statements import OPEN, REFUSED, opposite, statement
from medqa.clinical.terms.lexicon import MedicalLexicon
from medqa.clinical.terms.negation import COMBINED, FAMILY, RELATIVE, TAKEN_WITH


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
    r"[.;!?\n](?=\s|$)|[,:](?= )| and (?=there |no |should |must |the |he |she |it |they |an? "
    r"|needs? |has |is "
    "|can |cannot |can't |could |will |does |did |was |were |never |not )"
)
# "Unless there is bleeding" and "as long as no bleeding occurs" are one condition.
LIMITS = re.compile(r"\b(?:unless|only (?:if|when|after|once|in)|except)(?![a-z])")
CONDITION = re.compile(
    r"\b(?:if|when|where|(?:as|so) long as|provided|providing|without|until|while|once|unless)(?![a-z])"
)
CLAUSE_OF = re.compile(r"[^.;,\n]*")
EXCLUSION = re.compile(r"\b(?:exclu[a-z]+|rul(?:e|es|ed|ing) (?:[a-z]+ ){0,4}?out)\b")
# "Before it is excluded" is a condition.
EXCLUDED_FIRST = re.compile(
    r"\b(?:before|until|once|after|unless|if|when|without)\b[^.;,]{0,60}?\b(?:exclu[a-z]+|rul[a-z]+)\b"
)
# "Non-tender"
PREFIXED = re.compile(r"\bnon[- ]?([a-z]{3,})")
# "The guidelines advise against starting it."
PRONOUN = re.compile(
    r"(?:\b(?:not|never|cannot|against|without|avoid|avoided|than)|n't)"
    r" (?:[a-z]+ ){0,3}(?:it|them|this|these|one)\b"
    r"|\b(?:it|they|this|these)(?:'s|'re| (?:is|are|was|were|should|must|can|could|has|have|had))(?: not|n't)"
    r"|\b(?:it|they)(?:'s| is|'re| are| was| were) (?:[a-z]+ ){0,2}?(?:left out|held back|dropped"
    r"|put on hold)\b"
    r"|\brul(?:es|ed|e|ing) (?:it|them|this) out\b"
)
# "Pushing it from a syringe is forbidden"
PRONOUN_FORBIDDEN = re.compile(
    r"\b(?:it|them|this)\b[^.;:\n]{0,80}? (?:is|are) (?:forbidden|prohibited|contra-?indicated"
    r"|banned|not allowed)\b"
)
# "The live vaccine can be given, the other should not."
ELLIPSIS = re.compile(r"\b(?:is|are|was|were|should|must|can|may|do|does|did)(?: not|n't)(?= *[.;,:)\n]| *$)")
# "Keep it away from the eyes"
KEPT_OFF = re.compile(r"\b(?:away from|off the|avoid)\b")
# What follows a condition denies nothing before it: "keep taking it if you can't eat".
SUBORDINATE_PART = re.compile(r"(?i) (?:(?:even )?(?:if|when|while|though|although)|who|whose|which) ")
# "Wait until the attack is over before starting allopurinol", "wait with live vaccines"
WAITS = re.compile(
    r"(?<!not )(?<!n't )(?<!no need to )(?<!without )(?<!without any )(?<!reason to )"
    r"\b(?:wait(?:s|ed|ing)? (?:with|until|till|for)|(?:postpone|defer|delay)[a-z]*"
    r"|hold(?:ing)? off|put(?:s|ting)? (?:it |them |this )?off)(?![a-z])"
)
# A heading names a topic and affirms nothing.
HEADING = re.compile(r"(?m)^ ?#+ .*$")
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
    texts = (reference, hypothesis)
    wanted, given = lexicon.counts(reference).keys(), lexicon.counts(hypothesis).keys()
    if mirrored(reference, hypothesis) or all(map(leaves_open, (reference, hypothesis))):
        return []
    if outside_criterion(reference, hypothesis) or outside_criterion(hypothesis, reference):
        return []
    agreed = _is_requirement(reference, hypothesis) or _is_requirement(hypothesis, reference)
    agreed = agreed or both_healthy(reference, hypothesis) or same_prerequisite(reference, hypothesis)
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
    if of_groups and not _combines(reference, hypothesis) and not both_end_if(reference, hypothesis):
        errors += of_groups
    if len({term.removeprefix("no ") for term in wanted} & {term.removeprefix("no ") for term in given}) > 1:
        changed = swapped(reference, hypothesis, lexicon.marks)
        errors += [
            dict(zip(FIELDS, error, strict=True)) for error in changed if about_one_thing(error[2:], texts)
        ]
    exchanged = () if errors else crossed(reference, hypothesis)
    errors += [
        dict(zip(FIELDS, error, strict=True)) for error in exchanged if about_one_thing(error[2:], texts)
    ]
    order = turned_sign(reference, hypothesis) or dropped_prerequisite(reference, hypothesis)
    if order and not errors:
        errors = [dict(zip(FIELDS, order, strict=True))]
    if not errors:
        turned = reversed_directions(reference, hypothesis, lexicon)
        errors = [dict(zip(FIELDS, error, strict=True)) for error in turned]
    errors += [dict(zip(FIELDS, error, strict=True)) for error in turned_poles(reference, hypothesis)]
    # Both negate one term, or one text says both.
    settled = any(term.startswith("no ") for term in wanted & given) or any(
        f"no {term}" in terms for terms in (wanted, given) for term in terms
    )
    settled = settled or excused or both_end(reference, hypothesis)
    settled = settled or in_one_way(reference, hypothesis)
    settled = settled or any(WAITS.search(forms(text)[2]) for text in (reference, hypothesis))
    shared = "" if errors or settled else opposite(reference, hypothesis)
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


def _both_against(one: str, other: str, lexicon: MedicalLexicon) -> bool:
    """Whether two texts advise against a combination: one may deny one medicine of it, the other both."""
    denied = [{term for term in lexicon.counts(text) if term.startswith("no ")} for text in (one, other)]
    together = all(_combines(text) or TAKEN_WITH.search(forms(text)[2]) for text in (one, other))
    return together and not denied[0].isdisjoint(denied[1])


def _combines(*texts: str) -> bool:
    """Whether one of the texts is about taking things together."""
    return any(COMBINED.search(forms(text)[2]) for text in texts)


def _flips(reference: str, hypothesis: str, lexicon: MedicalLexicon) -> tuple[list[str], bool]:
    """The terms that only one text negates, and whether an exception or a choice explains some."""
    wanted, given = lexicon.counts(reference).keys(), lexicon.counts(hypothesis).keys()
    both = " ".join(forms(text)[2] for text in (reference, hypothesis))
    flips = [
        term
        for term in wanted
        if term not in given
        and (term[3:] if term.startswith("no ") else f"no {term}") in given - wanted
        # "No foot" is a test, or something else of the foot, that was not understood.
        and not (lexicon.relations.is_body_part(term.removeprefix("no ")) and not KEPT_OFF.search(both))
    ]
    # One of two medicines is left out, as the text wants it that is against both together.
    apart = len({term.startswith("no ") for term in flips}) > 1 and _combines(reference, hypothesis)
    apart = apart or (bool(flips) and _both_against(reference, hypothesis, lexicon))
    flips = [] if apart else flips
    if len({term.startswith("no ") for term in flips}) > 1 and both_end(reference, hypothesis):
        # "Stop A 5 days before and B 2 days before", and "B is stopped 2 days before, A needs 5"
        going_on = [
            goes_on(term.removeprefix("no "), text) for term in flips for text in (reference, hypothesis)
        ]
        flips = flips if any(going_on) else []
    flips = [
        term for term in flips if _is_named_alike(term.removeprefix("no "), reference, hypothesis, lexicon)
    ]
    exception = bool(flips) and _is_exception(flips, reference, hypothesis, lexicon)
    if len({term.startswith("no ") for term in flips}) == 1:
        denying, affirming = (
            (reference, hypothesis) if flips[0].startswith("no ") else (hypothesis, reference)
        )
        common = statement(denying).denied & statement(affirming).denied
        both_deny = {one for one in wanted & given if one.startswith("no ")}
        ended = both_end(reference, hypothesis)
        flips = [] if exception else flips
        exception = exception or any(_of_patient(term, denying, affirming, lexicon) for term in flips)
        flips = [
            term
            for term in flips
            if not _of_patient(term, denying, affirming, lexicon)
            and not (ended and not goes_on(term.removeprefix("no "), affirming))
            and not _same_denial(term, common, denying)
            and not _of_relative(term.removeprefix("no "), affirming, denying, lexicon)
            and not _may_be_negated(term.removeprefix("no "), affirming, lexicon, both_deny, common)
        ]
    return flips, exception or apart


# In longer texts a term is often denied of something else: of 18 findings that were reported so on 280
# answers of 80 to 220 words, one was an error. Advice on a medicine is compared where sentences are alike.
LEAST_OF_TERMS = 3


def _is_named_alike(term: str, one: str, other: str, lexicon: MedicalLexicon) -> bool:
    """Whether longer texts give or withhold a medicine in sentences about the same; short texts always do."""
    if max(len(one), len(other)) <= SHORT_TEXT:
        return True
    if term not in lexicon.given:
        return False
    places = [
        [
            sentence_at(text, place.start)
            for place in lexicon.places(text)
            if place.term.removeprefix("no ") == term
        ]
        for text in (one, other)
    ]
    return any(of_one_thing(*pair, (one, other), term.split(), LEAST_OF_TERMS) for pair in product(*places))


def _of_patient(term: str, denying: str, affirming: str, lexicon: MedicalLexicon) -> bool:
    """Whether a patient does not have what the other text only calls possible."""
    term = term.removeprefix("no ")
    return is_only_possible(term, lexicon.places(affirming), affirming) and is_report(
        term, lexicon.places(denying), denying
    )


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
    own = statement(text).denied | {stem(word) for word in PREFIXED.findall(forms(text)[2])}
    return bool(common) and statement(text).denied <= common and not words_of_term & own


def _may_be_negated(
    term: str, text: str, lexicon: MedicalLexicon, both_deny: set[str], common: frozenset[str]
) -> bool:
    """Whether a clause that affirms a term has a negation that denies nothing of what both texts deny."""
    lower = forms(text)[2]
    if ELLIPSIS.search(lower) or PRONOUN_FORBIDDEN.search(lower):
        return True
    for clause in PARTS.split(forms(text)[0]):
        lower = clause.lower()
        terms = lexicon.terms(clause)
        named = term in terms
        explained = not both_deny.isdisjoint(terms) or bool(statement(clause).denied & common)
        if REFUSED.search(lower) or (COMBINED.search(lower) and statement(clause).opposed):
            return True
        excluded = EXCLUSION.search(lower) and not EXCLUDED_FIRST.search(lower)
        if named and excluded and not leaves_open(clause):
            return True  # `opposites` compares what is excluded and what is not
        main = SUBORDINATE_PART.split(clause)[0] if named else clause
        main = main if term in lexicon.terms(main) else clause
        if explained:
            continue
        if (named or PRONOUN.search(lower)) and not OPEN.search(lower) and statement(main).opposed:
            return True
        if WAITS.search(lower):
            return True
    return False
