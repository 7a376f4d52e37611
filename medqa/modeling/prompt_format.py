"""Makes a model folder complete for other programs: the trained chat template as Jinja, and all stop tokens.

Input is how training prompted the model (`PromptFormat`). `write` adds tokenizer, chat_template.jinja and
generation_config.json to a folder; `parity_problems` loads them as any other program does, and compares.
"""

import copy
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medqa.modeling.base_model import BaseModel
from medqa.modeling.chat_template import (
    ANSWER,
    QUESTION,
    SYSTEM,
    ChatTemplate,
    Parts,
    neutralize_control_tokens,
    render,
)
from medqa.modeling.tokenization import token_ids

# Questions of the parity probe.
PROBES = 20
CHAT_TEMPLATE, GENERATION_CONFIG = "chat_template.jinja", "generation_config.json"
# An exchange that a template must render like any other; texts of a user have no spaces at their ends.
EXCHANGE = (
    "Dose of {{ x }}?\n\n 5 mg \\ 'two' \"b.i.d.\" µg",
    "Yes: 5 mg {% y %}.\n2nd line",
    "Be BRIEF {# z #}.",
)
# The loop after the first question repeats what the template writes around the texts of one exchange.
JINJA = """\
{%- if messages[0]['role'] == 'system' -%}
{%- set system = messages[0]['content'] -%}
{%- set messages = messages[1:] -%}
{%- else -%}
{%- set system = SYSTEM_MESSAGE -%}
{%- endif -%}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}
{%- if not loop.first -%}
{{- NEXT_TURN -}}
{%- elif system -%}
{{- BEFORE_SYSTEM + system + AFTER_SYSTEM -}}
{%- else -%}
{{- WITHOUT_SYSTEM -}}
{%- endif -%}
{{- message['content'] -}}
{%- elif message['role'] == 'assistant' -%}
{{- BEFORE_ANSWER + LEAD + message['content'] + AFTER_ANSWER -}}
{%- else -%}
{{- raise_exception('The roles are system (first), user and assistant.') -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- BEFORE_ANSWER -}}
{%- endif -%}
"""


@dataclass(frozen=True)
class Turns:
    """The fixed texts that a chat template writes around system message, question and answer."""

    before_system: str
    after_system: str  # up to the first question
    without_system: str  # before the first question of an exchange without a system message
    next_turn: str  # before every later question
    before_answer: str
    lead: str
    after_answer: str


def turns_of(template: ChatTemplate) -> Turns | None:
    """The fixed texts of a template; None for a function that does more than join texts."""
    exchange = _parts(template, SYSTEM)
    plain = _parts(template, "")
    if exchange is None or plain is None or exchange.before_question.count(SYSTEM) != 1:
        return None
    before, after = exchange.before_question.split(SYSTEM)
    # An answer's end often also ends the system message: what follows it there opens a user's turn.
    return Turns(
        before, after, plain.before_question, after.removeprefix(exchange.after_answer), *exchange[1:]
    )


def _parts(template: ChatTemplate, system_message: str) -> Parts | None:
    """What a template writes around a question and an answer; None if these texts are not in it once."""
    try:
        prompt = template(QUESTION, None, system_message)
        whole = template(QUESTION, ANSWER, system_message)
    except Exception:  # a function of the user may raise anything, such as for an empty system message
        return None
    if prompt.count(QUESTION) != 1 or whole.count(ANSWER) != 1 or not whole.startswith(prompt):
        return None
    lead, after_answer = whole[len(prompt) :].split(ANSWER)
    return Parts(*prompt.split(QUESTION), lead, after_answer)


