"""Cleans question-answer pairs, and refuses unusable ones with a reason.

Every pair ends up either as a record or as a rejected pair.
"""

import hashlib
import html
import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from medqa.data import identifiers
from medqa.data.containers import LINE_BREAK, plain
from medqa.data.normal_form import VERSION, normal_form

# Longest question or answer, in characters; a longer text is a file in the wrong place.
LONGEST_TEXT = 1_000_000

# C0 and C1 control characters, lone surrogates, zero-width space and word joiner, byte-order marks and
# noncharacters: invisible, and nothing that a model should learn. Tabs and line breaks are whitespace.
CONTROL = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200b\u2060\ufeff\ufff9-\ufffb\ud800-\udfff\ufffe\uffff]"
)
# Whitespace other than one space: a run of it, or a single tab, line break, no-break space …
WHITESPACE = re.compile(r"\s{2,}|[^\S ]")

# Texts that programs and forms write where a text is missing.
PLACEHOLDERS = {
    "n/a", "n.a.", "n.a", "na", "#n/a", "nan", "null", "none", "undefined", "n/d", "n.d.", "s/d",
    "not available", "not applicable", "no answer", "no answer available", "no answer provided",
    "no response", "no data", "no entry", "missing", "unanswered", "tbd", "tba", "tbc", "todo", "to do",
    "to be determined", "placeholder", "lorem ipsum", "deleted", "removed", "deleted by user",
    "removed by reddit", "empty", "blank", "redacted", "xxx", "#ref!", "#value!", "#name?", "#div/0!",
    "#null!",
    "#nv", "#wert!", "#bezug!", "see above", "see below", "as above", "same as above", "see attached",
    "see attachment", "see previous answer", "k.a.", "keine angabe", "keine angaben", "keine antwort",
    "nicht vorhanden", "nicht verfügbar", "siehe oben", "s. o.", "s.o.", "siehe anhang", "non disponible",
    "non renseigné", "voir ci-dessus", "no disponible", "sin respuesta", "sin datos", "ver arriba",
}  # fmt: skip
# Placeholders only in brackets ("[deleted]"), because they can be answers.
IN_BRACKETS = {"deleted", "removed", "empty", "blank", "redacted", "missing"}
# With a full stop these are answers, for example about contraindications, and about scales.
ANSWERS_AS_SENTENCE = {"none.", "na.", "no response."}
BRACKETS = {"[": "]", "(": ")", "<": ">", "{": "}"}
# Longest placeholder, without and with tags and entities of HTML around it.
LONGEST_PLACEHOLDER, LONGEST_IN_HTML = 40, 1_000
TAG = re.compile(r"<(?:/?[a-zA-Z][^<>]*|!--.*?--)>")

# Why a pair is refused, as recorded in rejected.jsonl and dataset_stats.json; more are in record_shapes.
QUESTION_NOT_TEXT = "question is not text"
ANSWER_NOT_TEXT = "answer is not text"
TOO_LONG = f"longer than {LONGEST_TEXT:,} characters"
EMPTY_QUESTION = "empty question"
EMPTY_ANSWER = "empty answer"
QUESTION_PLACEHOLDER = "question is a placeholder"
ANSWER_PLACEHOLDER = "answer is a placeholder"
ANSWER_IS_QUESTION = "answer repeats the question"
HAS_IDENTIFIERS = "contains identifiers of a person ({})"
TWIN_SAME_ANSWER = "same question, same answer"
TWIN_OTHER_ANSWER = "same question, conflicting answer"


class Record(NamedTuple):
    """A clean question-answer pair."""

    id: str  # a hash of the question's normal form: the same in every run, order and file
    specialty: str
    question: str
    response: str
    form: str  # normal form of the question


