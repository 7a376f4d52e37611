"""Generates the answers of both models and computes their loss on the reference answers.

In: holdout questions and the two models. Out: answers and losses, cached on disk by what determines them.
Start with `runner`, then `engine`.
"""
