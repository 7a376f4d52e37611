"""What an amount is the content of: "500 mg tablets", "each puff delivers 100 mcg", "capsules of 300 mg"."""

import re
from collections.abc import Sequence

from medqa.clinical.notation.numbers import PHRASE
from medqa.clinical.notation.units import ANY_ITEM, ITEM_SPELLINGS, PER_ITEM, WRITTEN
from medqa.clinical.quantities.quantity import Quantity

ITEMS = {WRITTEN[item][0] for item in PER_ITEM}
# Units of what an item or a volume contains.
OF_STRENGTHS = frozenset({"mg", "IU", "mmol", "mEq"})
ITEM_AFTER = re.compile(
    r"[ -](?:(?!(?:and|or|of|in|to|per|with|by|for|as) )[a-z-]+ ){0,2}?("
    rf"{ANY_ITEM}|spoonfuls?)\b"
    r"| (?:with|at|for) (?:each|every) (press)\b| per (?:pump )?(press)\b"
    # "3 mg (blue) tablets"
    rf"| \([a-z]+(?:[ -][a-z]+)?\) ({ANY_ITEM})\b"
)
# "200 mcg inhaler: two puffs"
INHALER_AFTER = re.compile(
    r"[ -](?:(?!(?:and|or|of|in|to|per|with|by|for|from) )[a-z-]+ ){0,2}?(?:inhaler|aerosol|(?:turbo|accu|evo"
    r"|easy)haler)s?(?![a-z])"
)
# "capsules of 300 mg", "each spray 50 mcg", "Tablets of lamotrigine 25 mg: take two"
ITEM_OF = re.compile(
    rf"(?<![0-9] )(?<!one )(?<!two )(?<!three )\b({ANY_ITEM}) (?:of|containing|strength) $"
    rf"|\b(?:each|every|per) ({ANY_ITEM})(?: (?:is|of|has|being))?:? $"
    rf"|(?:^|[.;:\n] ?)({ANY_ITEM}) of [a-z-]+(?: [a-z-]+)? $"
)
# "tablets (2.5 mg apiece)"
APIECE = re.compile(r" (?:apiece|each(?= *[).,;]| *$))")
NAMED_BEFORE = re.compile(rf"\b({ANY_ITEM})(?: of [a-z-]+)?[ ,(:]{{1,2}}(?:of |at )?$")
# "each tablet contains 250 mg"
CONTAINER = re.compile(
    r"\b(?:each|every|one|an?|per) (?:[a-z-]+ )?("
    rf"{ANY_ITEM}) (?:of (?:[a-z0-9.%-]+ ){{1,4}})?"
    r"(?:contains|delivers|holds|has|gives|provides|releases|supplies)"
    # of a combination: "contains codeine 30 mg and paracetamol 500 mg"
    r"(?: (?:[0-9.,]+ ?m?c?g|[a-z]+)"
    r"(?: (?!(?:take|so|two|three|the|dose|daily|total|day|is)[ ,])[a-z0-9.,µ-]+){0,5})? (?:about )?$"
)

# "one tablet contains", "two puffs of salbutamol deliver", "one puff is 100 mcg"
CONTAINS = re.compile(
    r"(?: of [a-z-]+(?: [a-z0-9-]+)?)? (?:(?:contain|hold|deliver|provide|release)s?|suppl(?:y|ies)|has|have"
    r"|gives?|(?:is|are)(?= [0-9]))(?![a-z])"
)
# "dispensed as 40 tablets", "a pack of 28 capsules", "boxes hold 10 suppositories"
SUPPLY_BEFORE = re.compile(
    r"\b(?:dispens(?:e|ed|ing)|suppl(?:y|ied|ies|ying)|issued?|sent|prescription for|quantity:?"
    r"|(?:box(?:es)?|pack(?:et|age)?s?|cartons?|strips?|blisters?)"
    # "a blister of clarithromycin 500 mg holds"
    r"(?: of| with|:|(?: of [a-z0-9 ]{1,30})? (?:contains?|holds?|has|have|comes? (?:in|with)))?)"
    r"(?: (?:as|of|with|an?|the|her|him|total|box|pack))* $"
)
# "28 tablets supplied", "28 tablets last four weeks", "six ampoules, three in each of two weeks"
SUPPLY_AFTER = re.compile(
    rf"(?: [a-z-]+ {ANY_ITEM})?(?: (?:are|were|is|was|to be|will be))? (?:supplied|dispensed|issued"
    r"|last(?:s|ing)?(?: for)? (?=[0-9a-z])"
    rf"|in (?:the|an?|each|every) (?:box|pack(?:et|age)?|carton|strip|blister)(?![a-z]))"
    rf"|[^.;\n]{{0,50}}, {PHRASE} (?:in|on|for) each of "
)
NEXT_SENTENCE = re.compile(r"[.!?] |[;\n]")


def item_of(amount: Quantity, text: str) -> str:
    """What an amount is the content of by the words right beside it: "tablet", "puff"; "" for nothing."""
    if amount.item:
        return WRITTEN[amount.item][0]
    if amount.unit in ITEMS:
        return ""
    if (after := ITEM_AFTER.match(text, amount.end)) is not None:
        name = after.group(after.lastindex)
        return ITEM_SPELLINGS.get(name, name)
    if INHALER_AFTER.match(text, amount.end):
        return "puff"
    if amount.unit in ("%", "mL"):
        return ""  # "an ampoule of 10 %"
    pattern = NAMED_BEFORE if APIECE.match(text, amount.end) else ITEM_OF
    before = pattern.search(text, max(0, amount.start - 40), amount.start)
    return ITEM_SPELLINGS[before.group(before.lastindex)] if before else ""


def container_of(amount: Quantity, text: str) -> str:
    """What contains an amount by the verb before it: "tablet" for "each tablet contains 250 mg", or ""."""
    if amount.unit not in OF_STRENGTHS:
        return ""
    container = CONTAINER.search(text, max(0, amount.start - 100), amount.start)
    return ITEM_SPELLINGS[container.group(1)] if container else ""


def is_of_one_item(amount: Quantity, text: str) -> bool:
    """Whether an amount is what one item contains."""
    return amount.item not in ("doses", "injections") and bool(
        item_of(amount, text) or container_of(amount, text)
    )


def contents_of_several(quantities: Sequence[Quantity], text: str) -> dict[int, Quantity]:
    """Where each amount that several items contain begins → their number.

    Of "two tablets contain 60 mg codeine and 1 g paracetamol" the number of both amounts is two tablets. In a
    text with frequencies, several items are a dose.
    """
    counts = [one for one in quantities if one.unit in ITEMS]
    if not counts or any(one.kind == "frequency" for one in quantities):
        return {}
    several = {
        one.start
        for one in counts
        if one.values[0][0] == one.values[0][1] != 1 and CONTAINS.match(text, one.end)
    }
    found: dict[int, Quantity] = {}
    count = None
    for one in quantities if several else ():
        if one.unit in ITEMS:
            count = one if one.start in several else None
        elif count is None or NEXT_SENTENCE.search(text, count.end, one.start):
            count = None
        elif one.unit in OF_STRENGTHS and not (APIECE.match(text, one.end) or is_of_one_item(one, text)):
            found[one.start] = count
    return found


def is_supplied(count: Quantity, text: str) -> bool:
    """Whether a number of items is that of a pack, a supply or a course, and no dose."""
    return count.unit in ITEMS and bool(
        SUPPLY_BEFORE.search(text, max(0, count.start - 60), count.start)
        or SUPPLY_AFTER.match(text, count.end)
    )
