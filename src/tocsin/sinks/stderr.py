"""Entries go in; one readable line each, or the full report, leaves on the process's own stderr."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TextIO

from tocsin import system
from tocsin.config.setting import Setting, choice
from tocsin.config.values import level_name
from tocsin.event import wire
from tocsin.event.errors import ConfigError, DecodeError
from tocsin.event.model import Event
from tocsin.render import harmless
from tocsin.render.facts import what
from tocsin.render.line import times, whereabouts
from tocsin.render.text import event_text
from tocsin.sinks.base import Accepted, Entry, Outcome, Refused, SinkContext, Unavailable
from tocsin.sinks.url import parameters, split

__all__ = ["StderrSink"]


def _own_stderr() -> TextIO | None:
    # Not sys.stderr: Celery, for one, puts an object there that makes log records of what is written, and each
    # would come back here as an event.
    return sys.__stderr__


class StderrSink:
    """Say every event on stderr, where a service manager or a container's log takes it up."""

    type: ClassVar[str] = "stderr"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "format",
            choice("line", "text"),
            "line",
            "`line`: one line each; `text`: the full report with its traceback",
            type_name="line or text",
        ),
    )
    idempotency: ClassVar[str] = "possible after a crash; the error id shows it."
    is_local: ClassVar[bool] = True

    def __init__(self, form: str = "line", stream: Callable[[], TextIO | None] = _own_stderr) -> None:
        self._form = form
        self._stream = stream

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> StderrSink:
        """Build it from validated options."""
        return cls(options["format"])

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``stderr:`` or ``stderr:?format=text`` into options."""
        parts = split(url)
        if parts.netloc or parts.path.strip("/"):
            raise ConfigError("a stderr URL names no place: write stderr: or stderr:?format=text")
        return parameters(parts.query)

    @property
    def identity(self) -> str:
        """Return ``stderr:``; a process has one."""
        return "stderr:"

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Write all entries by one call. A stderr that is gone for good refuses; one that is stuck waits."""
        shown = "".join([self._shown(entry) for entry in entries])
        try:
            stream = self._stream()
            if stream is None or stream.closed:
                return Refused("stderr is closed", "give the process a stderr, or leave this sink out")
            if not _taken(stream, shown):
                return Unavailable("stderr can't take more", "see to what reads it")
        except (BlockingIOError, InterruptedError):
            return Unavailable("stderr can't take more", "see to what reads it")
        except OSError as fault:
            reason = f"stderr: {fault.strerror or type(fault).__name__}"
            if fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                return Unavailable(reason, "see to what stderr is sent to")
            return Refused(reason, "give the process a stderr, or leave this sink out")
        except Exception as fault:  # noqa: BLE001 - sys.__stderr__ may be an embedding server's own object
            return Refused(f"stderr: {type(fault).__name__}", "leave this sink out")
        return Accepted("stderr")

    def close(self) -> None:
        """Do nothing: stderr is not ours to close."""

    def _shown(self, entry: Entry) -> str:
        try:
            event = wire.decode(entry.line)
        except DecodeError:
            return _bare_line(entry)
        if self._form == "text" and entry.occurrences == 1:
            return event_text(event) + "\n"
        return _event_line(event, entry.occurrences)


def _taken(stream: TextIO, shown: str) -> bool:
    """Write, past the stream's buffer where that can be: a reader that has stopped would hold its lock, and the exit.

    Return False where not all was taken; what was comes again.
    """
    if type(stream) is io.TextIOWrapper:
        try:
            fd = stream.fileno()
        except OSError:  # io.UnsupportedOperation: it writes to memory
            fd = -1
        data = shown.encode(stream.encoding, "backslashreplace")
        taken = system.write_promptly(fd, data) if fd >= 0 else -1
        if taken >= 0:
            return taken == len(data)
    stream.write(shown)
    stream.flush()
    return True


def _event_line(event: Event, occurrences: int) -> str:
    return _line(
        f"{event.timestamp:%Y-%m-%dT%H:%M:%SZ}",
        event.level,
        event.application,
        event.error_id,
        what(event) + whereabouts(event) + times(occurrences),
    )


def _bare_line(entry: Entry) -> str:
    """Show a count or a loss, which is no whole event, by what it has."""
    members = entry.members()
    exception = members.get("exception")
    kind = exception.get("type") if isinstance(exception, dict) else ""
    said = kind or members.get("message") or members.get("reason") or entry.kind
    timestamp = str(members.get("timestamp") or "")[:19]
    return _line(
        timestamp and f"{timestamp}Z",
        str(members.get("level") or level_name(entry.levelno)),
        str(members.get("application") or ""),
        str(members.get("error_id") or entry.fingerprint),
        f"{said}{times(entry.occurrences)}",
    )


def _line(*parts: str) -> str:
    return " ".join(harmless.line(part) for part in parts if part) + "\n"
