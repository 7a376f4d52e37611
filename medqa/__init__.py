"""The packages behind the three scripts. None of them imports a script or `config.py`."""
