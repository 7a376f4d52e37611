"""Specialty files: what is read, cleaned and refused, and that nothing is lost."""

import json
import random
import sys
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import examples
from hypothesis import example, given, settings, strategies as st

from medqa.data import cleaning, record_shapes
from medqa.data.cleaning import RejectedPair, clean, drop_exact_duplicates, shared_answers
from medqa.data.source_files import Source, find_files, read_files
from medqa.runtime.errors import UserError

LINES_OF_JSON = '{\n  "What is asthma?": "A disease of the airways.",\n  "oops" "x"\n}'


def write(folder: Path, specialty: str, content: Any) -> Path:
    """Write a specialty file: bytes as they are, anything else as JSON."""
    path = folder / f"dataset_with_answers_{specialty}.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def read(folder: Path) -> Source:
    """The content of a folder."""
    return read_files(find_files(folder))


def problems(folder: Path) -> list[str]:
    """The lines of the error about a folder."""
    with pytest.raises(UserError) as error:
        read(folder)
    return [line.strip() for line in str(error.value).split("\n")]


def reasons(source: Source) -> Counter[str]:
    """How many pairs were refused for which reason."""
    return Counter(one.reason for one in source.refused)


# ---- files -------------------------------------------------------------------------------------------


def test_an_object_and_a_list_of_records_are_read_alike(tmp_path: Path) -> None:
    pairs = {"What is asthma?": "A disease.", "What is gout?": "Another disease."}
    write(tmp_path, "one", pairs)
    one = read(tmp_path)
    (tmp_path / "dataset_with_answers_one.json").unlink()
    write(tmp_path, "one", [{"question": q, "answer": a, "source": "x"} for q, a in pairs.items()])
    other = read(tmp_path)
    assert one.records == other.records
    assert [record.response for record in one.records] == list(pairs.values())
    assert not one.extra_fields
    assert other.extra_fields == {"source": 2}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_byte_order_marks_newlines_and_unicode_forms_give_the_same_record(
    tmp_path: Path, newline: str, mark: bytes, form: str
) -> None:
    text = '{\n"Was heißt Sjögren-Syndrom?":\n"Eine Erkrankung."\n}'
    write(tmp_path, "one", mark + unicodedata.normalize(form, text).replace("\n", newline).encode())
    (record,) = read(tmp_path).records
    assert record.form == "was heisst sjögren syndrom"
    assert record.id == cleaning.identity("was heisst sjögren syndrom")
    assert unicodedata.normalize("NFC", record.question) == "Was heißt Sjögren-Syndrom?"


def test_repeated_keys_are_counted(tmp_path: Path) -> None:
    write(tmp_path, "one", b'{"What is gout?": "A.", "What is gout?": "A longer answer.", "Why?": "So."}')
    source = read(tmp_path)
    assert source.repeated_keys == {"dataset_with_answers_one.json": 1}
    assert source.pairs["one"] == 3
    assert {record.response for record in source.records} == {"A longer answer.", "So."}
    assert reasons(source) == {cleaning.TWIN_OTHER_ANSWER: 1}


