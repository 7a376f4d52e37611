"""From logits to the next token of each row."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Decoding:
    """How answers are decoded: everything that, with model and prompt, determines an answer."""

    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop_ids: tuple[int, ...]


def choose_tokens(
    logits: torch.Tensor, chance: torch.Tensor, decoding: Decoding, candidates: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """The next token of each row, and whether it is certain that these are the right ones.

    Temperature 0 takes the likeliest. Otherwise a token is drawn by the inverse of the cumulative
    distribution, among the likeliest tokens that together reach `top_p` (Holtzman et al., arXiv 1904.09751);
    of two equally likely ones, the one with the smaller id comes first.

    Args:
        logits: [rows, vocabulary].
        chance: float64 [rows], uniform in [0, 1).
        candidates: sort only so many tokens of each row, which is ten times as fast for a large vocabulary;
            when the likeliest tokens of a row are more than that, the second result is False. 0 sorts all.

    Returns:
        int64 [rows] and a bool scalar. Nothing waits for the GPU.
    """
    logits = logits.float()
    topk_exact = torch.ones((), dtype=torch.bool, device=logits.device)
    if decoding.temperature == 0:
        return logits.argmax(dim=-1), topk_exact
    highest = logits.amax(dim=-1, keepdim=True)
    weight = ((logits - highest) / decoding.temperature).exp().sum(dim=-1, keepdim=True, dtype=torch.float64)
    if candidates:
        values, tokens = logits.topk(candidates, dim=-1)
        tokens, order = tokens.sort(dim=-1)  # topk leaves open in which order equal ones come
        values, order = values.gather(1, order).sort(dim=-1, descending=True, stable=True)
        tokens = tokens.gather(1, order)
    else:
        values, tokens = logits.sort(dim=-1, descending=True, stable=True)
    shares = (((values - highest) / decoding.temperature).exp().double() / weight).cumsum(dim=-1)
    reached = (shares < decoding.top_p).sum(dim=-1, keepdim=True).clamp(max=shares.shape[-1] - 1)
    if candidates:  # a token left out may be as likely as the last one taken along
        topk_exact = (values.gather(1, reached) > values[:, -1:]).all()
    drawn = chance[:, None] * shares.gather(1, reached)
    place = (shares <= drawn).sum(dim=-1, keepdim=True).clamp(max=shares.shape[-1] - 1)
    return tokens.gather(1, place)[:, 0], topk_exact
