"""evaluation_results/report.html: one file that opens from disk, without network, for people to read.

Rooms: `report_page` puts the page together (`report.html.j2`, `common.css`, `report.css`, `report.js`),
`questions` chooses what is said of each question, `differences` marks words, `specialties` lays out the
figure, `template` fills templates in. The page shows numbers of other rooms and makes none itself but
per-question differences. Its bytes depend on the results alone: no clock, no name of the output folder,
nothing random.
"""
