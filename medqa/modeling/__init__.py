"""Loads models and turns text into tensors: chat template, packed sequences, attention, loss, adapter files.

In: a model folder or Hub name, records with questions and answers. Out: a model on its device, packed
batches. Start with `base_model`, then `tokenization` and `collator`.
"""
