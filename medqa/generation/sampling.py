"""Chooses the next token of each row from its logits."""

from dataclasses import dataclass

import torch

from medqa.generation.fused_kernels import sum_of_exp


@dataclass(frozen=True)
class Decoding:
    """How answers are decoded. Together with model and prompt it determines an answer."""

    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop_ids: tuple[int, ...]


def choose_tokens(
    logits: torch.Tensor, draws: torch.Tensor, decoding: Decoding, candidates: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """The next token of each row, and whether the top-k was enough to choose it exactly.

    Temperature 0 takes the most likely token. Otherwise a token is drawn by the inverse of the cumulative
    distribution, among the most likely tokens that together reach `top_p` (nucleus sampling, Holtzman et al.,
    arXiv 1904.09751); of two equally likely ones, the one with the smaller id comes first.

    Args:
        logits: [rows, vocabulary].
        draws: float64 [rows], uniform in [0, 1).
        decoding: temperature and top_p.
        candidates: sort only this many tokens of each row, which is ten times as fast for a large vocabulary;
            when the nucleus of a row is larger, the second result is False. 0 sorts all tokens.

    Returns:
        int64 [rows] and a bool scalar, both on the GPU: nothing here waits for it.
    """
    topk_exact = torch.ones((), dtype=torch.bool, device=logits.device)
    if decoding.temperature == 0:
        return logits.argmax(dim=-1), topk_exact
    if candidates:
        values, tokens = logits.topk(candidates, dim=-1)
        tokens, order = tokens.sort(dim=-1)  # topk returns equal logits in no fixed order
        values, order = values.gather(1, order).sort(dim=-1, descending=True, stable=True)
        tokens = tokens.gather(1, order)
    else:
        values, tokens = logits.sort(dim=-1, descending=True, stable=True)
    values = values.float()
    highest = values[:, :1]
    total = sum_of_exp(logits, highest, decoding.temperature)
    cumulative = (((values - highest) / decoding.temperature).exp().double() / total).cumsum(dim=-1)
    last = cumulative.shape[-1] - 1
    nucleus_end = (cumulative < decoding.top_p).sum(dim=-1, keepdim=True).clamp(max=last)
    if candidates:  # a token outside the top-k may be as likely as the last one of the nucleus
        topk_exact = (values.gather(1, nucleus_end) > values[:, -1:]).all()
    threshold = draws[:, None] * cumulative.gather(1, nucleus_end)
    chosen = (cumulative <= threshold).sum(dim=-1, keepdim=True).clamp(max=last)
    return tokens.gather(1, chosen)[:, 0], topk_exact
