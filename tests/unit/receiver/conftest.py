"""What the tests of the receiver share: lines as senders make them, and an inbox in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tocsin.receiver.arrival import Arrival, arrival_of
from tocsin.receiver.inbox import Inbox
from tocsin.spool.folder import Folder

FINGERPRINT = "v1:" + "ab" * 16


def line_members(**changes: Any) -> dict[str, Any]:
    """Return the members of a line; ``offset``, or ``slot`` and ``count``, go into its origin."""
    names = ("process", "generation", "offset", "slot", "count")
    origin = {"process": "p1", "generation": 0, **{name: changes.pop(name) for name in names if name in changes}}
    if "slot" not in origin:
        origin.setdefault("offset", 0)
    return {
        "schema": 1,
        "kind": "error",
        "fingerprint": FINGERPRINT,
        "error_id": "ABCDEF-2345",
        "levelno": 40,
        "application": "shop",
        "environment": "production",
        "release": "1.0",
        "host": "web1",
        "timestamp": "2026-11-22T08:16:51.809199Z",
        "message": "it broke",
        "origin": origin,
        "occurrences": 1,
        **changes,
    }


@pytest.fixture
def members() -> Callable[..., dict[str, Any]]:
    return line_members


@pytest.fixture
def arrival() -> Callable[..., Arrival]:
    return lambda **changes: arrival_of(line_members(**changes))


@pytest.fixture
def new_inbox(tmp_path: Path) -> Iterator[Callable[..., Inbox]]:
    """Give a call that opens an inbox in the folder ``received``; all are closed at the end."""
    with ExitStack() as stack:

        def make(**options: Any) -> Inbox:
            inbox = Inbox(Folder(tmp_path / "received"), sinks=["file:x"], **{"max_bytes": 10_000_000, **options})
            inbox.open()
            stack.callback(inbox.close)
            return inbox

        yield make
