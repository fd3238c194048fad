"""The inbox: what arrives is in a spool of its application before `take` returns, once, whatever happens after."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tocsin.delivery.lines import sighting_entry
from tocsin.delivery.sightings import START, read_on
from tocsin.event import limits
from tocsin.event.errors import StoreError
from tocsin.receiver.arrival import Arrival
from tocsin.receiver.inbox import Inbox, Stored
from tocsin.receiver.positions import Positions
from tocsin.receiver.room import RoomName
from tocsin.sinks.base import Origin
from tocsin.spool.folder import Folder
from tocsin.spool.reader import SpoolReader

NewInbox = Callable[..., Inbox]
NewArrival = Callable[..., Arrival]


def stored(room: Path) -> list[dict[str, Any]]:
    """Return the public lines of what lies in a room, counts included."""
    lines = []
    for reader in SpoolReader(Folder(room)).generations():
        cursor = START
        while (reading := read_on(reader, cursor, 65_536, with_counts=True)).cursor != cursor:
            cursor = reading.cursor
            for sighting in reading.sightings:
                lines.append(json.loads(sighting_entry(sighting, reader.about(), datetime.now(UTC)).line))
            lines += [{"kind": "loss", "reason": reason, "lost": number} for reason, number, _ in reading.losses]
    return lines


@pytest.fixture
def room(tmp_path: Path) -> Path:
    return tmp_path / "received" / "shop" / "production"


def test_a_line_leaves_as_it_came_with_where_it_came_from(
    new_inbox: NewInbox, arrival: NewArrival, members: Any, room: Path
) -> None:
    assert new_inbox().take([arrival(offset=313)], "tls") == Stored(1)
    (line,) = stored(room)
    assert line.pop("received") == {"by": "tls", "process": "p1", "generation": 0, "offset": 313}
    assert line.pop("origin")["process"] != "p1"
    sent = members(offset=313)
    del sent["origin"]
    assert line == sent


def test_what_comes_twice_is_there_once(new_inbox: NewInbox, arrival: NewArrival, room: Path) -> None:
    """A sender goes on from what it has committed, so all up to the furthest of a generation was there."""
    inbox = new_inbox()
    inbox.take([arrival(offset=10), arrival(offset=20)], "tcp")
    assert inbox.take([arrival(offset=10), arrival(offset=20), arrival(offset=30)], "tcp") == Stored(3)
    assert inbox.take([arrival(offset=10, generation=1), arrival(offset=10, process="p2")], "tcp") == Stored(2)
    assert (inbox.stored, inbox.repeated) == (5, 2)
    assert len(stored(room)) == 5


def test_of_a_count_that_comes_again_with_more_only_the_rest_is_counted(
    new_inbox: NewInbox, arrival: NewArrival, room: Path
) -> None:
    """A sender that was killed before its commit reads the cell anew, from where it was before."""
    inbox = new_inbox()
    inbox.take([arrival(slot=37, count=10, occurrences=5)], "tcp")
    inbox.take([arrival(slot=37, count=10, occurrences=5), arrival(slot=37, count=15, occurrences=10)], "tcp")
    inbox.take([arrival(slot=38, count=2, occurrences=2)], "tcp")
    assert [line["occurrences"] for line in stored(room)] == [5, 5, 2]


@pytest.mark.parametrize("is_saved", [True, False])
def test_a_receiver_that_was_killed_knows_what_it_had(
    new_inbox: NewInbox, arrival: NewArrival, room: Path, is_saved: bool
) -> None:
    """By what was saved, and else by its own spool; a kill gives up locks and files without closing anything."""
    first = new_inbox()
    first.take([arrival(offset=10), arrival(slot=37, count=4, occurrences=4), arrival(offset=20)], "tcp")
    if is_saved:
        first.tend(is_hurried=True)
    first.take([arrival(offset=25)], "tcp")
    killed(first)
    second = new_inbox()
    second.take([arrival(offset=20), arrival(offset=25), arrival(slot=37, count=5, occurrences=5)], "tcp")
    assert second.repeated == 2
    assert [line["occurrences"] for line in stored(room)] == [1, 4, 1, 1, 1]


def killed(inbox: Inbox) -> None:
    """Leave an inbox as SIGKILL does: nothing is saved or written any more, locks are gone."""
    inbox._only.release()
    for room in inbox.rooms():
        for writer in room._writers.values():
            if writer._live is not None:
                writer._live.release()
    inbox._rooms.clear()
    inbox._saved_at = float("inf")
    inbox._positions.close()  # type: ignore[union-attr]
    inbox._positions = None


@pytest.mark.parametrize("tail", [bytes(70) + b'{"half', b"\xf7tocsin\n" + bytes(9), b"\0"])
def test_what_a_kill_left_unfinished_is_cut_off(
    new_inbox: NewInbox, arrival: NewArrival, room: Path, tail: bytes
) -> None:
    """The header is written last, so a record without its end never counted."""
    first = new_inbox()
    first.take([arrival(offset=10)], "tcp")
    killed(first)
    (segment,) = room.glob("*.events")
    whole = segment.read_bytes()
    segment.write_bytes(whole + tail)
    second = new_inbox()
    assert segment.read_bytes() == whole
    second.take([arrival(offset=10), arrival(offset=20)], "tcp")
    assert len(stored(room)) == 2


def test_an_unfinished_record_is_nothing_to_a_leader_that_reads_meanwhile(
    new_inbox: NewInbox, arrival: NewArrival, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = new_inbox()
    inbox.take([arrival(offset=10)], "tcp")
    seen: list[int] = []
    write = os.pwrite

    def spied(fd: int, data: bytes, offset: int) -> int:
        done = write(fd, data, offset)
        seen.append(len(stored(room)))
        return done

    monkeypatch.setattr("tocsin.receiver.writer.os.pwrite", spied)
    inbox.take([arrival(offset=20)], "tcp")
    assert seen == [1, 2]


@pytest.mark.complaints
def test_a_disk_that_is_full_takes_nothing_and_leaves_no_trace(
    new_inbox: NewInbox, arrival: NewArrival, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is acknowledged; the same comes again when there is room."""
    inbox = new_inbox()
    inbox.take([arrival(offset=10)], "tcp")
    write = os.pwrite
    monkeypatch.setattr("tocsin.receiver.writer.os.pwrite", lambda fd, data, offset: 0)
    taken = inbox.take([arrival(offset=20), arrival(offset=30)], "tcp")
    assert taken.number == 0
    assert "No space left on device" in taken.fault
    monkeypatch.setattr("tocsin.receiver.writer.os.pwrite", write)
    assert inbox.take([arrival(offset=20), arrival(offset=30)], "tcp") == Stored(2)
    assert len(stored(room)) == 3


