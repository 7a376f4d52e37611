"""The chat template of all stages; neutralizes control tokens in texts."""

import hashlib
import re
from collections.abc import Callable

from medqa.runtime.errors import UserError

ChatTemplate = Callable[[str, str | None, str], str]

# Control tokens that a question may contain, of Llama-3 and of other model families. With a space inside, the
# tokenizer reads them as ordinary text, so a question can neither end its turn nor open a system turn.
CONTROL_TOKEN = re.compile(
    r"<(?=\|\w+\|>|｜[^\s｜<>]+｜>|/?s>|(?:pad|unk|bos|eos|(?:start|end)_of_turn)>)|\[(?=/?INST\])"
)


def apply_chat_template(question: str, answer: str | None, system_message: str) -> str:
    """Render one exchange in the format of Llama-3.

    With `answer=None` the result is the prompt for generation: it ends where the answer begins and is a
    prefix of the same exchange with any answer. The text starts with `<|begin_of_text|>`, so tokenize it
    with `add_special_tokens=False`.
    """
    prompt = (
        f"<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n{system_message}<|eot_id|>"
        f"<|start_header_id|>user<|end_header_id|>\n\n{question}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    return prompt if answer is None else f"{prompt}{answer}<|eot_id|>"


def neutralize_control_tokens(text: str) -> str:
    """Insert a space into every control token of a text: `<|eot_id|>` → `< |eot_id|>`."""
    return CONTROL_TOKEN.sub(r"\g<0> ", text)


def render(template: ChatTemplate, question: str, answer: str | None, system_message: str) -> str:
    """Apply `template` to texts with neutralized control tokens."""
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
