"""What somebody wants to see goes in, as options; which of the reports those are leaves. All options have to hold."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate
from typing import Any, Final, TypeAlias, get_args

from tocsin.cli.command import duration
from tocsin.cli.fault import Wanted, wanted
from tocsin.config.values import level
from tocsin.event import error_id
from tocsin.event.errors import ConfigError
from tocsin.event.model import Event, ExceptionInfo, Kind
from tocsin.spool.format import Header

__all__ = ["Choice", "add_choice", "choice_of", "texts"]

_Test: TypeAlias = Callable[[Event], bool]
_KINDS: Final = get_args(Kind)
_FREE: Final = ("fields", "tags", "headers", "locals", "prepared")  # whose members have names that people gave them
_DEEPEST: Final = 64  # of nested values, and of exceptions in one chain or group


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose reports; `choice_of` reads them."""
    option = parser.add_argument
    option("--kind", metavar="KIND", action="append", choices=_KINDS,
           help="only traceback, error or warning; may be given again")  # fmt: skip
    option("--level", metavar="LEVEL", type=_level, default=0, help="only from this level on")
    option("--since", metavar="TIME", type=duration, help="only what happened within this time, such as 90m, 7d")
    option("--fault", metavar="FAULT", type=_wanted, help="only this error id, its first half, or a fingerprint")
    option("--type", metavar="NAME", help="only this exception, or caused by it; *Error fits more")
    option("--logger", metavar="NAME", help="only this logger and those below it")
    option("--route", metavar="ROUTE", help="only requests of this route or endpoint; * is anything")
    option("--path", metavar="PATH", help="only requests of this path; * is anything")
    option("--task", metavar="NAME", help="only this task; * is anything")
    option("--release", metavar="NAME", help="only this release; * is anything")
    option("--tag", metavar="NAME=VAL", action="append", type=_tag, default=[],
           help="only with this tag; of several all have to fit")  # fmt: skip
    option("--grep", metavar="TEXT", action="append", default=[],
           help="only with this text in the report; of several all")  # fmt: skip


def choice_of(options: argparse.Namespace) -> Choice:
    """Return what the options choose. Raises ConfigError for an empty value."""
    for name in ("type", "logger", "route", "path", "task", "release", "grep"):
        if getattr(options, name) == "" or (name == "grep" and "" in options.grep):
            raise ConfigError(f"--{name} is empty; leave it out, or say which")
    return Choice(
        frozenset(options.kind or _KINDS),
        options.level,
        options.since,
        options.fault,
        tuple(_tests(options)),
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """Know which reports are wanted. ``since_s`` is an age, None for any."""

    kinds: frozenset[str]
    levelno: int
    since_s: float | None
    fault: Wanted | None
    tests: tuple[_Test, ...]

    @property
    def is_everything(self) -> bool:
        """Tell whether nothing was chosen."""
        return self == Choice(frozenset(_KINDS), 0, None, None, ())

    def takes_header(self, header: Header, now_s: float, *, is_count: bool = False) -> bool:
        """Tell whether a record may be wanted, as far as its header says. A count is of its fault, at any time."""
        if header.kind not in self.kinds or header.levelno < self.levelno:
            return False
        if not is_count and self.since_s is not None and header.time < now_s - self.since_s:
            return False
        if self.fault is None:
            return True
        if not self.fault.names(header):
            return False
        return not self.fault.suffix or (not is_count and error_id.suffix(header.number) == self.fault.suffix)

    def takes(self, event: Event | None) -> bool:
        """Tell whether an event is wanted. One that can't be read is, where nothing in it was asked for."""
        if not self.tests:
            return True
        return event is not None and all(test(event) for test in self.tests)


def texts(value: Any, depth: int = 0, *, is_free: bool = False) -> Iterator[str]:
    """Yield every text in an event's JSON, numbers as they are written; the names of members where people gave them."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            if is_free:
                yield str(name)
            yield from texts(each, depth + 1, is_free=is_free or name in _FREE)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts(each, depth + 1, is_free=is_free)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


# -- what each option asks of an event ---------------------------------------------------------------------


def _tests(options: argparse.Namespace) -> Iterator[_Test]:
    if options.type:
        yield _of_type(options.type)
    if options.logger:
        yield _of_logger(options.logger)
    if options.route:
        yield _of_route(options.route)
    if options.path:
        path = _pattern(options.path)
        yield lambda event: event.request is not None and path(event.request.path)
    if options.task:
        task = _pattern(options.task)
        yield lambda event: event.task is not None and task(event.task.name)
    if options.release:
        release = _pattern(options.release)
        yield lambda event: release(event.release)
    for name, value in options.tag:
        yield _with_tag(name, value)
    for text in options.grep:
        yield _with_text(text)


def _of_type(name: str) -> _Test:
    fits = _pattern(name)

    def test(event: Event) -> bool:
        types = _types(event.exception)
        return any(fits(each) or fits(each.rpartition(".")[2]) for each in types)

    return test


def _types(exception: ExceptionInfo | None) -> Iterator[str]:
    waiting = [exception]
    for _ in range(_DEEPEST):
        found = waiting.pop() if waiting else None
        if found is not None:
            yield found.type
            waiting += [found.cause, found.context, *found.members]
        elif not waiting:
            return


def _of_logger(name: str) -> _Test:
    fits, below = _pattern(name), f"{name}."
    return lambda event: fits(event.logger) or event.logger.startswith(below)


def _of_route(name: str) -> _Test:
    fits = _pattern(name)
    return lambda event: (
        event.request is not None and any(fits(each) for each in (event.request.route, event.request.endpoint) if each)
    )


def _with_tag(name: str, value: str) -> _Test:
    fits = _pattern(value)
    return lambda event: name in event.tags and fits(str(event.tags[name]))


def _with_text(text: str) -> _Test:
    folded = text.casefold()

    def test(event: Event) -> bool:
        import json

        from tocsin.event import wire

        return any(folded in each.casefold() for each in texts(json.loads(wire.encode(event))))

    return test


def _pattern(text: str) -> Callable[[str], bool]:
    """Return a test of a whole text, in which ``*`` and ``?`` stand for any characters; a ``[`` is itself."""
    found = re.compile(translate(text.replace("[", "[[]")))
    return lambda value: value == text or found.match(value) is not None


# -- values of options -------------------------------------------------------------------------------------


def _level(text: str) -> int:
    try:
        return level(text)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(f"{text!r} {fault}") from None


def _wanted(text: str) -> Wanted:
    try:
        return wanted(text)
    except ConfigError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} must be NAME=VALUE, such as tenant=acme or tenant=*")
    return name, value
