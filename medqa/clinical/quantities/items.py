"""What an amount is the content of: "500 mg tablets", "each puff delivers 100 mcg", "capsules of 300 mg"."""

import re

from medqa.clinical.notation.units import PER_ITEM, WRITTEN
from medqa.clinical.quantities.quantity import Quantity

ITEMS = {WRITTEN[item][0] for item in PER_ITEM}
# Other names of items.
ITEM_NAMES = {
    "tab": "tablet", "cap": "capsule", "actuation": "puff", "inhalation": "puff", "nebule": "vial",
    "ampoule": "vial", "press": "puff",
}  # fmt: skip
# Units of what an item or a volume contains.
OF_STRENGTHS = frozenset({"mg", "IU", "mmol", "mEq"})
ITEM_AFTER = re.compile(
    r"[ -](?:(?!(?:and|or|of|in|to|per|with|by|for|as) )[a-z-]+ ){0,2}?(tab(?:let)?|cap(?:sule)?|puff|spray"
    r"|drop|sachet|patch|vial|lozenge|suppository|spoonful|actuation|inhalation|pessary)(?:e?s)?\b"
    r"| (?:with|at|for) (?:each|every) (press)\b| per (?:pump )?(press)\b"
    # "3 mg (blue) tablets"
    r"| \([a-z]+(?:[ -][a-z]+)?\) (tablet|capsule|patch)(?:e?s)?\b"
)
# "200 mcg inhaler: two puffs"
INHALER_AFTER = re.compile(
    r"[ -](?:(?!(?:and|or|of|in|to|per|with|by|for|from) )[a-z-]+ ){0,2}?(?:inhaler|aerosol|(?:turbo|accu|evo"
    r"|easy)haler)s?(?![a-z])"
)
_ITEM = "(tablet|capsule|puff|spray|sachet|patch|suppository|lozenge)"
# "capsules of 300 mg", "each spray 50 mcg"
ITEM_OF = re.compile(
    rf"(?<![0-9] )(?<!one )(?<!two )(?<!three )\b{_ITEM}(?:e?s)? (?:of|containing|strength) $"
    rf"|\b(?:each|every|per) {_ITEM}(?: (?:is|of|has|being))?:? $"
)
# "tablets (2.5 mg apiece)"
APIECE = re.compile(r" (?:apiece|each(?= *[).,;]| *$))")
NAMED_BEFORE = re.compile(rf"\b{_ITEM}(?:e?s)?(?: of [a-z-]+)?[ ,(:]{{1,2}}(?:of |at )?$")
# "each tablet contains 250 mg"
CONTAINER = re.compile(
    r"\b(?:each|every|one|an?|per) (?:[a-z-]+ )?(tablet|capsule|puff|spray|drop|sachet|patch|vial"
    r"|lozenge|suppository|nebule|ampoule|actuation|inhalation|press) (?:of (?:[a-z0-9.%-]+ ){1,4})?"
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
        return ITEM_NAMES.get(name, name)
    if INHALER_AFTER.match(text, amount.end):
        return "puff"
    pattern = NAMED_BEFORE if APIECE.match(text, amount.end) else ITEM_OF
    before = pattern.search(text, max(0, amount.start - 40), amount.start)
    return before.group(before.lastindex) if before else ""


def container_of(amount: Quantity, text: str) -> str:
    """What contains an amount by the verb before it: "tablet" for "each tablet contains 250 mg", or ""."""
    if amount.unit not in OF_STRENGTHS:
        return ""
    container = CONTAINER.search(text, max(0, amount.start - 100), amount.start)
    return ITEM_NAMES.get(container.group(1), container.group(1)) if container else ""


def is_of_one_item(amount: Quantity, text: str) -> bool:
    """Whether an amount is what one item contains."""
    return amount.item not in ("doses", "injections") and bool(
        item_of(amount, text) or container_of(amount, text)
    )
