"""The chat template of all stages; neutralizes control tokens in texts.

`apply_chat_template` renders an exchange as text: in the base model's own format when its tokenizer has a
chat template, else in the format of Llama-3. The scripts call it through `bind`, which fixes the tokenizer.
"""

import datetime
import functools
import hashlib
import inspect
import re
import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

from medqa.runtime.errors import UserError

# (question, answer or None, system message) → text
ChatTemplate = Callable[[str, str | None, str], str]

# Control tokens that a question may contain, of Llama-3 and of other model families. With a space inside, the
# tokenizer reads them as ordinary text, so a question can neither end its turn nor open a system turn.
CONTROL_TOKEN = re.compile(
    r"<(?=\|\w+\|>|｜[^\s｜<>]+｜>|/?s>|(?:pad|unk|bos|eos|(?:start|end)_of_turn)>|/?think>)|\[(?=/?INST\])"
)
WHOLE_CONTROL_TOKEN = re.compile(r"<\|\w+\|>|<(?:start|end)_of_turn>|</?s>|\[/?INST\]")
# Texts that no data contain, by which the parts of a rendered exchange are found.
SYSTEM, QUESTION, ANSWER = "SYSTEM-5b0c71", "QUESTION-5b0c71", "ANSWER-5b0c71"
# Templates that print today's date get this one, so that texts are the same on every day.
DATE = datetime.datetime(2024, 7, 26)
FIXED_DATE = "{%- macro strftime_now(form) -%}{{ form"
FIXED_DATE += "".join(f" | replace('%{code}', '{DATE:%{code}}')" for code in "aAbBdHIjmMpSyY")
FIXED_DATE += " }}{%- endmacro -%}"


class Parts(NamedTuple):
    """What a chat template writes around the texts of an exchange."""

    before_question: str
    before_answer: str  # the prompt for generation ends with it
    lead: str  # a space, say, that the model writes before its answer
    after_answer: str


