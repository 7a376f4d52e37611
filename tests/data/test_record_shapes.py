"""Shapes and containers of input files: what is read, and that nothing ambiguous is guessed."""

import contextlib
import csv
import io
import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from conftest import examples
from hypothesis import given, settings, strategies as st

from config import DatasetConfig
from dataset_preparation import create_datasets
from medqa.data import record_shapes
from medqa.data.field_names import FieldNames
from medqa.data.source_files import ReadingOptions, Source, find_files, read_files
from medqa.runtime.errors import UserError

PAIRS = [
    (f"What about topic{n} of kind{7 * n}?", f'Treat it with "drug{n}",\nfor {n} days; µg.')
    for n in range(40)
]

BY_NAME = FieldNames()


def records(shape: Callable[[str, str], Any]) -> list[Any]:
    """The pairs in some shape."""
    return [shape(question, answer) for question, answer in PAIRS]


def write(folder: Path, content: Any, suffix: str = ".json") -> None:
    """Write a specialty file: text and bytes unchanged, anything else as JSON."""
    content = content if isinstance(content, (str, bytes)) else json.dumps(content)
    content = content.encode() if isinstance(content, str) else content
    (folder / f"dataset_with_answers_x{suffix}").write_bytes(content)


def read(folder: Path, content: Any, suffix: str = ".json", names: FieldNames = BY_NAME) -> Source:
    """Read a file with some content."""
    write(folder, content, suffix)
    return read_files(find_files(folder), ReadingOptions(names))


def require_all(source: Source, refused: Mapping[str, int] = MappingProxyType({})) -> None:
    """All pairs were read unchanged, and others refused for these reasons."""
    assert [(record.question, record.response) for record in source.records] == PAIRS
    assert Counter(one.reason for one in source.refused) == refused


def message(role: str, text: Any) -> dict[str, Any]:
    return {"role": role, "content": text}


SHAPES = {
    '"question" as question, "answer" as answer': lambda q, a: {"question": q, "answer": a},
    '"Question" as question, "ANSWER" as answer': lambda q, a: {"Question": q, "ANSWER": a, "qtype": "x"},
    '" Question\ufeff" as question, "answer " as answer': lambda q, a: {" Question\ufeff": q, "answer ": a},
    '"question" as question, "response" as answer': lambda q, a: {"question": q, "response": a},
    '"question" as question, "answers" as answer': lambda q, a: {"question": q, "answers": [a]},
    '"instruction" as question, "output" as answer': lambda q, a: {"instruction": q, "output": a},
    '"instruction" with "input" as question, "output" as answer': lambda q, a: {
        "instruction": q, "input": "", "output": a
    },
    '"input" as question, "output" as answer': lambda q, a: {"input": q, "output": a},
    '"prompt" as question, "completion" as answer': lambda q, a: {"prompt": q, "completion": a},
    '"Prompt" as question, "Completion" as answer': lambda q, a: {
        "Prompt": [message("user", q)], "Completion": [message("assistant", a)]
    },
    '"messages" of one exchange as question and answer': lambda q, a: {
        "messages": [message("system", "Be brief."), message("user", q), message("assistant", a)]
    },
    '"conversations" of one exchange as question and answer': lambda q, a: {
        "id": 1, "conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]
    },
    '"Messages" of one exchange as question and answer': lambda q, a: {
        "Messages": [message("User", [{"type": "text", "text": q}]), message("Assistant", a)]
    },
}  # fmt: skip


@pytest.mark.parametrize("read_as", SHAPES)
def test_a_shape_keeps_all_pairs(tmp_path: Path, read_as: str) -> None:
    source = read(tmp_path, records(SHAPES[read_as]))
    require_all(source)
    assert source.read_as == {"dataset_with_answers_x.json": f"JSON, {read_as}"}


def as_table(separator: str) -> str:
    import pandas as pd

    return pd.DataFrame(PAIRS, columns=["Question", "Answer"]).to_csv(index=False, sep=separator)


def as_parquet(folder: Path, shape: str) -> bytes:
    import pandas as pd

    pd.DataFrame(records(SHAPES[shape])).to_parquet(folder / "table")
    return (folder / "table").read_bytes()


