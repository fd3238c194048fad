"""What of an event reaches which sort of sink: a marked event goes in; the table of docs/how-to/privacy.md leaves.

Each member that may tell of a person has a mark of its own; a sink has it if its real bytes hold the mark. Run it to
get the table: ``python tests/inventory.py``.
"""

from __future__ import annotations

import email
import email.policy
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from tocsin.event import wire
from tocsin.event.model import Event, ExceptionInfo, Frame, LogLine, Request, Task
from tocsin.event.notice import IssueReport, Notice
from tocsin.render import ticket
from tocsin.render.chat import chat_lines
from tocsin.render.notice_json import notice_members
from tocsin.sinks.base import Entry, Origin, SinkContext
from tocsin.sinks.database.rows import row_of
from tocsin.sinks.mail.message import compose
from tocsin.sinks.nteventlog.message import record_of
from tocsin.sinks.otlp.record import log_record
from tocsin.sinks.pager import PagerSink
from tocsin.sinks.sentry.payload import event_payload
from tocsin.sinks.stderr import StderrSink
from tocsin.sinks.syslog import message as syslog

__all__ = ["COLUMNS", "OF_NOBODY", "ROWS", "event", "mark_of", "table"]

_AT: Final = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
_CONTEXT: Final = SinkContext("shop", "test", "web1")
_SIXTEEN: Final = 16

# The member, and what people call it.
ROWS: Final[Mapping[str, str]] = {
    "exception.message": "the exception's message",
    "exception.notes": "its notes",
    "exception.cause.message": "messages of its causes",
    "message": "the log record's message",
    "source": "source lines",
    "locals": "local variables",
    "fields": "fields (`extra`, `context()`)",
    "tags": "tags",
    "lead_up": "lead-up",
    "task.id": "the task's id",
    "request.path": "path",
    "request.query": "query",
    "request.headers": "headers, such as User-Agent and Referer",
    "request.client": "the client's address",
    "request.client_hash": "the client's hash",
    "request.user": "the user",
}

# The other members, by class: of code and of the machine, or themselves made of those above.
OF_NOBODY: Final[Mapping[type, frozenset[str]]] = {
    Event: frozenset(
        [
            "kind",
            "level",
            "levelno",
            "timestamp",
            "application",
            "environment",
            "release",
            "commit",
            "host",
            "logger",
            "template",
            "exception",
            "request",
            "process_id",
            "process_name",
            "thread",
            "location",
            "custom_fingerprint",
            "prepared",
            "error_id",
            "fingerprint",
            "task",
        ]
    ),
    Request: frozenset(["method", "scheme", "host", "route", "endpoint", "status"]),
    ExceptionInfo: frozenset(
        ["type", "frames", "frames_omitted", "cause", "context", "members", "members_omitted", "place"]
    ),
    Frame: frozenset(
        [
            "module",
            "function",
            "file",
            "line",
            "before",
            "after",
            "end_line",
            "column",
            "end_column",
            "in_app",
            "repeats",
            "url",
            "operation",
            "fragment",
        ]
    ),
    Task: frozenset(["name", "by"]),
}


def mark_of(member: str) -> str:
    """Return the text that stands in a member: 16 letters that stand nowhere else."""
    letters = "".join(chr(ord("a") + byte % 26) for byte in member.encode())
    return f"q{letters}{'z' * _SIXTEEN}"[:_SIXTEEN]


def event() -> Event:
    """Return an event with a mark in each member of `ROWS`."""
    marks = {member: mark_of(member) for member in ROWS}
    assert len(set(marks.values())) == len(marks)
    source = f"    pay('{marks['source']}')"
    frame = Frame("shop.orders", "pay", "/srv/shop/orders.py", 12, source, locals={"name": marks["locals"]})
    cause = ExceptionInfo("KeyError", marks["exception.cause.message"], (replace(frame, source="x", locals=None),))
    return Event(
        kind="traceback",
        level="ERROR",
        levelno=40,
        timestamp=_AT,
        application="shop",
        environment="test",
        host="web1",
        logger="shop",
        message=marks["message"],
        template=marks["message"],
        exception=ExceptionInfo(
            "ValueError", marks["exception.message"], (frame,), notes=(marks["exception.notes"],), cause=cause
        ),
        request=Request(
            "GET", f"/{marks['request.path']}", marks["request.query"], "https", "shop.example.org", "/<name>", "pay",
            {"User-Agent": marks["request.headers"]}, marks["request.client"], marks["request.client_hash"], None,
            marks["request.user"],
        ),
        task=Task("shop.tasks.send", "celery", marks["task.id"]),
        fields={"customer": marks["fields"]},
        tags={"tenant": marks["tags"]},
        lead_up=(LogLine(_AT, "INFO", "shop", marks["lead_up"]),),
        error_id="7K3QDM-24F2",
        fingerprint=f"v2:{'0' * 32}",
    )  # fmt: skip


