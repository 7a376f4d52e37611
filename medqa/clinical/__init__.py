"""What matters in a medical answer and no overlap metric sees: quantities, doses, medical terms, negation.

Each measure is None where it does not apply, because the reference has nothing of the kind; such questions
are counted, and are not in its mean. An empty answer scores 0. No text raises.

`text` removes markup first, in one place (`tables` writes out tables). `quantity_reader` reads amounts (with
`numbers`, `units`, `dates`, `schedules`, `routes`, `ratios`), and `facts` compares them as sets. `doses`
finds what each belongs to (`names`, `circumstances`, `items`, `totals`), and `claims` adds the amounts that
no unit shows (`portions`), sums (`mixtures`) and those that say the same (`equivalents` converts).
`contradictions` lists the claims that an answer contradicts: `agreement` decides when two claims agree,
`counterparts` when they are about the same, `derived`, `bases` and `day_parts` what follows by arithmetic,
`mistaken` what is taken for something else, `opposites` what excludes each other, `swaps` what changed places
(`pairing` finds the value of a label), `bindings` what two labels exchanged, by clause, `exchanges` what any
two subjects exchanged, `crossings` the same by the order of subjects and values, `sequences` a value that was
taken for another of its text, and `bands` the doses given to the wrong patients.
`lexicon` finds medical terms (with `word_forms`, `composition`, `negation` and the lists in `words`),
`alignment` those that two texts word differently, and `polarity` the statements that an answer reverses
(`questions` turns answered questions into statements).
"""

from medqa.clinical.contradictions import dose_error, dose_errors
from medqa.clinical.facts import exact_match, factual_spans
from medqa.clinical.lexicon import MedicalLexicon
from medqa.clinical.polarity import negation_errors

__all__ = ["MedicalLexicon", "dose_error", "dose_errors", "exact_match", "factual_spans", "negation_errors"]
