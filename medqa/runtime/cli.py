"""Parses a config class from the command line, and checks a config that was made in Python alike."""

import difflib
import errno
import functools
import itertools
import math
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from medqa.runtime.errors import UserError
from medqa.runtime.settings_help import default_of, help_text

Config = TypeVar("Config", bound=SimpleNamespace)
Selected = TypeVar("Selected")
Limits = Mapping[str, tuple[float, float]]
# Endings of the settings that name a folder or model which a stage needs; the others may be empty.
NEEDED = ("_DIR", "_PATH", "MODEL_NAME")


def parse(config_class: type[Config], description: str, arguments: Sequence[str] | None = None) -> Config:
    """Read settings from the command line: `--NAME value`, or just `--NAME` to turn a switch on.

    `--help` prints `description` and all settings, and ends the process with exit code 0.

    Raises:
        UserError: a misspelt or shortened name, or a wrong type; the message says what was expected.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if {"-h", "--help"} & set(arguments):
        print(help_text(config_class, description))
        sys.exit(0)
    _require_typed(config_class, arguments)
    import tyro

    return tyro.cli(
        config_class,
        args=_switches_as_flags(config_class, arguments),
        description=description,
        use_underscores=True,
    )


def _require_typed(config_class: type, arguments: Sequence[str]) -> None:
    """Refuse unknown names and values of another type in one line; tyro would answer with a box."""
    kinds = get_type_hints(config_class)
    for name, words in _typed(arguments):
        kind = kinds.get(name, bool if kinds.get(name.removeprefix("no_")) is bool else None)
        if kind is None:
            raise UserError(_unknown(config_class, name))
        got = shlex.join(words) or "nothing"
        if get_origin(kind) is dict:
            if len(words) % 2 or not all(_is_a(float, word) for word in words[1::2]):
                example = f"Type: --{name} cardiology 0.8 neurology 0.6"
                raise UserError(f"--{name} takes names and numbers in turn, but got: {got}. {example}")
            if twice := _repeated(words[::2]):
                raise UserError(f"--{name} has {', '.join(twice)} more than once; give one share.")
        elif get_origin(kind) is not tuple and not _fits(kind, words):
            plain = name.removeprefix("no_")
            value = str(default_of(config_class.__dataclass_fields__[plain])) or "…"
            if kind is str and words:
                value = shlex.quote(" ".join(words))
            raise UserError(f"--{name} takes {_in_words(kind)}, but got: {got}. Type: --{plain} {value}")


def _typed(arguments: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each name that was typed, and its values: the words up to the next name."""
    names = [place for place, word in enumerate(arguments) if word.startswith("--")]
    if arguments and names[:1] != [0]:
        raise UserError(f"{shlex.quote(arguments[0])} is no setting. Type settings as --NAME value")
    for place, end in itertools.pairwise([*names, len(arguments)]):
        name, equals, first = arguments[place].removeprefix("--").partition("=")
        yield name, [first] * bool(equals) + list(arguments[place + 1 : end])


def _unknown(config_class: type, name: str) -> str:
    """The answer to a name that is none: what replaced it, the nearest, or where all are."""
    meant = name.upper().replace("-", "_")
    near = difflib.get_close_matches(meant, get_type_hints(config_class), n=1, cutoff=0.6)
    hint = f"Did you mean --{near[0]}?" if near else "Type --help for all options."
    return config_class.replaced_by(meant.removeprefix("NO_")) or f"There is no option --{name}. {hint}"


def _fits(kind: Any, words: Sequence[str]) -> bool:
    """Whether the words after a name are one value of its type."""
    if kind is bool:
        return [word.lower() for word in words] in ([], ["true"], ["false"])
    return len(words) == 1 and _is_a(kind, words[0])


def _is_a(kind: Any, text: str) -> bool:
    """Whether a word is a text, a number or one of the choices."""
    if get_origin(kind) is Literal:
        return text in get_args(kind)
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _switches_as_flags(config_class: type, arguments: list[str]) -> list[str]:
    """Turn `--USE_WANDB False` into `--no_USE_WANDB`, so that a switch may be written either way."""
    switches = {f"--{name}" for name, kind in get_type_hints(config_class).items() if kind is bool}
    result: list[str] = []
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name in switches and value:  # --USE_WANDB=False
            result.append(name)
            argument = value
        if result and result[-1] in switches and argument.lower() in ("true", "false"):
            if argument.lower() == "false":
                result[-1] = f"--no_{result[-1][2:]}"
        else:
            result.append(argument)
    return result


def next_command(script: str, config_class: type, given: Mapping[str, Any]) -> str:
    """The command line of a script, with those of the `given` settings that differ from their defaults."""
    defaults = {item.name: item.default for item in fields(config_class)}
    words = ["python", beside_this_script(script)]
    for name, value in given.items():
        if value != defaults[name]:
            values = value if isinstance(value, (list, tuple)) else [value]  # a list when read from JSON
            words += [f"--{name}", *map(str, values)]
    return shlex.join(words)


def beside_this_script(name: str) -> str:
    """The path of another script, as this one's was typed; only its name where Python code calls a stage."""
    path = Path(sys.argv[0] or name).with_name(name)
    return str(path) if path.is_file() else name


