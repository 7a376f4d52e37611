"""Containers: tables of all programs, encodings, and files that are something else than their name says."""

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from medqa.data import containers
from medqa.runtime.errors import UserError


def read(folder: Path, content: str | bytes, suffix: str = ".csv") -> tuple[str, list[list[str]]]:
    """The container of a file, and the cells of its records."""
    path = folder / f"dataset_with_answers_it's x{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    container, records = containers.read(path)
    return container, [[value for _, value in record] for record in records]


@pytest.mark.parametrize(
    ("content", "container", "rows"),
    [
        ("question,answer\rA?,a\rB?,b\r", "CSV", [["A?", "a"], ["B?", "b"]]),
        ("question;answer\rA?;0,5 mg\r", "CSV with semicolons", [["A?", "0,5 mg"]]),
        ("Frage, kurz;Antwort\nWas, bitte?;Das\nWer?;Der\n", "CSV with semicolons", [["Was, bitte?", "Das"], ["Wer?", "Der"]]),
        ("question, answer;source\nA?, a;b\nB?, b\n", "CSV", [["A?", "a;b"], ["B?", "b"]]),
        ("question\tanswer\nA, b?\ta; b\n", "TSV", [["A, b?", "a; b"]]),
        ('question\tanswer\nA?\t"Aspirin" is it\n', "TSV", [["A?", '"Aspirin" is it']]),
        ('question,answer\n"A\nb?","a ""b"" c"\r\n\n', "CSV", [["A\nb?", 'a "b" c']]),
        ('question, answer\n"A?", "a, b"\n', "CSV", [["A?", "a, b"]]),
        ('question,answer\nIs 5" long?,6" is\n', "CSV", [['Is 5" long?', '6" is']]),
        ("question,answer\nA?,a,,\nB?\n", "CSV", [["A?", "a"], ["B?", ""]]),
        ("SEP=|\r\nquestion|answer\r\nA, b; c?|a\r\n", "CSV with vertical bars", [["A, b; c?", "a"]]),
    ],
)  # fmt: skip
def test_tables_as_programs_write_them(tmp_path: Path, content: str, container: str, rows: Any) -> None:
    assert read(tmp_path, content) == (container, rows)
    assert read(tmp_path, content, ".tsv") == (container, rows)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('question,answer\nA?,a\nB?,"b\nC?,c\n', "in the row that begins in line 3: a quotation mark is not closed"),
        ('question,answer\nA?,"a\nB?,"b\n', "in the row that begins in line 2: text follows a closing quotation mark .line 3"),
        ("question,answer\nA?,a\nB?,0,5 mg\n", "Expected 2 fields in line 3, saw 3"),
        ("Was, bitte;Das\nWer, nun;Der\n", "commas and semicolons divide .* equally well.*sep=,"),
    ],
)  # fmt: skip
def test_a_broken_table_is_refused_with_its_line(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        read(tmp_path, content)


GOUT = {
    "cp1252": "Was heißt Ödem? Eine Übersicht für Ärzte: größer als 5 µg, Flüssigkeit im Gewebe.",
    "cp1250": "Co to jest żółtaczka? Zażółcenie skóry spowodowane wysokim stężeniem bilirubiny we krwi.",
    "cp1251": "Что такое подагра? Воспаление суставов, вызванное кристаллами мочевой кислоты.",
    "gb18030": "什么是痛风？痛风是一种由尿酸结晶引起的关节炎，常见于男性。",
    "shift_jis": "痛風とは何ですか？尿酸の結晶によって起こる関節の炎症です。",
}


@pytest.mark.skipif(shutil.which("iconv") is None, reason="needs iconv")
@pytest.mark.parametrize("encoding", GOUT)
def test_the_command_for_another_encoding_can_be_pasted(tmp_path: Path, encoding: str) -> None:
    text = json.dumps([{"text": GOUT[encoding]}], ensure_ascii=False).encode(encoding)
    with pytest.raises(UserError, match="not UTF-8") as error:
        read(tmp_path, text, ".json")
    subprocess.run(str(error.value).split("Convert it: ")[1], shell=True, check=True)
    path = next(tmp_path.glob("*.json"))
    assert containers.read(path)[1] == [[("text", GOUT[encoding])]]
    assert path.with_name(f"{path.name}.original").read_bytes() == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'["5 \xb5g f\xfcr"]', 'it is probably WINDOWS-1252, with which it reads "\\["5 µg für'),
        ("Příliš, to".encode("cp1250"), 'It could also be WINDOWS-1250: "Příliš, to"; then use that name .* Look at the text first'),
        (b"\x89\x01\x02\x03\x04" * 9, "is binary data and no text"),
        ("Børn får".encode() + b"\xe5", "but 2 other characters in it are"),
        (b'["Frau M\xfcller, mona@example.org"]', "[e-mail]"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_text_that_is_not_utf8(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, content, ".json")
    assert re.search(message, str(error.value)) or message in str(error.value)
    assert ("iconv" in str(error.value)) == ("probably" in str(error.value))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_read_in_all_its_encodings(tmp_path: Path, encoding: str) -> None:
    text = GOUT["gb18030"]
    for content, suffix in (
        (json.dumps([{"text": text}], ensure_ascii=False), ".json"),
        (f"text\n{text}\n", ".csv"),
    ):
        assert read(tmp_path, content.encode(encoding), suffix)[1] == [[text]]
    with pytest.raises(UserError, match=r"not UTF-(8|16|32)"):
        read(
            tmp_path,
            "[]".encode(encoding) + "[\ud800".encode(encoding.replace("-sig", ""), "surrogatepass") + b"\xff",
        )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"a": "b",}', "comma before the closing bracket"),
        ("[1,\n ]", "line 2, column 2: the comma before the closing bracket"),
        (" \n", "the file is empty"),
        ('{"a": "b"', "line 1, column 10: the text ends here"),
        ("a,b", "line 1, column 1: JSON does not begin with 'a'"),
        ("{'a': 'b'}", "column 2: a key must be in double quotation marks"),
        ('{"a" "b"}', "column 6: a colon is missing"),
        ('{"a": b}', "column 7: a value is missing, or a text without quotation marks"),
        ('{"a": "b" "c": "d"}', "column 11: a comma is missing"),
        ('{"a": "the "b" c"}', "column 13: a comma is missing, or a quotation mark in a text"),
        ('{"a": "b}', "column 7: the text that begins here has no closing"),
        ('{"a": "b\nc"}', "a line break in a text must be written as"),
        ('{"a": "\\x"}', "a backslash in a text must be written as"),
        ('{"a": "b"} c', "column 12: more text follows"),
    ],
)
def test_broken_json_is_described_in_plain_words(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        read(tmp_path, content, ".json")


@pytest.mark.parametrize("suffix", containers.SUFFIXES)
def test_an_empty_file_is_refused_in_every_format(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match="is empty .0 bytes"):
        read(tmp_path, b"", suffix)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(b"[]", mtime=0), "is a gzip file.* Unpack it: mv "),
        (b"PK\x03\x04...", "an Excel workbook"),
        (b"PAR1...", "is a Parquet file.*parquet$"),
        (b"%PDF-1.7", "is a PDF file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer.*git lfs pull"),
        (b"\xef\xbb\xbf\n<!DOCTYPE HTML>\n<title>", "is an HTML page"),
        (b"<HTML lang='en'>", "is an HTML page"),
    ],
)  # fmt: skip
def test_other_kinds_of_files_are_named(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(UserError, match=what) as error:
        read(tmp_path, content, ".json")
    if "gunzip" in str(error.value) and shutil.which("gunzip"):
        subprocess.run(str(error.value).split("Unpack it: ")[1], shell=True, check=True)
        assert containers.read(next(tmp_path.glob("*.json"))) == ("JSON", [])
