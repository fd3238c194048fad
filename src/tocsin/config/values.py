"""Raw values go in (TOML, keyword, variable), values of tocsin's own vocabulary leave, or a ValueError says why not."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast, get_args

from tocsin.config.setting import boolean, texts
from tocsin.event.limits import NAME_CHARS
from tocsin.event.model import Kind

__all__ = [
    "HOOKS",
    "RawSink",
    "absolute",
    "commit",
    "hooks",
    "is_html",
    "kinds",
    "level",
    "level_name",
    "logger_levels",
    "name",
    "one_line",
    "page",
    "path",
    "sink_list",
    "state_url",
    "statuses",
]

# A sink as it was written: a table, or a URL.
RawSink: TypeAlias = "str | dict[str, Any]"

_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")
HOOKS: Final = ("sys", "threading", "unraisable")  # of the interpreter, for what nobody caught


def one_line(value: Any) -> str:
    """Parse a text of one printable line, which may be empty; it ends up in subjects and headers."""
    if not isinstance(value, str) or not value.strip().isprintable() or len(value) > NAME_CHARS:
        raise ValueError(f"must be one line of printable text, at most {NAME_CHARS} characters")
    return value.strip()


def commit(value: Any) -> str:
    """Parse a commit's id, whole or its beginning, which may be empty."""
    text = value.strip().lower() if isinstance(value, str) else "?"
    if not text:
        return ""
    if not _COMMIT.fullmatch(text):
        raise ValueError("must be a commit's id: 7 to 64 hexadecimal digits, best all of them")
    return text


def name(value: Any) -> str:
    """Parse a text of one printable line that is not empty."""
    line = one_line(value)
    if not line:
        raise ValueError("must be a text that is not empty")
    return line


def path(value: Any) -> str:
    """Parse a path, which may be empty; a relative one is made absolute later, by `absolute`."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("must be a path")
    return value


def state_url(value: Any) -> str:
    """Parse the URL of a database that several hosts share, which may be empty; nothing is imported or connected."""
    if not isinstance(value, str):
        raise ValueError("must be a URL such as postgresql://tocsin@db.example.org/errors")
    url = value.strip()
    scheme, slashes, rest = url.partition("://")
    if not url:
        return ""
    if not slashes or scheme.lower() not in ("postgresql", "postgresql+psycopg") or not rest.strip("/"):
        raise ValueError("must be a URL such as postgresql://tocsin@db.example.org/errors; PostgreSQL only")
    if not url.isprintable() or " " in url:
        raise ValueError("must be a URL of printable characters; within user and password, @ is written %40, / %2F")
    return url


def page(value: Any) -> Any:
    """Parse an error page: a path, HTML (a text that begins with ``<``), or a callable given in code."""
    return value if callable(value) or is_html(value) else path(value)


def is_html(value: Any) -> bool:
    """Tell whether a text is HTML rather than a path of it."""
    return isinstance(value, str) and value.lstrip().startswith("<")


def absolute(value: str, folder: str) -> str:
    """Return a path as absolute, from the folder it was written in; ``""`` stays. ``~`` is the home folder."""
    if not value:
        return ""
    # Not Path.expanduser, which raises where a user has no home; and links stay as they were written.
    return os.path.normpath(Path(folder, os.path.expanduser(value)))  # noqa: PTH111


def level(value: Any) -> int:
    """Parse the name of a level that logging knows, or its number."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str):
        known = logging.getLevelNamesMapping()
        word = value.strip()
        if word.isdecimal():
            return int(word)
        if word in known or word.upper() in known:
            return known.get(word, known.get(word.upper(), 0))
    raise ValueError("must be a level: DEBUG, INFO, WARNING, ERROR or CRITICAL")


def level_name(levelno: int) -> str:
    """Return the name of a level, or its number as text where it has none."""
    shown = logging.getLevelName(levelno)
    return str(levelno) if shown.startswith("Level ") else shown


def hooks(value: Any) -> tuple[str, ...]:
    """Parse a list of `HOOKS`, or true for all of them."""
    try:
        return HOOKS if boolean(value) else ()
    except ValueError:
        chosen = texts(value)
    if not set(chosen) <= set(HOOKS):
        raise ValueError(f"must be true, false or a list of some of {', '.join(HOOKS)}")
    return tuple(name for name in HOOKS if name in chosen)


def statuses(value: Any) -> tuple[int, ...]:
    """Parse a list of HTTP status codes from 400 to 599; they leave sorted, each once."""
    parts = value.split(",") if isinstance(value, str) else value
    numbers = list(parts) if isinstance(parts, Sequence) else [parts]
    if any(isinstance(number, bool) or not isinstance(number, (int, str)) for number in numbers):
        raise ValueError("must be a list of status codes from 400 to 599")
    digits = [str(number).strip() for number in numbers if str(number).strip()]
    if not all(text.isdecimal() and 400 <= int(text) <= 599 for text in digits):
        raise ValueError("must be a list of status codes from 400 to 599")
    return tuple(sorted({int(text) for text in digits}))


def kinds(value: Any) -> frozenset[Kind]:
    """Parse a list of kinds; at least one."""
    chosen = texts(value)
    if not chosen or not set(chosen) <= set(get_args(Kind)):
        raise ValueError(f"must be a list of some of {', '.join(get_args(Kind))}")
    return frozenset(cast("tuple[Kind, ...]", chosen))


def logger_levels(value: Any) -> Mapping[str, int]:
    """Parse logger names with their levels: a table, or ``name=LEVEL,name2=LEVEL``."""
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if not all(equals for _, equals, _ in pairs):
            raise ValueError("must be a list such as name=ERROR,other.name=INFO")
        value = {logger.strip(): word for logger, _, word in pairs}
    if not isinstance(value, Mapping):
        raise ValueError('must be a table of logger names, such as "noisy.logger" = "ERROR"')
    return MappingProxyType({logger: _named_level(logger, word) for logger, word in _flat(value)})


def sink_list(value: Any) -> tuple[RawSink, ...]:
    """Parse a list of sinks: tables or URLs; a text is split at white space. Copied, so that it stays as it is."""
    if isinstance(value, str):
        return tuple(value.split())
    is_list = isinstance(value, Sequence) and not isinstance(value, bytes)
    if not is_list or not all(isinstance(sink, (str, Mapping)) for sink in value):
        raise ValueError("must be a list: one [[sinks]] table each, or URLs")
    return tuple(sink.strip() if isinstance(sink, str) else _copied(sink) for sink in value)


def _named_level(logger: str, word: Any) -> int:
    try:
        return level(word)
    except ValueError as fault:
        raise ValueError(f"{logger!r} {fault}") from None


def _flat(table: Mapping[Any, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    # In TOML an unquoted `noisy.logger = "ERROR"` is a table within a table; whoever writes it means the logger.
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{start}{key}.")
        else:
            yield f"{start}{key}", value


def _copied(table: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): tuple(value) if isinstance(value, list) else value for key, value in table.items()}
