"""Blind review: clinicians compare the two answers without knowing which model wrote which.

`sheet` writes `review_sheet.html`, which a clinician fills in offline, and `review_key.json`, which maps A
and B to the models; `ratings` reads the files that reviewers return; `summary` computes the results; `adding`
adds them to a finished evaluation, without a model.
"""