@pytest.mark.complaints
def test_a_disk_that_fails_to_sync_acknowledges_nothing_until_it_does(
    new_inbox: NewInbox, arrival: NewArrival, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = new_inbox()
    sync = os.fdatasync

    def fails(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("tocsin.receiver.writer.os.fdatasync", fails)
    assert inbox.take([arrival(offset=10)], "tcp").number == 0
    assert inbox.take([arrival(offset=10)], "tcp").number == 0
    monkeypatch.setattr("tocsin.receiver.writer.os.fdatasync", sync)
    assert inbox.take([arrival(offset=10)], "tcp") == Stored(1)


@pytest.mark.complaints
def test_a_spool_at_its_bound_takes_nothing_more(new_inbox: NewInbox, arrival: NewArrival) -> None:
    """The sender keeps what it has; unlike an application, it can."""
    inbox = new_inbox(max_bytes=70_000)
    big = "x" * 60_000
    for number in range(3):
        taken = inbox.take([arrival(offset=number, message=big)], "tcp")
    assert taken.number == 0
    assert "spool_max_mb" in taken.fault


def test_each_application_and_environment_has_a_spool_of_its_own(
    new_inbox: NewInbox, arrival: NewArrival, tmp_path: Path
) -> None:
    """With its own name, and the release of each event, in what a leader says of it."""
    inbox = new_inbox()
    inbox.take([arrival(offset=1), arrival(offset=2, environment="staging"), arrival(offset=3, release="2.0")], "tcp")
    spools = SpoolReader(Folder(tmp_path / "received" / "shop" / "production")).generations()
    assert sorted(reader.about()["release"] for reader in spools) == ["1.0", "2.0"]
    assert {reader.about()["application"] for reader in spools} == {"shop"}
    assert (tmp_path / "received" / "shop" / "staging").is_dir()
    assert [reader.about()["sinks"] for reader in spools] == [["file:x"]] * 2


def test_names_can_not_lead_out_of_the_folder() -> None:
    """And two that differ have two folders."""
    names = [
        "shop",
        "",
        ".",
        "..",
        "../etc",
        "/",
        "a/b",
        "a-b",
        "a\0b",
        "\ud800",
        "x" * 300,
        "x" * 301,
        "Ä",
        "-",
        "a b",
    ]
    paths = [RoomName(name, "production").path for name in names]
    assert len(set(paths)) == len(names)
    assert paths[0] == "shop/production"
    assert all(path.count("/") == 1 and not path.startswith((".", "/")) and path.isascii() for path in paths)


@pytest.mark.complaints
def test_applications_past_the_bound_share_a_room(
    new_inbox: NewInbox, arrival: NewArrival, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECEIVER_ROOMS", 2)
    inbox = new_inbox()
    inbox.take([arrival(offset=number, application=f"a{number}") for number in range(4)], "tcp")
    rooms = sorted(room.name.application for room in inbox.rooms())
    assert rooms == ["a0", "a1", "various"]
    assert {line["application"] for line in stored(tmp_path / "received" / "various" / "various")} == {"a2", "a3"}


def test_releases_past_the_bound_close_the_longest_unused(
    new_inbox: NewInbox, arrival: NewArrival, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECEIVER_RELEASES", 2)
    inbox = new_inbox()
    inbox.take([arrival(offset=number, release=str(number % 4)) for number in range(12)], "tcp")
    assert len(stored(room)) == 12
    assert len(inbox.rooms()[0]._writers) == 2


@pytest.mark.complaints
def test_a_loss_is_told_by_the_receiver_s_own_spool(new_inbox: NewInbox, arrival: NewArrival, room: Path) -> None:
    """Once, as a loss of that application; of one that grew only the rest."""
    inbox = new_inbox()
    told = {"kind": "loss", "fingerprint": "", "slot": 2, "occurrences": 0}
    inbox.take([arrival(**told, count=3, lost=3, reason="pending_overflow")], "tcp")
    inbox.take([arrival(**told, count=5, lost=5, reason="pending_overflow")], "tcp")
    killed(inbox)
    again = new_inbox()
    again.take([arrival(**told, count=5, lost=5, reason="pending_overflow")], "tcp")
    assert again.repeated == 1
    assert stored(room) == [{"kind": "loss", "reason": "pending_overflow", "lost": 5}]


def test_a_check_is_answered_and_kept_nowhere(new_inbox: NewInbox, arrival: NewArrival, room: Path) -> None:
    assert new_inbox().take([arrival(check=True, occurrences=0, process="check1")], "tcp") == Stored(1)
    assert not room.exists()


def test_a_line_of_the_receiver_itself_is_refused(new_inbox: NewInbox, arrival: NewArrival, room: Path) -> None:
    """A sink that leads back would send the same event round for ever."""
    inbox = new_inbox()
    inbox.take([arrival(offset=1)], "tcp")
    own = stored(room)[0]["origin"]["process"]
    taken = inbox.take([arrival(process=own, offset=1)], "tcp")
    assert taken.is_for_good
    assert "leads back" in taken.fault


def test_by_udp_order_says_nothing(new_inbox: NewInbox, arrival: NewArrival, room: Path) -> None:
    """An earlier one that comes later is new; the very same again is not. By tcp it has to be sent all the same."""
    inbox = new_inbox()
    inbox.take([arrival(offset=20), arrival(offset=10), arrival(offset=20)], "udp")
    assert (inbox.stored, inbox.repeated) == (2, 1)
    killed(inbox)
    second = new_inbox()
    second.take([arrival(offset=15)], "tcp")
    assert len(stored(room)) == 3


def test_two_receivers_never_share_a_folder(new_inbox: NewInbox, tmp_path: Path) -> None:
    """Told of another process; locks of the same one are looked up by their file."""
    new_inbox()
    with pytest.raises(StoreError, match="another tocsin receive"):
        Inbox(Folder(tmp_path / "received"), sinks=(), max_bytes=1).open()


def test_positions_that_can_not_be_read_are_told(tmp_path: Path) -> None:
    path = tmp_path / "received.sqlite"
    path.write_bytes(b"nothing of SQLite" * 100)
    with pytest.raises(StoreError, match="move it away"):
        Positions(path)


def test_positions_of_senders_long_silent_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    positions = Positions(tmp_path / "received.sqlite")
    now = 1_795_335_411.0
    monkeypatch.setattr("tocsin.receiver.positions.time.time", lambda: now)
    positions.note(Origin("old", 0, offset=1))
    positions.save({("shop/production", "p", 0): 99, ("shop/production", "q", 0): 99})
    now += (limits.RECEIVER_POSITIONS_DAYS + 1) * 86_400
    positions.note(Origin("new", 0, offset=1))
    positions.save({})
    positions.purge({("shop/production", "q", 0)})
    positions._known.clear()
    assert positions.new_part(Origin("old", 0, offset=1)) is None
    assert positions.new_part(Origin("new", 0, offset=1)) == 0
    assert [positions.read_to(("shop/production", name, 0)) for name in ("p", "q")] == [0, 99]
    positions.close()
