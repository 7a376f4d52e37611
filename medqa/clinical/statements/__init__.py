"""Statements that an answer reverses: what one text affirms and the other negates.

In: two texts and the terms of both. Out: the reversed statements. `statements` and `endings` compare
sentences, `changes` and `directions` what goes up and down, `poles` opposites in long texts,
`prerequisites` what must come first, `signs` whether markers are positive; `healthy` recognizes findings
called normal; `questions` turns answered questions into statements. Start with `polarity`.
"""
