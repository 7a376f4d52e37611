"""Trains the LoRA adapter: memory plan, optimizer steps, checkpoints, resume, metrics, export.

In: a prepared base model and tokenized records. Out: adapter, checkpoints, metrics, optionally a merged
model. Start with `trainer`, then `resume` and `memory_plan`.
"""
