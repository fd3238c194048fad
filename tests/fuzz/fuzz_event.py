"""Wire events: JSON that is nearly an event goes in. It is none, or one that can be counted, told and shown.

Usage: python tests/fuzz/fuzz_event.py [-max_total_time=600]
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fuzzing import Choices, main, watched

with watched():
    from tocsin.delivery.ledger import _title
    from tocsin.delivery.lines import sighting_entry
    from tocsin.delivery.sightings import Sighting
    from tocsin.event import wire
    from tocsin.event.errors import DecodeError
    from tocsin.event.masking.scrub import Scrubber
    from tocsin.event.model import Event, ExceptionInfo, Frame, LogLine, Request, Task
    from tocsin.render.facts import culprit, facts, what, where
    from tocsin.render.terminal import event_terminal
    from tocsin.render.text import event_text
    from tocsin.sinks.base import Origin
    from tocsin.spool.format import Header

__all__ = ["MEMBERS", "seeds", "try_body", "try_one"]

AT = datetime(2026, 1, 2, tzinfo=UTC)
HEADER = Header(1, "error", 40, 0, 1, 1, 0, "v1:" + "ab" * 16, 1.0)
FRAME = Frame("shop.cart", "add", "shop/cart.py", 7, "x = y", in_app=True, before=("a",), after=("b",), column=1,
              end_column=3, end_line=7, locals={"y": "1"}, url="https://forge.example/cart.py#L7")  # fmt: skip
INFO = ExceptionInfo("LookupError", "7", (FRAME,), notes=("a note",), cause=ExceptionInfo("ValueError", "x", (FRAME,)),
                     place=FRAME)  # fmt: skip
EVENT = Event(
    kind="traceback", level="ERROR", levelno=40, timestamp=AT, application="shop", environment="production",
    release="1", host="web1", logger="shop", message="it broke", template="it %s", exception=INFO,
    request=Request("GET", "/x", "a=1", "https", "shop", "/<x>", "x.y", {"Accept": "*/*"}, "1.2.3.4", "ab", 500, "42"),
    task=Task("import", "celery", "7"), tags={"region": "eu"}, lead_up=(LogLine(AT, "INFO", "shop", "looked up"),),
    process_id=7, process_name="MainProcess", thread="MainThread", location="shop.cart:7", fields={"a": {"b": [1]}},
    custom_fingerprint="", error_id="7K3QDM-24F2", fingerprint="v1:" + "ab" * 16, commit="3f2a1b9c04d7",
)  # fmt: skip
MEMBERS: dict[str, Any] = json.loads(wire.encode(EVENT))
assert wire.decode(wire.encode(EVENT)) == EVENT, "what is spoiled must be whole, else nothing but its refusal is tried"


def try_one(data: bytes) -> None:
    """Raise where an event that was decoded breaks what comes after."""
    choices = Choices(data)
    if not choices.number(16):
        try_body(choices.rest())
        return
    members = MEMBERS
    for _ in range(1 + choices.number(3)):
        members = choices.spoiled(members)
    try_body(json.dumps(members).encode())


def try_body(body: bytes) -> None:
    """Read a body as the leader does, and show it as sinks and commands do."""
    try:
        event = wire.decode(body)
    except DecodeError:
        return
    for shown in (
        what(event),
        where(event),
        culprit(event),
        _title(event),
        event_text(event),
        event_text(event, has_all=True),
        event_terminal(event, is_coloured=True),
    ):
        assert type(shown) is str
        shown.encode("utf-8", "surrogatepass")
    facts(event)
    json.loads(sighting_entry(Sighting(HEADER, Origin("p", 0, offset=1), 1, body), {}, AT).line)
    json.loads(sighting_entry(Sighting(HEADER, Origin("p", 0, slot=40, count=2), 2, body), {}, AT).line)
    wire.decode(wire.encode(event))
    Scrubber().event(event, frames=True)


def seeds() -> list[bytes]:
    """Return inputs to begin with."""
    return [b"", b"\x00" + wire.encode(EVENT), *(bytes([1, 0, 1, number, 2, 1, 1]) for number in range(24))]


if __name__ == "__main__":
    main(try_one, seeds())
