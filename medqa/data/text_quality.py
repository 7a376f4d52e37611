"""Counts texts that need attention: HTML, broken encoding, another language, identifiers of persons."""

import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from medqa.data import identifiers
from medqa.data.cleaning import Record, text_of
from medqa.data.near_duplicates import Watch, unwatched

HTML = re.compile(
    r"</?(?:p|br|div|span|b|i|u|em|strong|ul|ol|li|a|table|tr|td|th|tbody|h[1-6]|sup|sub|img|font|script|style|"
    r"pre|code|hr|blockquote)(?:\s[^<>]*)?/?>|&(?:[a-z]{2,8}\d?|#\d{2,6}|#x[0-9a-f]{2,5});",
    re.IGNORECASE,
)
# Forms of texts read in a wrong encoding that ftfy does not report, and the replacement character. UTF-8 as
# Windows-1252; å, ã and õ as Windows-1250 (in Slovak, ĺ stands between consonants; Romanian has no ăo at the
# end of a word, Hungarian no ç); ø before r; symbols in place of letters; µg and °C.
MOJIBAKE = re.compile(
    "Â[\xa0-\xbf]|Â (?=[°µ±])|Ã[\x80-\xbf]|â(?:€|‰)|\ufffd"
    r"|\bĺ|ĺ\b|[aeiouyáéíóúýäô]ĺ|ĺ[aeiouyáéíóúýäô]|řr|ăo\b|ç[őă]"
    "|(?<=[a-zà-ÿ])[‰ˆ¸˙˜¯¬¤¦¨¿¡](?=[a-zà-ÿ])"
    r"|\d\s?ćg\b|\d\s?[¡¯ø]C\b"
)
# Languages that answers are compared with. Rare languages would win for lists of drugs and other short texts.
LANGUAGES = (
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi", "hr",
    "hu", "id", "it", "ja", "ko", "lt", "lv", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv",
    "ta", "th", "tr", "uk", "ur", "vi", "zh",
)  # fmt: skip
# Answers that determine the main language, the share of them that must have it, and characters read of each.
SAMPLE, MAIN_SHARE, CHARACTERS = 200, 0.6, 200
# Answers whose language is determined, which takes a third of a millisecond each; of more, an even share.
MOST_JUDGED = 10_000
# Fewest letters of an answer whose language is determined, and least probability of another language.
FEWEST_LETTERS, CERTAIN = 25, 0.8
# An answer with this share of words among the most common ones of the main language needs no other test.
COMMON_WORDS, COMMON_SHARE = 60, 0.25
SHOWN = 160
WORD = re.compile(r"[^\W\d_]+")


def measure(records: Sequence[Record], watch: Watch = unwatched) -> dict[str, Any]:
    """Numbers of affected pairs with an example each; identifiers are masked in the example.

    Returns:
        "html", "mojibake", "other_language", "identifiers" → {"pairs", "example"}; "kinds" of the last two.
    """
    from ftfy.badness import is_bad

    found = {name: Found() for name in ("html", "mojibake", "other_language", "identifiers")}
    languages = Languages(records)
    for start in watch(range(0, len(records), identifiers.AT_ONCE), "Checking texts"):
        some = records[start : start + identifiers.AT_ONCE]
        texts = [text_of(record) for record in some]
        for record, text in zip(some, texts, strict=True):
            if ("<" in text or "&" in text) and (match := HTML.search(text)):
                found["html"].add(text, match.start())
            if not text.isascii():
                match = MOJIBAKE.search(text)
                if match or is_bad(text):
                    found["mojibake"].add(text, match.start() if match else 0)
            if languages.judges(record) and (other := languages.other_than_main(record.response)):
                found["other_language"].add(record.response, 0, [other])
        for position, spotted in identifiers.find_in(texts).items():
            masked = identifiers.mask(texts[position])
            found["identifiers"].add(masked, masked.index("["), {one.kind for one in spotted})
    result = {name: one.as_json() for name, one in found.items()}
    judged = sum(map(languages.judges, records))
    result["other_language"] |= {"main": languages.main, "judged": judged}
    return result


@functools.cache
def identifier() -> Any:
    """py3langid's identifier of languages, limited to LANGUAGES; loading it takes about a second."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found.set_languages(list(LANGUAGES))
    return found


class Found:
    """Affected pairs: their number, kinds, and the first example."""

    def __init__(self) -> None:
        self.pairs, self.example, self.kinds = 0, "", Counter()

    def add(self, text: str, position: int, kinds: Iterable[str] = ()) -> None:
        """Count a pair. Its example begins shortly before `position`; the first by alphabet is kept."""
        start = max(0, position - SHOWN // 2)
        example = identifiers.mask(" ".join(text[start : start + SHOWN].split()))
        self.example = min(self.example, example) if self.pairs else example
        self.pairs += 1
        self.kinds.update(kinds)

    def as_json(self) -> dict[str, Any]:
        """For dataset_stats.json."""
        content: dict[str, Any] = {"pairs": self.pairs, "example": self.example}
        return content | ({"kinds": dict(sorted(self.kinds.items()))} if self.kinds else {})


class Languages:
    """Finds answers in another language than most answers.

    Args:
        records: a sample of them determines the main language and its common words.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        # By id, so that the sample does not depend on the order of the input.
        ordered = sorted(records, key=lambda record: record.id)[:: max(1, len(records) // SAMPLE)]
        texts = [record.response[:CHARACTERS] for record in ordered if _is_long(_words(record.response))]
        self.main, self.common = "", frozenset()
        self.step = max(1, len(records) // MOST_JUDGED)
        if not texts:
            return
        named = [identifier().classify(text)[0] for text in texts]
        language, number = Counter(named).most_common(1)[0]
        if number >= MAIN_SHARE * len(texts):
            self.main = language
            own = (text for text, name in zip(texts, named, strict=True) if name == language)
            words = Counter(word for text in own for word in _words(text))
            self.common = frozenset(word for word, _ in words.most_common(COMMON_WORDS))

    def judges(self, record: Record) -> bool:
        """Whether the language of a record's answer is determined; its id, a hash, decides."""
        return self.step == 1 or int(record.id[:8], 16) % self.step == 0

    def other_than_main(self, text: str) -> str:
        """The language of an answer if it is certain and not the main one; else ""."""
        words = _words(text) if self.main else []
        if not _is_long(words) or sum(word in self.common for word in words) >= COMMON_SHARE * len(words):
            return ""
        language, probability = identifier().classify(text[:CHARACTERS])
        return language if language != self.main and probability >= CERTAIN else ""


def _words(text: str) -> list[str]:
    """The words at the beginning of a text."""
    return WORD.findall(text[:CHARACTERS].lower())


def _is_long(words: Sequence[str]) -> bool:
    """Whether the language of words can be told; a Chinese character carries as much as several letters."""
    letters = sum(map(len, words))
    return letters >= FEWEST_LETTERS or (letters >= FEWEST_LETTERS // 3 and max(words) > "\u3000")
