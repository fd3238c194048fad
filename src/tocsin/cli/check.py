"""`tocsin check`: a configuration goes in; every sink is sent a marked report, and what came of it leaves."""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tocsin.cli.command import Command, with_place
from tocsin.cli.console import DIM, GREEN, RED, YELLOW, Console
from tocsin.cli.destinations import build_sinks
from tocsin.cli.place import load_settings, settings_place
from tocsin.cli.words import size
from tocsin.config.fingerprint_rules import function_name
from tocsin.config.settings import Settings
from tocsin.event import error_id, wire
from tocsin.event.errors import StoreError
from tocsin.event.identity.fingerprint import fingerprint
from tocsin.event.model import Event
from tocsin.event.notice import Notice
from tocsin.routing.opening import state_place, try_state
from tocsin.sinks.base import Accepted, Entry, Origin, Outcome, Refused, Unavailable, takes_entries, takes_notices
from tocsin.sinks.registry import BuiltSink
from tocsin.spool.folder import Folder
from tocsin.spool.ownership import require_own_application

__all__ = ["COMMAND", "check_entry", "check_notice"]

_FREE_BYTES: Final = 104_857_600
_MESSAGE: Final = "Sent by tocsin check. If you can read this, reports reach this place. Nothing is broken."


@dataclass(frozen=True, slots=True)
class _Result:
    """Say what came of one check. ``word`` is ok, warning or FAILED."""

    word: str
    name: str
    detail: str
    remedy: str = ""
    duration_s: float | None = None


def _add_options(parser: argparse.ArgumentParser) -> None:
    with_place(parser, has_spool=False)


def _run(options: argparse.Namespace, console: Console) -> int:
    settings = load_settings(options, console.environ)
    built = build_sinks(settings)
    results = [_mode(settings)] if settings.mode != "production" else []
    spool = _spool(settings, console)
    results.append(spool)
    if spool.word == "FAILED" and spool.remedy == _OTHER_USER:
        built = ()  # what this user would create, a file sink's file say, the application's user could not write
    elif settings.state:
        results.append(_state(settings))
    if settings.fingerprint or settings.fingerprints:
        results.append(_names(settings))
    if not built and spool.remedy != _OTHER_USER:
        results.append(_Result("FAILED", "sinks", "there is none, so nobody is told", "add a [[sinks]] table"))
    for result in results:
        _say(result, console)
    for sink in built:
        result = _send(sink, settings, console)
        results.append(result)
        _say(result, console)
    return 1 if any(result.word == "FAILED" for result in results) else 0


_OTHER_USER: Final = "run check as that user; no sink was tried"


def _send(built: BuiltSink, settings: Settings, console: Console) -> _Result:
    started = time.perf_counter()
    try:
        outcome = _sent(built, settings, console)
    except Exception as fault:  # noqa: BLE001 - a sink may be anybody's code; the others are to be tried as well
        outcome = Refused(f"{type(fault).__name__}: {fault}", "this is a fault of the sink itself")
    finally:
        duration_s = time.perf_counter() - started
        built.sink.close()
    if isinstance(outcome, Accepted):
        return _Result("ok", built.identity, outcome.detail, duration_s=duration_s)
    return _Result("FAILED", built.identity, outcome.reason, outcome.remedy, duration_s)


def _sent(built: BuiltSink, settings: Settings, console: Console) -> Outcome:
    if takes_notices(built.sink):
        return built.sink.notify(check_notice(settings, console))
    if takes_entries(built.sink):
        return built.sink.deliver([check_entry(settings, console)])
    return Unavailable("takes neither entries nor notices")


def check_notice(settings: Settings, console: Console) -> Notice:
    """Return the notice of a check; each has an id of its own, so that none is dropped as a repetition."""
    name = f"check-{secrets.token_hex(8)}"
    return Notice(name, "check", console.now(), settings.application, settings.environment, ())


def check_entry(settings: Settings, console: Console) -> Entry:
    """Return the entry of a check: a real event, marked ``"check": true``, that stands for no occurrence.

    Whoever sums ``occurrences`` by fingerprint still gets exact counts.
    """
    event = Event(
        kind="error",
        level="ERROR",
        levelno=logging.ERROR,
        timestamp=console.now(),
        application=settings.application,
        environment=settings.environment,
        release=settings.release,
        host=settings.host,
        logger="tocsin.check",
        message=_MESSAGE,
        template=_MESSAGE,
        process_id=os.getpid(),
    )
    issue = fingerprint(event)
    number = secrets.randbelow(error_id.SUFFIXES)
    event = replace(event, fingerprint=issue, error_id=error_id.make(error_id.prefix(issue), number))
    origin = Origin(f"check{secrets.token_hex(6)}", 0, offset=0)
    members = {
        **json.loads(wire.encode(event)),
        "check": True,
        "origin": {"process": origin.process, "generation": 0, "offset": 0},
        "occurrences": 0,
    }
    return Entry(origin, "error", logging.ERROR, issue, 0, json.dumps(members, separators=(",", ":")).encode("ascii"))


