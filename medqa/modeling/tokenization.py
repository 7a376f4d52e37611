"""Tokenizes records into examples whose answer tokens are trained and whose prompt tokens are not."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from medqa.modeling.chat_template import ChatTemplate, render
from medqa.runtime.errors import UserError

# Records tokenised at once: the tokenizer notes some 150 bytes about a token, which is kept for so many only.
RECORDS_PER_CALL = 256


class Example(NamedTuple):
    """One tokenised exchange."""

    id: str
    specialty: str
    input_ids: np.ndarray  # int32 [length]: prompt, answer, end of turn
    answer_start: int  # tokens before it are prompt and give no loss

    @property
    def num_label_tokens(self) -> int:
        """Number of tokens that are trained: the answer and its end of turn."""
        return len(self.input_ids) - self.answer_start


class TokenizedSplit(NamedTuple):
    """Examples, and what had to be cut or left out to make them."""

    examples: list[Example]
    cut: list[str]  # ids whose answer lost its end
    left_out: list[str]  # ids whose prompt alone fills the whole length


def tokenize(
    records: Iterable[dict[str, str]],
    tokenizer: Any,
    template: ChatTemplate,
    system_message: str,
    max_length: int,
) -> TokenizedSplit:
    """Tokenise records of the columns `id, specialty, question, formatted_chat`.

    The prompt and the rest are tokenised apart and joined, so that an answer starts with the very token it
    starts with in generation. A sequence longer than `max_length` loses the end of its answer; one whose
    prompt leaves no room for a single answer token would have no loss at all and is left out.

    Raises:
        UserError: the template's prompt is no prefix of `formatted_chat`.
    """
    done = TokenizedSplit([], [], [])
    rows = iter(records)
    while block := list(islice(rows, RECORDS_PER_CALL)):
        _tokenize_block(block, tokenizer, template, system_message, max_length, done)
    return done


def _tokenize_block(
    records: Sequence[dict[str, str]],
    tokenizer: Any,
    template: ChatTemplate,
    system_message: str,
    max_length: int,
    done: TokenizedSplit,
) -> None:
    """Tokenise some records, and add them to what is `done`."""
    prompts = [render(template, record["question"], None, system_message) for record in records]
    for record, prompt in zip(records, prompts, strict=True):
        if not record["formatted_chat"].startswith(prompt):
            raise UserError(
                f"the chat template does not make the prompt that {record['id']} was formatted with: "
                "apply_chat_template(question, None, system) must be a prefix of the same call with an "
                "answer. Make the datasets again with: python dataset_preparation.py"
            )
    rests = [record["formatted_chat"][len(p) :] for record, p in zip(records, prompts, strict=True)]
    prompt_ids = token_ids(tokenizer, prompts)
    rest_ids = token_ids(tokenizer, rests)

    for record, prompt, rest in zip(records, prompt_ids, rest_ids, strict=True):
        if len(prompt) >= max_length:
            done.left_out.append(record["id"])
            continue
        if len(prompt) + len(rest) > max_length:
            done.cut.append(record["id"])
        ids = np.array((prompt + rest)[:max_length], dtype=np.int32)
        done.examples.append(Example(record["id"], record["specialty"], ids, len(prompt)))


def require_end(done: TokenizedSplit, tokenizer: Any, name: str) -> None:
    """Refuse to train answers whose end the model could not be told to stop at.

    Args:
        done: a split.
        tokenizer: of the base model.
        name: of the base model.

    Raises:
        UserError: no whole answer has a token that ends one; with what stands there instead.
    """
    from medqa.modeling.loading import stop_token_ids

    stops, cut = set(stop_token_ids(tokenizer)), set(done.cut)
    whole = next((example for example in done.examples if example.id not in cut), None)
    if whole is None or stops & set(whole.input_ids[whole.answer_start :].tolist()):
        return
    ending = tokenizer.decode(whole.input_ids[-3:])
    known = [tokenizer.decode(token) for token in sorted(stops)]
    raise UserError(
        f"answers end with {ending!r}, where generation would not stop: with the tokenizer of {name} it "
        f"stops at {' or '.join(map(repr, known))}. Write this model's own format into apply_chat_template "
        "in medqa/modeling/chat_template.py, and prepare the data again: python dataset_preparation.py"
    )


def token_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of texts that already contain their control tokens; nothing is added, nothing is cut."""
    if not texts:
        return []
    return tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False)["input_ids"]
