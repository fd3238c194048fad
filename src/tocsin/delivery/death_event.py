"""One death: what a process left goes in; the event that reports it leaves, or None where nothing was broken off."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tocsin.capture.frames import is_hidden
from tocsin.capture.source import SourceCache
from tocsin.delivery.crash_dump import ABORTED, Dump, Stack
from tocsin.event import error_id, limits
from tocsin.event.identity.fingerprint import fingerprint
from tocsin.event.identity.wording import first_segment
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Event, ExceptionInfo, Frame, Request, Task
from tocsin.render import when
from tocsin.spool.in_flight import FlightFile, Note

__all__ = ["LOGGER", "OUT_OF_MEMORY", "VANISHED", "DeathReporter"]

LOGGER: Final = "tocsin.deaths"
VANISHED: Final = "ProcessVanished"
OUT_OF_MEMORY: Final = "OutOfMemory"

_INSTALLED: Final = re.compile(r".*/(?:site-packages|dist-packages|lib/python3\.\d+)/")
_STANDARD: Final = re.compile(r".*/lib/python3\.\d+/(?!site-packages/|dist-packages/)")  # of whichever Python it was
_SAID: Final = ("application", "environment", "release", "host")
_PACKAGE_DEPTH: Final = 16
_MEANINGS: Final = {
    ABORTED: "aborted (SIGABRT): by itself, or by its server for having taken too long",
    VANISHED: "vanished: SIGKILL, out of memory or a power cut; nothing in the process could say which",
    OUT_OF_MEMORY: "vanished just as the kernel killed for want of memory in its control group",
}


@dataclass(frozen=True, slots=True)
class DeathReporter:
    """Make events of deaths, masked."""

    scrubber: Scrubber
    is_in_app: Callable[[str, str], bool]
    sources: SourceCache

    def event(self, process: str, flight: FlightFile, dump: Dump | None, at: datetime, cause: str = "") -> Event | None:
        """Return the event of a death; None where a process was in no request and left no dump: nothing broke off.

        ``cause`` names what is known from elsewhere, "" for nothing.
        """
        if dump is None and not flight.notes:
            return None
        note, others = _culprit(flight.notes, dump)
        request, task = _request(note), _task(note)
        name = dump.type if dump is not None else cause or VANISHED
        about = {key: value for key, value in flight.about.items() if type(value) is str}
        said: dict[str, Any] = {key: about.get(key, "") for key in _SAID}
        pid = flight.about.get("pid", 0)
        message = f"process {pid}{_during(note, at)} {_meaning(name, dump)}"
        event = Event(
            kind="traceback",
            level=logging.getLevelName(logging.CRITICAL),
            levelno=logging.CRITICAL,
            timestamp=at,
            logger=LOGGER,
            message=f"{name}: {message}",
            template=f"{name}{_place(request, task)}",
            exception=ExceptionInfo(name, message, *self._frames(None if dump is None else dump.current)),
            request=request,
            task=task,
            process_id=pid,
            thread=_thread(note),
            fields=_fields(flight, dump, others),
            **said,
        )
        return self._identified(event, process)

    def _identified(self, event: Event, process: str) -> Event:
        """Mask an event and give it its identity: the same one, whichever leader makes it."""
        event = self.scrubber.event(event)
        issue = fingerprint(event)
        number = int(process[-6:], 16) % error_id.SUFFIXES
        return replace(event, fingerprint=issue, error_id=error_id.make(error_id.prefix(issue), number))

    def _frames(self, stack: Stack | None) -> tuple[tuple[Frame, ...], int]:
        """Return (frames, the outermost first; how many were left out between the ends)."""
        if stack is None:
            return (), 0
        found = _within(stack)
        half = limits.FRAMES // 2
        omitted = max(0, len(found) - limits.FRAMES)
        if omitted:
            found = found[:half] + found[-half:]
        return tuple(self._frame(*place) for place in found), omitted

    def _frame(self, file: str, line: int, function: str) -> Frame:
        lines = self.sources.lines(file)
        before = max(0, line - 1 - limits.CONTEXT_LINES)
        is_there = 0 < line <= len(lines)
        module = _module(file)
        frame = Frame(
            module=module,
            function=function,
            file=file,
            line=line,
            source=lines[line - 1].rstrip() if is_there else "",
            before=tuple(text.rstrip() for text in lines[before : line - 1]) if is_there else (),
            after=tuple(text.rstrip() for text in lines[line : line + limits.CONTEXT_LINES]) if is_there else (),
            in_app=self.is_in_app(module, file) and not _STANDARD.match(file),
        )
        return self.scrubber.frame(frame)


def _within(stack: Stack) -> list[tuple[str, int, str]]:
    """Return a thread's frames, the outermost first, from where the application was called: as of an exception."""
    frames = stack.frames[::-1]
    hidden = [index for index, place in enumerate(frames) if is_hidden(_module(place[0]))]
    return [place for index, place in enumerate(frames) if index not in hidden and index > min(hidden, default=-1)]


