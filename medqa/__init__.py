"""The rooms behind the three scripts: each is one concern, and none of them knows a script or `config.py`."""
