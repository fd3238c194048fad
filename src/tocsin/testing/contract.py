"""The contract of sinks: a sink and a way to see what arrived go in; numbered tests leave, the same for every sink."""

from __future__ import annotations

import itertools
import threading
import unittest
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Final, get_args
from uuid import uuid4

from tocsin.delivery.lines import loss_entry, sighting_entry
from tocsin.delivery.sightings import Sighting
from tocsin.event import error_id, wire
from tocsin.event.model import Event, Kind
from tocsin.event.notice import IssueReport, Notice, Reason
from tocsin.render.facts import where
from tocsin.sinks.base import Accepted, Entry, Origin, Outcome, Sink, takes_entries
from tocsin.spool import format as segment_format
from tocsin.testing.hostile import HOSTILE, HostileCase, ordinary_event

__all__ = ["SinkContract", "entry_of", "notice_of"]

_WITHOUT_ISSUES: Final[frozenset[Reason]] = frozenset({"alive", "over", "check"})
_offsets = itertools.count(4_096, 4_096)


class SinkContract:
    """Test a sink against its real destination: subclass it, and a test runner finds the numbered tests.

    ``new_sink`` and ``received`` are the author's. Numbers up to 49 hand over one hostile event each, those from 50
    on say how a sink behaves. ``skips`` maps a number to the reason why that case can't hold for this destination; the
    reason belongs into its documentation as well.
    """

    skips: ClassVar[dict[int, str]] = {}
    is_idempotent: ClassVar[bool] = False  # what is handed over twice is there once

    def new_sink(self) -> Any:
        """Return a new sink for the destination of this test, the same one each time within a test."""
        raise NotImplementedError

    def received(self) -> Sequence[str]:
        """Return all that has arrived there so far, one text per message, row, mail or ticket."""
        raise NotImplementedError

    # -- behaviour -----------------------------------------------------------------------------------------

    def test_50_many_at_once(self) -> None:
        """A batch of every hostile event is taken as a whole, and each of them arrives."""
        events = [_fresh(case) for case in self._cases(50)]
        sink = self.new_sink()
        if takes_entries(sink):
            self._accept(sink, [entry_of(event) for event in events])
        else:
            self._accept_notice(sink, notice_of("new", *events[:8]))
            events = events[:1]
        self._has_arrived(*events)
        sink.close()

    def test_51_counts(self) -> None:
        """Occurrences that were only counted are told, without a report of their own."""
        self._unless_skipped(51)
        event, sink = _fresh(HOSTILE[0]), self.new_sink()
        if takes_entries(sink):
            self._accept(sink, [entry_of(event), entry_of(event, counted=2**31)])
        else:
            self._accept_notice(sink, notice_of("new", event, count=2**31))
        self._has_arrived(event)
        sink.close()

    def test_52_what_belongs_to_no_fault(self) -> None:
        """A loss, which belongs to no fault, is taken; so is a notice without issues."""
        self._unless_skipped(52)
        sink = self.new_sink()
        if takes_entries(sink):
            about = {"application": "shop", "environment": "production", "release": "1", "host": "web-1"}
            origin = Origin(f"p{uuid4().hex[:8]}", 1, slot=3, count=17)
            self._accept(sink, [loss_entry("spool_full", 17, origin, about, ordinary_event().timestamp)])
        else:
            self._accept_notice(sink, notice_of("over"))
        sink.close()

    def test_53_torn_report(self) -> None:
        """An event whose report was torn by a crash is taken, with the little that is known."""
        self._unless_skipped(53)
        event, sink = _fresh(HOSTILE[0]), self.new_sink()
        if takes_entries(sink):
            self._accept(sink, [entry_of(event, is_torn=True)])
        else:
            self._accept_notice(sink, notice_of("new", event, has_sample=False))
        sink.close()

    def test_54_every_kind_and_reason(self) -> None:
        """An event of every kind is taken, or a notice of every reason."""
        self._unless_skipped(54)
        event, sink = _fresh(HOSTILE[0]), self.new_sink()
        if takes_entries(sink):
            self._accept(sink, [entry_of(replace(event, kind=kind)) for kind in get_args(Kind)])
        else:
            for reason in get_args(Reason):
                self._accept_notice(sink, notice_of(reason, *([] if reason in _WITHOUT_ISSUES else [event])))
        sink.close()

    def test_55_twice(self) -> None:
        """What is handed over again, to a new sink as after a crash, arrives; once only where the sink says so."""
        self._unless_skipped(55)
        event, first = _fresh(HOSTILE[0]), self.new_sink()
        hand_over = self._handing_over(first, event)
        hand_over(first)
        hand_over(first)
        first.close()
        second = self.new_sink()
        hand_over(second)
        second.close()
        arrived = sum(event.error_id[:6].casefold() in text.casefold() for text in self.received())
        _require(arrived == 1 if self.is_idempotent else arrived >= 1, f"it is there {arrived} times")

    def test_56_closed_and_used_again(self) -> None:
        """A sink that was closed, even twice, takes the next event."""
        self._unless_skipped(56)
        first, second, sink = _fresh(HOSTILE[0]), _fresh(HOSTILE[0]), self.new_sink()
        self._handing_over(sink, first)(sink)
        sink.close()
        sink.close()
        self._handing_over(sink, second)(sink)
        sink.close()
        self._has_arrived(first, second)

    def test_57_called_from_several_threads(self) -> None:
        """Calls come from one thread after another: a leader makes one for each."""
        self._unless_skipped(57)
        events, sink = [_fresh(HOSTILE[0]) for _ in range(3)], self.new_sink()
        for event in events:
            faults: list[BaseException] = []
            self._in_thread(self._handing_over(sink, event), sink, faults)
            _require(not faults, f"another thread's call raised {faults}")
        sink.close()
        self._has_arrived(*events)

    def test_58_identity(self) -> None:
        """Two sinks of the same options have the same identity, in one line without control characters."""
        self._unless_skipped(58)
        first, second = self.new_sink(), self.new_sink()
        _require(first.identity == second.identity, f"{first.identity!r} and {second.identity!r} differ")
        _require(first.identity.isprintable() and bool(first.identity), f"{first.identity!r} is no single line")
        first.close()
        second.close()

    # -- the steps -----------------------------------------------------------------------------------------

    def _hostile(self, case: HostileCase) -> None:
        self._unless_skipped(case.number)
        event, sink = _fresh(case), self.new_sink()
        self._handing_over(sink, event)(sink)
        sink.close()
        self._has_arrived(event)

    def _cases(self, number: int) -> list[HostileCase]:
        self._unless_skipped(number)
        return [case for case in HOSTILE if case.number not in self.skips]

    def _unless_skipped(self, number: int) -> None:
        if number in self.skips:
            raise unittest.SkipTest(self.skips[number])

    def _handing_over(self, sink: Any, event: Event) -> Callable[[Any], None]:
        """Return a call that hands the event to a sink, to the letter the same each time."""
        if takes_entries(sink):
            entries = [entry_of(event)]
            return lambda to: self._accept(to, entries)
        notice = notice_of("new", event)
        return lambda to: self._accept_notice(to, notice)

    def _in_thread(self, call: Callable[[Any], None], sink: Sink, faults: list[BaseException]) -> None:
        def run() -> None:
            try:
                call(sink)
            except BaseException as fault:  # noqa: BLE001 - it is raised again by who waits for the thread
                faults.append(fault)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    def _accept(self, sink: Any, entries: Sequence[Entry]) -> None:
        _require_accepted(sink.deliver(entries))

    def _accept_notice(self, sink: Any, notice: Notice) -> None:
        _require_accepted(sink.notify(notice))

    def _has_arrived(self, *events: Event) -> None:
        texts = [text.casefold() for text in self.received()]
        for event in events:
            own, prefix = event.error_id.casefold(), event.error_id[:6].casefold()
            found = any(own in text or prefix in text for text in texts)
            _require(found, f"{event.error_id} is in none of {len(texts)} messages")


