"""Scores answers against references: BLEU, ROUGE, METEOR, BERTScore, entailment.

In: questions, references, hypotheses. Out: one column of numbers per metric.
Start with `runner`, then `lexical`.
"""
