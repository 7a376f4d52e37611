"""Texts → words: nltk's tokens, Porter stems, and the tokens of mteval-v13a, as the libraries cut them."""

import re
import string
from functools import lru_cache
from typing import Any

# What is kept tokenised: a text is read by several metrics, and a reference serves both models' answers.
KEPT_TEXTS = 2048
# NLTKWordTokenizer expects one sentence and takes only the last full stop off its word. This finds the
# others, so that "fever." inside an answer is "fever" and "."; a number or a bracket before the full stop
# ends a sentence only when a capital follows ("0.5 mg. Then", not "approx. 5"). On MedQuAD 99.9 % of the
# tokens are those of nltk.word_tokenize, which needs the punkt_tab data.
SENTENCE_END = re.compile(
    r"\.(?:(?<=[^\W\d_]{2}\.)(?=\s)|(?<=[)\]%\"'\d]\.)(?=\s+[\"'(\[]*[A-Z]))",
)
# What must stand in a text for a rule of NLTKWordTokenizer to change it, in the order of its rules. Most
# rules have nothing to do in most texts, and leaving those out makes it three times as fast.
STARTING_NEEDS = ("«“‘„`", '"', "`", "\"'", "'")
PUNCTUATION_NEEDS = (".", ":,", ":,", ".", ";@#$%&", "\u2012\u2013\u2014\u2015", ".", "?!", "'", "*")
ENDING_NEEDS = ("»”’", "'", '"', "", "'", "'")
CONTRACTIONS = ("cannot", "d'ye", "gimme", "gonna", "gotta", "lemme", "more'n", "wanna", "'tis", "'twas")
# Characters that str.split, str.casefold and the rules' own \s and (?i) do not see alike.
EXCEPTIONAL = re.compile("[\x1c-\x1f\u0130\u0131\u017f]")


@lru_cache(maxsize=1)
def _word_tokenizer() -> Any:
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer()


@lru_cache(maxsize=KEPT_TEXTS)
def tokens(text: str) -> tuple[str, ...]:
    """Words and punctuation of a text, case kept; `0.5`, `1,000` and `mg/kg` stay whole.

    The tokens are those of nltk's NLTKWordTokenizer, applied to the text with its sentences' full stops set
    apart.
    """
    text = SENTENCE_END.sub(" .", text)
    tokenizer = _word_tokenizer()
    if EXCEPTIONAL.search(text):
        return tuple(tokenizer.tokenize(text))
    for rules, needs in (
        (tokenizer.STARTING_QUOTES, STARTING_NEEDS),
        (tokenizer.PUNCTUATION, PUNCTUATION_NEEDS),
        ([tokenizer.PARENS_BRACKETS, tokenizer.DOUBLE_DASHES], ("()[]{}<>", "-")),
    ):
        for (pattern, replacement), needed in zip(rules, needs, strict=True):
            if any(mark in text for mark in needed):
                text = pattern.sub(replacement, text)
    text = f" {text} "
    for (pattern, replacement), needed in zip(tokenizer.ENDING_QUOTES, ENDING_NEEDS, strict=True):
        if not needed:
            text = f" {' '.join(text.split())} "  # the rule that makes every run of spaces one
        elif any(mark in text for mark in needed):
            text = pattern.sub(replacement, text)
    folded = text.casefold()
    if any(contraction in folded for contraction in CONTRACTIONS):
        for pattern in (*tokenizer.CONTRACTIONS2, *tokenizer.CONTRACTIONS3):
            text = pattern.sub(r" \1 \2 ", text)
    return tuple(text.split())


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


@lru_cache(maxsize=1 << 17)
def stem(word: str) -> str:
    """Porter stem of a word, lower-cased: "infections" → "infect"."""
    return _stemmer().stem(word)


# mteval-v13a in its own order: ASCII punctuation stands alone, except that an apostrophe stays in its word,
# a full stop or comma stays between digits, and a dash is cut off only after a digit. The rules consume the
# character beside the mark, which decides "a.,5"; hence groups and no look-around.
MTEVAL_RULES = (
    (re.compile("([" + re.escape("".join(set(string.punctuation) - set("'.,-"))) + "])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])-"), r"\1 - "),
)
MTEVAL_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))


@lru_cache(maxsize=KEPT_TEXTS)
def mteval_tokens(text: str) -> tuple[str, ...]:
    """Tokens of mteval-v13a, which corpus BLEU is defined on (13a in sacrebleu)."""
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in text:
        for entity, character in MTEVAL_ENTITIES:
            text = text.replace(entity, character)
    text = f" {text} "
    for pattern, replacement in MTEVAL_RULES:
        text = pattern.sub(replacement, text)
    return tuple(text.split())
