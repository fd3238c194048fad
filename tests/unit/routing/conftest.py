"""What the tests of routing share: a start time, a maker of occurrences, a simulated sink."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.routing.issues import Occurrences, SampleRef

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def make_seen(name: str = "a", after_s: float = 0.0, n: int = 1, **changes: Any) -> Occurrences:
    at = START + timedelta(seconds=after_s)
    values: dict[str, Any] = {
        "fingerprint": f"v1:{name}",
        "prefix": name.upper()[:6].ljust(6, "2"),
        "kind": "traceback",
        "level": "ERROR",
        "levelno": 40,
        "logger": "shop",
        "title": "ValueError",
        "culprit": "shop.pay",
        "application": "shop",
        "environment": "test",
        "release": "1.0",
        "at": at,
        "n": n,
    }
    values.update(changes)
    if values["kind"] == "warning" and "level" not in changes:
        values.update(level="WARNING", levelno=30)
    return Occurrences(**values)


def make_sample(offset: int = 0, after_s: float = 0.0, error_id: str = "AAAAAA-2222") -> SampleRef:
    return SampleRef("p1", 1, offset, error_id, START + timedelta(seconds=after_s))


@pytest.fixture
def start() -> datetime:
    return START


@pytest.fixture
def seen() -> Callable[..., Occurrences]:
    return make_seen


@pytest.fixture
def sample() -> Callable[..., SampleRef]:
    return make_sample