@pytest.mark.parametrize(
    ("suffix", "content", "container"),
    [
        (".json", dict(PAIRS), "JSON, object {question: answer}"),
        (".json", {"question": [q for q, _ in PAIRS], "answer": [a for _, a in PAIRS]}, "JSON"),
        (".json", {"answer": dict(enumerate(a for _, a in PAIRS)), "question": dict(enumerate(q for q, _ in PAIRS))}, "JSON"),
        (".jsonl", "\n".join(map(json.dumps, records(SHAPES['"prompt" as question, "completion" as answer']))), "JSON Lines"),
        (".json", "\r\n".join(map(json.dumps, records(lambda q, a: {"question": q, "answer": a}))) + "\n\n", "JSON Lines"),
        (".jsonl", records(lambda q, a: {"question": q, "answer": a}), "JSON"),
        (".csv", as_table(","), "CSV"),
        (".csv", "\ufeff" + as_table(","), "CSV"),
        (".csv", "sep=;\n" + as_table(";"), "CSV with semicolons"),
        (".csv", as_table(",").replace("\n", "\r\n").replace(",\r\n", ",\n"), "CSV"),
        (".csv", as_table(";"), "CSV with semicolons"),
        (".csv", as_table("\t"), "TSV"),
        (".tsv", as_table("\t"), "TSV"),
    ],
)  # fmt: skip
def test_a_container_keeps_all_pairs(tmp_path: Path, suffix: str, content: Any, container: str) -> None:
    source = read(tmp_path, content, suffix)
    require_all(source)
    assert source.read_as[f"dataset_with_answers_x{suffix}"].startswith(container)


@pytest.mark.parametrize("shape", ['"question" as question, "answers" as answer', list(SHAPES)[-3]])
def test_parquet_keeps_all_pairs(tmp_path: Path, shape: str) -> None:
    require_all(read(tmp_path, as_parquet(tmp_path, shape), ".parquet"))


def test_an_input_is_added_to_its_instruction(tmp_path: Path) -> None:
    items = [
        {"instruction": "Explain.", "input": "What is gout?", "output": "A disease."},
        {"instruction": "What is asthma?", "input": "<noinput>", "output": "A disease of the airways."},
        {"instruction": "What is angina?", "input": None, "output": "Chest pain."},
        {"instruction": "What is shingles?", "input": 5, "output": "Herpes zoster."},
    ]
    source = read(tmp_path, items)
    asked = [record.question for record in source.records]
    assert asked == ["Explain. What is gout?", "What is asthma?", "What is angina?"]
    assert [one.reason for one in source.refused] == ["question is not text"]


def test_a_long_instruction_that_all_records_share_is_left_out(tmp_path: Path) -> None:
    task = "If you are a doctor, answer the question of the patient."
    source = read(tmp_path, records(lambda q, a: {"instruction": task, "input": q, "output": a}))
    require_all(source)
    assert list(source.read_as.values()) == ['JSON, "input" as question, "output" as answer']
    assert source.extra_fields == {"instruction": 40}
    items = records(lambda q, a: {"instruction": f"{task} ".upper(), "input": q, "output": a})
    items[::9] = [{"instruction": q, "input": "", "output": a} for q, a in PAIRS[::9]]
    source = read(tmp_path, [*items, {"instruction": task, "input": "", "output": "An answer."}])
    require_all(source, refused={"empty question": 1})
    short = records(
        lambda q, a: {"instruction": "What are the symptoms of this", "input": q.split()[2], "output": a}
    )
    items = [*short, {"instruction": "What is gout?", "output": "A disease."}]
    assert read(tmp_path, items).records[0].question == "What are the symptoms of this topic0"


