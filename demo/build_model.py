"""Build the demo's two toy models from the demo's own text, in about a minute on two CPU cores.

python demo/build_model.py

`demo/base_model` is a Llama of 2 million parameters with Llama-3's control tokens. It has read the answers of
the demo's train and pool pairs as plain text, never those of the holdout or the eval split. So it knows the
language but not the question-answer form, and fine-tuning has something real to teach. `demo/toy_encoder`
is a BERT-like encoder of 1 million parameters, trained to fill gaps in the same text, so that BERTScore
runs offline. Both are toys: they show that the pipeline works, not how good a model can be.
"""

import argparse
import contextlib
import io
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from config import DatasetConfig
from medqa.artifacts.atomic_io import share_weights
from medqa.runtime.console import elapsed, print_rank0
from medqa.runtime.entrypoint import run_script

HERE = Path(__file__).resolve().parent
SEED = 42
VOCABULARY = 3072
LENGTH = 128  # tokens of one training sequence
BATCH = 8
BASE_STEPS = 100
ENCODER_STEPS = 80
LLAMA_TOKENS = [
    "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|start_header_id|>",
    "<|end_header_id|>", "<|eot_id|>",
]  # fmt: skip
BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Before byte-pair encoding a text is split as Llama-3 does: words with the space before them, numbers by
# three digits, runs of other signs.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def seen_answers(data_dir: Path) -> list[list[str]]:
    """Answers that the toys may read, by specialty in file order: those of train and pool, nothing else."""
    from dataset_preparation import create_datasets

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        _, train, _, pool = create_datasets(DatasetConfig(DATA_DIR=str(data_dir), OUTPUT_DIR=folder))
        allowed = set(train["response"]) | set(pool["response"])
    files = sorted(data_dir.glob("dataset_with_answers_*.json"))
    return [
        [answer for answer in json.loads(path.read_text(encoding="utf-8")).values() if answer in allowed]
        for path in files
    ]


def train_tokenizer(texts: list[str], special: list[str]) -> Any:
    """A byte-level BPE tokenizer of `VOCABULARY` tokens; the special tokens come last, as in Llama-3."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, as_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(special)
    return tokenizer


def documents(answers: list[list[str]], chance: random.Random) -> Iterator[str]:
    """Endless plain text: one to three neighbouring answers of a specialty make a document.

    Half of the documents say their answers twice, in another order. That is how so small a model learns to
    look back and take words up again, which a question will need.
    """
    while True:
        pieces = []
        for specialty in answers:
            start = 0
            while start < len(specialty):
                count = chance.randint(1, 3)
                part = specialty[start : start + count]
                again = chance.sample(part, len(part)) if chance.random() < 0.5 else []
                pieces.append("\n\n".join(part + again))
                start += count
        chance.shuffle(pieces)
        yield from pieces


def batches(answers: list[list[str]], core: Any, first: int, last: int, seed: int) -> Iterator[Any]:
    """Endless batches of token ids, int64 [BATCH, LENGTH]: documents laid end to end."""
    import torch

    text = documents(answers, random.Random(seed))
    stream: list[int] = []
    while True:
        while len(stream) < BATCH * LENGTH:
            stream += [first, *core.encode(next(text), add_special_tokens=False).ids, last]
        yield torch.tensor(stream[: BATCH * LENGTH]).view(BATCH, LENGTH)
        stream = stream[BATCH * LENGTH :]


def orthogonalized(gradient: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """The nearest semi-orthogonal matrix, about, by the Newton-Schulz iteration of Muon, in float32."""
    a, b, c = coefficients
    wide = gradient.T if gradient.size(0) > gradient.size(1) else gradient
    wide = wide / wide.norm().clamp(min=eps)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    return wide.T if gradient.size(0) > gradient.size(1) else wide


def optimise(model: Any, steps: int, loss_of_next_batch: Callable[[], Any]) -> float:
    """Train all weights; returns the mean loss of the last 20 steps.

    Muon on the matrices of the layers (Jordan, 2024) learns from so little text about twice as fast as AdamW,
    which takes the rest.
    """
    import torch
    from torch.optim import _muon

    # torch orthogonalizes in bfloat16, which takes minutes on processors without AVX-512.
    _muon._zeropower_via_newtonschulz = orthogonalized
    matrices = [w for name, w in model.named_parameters() if w.ndim == 2 and "embed" not in name]
    taken = {id(weight) for weight in matrices}
    rest = [weight for weight in model.parameters() if id(weight) not in taken]
    optimizers = [
        torch.optim.Muon(matrices, lr=0.02, weight_decay=0.0),
        torch.optim.AdamW(rest, lr=3e-3, betas=(0.9, 0.95), weight_decay=0.05),
    ]

    def rate(step: int) -> float:
        """Up over the first tenth, level, then down over the last six tenths."""
        return min(1, (step + 1) / (0.1 * steps), max(0.02, (steps - step) / (0.6 * steps)))

    schedules = [torch.optim.lr_scheduler.LambdaLR(optimizer, rate) for optimizer in optimizers]
    model.train()
    losses = []
    for _ in range(steps):
        loss = loss_of_next_batch()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for part in (*optimizers, *schedules):
            part.step()
        model.zero_grad()
        losses.append(loss.item())
    return sum(losses[-20:]) / len(losses[-20:])


def build_base(answers: list[list[str]], folder: Path) -> float:
    """Train and save the toy Llama; returns its last training loss in nats per token."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(SEED)
    core = train_tokenizer([text for specialty in answers for text in specialty], LLAMA_TOKENS)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<|begin_of_text|>",
        eos_token="<|end_of_text|>",
        clean_up_tokenization_spaces=False,
    )
    begin, end = core.token_to_id("<|begin_of_text|>"), core.token_to_id("<|end_of_text|>")
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=3,
            num_key_value_heads=1,
            max_position_embeddings=2048,
            initializer_range=0.06,
            tie_word_embeddings=True,
            bos_token_id=begin,
            eos_token_id=end,
        )
    )
    source = batches(answers, core, begin, end, SEED)

    def loss() -> Any:
        batch = next(source)
        return model(input_ids=batch, labels=batch).loss

    last = optimise(model, BASE_STEPS, loss)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return last


