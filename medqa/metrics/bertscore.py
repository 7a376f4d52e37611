"""Computes BERTScore, the similarity of two texts' hidden states, with the results of the bert_score library.

The library itself fails on transformers 5 for `microsoft/deberta-xlarge-mnli` (whose tokenizer has no maximum
length) and for any empty text, and it keeps every hidden state of a run in memory.
"""

import importlib.util
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medqa.metrics.encoder import (
    Batched,
    clean,
    fingerprint,
    known_name,
    load_encoder,
    longest_input,
    require_layer,
)
from medqa.metrics.score_cache import ScoreCache
from medqa.runtime.progress import Progress

# Tokens of a forward pass, with padding; halved when memory runs out.
TOKENS_PER_BATCH = 16_384
# Pairs whose hidden states are in memory at once: about 1 GB for 300 tokens of 1,024 float32 numbers.
PAIRS_PER_BLOCK = 512


def with_f1(precision: float, recall: float) -> tuple[float, float, float]:
    """Precision, recall and F1; F1 is 0 unless both have the same sign (see `BertScorer`)."""
    same_sign = precision * recall > 0
    return precision, recall, 2 * precision * recall / (precision + recall) if same_sign else 0.0


class BertScorer(Batched):
    """BERTScore precision, recall and F1 of answers against their references.

    What it measures: whether each word piece of one text has a similar one, in its context, in the other.
    Range: −1 to 1, in practice 0.3 to 1 for raw values, higher is better. Rescaled values (b = the mean
        score of random sentence pairs, (x − b) / (1 − b)) spread over about 0 to 1; an empty text lies
        below 0 there.
    Formula: with x_i, y_j the unit-length hidden states of reference and answer at one layer, P = mean over j
        of max_i x_i·y_j, R = mean over i of max_j x_i·y_j, F1 = 2PR / (P + R). [CLS] and [SEP] can be matched
        but are not averaged over; no idf weights. An empty text scores 0 in all three. The same numbers as
        `bert_score.score` to 1e-6 in float32, wherever that library works and P and R have the same sign.
        With opposite signs, as the cosines of a weak encoder can have, 2PR / (P + R) is no mean and has no
        bound (1.117, −0.647); F1 is then 0, its limit where P or R approaches 0, which lies between them.
        The baselines of P, R and F1 differ slightly, so a rescaled F1 may lie just outside of P and R.
    Source: Zhang et al., "BERTScore: Evaluating Text Generation with BERT", ICLR 2020; layer and baseline
        are those packaged with bert_score 0.3.13 (layer 40 for microsoft/deberta-xlarge-mnli).
    Does not see: the wrong dose and negation ("5 mg" and "50 mg", "fever" and "no fever" have similar
        states); what lies beyond the longest input of the encoder (`truncated` has these texts).

    Attributes:
        name: name by which layer and baseline were looked up, or the folder's name.
        layer: hidden layer that is compared.
        max_tokens: longest input; longer texts are truncated.
        truncated: the texts truncated so far.
        encoded: texts encoded so far (the others came from the cache).
        fingerprint: identifies weights, layer, longest input and precision.
    """

    def __init__(
        self,
        model: str | Path,
        layer: int = 0,
        device: str | None = None,
        cache_folder: str | Path | None = None,
        dtype: str = "float32",
    ) -> None:
        """Load an encoder.

        Args:
            model: a folder, or a name on the Hugging Face Hub. Local files come first; the Hub is contacted
                only if HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE are not set.
            layer: hidden layer to compare; 0: the one tuned for the named model, else the last.
            device: "cpu", "cuda", …; None: the GPU when there is one.
            cache_folder: where scores are stored from one run to the next; None: nowhere.
            dtype: "float32", or "bfloat16", which on an H200 takes 6 s for 840 pairs instead of 15 s, with
                errors up to 0.0005.

        Raises:
            EncoderMissing: no such folder, no such model, no internet, or not an encoder.
        """
        import torch

        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.dtype = dtype
        self.tokenizer, self.encoder = load_encoder(str(model))
        self.name = known_name(str(model))
        self.layer = self._choose_layer(layer)
        self.max_tokens = longest_input(self.tokenizer, self.encoder.config)
        self._drop_unused_layers()
        # Cast here: loaded in bfloat16, transformers' DeBERTa keeps two biases in float32 and fails.
        self.encoder.to(self.device, getattr(torch, dtype)).eval()
        self.baseline = _baseline(self.name, self.layer)
        self.tokens_per_batch = TOKENS_PER_BATCH
        self.encoded = 0
        self.truncated: set[str] = set()
        self.fingerprint = fingerprint(self.encoder, self.layer, self.max_tokens, self.dtype)
        self._cache = ScoreCache(cache_folder, "bertscore", self.fingerprint)

    def score(self, references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, list[float]]:
        """Score pairs of texts; each distinct text is encoded once.

        Score both models' answers in one call, so that their references are encoded only once.

        Returns:
            `bertscore_precision`, `bertscore_recall`, `bertscore_f1`, and the same names with `_rescaled`
            when bert_score packages a baseline for this encoder; lists in the order of the pairs.
        """
        keys = list(zip(map(clean, references), map(clean, hypotheses), strict=True))
        ids = self._tokenize({text for pair in keys for text in pair})
        # F1 is not taken from the cache: earlier versions stored others for opposite signs.
        stored = {key: known for key in set(keys) if (known := self._cache.get(key)) is not None}
        scores = {key: with_f1(*known[:2]) for key, known in stored.items()}
        scores |= {key: (0.0, 0.0, 0.0) for key in set(keys) if not (ids[key[0]] and ids[key[1]])}
        # Sorted by length, so that blocks and batches need little padding; then by text, because the order of
        # a set changes from run to run.
        missing = sorted(
            set(keys) - scores.keys(), key=lambda key: (-max(len(ids[text]) for text in key), key)
        )
        for found in self._compute(missing, ids):
            scores |= found
            self._cache.add(found)
        columns = {
            f"bertscore_{name}": [scores[key][index] for key in keys]
            for index, name in enumerate(("precision", "recall", "f1"))
        }
        if self.baseline is not None:
            columns |= {
                f"{name}_rescaled": [(value - low) / (1 - low) for value in values]
                for (name, values), low in zip(columns.items(), self.baseline, strict=True)
            }
        return columns

    def _tokenize(self, texts: set[str]) -> dict[str, list[int]]:
        """Token ids of each text, with special tokens; an empty list for a text without other tokens."""
        special = {self.tokenizer.cls_token_id, self.tokenizer.sep_token_id}
        ids = {}
        for text in sorted(texts):
            text_ids = self.tokenizer.encode(text, add_special_tokens=True, verbose=False) if text else []
            if len(text_ids) > self.max_tokens:
                self.truncated.add(text)
                text_ids = self.tokenizer.encode(
                    text, add_special_tokens=True, truncation=True, max_length=self.max_tokens
                )
            ids[text] = text_ids if set(text_ids) - special else []
        return ids

    def _compute(self, pairs: list[tuple[str, str]], ids: dict[str, list[int]]) -> Iterator[dict]:
        """Score pairs block by block; hidden states that a later block needs stay in memory."""
        import torch

        uses = Counter(text for pair in pairs for text in set(pair))
        states: dict[str, Any] = {}
        with Progress("BERTScore", len(uses), "text") as progress, torch.inference_mode():
            for start in range(0, len(pairs), PAIRS_PER_BLOCK):
                block = pairs[start : start + PAIRS_PER_BLOCK]
                needed = {text for pair in block for text in pair} - states.keys()
                for text, hidden in self._encode(
                    sorted(needed, key=lambda text: (len(ids[text]), text)), ids
                ):
                    states[text] = hidden
                    progress.advance()
                rows = torch.stack([self._match(ids[a], states[a], ids[b], states[b]) for a, b in block])
                for pair in block:
                    for text in set(pair):
                        uses[text] -= 1
                        if not uses[text]:
                            del states[text]
                yield {
                    key: with_f1(*row) for key, row in zip(block, rows.double().cpu().tolist(), strict=True)
                }

    def _encode(self, texts: list[str], ids: dict[str, list[int]]) -> Iterator[tuple[str, Any]]:
        """Unit-length hidden states, a [tokens, size] tensor for each text; `texts` come sorted by length."""
        import torch

        def forward(batch: list[str]) -> Any:
            longest = len(ids[batch[-1]])
            padded = torch.full((len(batch), longest), self.tokenizer.pad_token_id or 0)
            mask = torch.zeros_like(padded)
            for row, text in enumerate(batch):
                padded[row, : len(ids[text])] = torch.tensor(ids[text])
                mask[row, : len(ids[text])] = 1
            return self.encoder(
                padded.to(self.device),
                attention_mask=mask.to(self.device),
                output_hidden_states=not self._trimmed,
            )

        for batch, output in self._run_batches(texts, lambda text: len(ids[text]), forward):
            hidden = output.last_hidden_state if self._trimmed else output.hidden_states[self.layer]
            hidden = torch.nn.functional.normalize(hidden.float(), dim=-1, eps=1e-30)
            for row, text in enumerate(batch):
                # A copy, because a view would keep the whole batch with its padding in memory.
                yield text, hidden[row, : len(ids[text])].clone()
            self.encoded += len(batch)

    def _match(
        self, reference_ids: list[int], reference: Any, hypothesis_ids: list[int], hypothesis: Any
    ) -> Any:
        """Precision and recall of one pair, on the device."""
        import torch

        similarity = hypothesis @ reference.T
        precision = similarity.amax(dim=1)[self._text_positions(hypothesis_ids)].mean()
        recall = similarity.amax(dim=0)[self._text_positions(reference_ids)].mean()
        return torch.stack([precision, recall])

    def _text_positions(self, ids: list[int]) -> Any:
        """Positions of the tokens other than [CLS] and [SEP]."""
        import torch

        special = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        return torch.tensor([i for i, token in enumerate(ids) if token not in special], device=self.device)

    def _choose_layer(self, layer: int) -> int:
        """The given layer; for 0 the tuned layer of a known encoder, else the last."""
        last = self.encoder.config.num_hidden_layers
        require_layer(layer, last)
        if layer:
            return layer
        from bert_score.utils import model2layers

        return min(model2layers.get(self.name, last), last)

    def _drop_unused_layers(self) -> None:
        """Remove the layers above the compared one: a sixth of the work of deberta-xlarge-mnli."""
        import torch

        body = getattr(self.encoder, "encoder", None) or getattr(self.encoder, "transformer", None)
        layers = getattr(body, "layer", None)
        self._trimmed = isinstance(layers, torch.nn.ModuleList)
        if self._trimmed:
            body.layer = layers[: self.layer]


def _baseline(name: str, layer: int) -> tuple[float, float, float] | None:
    """Mean precision, recall and F1 of random English pairs at that layer, from bert_score's files."""
    specification = importlib.util.find_spec("bert_score")
    path = Path(specification.origin).parent / "rescale_baseline" / "en" / f"{name}.tsv"
    if not path.is_file():
        return None
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    values = {int(row[0]): tuple(float(value) for value in row[1:4]) for row in rows}
    return values.get(layer)
