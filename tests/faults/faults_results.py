"""What `make faults` measured, collected into benchmarks/faults.json."""

import json
import platform
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "faults.json"


def keep(whole: bool, group: str, name: str, **numbers: object) -> None:
    """Add numbers under a group and a name; the short version of the tests keeps none."""
    if not whole:
        return
    content = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    content["machine"] = f"{platform.machine()}, Python {platform.python_version()}"
    content.setdefault(group, {}).setdefault(name, {}).update(numbers)
    RESULTS.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