@dataclass(frozen=True)
class PromptFormat:
    """How a model was prompted in training.

    Args:
        base: the base model, whose tokenizer is saved.
        template: renders an exchange as text.
        system_message: used when a conversation gives none.
        questions: of the parity probe.
    """

    base: BaseModel
    template: ChatTemplate
    system_message: str
    questions: tuple[str, ...] = ()

    def jinja(self) -> str:
        """The chat template as Jinja; "" if it cannot be written so.

        Question, answer and system message are inserted as they are: unlike training, Jinja does not break up
        control tokens in them.
        """
        turns = turns_of(self.template)
        if turns is None:
            return ""
        names = {name.upper(): text for name, text in vars(turns).items()}
        names["SYSTEM_MESSAGE"] = neutralize_control_tokens(self.system_message)
        literals = {name: json.dumps(text, ensure_ascii=False) for name, text in names.items()}
        text = re.sub(rf"\b({'|'.join(literals)})\b", lambda name: literals[name[0]], JINJA)
        question, answer, system = EXCHANGE
        same = all(
            self._rendered(text, question, None if prompt else answer, own)
            == self.template(question, None if prompt else answer, own or names["SYSTEM_MESSAGE"])
            for own in ("", system)
            for prompt in (True, False)
        )
        return text if same else ""

    def _rendered(self, jinja: str, question: str, answer: str | None, system: str) -> str:
        """An exchange as transformers renders it by a Jinja template; without `system`, by its default."""
        turns = [{"role": "system", "content": system}] * bool(system)
        turns.append({"role": "user", "content": question})
        turns += [{"role": "assistant", "content": answer}] * (answer is not None)
        return self.base.tokenizer.apply_chat_template(
            turns, chat_template=jinja, tokenize=False, add_generation_prompt=answer is None
        )

    def stop_ids(self) -> list[int]:
        """Ids of the tokens that end an answer."""
        return self.base.stop_token_ids(self.template)

    def generation_config(self) -> Any:
        """The base's generation config with all stop ids."""
        from transformers import GenerationConfig

        tokenizer = self.base.tokenizer
        ids = {"bos_token_id": tokenizer.bos_token_id, "pad_token_id": tokenizer.pad_token_id}
        try:
            config = GenerationConfig.from_pretrained(self.base.name)
            config.update(**ids, eos_token_id=self.stop_ids())
            config.validate(strict=True)
        except (OSError, ValueError):  # no such file, or settings that transformers refuses to save
            config = GenerationConfig(**ids, eos_token_id=self.stop_ids())
        return config

    def write(self, folder: Path) -> None:
        """Write tokenizer, chat template (unless it cannot be written as Jinja) and generation config."""
        tokenizer = copy.deepcopy(self.base.tokenizer)
        tokenizer.chat_template = self.jinja() or None
        tokenizer.save_pretrained(folder)
        self.generation_config().save_pretrained(folder)

    def parity_problems(self, folder: Path) -> list[str]:
        """Compare what other programs read from a folder with what training used; empty if all is equal."""
        from transformers import AutoTokenizer, GenerationConfig

        stops = GenerationConfig.from_pretrained(folder).eos_token_id
        stops = [stops] if isinstance(stops, int) else stops
        return self.differences(AutoTokenizer.from_pretrained(folder), stops, GENERATION_CONFIG)

    def differences(self, tokenizer: Any, stops: list[int], source: str) -> list[str]:
        """Compare a saved tokenizer and its stop ids with what training used; empty if all is equal.

        Checks the stop ids, the rendered text, the begin token (one, where training had one) and the token
        ids of `PROBES` prompts.

        Args:
            tokenizer: as another program loads it.
            stops: ids that end an answer there.
            source: the file that names them.
        """
        problems = []
        if sorted(stops) != self.stop_ids():
            problems.append(f"{source} names the stop ids {stops}, training {self.stop_ids()}")
        if not tokenizer.chat_template:
            problems.append(
                "the saved tokenizer has no chat template, because apply_chat_template does more than join "
                "texts and cannot be written as Jinja: other programs must write the prompt themselves"
            )
            return problems
        for question in self.questions[:PROBES]:
            turns = [{"role": "user", "content": neutralize_control_tokens(question)}]
            text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
            expected = render(self.template, question, None, self.system_message)
            [expected_ids] = token_ids(self.base.tokenizer, [expected])
            if text != expected:
                problems.append(f"the chat template renders {text!r:.300}, training {expected!r:.300}")
            elif ids != expected_ids:
                problems.append(f"the prompt {text!r:.300} has other token ids than in training")
            elif ids[:2] == [tokenizer.bos_token_id] * 2:
                problems.append(f"the prompt {text!r:.300} has two begin tokens")
            if problems:
                break
        return problems
