"""What matters in a medical answer and no overlap metric sees: quantities, doses, medical terms, negation.

Each measure is None where it does not apply, because the reference has nothing of the kind; such questions
are counted, and are not in its mean. An empty answer scores 0. No text raises.

`text` removes markup first, in one place. `quantities` reads amounts (with `numbers`, `units`, `schedules`,
`routes`, `ratios`), `facts` compares them, `doses` finds what each belongs to, `contradictions` lists those
of an answer that contradict the reference (after `equivalents` has converted them), `counterparts`, `swaps`
and `ways` those that contradict it without a common medicine (`agreement` says when two quantities
agree), and `lexicon` finds medical terms (with `vocabulary`, `negation` and the lists in `words`).
"""

from medqa.clinical.contradictions import dose_error, dose_errors
from medqa.clinical.facts import exact_match, factual_spans
from medqa.clinical.lexicon import MedicalLexicon

__all__ = ["MedicalLexicon", "dose_error", "dose_errors", "exact_match", "factual_spans"]
