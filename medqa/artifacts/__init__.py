"""Reads and writes the files that stages exchange: output folders, manifests, CSV tables, Hub downloads.

In: finished results and paths. Out: files that are complete or absent, each listed with its hash.
Start with `output_dir` and `run_manifest`.
"""
