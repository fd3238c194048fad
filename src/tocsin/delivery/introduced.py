"""A notice goes in, about to be sent; it leaves with the commit that brought each failing line, where that is known.

Asked in the thread that calls the sink, after the notice was decided and kept: what git says changes neither its id nor
whether it is sent, and a git that hangs holds up this one sink, for seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tocsin.config.settings import Settings
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Event, ExceptionInfo, Frame
from tocsin.event.notice import Commit, IssueReport, Notice, Reason
from tocsin.provenance.blame import Blame

__all__ = ["Introducer", "blame_of", "commit_of", "failing_frame"]

_TOLD: Final[frozenset[Reason]] = frozenset({"new", "comeback"})


def blame_of(settings: Settings, scrubber: Scrubber) -> Blame:
    """Return what finds commits as the settings want it."""
    return Blame(scrubber, has_git=settings.blame, commit_url=settings.commit_url, source_url=settings.source_url)


class Introducer:
    """Fill in `IssueReport.introduced`. Thread-safe."""

    def __init__(self, blame: Blame) -> None:
        self._blame = blame

    def fill(self, notice: Notice) -> Notice:
        """Return the notice with the commits of its lines; only first notices and comebacks are looked into."""
        if notice.reason not in _TOLD:
            return notice
        end = time.monotonic() + limits.BLAMES_S
        issues = tuple(self._filled(issue, end) for issue in notice.issues)
        return replace(notice, issues=issues)

    def _filled(self, issue: IssueReport, end: float) -> IssueReport:
        if issue.sample is None or issue.introduced is not None or time.monotonic() > end:
            return issue
        return replace(issue, introduced=commit_of(issue.sample, self._blame))


def commit_of(event: Event, blame: Blame) -> Commit | None:
    """Return the commit that brought the line at which an event failed, None where it isn't known. Never raises."""
    frame = failing_frame(event.exception)
    return None if frame is None else blame.of(frame, event.commit)


def failing_frame(info: ExceptionInfo | None) -> Frame | None:
    """Return the innermost application frame of the root cause; without one, that of what it caused.

    The cause is that of the fingerprint: an error of the code that handled another one is its own.
    """
    for each in reversed(list(_chain(info))):
        frame = _own(each)
        if frame is not None:
            return frame
    return None


def _own(info: ExceptionInfo) -> Frame | None:
    if info.place is not None and info.place.in_app:
        return info.place
    return next((frame for frame in reversed(info.frames) if frame.in_app), None)


def _chain(info: ExceptionInfo | None) -> Iterator[ExceptionInfo]:
    """Yield an exception, then what it was raised from; a group of one is its member."""
    seen = 0
    while info is not None and seen < limits.EXCEPTIONS:
        yield info
        seen += 1
        handled = info.context if _own(info) is None else None
        info = info.cause or handled or (info.members[0] if len(info.members) == 1 else None)
