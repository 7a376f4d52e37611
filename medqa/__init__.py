"""The packages behind the three scripts. None of them imports a script or `config.py`."""

import sys
from types import TracebackType


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Without a traceback for Ctrl-C while the modules load, before `run_script` takes over."""
    if issubclass(kind, KeyboardInterrupt):
        print("\nInterrupted before the start; nothing was changed.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _end
