"""Two word lists drawn from WordNet 3.0: medical terms and general English. `python -m medqa.words.build`."""
