"""Whether two places of two texts speak of the same thing, by the words around both.

A rule without a common subject ("the only duration of each text") is right in two sentences on one question.
Longer texts hold many statements, of which two can differ without a contradiction.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection
from fractions import Fraction
from functools import lru_cache
from itertools import product

from medqa.clinical.notation.text import KEPT_TEXTS, even, forms, sentence_ends
from medqa.clinical.notation.word_forms import TOKEN, canonical
from medqa.clinical.words import words

# In a text of at most this length, in characters, all words show what its statements are about.
SHORT_TEXT = 300
# How many words of content, or numbers, two sentences have in common when they are about one thing, where one
# text is longer and where both are. What both texts have in several sentences, as the name of the disease,
# counts as a part of one.
LEAST_WITH_SHORT = Fraction(1, 2)
LEAST_COMMON = 1
# Letters by which words are compared: "transplant" and "transplantation".
_BEGINNING = 5
NUMBER = re.compile(r"(?<![a-z0-9.,])[0-9]+(?:[.,][0-9]+)*")
_TYPES = words("ii iii iv vi vii viii")
# Words that do not show that two sentences are about the same.
UNTELLING = frozenset(
    word[:_BEGINNING]
    for word in words(
        "the and for with from that this then than her his their your should must give given take taken "
        "once twice day days daily week weeks month months year years hour hours minute minutes every after "
        "before least more less about over until when into only each are was were has have not"
    )
)
# Words of numbers and of people, of whom every statement in a longer text can be.
_OF_ANY = UNTELLING | frozenset(
    word[:_BEGINNING]
    for word in words(
        "people person persons patient patients individual individuals case cases adult adults affected "
        "known disease disorder syndrome condition percent per million thousand hundred half quarter "
        "third tenth one two three four five six seven eight nine ten first number numbers rate rates "
        "range risk chance overall most many some all any both other others such these those them they "
        "there its who which whose what where how may can could will would might been being had does did "
        "usual usually typically often about around roughly approximately estimated estimate between "
        "within without because including include also however found seen child children woman women man "
        "men male males female females boys girls reported occur occurs occurring begin begins type "
        "types age ages aged old"
    )
)
# One form of words for one event.
_ALIKE = {
    **dict.fromkeys(words("fatal letha morta died die dies dead dying"), "death"),
    **dict.fromkeys(words("relap retur"), "recur"),
}


def of_one_thing(
    one: str, other: str, texts: tuple[str, str], own: Collection[str] = (), times: int = 1
) -> bool:
    """Whether a sentence of each text speaks of the same thing; always true of short texts.

    Args:
        own: words that both are known to have, and that show nothing more.
        times: how many times as much the sentences must have in common, for rules that are wrong more often.
    """
    if max(map(len, texts)) <= SHORT_TEXT:
        return True
    common = (_content(one) & _content(other)) - {canonical(word)[:_BEGINNING] for word in own}
    counts = [_counts(text) for text in texts]
    shared = (Fraction(1, max(1, min(count[word] for count in counts))) for word in common)
    least = LEAST_WITH_SHORT if min(map(len, texts)) <= SHORT_TEXT else LEAST_COMMON
    return sum(shared) >= times * least


def about_one_thing(written: tuple[str, str], texts: tuple[str, str], times: int = 1) -> bool:
    """Whether words of two texts are in sentences that are about the same; always true of short texts.

    Words that do not differ contradict nothing, and what a rule has put together from several places, and
    no sentence contains, shows nothing.
    """
    if max(map(len, texts)) <= SHORT_TEXT:
        return True
    if written[0].lower() == written[1].lower():
        return False
    sides = [
        _sentences_with(words_of.strip().lower(), text) for words_of, text in zip(written, texts, strict=True)
    ]
    lower = " ".join(written).lower()
    own = [*TOKEN.findall(lower), *NUMBER.findall(lower)]
    return any(of_one_thing(*pair, texts, own, times) for pair in product(*sides))


def _sentences_with(written: str, text: str) -> list[str]:
    """The sentences of a text that contain some words of it; none for no words."""
    whole = re.compile(rf"(?<![a-z0-9]){re.escape(even(written)[1])}(?![a-z0-9])")
    return [sentence for sentence in _sentences(text) if written and whole.search(sentence)]


def sentence_at(text: str, place: int) -> str:
    """The sentence of a text, in lower case, that is at a place of its plain form."""
    return _sentences(text)[bisect_right(sentence_ends(text), place)]


def words_around(text: str, start: int, end: int, most: int) -> str:
    """The words of a sentence that are at most so many characters before or after a place of a plain text."""
    plain_text, ends = forms(text)[0], sentence_ends(text)
    place = bisect_right(ends, start)
    first, last = ends[place - 1] if place else 0, min(ends[min(place, len(ends) - 1)], len(plain_text))
    begin, finish = max(first, start - most), max(end, min(last, end + most))
    while begin > first and plain_text[begin - 1].isalnum():
        begin -= 1
    while finish < last and plain_text[finish - 1].isalnum() and plain_text[finish].isalnum():
        finish += 1
    return plain_text[begin:finish].strip(" \n.;-")


@lru_cache(maxsize=KEPT_TEXTS)
def _sentences(text: str) -> list[str]:
    lower, ends = forms(text)[2], sentence_ends(text)
    return [lower[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@lru_cache(maxsize=KEPT_TEXTS)
def _counts(text: str) -> Counter[str]:
    """In how many sentences of a text each word of content is."""
    return Counter(word for sentence in _sentences(text) for word in _content(sentence))


@lru_cache(maxsize=KEPT_TEXTS)
def _content(sentence: str) -> frozenset[str]:
    """The beginnings of the words of a sentence that show what it is about."""
    found = (canonical(word) for word in TOKEN.findall(sentence))
    beginnings = (word[:_BEGINNING] for word in found if len(word) > 2 or word in _TYPES)
    numbers = (number for number in NUMBER.findall(sentence) if number != "1")
    return frozenset({*(_ALIKE.get(word, word) for word in beginnings), *numbers}) - _OF_ANY
