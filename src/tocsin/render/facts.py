"""An event goes in; what it is, where it is and its labelled facts leave, harmless, in the order of every report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from itertools import islice
from typing import Any, Final, TypeAlias

from tocsin.event.identity.wording import first_segment
from tocsin.event.limits import CHAIN, FIELD_CHARS, HEADER_CHARS, MESSAGE_CHARS, NAME_CHARS, TAGS
from tocsin.event.model import Event, ExceptionInfo, Frame, Request, Task
from tocsin.render import harmless, when

__all__ = [
    "RELEASE", "Fact", "culprit", "facts", "frame_name", "in_file", "innermost", "logged_at", "occasion", "raised_in",
    "release", "short_commit", "source_lines", "table", "tags_line", "what", "where",
]  # fmt: skip

Fact: TypeAlias = tuple[str, str]  # a label and its value; the value may have several lines

RELEASE: Final = "Release"  # the label of the fact beside which a report tells of the line's commit
_WHAT_CHARS: Final = 300
_COMMIT_CHARS: Final = 12
_LABEL_COLUMNS: Final = 11
_WHOLE_TEMPLATE: Final = ("", "template", "top-level template code")  # Jinja2's words for what is in no block
_BARE: Final = re.compile(r"[^\s\"=]+")  # of a tag: what needs no quotes to be told from what stands beside it


def what(event: Event) -> str:
    """Return one line: exception type and message, or the message alone."""
    exception = event.exception
    if exception is None:
        return harmless.line(event.message or event.template or event.level, _WHAT_CHARS)
    first = exception.message.strip().partition("\n")[0]
    return harmless.line(f"{exception.type}: {first}" if first else exception.type, _WHAT_CHARS)


def where(event: Event) -> str:
    """Return ``module.function, file:line`` of the innermost application frame, else where it was logged.

    Where that isn't known either it is the task, and else the logger.
    """
    frame = innermost(event.exception)
    if frame is None:
        return harmless.line(logged_at(event.logger, event.location) or _task_name(event) or event.logger)
    return in_file(frame)


def logged_at(logger: str, location: str) -> str:
    """Return ``shop.views.pay:87``, where it was logged, of ``views.pay:87`` and the logger's name.

    A record knows the last part of its module's name only, and an application may have many a ``views``. The rest is
    the logger's name, where that is the module's, as usual.
    """
    module = location.partition(".")[0]
    if module and location.count(".") == 1 and logger.endswith(f".{module}"):
        return logger.removesuffix(module) + location
    return location


def in_file(frame: Frame) -> str:
    """Return ``orders.views.pay, shop/orders/views.py:87``, without a name where there is no function."""
    place = f"{frame.file}:{frame.line}"
    return harmless.line(f"{frame_name(frame)}, {place}" if frame.function else place)


def frame_name(frame: Frame) -> str:
    """Return ``orders.views.pay``; of a template, whose module is its file, ``cart.html block 'body'`` or its name."""
    if frame.module and frame.file.endswith(frame.module):
        return frame.module if frame.function in _WHOLE_TEMPLATE else f"{frame.module} {frame.function}"
    return ".".join(filter(None, (frame.module, frame.function)))


def culprit(event: Event) -> str:
    """Return where an event happened: the function, the task, the route, or the logger.

    A task is named before a function of a library: what says that a worker died or took too long is the library of
    all tasks.
    """
    frame = innermost(event.exception)
    task = _task_name(event)
    if frame is not None and (frame.in_app or not task):
        return frame_name(frame)
    if event.exception is not None and task:
        return task
    if event.request is not None and event.request.status is not None:
        return event.request.route or event.request.endpoint or event.logger
    known = logged_at(event.logger, event.location).rpartition(":")[0] or task
    if known or event.exception is None or event.request is None:
        return known or event.logger
    return event.request.route or first_segment(event.request.path)  # of what died in a request no frame may be left


def occasion(event: Event, *, has_route: bool = False) -> str:
    """Return ``POST /orders/17/pay``, ``task shop.tasks.send`` or nothing: what was being done, in a few words.

    With ``has_route`` the route in place of the path, where it is known.
    """
    request = event.request
    path = "" if request is None else (request.route if has_route else "") or request.path
    asked = f"{request.method} {path}" if request is not None else ""
    task = f"task {_task_name(event)}" if _task_name(event) else ""
    return harmless.line(", ".join(filter(None, (asked, task))))


def innermost(exception: ExceptionInfo | None) -> Frame | None:
    """Return the innermost application frame; of library code only, the innermost of all.

    Where a library raised an exception anew, outside of the application's code, that is the frame of its cause. One
    that was never raised itself (a bare group, a cause made by hand) is looked into.
    """
    if exception is None:
        return None
    link = exception
    for _ in range(CHAIN):
        own = [frame for frame in link.frames if frame.in_app]
        if own:
            return own[-1]
        if link.cause is None or link.members:
            break
        link = link.cause
    return raised_in(exception)


def raised_in(exception: ExceptionInfo) -> Frame | None:
    """Return the innermost application frame, else the innermost of all, of just this exception, where it has any."""
    own = [frame for frame in exception.frames if frame.in_app] or exception.frames
    if own:
        return own[-1]
    inner = (raised_in(item) for item in (*exception.members, exception.cause, exception.context) if item is not None)
    return next((frame for frame in inner if frame is not None), None)


def facts(event: Event, zone: tzinfo | None = None, *, has_time: bool = True) -> list[Fact]:
    """Return the labelled facts that are known, from time to fields; empty ones are left out."""
    rows: list[Fact] = [("When", when.stamp(event.timestamp, zone))] if has_time else []
    if event.message and not _is_of_exception(event):
        message = harmless.block(event.message[:MESSAGE_CHARS].strip())
        if event.exception is not None or "\n" in message:
            rows.append(("Message", message))
    rows.append((RELEASE, release(event)))
    if event.request is not None:
        rows.append(("Request", "\n".join(_request(event.request))))
    if event.task is not None:
        rows.append(("Task", _task(event.task)))
    if event.tags:
        rows.append(("Tags", tags_line(event)))
    if event.fields:
        shown = (f"{harmless.line(str(name))} = {_json(value)}" for name, value in event.fields.items())
        rows.append(("Fields", "\n".join(shown)))
    rows.extend((label, harmless.line(value)) for label, value in _surroundings(event))
    return [(label, value) for label, value in rows if value]


def release(event: Event) -> str:
    """Return ``1.4.2, commit 3f2a1b9c04d7``; a release that is the commit is not told twice."""
    commit = short_commit(event.commit)
    named = harmless.line(event.release)
    if not commit:
        return named
    if not named or event.commit.startswith(event.release):
        return f"commit {commit}"
    return named if commit in named else f"{named}, commit {commit}"


def short_commit(revision: str) -> str:
    """Return a commit's first 12 digits, as forges and ``git show`` take them."""
    return harmless.line(revision[:_COMMIT_CHARS])


