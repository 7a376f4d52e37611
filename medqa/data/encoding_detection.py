"""Guesses the encoding of a text that is not UTF-8.

In: the bytes of a file. Out: the encodings in which they can be read, the most plausible first; none for
binary data.

Each encoding is charged for the characters that look wrong beside their neighbours: a symbol inside a word, a
capital after a small letter, a letter that the text's language does not have. Windows-1252 is the default.
The other encodings start with a handicap, so they need clear evidence.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from medqa.data.languages import identifier

# Encodings that text files of old programs have: as Python knows them → as iconv does, and the handicap.
SINGLE_BYTE = {
    "cp1252": ("WINDOWS-1252", 0.0), "cp1250": ("WINDOWS-1250", 1.5), "cp1251": ("WINDOWS-1251", 1.5),
    "cp1253": ("WINDOWS-1253", 2.0), "cp1254": ("WINDOWS-1254", 2.0), "cp1255": ("WINDOWS-1255", 2.0),
    "cp1256": ("WINDOWS-1256", 2.0), "cp1257": ("WINDOWS-1257", 2.0), "cp874": ("CP874", 2.0),
    "iso8859_2": ("ISO-8859-2", 2.0), "iso8859_5": ("ISO-8859-5", 2.5), "iso8859_15": ("ISO-8859-15", 2.5),
    "koi8_r": ("KOI8-R", 2.0), "cp866": ("CP866", 2.0), "mac_roman": ("MACINTOSH", 2.0),
    "cp850": ("CP850", 2.2), "cp852": ("CP852", 2.5), "cp437": ("CP437", 2.5),
}  # fmt: skip
# Those with two bytes and more for a character, and the most frequent characters of their scripts.
MULTI_BYTE = {
    "shift_jis": ("SHIFT_JIS", "cp932"), "euc_jp": ("EUC-JP", "euc_jp"), "euc_kr": ("EUC-KR", "cp949"),
    "gb18030": ("GB18030", "gb18030"), "big5": ("BIG5", "cp950"),
}  # fmt: skip
# Letters that the orthographies of these languages have beside a to z.
LETTERS = {
    "en": "éèêëïîöüäñçàâôáíóå", "de": "äöüßéèà", "fr": "éèêëàâçîïôùûüœæÿ", "es": "áéíóúñüªº",
    "it": "àèéìòóùîªº", "pt": "áâãàçéêíóôõúüªº",
    "nl": "ëéèïöüáóíêçàä", "da": "æøåéóöäü", "no": "æøåéèêóòôöäü",
    "sv": "åäöéàü", "fi": "äöåšžé", "is": "áðéíóúýþæö", "ca": "àçèéíïòóúü·", "ga": "áéíóú", "et": "äöõüšž",
    "pl": "ąćęłńóśźż", "cs": "áčďéěíňóřšťúůýž", "sk": "áäčďéíĺľňóôŕšťúýž", "hu": "áéíóöőúüű",
    "ro": "ăâîșțşţ", "hr": "čćđšž", "sl": "čšž", "sq": "ëç", "lt": "ąčęėįšųūž", "lv": "āčēģīķļņšūž",
    "tr": "çğıöşüâîû",
    "ru": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "uk": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "bg": "абвгдежзийклмнопрстуфхцчшщъьюя", "sr": "абвгдђежзијклљмнњопрстћуфхцчџш",
    "el": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ", "he": "אבגדהוזחטיךכלםמןנסעףפץצקרשת",
    "ar": "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيًٌٍَُِّْ", "fa": "ءآأؤئابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهیيك",
    "th": "".join(map(chr, [*range(0xE01, 0xE3B), *range(0xE40, 0xE4F)])),
}  # fmt: skip
# Letters that are rare in texts, and frequent in Hebrew read as Cyrillic or Greek; letters that end a word.
RARE, FINAL = frozenset("ъщшфцэйжюхЪЩШФЦЭЙЖЮХξψζΞΨΖϊϋ"), frozenset("ςךםןףץةى")
OPENING, CLOSING = frozenset("“„‘‚«‹¿¡(\"'"), frozenset("”“’‘»›\"'")
JOINING = frozenset("–…\xad")  # may stand between two letters
COMMON = frozenset("±×·÷²³¹½¼¾§®©™•€£¥¢≥≤≠≈→=‰%†¿¡«»ªº¬")
UNITS = frozenset("gmlLMsSVAUIkKcCbBNJPRFWTH")
OTHER = re.compile(rb"[\x80-\xff]{1,200}")
# Bytes that are read on both sides of them, and how many of them are judged.
MARGIN, JUDGED = 80, 4_000
# Bytes of a file from which its kind is told.
READ = 1_000_000
ESCAPES = re.compile(rb"\\[nrtbf/]")
BESIDE_LETTERS = re.compile("[a-z][\u3040-\ud7ff]")  # an East Asian character after a Latin letter
CONTROLS = bytes({*range(0x20), 0x7F} - {*b"\t\n\r\f\v\x1a\x1b"})
# Share of control characters of binary data.
MOST_CONTROLS = 0.005
# Charge for a character, above which a text is unreadable; for the least likely language; for a letter that
# the language does not have; and the difference of two charges that leaves a doubt.
UNREADABLE, LEAST_LIKELY, FOREIGN, DOUBT = 0.9, 3.0, 2.0, 1.8


class Reading(NamedTuple):
    """A text in one of the encodings."""

    encoding: str  # as Python knows it
    name: str  # as iconv knows it
    charge: float  # for characters that look wrong; smaller is better
    text: str  # the parts of it with other characters than those of ASCII


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
    found = _east_asian(content) or _single_byte(content)
    kept: list[Reading] = []
    for reading in sorted(found, key=lambda reading: reading.charge):
        near = not kept or (reading.charge <= kept[0].charge + DOUBT and reading.text != kept[0].text)
        if near and _decodes(content, reading):
            kept.append(reading)
    return kept[:2]


def _decodes(content: bytes, reading: Reading) -> bool:
    try:
        content.decode(reading.encoding)
    except UnicodeDecodeError:
        return False
    return True


# ---- one byte for a character -----------------------------------------------------------------------------


def _single_byte(content: bytes) -> list[Reading]:
    """The readable ones of SINGLE_BYTE, in any order."""
    data, judged = _parts(content)
    found = []
    for encoding, (name, handicap) in SINGLE_BYTE.items():
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        charge = charge_of(text)
        if charge <= UNREADABLE * judged + LEAST_LIKELY + 1:
            found.append(Reading(encoding, name, charge + handicap, text))
    return found


def _parts(content: bytes) -> tuple[bytes, int]:
    """The parts of a text around its other bytes than those of ASCII, and how many of these there are."""
    spans: list[list[int]] = []
    judged = 0
    for match in OTHER.finditer(content):
        start, end = match.start() - MARGIN, match.end() + MARGIN
        if spans and start <= spans[-1][1]:
            spans[-1][1] = end
        else:
            spans.append([max(0, start), end])
        judged += len(match[0])
        if judged > JUDGED:
            break
    return b"\n".join(ESCAPES.sub(b"  ", content[start:end]) for start, end in spans), judged


def charge_of(text: str) -> float:
    """How much the other characters of a text than those of ASCII look wrong beside their neighbours."""
    charge, letters = 0.0, Counter()
    padded = f"  {text}  "
    for place in range(2, len(padded) - 2):
        char = padded[place]
        if char < "\x80":
            continue
        around = padded[place - 2], padded[place - 1], padded[place + 1], padded[place + 2]
        if char in "µμ" and not around[1].isalpha():
            charge += _about_micro(*around)
        elif char.isalpha() or unicodedata.category(char).startswith("M"):
            charge += _about_letter(char, *around[1:3])
            letters[char.lower()] += 1
        else:
            charge += _about_symbol(char, *around)
    return charge + _about_language(text, letters)


def _about_micro(two_before: str, before: str, after: str, _: str) -> float:
    number = before.isdigit() or (before in " \xa0" and two_before.isdigit())
    if after in UNITS:
        return -1.5 if number else 0.0
    return 0.0 if number else 2.0


def _about_letter(char: str, before: str, after: str) -> float:
    charge = 0.5 * (char in RARE) + 2 * (char in FINAL and after.isalpha())
    if char in "ªºﬁﬂƒ":
        return 0.2 if before.isdigit() else 1.5
    if before.isalpha() and before.islower() and char.isupper():
        charge += 3
    elif char.islower() and before.isupper() and after.isupper():
        charge += 2
    elif char.islower() and after.isupper():
        charge += 3
    if before.isdigit() or (char.isupper() and after.isdigit()):
        charge += 1.5
    script = _script(char)
    if script != "LATIN" and not (before.isalpha() or after.isalpha()):
        charge += 1
    if unicodedata.category(char) == "Mn" and not (before.isalpha() or unicodedata.combining(before)):
        charge += 1.5
    charge += 3 * any(near.isalpha() and _script(near) != script for near in (before, after))
    return charge


def _script(char: str) -> str:
    """The script of a letter: the first word of its name in Unicode."""
    return unicodedata.name(char, "").partition(" ")[0]


def _about_symbol(char: str, two_before: str, before: str, after: str, last: str) -> float:
    inside = before.isalpha() and after.isalpha()
    number = before.isdigit() or (before in " \xa0" and two_before.isdigit())
    if unicodedata.category(char) in ("Cc", "Co", "Cn"):
        return 6.0
    if char == "\xa0":
        return 0.0
    if char == "°":
        return (-1.5 if after in "CFK" else 0.0 if not after.isalpha() else 1.0) if number else 1.0
    if char in JOINING and (inside or before in " \xa0" or after in " \xa0,." or before.isalnum()):
        return 0.1
    if char == "’" and inside:
        ends_soon = not last.isalpha() or after in "rlv"  # it’s, they’re, we’ll, I’ve
        return 0.0 if ends_soon or not two_before.isalpha() or before in "ulnt" else 1.5  # l’eau, qu’il
    if char in "«»" and (before in " \xa0%" or after in " \xa0%"):
        return 0.2
    if char == "·":
        return 0.1 if before == after == "l" else 1.5 if inside else 0.3
    if inside:
        return 1.0 if char in "®™©•" else 3.0
    opens = char in OPENING and not before.isalnum() and not after.isspace() and not number
    closes = char in CLOSING and not before.isspace() and not after.isalnum()
    if opens or closes:
        return 0.0
    if char in "–—":
        return 0.1
    if char in COMMON and char not in "¿¡«»":
        return 0.3 if number or after.isdigit() or before in " \xa0" or char in "®™©²³¹" else 1.0
    return 2.0


def _about_language(text: str, letters: Counter[str]) -> float:
    """Charge for letters that the text's language does not have; the least over all languages."""
    number = sum(letters.values())
    if not number:
        return 0.0
    ranked = dict(identifier(tuple(LETTERS)).rank(text))
    best = FOREIGN * number + LEAST_LIKELY
    for language, alphabet in LETTERS.items():
        foreign = sum(times for char, times in letters.items() if char not in alphabet)
        best = min(best, FOREIGN * foreign + LEAST_LIKELY * (1 - float(ranked[language])))
    return best


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


