"""The rules by which the quantities of an answer contradict those of its reference.

In: the claims of two texts. Out: the contradictions, each with both amounts and the subject. A module is
one kind of contradiction: by arithmetic (`derived`, `bases`, `day_parts`, `daily_totals`, `rates`), values
exchanged between subjects (`swaps`, `bindings`, `exchanges`, `crossings`), single doses repeated
(`timing`), doses of other groups (`bands`), bounds (`thresholds`), figures whose
surroundings are alike (`fitting`), and the one value in which two texts differ (`sequences`, `odd_values`).
Start with `contradictions`.
"""
