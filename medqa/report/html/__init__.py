"""report.html: the evaluation as one HTML file that opens from disk without a network.

`report_page` assembles the page (`report.html.j2`, `common.css`, `report.css`, `report.js`), `questions`
selects and formats the questions, `differences` marks differing words, `specialties` lays out the figure,
`template` renders templates. Except for per-question differences nothing is computed here. The same results
give the same bytes: no time, no folder name, no randomness.
"""
