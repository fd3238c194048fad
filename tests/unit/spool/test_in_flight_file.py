"""The flight file: what a process is in, written by itself and read by others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.event import limits
from tocsin.spool.in_flight import FlightLog, read_flight, read_flight_about
from tocsin.spool.locks import is_held

ABOUT = {"application": "shop", "pid": 7, "sinks": ["file:/tmp/events.jsonl"]}


def log(folder: Path) -> FlightLog:
    return FlightLog(folder / "0123456789abcdef01.flight", ABOUT)


def words(path: Path) -> list[tuple[str, ...]]:
    """Return what is noted, read from a copy: to close the file itself would give its lock up."""
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    flight = read_flight(copy)
    assert flight is not None
    return [note.words for note in flight.notes]


def test_what_begins_is_there_until_it_ends(tmp_path: Path) -> None:
    """The oldest first; slots are used again."""
    made = log(tmp_path)
    first, second = made.begin("request", "GET", "/a", "main"), made.begin("task", "resize")
    assert words(made.path) == [("request", "GET", "/a", "main"), ("task", "resize")]
    made.end(first)
    assert words(made.path) == [("task", "resize")]
    assert made.begin("request", "GET", "/c", "") == first
    made.end(second)
    assert words(made.path) == [("request", "GET", "/c", "")]


def test_a_word_of_a_client_begins_no_other_word(tmp_path: Path) -> None:
    """A path is the client's: by a NUL in it it would name the thread, and the route that tells faults apart."""
    made = log(tmp_path)
    made.begin("request", "GET", "/a\0thread\0/route", "main")
    assert words(made.path) == [("request", "GET", "/a?thread?/route", "main")]


def test_a_process_says_of_itself_who_it_is(tmp_path: Path) -> None:
    """However long that is."""
    about = {**ABOUT, "sinks": [f"file:/var/log/{number}" for number in range(200)]}
    made = FlightLog(tmp_path / "0123456789abcdef01.flight", about)
    made.begin("request", "GET", "/a", "")
    copy = tmp_path / "copy"
    copy.write_bytes(made.path.read_bytes())
    flight = read_flight(copy)
    assert flight is not None
    assert flight.about == read_flight_about(copy) == about
    assert len(flight.notes) == 1


def test_it_is_locked_as_long_as_its_process_lives(tmp_path: Path) -> None:
    """Also where this process asks for what it said of itself, which must not cost the lock."""
    made = log(tmp_path)
    assert read_flight_about(made.path) == {}
    code = "import sys, pathlib; from tocsin.spool.locks import is_held; sys.exit(is_held(pathlib.Path(sys.argv[1])))"
    assert subprocess.run([sys.executable, "-c", code, str(made.path)], check=False).returncode == 1
    path = made.path
    del made
    assert not is_held(path)
    assert read_flight_about(path) == ABOUT


def test_a_long_path_is_cut_to_its_slot(tmp_path: Path) -> None:
    """And spills into no other; half a character is no reason to fail."""
    made = log(tmp_path)
    made.begin("request", "GET", "/" + "ü" * 600, "main")
    made.begin("request", "GET", "/b", "main")
    first, second = words(made.path)
    assert first[2].startswith("/üüü")
    assert second == ("request", "GET", "/b", "main")


def test_more_at_once_than_there_are_slots_go_unnoted(tmp_path: Path) -> None:
    """They go on all the same."""
    made = log(tmp_path)
    slots = [made.begin("request", "GET", f"/{number}", "") for number in range(limits.FLIGHT_SLOTS + 1)]
    assert slots[-1] == -1
    made.end(slots[-1])
    made.end(slots[0])
    assert made.begin("request", "GET", "/again", "") == slots[0]
    assert len(words(made.path)) == limits.FLIGHT_SLOTS


def test_a_disk_that_takes_nothing_costs_the_note_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing raises into the request. A slot that can't be cleared is not used again: it says what is no longer so."""
    made = log(tmp_path)
    slot = made.begin("request", "GET", "/a", "")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tocsin.system.write_at", full)
        made.end(slot)
        other = made.begin("request", "GET", "/b", "")
        made.abort_handled()
    assert other != slot
    assert made.begin("request", "GET", "/c", "") not in (slot, other)


@pytest.mark.parametrize("at", ["head", "about", "slot"])
def test_damage_costs_what_lay_there(tmp_path: Path, at: str) -> None:
    """And never raises."""
    made = log(tmp_path)
    made.begin("request", "GET", "/a", "")
    made.begin("request", "GET", "/b", "")
    data = bytearray(made.path.read_bytes())
    data[{"head": 3, "about": 66, "slot": 512 + 30}[at]] ^= 0xFF
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data)
    flight = read_flight(damaged)
    if at == "head":
        assert flight is None
        assert read_flight_about(damaged) == {}
        return
    assert flight is not None
    assert (flight.about == ABOUT) == (at == "slot")
    assert [note.words[2] for note in flight.notes] == (["/b"] if at == "slot" else ["/a", "/b"])


@pytest.mark.parametrize("size", [0, 10, 64, 200, 512, 530, 545])
def test_a_file_that_was_cut_is_read_as_far_as_it_goes(tmp_path: Path, size: int) -> None:
    """Truncated by somebody, or by a disk that was full."""
    made = log(tmp_path)
    made.begin("request", "GET", "/a", "")
    cut = tmp_path / "cut"
    cut.write_bytes(made.path.read_bytes()[:size])
    flight = read_flight(cut)
    assert flight is None or flight.notes == ()


def test_a_file_truncated_while_its_process_lives_is_no_danger_to_it(tmp_path: Path) -> None:
    """A store into a mapping would be SIGBUS."""
    made = log(tmp_path)
    slot = made.begin("request", "GET", "/a", "")
    os.truncate(made.path, 0)
    made.end(slot)
    assert made.begin("request", "GET", "/b", "") == slot
