"""What matters in a medical answer and no overlap metric sees: quantities, doses, medical terms, negation.

Each measure is None where it does not apply, because the reference has nothing of the kind; such questions
are counted, and are not in its mean. An empty answer scores 0. No text raises.

From a text to an error, each package on those before it:

- `words`: lists of terms, medicines, measures and general English.
- `notation`: one plain form of a text; each notation of a number, unit, schedule, route or name as one form.
- `terms`: medical terms, affirmed or negated (`lexicon`).
- `quantities`: amounts with their dimension (`quantity_reader`), compared as sets (`facts`).
- `claims`: what each amount belongs to, and when two claims are about the same and agree.
- `conflicts`: the claims that an answer contradicts (`contradictions`).
- `statements`: the statements that an answer reverses (`polarity`).
"""

from medqa.clinical.conflicts.contradictions import dose_error, dose_errors
from medqa.clinical.quantities.facts import exact_match, factual_spans
from medqa.clinical.statements.polarity import negation_errors
from medqa.clinical.terms.lexicon import MedicalLexicon

__all__ = ["MedicalLexicon", "dose_error", "dose_errors", "exact_match", "factual_spans", "negation_errors"]
