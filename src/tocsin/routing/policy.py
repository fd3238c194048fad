"""How often a sink wants to hear, and what that means on its local clock: a policy and a time go in, a time leaves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from tocsin.event import limits
from tocsin.routing.state import Pace

__all__ = ["Policy", "alive_due", "free_place_at", "next_digest", "quiet_until"]

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """Say how often a sink wants to hear.

    With ``gather_s`` = 0 each new fault has a notice of its own. ``is_single``: every notice tells one issue, so
    nothing is gathered and there is neither a list nor a summary; past the cap, for which only notices of reason
    ``new`` count, new faults wait for a free place in the sliding hour. ``tells_end``: the end of every episode
    that was told is told too, even if nothing is untold. ``quiet_hours`` (from, to) hold all but what is critical
    and new tracebacks. Every ``alive_days`` (0: never) a notice says that tocsin works, at the digest's hour.
    ``timezone`` is that of ``digest_hour`` and ``quiet_hours``; None is the local time of the system.
    """

    first_within_s: float = 10.0
    gather_s: float = 300.0
    silence_s: float = limits.EPISODE_SILENCE_S
    update_factor: int = 10
    update_interval_s: float = 3_600.0
    comeback_days: float = 7.0
    comeback_interval_s: float = 86_400.0
    cap_per_hour: int = 10
    summary_hours: tuple[float, ...] = (1.0, 2.0, 4.0)
    digest_hour: int = 8
    timezone: tzinfo | None = None
    warnings_at_once: int = 50
    warnings_within_s: float = 300.0
    is_single: bool = False
    tells_end: bool = False
    quiet_hours: tuple[time, time] | None = None
    alive_days: float = 0.0

    @property
    def gathers(self) -> bool:
        """Tell whether new faults share a notice."""
        return self.gather_s > 0 and not self.is_single


def next_digest(after: datetime, policy: Policy) -> datetime:
    """Return the first moment later than ``after`` at which the local clock shows the digest's hour."""
    return _next_at(after, time(policy.digest_hour), policy, folds=(0,))


def quiet_until(at: datetime, policy: Policy) -> datetime | None:
    """Return when the quiet hours end that ``at`` lies in, None outside of them. Their end is outside."""
    if policy.quiet_hours is None:
        return None
    start, end = policy.quiet_hours
    clock = at.astimezone(policy.timezone).time()
    is_quiet = start <= clock < end if start <= end else clock >= start or clock < end
    return _next_at(at, end, policy) if is_quiet else None


def alive_due(pace: Pace, policy: Policy) -> datetime | None:
    """Return when the next notice is due that says no more than that tocsin works."""
    if not policy.alive_days or pace.alive_at is None:
        return None
    return next_digest(pace.alive_at + timedelta(days=max(policy.alive_days, 1.0)) - _DAY, policy)


def free_place_at(pace: Pace, policy: Policy) -> datetime:
    """Return from when on the sliding hour has room for one notice more. A cap of 0 counts as 1."""
    taken = pace.sent[-max(policy.cap_per_hour, 1)] if len(pace.sent) >= max(policy.cap_per_hour, 1) else None
    return datetime.min.replace(tzinfo=UTC) if taken is None else taken + timedelta(hours=1)


def _next_at(after: datetime, clock: time, policy: Policy, folds: Iterable[int] = (0, 1)) -> datetime:
    today = after.astimezone(policy.timezone).date()
    # Twice a year a clock time comes twice or not at all; `fold` names which of the two. A digest leaves once a day.
    moments = [_moment(today + days * _DAY, clock, fold, policy.timezone) for days in (0, 1) for fold in folds]
    return min(moment for moment in moments if moment > after)


def _moment(day: date, clock: time, fold: int, timezone: tzinfo | None) -> datetime:
    naive = datetime.combine(day, clock.replace(fold=fold))
    local = naive if timezone is None else naive.replace(tzinfo=timezone)
    return local.astimezone(UTC)
