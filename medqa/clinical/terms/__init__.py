"""Medical terms of a text, and which of them it negates.

In: a text. Out: its terms, each by one name, affirmed or negated, and how well two texts agree in them.
`vocabulary`, `composition` and `mentions` recognize a term by a list, by its parts and by its words in any
order; `relations` and `alignment` join classes and their members; `negation`, `negated_after` and `reach`
say what a negation covers. Start with `lexicon`.
"""