def _culprit(notes: Sequence[Note], dump: Dump | None) -> tuple[Note | None, list[Note]]:
    """Return what the process most likely died of, and what else it was in.

    Of a crash that is what its thread was in: the latest, where many share a thread. Who kills tells nobody why; what
    has been under way the longest is the best guess.
    """
    thread = dump.current.thread if dump is not None and dump.current is not None else 0
    own = [note for note in notes if note.thread == thread]
    found = own[-1] if own else next(iter(notes), None) if thread == 0 else None
    return found, [note for note in notes if note is not found]


def _request(note: Note | None) -> Request | None:
    if note is None or note.words[0] != "request":
        return None
    return Request(method=_word(note, 1), path=_word(note, 2), route=_word(note, 4) or None)


def _task(note: Note | None) -> Task | None:
    if note is None or note.words[0] != "task":
        return None
    return Task(_word(note, 1), _word(note, 2), _word(note, 3))


def _thread(note: Note | None) -> str:
    return "" if note is None else _word(note, 3) if note.words[0] == "request" else ""


def _word(note: Note, index: int) -> str:
    return note.words[index] if index < len(note.words) else ""


def _place(request: Request | None, task: Task | None) -> str:
    """Return what of a request or task names an issue where no frames do."""
    if request is not None:
        return f" in {request.method} {request.route or first_segment(request.path)}"
    return "" if task is None else f" in {task.name}"


def _during(note: Note | None, at: datetime) -> str:
    if note is None:
        return ""
    for_s = max((at - datetime.fromtimestamp(note.since, UTC)).total_seconds(), 0.0)
    return f", {when.span(timedelta(seconds=for_s))} into {_what(note)}," if for_s >= 1 else f" in {_what(note)}"


def _what(note: Note) -> str:
    return f"{_word(note, 1)} {_word(note, 2)}" if note.words[0] == "request" else _word(note, 1)


def _meaning(name: str, dump: Dump | None) -> str:
    return _MEANINGS.get(name) or f"crashed: {'' if dump is None else dump.words}"


def _fields(flight: FlightFile, dump: Dump | None, others: Sequence[Note]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if flight.is_ended:
        fields["process_ended"] = "as it should; this crash is that of a process forked from it"
    if others:
        fields["also_in_flight"] = [
            f"{_what(note)} since {datetime.fromtimestamp(note.since, UTC):%H:%M:%S} UTC"
            for note in others[: limits.FIELD_ITEMS]
        ]
    if dump is not None:
        threads = [stack for stack in dump.stacks if stack.frames and not stack.is_current and not _is_own(stack)]
        if threads:
            fields["other_threads"] = [_text(stack) for stack in threads[: limits.CRASH_THREADS]]
        if dump.extension_modules:
            fields["extension_modules"] = dump.extension_modules[: limits.FIELD_CHARS]
    return fields


def _is_own(stack: Stack) -> bool:
    return _module(stack.frames[-1][0]).startswith("tocsin.delivery.")


def _text(stack: Stack) -> str:
    lines = [f"{file}:{line} in {function}" for file, line, function in stack.frames]
    return "\n".join(lines)[: limits.FIELD_CHARS]


def _module(file: str) -> str:
    """Return the name of a file's module, as far as its place tells: a dump names files only."""
    path = file.replace("\\", "/")
    installed = _INSTALLED.match(path)
    name = path.removesuffix(".py")
    if installed:
        name = name[installed.end() :]
    elif not path.startswith("<"):
        name = _within_packages(Path(path))
    return name.removesuffix("/__init__").replace("/", ".") or "?"


def _within_packages(path: Path) -> str:
    parts = [path.stem]
    for folder in path.parents[:_PACKAGE_DEPTH]:
        try:
            if not (folder / "__init__.py").exists():
                break
        except OSError:
            break
        parts.append(folder.name)
    return "/".join(reversed(parts))
