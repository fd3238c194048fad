"""A notice sink's end of delivery: what the router finds due goes in; notices to people leave, told once accepted."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tocsin.delivery.outlet import Outlet
from tocsin.event.notice import Notice
from tocsin.routing.episodes import Policy
from tocsin.routing.router import Route, Router
from tocsin.routing.state import State
from tocsin.sinks.base import NoticeSink, Outcome, Refused, takes_notices
from tocsin.spool.reader import GenerationReader

if TYPE_CHECKING:
    from tocsin.sinks.registry import BuiltSink

__all__ = ["NoticeOutlet"]


class NoticeOutlet(Outlet):
    """Deliver one notice at a time, as the router decides."""

    def __init__(self, built: BuiltSink, state: State, router: Router, jitter: random.Random) -> None:
        super().__init__(built, state, jitter)
        if not takes_notices(built.sink):
            raise TypeError(f"{built.identity} takes no notices")
        self._sink: NoticeSink = built.sink
        self._router = router
        self._notice: Notice | None = None
        self._route = Route(
            identity=built.identity,
            kinds=built.kinds,
            levelno=built.levelno,
            policy=Policy(**getattr(built.sink, "policy", {})),
            since=state.consumer_since(built.identity) or datetime.min.replace(tzinfo=UTC),
        )

    def _next_call(
        self, readers: Sequence[GenerationReader], now: datetime, is_hurried: bool
    ) -> Callable[[], Outcome] | None:
        notice = self._router.due(self._route, now, is_hurried=is_hurried)
        if notice is None:
            return None
        self._notice = notice
        return lambda: self._sink.notify(notice)

    def _accepted(self, now: datetime) -> None:
        if self._notice is not None:
            self._router.accepted(self._route, self._notice, now)

    def _refused(self, outcome: Refused, now: datetime) -> None:
        if self._notice is not None:
            self._router.refused(self._route, self._notice, now)
