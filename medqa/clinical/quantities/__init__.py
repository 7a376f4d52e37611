"""Quantities of a text: doses, ranges, frequencies, durations, ages, ratios, measured values.

In: a plain text. Out: `Quantity` objects with dimension, value and place, and when two of them are the
same. `portions`, `items` and `totals` read amounts per item and in all; `circumstances` reads what
surrounds an amount, `figures` shares and numbers of people. Start with `quantity_reader`.
"""
