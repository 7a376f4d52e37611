"""What matters in a medical answer and no overlap metric sees: quantities, doses, medical terms, negation.

Each measure is None where it does not apply, because the reference has nothing of the kind; such questions
are counted, and are not in its mean. An empty answer scores 0. No text raises.

`text` removes markup first, in one place (`tables` writes out tables). `quantity_reader` reads amounts (with
`numbers`, `units`, `dates`, `schedules`, `routes`, `ratios`), and `facts` compares them as sets. `doses`
finds what each belongs to (`names`, `circumstances`, `items`, `totals`), and `claims` adds the amounts that
no unit shows (`portions`), sums (`mixtures`) and those that say the same (`equivalents` converts).
`contradictions` lists the claims that an answer contradicts: `agreement` decides when two claims agree,
`counterparts` when they are about the same, `derived`, `bases` and `day_parts` what follows by arithmetic;
`mistaken`, `rates`, `timing` and `bands` find what is taken for something else, `opposites` and `exclusives`
what excludes each other. What changed places is found by pairs of labels and values (`swaps`, `pairing`), by
clause (`bindings`), between any two subjects (`exchanges`) and by the order of subjects and values
(`crossings`). Where nothing else was found, `sequences`, `daily_totals`, `thresholds` and `odd_values` look
for the one value in which two texts differ.

`lexicon` finds medical terms (with `vocabulary`, `roles`, `composition`, `word_forms`, `negation` and the
lists in `words`). Terms that two texts word differently are one by `mentions` (the words of a name in any
order) and `alignment` (classes and parts, by `relations`). `polarity` lists the statements that an answer
reverses: by `statements`, by what goes up and down (`changes`, `directions`) and by what comes first
(`precedence`); `questions` turns answered questions into statements.
"""

from medqa.clinical.contradictions import dose_error, dose_errors
from medqa.clinical.facts import exact_match, factual_spans
from medqa.clinical.lexicon import MedicalLexicon
from medqa.clinical.polarity import negation_errors

__all__ = ["MedicalLexicon", "dose_error", "dose_errors", "exact_match", "factual_spans", "negation_errors"]
