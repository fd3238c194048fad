"""One setting: its name, type, default, unit and help. Validation, help and the reference page come from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tocsin.event.masking.scrub import Scrubber

__all__ = [
    "Setting",
    "between",
    "boolean",
    "choice",
    "count",
    "duration_s",
    "pairs",
    "parse_table",
    "port",
    "positive",
    "size_mb",
    "text",
    "texts",
]


@dataclass(frozen=True, slots=True)
class Setting:
    """Describe one key of a configuration table.

    ``parse`` takes a raw TOML value *or* a string from the environment or a URL, and returns the value or
    raises ValueError with a phrase that completes "``name`` …" (such as "must be a number of seconds above
    0"). The value of a setting that ``is_secret`` is never shown, not even in a fault.
    """

    name: str
    parse: Callable[[Any], Any]
    default: Any
    help: str
    unit: str = ""
    type_name: str = "string"
    is_required: bool = False
    is_secret: bool = False


def parse_table(settings: Sequence[Setting], raw: Mapping[str, Any], where: str) -> tuple[dict[str, Any], list[str]]:
    """Return (values with the defaults filled in, faults) for one table.

    ``where`` begins every fault, such as ``tocsin.toml`` or ``sinks[0] (mail)``. Unknown keys are faults with
    a suggestion; a required key that is missing is one.
    """
    known = {setting.name: setting for setting in settings}
    values = {setting.name: setting.default for setting in settings}
    faults = []
    for name, value in raw.items():
        setting = known.get(name)
        if setting is None:
            faults.append(f"{where}: unknown setting {name!r}{_suggestion(name, known)}")
            continue
        try:
            values[name] = setting.parse(value)
        except ValueError as fault:
            shown = "" if setting.is_secret else f" (it is {Scrubber().text(repr(value))})"
            faults.append(f"{where}: {name} {fault}{shown}")
    faults.extend(
        f"{where}: {setting.name} is required: {setting.help}"
        for setting in settings
        if setting.is_required and setting.name not in raw
    )
    return values, faults


def closest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known name that is most like ``name``, if one is."""
    import difflib  # only for those who mistyped

    return difflib.get_close_matches(name, known, n=1)


def _suggestion(name: str, known: Mapping[str, Setting]) -> str:
    close = closest(name, known)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known here: {', '.join(sorted(known))}"


def text(value: Any) -> str:
    """Parse a string that is not empty. One with a NUL is nothing that a path, a name or a protocol could hold."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("must be a text that is not empty")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """Parse a list of strings; one string is split at commas."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise ValueError("must be a list of texts")
    return tuple(part.strip() for part in parts if part.strip())


def pairs(value: Any) -> dict[str, str]:
    """Parse a table, or ``name=value`` pairs: a list of them, or one text with commas between."""
    items = value.items() if isinstance(value, Mapping) else (part.partition("=")[::2] for part in texts(value))
    found = {str(name).strip(): each.strip() for name, each in items if isinstance(each, str)}
    if not all(name and each for name, each in found.items()) or (
        isinstance(value, Mapping) and len(found) != len(value)
    ):
        raise ValueError("must be a table of texts, or a list of name=value")
    return found


def boolean(value: Any) -> bool:
    """Parse true or false; of strings, true/yes/on/1 and false/no/off/0."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ValueError("must be true or false")


def count(value: Any) -> int:
    """Parse a whole number from 0."""
    number = _number(value)
    if number is None or number < 0 or number != int(number):
        raise ValueError("must be a whole number from 0")
    return int(number)


def positive(value: Any) -> int:
    """Parse a whole number from 1."""
    number = _number(value)
    if number is None or number < 1 or number != int(number):
        raise ValueError("must be a whole number from 1")
    return int(number)


def between(least: int, most: int) -> Callable[[Any], int]:
    """Return a parser of whole numbers from ``least`` to ``most``."""

    def parse_between(value: Any) -> int:
        number = _number(value)
        if number is None or number != int(number) or not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(number)

    return parse_between


def port(value: Any) -> int:
    """Parse a port, 1 to 65535."""
    number = _number(value)
    if number is None or number != int(number) or not 0 < number < 65536:
        raise ValueError("must be a port from 1 to 65535")
    return int(number)


_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def duration_s(value: Any) -> float:
    """Parse seconds: a number, or a text with a unit such as 90s, 15m, 2h, 7d, 1w."""
    number = _number(value)
    if number is None and isinstance(value, str) and value.strip()[-1:].lower() in _UNITS_S:
        number = _number(value.strip()[:-1])
        number = None if number is None else number * _UNITS_S[value.strip()[-1].lower()]
    if number is None or number < 0:
        raise ValueError("must be a duration: seconds, or a text such as 90s, 15m, 2h, 7d")
    return number


def size_mb(value: Any) -> float:
    """Parse a size in megabytes, above 0."""
    number = _number(value)
    if number is None or number <= 0:
        raise ValueError("must be a number of megabytes above 0")
    return number


def choice(*words: str) -> Callable[[Any], str]:
    """Return a parser that takes one of ``words``."""

    def parse_choice(value: Any) -> str:
        if isinstance(value, str) and value.strip().lower() in words:
            return value.strip().lower()
        raise ValueError(f"must be one of {', '.join(words)}")

    return parse_choice


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
