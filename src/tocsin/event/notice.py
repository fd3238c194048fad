"""What is told of issues: routing decides a Notice, a sink says it. Frozen values, no wording."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from tocsin.event.model import Event, Kind

__all__ = ["Activity", "Commit", "IssueReport", "Notice", "Reason"]

Reason: TypeAlias = Literal[
    "new",  # first notice of one or several faults
    "update",  # an episode grew tenfold
    "quiet",  # an episode ended: with something untold, or to a sink that is told of every end
    "comeback",  # a fault came back within seven days
    "summary",  # the hourly cap is reached: everything held back, in one
    "over",  # the flood that the cap held back has ended
    "digest",  # the daily list: warnings and chronic faults
    "alive",  # nothing but that tocsin works, and how much it did
    "check",  # sent by `tocsin check`
]


@dataclass(frozen=True, slots=True)
class Commit:
    """Hold a commit: hexadecimal ``id``, aware ``at``, first line, link into the forge. It names no person."""

    id: str
    at: datetime | None = None
    subject: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class IssueReport:
    """Tell of one issue within a notice.

    ``count`` is exact and covers the issue's whole life; ``episode_count`` the present episode;
    ``untold`` what this notice adds to what the sink was told before. Times are aware UTC.
    """

    fingerprint: str
    prefix: str
    kind: Kind
    level: str
    title: str  # exception type, or the message template's first line
    culprit: str  # module.function of the innermost application frame, else the logger
    count: int
    episode_count: int
    untold: int
    first_seen: datetime
    last_seen: datetime
    episode_started: datetime
    first_release: str = ""
    last_release: str = ""
    clients: int | None = None  # distinct clients seen in full captures of the episode
    sample: Event | None = None  # the first event of the episode, or the freshest in an update
    introduced: Commit | None = None  # which brought the line that failed


@dataclass(frozen=True, slots=True)
class Activity:
    """Count what one sink was told since ``since`` (aware UTC), in occurrences but for ``notices``.

    ``seen`` happened, of the kinds and levels that go to the sink; ``told`` were told in ``notices``; ``waiting``
    wait for a notice, such as the digest or the end of a mute. ``lost`` went astray before anybody was told.
    """

    since: datetime
    seen: int
    told: int
    notices: int
    waiting: int
    lost: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Be one message to people, decided by routing.

    ``id`` is deterministic: the same decision after a crash yields the same id, so a receiver can drop
    the repetition. ``issues`` are sorted by what is untold, highest first. ``held_back`` is the number of notices the
    hourly cap held back since the last one that left.
    """

    id: str
    reason: Reason
    at: datetime
    application: str
    environment: str
    issues: tuple[IssueReport, ...]
    held_back: int = 0
    spool: str = ""  # where `tocsin show` finds the events, on the host they come from
    activity: Activity | None = None  # of an alive notice
