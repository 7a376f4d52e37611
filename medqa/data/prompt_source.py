"""The format of the prompts in a folder: whose chat template renders them; no forgotten TOKENIZER."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medqa.data.iterations import Iteration
from medqa.modeling.base_model import BaseModel
from medqa.modeling.chat_template import ChatTemplate, bind, render, require_prefix, template_sha256
from medqa.runtime import library_warnings
from medqa.runtime.errors import UserError

LLAMA_3 = "Llama-3"


@dataclass(frozen=True)
class PromptSource:
    """A chat template with its tokenizer and system message."""

    template: ChatTemplate
    tokenizer: Any  # None without a base model
    system_message: str
    source: str  # whose template it is

    @property
    def identity(self) -> dict[str, str]:
        """What two folders of the same format have in common, as the manifest records it."""
        sha256 = template_sha256(self.template)
        return {"chat_template_sha256": sha256, "system_message": self.system_message}

    def render(self, question: str, answer: str) -> str:
        """An exchange as text."""
        return render(self.template, question, answer, self.system_message)


def prompt_source(function: Callable[..., str], base_model: str, system_message: str) -> PromptSource:
    """The format of a base model, or without one that of Llama-3.

    Args:
        function: `apply_chat_template` of the script.
        base_model: the setting TOKENIZER: a folder, a Hub name, or "".
        system_message: the setting.

    Raises:
        UserError: there is no such tokenizer, or its template cannot separate a prompt from its answer.
    """
    tokenizer = None
    if base_model:
        library_warnings.quiet()
        tokenizer = BaseModel(base_model, "TOKENIZER").tokenizer
    template = bind(function, tokenizer)
    require_prefix(template)
    source = LLAMA_3
    if "tokenizer" not in inspect.signature(function).parameters:
        source = "apply_chat_template of dataset_preparation.py"
    elif tokenizer is not None and tokenizer.chat_template:
        source = base_model
    return PromptSource(template, tokenizer, system_message, source)


def require_tokenizer_of(before: Iteration | None, prompt: PromptSource, folder: Path) -> None:
    """Refuse to render a folder again in another format because TOKENIZER was forgotten.

    Raises:
        UserError: with the value of the last iteration.
    """
    if before is None or prompt.tokenizer is not None:
        return
    was = before.settings["TOKENIZER"]
    if was and before.prompt["chat_template_sha256"] != prompt.identity["chat_template_sha256"]:
        raise UserError(
            f"{folder} has prompts in the chat template of {was}; without --TOKENIZER they would be rendered "
            f"again in that of {prompt.source}. Continue with --TOKENIZER {was}, or give the other format "
            "another folder: --OUTPUT_DIR …"
        )


def lines(source: str | None, base_model: str) -> tuple[list[str], list[str]]:
    """The format as a line to print, and a warning where the base model has no chat template.

    Args:
        source: as the manifest records it; earlier versions did not.
        base_model: the setting TOKENIZER.
    """
    if source is None:
        return [], []
    shown = f"Prompt format: chat template of {source}."
    if source != LLAMA_3 or not base_model:
        return [shown], []
    return [shown], [
        f"the tokenizer of {base_model} has no chat template, so the prompts have the format of Llama-3. If "
        "the model does not know its control tokens, fine-tuning refuses these prompts. Use the model's "
        "instruction-tuned variant, or put a chat_template.jinja into its folder."
    ]
