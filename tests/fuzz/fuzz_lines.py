"""The protocol of lines: what senders and receivers say goes in. It is refused in words, or stored, counted and shown.

Usage: python tests/fuzz/fuzz_lines.py [-max_total_time=600]
"""

from __future__ import annotations

import json
from typing import Any

from fuzz_event import MEMBERS, try_body
from fuzzing import Choices, main, watched

with watched():
    from tocsin.event.errors import DecodeError
    from tocsin.receiver.arrival import Unreadable, arrival_of, decoded
    from tocsin.receiver.room import RoomName, _encoded, _origin_members, _received
    from tocsin.sinks.socket.protocol import answer_line, answer_of, hello_line, hello_of
    from tocsin.spool import format as fmt

LINE: dict[str, Any] = {**MEMBERS, "origin": {"process": "p1", "generation": 0, "offset": 7}, "occurrences": 1}
_OTHERS: tuple[dict[str, Any], ...] = (
    {"hello": "tocsin lines", "version": 1, "application": "shop", "token": "x"},
    {"taken": 3},
    {"error": "line", "reason": "because", "line": 7},
    {**LINE, "kind": "loss", "reason": "internal", "lost": 7, "fingerprint": ""},
    {**LINE, "origin": {"process": "p1", "generation": 0, "slot": 40, "count": 9}},
)


def try_one(data: bytes) -> None:
    """Raise where a line does anything but be taken or refused."""
    choices = Choices(data)
    if not choices.number(16):
        line = choices.rest()
    else:
        members: Any = choices.one((LINE, LINE, *_OTHERS))
        for _ in range(1 + choices.number(3)):
            members = choices.spoiled(members)
        line = json.dumps(members).encode()
    _as_sender(line)
    try:
        members = decoded(line)
        hello = hello_of(members)
        if hello is not None:
            hello_of(json.loads(hello_line(hello)))
            return
        arrival = arrival_of(members)
    except Unreadable as fault:
        assert fault.reason
        return
    except DecodeError:
        return
    _stored(arrival)


def _as_sender(line: bytes) -> None:
    try:
        answer = answer_of(line)
    except DecodeError:
        return
    if hasattr(answer, "number") or hasattr(answer, "reason"):
        answer_line(answer)  # type: ignore[arg-type]


def _stored(arrival: Any) -> None:
    members = {} if arrival.is_loss else dict(arrival.members)
    members["received"] = {"by": "x", **_origin_members(arrival.origin)}
    try:
        body = _encoded(members)
    except Unreadable:
        return
    assert _received(body) == arrival.origin
    path = RoomName(arrival.application, arrival.environment).path
    assert path.count("/") == 1 and ".." not in path and path.isascii() and path.isprintable(), path
    record = fmt.pack(
        1, body, kind=arrival.kind, levelno=arrival.levelno, number=arrival.number, count=arrival.occurrences,
        fingerprint=arrival.fingerprint, time=arrival.time,
    )  # fmt: skip
    assert fmt.unpack_header(record) is not None
    if not arrival.is_loss:
        try_body(body)


def seeds() -> list[bytes]:
    """Return inputs to begin with."""
    lines = [b"\x00" + json.dumps(each).encode() for each in (LINE, *_OTHERS)]
    return [b"", *lines, *(bytes([1, 0, 0, 1, number, 2, 1, 1]) for number in range(26))]


if __name__ == "__main__":
    main(try_one, seeds())
