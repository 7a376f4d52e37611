"""Prepares the data: reads specialty files, cleans pairs, groups near-duplicates and splits them.

In: one JSON file of question and answer pairs per specialty. Out: dataset folders, statistics, rejected
pairs. Start with `source_files`, then `cleaning` and `splits`.
"""
