"""Exports a trained model for other programs: a merged model, GGUF files, the Hugging Face Hub.

Comes in: a base model, the adapter in results/, the prompt format and the eval split. Goes out: folders that
other programs load without this code, each checked before it gets its name. Start with `merging`.
"""
