"""Compares the two models: paired tests, intervals, results by specialty, recommendations, earlier rounds.

In: the scores of both models. Out: tables and recommended shares of data. Nothing is plotted here.
Start with `comparison`, then `by_specialty`.
"""
