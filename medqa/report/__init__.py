"""Publishes an evaluation: tables, figures, model card, HTML report, blind review.

In: the tables of `medqa.analysis`. Out: the files of `evaluation_results/`. No statistic is computed here.
Start with `evaluation_output`.
"""