def build_encoder(answers: list[list[str]], folder: Path) -> float:
    """Train and save the toy BERT on filling gaps; returns its last training loss in nats per gap."""
    import torch
    from tokenizers.processors import TemplateProcessing
    from transformers import ModernBertConfig, ModernBertForMaskedLM, PreTrainedTokenizerFast

    torch.manual_seed(SEED)
    core = train_tokenizer([text for specialty in answers for text in specialty], BERT_TOKENS)
    begin, end, gap = (core.token_to_id(token) for token in ("[CLS]", "[SEP]", "[MASK]"))
    core.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", begin), ("[SEP]", end)],
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token="[MASK]",
        unk_token="[UNK]",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
    model = ModernBertForMaskedLM(
        ModernBertConfig(
            vocab_size=VOCABULARY,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=512,
            global_attn_every_n_layers=1,
            initializer_range=0.05,
            pad_token_id=core.token_to_id("[PAD]"),
            cls_token_id=begin,
            sep_token_id=end,
            bos_token_id=begin,
            eos_token_id=end,
        )
    )
    source = batches(answers, core, begin, end, SEED + 1)

    def loss() -> Any:
        batch = next(source)
        gaps = torch.rand(batch.shape) < 0.3
        return model(input_ids=batch.masked_fill(gaps, gap), labels=batch.masked_fill(~gaps, -100)).loss

    last = optimise(model, ENCODER_STEPS, loss)
    model.model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return last


TOYS = {
    "base_model": ("Toy base model", build_base),
    "toy_encoder": ("Toy BERTScore encoder", build_encoder),
}


def main() -> None:
    """Build what is not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--again", action="store_true", help="build both models even if they are there")
    again = parser.parse_args().again
    missing = [name for name in TOYS if again or not (HERE / name / "config.json").exists()]
    for name in TOYS.keys() - set(missing):
        print_rank0(f"{TOYS[name][0]}: demo/{name} is there, reused")
    if not missing:
        return
    from medqa.runtime.library_warnings import quiet

    quiet()
    answers = seen_answers(HERE / "data")
    print_rank0(f"Reading {sum(map(len, answers)):,} answers of the train and pool pairs")
    for name in missing:
        started = time.monotonic()
        temporary = HERE / f"{name}.incomplete"
        shutil.rmtree(temporary, ignore_errors=True)
        loss = TOYS[name][1](answers, temporary)
        share_weights(temporary, "config.json")
        shutil.rmtree(HERE / name, ignore_errors=True)
        temporary.rename(HERE / name)
        print_rank0(
            f"{TOYS[name][0]}: demo/{name}, last loss {loss:.2f}, {elapsed(time.monotonic() - started)}"
        )


if __name__ == "__main__":
    run_script(main, "Run it again with: python demo/build_model.py")
