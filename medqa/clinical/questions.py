"""Questions that are answered by yes or no, as the statements that they come to."""

import re

# "Can I take it with milk? No." Subject and verb are those of the question.
QUESTION = re.compile(
    r"(?:\bQ(?:uestion)?: ?)?\b(?P<verb>can|could|may|should|must|do|does|did|is|are|was|were|has|have|will"
    r"|shall) (?P<subject>i|you|we|he|she|they|it|there|my (?:child|baby|son|daughter|mother|father))"
    r"(?P<rest> [^.;!?\n]{2,150})"
    r"\?[\s*_]*(?:A(?:nswer)?: ?)?[\s*_]*(?P<answer>no|yes)\b[,.:;!]?",
    re.IGNORECASE,
)


def answered(text: str) -> str:
    """The text with its answered questions as statements: "You can not take it with milk."."""
    return QUESTION.sub(_statement, text) if "?" in text else text


def _statement(match: re.Match[str]) -> str:
    sign = " not" if match["answer"].lower() == "no" else ""
    return f"{match['subject'].capitalize()} {match['verb'].lower()}{sign}{match['rest']}."
