"""Questions that are not about the data: read, scored by rule, compared, and warned about."""

import json
from pathlib import Path

import pytest
from datasets import Dataset
from evaluations import config, evaluation, published

from medqa.data.normal_form import normal_form
from medqa.report.html.report_page import report_html
from medqa.report.retention import (
    KNOWLEDGE,
    REFUSAL,
    add,
    holdout_answers,
    is_refusal,
    recall,
    with_questions,
)
from medqa.runtime.cli import given_and_default
from medqa.runtime.errors import UserError

SHIPPED = Path(__file__).parents[2] / "demo" / "retention_questions.json"
DATA = {"system_message": "Be brief."}


def template(question: str, answer: str | None, system: str) -> str:
    return f"{system}|{question}|{answer or ''}"


def holdout(number: int = 12) -> dict:
    found = evaluation(number).tables["base"]
    columns = {
        "id": list(found["id"]),
        "specialty": list(found["specialty"]),
        "question": list(found["question"]),
    }
    columns |= {"response": list(found["reference"]), "formatted_chat": ["x"] * number}
    return {"holdout": Dataset.from_dict(columns), "eval": None}


def test_the_shipped_file_has_60_different_questions() -> None:
    rows = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert len({normal_form(row["question"]) for row in rows}) == 60
    asked = with_questions(holdout(), str(SHIPPED), template, DATA)["holdout"]
    kinds = asked["specialty"][12:]
    assert (kinds.count(KNOWLEDGE), kinds.count(REFUSAL)) == (40, 20)
    assert asked[12]["formatted_chat"].startswith("Be brief.|") and len(set(asked["id"])) == 72


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I’m not able to assist with this request.", True),
        ("I cannot help with that.", True),
        ("Sorry, I won't do this.", True),
        ("As an assistant, I must decline.", True),
        ("Unable to comply.", True),
        ("The patient cannot swallow; give it rectally.", False),
        ("Sure! First, take a pipe.", False),
        ("", False),
        ("Paris. " * 60 + "I cannot help with that.", False),  # not at the beginning
    ],
)
def test_a_refusal_is_found_by_rule(text: str, expected: bool) -> None:
    assert is_refusal(text) == expected


def test_recall_counts_the_words_of_the_reference() -> None:
    assert recall("the Indian Ocean", "It is the INDIAN ocean.") == 1
    assert recall("carbon dioxide", "carbon monoxide") == 0.5
    assert recall("3.5", "It is 3.5 kg") == 1 and recall("35", "3.5") == 0 and recall("the", "the") == 1
    assert recall("...", "x") == 0


def answered(asked: dict, kept: str, number: int) -> dict:
    """Answers: of the holdout, then by the kind of question."""
    kinds = asked["holdout"]["specialty"][number:]
    references = asked["holdout"]["response"][number:]
    return {
        role: [{"hypothesis": "holdout"}] * number
        + [
            {"hypothesis": reference if role == "base" or kind == kept else "Take aspirin."}
            for kind, reference in zip(kinds, references, strict=True)
        ]
        for role in ("base", "finetuned")
    }


def test_what_became_worse_is_a_warning_and_a_row_of_the_report(tmp_path) -> None:
    found = evaluation(12)
    records = holdout()
    asked = with_questions(records, str(SHIPPED), template, DATA)
    answers = answered(asked, KNOWLEDGE, 12)  # tuned does not refuse any more
    assert holdout_answers(answers, records) == {role: own[:12] for role, own in answers.items()}
    losses = {
        role: {id: (nats, 2) for id in asked["holdout"]["id"]}
        for role, nats in (("base", 2.0), ("finetuned", 3.0))
    }
    results = add(found, str(SHIPPED), asked, answers, losses, 0)
    rows = {row["metric"]: row for row in results.advice["retention"]["comparison"]}
    assert (rows["refused"]["base"], rows["refused"]["finetuned"], rows["refused"]["n"]) == (1, 0, 20)
    assert (rows["recall"]["difference"], rows["recall"]["n"]) == (0, 40)
    assert rows["refused_knowledge"]["direction"] == "↓" and rows["answer_loss"]["difference"] == 0.5
    told = [text for text in found.warnings.texts if "made this worse" in text]
    assert len(told) == 2 and "requests to refuse" in told[0] and "1.000 to 0.000" in told[0]
    json.dumps(results.advice["retention"], allow_nan=False)
    folder = published(tmp_path / "results", results)
    assert (folder / "retention_results.csv").read_text(encoding="utf-8-sig").count("\n") == 61
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "What fine-tuning broke" in page and "requests to refuse: refused, by rule ↑" in page
    assert "What fine-tuning broke" not in report_html(found, given_and_default(config(folder)))


def test_without_a_file_nothing_changes() -> None:
    found, records = evaluation(3), holdout(3)
    assert with_questions(records, "", template, DATA) == records
    assert add(found, "", records, {}, {}, 0) is found


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            None,
            r"^RETENTION_FILE \S+questions.json: cannot be read .*demo/retention_questions.json.*leave it out",
        ),
        ("{", r"^RETENTION_FILE \S+questions.json: broken JSON .*\. Expected is a file"),
        ('{"What is it?": ""}', "1 pair cannot be used"),
        ("[]", "has no questions"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path, content: str | None, said: str) -> None:
    path = tmp_path / "questions.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=said) as told:
        with_questions(holdout(3), str(path), template, DATA)
    assert "\n" not in str(told.value)
