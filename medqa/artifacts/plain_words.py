"""Says in words what an error of Python or of a library means, for the messages to users."""

import errno
import json
import re

from medqa.runtime.errors import first_line

# Libraries quote classes and error numbers of Python.
CLASS = re.compile(r"<class '(?:\w+\.)*(\w+)'>")
NUMBER = re.compile(r"\[Errno \d+\] ")
OTHER_KIND = re.compile(r"Unrecognized configuration class (\w+) for this kind of AutoModel: (\w+)")
KINDS = {"AutoModelForCausalLM": "a causal language model", "AutoModel": "an encoder"}
# What the system calls the error → words that name the file.
FILE_ERRORS = {
    errno.ENOENT: "{} does not exist",
    errno.EACCES: "{} may not be read by this user",
    errno.EISDIR: "{} is a folder",
    errno.ENOTDIR: "{} is below a file",
}


def in_words(error: BaseException) -> str:
    """What an error means, in one line without a full stop."""
    if isinstance(error, OSError) and error.errno in FILE_ERRORS:
        return FILE_ERRORS[error.errno].format(error.filename or "the file")
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON from line {error.lineno}, column {error.colno} on"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 text from byte {error.start} on"
    if isinstance(error, KeyError):
        return f"it has no entry {error.args[0]}" if error.args else "an entry is missing"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = NUMBER.sub("", CLASS.sub(r"\1", first_line(error)))
    if other := OTHER_KIND.search(text):
        return f"{other[1]} is not the config of {KINDS.get(other[2], other[2])}"
    if text.startswith("Expecting ") and "(char " in text:  # of a JSONDecodeError inside a library
        return f"a file is not JSON ({text})"
    return text
