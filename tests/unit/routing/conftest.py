"""What the tests of routing share: a start time, a maker of occurrences, a simulated sink."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from state_contract import START, make_sample, make_seen
from tocsin.event.model import Event
from tocsin.event.notice import Notice
from tocsin.routing.episodes import Policy
from tocsin.routing.issues import Occurrences, SampleRef
from tocsin.routing.router import Route, Router
from tocsin.routing.sqlite import SqliteState
from tocsin.routing.state import State

ALL = frozenset({"traceback", "error", "warning"})


@pytest.fixture
def start() -> datetime:
    return START


@pytest.fixture
def seen() -> Callable[..., Occurrences]:
    return make_seen


@pytest.fixture
def sample() -> Callable[..., SampleRef]:
    return make_sample


class Desk:
    """A router with one route, whose clock is set by the test."""

    def __init__(self, state: State, start: datetime, **policy) -> None:
        self.state, self.start, self.loaded = state, start, []
        self.route = Route("mail:ops", ALL, 0, Policy(timezone=UTC, **policy), start)
        self.router = self.reopened()

    def reopened(self) -> Router:
        self.router = Router(self.state, load_sample=self.load, application="shop", environment="test")
        return self.router

    def load(self, ref) -> Event | None:
        self.loaded.append(ref)
        return Event("traceback", "ERROR", 40, ref.at, "shop", error_id=ref.error_id)

    def due(self, after_s: float, **how) -> Notice | None:
        return self.router.due(self.route, self.start + timedelta(seconds=after_s), **how)

    def accept(self, notice: Notice, after_s: float) -> Notice:
        self.router.accepted(self.route, notice, self.start + timedelta(seconds=after_s))
        return notice

    def tell(self, after_s: float, **how) -> tuple[str, list[tuple[str, int]]] | None:
        notice = self.due(after_s, **how)
        if notice is None:
            return None
        self.accept(notice, after_s)
        return notice.reason, [(each.fingerprint[3:], each.untold) for each in notice.issues]


@pytest.fixture
def state() -> Iterator[SqliteState]:
    kept = SqliteState(":memory:")
    yield kept
    kept.close()


@pytest.fixture
def desk_of(state: SqliteState) -> Callable[..., Desk]:
    return lambda of=state, **policy: Desk(of, START, **policy)


@pytest.fixture
def desk(desk_of: Callable[..., Desk]) -> Desk:
    return desk_of()
