"""Events, issue reports and notices of a shop that broke: what the tests of rendering and of mail tell of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from tocsin.event.model import Event, ExceptionInfo, Frame, LogLine, Request, Task
from tocsin.event.notice import Commit, IssueReport, Notice, Reason

BROKE_AT: Final = datetime(2026, 11, 22, 2, 41, 7, tzinfo=UTC)
ZONE: Final = timezone(timedelta(hours=1))
# Newlines, a terminal escape, a lone surrogate, marks that turn the reading direction, markup, a header.
HOSTILE: Final = "a\r\nBcc: eve@example.org\x1b[31m\udc80\u202e<script>alert(1)</script>&\x00\u2028\x9b2J"

LIBRARY: Final = (
    Frame("flask.app", "Flask.wsgi_app", "/lib/flask/app.py", 1511, "response = self.dispatch()", in_app=False),
    Frame("flask.app", "Flask.dispatch", "/lib/flask/app.py", 919, "rv = self.view()", in_app=False),
)
PAY: Final = Frame(
    "orders.views",
    "pay",
    "shop/orders/views.py",
    87,
    "        charge(order.amount * rates[order.currency])",
    before=("    order = load(order_id)", "    if order.is_open:"),
    after=("    return redirect('/')",),
    column=30,
    end_column=51,
)
RATE: Final = Frame(
    "orders.money", "rate", "shop/orders/money.py", 12, "    raise CurrencyError(name)", column=4, end_column=29
)
KEY_ERROR: Final = ExceptionInfo("KeyError", "'CHF'", (*LIBRARY, PAY))
CURRENCY_ERROR: Final = ExceptionInfo(
    "orders.money.CurrencyError",
    "no rate for 'CHF'",
    (PAY, RATE),
    notes=("the rates are 3 h old",),
    cause=KEY_ERROR,
)
REQUEST: Final = Request(
    "POST",
    "/orders/17/pay",
    "coupon=[masked]",
    "https",
    "shop.example",
    "/orders/<int:id>/pay",
    "orders.pay",
    {"Accept": "text/html"},
    status=500,
)
TRACEBACK: Final = Event(
    "traceback",
    "ERROR",
    40,
    BROKE_AT,
    "shop",
    "production",
    "1.4.2",
    host="web1",
    logger="orders",
    message="could not pay order 17",
    template="could not pay order %s",
    exception=CURRENCY_ERROR,
    request=REQUEST,
    process_id=4711,
    process_name="gunicorn",
    thread="Thread-3",
    fields={"order_id": 17, "cart": {"items": [1, 2]}},
    error_id="7K3QDM-24F2",
    fingerprint="v1:00112233445566778899aabbccddeeff",
)
ERROR: Final = replace(
    TRACEBACK,
    kind="error",
    logger="shop.stock",
    message="stock of article 99 went negative",
    template="stock of article %s went negative",
    exception=None,
    location="shop.stock.take:17",
    fields={},
    error_id="EE3QDM-24F2",
    fingerprint="v1:" + "22" * 16,
)
WARNING: Final = replace(
    ERROR, kind="warning", level="WARNING", levelno=30, message="400 Bad Request", template="400 Bad Request"
)
# What a worker made of a task, with all that an event can have besides a request.
TASK: Final = replace(
    TRACEBACK,
    request=None,
    task=Task("shop.tasks.send", "celery", "1234"),
    tags={"tenant": "acme", "region": "north east"},
    lead_up=(
        LogLine(BROKE_AT - timedelta(seconds=12.5), "DEBUG", "shop.tasks", "took order 17"),
        LogLine(BROKE_AT - timedelta(milliseconds=1204), "INFO", "shop.orders", "stock looked up"),
    ),
)


def hostile_event() -> Event:
    """Return an event with hostile text wherever text can be."""
    frame = Frame(HOSTILE, HOSTILE, HOSTILE, 3, HOSTILE, (HOSTILE,), (HOSTILE,), column=1, end_column=9)
    frame = replace(frame, url=f"https://forge.example/{HOSTILE}\"'>)](`|", locals={HOSTILE: HOSTILE})
    library = replace(frame, in_app=False)
    frames = (library, frame, library, frame, library)
    exception = ExceptionInfo(HOSTILE, HOSTILE, frames, notes=(HOSTILE,), place=frame)
    request = Request(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, HOSTILE)
    request = replace(request, user=HOSTILE)
    texts = dict.fromkeys(
        ("application", "environment", "release", "commit", "host", "logger", "message", "thread"), HOSTILE
    )
    return replace(
        TRACEBACK,
        exception=replace(exception, members=(exception,), cause=exception),
        request=request,
        task=Task(HOSTILE, HOSTILE, HOSTILE),
        tags={HOSTILE: HOSTILE},
        lead_up=(LogLine(BROKE_AT, HOSTILE, HOSTILE, HOSTILE),) * 3,
        fields={HOSTILE: HOSTILE, "nested": [{HOSTILE: HOSTILE}]},
        error_id=HOSTILE,
        level=HOSTILE,
        location=HOSTILE,
        process_name=HOSTILE,
        **texts,
    )


def issue(sample: Event | None = TRACEBACK, count: int = 37, **changes: Any) -> IssueReport:
    """Return a report of ``count`` occurrences within eleven minutes, all of them untold."""
    event = sample or TRACEBACK
    values: dict[str, Any] = {
        "fingerprint": event.fingerprint,
        "prefix": event.error_id[:6],
        "kind": event.kind,
        "level": event.level,
        "title": event.exception.type if event.exception else event.template,
        "culprit": "orders.views.pay" if event.exception else event.logger,
        "count": count,
        "episode_count": count,
        "untold": count,
        "first_seen": BROKE_AT,
        "last_seen": BROKE_AT + timedelta(minutes=11),
        "episode_started": BROKE_AT,
        "first_release": "1.4.2",
        "last_release": "1.4.2",
        "sample": sample,
    }
    return IssueReport(**{**values, **changes})


def notice(reason: Reason, *issues: IssueReport, **changes: Any) -> Notice:
    """Return a notice of the shop, decided a minute after the last occurrence."""
    found = Notice("notice-1", reason, BROKE_AT + timedelta(minutes=12), "shop", "production", issues)
    return replace(found, **changes)


def hostile_notice(reason: Reason = "new", count: int = 1) -> Notice:
    """Return a notice whose every text is hostile."""
    changes = dict.fromkeys(("prefix", "title", "culprit", "first_release", "fingerprint", "level"), HOSTILE)
    brought = Commit(HOSTILE, BROKE_AT, HOSTILE, f"https://forge.example/{HOSTILE}\"'>)](`|")
    one = issue(hostile_event(), introduced=brought, **changes)
    return notice(reason, *(one,) * count, application=HOSTILE, environment=HOSTILE, id=HOSTILE)