def _mode(settings: Settings) -> _Result:
    source = settings.sources.get("mode", "")
    return _Result(
        "warning",
        f"mode {settings.mode}",
        f"set by {source}: the application reports nothing; only this check is sent",
        'set mode = "production" where people are to be told',
    )


def _names(settings: Settings) -> _Result:
    function, tables = function_name(settings.fingerprint), len(settings.fingerprints)
    parts = [f"{tables} table{'' if tables == 1 else 's'}"] if tables else []
    # Not imported: with it the whole application might be, and be set up by that.
    parts += [f"the function {function}, which the application imports at its first event"] if function else []
    return _Result("ok", "fingerprints", f"named by {' and '.join(parts)}")


def _spool(settings: Settings, console: Console) -> _Result:
    """Look at the spool's folder without making it: it has to belong to the application's user."""
    try:
        found = settings_place(settings, console.environ)
    except StoreError as fault:
        return _Result("FAILED", "spool", str(fault))
    path = Path(found.path)
    name = f"spool {path}"
    if not os.access(path, os.F_OK):
        return _new_spool(path, name)
    folder = Folder(path)
    try:
        folder.require_owner()
    except StoreError as fault:
        return _Result("FAILED", name, str(fault), _OTHER_USER)
    try:
        folder.prepare()
        require_own_application(folder, settings.application)
        _try_writing(path)
        free_bytes = shutil.disk_usage(path).free
    except StoreError as fault:
        return _Result("FAILED", name, str(fault))
    except OSError as fault:
        return _Result("FAILED", name, f"can't be written: {fault.strerror}", "give its owner the right, or make room")
    detail = f"writable, its owner's alone, on a local disk, {size(free_bytes)} free"
    if free_bytes < _FREE_BYTES:
        return _Result("warning", name, detail, "make room")
    if found.is_temporary:
        return _Result("warning", name, detail, "a temporary folder: set `spool` to one that outlives a reboot")
    return _Result("ok", name, detail)


def _state(settings: Settings) -> _Result:
    """Open the database that is shared, which makes its tables where they are missing."""
    started = time.perf_counter()
    try:
        detail = try_state(state_place(settings))
    except StoreError as fault:
        return _Result("FAILED", "state", str(fault), duration_s=time.perf_counter() - started)
    return _Result("ok", "state", detail, duration_s=time.perf_counter() - started)


def _new_spool(path: Path, name: str) -> _Result:
    above = next(parent for parent in path.parents if os.access(parent, os.F_OK))
    if not os.access(above, os.W_OK | os.X_OK):
        return _Result("FAILED", name, f"can't be made: {above} can't be written by this user", "set `spool` elsewhere")
    return _Result("ok", name, "not there yet; the application makes it at its first report")


def _try_writing(path: Path) -> None:
    probe = path / f".check{secrets.token_hex(4)}"
    with probe.open("xb") as file:
        file.write(bytes(4096))
        file.flush()
        os.fsync(file.fileno())
    probe.unlink()


def _say(result: _Result, console: Console) -> None:
    style = {"ok": GREEN, "warning": YELLOW}.get(result.word, RED)
    took = f"  {console.paint(DIM, f'{result.duration_s * 1000:.0f} ms')}" if result.duration_s is not None else ""
    console.say(f"{console.paint(style, f'{result.word:<8}')}{result.name}{took}")
    for text in _details(result):
        console.say(f"        {text}")
    console.flush()


def _details(result: _Result) -> Sequence[str]:
    return [text for text in (result.detail, result.remedy and f"→ {result.remedy}") if text]


COMMAND: Final = Command(
    name="check",
    summary="send a marked report through every sink",
    description=(
        "Send one marked report through every sink and tell which worked, how long it took, by which TLS, and what to "
        "mend. It counts as no occurrence, and changes nothing of what is delivered. The spool's folder is looked at "
        "as well."
    ),
    exits="0 all worked, 1 something did not",
    examples=("tocsin check --config tocsin.toml",),
    add_options=_add_options,
    run=_run,
)
