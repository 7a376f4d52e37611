"""Computes the loss of a model on the reference answers, teacher-forced."""

from collections.abc import Callable, Mapping, Sequence

from medqa.generation.model_pair import Models
from medqa.generation.prediction_cache import ROLES, Losses
from medqa.generation.shards import Shard
from medqa.modeling.answer_loss import losses_by_pass, passes
from medqa.modeling.tokenization import Example
from medqa.runtime.console import counted, print_rank0
from medqa.runtime.distributed import own_share
from medqa.runtime.progress import Progress


def answer_losses(
    models: Models,
    role: str,
    examples: Sequence[Example],
    known: Mapping[str, object],
    keep: Callable[[Losses], None],
    shard: Shard,
) -> Losses:
    """Teacher-forced loss of the reference answers: summed nats and number of tokens, by example id.

    Computes this rank's share of the examples of the shard that are not `known`. `keep` is called with the
    losses of each forward pass as soon as they are computed.

    What it measures (`answer_loss`, their quotient): how unlikely the model finds the reference answer, given
        the question and the preceding words of the answer.
    Range: 0 to infinity, lower is better; nats per token of this tokenizer, so models with different
        tokenizers must not be compared. None (not applicable, to be counted) when the question alone fills
        the longest input.
    Formula: −Σ log p(token | prompt, tokens before) / tokens, over the answer and its end of turn; e to this
        power is the perplexity.
    Source: the loss that fine-tuning lowers; perplexity: Jelinek et al., 1977.
    Does not see: what the model writes by itself; whether the reference is right; what lies beyond
        MAX_PROMPT_LENGTH + MAX_NEW_TOKENS.
    """
    print_rank0(f"{role}: answer_loss of {counted(len(examples), 'reference answer')}, {len(known):,} reused")
    # Packed before the ranks share the work: the last digits of a sum depend on what is computed together.
    packs = shard.part(passes(examples), ROLES.index(role), len(ROLES))
    packs = [pack for pack in packs if any(examples[index].id not in known for index in pack)]
    if not packs:  # the model need not be loaded
        return {}
    batches = [[examples[index] for index in pack] for pack in own_share(packs)]
    longest = max(len(example.input_ids) for example in examples)
    losses: Losses = {}
    with (
        models.using(role) as causal,
        Progress(f"{role} model, answer_loss", sum(map(len, batches)), "reference answer") as progress,
    ):
        for new in losses_by_pass(causal, batches, longest, models.device.name):
            keep(new)
            losses |= new
            progress.advance(len(new))
    return losses