def test_other_files_are_named_and_left_out(tmp_path: Path) -> None:
    write(tmp_path, "one", {"What is gout?": "A disease."})
    for name in ("notes.txt", "dataset_with_answers_two.JSON", "cardiology.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "older").mkdir()
    source = read(tmp_path)
    assert source.left_out == ["cardiology.json", "dataset_with_answers_two.JSON", "notes.txt", "older"]
    assert list(source.pairs) == ["one"]


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    write(tmp_path, "broken", LINES_OF_JSON.encode())
    write(tmp_path, "broken_windows", LINES_OF_JSON.replace("\n", "\r\n").encode())
    write(tmp_path, "broken_mac", LINES_OF_JSON.replace("\n", "\r").encode())
    write(tmp_path, "empty", b"")
    write(tmp_path, "text", "only a text")
    write(tmp_path, "number", 7)
    write(tmp_path, "latin", '{"ä": "ö"}'.encode("latin-1"))
    write(tmp_path, "deep", b"[" * 100_000)
    write(tmp_path, "digits", b"[" + b"9" * 5000 + b"]")
    write(tmp_path, "..\\secret", {"a": "b"})
    write(tmp_path, "", {"a": "b"})
    write(tmp_path, ".hidden", {"a": "b"})
    write(tmp_path, "good", {"What is gout?": "A disease."})
    (tmp_path / "dataset_with_answers_folder.json").mkdir()
    (tmp_path / "dataset_with_answers_gone.json").symlink_to(tmp_path / "nowhere")
    told = {line.split(":")[0].removeprefix("dataset_with_answers_"): line for line in problems(tmp_path)}
    assert len(told) == 14
    assert "good.json" not in told
    for name in ("broken", "broken_windows", "broken_mac"):
        assert "line 3, column 10" in told[f"{name}.json"]
    assert "is empty (0 bytes)" in told["empty.json"]
    assert "holds a text; expected an object" in told["text.json"]
    assert "iconv -f WINDOWS-1252" in told["latin.json"]
    assert "deeply" in told["deep.json"]
    assert f"is a broken link, to {tmp_path}/nowhere. Copy" in told["gone.json"]
    assert "cannot be the name of a specialty" in told["..\\secret.json"]


def test_a_locale_that_cannot_read_a_name_is_named_as_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dataset_with_answers_b\udcffrn.json").write_text("{}")
    assert "cannot be the name of a specialty" in problems(tmp_path)[0]
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    assert "the locale of this shell cannot read" in problems(tmp_path)[0]
    assert "export LC_ALL=C.UTF-8" in problems(tmp_path)[0]


def test_one_specialty_in_two_files_is_refused(tmp_path: Path) -> None:
    write(tmp_path, unicodedata.normalize("NFC", "séno"), {"a": "b"})
    write(tmp_path, unicodedata.normalize("NFD", "séno"), {"c": "d"})
    assert "of the same specialty" in problems(tmp_path)[0]


@pytest.mark.parametrize("name", ["nowhere", "file", "empty"])
def test_a_folder_without_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (problem,) = problems(tmp_path / name)
    assert "--DATA_DIR" in problem
    assert "dataset_with_answers_{specialty}.json" in problem


# ---- cleaning and refusing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  a  b\t c ", "a b c"),
        ("one\n                \ntwo", "one\n\ntwo"),
        ("one\n\n\n\n two", "one\n\ntwo"),
        ("Signs:\n          - fever\n          - rash", "Signs:\n- fever\n- rash"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("one\u2028two\u2029\u2029three", "one\ntwo\n\nthree"),
        ("no\u00a0break\u3000space", "no break space"),
        ("a\x00b\x1b[31mc\ufeff\u200b", "ab[31mc"),
        ("a \x07 b", "a b"),
        ("lone \ud800 half", "lone half"),
        ("0.5 µg, ≥ 3 × daily – é e\u0301 ½ %27", "0.5 µg, ≥ 3 × daily – é e\u0301 ½ %27"),
    ],
)
def test_cleaning(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@settings(max_examples=examples(300))
@given(st.text(st.characters(exclude_categories=())))
@example("\x00 \x00\n\x00\n\x00")
def test_cleaning_is_complete_and_removes_nothing_else(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert not cleaning.CONTROL.search(cleaned)
    assert "\n\n\n" not in cleaned
    assert "  " not in cleaned
    assert "".join(cleaned.split()) == "".join(cleaning.CONTROL.sub("", text).split())
    cleaned.encode("utf-8")


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"question": "  \n", "answer": "b"}, cleaning.EMPTY_QUESTION),
        ({"question": "?!", "answer": "b"}, cleaning.EMPTY_QUESTION),
        ({"question": "a", "answer": "\u200b \n"}, cleaning.EMPTY_ANSWER),
        ({"question": None, "answer": "b"}, cleaning.QUESTION_NOT_TEXT),
        ({"question": 3, "answer": "b"}, cleaning.QUESTION_NOT_TEXT),
        ({"question": "a", "answer": ["b"]}, cleaning.ANSWER_NOT_TEXT),
        ({"question": "a", "answer": {"x": 1}}, cleaning.ANSWER_NOT_TEXT),
        ({"question": "a", "answer": False}, cleaning.ANSWER_NOT_TEXT),
        ({"question": "What is gout?", "answer": "what is GOUT ?!"}, cleaning.ANSWER_IS_QUESTION),
        ({"question": "a", "answer": "."}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "a", "answer": "—"}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "a", "answer": "- / -"}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "a", "answer": "N/A"}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "a", "answer": "null"}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "a", "answer": " [Deleted] "}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "a", "answer": "NaN"}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "a", "answer": "&nbsp;"}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "a", "answer": "(none)"}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "a", "answer": "<p></p>"}, cleaning.ANSWER_PLACEHOLDER),
        (
            {"question": "a", "answer": '<p class="MsoNormal" style="margin: 0"><b>N/A</b>&nbsp;</p>'},
            cleaning.ANSWER_PLACEHOLDER,
        ),
        ({"question": "a", "answer": "&lt;none&gt;"}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "a", "answer": "<null>"}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "a", "answer": "See above."}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "a", "answer": "((n.d.))"}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "a", "answer": "No answer available."}, cleaning.ANSWER_PLACEHOLDER),
        ({"question": "n/a", "answer": "b"}, cleaning.QUESTION_PLACEHOLDER),
        ({"question": "a"}, record_shapes.NO_RECORD),
        ({"answer": "b"}, record_shapes.NO_RECORD),
        ({}, record_shapes.NO_RECORD),
        ("a", record_shapes.NO_RECORD),
        (None, record_shapes.NO_RECORD),
        ([["question", "a"], ["answer", "b"]], record_shapes.NO_RECORD),
    ],
)
def test_reasons_to_refuse(tmp_path: Path, item: Any, reason: str) -> None:
    write(tmp_path, "one", [item, {"question": "What is asthma?", "answer": "A disease."}])
    source = read(tmp_path)
    assert reasons(source) == {reason: 1}
    assert len(source.records) == 1
    assert source.pairs["one"] == 2
    line = json.loads(source.refused[0].line("one.json"))
    assert line["file"] == "one.json"
    assert line["question"] == (item.get("question") if isinstance(item, dict) and len(item) == 2 else item)