# ---- more bytes for a character ---------------------------------------------------------------------------


def _east_asian(content: bytes) -> list[Reading]:
    """The reading in one of MULTI_BYTE, if the text is Chinese, Japanese or Korean."""
    found = []
    first = OTHER.search(content)
    start = first.start() if first else 0  # the same position in the text: ASCII precedes it
    for encoding, (name, codec) in MULTI_BYTE.items():
        try:
            text = content.decode(codec)[max(0, start - MARGIN) : start + READ]
        except UnicodeDecodeError:
            continue
        other = [char for char in text if char > "\x7f"][:JUDGED]
        share = _usual_share(encoding, other)
        beside_letters = len(BESIDE_LETTERS.findall(text))
        if len(other) >= 4 and share >= 0.85 and beside_letters <= 0.2 * len(other):
            found.append(Reading(codec, name, -share, text))
    return [min(found, key=lambda reading: reading.charge)] if found else []


def _usual_share(encoding: str, other: list[str]) -> float:
    """Share of usual characters of the language of an encoding; 0 without those that only it has."""
    kana = sum("\u3041" <= char <= "\u30fe" for char in other)
    punctuation = sum(
        "\u2010" <= char <= "\u2027" or "\u3000" <= char <= "\u303f" or "\uff00" <= char <= "\uff5e"
        for char in other
    )
    han = [char for char in other if "\u4e00" <= char <= "\u9fff"]
    if encoding == "euc_kr":
        hangul = [char for char in other if "\uac00" <= char <= "\ud7a3"]
        if len(hangul) <= 0.85 * (len(hangul) + len(han)):
            return 0.0
        return (_frequent(hangul, "euc_kr", 0xB0, 0xC8) + punctuation) / len(other)
    if encoding in ("shift_jis", "euc_jp"):
        if kana < 0.15 * len(other):
            return 0.0
        return (kana + punctuation + _frequent(han, "euc_jp", 0xB0, 0xCF)) / len(other)
    if kana > 0.1 * len(other) or not han:
        return 0.0
    rows = ("gb2312", 0xB0, 0xD7) if encoding == "gb18030" else ("big5", 0xA4, 0xC6)
    return (_frequent(han, *rows) + punctuation) / len(other)


def _frequent(chars: list[str], codec: str, first: int, last: int) -> int:
    """Number of characters in the rows of a standard that hold the frequent ones."""
    coded = (char.encode(codec, "ignore") for char in chars)
    return sum(len(code) == 2 and first <= code[0] <= last for code in coded)
