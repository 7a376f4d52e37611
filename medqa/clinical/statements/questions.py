"""Questions that are answered by yes or no, as the statements that they come to."""

import re

# Where the subject of a question ends that is no pronoun: "Can a pregnant woman take it?", "Is milk allowed?"
_PREDICATES = (
    r"(?:take|have|use|drink|eat|give|be|get|stop|start|drive|fly|swim|breastfeed|continue|receive|go|do|need"
    r"|smoke|donate|travel|exercise|work|cause|help|safe|allowed|ok|okay|contraindicated|recommended|necessary"
    r"|needed|required|dangerous|harmful|forbidden|suitable|effective|contagious|infectious|normal)"
)
# "Can I take it with milk? No." Subject and verb are those of the question.
QUESTION = re.compile(
    r"(?:\bQ(?:uestion)?: ?)?\b(?P<verb>can|could|may|should|must|do|does|did|is|are|was|were|has|have|will"
    r"|shall) (?P<subject>i|you|we|he|she|they|it|there"
    rf"|(?:[a-z-]+ ){{0,4}}?[a-z-]+(?= {_PREDICATES}\b))"
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
