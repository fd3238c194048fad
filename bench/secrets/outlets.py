"""Every way out of tocsin: a line of the spool goes in; the bytes that each sink sends or shows of it leave."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from servers import Lines, serving

from tocsin.config.sink_table import SinkTable
from tocsin.event import wire
from tocsin.event.model import Event
from tocsin.event.notice import Notice
from tocsin.render import chat, ticket
from tocsin.render.subject import subject
from tocsin.render.terminal import event_terminal
from tocsin.sinks import registry
from tocsin.sinks.base import Accepted, Entry, Origin, Sink, SinkContext
from tocsin.sinks.nteventlog.message import record_of
from tocsin.sinks.stderr import StderrSink
from tocsin.testing.contract import notice_of

__all__ = ["Outlets", "outlets"]

_CONTEXT = SinkContext("shop", "production", "web-1")
_TICKET_CHARS = 60_000


class Outlets:
    """Hold the sinks; `sent` hands one line to all of them."""

    def __init__(self) -> None:
        self._ways: dict[str, Callable[[Entry, Event, Notice], bytes]] = {}
        self.left_out: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """Return what they are called."""
        return list(self._ways)

    def add(self, name: str, way: Callable[[Entry, Event, Notice], bytes]) -> None:
        """Add a way: what it returns are the bytes that left."""
        self._ways[name] = way

    def add_sink(self, name: str, options: str | dict[str, Any], take: Callable[[], bytes]) -> None:
        """Add a sink by its URL or table; ``take`` returns what has arrived at its destination."""
        table = SinkTable({}, options) if isinstance(options, str) else SinkTable(options)
        built, faults = registry.build([table], _CONTEXT)
        if faults:
            self.left_out[name] = faults[0]
            return
        sink: Any = built[0].sink

        def way(entry: Entry, event: Event, notice: Notice) -> bytes:
            _require(name, _handed(sink, entry, notice))
            return take()

        self._ways[name] = way

    def sent(self, line: bytes) -> dict[str, bytes]:
        """Return what leaves of one line of the spool, by outlet."""
        members = json.loads(line)
        origin = members["origin"]
        entry = Entry(
            Origin(origin["process"], origin["generation"], origin["offset"]),
            members["kind"],
            members["levelno"],
            members["fingerprint"],
            members["occurrences"],
            line,
        )
        event = wire.decode(line)
        notice = notice_of("new", event)
        return {"file": line, **{name: way(entry, event, notice) for name, way in self._ways.items()}}


@contextmanager
def outlets(folder: Path) -> Iterator[Outlets]:
    """Run what the sinks need, for the length of the block."""
    all_of_them = Outlets()
    syslog, lines = Lines(), Lines()
    with serving() as (posts, mails), _rows(folder / "errors.db") as rows:
        add, add_sink = all_of_them.add, all_of_them.add_sink
        stream = io.StringIO()
        for form in ("text", "line"):
            add(f"stderr, {form}", _shown(StderrSink(form, lambda: stream), stream))
        add_sink("mail", f"smtp://127.0.0.1:{mails.port}?to=ops@example.org&tls=none", mails.take)
        add_sink("syslog", f"syslog+tcp://127.0.0.1:{syslog.port}", syslog.take)
        add_sink("socket", f"socket+tcp://127.0.0.1:{lines.port}?acknowledge=false", lines.take)
        add_sink("database", {"type": "database", "path": str(folder / "errors.db"), "store": "both"}, rows)
        add_sink("webhook", f"webhook+http://127.0.0.1:{posts.port}/hook", posts.take)
        add_sink("OTLP", f"otlp+http://127.0.0.1:{posts.port}", posts.take)
        add_sink("Sentry envelope", f"sentry+http://key@127.0.0.1:{posts.port}/1", posts.take)
        pager = {"type": "pager", "url": f"http://127.0.0.1:{posts.port}/v2/enqueue", "routing_key": "0" * 32}
        add_sink("pager", pager, posts.take)
        add("Windows event log", lambda entry, event, notice: record_of(entry).text.encode("utf-16-le"))
        add("chat", lambda entry, event, notice: f"{subject(notice)}\n{chat.chat_lines(notice)}".encode())
        for markup in ("wiki", "markdown", "textile"):
            add(f"ticket, {markup}", _ticket(markup))
        add("tocsin show", lambda entry, event, notice: event_terminal(event, is_coloured=False).encode())
        yield all_of_them
    syslog.close()
    lines.close()


def _handed(sink: Sink, entry: Entry, notice: Notice) -> object:
    deliver = getattr(sink, "deliver", None)
    return deliver([entry]) if deliver is not None else sink.notify(notice)  # type: ignore[attr-defined]


def _require(name: str, outcome: object) -> None:
    if not isinstance(outcome, Accepted):
        raise RuntimeError(f"{name} did not take an event: {outcome}")


def _shown(sink: StderrSink, stream: io.StringIO) -> Callable[[Entry, Event, Notice], bytes]:
    def way(entry: Entry, event: Event, notice: Notice) -> bytes:
        _require("stderr", sink.deliver([entry]))
        shown = stream.getvalue().encode("utf-8", "backslashreplace")
        stream.seek(0)
        stream.truncate()
        return shown

    return way


def _ticket(markup: Any) -> Callable[[Entry, Event, Notice], bytes]:
    def way(entry: Entry, event: Event, notice: Notice) -> bytes:
        issue = notice.issues[0]
        told = ticket.body(notice, issue, markup, keyword="tb_0", mark="m0", chars=_TICKET_CHARS)
        return f"{ticket.title(notice, issue)}\n{told}".encode()

    return way


@contextmanager
def _rows(path: Path) -> Iterator[Callable[[], bytes]]:
    """Yield what returns all columns of the rows that came since the last time, and deletes them."""
    with sqlite3.connect(path) as connection:

        def take() -> bytes:
            found = []
            for table in ("tocsin_occurrences", "tocsin_issues"):
                with suppress(sqlite3.OperationalError):
                    found += connection.execute(f"SELECT * FROM {table}").fetchall()
                    connection.execute(f"DELETE FROM {table}")
            connection.commit()
            return "\n".join(map(str, (value for row in found for value in row))).encode()

        yield take
    connection.close()
