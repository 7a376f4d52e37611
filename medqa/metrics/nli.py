"""Computes which statements of the reference an answer entails, and which it contradicts.

The judge is an encoder trained on natural language inference (MNLI), such as microsoft/deberta-xlarge-mnli,
which is also the default encoder of BERTScore.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from medqa.metrics.encoder import (
    Batched,
    HeadMissing,
    clean,
    fingerprint,
    known_name,
    load_classifier,
    longest_input,
)
from medqa.metrics.score_cache import Pair, ScoreCache, Scores
from medqa.runtime.progress import Progress

# Tokens of a forward pass, with padding; halved when memory runs out.
TOKENS_PER_BATCH = 16_384
# Pairs of an answer and a statement that are tokenized at once.
PAIRS_PER_BLOCK = 4096
# With more parameters a CPU would need hours: the encoder reads an answer once per statement.
LARGEST_ON_CPU = 250_000_000
# Windows over a long answer overlap by this share of their length.
OVERLAP = 0.25

# The end of a statement: a full stop after a word, a number or a bracket, before a capital, a digit or a
# bracket. Not after "e.g.", "Dr.", or a single letter ("b.i.d.", "B. Smith").
STATEMENT_END = re.compile(
    r"(?:(?<=[^\W\d_]{2}[.!?])|(?<=[0-9)\]%\"'”’][.!?])|(?<=[.!?][\"')\]”’]))(?<!\b[DMS][rt]\.)(?<!\bMrs\.)"
    r"(?<!\bvs\.)(?<!\bcf\.)(?<!\bFig\.)(?<!\bapprox\.)(?<!\bca\.)\s+(?=[\"'(\[“‘]*[A-Z0-9])"
)
BULLET = re.compile(r"\s*(?:[-*•‣–]|\(?(?:[0-9]{1,2}|[a-z])[.)])\s+")


def statements(text: str) -> list[str]:
    """The distinct statements of a text, in order: its sentences and list items.

    An item includes the line before its list: "Watch for:\\n- fever" is the statement "Watch for: fever".
    Text without letters is not a statement.
    """
    found: list[str] = []
    lead = ""
    for line in filter(str.strip, text.splitlines()):
        bullet = BULLET.match(line)
        if bullet is None:
            lead = ""
        parts = [part.strip() for part in STATEMENT_END.split(line[bullet.end() :] if bullet else line)]
        if bullet is not None and lead:
            parts[0] = f"{lead} {parts[0]}"
        elif parts[-1].endswith(":"):
            lead = parts.pop()
        found += parts
    stated = [part for part in found if any(character.isalpha() for character in part)]
    return list(dict.fromkeys(map(clean, stated)))


class EntailmentScorer(Batched):
    """The shares of the reference's statements that an answer entails and contradicts.

    What it measures: whether the statements of the reference follow from the answer (`nli_entailed`), and
        whether the answer contradicts them (`nli_contradicted`), as judged by an encoder trained on MNLI.
    Range: 0 to 1. `nli_entailed`: higher is better; `nli_contradicted`: lower is better. None (not
        applicable, to be counted) when the reference has no statement. An empty answer entails nothing and
        contradicts nothing: 0 and 0.
    Formula: with s the statements (sentences, list items) of the reference and the answer as premise,
        nli_entailed = |{s: the likeliest label is entailment}| / |s|, nli_contradicted the same with
        contradiction. An answer longer than the encoder's input is read in windows that overlap by a quarter:
        a statement is entailed when any window entails it, contradicted when any window contradicts it and
        none entails it. A statement longer than half of the input is truncated.
    Source: K-QA's comprehensiveness and hallucination rate (Manor et al., arXiv 2401.14493), with the
        sentences of the reference in place of statements that physicians marked as necessary; MNLI: Williams
        et al., NAACL 2018.
    Does not see: what the question was; numbers, reliably (an encoder of general English may take 50 mg for
        5 mg); facts that the reference lacks; statements that need two windows of a long answer together.

    Attributes:
        name: name of the encoder, or the folder's name.
        max_tokens: longest input, of answer and statement together.
        judged: pairs of an answer and a statement judged so far (the others came from the cache).
        windowed: the answers so far that were read in windows.
        fingerprint: identifies weights, labels, longest input and precision.
    """

    def __init__(
        self,
        model: str | Path,
        device: str | None = None,
        cache_folder: str | Path | None = None,
        dtype: str = "float32",
    ) -> None:
        """Load an encoder with its head.

        Args:
            model: a folder, or a name on the Hugging Face Hub that is in the Hub's cache on this machine.
            device: "cpu", "cuda", …; None: the GPU when there is one.
            cache_folder: where judgements are stored from one run to the next; None: nowhere.
            dtype: "float32" or "bfloat16".

        Raises:
            HeadMissing: no such model, no labels for entailment and contradiction, no head among the weights,
                or too large for a CPU.
        """
        import torch

        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.tokenizer, self.classifier, self.labels = load_classifier(str(model))
        size = sum(weights.numel() for weights in self.classifier.parameters())
        if self.device.type == "cpu" and size > LARGEST_ON_CPU:
            raise HeadMissing(
                f"{model} needs a GPU to judge entailment: it has {size / 1e6:.0f} million parameters, and "
                "reads each answer once for each statement of its reference"
            )
        self.name = known_name(str(model))
        self.max_tokens = longest_input(self.tokenizer, self.classifier.config)
        self.classifier.to(self.device, getattr(torch, dtype)).eval()
        self.tokens_per_batch = TOKENS_PER_BATCH
        self.judged = 0
        self.windowed: set[str] = set()
        self.fingerprint = fingerprint(
            self.classifier, sorted(self.labels.items()), self.max_tokens, dtype, OVERLAP
        )
        self._cache = ScoreCache(cache_folder, "entailment", self.fingerprint)

    def score(self, references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, list[float | None]]:
        """Score pairs of texts; each distinct pair of an answer and a statement is judged once.

        Returns:
            `nli_entailed` and `nli_contradicted`, lists in the order of the pairs.
        """
        by_reference = {reference: statements(reference) for reference in set(references)}
        pairs = list(zip(references, map(clean, hypotheses), strict=True))
        found = self.judge([(answer, one) for reference, answer in pairs for one in by_reference[reference]])
        columns: dict[str, list[float | None]] = {"nli_entailed": [], "nli_contradicted": []}
        for reference, answer in pairs:
            labels = [_label(found[answer, one]) for one in by_reference[reference]]
            for name, values in columns.items():
                values.append(labels.count(name.removeprefix("nli_")) / len(labels) if labels else None)
        return columns

    def judge(self, pairs: Sequence[Pair]) -> dict[Pair, Scores]:
        """Probabilities of entailment, of contradiction, and of the most likely other label, for each pair.

        For a long answer, those of the window that decides: the most likely to entail if one entails, else
        the most likely to contradict.
        """
        distinct = dict.fromkeys(pairs)
        length = {
            text: len(self.tokenizer.encode(text, add_special_tokens=False, verbose=False))
            for text in dict.fromkeys(text for pair in distinct for text in pair)
        }
        available = self.max_tokens - self.tokenizer.num_special_tokens_to_add(pair=True)
        self.windowed |= {answer for answer, one in distinct if length[answer] + length[one] > available}
        found = {pair: known for pair in distinct if (known := self._cache.get(pair)) is not None}
        found |= {pair: (0.0, 0.0, 1.0) for pair in distinct if not pair[0]}
        # Sorted by length, so that blocks and batches need little padding.
        missing = sorted(
            distinct.keys() - found.keys(), key=lambda pair: (-length[pair[0]] - length[pair[1]], pair)
        )
        with Progress("Entailment", len(missing), "statement") as progress:
            for start in range(0, len(missing), PAIRS_PER_BLOCK):
                block = missing[start : start + PAIRS_PER_BLOCK]
                inputs = [(pair, row) for pair in block for row in self._inputs(pair)]
                inputs.sort(key=lambda item: len(item[1]["input_ids"]))
                judged: dict[Pair, Scores] = {}
                for pair, scores in self._forward(inputs):
                    judged[pair] = max(judged.get(pair, scores), scores, key=_decision_key)
                found |= judged
                self._cache.add(judged)
                self.judged += len(block)
                progress.advance(len(block))
        return found

    def _inputs(self, pair: Pair) -> list[dict[str, list[int]]]:
        """The encoder's inputs for a pair: one, or several windows when the answer is long."""
        answer, statement = pair
        inputs = self.tokenizer(answer, statement, verbose=False)
        if len(inputs["input_ids"]) <= self.max_tokens:
            return [dict(inputs)]
        ids = self.tokenizer.encode(statement, add_special_tokens=False, verbose=False)
        if len(ids) > self.max_tokens // 2:
            ids = ids[: self.max_tokens // 2]
            statement = self.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
            ids = self.tokenizer.encode(statement, add_special_tokens=False, verbose=False)
        window = self.max_tokens - len(ids) - self.tokenizer.num_special_tokens_to_add(pair=True)
        windows = self.tokenizer(
            answer, statement, truncation="only_first", max_length=self.max_tokens,
            stride=int(window * OVERLAP), return_overflowing_tokens=True,
        )  # fmt: skip
        names = [name for name in self.tokenizer.model_input_names if name in windows]
        return [dict(zip(names, row, strict=True)) for row in zip(*map(windows.get, names), strict=True)]

    def _forward(self, inputs: list[tuple[Pair, dict[str, list[int]]]]) -> Iterator[tuple[Pair, Scores]]:
        """Probabilities of each input; `inputs` are sorted by length."""
        import torch

        padding = {"input_ids": self.tokenizer.pad_token_id or 0}
        entailment, contradiction = self.labels["entailment"], self.labels["contradiction"]

        def length(item: tuple[Pair, dict[str, list[int]]]) -> int:
            return len(item[1]["input_ids"])

        def forward(batch: list[tuple[Pair, dict[str, list[int]]]]) -> list[list[float]]:
            longest = length(batch[-1])
            tensors = {
                name: torch.tensor([
                    row[name] + [padding.get(name, 0)] * (longest - len(row[name])) for _, row in batch
                ]).to(self.device)
                for name in batch[0][1]
            }  # fmt: skip
            with torch.inference_mode():
                return self.classifier(**tensors).logits.double().softmax(-1).cpu().tolist()

        for batch, rows in self._run_batches(inputs, length, forward):
            for (pair, _), row in zip(batch, rows, strict=True):
                others = [p for label, p in enumerate(row) if label not in (entailment, contradiction)]
                yield pair, (row[entailment], row[contradiction], max(others, default=0.0))


def _label(scores: Scores) -> str:
    """The most likely label."""
    entailed, contradicted, neither = scores
    if entailed >= max(contradicted, neither):
        return "entailed"
    return "contradicted" if contradicted >= neither else "neither"


def _decision_key(scores: Scores) -> tuple[int, float]:
    """Sort key: the largest is the window that decides. Entailment before contradiction, then probability."""
    label = _label(scores)
    rank = ("neither", "contradicted", "entailed").index(label)
    return rank, scores[(2, 1, 0)[rank]]
