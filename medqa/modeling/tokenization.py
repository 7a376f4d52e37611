"""Tokenizes records into examples whose answer tokens are trained and whose prompt tokens are masked."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from medqa.modeling.chat_template import ChatTemplate, apply_chat_template, end_of_turn, render
from medqa.runtime.console import WarningLog, counted, print_rank0
from medqa.runtime.errors import UserError

if TYPE_CHECKING:
    import numpy as np

STOP_TOKENS = ("<|eot_id|>", "<|end_of_text|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "</s>")
# Records per call of the tokenizer, which holds about 150 bytes per token until the call returns.
RECORDS_PER_CALL = 256


class Example(NamedTuple):
    """One tokenized exchange."""

    id: str
    specialty: str
    input_ids: "np.ndarray"  # int32 [length]: prompt, answer, end of turn
    answer_start: int  # tokens before it are the prompt and have no loss

    @property
    def num_label_tokens(self) -> int:
        """Number of trained tokens: the answer and its end of turn."""
        return len(self.input_ids) - self.answer_start


class TokenizedSplit(NamedTuple):
    """Examples, and the records that had to be cut or left out."""

    examples: list[Example]
    cut: list[str]  # ids whose answer lost its end
    left_out: list[str]  # ids whose prompt alone fills the maximum length


def tokenize(
    records: Iterable[dict[str, str]],
    tokenizer: Any,
    template: ChatTemplate,
    system_message: str,
    max_length: int,
) -> TokenizedSplit:
    """Tokenize records with the columns `id, specialty, question, formatted_chat`.

    Prompt and answer are tokenized separately and joined, so the answer starts with the same token as in
    generation. An answer is cut where the sequence exceeds `max_length`. A record whose prompt fills
    `max_length` would have no loss and is left out.

    Raises:
        UserError: the template's prompt is not a prefix of `formatted_chat`.
    """
    import numpy as np

    split = TokenizedSplit([], [], [])
    iterator = iter(records)
    while block := list(islice(iterator, RECORDS_PER_CALL)):
        prompts = [render(template, record["question"], None, system_message) for record in block]
        answers = [_after_prompt(record, prompt) for record, prompt in zip(block, prompts, strict=True)]
        ids = (token_ids(tokenizer, texts) for texts in (prompts, answers))
        for record, prompt_ids, answer_ids in zip(block, *ids, strict=True):
            if len(prompt_ids) >= max_length:
                split.left_out.append(record["id"])
                continue
            if len(prompt_ids) + len(answer_ids) > max_length:
                split.cut.append(record["id"])
            input_ids = np.array((prompt_ids + answer_ids)[:max_length], dtype=np.int32)
            split.examples.append(Example(record["id"], record["specialty"], input_ids, len(prompt_ids)))
    return split


def _after_prompt(record: dict[str, str], prompt: str) -> str:
    """The part of a formatted record that follows its prompt.

    Raises:
        UserError: the record does not start with the prompt.
    """
    if not record["formatted_chat"].startswith(prompt):
        raise UserError(
            f"the chat template does not make the prompt that {record['id']} was formatted with: "
            "apply_chat_template(question, None, system) must be a prefix of the same call with an "
            "answer. Make the datasets again with: python dataset_preparation.py"
        )
    return record["formatted_chat"][len(prompt) :]


def print_split(split: TokenizedSplit, name: str, max_length: int, warnings: WarningLog) -> None:
    """Print the size of a split of the training data; warn of what was cut or left out."""
    tokens = sum(len(example.input_ids) for example in split.examples)
    answers = sum(example.num_label_tokens for example in split.examples)
    sequences = counted(len(split.examples), "sequence")
    print_rank0(f"{name}: {sequences}, {tokens:,} tokens, {answers:,} of them in answers")
    if split.cut:
        warnings.add(
            f"{counted(len(split.cut), 'answer')} of {name} cut at MAX_SEQ_LENGTH {max_length} (first: "
            f"{split.cut[0]}); cut answers teach the model to stop in mid-sentence."
        )
    if split.left_out:
        warnings.add(
            f"{counted(len(split.left_out), 'pair')} of {name} left out, because the question alone fills "
            f"MAX_SEQ_LENGTH {max_length} (first: {split.left_out[0]})."
        )


def token_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of texts that contain their control tokens already; adds nothing and cuts nothing."""
    if not texts:
        return []
    return tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False)["input_ids"]


def stop_token_ids(
    tokenizer: Any, template: ChatTemplate = apply_chat_template, generation_stops: Iterable[int] = ()
) -> list[int]:
    """Ids of the tokens that end an answer: end of turn and end of text.

    Meerkat's files name only `<|end_of_text|>`, although its answers end with `<|eot_id|>`; we use both.

    Args:
        tokenizer: of the base model.
        template: what it writes after an answer begins with the end of turn.
        generation_stops: ids that generation_config.json names.

    Raises:
        UserError: there is none.
    """
    vocabulary = tokenizer.get_vocab()
    ids = {vocabulary[token] for token in STOP_TOKENS if token in vocabulary} | set(generation_stops)
    if tokenizer.eos_token_id is not None:
        ids.add(tokenizer.eos_token_id)
    [after] = token_ids(tokenizer, [end_of_turn(template)])
    if after and after[0] in tokenizer.all_special_ids:
        ids.add(after[0])
    if not ids:
        raise UserError(
            "the tokenizer names no token that ends a text. Set eos_token in its tokenizer_config.json, "
            "for example to <|eot_id|>."
        )
    return sorted(ids)


def require_end(split: TokenizedSplit, tokenizer: Any, stops: Iterable[int]) -> None:
    """Refuse to train on answers that do not end with a stop token: generation would never stop.

    Args:
        split: tokenized records.
        tokenizer: of the base model.
        stops: ids at which generation stops.

    Raises:
        UserError: an uncut answer has no stop token; with the text at its end.
    """
    stops, cut = set(stops), set(split.cut)
    uncut = next((example for example in split.examples if example.id not in cut), None)
    if uncut is None or stops & set(uncut.input_ids[uncut.answer_start :].tolist()):
        return
    ending = tokenizer.decode(uncut.input_ids[-12:])
    known = [tokenizer.decode(token) for token in sorted(stops)]
    raise UserError(
        f"answers end with {ending!r}, where generation would not stop: with the tokenizer of "
        f"{tokenizer.name_or_path} it stops at {' or '.join(map(repr, known))}. Write this model's "
        "format into apply_chat_template in medqa/modeling/chat_template.py, and prepare the data again: "
        "python dataset_preparation.py"
    )
