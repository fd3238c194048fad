"""A notice sink's end of delivery: what the router finds due goes in; notices to people leave, told once accepted."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tocsin.complaints import complain
from tocsin.delivery.dead_letters import DeadLetters
from tocsin.delivery.health import Health
from tocsin.delivery.introduced import Introducer
from tocsin.delivery.outlet import Outlet
from tocsin.event import limits
from tocsin.event.notice import Notice
from tocsin.routing.episodes import Policy
from tocsin.routing.router import Route, Router
from tocsin.routing.state import State
from tocsin.sinks.base import Entry, NoticeSink, Outcome, Refused, takes_notices
from tocsin.spool.reader import GenerationReader

if TYPE_CHECKING:
    from tocsin.sinks.registry import BuiltSink

__all__ = ["NoticeOutlet"]


class NoticeOutlet(Outlet):
    """Deliver one notice at a time, as the router decides."""

    def __init__(
        self,
        built: BuiltSink,
        state: State,
        dead_letters: DeadLetters,
        router: Router,
        jitter: random.Random,
        introducer: Introducer | None = None,
    ) -> None:
        super().__init__(built, state, dead_letters, jitter)
        if not takes_notices(built.sink):
            raise TypeError(f"{built.identity} takes no notices")
        self._sink: NoticeSink = built.sink
        self._router = router
        # A sink that is called by the leader itself must not wait for a program.
        self._introducer = None if built.sink.is_local else introducer
        self._notice: Notice | None = None
        self._held_at = 0.0  # monotonic: when the right to send was taken or renewed
        self._route = Route(
            identity=built.identity,
            kinds=built.kinds,
            levelno=built.levelno,
            policy=_policy_of(built),
            since=self._since(),
            loggers=built.loggers,
        )

    def look_anew(self) -> None:
        """Ask the state again from when on the sink is told: it was healed."""
        self._route = replace(self._route, since=self._since())

    def _since(self) -> datetime:
        return self._state.consumer_since(self.identity) or datetime.min.replace(tzinfo=UTC)

    def step(self, readers: Sequence[GenerationReader], now: datetime, *, is_hurried: bool) -> bool:
        """Do one small piece of work, as `Outlet.step`; while a call is under way, no other leader is to begin one."""
        if self.is_busy and time.monotonic() - self._held_at > limits.CLAIM_S / 4:
            self._held_at = time.monotonic()
            self._router.hold(self._route)
        return super().step(readers, now, is_hurried=is_hurried)

    def has_waiting(self, readers: Sequence[GenerationReader], now: datetime, is_hurried: bool) -> bool:
        """Tell whether there is anything to deliver. Nothing is decided here: who decides has to send."""
        due_at = self._router.next_due(self._route, now, is_hurried=is_hurried)
        return self._dead_letters.wanted(self.identity) is not None or (due_at is not None and due_at <= now)

    def _next_call(
        self, readers: Sequence[GenerationReader], now: datetime, is_hurried: bool
    ) -> Callable[[], Outcome] | None:
        notice = self._router.due(self._route, now, is_hurried=is_hurried)
        if notice is None:
            if self.health.failing_since is not None and not self._router.is_pending(self._route):
                self._save_health(Health())  # another leader has delivered what failed here
            return None
        self._notice = notice
        self._held_at = time.monotonic()
        return lambda: self._told(notice)

    def _told(self, notice: Notice) -> Outcome:
        if self._introducer is not None:
            notice = self._introducer.fill(notice)
            self._notice = notice  # of the same id; refused, it is kept as it was sent
        return self._sink.notify(notice)

    def _adopt(self, left: Outlet) -> bool:
        """Go on with a notice whose acceptance could not be kept, as the state was away: it is not sent again."""
        if isinstance(left, NoticeOutlet):
            self._job, self._letter, self._notice = left._job, left._letter, left._notice
        return self._job is not None

    def _accepted(self, now: datetime) -> None:
        if self._notice is not None:
            self._router.accepted(self._route, self._notice, now)

    def _call(self, report: Entry | Notice) -> Outcome:
        if isinstance(report, Notice):
            return self._sink.notify(report)
        return Refused("it is an event, of the time when this sink was handed every event")

    def _refused_first(self, outcome: Refused, now: datetime) -> None:
        if self._notice is not None:
            is_kept = self._dead_letters.bury(self.identity, self._notice, outcome, now)
            self._router.refused(self._route, self._notice, now, is_kept=is_kept)


def _policy_of(built: BuiltSink) -> Policy:
    """Return how a sink wants to be told; what its policy names that there isn't must not stop the other sinks."""
    wanted = dict(getattr(built.sink, "policy", {}))
    unknown = sorted(wanted.keys() - Policy.__dataclass_fields__.keys())
    if unknown:
        complain("policy", f"{built.identity}: its policy has no {', '.join(map(str, unknown))}; left out")
    return Policy(**{name: value for name, value in wanted.items() if name not in unknown})
