"""A model folder that other programs prompt as training did: chat template, stop ids, the parity probe."""

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from medqa.modeling.base_model import BaseModel
from medqa.modeling.chat_template import apply_chat_template, bind
from medqa.modeling.prompt_format import PromptFormat, turns_of

SYSTEM = 'Be brief, "Dr" LEAD; name {{ doses }}.'
CHATML = (
    "{% for m in messages %}{% if loop.first and m.role != 'system' %}<|start_header_id|>system\nBe kind."
    "<|eot_id|>{% endif %}<|start_header_id|>{{ m.role }}\n{{ m.content | trim }}<|eot_id|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant\n{% endif %}"
)


QUESTIONS = ("What defines angina?", "5 mg?\n\nOr 10 mg?", "Ignore <|eot_id|> this.")


def written(folder: Path, base: Path, template=apply_chat_template, system: str = SYSTEM) -> PromptFormat:
    """The files of a prompt format in `folder`."""
    model = BaseModel(str(base), "MODEL_NAME")
    prompts = PromptFormat(model, bind(template, model.tokenizer), system, QUESTIONS)
    folder.mkdir()
    prompts.write(folder)
    return prompts


@pytest.mark.parametrize("system", [SYSTEM, ""])
@pytest.mark.parametrize("own", ["", CHATML])
def test_a_saved_tokenizer_renders_what_training_rendered(own, system, tiny_model, tmp_path):
    base = BaseModel(str(tiny_model), "MODEL_NAME")
    base.tokenizer.chat_template = own or None
    template = bind(apply_chat_template, base.tokenizer)
    prompts = PromptFormat(base, template, system, QUESTIONS)
    (tmp_path / "saved").mkdir()
    prompts.write(tmp_path / "saved")
    assert prompts.parity_problems(tmp_path / "saved") == []
    assert base.tokenizer.chat_template == (own or None)
    saved = AutoTokenizer.from_pretrained(tmp_path / "saved")
    turns = [{"role": "user", "content": "A?"}, {"role": "assistant", "content": "B."}]
    first = template("A?", "B.", system)
    assert saved.apply_chat_template(turns, tokenize=False) == first
    turns.append({"role": "user", "content": "C?"})
    header = "<|start_header_id|>user\n" if own else "<|start_header_id|>user<|end_header_id|>\n\n"
    text = saved.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == first + header + "C?" + turns_of(template).before_answer
    other = [{"role": "system", "content": "Other."}, *turns[:1]]
    text = saved.apply_chat_template(other, tokenize=False, add_generation_prompt=True)
    assert text == template("A?", None, "Other.")


def test_a_function_of_the_user_becomes_jinja_if_it_joins_texts(tiny_model, tmp_path):
    def plain(question: str, answer: str | None, system_message: str) -> str:
        return f"{system_message}\nQ: {question}\nA:" + ("" if answer is None else f" {answer}<|eot_id|>")

    prompts = written(tmp_path / "plain", tiny_model, plain)
    assert prompts.parity_problems(tmp_path / "plain") == []
    saved = AutoTokenizer.from_pretrained(tmp_path / "plain")
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    assert saved.apply_chat_template(turns, tokenize=False) == f"{SYSTEM}\nQ: x\nA: y<|eot_id|>"


def fails_without(question: str, answer: str | None, system_message: str) -> str:
    """Refuses an empty system message."""
    return f"{system_message[0]}{question}\n{answer or ''}"


def depends_on_length(question: str, answer: str | None, system_message: str) -> str:
    """Marks long questions."""
    return f"{system_message}{'!' * (len(question) > 20)}{question}\n{'' if answer is None else answer + '<|eot_id|>'}"


@pytest.mark.parametrize(
    "function",
    [
        lambda question, answer, system: f"{system.upper()}{question}\n{answer or ''}",
        lambda question, answer, system: f"{system}{question}{question}\n{answer or ''}",
        fails_without,
        depends_on_length,
    ],
)
def test_a_function_that_does_more_leaves_the_tokenizer_without_a_template(function, tiny_model, tmp_path):
    prompts = written(tmp_path / "none", tiny_model, function)
    assert AutoTokenizer.from_pretrained(tmp_path / "none").chat_template is None
    [problem] = prompts.parity_problems(tmp_path / "none")
    assert "cannot be written as Jinja" in problem


def test_the_generation_config_names_every_stop_and_keeps_the_rest(tiny_model, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(tiny_model, base)
    (base / "generation_config.json").write_text(
        json.dumps({"eos_token_id": 7, "do_sample": True, "top_p": 0.7})
    )
    prompts = written(tmp_path / "saved", base)
    saved = json.loads((tmp_path / "saved" / "generation_config.json").read_text())
    names = AutoTokenizer.from_pretrained(tiny_model).convert_tokens_to_ids(["<|eot_id|>", "<|end_of_text|>"])
    assert saved["eos_token_id"] == sorted([7, *names]) == prompts.stop_ids()
    assert (saved["do_sample"], saved["top_p"]) == (True, 0.7)
    # Settings that transformers refuses to save are dropped.
    (base / "generation_config.json").write_text(json.dumps({"do_sample": False, "temperature": 0.6}))
    written(tmp_path / "plain", base)
    saved = json.loads((tmp_path / "plain" / "generation_config.json").read_text())
    assert saved["eos_token_id"] == sorted(names) and "temperature" not in saved


def fewer_merges(text: str) -> str:
    """A tokenizer that divides a text into more tokens."""
    content = json.loads(text)
    del content["model"]["merges"][60:]
    return json.dumps(content)


@pytest.mark.parametrize(
    ("file", "change", "problem"),
    [
        ("generation_config.json", lambda text: text.replace("[", "[1, "), "names the stop ids"),
        ("chat_template.jinja", lambda text: text.replace("Be brief", "Be long"), "renders"),
        (
            "chat_template.jinja",
            lambda text: text.replace('{{- "<|beg', '{{- "<|begin_of_text|><|beg'),
            "renders",
        ),
        ("tokenizer.json", fewer_merges, "token ids"),
    ],
)
def test_the_probe_finds_what_other_programs_would_do_otherwise(file, change, problem, tiny_model, tmp_path):
    prompts = written(tmp_path / "saved", tiny_model)
    path = tmp_path / "saved" / file
    before = path.read_text(encoding="utf-8")
    path.write_text(change(before), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != before
    [found] = prompts.parity_problems(tmp_path / "saved")
    assert problem in found
