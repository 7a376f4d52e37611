"""Statements that an answer reverses: what one text affirms and the other negates.

In: two texts and the terms of both. Out: the reversed statements. `statements`, `endings` and `exceptions`
compare sentences, `changes` and `directions` what goes up and down, `precedence` what comes first;
`questions` turns answered questions into statements. Start with `polarity`.
"""
