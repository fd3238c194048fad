"""An event and its parts: frozen values that cross every floor. What capture found goes in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

__all__ = ["Event", "ExceptionInfo", "Frame", "Json", "Kind", "LogLine", "Request", "Task"]

Kind: TypeAlias = Literal["traceback", "error", "warning"]
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Frame:
    """Hold one frame of a traceback, already masked.

    ``url`` leads to the line in the forge, by the setting ``source_url``. ``operation`` is what of the line failed,
    without what varies (see `capture.operation`), "" where that is not known.

    ``line`` and ``end_line`` count from 1; ``column`` and ``end_column`` are character offsets from 0 into the
    *stripped-right* source line (PEP 657), ``None`` where the interpreter has none. ``repeats`` is how many
    consecutive identical frames this one stands for.
    """

    module: str
    function: str
    file: str
    line: int
    source: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    end_line: int | None = None
    column: int | None = None
    end_column: int | None = None
    in_app: bool = True
    repeats: int = 1
    locals: Mapping[str, str] | None = None
    url: str = ""
    operation: str = ""
    # The wire form, rendered once per cached frame. `dataclasses.replace` does not carry it over, so a
    # changed frame can't be written with stale bytes.
    fragment: str | None = field(init=False, default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ExceptionInfo:
    """Hold one exception: its frames outermost first, its cause or context, its group members."""

    type: str  # qualified name; builtins without module
    message: str
    frames: tuple[Frame, ...] = ()
    frames_omitted: int = 0  # between the kept ends
    notes: tuple[str, ...] = ()
    cause: ExceptionInfo | None = None  # raise … from cause
    context: ExceptionInfo | None = None  # during the handling of which; None where suppressed
    members: tuple[ExceptionInfo, ...] = ()
    members_omitted: int = 0
    place: Frame | None = None  # which the exception itself names, no frame of its traceback: a SyntaxError's line


@dataclass(frozen=True, slots=True)
class Request:
    """Hold what a report tells of a request. Header names are in `Title-Case`; values are masked."""

    method: str
    path: str
    query: str = ""
    scheme: str = ""
    host: str = ""
    route: str | None = None  # the template, such as /order/<int:id>
    endpoint: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    client: str | None = None  # by the setting client_address
    client_hash: str | None = None  # keyed, salted by the day: counts distinct clients, names none
    status: int | None = None
    user: str | None = None  # by the setting user_id


@dataclass(frozen=True, slots=True)
class Task:
    """Hold what a report tells of the work in the background that it happened in; all of it is masked.

    ``by`` is what runs it: ``celery``, ``rq``, ``watch`` for a block of the application's own …
    """

    name: str
    by: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """Hold one record of logging from before an event; masked. ``timestamp`` is aware UTC, ``level`` a name."""

    timestamp: datetime
    level: str
    logger: str
    message: str


@dataclass(frozen=True, slots=True)
class Event:
    """Hold one captured occurrence.

    ``timestamp`` is aware UTC. ``level`` is logging's name and ``levelno`` its number. ``template`` is the
    unformatted message, what an event without a traceback is recognised by. ``fields`` are JSON values.
    ``error_id`` and ``fingerprint`` are empty until intake has computed them.
    """

    kind: Kind
    level: str
    levelno: int
    timestamp: datetime
    application: str
    environment: str = ""
    release: str = ""
    commit: str = ""  # the revision that runs, in hexadecimal
    host: str = ""
    logger: str = ""
    message: str = ""
    template: str = ""
    exception: ExceptionInfo | None = None
    request: Request | None = None
    process_id: int = 0
    process_name: str = ""
    thread: str = ""
    location: str = ""  # module.function:line of the log call
    fields: Mapping[str, Any] = field(default_factory=dict)
    custom_fingerprint: str = ""  # the caller's own; empty: computed
    prepared: Mapping[str, Any] = field(default_factory=dict)  # what a drop-in handler made for its own destination
    error_id: str = ""
    fingerprint: str = ""
    task: Task | None = None
    tags: Mapping[str, str] = field(default_factory=dict)  # what the application sorts its reports by
    lead_up: tuple[LogLine, ...] = ()  # what the same request or task logged before
