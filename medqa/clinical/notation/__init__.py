"""How clinical texts are written: each notation of a number, unit, schedule, route or name as one form.

In: a text. Out: its plain form (`text` removes markup, `tables` writes out tables), and numbers, dates,
units, frequencies, routes, names and stems in it. `pairing` says which of several values each of several
labels has, `topics` whether two sentences of longer texts are about the same. Start with `text`.
"""
