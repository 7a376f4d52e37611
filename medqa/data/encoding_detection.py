"""Guesses the encoding of a text that is not UTF-8.

In: the bytes of a file. Out: the encodings in which they can be read, the most plausible first; none for
binary data. chardet compares them with texts of many languages. A text whose only other characters than those
of ASCII are signs, such as one "µg" in English, tells it nothing: there the signs decide.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

# Encodings that text files of old programs have: as Python knows them → as iconv does.
ENCODINGS = {
    "cp1252": "WINDOWS-1252", "cp1250": "WINDOWS-1250", "cp1251": "WINDOWS-1251", "cp1253": "WINDOWS-1253",
    "cp1254": "WINDOWS-1254", "cp1255": "WINDOWS-1255", "cp1256": "WINDOWS-1256", "cp1257": "WINDOWS-1257",
    "cp874": "CP874", "iso8859-2": "ISO-8859-2", "koi8-r": "KOI8-R", "cp866": "CP866", "cp850": "CP850",
    "mac-roman": "MACINTOSH", "cp852": "CP852", "cp437": "CP437", "cp932": "SHIFT_JIS",
    "euc_jis_2004": "EUC-JP", "cp949": "EUC-KR", "gb18030": "GB18030", "big5hkscs": "BIG5-HKSCS",
}  # fmt: skip
# Encodings in which a text of ASCII and signs is looked for, in this order, and those signs in their places.
WITH_SIGNS = ("cp1252", "cp850", "mac-roman")
SIGNS = re.compile(r"(?<=[0-9])[ \xa0]?[µμ°]|(?<=\w)[’”]|[“‘](?=\w)|[–—…•\xa0]")
# Factor on chardet's confidence in Windows-1252, the usual one; the share of the highest confidence that
# leaves a doubt; and a confidence that random bytes do not reach.
USUAL, NEAR, CHANCE = 1.1, 0.8, 0.06
OTHER = re.compile(rb"[\x80-\xff]+")
# Bytes that are read on both sides of other bytes than those of ASCII.
MARGIN = 80
ESCAPES = re.compile(rb"\\[nrtbf/]")
# Bytes of a file, and of its parts with other characters, from which its kind is told.
READ, JUDGED = 1_000_000, 20_000
CONTROLS = bytes({*range(0x20), 0x7F} - {*b"\t\n\r\f\v\x1a\x1b"})
# Share of control characters of binary data.
MOST_CONTROLS = 0.005


class Reading(NamedTuple):
    """A text in one of the encodings."""

    encoding: str  # as Python knows it
    name: str  # as iconv knows it
    text: str  # its parts with other characters than those of ASCII


def is_binary(content: bytes) -> bool:
    """Whether bytes are not a text: they have control characters that no text has."""
    start = content[:READ]
    controls = len(start) - len(start.translate(None, CONTROLS))
    return b"\0" in start or controls > MOST_CONTROLS * len(start)


def mixed_with_utf8(content: bytes) -> int:
    """Number of other characters than ASCII in UTF-8, if most of them are in it; else 0."""
    text = content[:READ].decode("utf-8", "surrogateescape")
    bad = sum("\udc80" <= char <= "\udcff" for char in text)
    good = sum(char > "\x7f" for char in text) - bad
    return good if good >= 2 * bad else 0


def readings(content: bytes) -> list[Reading]:
    """The encodings in which a text is readable, the most plausible first; none for binary data.

    A second one follows only if it gives another text and is nearly as plausible.
    """
    if is_binary(content):
        return []
    from chardet import detect_all

    parts = _parts(content)
    found = detect_all(parts, include_encodings=ENCODINGS, prefer_superset=False, compat_names=False)
    ranked = {guess["encoding"]: guess["confidence"] for guess in found}
    ranked["cp1252"] = USUAL * ranked.get("cp1252", 0.0)
    if max(ranked.values()) < CHANCE:
        if 2 * sum(byte < 0x80 for byte in parts) < len(parts):
            return []
        ranked["cp1252"] = USUAL * max(ranked.values())
    for encoding in WITH_SIGNS:
        if SIGNS.sub("", parts.decode(encoding, "replace")).isascii():
            ranked[encoding] = 1.0
            break
    kept: list[Reading] = []
    for encoding in sorted(ranked, key=ranked.get, reverse=True):
        if kept and ranked[encoding] < NEAR * ranked[kept[0].encoding]:
            break
        if encoding in ENCODINGS and _decodes(content, encoding):
            reading = Reading(encoding, ENCODINGS[encoding], parts.decode(encoding, "replace"))
            if not kept or reading.text != kept[0].text:
                kept.append(reading)
    return kept[:2]


def _parts(content: bytes) -> bytes:
    """The parts of a text around its other bytes than those of ASCII, up to JUDGED bytes."""
    spans: list[list[int]] = []
    read = 0
    for match in OTHER.finditer(content):
        start, end = max(0, match.start() - MARGIN), min(match.end(), match.start() + JUDGED) + MARGIN
        if spans and start <= spans[-1][1]:
            read += end - spans[-1][1]
            spans[-1][1] = end
        else:
            read += end - start
            spans.append([start, end])
        if read >= JUDGED:
            break
    return b"\n".join(ESCAPES.sub(b"  ", content[start:end]) for start, end in spans)


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def samples(found: Sequence[Reading]) -> list[str]:
    """A part of each of one or two readings, around the first character in which they differ."""
    texts = [reading.text for reading in found]
    pairs = enumerate(zip(texts[0], "\0" * len(texts[0]) if len(texts) == 1 else texts[1], strict=False))
    place = next((n for n, (one, other) in pairs if one > "\x7f" and one != other), 0)
    return [_around(text, place) for text in texts]


def _around(text: str, place: int, width: int = 60) -> str:
    """The part of a text around a place, in one line, from whole words."""
    line_start = text.rfind("\n", 0, place) + 1
    line = text[line_start:].partition("\n")[0]
    start = max(0, place - line_start - width // 2)
    if start:
        start = line.find(" ", start, place - line_start) + 1 or start
    part = line[start : start + width]
    if start + width < len(line):
        part = part[: max(part.rfind(" "), place - line_start - start + 1)]
    return " ".join(part.split())