def test_settings_name_other_fields(tmp_path: Path) -> None:
    items = [{"Frage": q, "Antwort": a, "answer": "not this", "question": "nor this"} for q, a in PAIRS]
    source = read(tmp_path, items, names=FieldNames("frage", "Antwort"))
    require_all(source)
    assert source.extra_fields == {"answer": 40, "question": 40}
    items = [{"stem": q, "output": a, "options": ["x"]} for q, a in PAIRS]
    require_all(read(tmp_path, items, names=FieldNames("stem", "")))
    with pytest.raises(
        UserError,
        match=r"with --QUESTION_FIELD stam; the file has: stem, output, options.*mean --QUESTION_FIELD stem",
    ):
        read(tmp_path, items, names=FieldNames("stam", ""))


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ({"Frage": "Was ist Gicht?", "Antwort": "Eine Krankheit."}, "file has: Frage, Antwort. .* mean --QUESTION_FIELD Frage"),
        ({"Frage": ["Was ist Gicht?"] * 3, "Antwort": ["Eine Krankheit."] * 3}, "mean --QUESTION_FIELD Frage"),
        (dict(PAIRS), "texts as keys, without the field of --QUESTION_FIELD Fraage --ANSWER_FIELD Antwort. For files"),
    ],
)  # fmt: skip
def test_a_misspelt_field_of_an_object_is_refused(tmp_path: Path, content: Any, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        read(tmp_path, content, names=FieldNames("Fraage", "Antwort"))


def test_a_few_records_with_several_readings_are_refused_one_by_one(tmp_path: Path) -> None:
    items = records(lambda q, a: {"question": q, "answer": a})
    turns = [message("user", "What?"), message("assistant", "That."), message("user", "Why?")]
    odd = [
        {"messages": turns},
        {"question": "Who?", "answers": ["a", "b"]},
        {"question": "q", "context": "c", "answer": "a"},
    ]
    source = read(tmp_path, items[:5] + odd + items[5:])
    reasons = [record_shapes.SEVERAL_EXCHANGES, record_shapes.SEVERAL_ANSWERS]
    reasons.append(record_shapes.OTHER_TASK.format(record_shapes.IN_CONTEXT))
    require_all(source, refused=Counter(reasons))
    assert [json.loads(one.line(""))["record"] for one in source.refused] == [6, 7, 8]
    assert (
        source.odd_records["dataset_with_answers_x.json"][0]
        == 'record 6: "messages" has 3 messages, more than one exchange'
    )
    with pytest.raises(
        UserError, match=r"4 of 44 records cannot be read without guessing; the first is record 41: "
    ):
        read(tmp_path, items + odd[:1] * 4)
    require_all(
        read(tmp_path, items * 10 + odd[:1] * 4), refused={"same question, same answer": 360, reasons[0]: 4}
    )


def test_a_screen_shows_fields_but_no_texts(tmp_path: Path) -> None:
    texts = [
        "Mrs Anna Miller",
        "What does she have?",
        "MRN 4827193",
        "Patient complains of pain in the left knee",
    ]
    for content, suffix in (
        ("\n".join([",".join(texts)] * 3), ".csv"),
        ([dict.fromkeys(texts, "x")] * 3, ".json"),
        ([{"messages": [{"from": text, "value": "x"}]} for text in texts], ".json"),
        ([{"question": text} for text in texts], ".json"),
        ([{"question": text, "answer": None} for text in texts], ".json"),
        (dict.fromkeys(texts), ".json"),
    ):  # fmt: skip
        write(tmp_path, content, suffix)
        config = DatasetConfig(DATA_DIR=str(tmp_path), OUTPUT_DIR=f"{tmp_path}_out")
        with pytest.raises(UserError) as error, contextlib.redirect_stdout(io.StringIO()):
            create_datasets(config)
        assert not [text for text in texts if text in str(error.value)]
        (tmp_path / f"dataset_with_answers_x{suffix}").unlink()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"version": "1", "data": [{"title": "t", "paragraphs": []}]}, "fields version, data, of which data contains"),
        ({"data": records(lambda q, a: {"question": q, "answer": a})}, "of which data contains records"),
        ({"17": {"QUESTION": "q", "LONG_ANSWER": "a"}, "18": {"QUESTION": "q"}}, "of which 17, 18 contain"),
        (records(lambda q, a: {"question": q, "context": "c", "answers": {"text": [a], "answer_start": [0]}}), "as in SQuAD"),
        (records(lambda q, a: {"question": q, "context": "c", "answer": a}), "question, context, answer, which look like answers in a context"),
        (records(lambda q, a: {"question": q, "answers": {"text": [a], "answer_start": [0]}}), "as in SQuAD"),
        (records(lambda q, a: {"question": q, "answers": [{"text": a, "answer_start": 0}]}), "as in SQuAD"),
        (records(lambda q, a: {"question": q, "opa": a, "opb": "x", "cop": 1}), "look like multiple choice"),
        (records(lambda q, a: {"question": q, "answer": "A", "options": {"A": a}}), "look like multiple choice"),
        (records(lambda q, a: {"question": q, "a": a, "b": "x", "c": "y", "answer": "a"}), "look like multiple choice"),
        (records(lambda q, a: {"question": q, "option1": a, "Option 2": "x", "answer": a}), "look like multiple choice"),
        (records(lambda q, a: {"prompt": q, "chosen": a, "rejected": "x"}), "look like preferences"),
        (records(lambda q, a: {"question": q, "answers": [a, "x"]}), '"answers" has 2 entries'),
        (records(lambda q, a: {"instruction": q, "context": "c", "response": a}), "fields instruction, context, response"),
        (records(lambda q, a: {"prompt": q, "question": q, "output": a}), "fields question, prompt"),
        (records(lambda q, a: {"prompt": q, "query": q, "answer": a}), "fields prompt, query"),
        (records(lambda q, a: {"prompt": q, "output": a, "completion": a}), "fields completion, output"),
        (records(lambda q, a: {"prompt": q, "answer": a, "response": "x"}), "fields answer, response"),
        (records(lambda q, a: {"messages": [message("user", q), message("assistant", a)] * 2}), "4 messages, more than one"),
        (records(lambda q, a: {"messages": [message("user", q), message("tool", a)]}), "the role tool;"),
        (records(lambda q, a: {"messages": [message("user", q)], "question": q, "answer": a}), "a question, an answer and"),
        (records(lambda q, a: {"Frage": q, "Antwort": a}), "the file has: Frage, Antwort"),
        (records(lambda q, a: {"question": q}), "the file has: question"),
        ({"question": "What is gout?", "explanation": "A disease."}, "the file has: question, explanation"),
        (records(lambda q, a: {q: a}), "save them as one JSON object, {question: answer"),
        (records(lambda q, a: q), "the file has: a text"),
        (records(lambda q, a: [q, a]), "the file has: a list"),
        ("question,answer\nWhat?,This, and that\n", "Expected 2 fields in line 2, saw 3"),
        (as_table(",").split("\n", 1)[1], "records cannot be read"),
        ('{"question": "a", "answer": "b"}\n{"question": "a", \n', "broken JSON at line 2"),
        (b"PAR1 is not Parquet", "cannot be read as Parquet"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_is_refused_and_nothing_written(tmp_path: Path, content: Any, problem: str) -> None:
    suffix = ".json"
    if isinstance(content, (str, bytes)):
        suffix = ".parquet" if isinstance(content, bytes) else ".jsonl" if content[0] == "{" else ".csv"
    write(tmp_path, content, suffix)
    with pytest.raises(UserError) as error, contextlib.redirect_stdout(io.StringIO()):
        create_datasets(DatasetConfig(DATA_DIR=str(tmp_path), OUTPUT_DIR=f"{tmp_path}_out"))
    assert problem in str(error.value)
    assert f"dataset_with_answers_x{suffix}" in str(error.value)
    assert not Path(f"{tmp_path}_out").exists()


def test_records_of_different_shapes_and_unusable_ones_are_counted(tmp_path: Path) -> None:
    items = [{"question": q, "answer": a} for q, a in PAIRS[:20]]
    items += [{"instruction": q, "output": a} for q, a in PAIRS[20:]]
    items += [{"question": "What is gout?"}, None, {"Question": "a", "question": "b", "answer": "c"}]
    source = read(tmp_path, items)
    assert len(source.records) == 40
    assert [one.reason for one in source.refused] == [record_shapes.NO_RECORD] * 2 + [
        record_shapes.REPEATED_FIELD.format("question")
    ]
    [read_as] = source.read_as.values()
    assert read_as.count("as question") == 2


def test_question_and_answer_take_priority_over_other_candidates(tmp_path: Path) -> None:
    items = [{"prompt": "x", "question": q, "answer": a, "response": "y"} for q, a in PAIRS]
    source = read(tmp_path, items)
    assert [(one.question, one.response) for one in source.records] == PAIRS
    assert source.extra_fields == {"prompt": 40, "response": 40}


def test_two_files_of_a_specialty_in_different_containers_are_refused(tmp_path: Path) -> None:
    write(tmp_path, as_table(","), ".csv")
    with pytest.raises(UserError, match="of the same specialty"):
        read(tmp_path, dict(PAIRS))


def test_a_row_without_an_answer_is_refused(tmp_path: Path) -> None:
    source = read(tmp_path, as_table(",") + "only a question\n,\n", ".csv")
    assert [one.reason for one in source.refused] == ["empty answer", "empty question"]
    assert len(source.records) == 40


FIELDS = st.sampled_from(
    ["question", "Answer", "answer", "answers", "instruction", "input", "output", "prompt", "completion", "messages",
     "conversations", "response", "context", "options", "Frage", "", "data", "text", "role", "content", "user"]
)  # fmt: skip
TEXTS = st.sampled_from(
    [*(question for question, _ in PAIRS), "N/A", "-", "", "user", "assistant", "yes", "1"]
)
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.floats() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | TEXTS, inner, max_size=4),
    max_leaves=10,
)
ODD_VALUES = [
    None,
    math.nan,
    5,
    True,
    [],
    {},
    "",
    "N/A",
    "<p>&nbsp;</p>",
    ["a", "b"],
    {"text": ["a"]},
    "x" * 3000,
]
ODD_RECORDS = [
    None,
    "text",
    7,
    [],
    {},
    {"question": "Why?"},
    {"question": "Q?", "answers": ["a", "b"]},
    {"Frage": "F?"},
]
UNREADABLE = [
    lambda q, a: {"question": q, "context": "c", "answer": a},
    lambda q, a: {"Frage": q, "Antwort": a},
    lambda q, a: {"messages": [message("user", q), message("assistant", a)] * 2},
    lambda q, a: [q, a],
]
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252")


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes]:
    """The extension and content of a file: some shape, with odd values and records, in some container, or cut off."""
    shape = draw(st.sampled_from([*SHAPES.values(), *UNREADABLE]))
    items = records(shape)[: draw(st.one_of(st.just(40), st.integers(0, 40)))]
    for item in items[:: draw(st.integers(1, 20))] if draw(st.booleans()) else []:
        if isinstance(item, dict):
            item[draw(st.sampled_from(sorted(item)))] = draw(st.sampled_from(ODD_VALUES))
    for odd in draw(st.lists(st.sampled_from(ODD_RECORDS), max_size=5)):
        items.insert(draw(st.integers(0, len(items))), odd)
    names = list(items[0]) if items and isinstance(items[0], dict) else ["question", "answer"]
    rows = [[str(item.get(name, "")) for name in names] for item in items if isinstance(item, dict)]
    table, separator = io.StringIO(), draw(st.sampled_from(",;\t|"))
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    csv.writer(table, delimiter=separator, lineterminator=line_end).writerows([names, *rows])
    container, text = draw(
        st.sampled_from([
            (".json", json.dumps(items)),
            (".json", "\n".join(map(json.dumps, items))),
            (".jsonl", line_end.join(map(json.dumps, items))),
            (".json", json.dumps({name: [row[n] for row in rows] for n, name in enumerate(names)})),
            (".json", json.dumps({"data": items})),
            (".json", json.dumps(dict(row[:2] for row in rows if len(row) > 1))),
            (".csv", table.getvalue()),
            (".tsv", table.getvalue()),
        ])
    )  # fmt: skip
    if draw(st.integers(0, 5)) == 0:
        text = text[: draw(st.integers(0, len(text)))]
    return container, text.encode(draw(st.sampled_from(ENCODINGS)), "replace")