def entry_of(event: Event, *, counted: int = 0, is_torn: bool = False) -> Entry:
    """Return an event as an entry sink gets it, from a place of its own in the spool.

    ``counted``: so many occurrences of the same fault, without a report of their own. ``is_torn``: its report is lost.
    """
    process, offset = f"p{uuid4().hex[:17]}", next(_offsets)
    suffix = error_id.parse(event.error_id)[1]
    number = error_id.distance(error_id.suffix(0), suffix)
    kind = segment_format.COUNT if counted else segment_format.EVENT
    time = max(event.timestamp.timestamp(), -62_135_596_800.0)
    level = min(event.levelno, 65_535)  # a record has two bytes for it
    header = segment_format.Header(kind, event.kind, level, 0, number, counted or 1, 0, event.fingerprint, time)
    origin = Origin(process, 1, slot=8, count=counted) if counted else Origin(process, 1, offset=offset)
    body = None if is_torn else wire.encode(event)
    about = {name: getattr(event, name) for name in ("application", "environment", "release", "host")}
    return sighting_entry(Sighting(header, origin, counted or 1, body), about, event.timestamp)


def notice_of(reason: Reason, *events: Event, count: int = 3, has_sample: bool = True) -> Notice:
    """Return a notice of these events' issues, with an id of its own."""
    at = ordinary_event().timestamp
    reports = []
    for event in events:
        culprit = where(event).partition(",")[0]
        title = event.exception.type if event.exception is not None else event.message[:60]
        report = IssueReport(
            fingerprint=event.fingerprint,
            prefix=event.error_id[:6],
            kind=event.kind,
            level=event.level,
            title=title,
            culprit=culprit,
            count=count,
            episode_count=count,
            untold=count,
            first_seen=at,
            last_seen=at + timedelta(minutes=1),
            episode_started=at,
            first_release=event.release,
            last_release=event.release,
            sample=event if has_sample else None,
        )
        reports.append(report)
    return Notice(uuid4().hex, reason, at + timedelta(minutes=2), "shop", "production", tuple(reports))


def _fresh(case: HostileCase) -> Event:
    """Return a case's event as a fault of its own, so that nothing of an earlier test can stand for it."""
    return case.make(uuid4().hex)


def _require_accepted(outcome: Outcome) -> None:
    _require(isinstance(outcome, Accepted), f"the sink answered {outcome}")


def _require(is_so: bool, words: str) -> None:
    if not is_so:
        raise AssertionError(words)


def _test_of(case: HostileCase) -> Callable[[SinkContract], None]:
    def test(self: SinkContract) -> None:
        self._hostile(case)

    test.__doc__ = f"It takes: {case.why}."
    return test


for _case in HOSTILE:
    setattr(SinkContract, f"test_{_case.number:02}_{_case.name}", _test_of(_case))
