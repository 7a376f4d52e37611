"""Pairs of texts for the tests of the metrics, made from the demo's answers; and odd ones."""

import json
import random
from pathlib import Path

ROOT = Path(__file__).parents[1]

ODD_TEXTS = (
    "", " ", "\n\t ", ".", "...", "?!", "a", "A.", "0", "0.5", "5.0 mg", "\x00", "\x1c\x1d",
    "\ufeff", "\u200b", "\U0001f48a", "\U0001f48a take two \U0001f48a", "المريض يحتاج 500 ملغ مرتين يوميا",
    "\u202e5 mg\u202c",
    "患者每天服用500毫克", "é", "\u0130stanbul", "µg μg", "“fever”, ‘cough’ — rash…", "can't cannot 'tis",
    "a.,5", "1..2", "x-\ny", "<skipped>", "&quot;fever&quot; &amp; &lt;5 mg&gt;", "((((", "[SEP] [CLS]",
    "the the the the the the", "fevers", "e.g. 0.5 mg/kg b.i.d.", "line one\nline two\r\nline three",
)  # fmt: skip


def answers() -> list[str]:
    """All answers of the demo's data."""
    texts = []
    for file in sorted((ROOT / "demo" / "data").glob("*.json")):
        texts.extend(text for text in json.loads(file.read_text(encoding="utf-8")).values() if text.strip())
    return texts


def text_pairs(count: int, longest: int = 1500, seed: int = 7) -> list[tuple[str, str]]:
    """`count` pairs of a reference and an answer that shares some of its words; then pairs with odd texts."""
    source = answers()
    chance = random.Random(seed)
    pairs = []
    for _ in range(count):
        reference = chance.choice(source)[:longest]
        words = reference.split()
        # An answer: the reference with words left out, some moved, and the end of another answer.
        given = [word for word in words if chance.random() > 0.2]
        cut = chance.randrange(len(given) + 1)
        given = given[cut:] + given[:cut] + chance.choice(source).split()[: chance.randrange(60)]
        pairs.append((reference, " ".join(given)[:longest]))
    for number, odd in enumerate(ODD_TEXTS):
        pairs += [(odd, source[number]), (source[number], odd), (odd, odd)]
    return pairs
