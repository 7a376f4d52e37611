"""Blind review: clinicians judge the two answers without knowing which model wrote which.

Rooms: `sheet` writes `review_sheet.html`, which a clinician fills in offline, and `review_key.json`, which
says what A and B were; `ratings` reads the files that come back; `judgement` makes numbers of them; `adding`
puts these into a finished evaluation, without a model.
"""