def _entry(told: Event) -> Entry:
    members = {**json.loads(wire.encode(told)), "origin": {}, "occurrences": 1}
    line = json.dumps(members).encode("ascii")
    return Entry(Origin("0" * 18, 0, offset=0), told.kind, told.levelno, told.fingerprint, 1, line)


def _notice(told: Event) -> Notice:
    issue = IssueReport(
        told.fingerprint, "7K3QDM", told.kind, told.level, "ValueError", "shop.orders.pay", 1, 1, 1, _AT, _AT, _AT,
        sample=told,
    )  # fmt: skip
    return Notice("n1", "new", _AT, "shop", "test", (issue,))


def _all_of(told: Event) -> str:
    return _entry(told).line.decode()


def _mail(told: Event) -> str:
    mail = email.message_from_bytes(compose(_notice(told), "a@b.example", ["c@d.example"]), policy=email.policy.default)
    return "".join(str(part.get_content()) for part in mail.walk() if not part.is_multipart()) + str(mail["Subject"])


def _stderr(form: str) -> Callable[[Event], str]:
    def said(told: Event) -> str:
        out = io.StringIO()
        StderrSink(form, lambda: out).deliver([_entry(told)])
        return out.getvalue()

    return said


def _pager(told: Event) -> str:
    notice = _notice(told)
    sink = object.__new__(PagerSink)
    sink._context = _CONTEXT
    return json.dumps(sink._event(notice, notice.issues[0]))


def _ticket(told: Event) -> str:
    notice = _notice(told)
    made = ticket.body(notice, notice.issues[0], "markdown", keyword="tb", mark="tn", chars=60_000)
    return made + ticket.title(notice, notice.issues[0])


# The sort of sink, and what of an event its real bytes are made of.
COLUMNS: Final[Mapping[str, Callable[[Event], str]]] = {
    "file, socket": _all_of,
    "database": lambda told: json.dumps(row_of(_entry(told), _CONTEXT, _AT).values, default=str),
    "webhook": lambda told: json.dumps(notice_members(_notice(told))),
    "Sentry": lambda told: json.dumps(event_payload(_entry(told), json.loads(_all_of(told)), _CONTEXT)),
    "OTLP": lambda told: json.dumps(log_record(_entry(told), json.loads(_all_of(told)), _AT), default=str),
    "mail": _mail,
    "tickets": _ticket,
    "chat": lambda told: chat_lines(_notice(told), is_inert=False),
    "pager": _pager,
    "stderr, lines": _stderr("line"),
    "stderr, text": _stderr("text"),
    "Windows event log": lambda told: record_of(_entry(told)).text,
    "syslog": lambda told: syslog.message(_entry(told), _CONTEXT, syslog.Style(1, 8_192)).decode(),
}


def _variants() -> Iterator[Event]:
    """Yield events that between them reach every place of a report: some texts stand in for others."""
    full = event()
    assert full.request is not None
    yield full
    yield replace(full, request=replace(full.request, user=None))
    yield replace(full, exception=None, kind="error")


def table() -> str:
    """Return the table in Markdown. Nothing is masked here: what masking knows never gets as far."""
    said = {name: "".join(make(told).lower() for told in _variants()) for name, make in COLUMNS.items()}
    rows = [["what", *COLUMNS], ["---", *("---" for _ in COLUMNS)]]
    for member, words in ROWS.items():
        rows.append([words, *("yes" if mark_of(member) in text else "" for text in said.values())])
    return "".join(f"| {' | '.join(cells)} |\n".replace("|  |", "| |").replace("|  |", "| |") for cells in rows)


if __name__ == "__main__":
    print(table(), end="")
