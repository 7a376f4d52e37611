"""What is taken in all: 200 mcg for "2 puffs of 100 mcg", 1 g for "two 500 mg tablets"."""

import re
from collections.abc import Sequence
from dataclasses import replace

from medqa.clinical.notation.numbers import PHRASE, quotient, read_number
from medqa.clinical.notation.units import ANY_ITEM
from medqa.clinical.quantities.items import (
    APIECE,
    ITEM_AFTER,
    ITEMS,
    container_of,
    is_of_one_item,
    is_supplied,
    item_of,
)
from medqa.clinical.quantities.quantity import Quantity, Range

# "two puffs of salbutamol 100 micrograms"
OF_NAME = re.compile(
    r"(?:(?: (?:once|twice|[a-z]+ times) (?:daily|a day))? of (?:[a-z/-]+ (?:[a-z]+ )?)?"
    r"| x |(?: of [a-z-]+(?: [a-z]+)?)?,? ?\(?"
    r"(?:each (?:of |containing |delivering )?)?"
    r"| containing | at )"
)
# "two tablets, which makes 500 mg"
TOTAL_BEFORE = re.compile(
    r"(?:\b(?:mak(?:es|ing)|(?<!each )deliver(?:s|ing)?|(?<!each )provid(?:es?|ing)"
    r"|giv(?:es|ing)|total(?:s|ling)?(?: of)?|in all|altogether|amount(?:s|ing)? to"
    r"|equals?|that is"
    r"|(?:comes?|came|coming|adds? up) to|i\.e\.)|=) ?(?:about |a dose of |a total of )?$"
)
# "two puffs of salbutamol (200 micrograms in all"
TOTAL_AFTER = re.compile(r",? (?:in (?:all|total)|altogether|all told|all together)(?![a-z])")
# "80 mg tablets, two of them", "500 mg tabs, 2 bd"
COUNT_AFTER = re.compile(
    rf"[,:]? ({PHRASE}) (?:of them|at a time|at once|each time"
    r"|[bt]ds?|[bt]id|q[di]d|qds|od|nocte|mane|(?:once|twice|[a-z]+ times) (?:daily|a day))(?![a-z])"
)
# "1.2 million units IM into each buttock"
EACH_SITE = re.compile(
    r"(?: (?:im|i\.m\.|intramuscularly|deep|deeply|given|injected|once)){0,3} (?:in|into|to|at) "
    r"each (?:buttock|thigh|deltoid|glut[a-z]+|hip|site|side|of two )"
)
# "5 mg, let her take eight tablets together", "40 mg, two tablets in the morning"; not "take eight of 5 mg"
TAKEN_AFTER = re.compile(
    r"[,:;]?(?: and)?(?: (?:let|have|tell|ask) (?:the |your )?[a-z]+)?(?: (?:she|he|they|you|patients))?"
    rf"(?: to)?(?: (?:should|must|may|will))?(?: (?:takes?|swallows?|uses?)|(?<=[,:])) ({PHRASE})"
    rf" (?:a )?{ANY_ITEM}"
    r"(?= (?:together|at once|at a time|each|every|once|twice|daily|in the|with|at)(?![a-z]))"
    # "two in the morning and one at night" adds up elsewhere
    rf"(?![^.;]*(?: and|,) {PHRASE} (?:{ANY_ITEM}|in|at|with)(?![a-z]))"
)
# "8.6 mg 2 tabs at night", "180 mcg, 2 inhalations"
COUNTED_AFTER = re.compile(rf",? ({PHRASE}) {ANY_ITEM}(?<=s)(?![a-z])")
# "the 25 mcg tablets are in stock, she takes three of them"
OF_THEM = re.compile(
    rf"[^.;:]{{0,60}} (?:takes?|swallows?|uses?|needs?|gets?) ({PHRASE}) (?:of them|of these)(?![a-z])"
)
# "30 tablets of zopiclone 3.75 mg" are dispensed and not taken at a time.
A_PACK = 14
PACKED = frozenset({"tablet", "capsule", "sachet", "patch", "suppository"})
TIMES_BEFORE = re.compile(rf"(?<![a-z0-9.,/-])({PHRASE}) ?x $")
COUNT_BEFORE = re.compile(
    rf"(?<![a-z0-9.,/-])(?<!pack of )(?<!box of )(?<!supply of )({PHRASE})"
    r"(?: ?x| of (?:the|your|her|his|these|those|an?|one)| an?)?"
    r"(?: (?!(?:and|or|to|of|than|times|for|in|at|with|per|mg|kg|x|then|days?|weeks?|hours?|dos(?:es?|age)"
    r"|tablets?|capsules?|puffs?|drops?|once|twice|daily|about|each|every|an?|the) )[a-z-]+){0,2} $"
)
# "Dispense 28 ramipril 5 mg capsules": no dose
SUPPLIED = re.compile(r"\b(?:dispens\w*|suppl(?:y|ied|ies)(?: with| of)?|issued?|collect\w*|quantity:?) ?$")
# "six methotrexate tablets (2.5 mg apiece)"
COUNT_OF_NAMED = re.compile(
    rf"(?<![a-z0-9.,/-])(?<!to )(?<!or )({PHRASE}) (?:(?!(?:and|or|to|of|times|for|in) )[a-z-]+ ){{0,2}}"
    rf"{ANY_ITEM}(?: of [a-z-]+)?[ ,(:]{{1,2}}(?:of |at )?$"
)