def _is_of_exception(event: Event) -> bool:
    """Tell whether the message says no more than the exception, which every report begins with."""
    info = event.exception
    return info is not None and event.message in (info.type, info.message, f"{info.type}: {info.message}")


def tags_line(event: Event) -> str:
    """Return ``tenant=acme region="north east"``: a value in which something parts or quotes is quoted."""
    shown = islice(event.tags.items(), TAGS)
    return harmless.line(" ".join(f"{_bare(name)}={_bare(value)}" for name, value in shown))


def _bare(text: str) -> str:
    cut = harmless.shorten(text, NAME_CHARS)
    return cut if _BARE.fullmatch(cut) else json.dumps(cut, ensure_ascii=False)


def _task_name(event: Event) -> str:
    return event.task.name if event.task is not None else ""


def _task(task: Task) -> str:
    """Return ``shop.tasks.send (celery, id 1234)``."""
    about = ", ".join(filter(None, (task.by, f"id {task.id}" if task.id else "")))
    return harmless.line(f"{task.name} ({about})" if task.name and about else task.name or about)


def table(rows: Iterable[Fact]) -> list[str]:
    """Return facts as text: a column of labels, values beside it, further lines below their value."""
    out = []
    for label, value in rows:
        first, *more = value.split("\n")
        out.append(f"{label:<{_LABEL_COLUMNS}} {first}".rstrip())
        out.extend((" " * (_LABEL_COLUMNS + 1) + text).rstrip() for text in more)
    return out


def source_lines(frame: Frame) -> list[tuple[int, str, bool]]:
    """Return (line number, text, is the failing one) around a frame's line; empty where nothing surrounds it."""
    numbered = enumerate((*frame.before, frame.source, *frame.after), frame.line - len(frame.before))
    lines = [(number, harmless.line(text.rstrip()), number == frame.line) for number, text in numbered]
    while lines and not lines[0][1]:
        lines.pop(0)
    while lines and not lines[-1][1]:
        lines.pop()
    if len(lines) < 2 or not frame.source:
        return []
    indent = min((len(text) - len(text.lstrip()) for _, text, _ in lines if text), default=0)
    return [(number, text[indent:], is_failing) for number, text, is_failing in lines]


def _surroundings(event: Event) -> Iterator[Fact]:
    yield "Level", event.level if event.level not in ("ERROR", "WARNING") else ""
    yield "Logger", event.logger
    yield "Logged at", logged_at(event.logger, event.location) if event.exception is not None else ""
    process = f"process {event.process_id}" if event.process_id else ""
    if process and event.process_name and event.process_name != "MainProcess":
        process += f" ({event.process_name})"
    thread = f"thread {event.thread}" if event.thread and event.thread != "MainThread" else ""
    yield "Host", ", ".join(part for part in (event.host, process, thread) if part)


def _request(request: Request) -> Iterator[str]:
    base = f"{request.scheme or 'http'}://{request.host}" if request.host else ""
    query = f"?{request.query}" if request.query else ""
    yield harmless.line(f"{request.method} {base}{request.path}{query}")
    parts = (
        f"route {request.route}" if request.route else "",
        f"endpoint {request.endpoint}" if request.endpoint else "",
        f"answered {request.status}" if request.status else "",
        f"from {request.client}" if request.client else "",
        f"user {request.user}" if request.user else "",
    )
    yield from (harmless.line(text) for text in [", ".join(filter(None, parts))] if text)
    for name, value in request.headers.items():
        yield harmless.line(f"{name}: {value}", HEADER_CHARS)


def _json(value: Any) -> str:
    if isinstance(value, str):
        return harmless.line(value, FIELD_CHARS)
    shown = json.dumps(value, ensure_ascii=False, default=lambda other: type(other).__name__)
    return harmless.line(shown, FIELD_CHARS)
