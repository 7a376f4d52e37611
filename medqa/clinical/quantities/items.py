"""What an amount is the content of: "500 mg tablets", "each puff delivers 100 mcg", "capsules of 300 mg"."""

import re

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
# "capsules of 300 mg", "each spray 50 mcg"
ITEM_OF = re.compile(
    rf"(?<![0-9] )(?<!one )(?<!two )(?<!three )\b({ANY_ITEM}) (?:of|containing|strength) $"
    rf"|\b(?:each|every|per) ({ANY_ITEM})(?: (?:is|of|has|being))?:? $"
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