def total_of(
    amount: Quantity,
    around: Sequence[Quantity],
    text: str,
    begin: int,
    elsewhere: Sequence[tuple[str, Range]],
) -> Quantity | None:
    """What is taken in all: 1 g for "two 500 mg tablets"; None when the text does not count.

    Args:
        amount: what one item contains.
        around: the amounts beside it.
        text: the whole text in lower case.
        begin: where the sentence begins.
        elsewhere: (item, how many) for each number of items in the text, one left out.
    """
    if len(amount.values) != 1:
        return None
    item = item_of(amount, text)
    around = [
        other for other in around if not (_is_pack(other.unit, other.values[0]) or is_supplied(other, text))
    ]
    elsewhere = [one for one in elsewhere if not _is_pack(*one)]
    low, high = amount.values[0]
    counts = [
        other.values[0]
        for other in around
        if (other.unit == item and not other.bound)
        or (other.unit in ITEMS and OF_NAME.fullmatch(text, other.end, amount.start))
    ]
    several = any(
        other.unit in ITEMS and other.start < amount.start and other.values[0] != (1, 1) for other in around
    )
    if several and (
        TOTAL_BEFORE.search(text[max(begin, amount.start - 30) : amount.start])
        or TOTAL_AFTER.match(text, amount.end)
    ):
        return amount
    before = text[max(begin, amount.start - 50) : amount.start]
    named = APIECE.match(text, amount.end) or (item and before.endswith(" of "))
    pattern = COUNT_OF_NAMED if named else COUNT_BEFORE if item else TIMES_BEFORE
    count = pattern.search(before)
    if count is not None and SUPPLIED.search(before, 0, count.start()):
        return None
    if count is not None:
        number = read_number(f"{count.group(1)} of ", 0)[0]
        counts = [] if _is_pack(item, (number, number)) else [(number, number)]
    following = None if counts else _count_after(amount, bool(item), text)
    if following is not None:
        counts = [(read_number(f"{following.group(1)} of ", 0)[0],) * 2]
    if not counts and EACH_SITE.match(text, amount.end):
        counts = [(2, 2)]
    if item and not counts:
        counts = list(dict.fromkeys(number for unit, number in elsewhere if unit == item))
        counts = counts if len(counts) == 1 and amount.item else []
    if elsewhere and not counts:
        container = container_of(amount, text)
        counts = [number for unit, number in elsewhere if unit == container]
    return replace(amount, values=((low * counts[0][0], high * counts[0][1]),)) if counts else None


# "two puffs of budesonide 200 mcg/formoterol 6 mcg", "… with formoterol 6 mcg"
SECOND = re.compile(r"(?: ?/ ?| with | plus )[a-z-]+ (?:[a-z]+ )?")


def of_second(amount: Quantity, first: Quantity, total: Quantity, text: str) -> Quantity | None:
    """What is taken in all of the second medicine of an item, of which the first is `total`."""
    twin = amount.start == first.start
    if first.unit != amount.unit or not (twin or SECOND.fullmatch(text, first.end, amount.start)):
        return None
    factor = quotient(total.values[0][0], first.values[0][0])
    return replace(amount, values=tuple((low * factor, high * factor) for low, high in amount.values))


def is_product(amounts: Sequence[Quantity], quantities: Sequence[Quantity], text: str) -> bool:
    """Whether the second of two amounts is that of all items before it: "100 mcg/dose: 2 puffs (200 mcg)".

    Args:
        amounts: the number of items and the amount.
        quantities: those of the whole text.
    """
    if len(amounts) < 2 or amounts[0].unit not in ITEMS or amounts[0].values[0][0] == 1:
        return False
    count, amount = amounts
    return not is_of_one_item(amount, text) and any(
        one.unit == amount.unit and one.values[0][0] * count.values[0][0] == amount.values[0][0]
        for one in quantities
        if one.start < count.start and one.kind == "amount"
    )


def _is_pack(item: str, number: Range) -> bool:
    """Whether so many items are dispensed and not taken."""
    return item in PACKED and number[0] >= A_PACK


def _count_after(amount: Quantity, of_item: bool, text: str) -> re.Match[str] | None:
    """How many are taken by the words after an amount: "two of them", "take eight tablets", "2 tabs"."""
    if (item := ITEM_AFTER.match(text, amount.end)) is not None:
        return COUNT_AFTER.match(text, item.end()) or OF_THEM.match(text, item.end())
    if of_item or amount.unit not in ("mg", "IU"):
        return None
    return TAKEN_AFTER.match(text, amount.end) or COUNTED_AFTER.match(text, amount.end)