def apply_chat_template(question: str, answer: str | None, system_message: str, tokenizer: Any = None) -> str:
    """Render one exchange: by the tokenizer's own chat template, else in the format of Llama-3.

    With `answer=None` the result is the prompt for generation: it ends where the answer begins, and is a
    prefix of the same exchange with any answer. The text contains the control tokens, the one that begins a
    text included, so tokenize it with `add_special_tokens=False`.

    Edit this function, or assign another one to this name in the scripts, to change the format. One of three
    parameters will do; it is then used for every model.
    """
    if tokenizer is not None and tokenizer.chat_template:
        parts = own_format(tokenizer, str(tokenizer.chat_template), bool(system_message))
        before = parts.before_question.replace(SYSTEM, system_message)
        prompt = f"{before}{question}{parts.before_answer}"
        return prompt if answer is None else f"{prompt}{parts.lead}{answer}{parts.after_answer}"
    prompt = (
        f"<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n{system_message}<|eot_id|>"
        f"<|start_header_id|>user<|end_header_id|>\n\n{question}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    return prompt if answer is None else f"{prompt}{answer}<|eot_id|>"


def bind(template: Callable[..., str], tokenizer: Any) -> ChatTemplate:
    """`template` for one tokenizer; a template of three parameters is used as it is."""
    if "tokenizer" not in inspect.signature(template).parameters:
        return template
    return functools.partial(template, tokenizer=tokenizer)


@functools.lru_cache(maxsize=8)
def own_format(tokenizer: Any, _template: str, with_system: bool) -> Parts:
    """The parts of the tokenizer's own chat template, found by rendering it once.

    A template without a place for a system message (Gemma 2) gets it at the head of the user turn. Thinking
    is switched off where a template knows the switch (Qwen3), and a date is always `DATE`.

    Args:
        tokenizer: with a chat template.
        _template: that template, so that a tokenizer that gets another one is rendered again.
        with_system: whether there is a system message; its place in the parts is marked by `SYSTEM`.

    Raises:
        UserError: the template fails, or drops one of the texts.
    """
    answer = {"role": "assistant", "content": ANSWER}
    system = [{"role": "system", "content": SYSTEM}] if with_system else []
    apart = [*system, {"role": "user", "content": QUESTION}]
    together = [{"role": "user", "content": f"{SYSTEM}\n\n{QUESTION}"}]
    failure = ""
    for turns in (apart, together) if with_system else (apart,):
        try:
            prompt = _rendered(tokenizer, turns, add_generation_prompt=True)
            whole = _rendered(tokenizer, [*turns, answer], add_generation_prompt=False)
        except Exception as error:  # a template may raise anything, such as "System role not supported"
            failure = str(error)
            continue
        if (SYSTEM in prompt) == with_system and QUESTION in prompt and ANSWER in whole:
            before, after = whole.split(ANSWER, 1)
            lead = before[len(prompt) :] if before.startswith(prompt) else ""
            before_question, before_answer = prompt.split(QUESTION, 1)
            end = WHOLE_CONTROL_TOKEN.match(after)
            if end and after == before_answer:  # Llama-3's template always opens another assistant turn
                after = end[0]
            return Parts(before_question, before_answer, lead, after)
        failure = f"it gives {prompt!r} for a prompt and {whole!r} for an exchange"
    raise UserError(
        f"the chat template of {tokenizer.name_or_path} does not render a system message, a question and an "
        f"answer: {failure:.600}. Write this model's format into apply_chat_template in "
        "medqa/modeling/chat_template.py."
    )


def _rendered(tokenizer: Any, turns: list[dict[str, str]], add_generation_prompt: bool) -> str:
    """What the tokenizer's template makes of `turns`, with a date that does not change."""
    return tokenizer.apply_chat_template(
        turns,
        chat_template=FIXED_DATE + tokenizer.get_chat_template(),
        tokenize=False,
        add_generation_prompt=add_generation_prompt,
        enable_thinking=False,
    )


def neutralize_control_tokens(text: str) -> str:
    """Insert a space into every control token of a text: `<|eot_id|>` → `< |eot_id|>`."""
    return CONTROL_TOKEN.sub(r"\g<0> ", text)


def render(template: ChatTemplate, question: str, answer: str | None, system_message: str) -> str:
    """Apply `template` to texts whose control tokens are broken up."""
    return template(
        neutralize_control_tokens(question),
        None if answer is None else neutralize_control_tokens(answer),
        neutralize_control_tokens(system_message),
    )


def template_sha256(template: ChatTemplate) -> str:
    """SHA-256 of what `template` renders: equal for templates that render the same text."""
    probe = template("{question}", None, "{system}") + "\0" + template("{question}", "{answer}", "{system}")
    return hashlib.sha256(probe.encode()).hexdigest()


def require_prefix(template: ChatTemplate) -> None:
    """Check that a template separates the prompt, which is masked, from the answer, which is trained.

    Raises:
        UserError: the prompt is not a prefix of the exchange, or it lacks the question, or has the answer.
    """
    prompt, whole = template("{question}", None, "{system}"), template("{question}", "{answer}", "{system}")
    if not whole.startswith(prompt) or "{question}" not in prompt or "{answer}" not in whole[len(prompt) :]:
        raise UserError(
            "apply_chat_template(question, None, system_message) should be the beginning of the same call "
            "with an answer, up to where the answer begins, with the question in it and without the answer. "
            f"It gives {prompt!r} and {whole!r}."
        )


def checked_template(
    template: Callable[..., str], tokenizer: Any, prepared_sha256: str, folder: str
) -> ChatTemplate:
    """`template` for the base model's tokenizer, after the checks that training and evaluation share.

    Args:
        template: `apply_chat_template` of the script.
        tokenizer: of the base model.
        prepared_sha256: `template_sha256` of the template that formatted the datasets.
        folder: of the datasets.

    Raises:
        UserError: the datasets were formatted with another template, or the tokenizer does not know its
            control tokens; with what to type.
    """
    bound, model = bind(template, tokenizer), tokenizer.name_or_path
    if template_sha256(bound) != prepared_sha256:
        raise UserError(
            f"{folder} was formatted with another chat template than the one in use now, which is the one of "
            f"{model} or your own. Format it again, with the settings of the first time and: python "
            f"dataset_preparation.py --TOKENIZER {shlex.quote(model)}"
        )
    known, text = tokenizer.get_vocab(), bound("{question}", "{answer}", "{system}")
    if unknown := sorted({token for token in WHOLE_CONTROL_TOKEN.findall(text) if token not in known}):
        raise UserError(
            f"the prompt has control tokens that {model} does not know ({', '.join(unknown)}): its tokenizer "
            "has no chat template, so the prompt is that of Llama-3. Put the model's own chat_template.jinja "
            "into its folder, or write its format into apply_chat_template in "
            "medqa/modeling/chat_template.py. "
            f"Then prepare the data again: python dataset_preparation.py --TOKENIZER {shlex.quote(model)}"
        )
    return bound


def end_of_turn(template: ChatTemplate) -> str:
    """What the template writes after an answer."""
    return template("{question}", ANSWER, "{system}").partition(ANSWER)[2]