@pytest.mark.parametrize(
    "answer",
    [
        "No.",
        "Na",
        "None.",
        "Unknown",
        "Yes",
        "5",
        "是",
        "Nil by mouth",
        "O−",
        "B+",
        "<5",
        "<p>No.</p>",
        "No response.",
        "Removed",
        "(5)",
        "<p>None.</p>",
        "&lt;5 mg",
        "Missing.",
    ],
)
def test_short_answers_are_kept(answer: str) -> None:
    assert isinstance(cleaning.clean_pair("What?", answer, "one"), cleaning.Record)


def test_a_field_given_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "one", b'[{"question": "a", "answer": "b", "answer": "c"}]')
    source = read(tmp_path)
    assert reasons(source) == {record_shapes.REPEATED_FIELD.format("answer"): 1}
    assert json.loads(source.refused[0].line(""))["question"] == [
        ["question", "a"],
        ["answer", "b"],
        ["answer", "c"],
    ]


@pytest.mark.parametrize(
    "value", ["NaN", "-Infinity", "1e999", '"\\ud800"', '"\u0085\u2028"', '[1e999, "\\udfff", 5]']
)
def test_a_rejected_pair_is_a_line_of_json_for_every_input(tmp_path: Path, value: str) -> None:
    write(tmp_path, "one", f'{{"What is gout?": {value}, "": {value}}}'.encode())
    for refused in read(tmp_path).refused:
        line = refused.line("one.json")
        line.encode("utf-8")
        assert len(line.splitlines()) == 1
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_what_was_cleaned_is_counted(tmp_path: Path) -> None:
    pairs = {"Plain?": "Text.", "Wide  spaces?": "Text.", "Bell?": "A\x07.", "Both?": "A\x07  b."}
    write(tmp_path, "one", pairs)
    assert read(tmp_path).cleaned == {"whitespace folded": 2, "control characters removed": 2}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["question", "answer", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(JSON_VALUES, max_size=10))
def test_every_pair_is_a_record_or_refused(items: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        # As many pairs as items, so that at least half can be read.
        pairs = [{"question": f"{n}?", "answer": "x"} for n, _ in enumerate(items)]
        write(Path(name), "one", [*pairs, *items])
        source = read(Path(name))
    assert source.pairs["one"] == 2 * len(items) == len(source.records) + len(source.refused)
    for refused in source.refused:
        json.loads(refused.line("one.json"))


# ---- twins -----------------------------------------------------------------------------------------------


TWINS = {
    "What is gout?": "An inflammation of the joints.",
    "what is GOUT": "an inflammation of the joints",
    "What  is gout ?!": "Something else, and told at greater length.",
    "What is asthma?": "A disease of the airways.",
}


def test_one_of_each_set_of_twins_is_kept_whatever_the_order(tmp_path: Path) -> None:
    results = set()
    for number in range(12):
        pairs = list(TWINS.items())
        random.Random(number).shuffle(pairs)
        for path in tmp_path.iterdir():
            path.unlink()
        write(tmp_path, "one", dict(pairs[: number % 4]))
        write(tmp_path, "two", dict(pairs[number % 4 :]))
        source = read(tmp_path)
        results.add(tuple(sorted(record.response for record in source.records)))
        assert reasons(source) == {cleaning.TWIN_OTHER_ANSWER: 2}
        assert {one.like for one in source.refused} == {"What is gout ?!"}
    assert results == {("A disease of the airways.", "Something else, and told at greater length.")}


def test_the_same_answer_is_not_a_conflict() -> None:
    pairs = (("What is gout?", "A disease."), ("what is gout", "a disease"))
    kept, twins = drop_exact_duplicates([cleaning.clean_pair(*pair, "one") for pair in pairs])
    assert len(kept) == 1
    assert [one.reason for one in twins] == [cleaning.TWIN_SAME_ANSWER]
    assert isinstance(twins[0], RejectedPair)


def test_answers_shared_by_many_questions_are_counted(tmp_path: Path) -> None:
    write(tmp_path, "one", {f"What is disease {n}?": "Ask a doctor." for n in range(7)} | {"Why?": "So."})
    write(tmp_path, "two", {"How?": "Thus.", "Where?": "Thus."})
    told = shared_answers(read(tmp_path).records)
    assert told == {"answers": 2, "pairs": 9, "most": 7, "most_common": "Ask a doctor."}
    assert shared_answers([])["answers"] == 0
