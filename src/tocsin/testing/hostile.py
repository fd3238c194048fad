"""Hostile events, numbered: nothing goes in; what every sink has to take without harm leaves.

A sink gets what is in the spool: masked and bounded, but still whatever a client, a library or an older version put
there. The numbers are part of the documentation (docs/reference/sink-contract.md) and are never given out again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

from tocsin.event import error_id, limits
from tocsin.event.model import Event, ExceptionInfo, Frame, LogLine, Request, Task

__all__ = ["HOSTILE", "HostileCase", "ordinary_event"]


@dataclass(frozen=True, slots=True)
class HostileCase:
    """Name one hostile event: ``number`` and ``name`` for people, ``make(salt)`` for the event.

    Events of different salts are of different faults, so a destination that is used twice tells them apart.
    """

    number: int
    name: str
    why: str
    shape: Callable[[Event], Event]

    def make(self, salt: str = "") -> Event:
        """Return the event, with a fingerprint and an error id of its own."""
        event = self.shape(ordinary_event())
        digest = blake2b(f"{self.number}{self.name}{salt}".encode(), digest_size=16).hexdigest()
        fingerprint = f"v1:{digest}"
        own_id = error_id.make(error_id.prefix(fingerprint), self.number)
        return replace(event, fingerprint=fingerprint, error_id=own_id)


def ordinary_event() -> Event:
    """Return an event as any application makes it: two frames, a request, a field."""
    frames = (
        Frame("shop.app", "handle", "shop/app.py", 12, "return view(request)", ("def handle(request):",), ()),
        Frame(
            "shop.orders", "pay", "shop/orders.py", 41, "total = order['total'] / order['parts']",
            ("def pay(order):", "    check(order)"), ("    return total",), 41, 8, 38,
        ),
    )  # fmt: skip
    return Event(
        kind="traceback",
        level="ERROR",
        levelno=40,
        timestamp=datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=UTC),
        application="shop",
        environment="production",
        release="2026.3",
        host="web-1",
        logger="shop.orders",
        message="GET /order/7 failed",
        template="%s %s failed",
        exception=ExceptionInfo("ZeroDivisionError", "division by zero", frames),
        request=Request(
            "GET", "/order/7", "page=2", "https", "shop.example.org", "/order/<int:n>", "order", {"Accept": "*/*"}
        ),
        process_id=4711,
        process_name="MainProcess",
        thread="MainThread",
        location="shop.app.handle:13",
        fields={"customer": 7, "parts": [1, 2]},
    )


def _everywhere(event: Event, text: str) -> Event:
    """Put ``text`` wherever an event has free text."""
    frame = Frame(text, text, text, 1, text, (text,), (text,))
    return replace(
        event,
        environment=text[:60],
        release=text[:60],
        host=text[:60],
        logger=text,
        message=text,
        template=text,
        exception=ExceptionInfo(text, text, (frame,), notes=(text,)),
        request=Request("GET", text, text, "https", text, text, text, {"Accept": text}, text, user=text, status=500),
        task=Task(text, text, text),
        tags={text: text, "tenant": text},
        lead_up=(LogLine(event.timestamp, text, text, text),) * 2,
        process_name=text,
        thread=text,
        location=text,
        fields={text: text, "nested": {text: [text]}},
    )


def _oversized(event: Event) -> Event:
    frame = Frame("shop.orders", "pay", "shop/orders.py", 41, "x" * 240, ("y" * 240,) * 3, ("z" * 240,) * 3)
    info = ExceptionInfo("ValueError", "m" * 8_192, (frame,) * 64)
    return replace(event, message="M" * 8_192, exception=replace(info, cause=info, notes=("n" * 1_024,) * 16))


def _many_frames(event: Event) -> Event:
    frames = tuple(Frame(f"m{n % 7}", f"f{n}", "deep.py", n + 1, "self.next()") for n in range(10_000))
    return replace(event, exception=ExceptionInfo("RecursionError", "maximum recursion depth exceeded", frames))


def _bare(event: Event) -> Event:
    return Event(kind="error", level="ERROR", levelno=40, timestamp=event.timestamp, application="shop")


def _chained(event: Event) -> Event:
    info = event.exception
    for number in range(31):
        info = ExceptionInfo(f"Cause{number}", "because", event.exception.frames if event.exception else (), cause=info)
    return replace(event, exception=info)


def _grouped(event: Event) -> Event:
    info = ExceptionInfo("ValueError", "leaf", event.exception.frames if event.exception else ())
    for _ in range(4):
        info = ExceptionInfo("ExceptionGroup", "several", (), members=(info, info, info), members_omitted=9_999)
    return replace(event, exception=info)


def _numbers(event: Event) -> Event:
    fields = {"nan": float("nan"), "inf": float("-inf"), "big": 2**200, "tiny": 5e-324, "none": None, "no": False}
    return replace(event, fields=fields, process_id=2**63, levelno=2**31 - 1, level="Level 2147483647")


def _nested(event: Event) -> Event:
    value: object = "core"
    for _ in range(60):
        value = {"in": [value]}
    return replace(event, fields={"deep": value, "": "", "wide": dict.fromkeys(map(str, range(500)), 0)})


def _background(event: Event) -> Event:
    said = [
        LogLine(event.timestamp - timedelta(seconds=number), "INFO", "shop.tasks", f"step {9 - number} done")
        for number in range(8, 0, -1)
    ]
    return replace(
        event,
        request=None,
        task=Task("shop.tasks.send", "celery", "7b9c4e1e-6b0f-4a53-9c39-0f6f7f0f5a11"),
        tags={"tenant": "acme", "region": "eu"},
        lead_up=tuple(said),
    )


def _long_context(event: Event) -> Event:
    lines = [
        # As far from the event as a calendar reaches, in both directions, and in no order.
        LogLine(at, "L" * 256, "l" * 256, "m" * limits.LEAD_UP_CHARS)
        for at in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
    ]
    names = ("", " ", "=", '"', "error_id", "kind", "level", "ключ", "n" * 256, *map(str, range(limits.TAGS)))
    return replace(
        event,
        task=Task("t" * 256, "b" * 256, "i" * 256),
        tags=dict.fromkeys(names[: limits.TAGS], "v" * 256),
        lead_up=tuple(lines * (limits.LEAD_UP // 2)),
    )


def _markup(event: Event) -> Event:
    text = (
        "</pre><script>alert(1)</script>{{{#!html <b>}}} {{{ }}} [[Image(x)]] ``` ~~~ {noformat}{code} @everyone @here"
        " <!channel> fixes #1 closes #2 r123 !@#$%^&* | || ---- == h1. <<< >>> &amp; ]]> <![CDATA[ --> $(id) `id`"
    )
    return _everywhere(event, text)


_CONTROLS: Final = "".join(map(chr, (*range(32), *range(127, 160))))

HOSTILE: Final = (
    HostileCase(1, "ordinary", "the measure of all others", lambda event: event),
    HostileCase(2, "oversized", "every text at its bound: about 260 kB", _oversized),
    HostileCase(
        3, "control_characters", "C0, DEL and C1 in every text", lambda event: _everywhere(event, f"a{_CONTROLS}z")
    ),
    HostileCase(4, "nul", "NUL, which databases and C end at", lambda event: _everywhere(event, "a\0z\0")),
    HostileCase(
        5, "lone_surrogates", "what no UTF-8 can carry", lambda event: _everywhere(event, "a\ud800z\udfff\udc80")
    ),
    HostileCase(
        6,
        "line_breaks",
        "CR, LF and Unicode's own line breaks, with a header and a log line behind them",
        lambda event: _everywhere(event, "a\r\nBcc: x@example.org\r\n\r\n.\r\n<34>1 forged\n\x85\u2028\u2029z"),
    ),
    HostileCase(7, "ten_thousand_frames", "a stack no capture would keep", _many_frames),
    HostileCase(8, "bare", "no exception, no message, no request, no logger", _bare),
    HostileCase(9, "long_chain", "32 causes", _chained),
    HostileCase(10, "deep_groups", "exception groups in groups", _grouped),
    HostileCase(
        11,
        "beyond_the_basic_plane",
        "emoji, joined and coloured, and a script written from right to left, with overrides",
        lambda event: _everywhere(event, "👩🏽‍🚀💥 שלום \u202egnp.exe\u202c e\u0301 \ufeff\ufffe 漢字"),
    ),
    HostileCase(12, "markup", "HTML, wiki, Markdown, chat mentions and commands for trackers", _markup),
    HostileCase(
        13,
        "format_strings",
        "templates of logging, Python, shells and loggers of other languages",
        lambda event: _everywhere(event, "%s %d %(x)s {} {0.__class__} ${jndi:ldap://x} {{7*7}} %0a %n"),
    ),
    HostileCase(14, "extreme_numbers", "NaN, infinities, integers past 64 bits, an unknown level", _numbers),
    HostileCase(15, "deep_fields", "sixty levels of nesting, an empty key, 500 keys", _nested),
    HostileCase(16, "one_long_word", "8,192 characters without a space", lambda event: _everywhere(event, "w" * 8_192)),
    HostileCase(
        17,
        "quotes_and_backslashes",
        "what ends strings, structured data and headers",
        lambda event: _everywhere(event, "\"'\\]=;,<>\\\" '' \\0 \\x00 ;--"),
    ),
    HostileCase(
        18,
        "the_first_year",
        "a clock that was never set",
        lambda event: replace(event, timestamp=datetime(1, 1, 1, tzinfo=UTC)),
    ),
    HostileCase(
        19,
        "the_last_year",
        "a clock far ahead",
        lambda event: replace(event, timestamp=datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ),
    HostileCase(
        20, "warning", "the mildest kind", lambda event: replace(event, kind="warning", level="WARNING", levelno=30)
    ),
    HostileCase(
        21,
        "critical",
        "the gravest level, from a log call without an exception",
        lambda event: replace(event, kind="error", level="CRITICAL", levelno=50, exception=None),
    ),
    HostileCase(22, "spaces_only", "texts that look empty", lambda event: _everywhere(event, " \t\u00a0\u3000\u200b ")),
    HostileCase(23, "background_work", "a task without a request, with tags and a lead-up", _background),
    HostileCase(
        24, "long_context", "task, tags and lead-up at their bounds, names that are none, other ages", _long_context
    ),
)
