"""What other rules call a fault; and what per-occurrence sinks get of an issue that goes on under its key of before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tocsin.delivery.kin import kin
from tocsin.delivery.leader import Leader
from tocsin.delivery.ledger import Ledger
from tocsin.delivery.lines import sighting_entry
from tocsin.delivery.sightings import Sighting
from tocsin.event import error_id, wire
from tocsin.event.identity.fingerprint import fingerprint, former
from tocsin.event.model import Event, ExceptionInfo, Frame
from tocsin.routing.issues import Occurrences
from tocsin.routing.sqlite import SqliteState
from tocsin.sinks.base import Accepted, Entry, Origin, Outcome
from tocsin.sinks.registry import BuiltSink
from tocsin.spool import format as segment_format
from tocsin.spool.folder import Folder
from tocsin.spool.format import Header
from tocsin.spool.memory import Occurrence
from tocsin.spool.reader import SpoolReader
from tocsin.spool.writer import Writer

NOW = datetime(2026, 3, 2, tzinfo=UTC)
FRAME = Frame("shop.payment", "charge", "shop/payment.py", 9, source="gateway.post(card)")
EVENT = Event("traceback", "ERROR", 40, NOW, "shop", exception=ExceptionInfo("Timeout", "late", (FRAME,)))
(V1,) = former(EVENT)
NAMED = replace(EVENT, custom_fingerprint="payment")


def test_an_event_is_known_by_earlier_versions_of_the_rules() -> None:
    assert kin(EVENT, fingerprint(EVENT)) == (V1,)
    assert V1.startswith("v1:")


def test_what_an_older_process_spooled_is_known_by_the_present_version() -> None:
    assert kin(EVENT, V1) == (fingerprint(EVENT),)


def test_a_key_of_the_version_it_was_spooled_with_is_not_computed_anew() -> None:
    """A hook may have changed the event since: it would be another fault's."""
    assert kin(EVENT, "v2:" + "0f" * 16) == (V1,)


def test_what_a_new_rule_names_is_known_by_what_it_was_before() -> None:
    spooled = fingerprint(NAMED)
    assert set(kin(NAMED, spooled, with_unruled=True)) == {*former(NAMED), fingerprint(EVENT), V1}
    assert kin(NAMED, spooled) == former(NAMED)


def test_a_name_with_the_usual_fingerprint_in_it_had_the_earlier_one_in_it_before() -> None:
    event = replace(EVENT, custom_fingerprint=f"{fingerprint(EVENT)} in bulk")
    (before,) = former(replace(EVENT, custom_fingerprint=f"{V1} in bulk"))
    assert before in kin(event, fingerprint(event))


@pytest.mark.parametrize("count", [False, True])
def test_an_entry_of_an_open_issue_has_that_issues_fingerprint_and_its_own_error_id(count: bool) -> None:
    key = fingerprint(EVENT)
    own_id = error_id.make(error_id.prefix(key), 7)
    event = replace(EVENT, fingerprint=key, error_id=own_id, message=f'a "fingerprint":"{key}" in a text')
    header = Header(segment_format.EVENT, "traceback", 40, 0, 7, 1, 9, key, NOW.timestamp())
    origin = Origin("p1", 1, slot=3, count=5) if count else Origin("p1", 1, offset=0)
    entry = sighting_entry(Sighting(header, origin, 1, wire.encode(event)), {}, NOW, issue=V1)
    members = json.loads(entry.line)
    assert (entry.fingerprint, members["fingerprint"]) == (V1, V1)
    assert members["message"] == event.message
    assert members["error_id"] == own_id if not count else own_id.partition("-")[0]


class Sink:
    """An entry sink that keeps what it gets."""

    type = "memory"
    settings = ()
    idempotency = "none"
    is_local = True

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.entries: list[Entry] = []

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        self.entries += entries
        return Accepted()

    def close(self) -> None:
        pass


class Forwarding(Sink):
    """One to whose end another state decides."""

    keeps_fingerprints = True


def test_sinks_get_the_open_issues_fingerprint_but_for_who_decides_himself(tmp_path: Path) -> None:
    folder, now = Folder(tmp_path / "spool"), datetime.now(UTC)
    state = SqliteState(folder.prepare() or folder.state)
    happen(folder, EVENT, "", now)
    (reader,) = SpoolReader(folder).generations()
    (record,) = (each for each in reader.records(0) if each.header is not None and each.header.type == 1)
    state.add_occurrences(_seen(V1, now))
    state.close()
    sinks = [Sink("memory:plain"), Forwarding("memory:forwarding")]
    kinds = frozenset({"traceback"})
    built = [BuiltSink(sink, sink.identity, 0, kinds, "now", ()) for sink in sinks]
    leader = Leader(folder, built, application="shop", environment="")
    while leader.step() or leader.is_busy:
        pass
    leader.close()
    assert record.header is not None
    assert [entry.fingerprint for entry in sinks[0].entries] == [V1]
    assert [entry.fingerprint for entry in sinks[1].entries] == [record.header.fingerprint] == [fingerprint(EVENT)]


def _seen(key: str, at: datetime) -> Occurrences:
    return Occurrences(key, error_id.prefix(key), "traceback", "ERROR", 40, "", "T", "c", "shop", "", "", at)


def happen(folder: Folder, event: Event, rules: str, at: datetime) -> None:
    writer = Writer(folder, about={"application": "shop", **({"fingerprints": rules} if rules else {})})
    key = fingerprint(event)
    event = replace(event, fingerprint=key, timestamp=at)
    writer.append(Occurrence("traceback", 40, 1, key, at.timestamp(), wire.encode(event)))
    writer.close()


def read(folder: Folder, state: SqliteState, at: datetime) -> None:
    ledger = Ledger(state, lambda: None)
    for reader in SpoolReader(folder).generations():
        while ledger.read(reader, at, is_hurried=True):
            pass


def test_a_rule_joins_open_issues_while_it_is_new_and_none_when_it_is_old(tmp_path: Path) -> None:
    """What it names for the first time then is new, though there is an open issue of what it is a part of."""
    folder, state = Folder(tmp_path / "spool"), SqliteState(":memory:")
    happen(folder, EVENT, "", NOW)
    read(folder, state, NOW)
    happen(folder, NAMED, "some rules", NOW + timedelta(hours=1))
    read(folder, state, NOW + timedelta(hours=1))
    assert state.issue(fingerprint(NAMED)) == state.issue(fingerprint(EVENT))
    later = NOW + timedelta(days=8)
    happen(folder, EVENT, "some rules", later)
    other = replace(NAMED, custom_fingerprint="another part")
    happen(folder, other, "some rules", later)
    read(folder, state, later)
    issue = state.issue(fingerprint(other))
    assert issue is not None
    assert (issue.fingerprint, issue.count) == (fingerprint(other), 1)
    state.close()


def test_a_report_by_the_callers_own_fingerprint_joins_nothing(tmp_path: Path) -> None:
    folder, state = Folder(tmp_path / "spool"), SqliteState(":memory:")
    happen(folder, EVENT, "", NOW)
    happen(folder, NAMED, "", NOW)
    read(folder, state, NOW)
    assert len(state.issues(now=NOW)) == 2
    state.close()
