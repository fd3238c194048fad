"""The ledger: what processes spooled goes in; issues with exact counts, samples and losses leave for the state."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tocsin.delivery.kin import kin
from tocsin.delivery.pace import Pace
from tocsin.delivery.sightings import START, Reading, Sighting, read_on
from tocsin.event import error_id, limits, wire
from tocsin.event.errors import DecodeError
from tocsin.event.model import Event
from tocsin.render.facts import culprit
from tocsin.routing.issues import Occurrences, SampleRef
from tocsin.routing.state import LEDGER, Cursor, State
from tocsin.spool.reader import GenerationReader

__all__ = ["Ledger", "decoded"]


class Ledger:
    """Read every generation on into the state; cursor and counts commit together, so nothing is counted twice."""

    def __init__(self, state: State, pause: Callable[[], None]) -> None:
        self._state = state
        self._pause = pause
        self._cursors: dict[tuple[str, int], Cursor] = {}
        self._pace = Pace(limits.COUNT_READ_INTERVAL_S)
        self._rules_since: dict[str, datetime] = {}

    def cursor(self, key: tuple[str, int]) -> Cursor:
        """Return how far a generation was read."""
        if key not in self._cursors:
            self._cursors[key] = self._state.cursor(LEDGER, *key) or START
        return self._cursors[key]

    def read(self, reader: GenerationReader, now: datetime, *, is_hurried: bool = False) -> bool:
        """Read one slice of one generation; return whether there was anything. Each reading of counts is a commit."""
        before = self.cursor(reader.key)
        if reader.is_cut(before.offset):
            return self._tell_cut(reader, before)
        with_counts = self._pace.is_due(reader, now, is_hurried=is_hurried)
        reading = read_on(reader, before, limits.SLICE_BYTES, with_counts=with_counts)
        if reading.cursor == before:
            return False
        if reading.cursor.counts != before.counts:
            self._pace.note(reader, now)
        found = [self._occurrences(sighting, reader, now) for sighting in reading.sightings]
        with self._state.transaction():
            for seen in found:
                self._state.add_occurrences(seen)
            self._save(reader, reading)
        self._cursors[reader.key] = reading.cursor
        self._pause()
        return True

    def forget(self, key: tuple[str, int]) -> None:
        """Drop what is remembered of a generation that is gone."""
        self._cursors.pop(key, None)
        self._pace.forget(key)

    def _tell_cut(self, reader: GenerationReader, before: Cursor) -> bool:
        """Note a truncated segment as a loss, once: nobody knows how much of it had not been delivered."""
        cursor = Cursor(reader.size_bytes(), before.counts)
        with self._state.transaction():
            self._state.add_loss("truncated", 1)
            self._state.save_cursor(LEDGER, *reader.key, cursor)
        self._cursors[reader.key] = cursor
        return True

    def _save(self, reader: GenerationReader, reading: Reading) -> None:
        self._state.save_cursor(LEDGER, *reader.key, reading.cursor)
        if reading.tallies:
            self._state.save_losses(*reader.key, reading.tallies)
        if reading.garbage:
            self._state.add_loss("torn", reading.garbage)

    def _occurrences(self, sighting: Sighting, reader: GenerationReader, now: datetime) -> Occurrences:
        header = sighting.header
        event = None if sighting.is_count else decoded(sighting.body)
        about = reader.about()
        is_cell = sighting.origin.offset is None
        # Nothing happens later than now, whatever a clock said: what would, would be told when that time has come.
        at = reader.counted_by(now) if is_cell else min(datetime.fromtimestamp(header.time, UTC), now)
        prefix = error_id.prefix(header.fingerprint)
        sample = None
        if event is not None and sighting.origin.offset is not None:
            sample = SampleRef(*reader.key, sighting.origin.offset, error_id.make(prefix, header.number), at)
        return Occurrences(
            fingerprint=header.fingerprint,
            prefix=prefix,
            kind=header.kind,
            level=logging.getLevelName(header.levelno),
            levelno=header.levelno,
            logger=event.logger if event else "",
            title=_title(event) if event else "",
            culprit=culprit(event) if event else "",
            application=about.get("application", ""),
            environment=about.get("environment", ""),
            release=about.get("release", ""),
            at=at,
            n=sighting.occurrences,
            sample=sample,
            client_hash=event.request.client_hash if event and event.request else None,
            body=None if sample is None else sighting.body,
            former=self._former(event, sighting, about.get("fingerprints", ""), now),
        )

    def _former(self, event: Event | None, sighting: Sighting, rules: str, now: datetime) -> tuple[str, ...]:
        """Return what other rules call the fault. A report of no occurrence has the identity of the one it explains."""
        if event is None or not sighting.occurrences:
            return ()
        if rules and rules not in self._rules_since:
            self._rules_since[rules] = self._state.rules_since(rules, now)
        is_new_rule = bool(rules) and now - self._rules_since[rules] < timedelta(days=limits.KEY_RULE_DAYS)
        return kin(event, sighting.header.fingerprint, with_unruled=is_new_rule)


def decoded(body: bytes | None) -> Event | None:
    """Return the event of a spooled body, None where there is none that can be read."""
    if body is None:
        return None
    try:
        return wire.decode(body)
    except DecodeError:
        return None


def _title(event: Event) -> str:
    if event.exception is not None:
        return event.exception.type
    return (event.template or event.message).partition("\n")[0][: limits.NAME_CHARS]