FILES = st.one_of(
    files(),
    files(),
    st.tuples(st.sampled_from([".json", ".csv"]), VALUES.map(json.dumps).map(str.encode)),
    st.tuples(
        st.just(".json"),
        st.lists(st.dictionaries(FIELDS, VALUES, max_size=4), max_size=12).map(json.dumps).map(str.encode),
    ),
    st.tuples(st.sampled_from([".json", ".jsonl", ".csv", ".tsv", ".parquet"]), st.binary(max_size=30)),
)


@settings(max_examples=examples(150), deadline=None)
@given(
    st.lists(FILES, min_size=1, max_size=2),
    st.sampled_from([*[("", "")] * 5, ("Frage", ""), ("question", "answer")]),
)
def test_no_shape_ends_without_training_data_or_holdout(
    contents: list[tuple[str, bytes]], names: tuple[str, str]
) -> None:
    """Either an error that names the problem, and nothing is written, or splits that can be used."""
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
        folder, output = Path(name) / "data", Path(name) / "out"
        folder.mkdir()
        for number, (suffix, content) in enumerate(contents):
            (folder / f"dataset_with_answers_{number}{suffix}").write_bytes(content)
        config = DatasetConfig(
            DATA_DIR=str(folder), OUTPUT_DIR=str(output), QUESTION_FIELD=names[0], ANSWER_FIELD=names[1]
        )
        try:
            holdout, train, _, _ = create_datasets(config)
        except UserError:
            assert not output.exists()
        else:
            assert len(holdout) and len(train)
            assert {*holdout["response"], *train["response"]}.isdisjoint({"N/A", "-", "", "<p>&nbsp;</p>"})