def checked(config: SimpleNamespace, config_class: type[Config], limits: Limits) -> Config:
    """Check a config and return it as a complete, read-only `config_class`.

    Args:
        config: a `config_class`, or any namespace with some of its settings; the others get their default.
        config_class: the dataclass that names the settings.
        limits: smallest and largest allowed value of numeric settings.

    Raises:
        UserError: every unknown name, wrong type and value out of range, one line each.
    """
    if not hasattr(config, "__dict__"):
        name = config_class.__name__
        raise UserError(
            f"the settings are {config!r:.80}; expected {name}(…) or a types.SimpleNamespace. A dict becomes "
            f"one with {name}(**settings)."
        )
    kinds = get_type_hints(config_class)
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, value in vars(config).items():
        if name not in kinds:
            if answer := config_class.replaced_by(name):
                problems.append(answer)
                continue
            near = difflib.get_close_matches(name.upper(), kinds, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]}?" if near else f" It has: {', '.join(kinds)}."
            problems.append(f"{config_class.__name__} has no setting {name}.{hint}")
            continue
        converted = _converted(value, kinds[name])
        if converted is None:
            problems.append(f"{name} = {value!r:.200} should be {_in_words(kinds[name])}.")
        elif name.endswith(NEEDED) and not converted.strip():
            problems.append(
                f"{name} is empty, as after a shell variable that is not set; expected a path or name. Type "
                f"--{name} …, or leave it out to use {default_of(config_class.__dataclass_fields__[name])}."
            )
        elif name.endswith(NEEDED) and (problem := _impossible(converted)):
            problems.append(f"{name} = {value!r:.200}: {problem}. Give another path: --{name} …")
        elif get_origin(kinds[name]) is tuple and (twice := _repeated(converted)):
            problems.append(f"{name} has {', '.join(twice)} more than once; give each value once.")
        elif name in limits and not limits[name][0] <= converted <= limits[name][1]:
            low, high = limits[name]
            problems.append(f"{name} = {value!r:.80} should lie between {low:,.10g} and {high:,.10g}.")
        else:
            values[name] = converted
    if problems:
        raise UserError("\n       ".join(problems))
    return _made(_read_only(config_class), vars(config_class(**values)))


def replaced(config: Config, **values: Any) -> Config:
    """A copy of a checked config with other values of some settings."""
    return _made(type(config), vars(config) | values)


def select(config: SimpleNamespace, kind: type[Selected]) -> Selected:
    """The settings that a dataclass asks for: its field `lora_rank` takes the setting `LORA_RANK`."""
    return kind(**{item.name: getattr(config, item.name.upper()) for item in fields(kind)})


def given_and_default(config: SimpleNamespace) -> dict[str, dict[str, Any]]:
    """All settings as a manifest records them: `{"given": …, "default": …}`; "given" ones were changed."""
    record: dict[str, dict[str, Any]] = {"given": {}, "default": {}}
    for item in fields(config):
        value = getattr(config, item.name)
        record["default" if value == default_of(item) else "given"][item.name] = value
    return record


@functools.cache
def _read_only(config_class: type[Config]) -> type[Config]:
    """A subclass whose settings cannot be changed any more."""

    def refuse(config: SimpleNamespace, name: str, *_value: object) -> None:
        raise AttributeError(f"{name} cannot change: the settings have been checked, and steps rely on them")

    return type(config_class.__name__, (config_class,), {"__setattr__": refuse, "__delattr__": refuse})


def _made(config_class: type[Config], values: Mapping[str, Any]) -> Config:
    made = config_class.__new__(config_class)
    vars(made).update(values)
    return made


def _converted(value: Any, kind: Any) -> Any:
    """`value` as `kind` (a list is accepted for a tuple, an int for a float), or None if it is not one."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value if value in inner else None
    if origin is tuple:
        whole = isinstance(value, (list, tuple)) and all(isinstance(item, inner[0]) for item in value)
        return tuple(value) if whole else None
    if origin is dict:
        whole = isinstance(value, Mapping) and all(
            isinstance(key, inner[0]) and _converted(item, inner[1]) is not None
            for key, item in value.items()
        )
        return {key: _converted(item, inner[1]) for key, item in value.items()} if whole else None
    if isinstance(value, bool):
        return value if kind is bool else None
    if kind is float and isinstance(value, (int, float)):
        return float(value) if abs(value) < 1e300 else math.inf  # also for NaN: no limit allows it
    if kind is str and isinstance(value, str) and ("\0" in value or not _is_text(value)):
        return None
    return value if isinstance(value, kind) else None


def _repeated(values: Sequence[str]) -> list[str]:
    """The values that occur more than once."""
    return [value for value, times in Counter(values).items() if times > 1]


def _impossible(path: str) -> str:
    """Why a path can never exist, so that `Path.resolve` or `Path.exists` would fail; empty if it can."""
    try:
        os.stat(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "these symbolic links lead in a circle, to no folder"
        return "a name in this path is too long" if error.errno == errno.ENAMETOOLONG else ""
    return ""


def _is_text(value: str) -> bool:
    """Whether a text can be encoded as UTF-8; Python passes other bytes of a command line as surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _in_words(kind: Any) -> str:
    """A type, described for an error message."""
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(repr(choice) for choice in get_args(kind))
    if get_origin(kind) is tuple:
        return "a list of texts"
    if get_origin(kind) is dict:
        return "a dict of texts to numbers"
    return {str: "a text", int: "a whole number", float: "a number", bool: "True or False"}[kind]