class RejectedPair(NamedTuple):
    """A pair that is in no split: one line of rejected.jsonl."""

    specialty: str
    question: Any
    answer: Any
    reason: str
    like: str = ""  # the question that this one repeats
    record: int | None = None  # position in the file, from 1, of one with several readings

    def masked(self) -> "RejectedPair":
        """The pair with its identifiers masked; what is not text becomes JSON first."""
        texts = {
            name: identifiers.mask(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
            for name, value in (("question", self.question), ("answer", self.answer), ("like", self.like))
        }
        return self._replace(**texts)

    def line(self, file: str) -> str:
        """The pair as one line of JSON that contains no line break of any system.

        A lone surrogate, which UTF-8 cannot encode, stays an escape sequence.
        """
        content = {"file": file, **self._asdict()}
        if self.record is None:
            del content["record"]
        text = json.dumps(content, ensure_ascii=False)
        text = text.encode("utf-8", errors="backslashreplace").decode("utf-8")
        return LINE_BREAK.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def clean_pair(question: Any, answer: Any, specialty: str, version: int = VERSION) -> Record | RejectedPair:
    """Clean a pair, or refuse it.

    Args:
        question, answer: as the file has them; anything but text is refused, also NaN and null.
        specialty: of the file.
        version: of the normal form.
    """

    def refuse(reason: str) -> RejectedPair:
        return RejectedPair(specialty, plain(question), plain(answer), reason)

    if not isinstance(question, str):
        return refuse(QUESTION_NOT_TEXT)
    if not isinstance(answer, str):
        return refuse(ANSWER_NOT_TEXT)
    if max(len(question), len(answer)) > LONGEST_TEXT:
        question, answer = f"{question[:100]} …", f"{answer[:100]} …"  # enough to find it again
        return refuse(TOO_LONG)
    clean_question, clean_answer = clean(question).replace("\n\n", " ").replace("\n", " "), clean(answer)
    form = normal_form(clean_question, version)
    if not form:  # punctuation alone
        return refuse(EMPTY_QUESTION)
    if not clean_answer:
        return refuse(EMPTY_ANSWER)
    if is_placeholder(clean_question):
        return refuse(QUESTION_PLACEHOLDER)
    if is_placeholder(clean_answer):
        return refuse(ANSWER_PLACEHOLDER)
    # A much longer answer has other words; most answers are so long that they need not be compared.
    if len(clean_answer) < 2 * len(clean_question) + 20 and normal_form(clean_answer, version) == form:
        return refuse(ANSWER_IS_QUESTION)
    return Record(identity(form), specialty, clean_question, clean_answer, form)


def is_placeholder(text: str) -> bool:
    """Whether a text stands for a missing one ("N/A", "[deleted]"), or has neither letters nor digits ("-").

    Tags and entities of HTML around it do not count ("<p>&nbsp;</p>"). "None." and "Unknown" are answers, for
    example to questions about contraindications and causes.
    """
    if text[:1] in ("<", "&") and len(text) <= LONGEST_IN_HTML:
        inner = html.unescape(TAG.sub(" ", text)).strip()
        if inner != text:
            return is_placeholder(inner)
    if len(text) > LONGEST_PLACEHOLDER:
        return False
    if not any(map(str.isalnum, text)):
        return True
    plain_text, in_brackets = text, False
    while BRACKETS.get(plain_text[0]) == plain_text[-1] and len(plain_text) > 2:
        plain_text, in_brackets = plain_text[1:-1].strip(), True
    lower = plain_text.lower()
    if plain_text == "Na" or lower in ANSWERS_AS_SENTENCE:  # sodium
        return False
    return any(
        one in PLACEHOLDERS and (in_brackets or one not in IN_BRACKETS) for one in (lower, lower.rstrip("."))
    )


def what_was_cleaned(question: str, answer: str, record: Record) -> Counter[str]:
    """The cleaning rules that changed a pair."""
    changed: Counter[str] = Counter()
    if record.question != question or record.response != answer:
        controls = CONTROL.search(question) is not None or CONTROL.search(answer) is not None
        changed["control characters removed"] += controls
        visible = CONTROL.sub("", question), CONTROL.sub("", answer)
        changed["whitespace folded"] += (record.question, record.response) != visible
    return changed


def identity(form: str) -> str:
    """The id of a question: an 80-bit hash of its normal form; two of a million collide with 10⁻¹²."""
    return hashlib.blake2b(form.encode(), digest_size=10).hexdigest()


def clean(text: str) -> str:
    """Remove control characters and fold whitespace; nothing else changes.

    A run of spaces and tabs becomes one space. Indentation around a line break is removed and the break is
    kept, because it may separate the items of a list; several empty lines become one.
    """
    # Nine texts of ten need no change; this test is a hundred times faster than the search below.
    if text.isprintable() and "  " not in text and text == text.strip():
        return text
    return WHITESPACE.sub(_fold, CONTROL.sub("", text).strip())


def _fold(run: re.Match[str]) -> str:
    """What replaces a run of whitespace: a space, a line break, or an empty line."""
    return (" ", "\n", "\n\n")[min(2, len(LINE_BREAK.findall(run[0])))]


def drop_identifiers(records: Sequence[Record]) -> tuple[list[Record], list[RejectedPair]]:
    """Refuse records with identifiers of a person."""
    kept, refused = [], []
    for start in range(0, len(records), identifiers.AT_ONCE):
        some = records[start : start + identifiers.AT_ONCE]
        found = identifiers.find_in([text_of(record) for record in some])
        for position, record in enumerate(some):
            if position in found:
                kinds = sorted({one.kind for one in found[position]})
                reason = HAS_IDENTIFIERS.format(", ".join(kinds))
                refused.append(RejectedPair(record.specialty, record.question, record.response, reason))
            else:
                kept.append(record)
    return kept, refused


def text_of(record: Record) -> str:
    """Question and response, in which identifiers are searched."""
    return f"{record.question}\n{record.response}"


def drop_exact_duplicates(records: Sequence[Record]) -> tuple[list[Record], list[RejectedPair]]:
    """Keep one record of each question, and refuse the others.

    The longest answer is kept; among equally long ones a hash decides. The choice therefore depends only on
    the texts, not on the order of files or pairs.
    """
    first: dict[str, Record] = {}
    twins: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        if first.setdefault(record.id, record) is not record:
            twins[record.id].append(record)
    refused = []
    for key, others in twins.items():
        best, *rest = sorted([first[key], *others], key=_preference)
        first[key] = best
        for twin in rest:
            same = normal_form(twin.response) == normal_form(best.response)
            reason = TWIN_SAME_ANSWER if same else TWIN_OTHER_ANSWER
            refused.append(RejectedPair(twin.specialty, twin.question, twin.response, reason, best.question))
    return list(first.values()), refused


def _preference(record: Record) -> tuple[int, bytes, tuple[str, ...]]:
    content = (record.specialty, record.question, record.response)
    digest = hashlib.blake2b("\0".join(content).encode(), digest_size=8).digest()
    return -len(record.response), digest, content


def shared_answers(records: Sequence[Record]) -> dict[str, Any]:
    """The number of answers that several questions share, and the most frequent one."""
    count = Counter(map(hash, (record.response for record in records)))
    shared = {key: number for key, number in count.items() if number > 1}
    if not shared:
        return {"answers": 0, "pairs": 0, "most": 0, "most_common": ""}
    most = max(shared.values())
    texts = (record.response for record in records if shared.get(hash(record.response)) == most)
    return {
        "answers": len(shared),
        "pairs": sum(shared.values()),
        "most": most,
        "most_common": min(texts)[:200],
    }
