"""Files of a spool that somebody truncates, removes or moves while their process runs: nothing ends, little is lost."""

from __future__ import annotations

import errno
import shutil
import threading
from pathlib import Path

import pytest

from tocsin import system
from tocsin.spool import writer as writer_module
from tocsin.spool.counters import FIRST_FAULT_CELL, CellsReader, Counters
from tocsin.spool.folder import Folder
from tocsin.spool.memory import Occurrence
from tocsin.spool.reader import SpoolReader
from tocsin.spool.writer import Writer

CELL = FIRST_FAULT_CELL + 7


def occurrence(body: bytes = b"{}") -> Occurrence:
    return Occurrence("error", 40, 1, "v1:" + "0f" * 16, 1.0, body)


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writer:
    """Return a writer that looks after its files at each event."""
    monkeypatch.setattr(writer_module, "_MEND_S", 0.0)
    return Writer(Folder(tmp_path / "spool"), about={"application": "shop"})


@pytest.mark.parametrize("size", [0, 1, 64, 4_096])
def test_counters_that_were_truncated_are_written_again(tmp_path: Path, size: int) -> None:
    """Counting goes on past the new end, which a mapping would answer by SIGBUS; all values are kept here."""
    path = tmp_path / "counts"
    counters = Counters(path)
    counters.increment(CELL, 5)
    with path.open("r+b") as file:
        file.truncate(size)
    assert counters.increment(CELL, 2)
    assert counters.mend(path) is True
    assert CellsReader(path).read() == {CELL: 7}
    assert counters.mend(path) is False


def test_counters_that_were_removed_or_replaced_are_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    counters = Counters(path)
    for harm in (path.unlink, lambda: (path.unlink(), path.write_bytes(b"another's"))):
        counters.increment(CELL)
        harm()
        assert counters.mend(path) is True
        counters.increment(CELL)
    assert CellsReader(path).read() == {CELL: 4}


def test_what_a_full_disk_did_not_take_is_written_when_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every copy-on-write disk that is full says no, preallocated or not. Nothing is counted twice by it."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    path = tmp_path / "counts"
    counters = Counters(path)
    with monkeypatch.context() as patched:
        patched.setattr(system, "write_at", full)
        assert counters.increment(CELL, 3)
        with pytest.raises(OSError, match="full"):
            counters.mend(path)
    assert CellsReader(path).read() == {}
    counters.mend(path)
    assert CellsReader(path).read() == {CELL: 3}


def test_threads_that_count_while_the_file_is_mended_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    counters = Counters(path)
    threads = [threading.Thread(target=lambda: [counters.increment(CELL) for _ in range(5_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        path.unlink()
        counters.mend(path)
    counters.mend(path)
    assert CellsReader(path).read() == {CELL: 20_000}


@pytest.mark.complaints
def test_a_segment_that_was_truncated_is_left_for_a_new_one(spool: Writer) -> None:
    """What were appended to it would lie where readers have been already."""
    spool.append(occurrence(b'{"n":1}'))
    assert spool.generation is not None
    with spool.generation.path.events.open("r+b") as file:
        file.truncate(0)
    spool.append(occurrence(b'{"n":2}'))
    assert spool.generation.path.generation == 1
    assert b'{"n":2}' in [record.body for record in SpoolReader(spool.folder).generations()[-1].records(0)]


@pytest.mark.complaints
def test_a_spool_that_was_moved_away_or_removed_is_begun_anew(spool: Writer, tmp_path: Path) -> None:
    """Nobody delivers from where it is now."""
    for harm in (lambda: spool.folder.path.rename(tmp_path / "away"), lambda: shutil.rmtree(spool.folder.path)):
        place = spool.append(occurrence(b'{"n":1}'))
        harm()
        spool.append(occurrence(b'{"n":2}'))
        assert spool.folder.path.is_dir()
        (reader,) = SpoolReader(spool.folder).generations()
        assert not reader.is_dead
        assert reader.records(0)[-1].body == b'{"n":2}'
        assert place is not None
        assert not spool.count(place)  # of before: it has to be a record again


@pytest.mark.complaints
def test_counters_are_mended_by_the_writer_and_that_is_told(spool: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    place = spool.append(occurrence())
    assert place is not None
    assert spool.generation is not None
    assert spool.count(place)
    spool.generation.path.counts.write_bytes(b"")
    spool.retry_pending()
    assert CellsReader(spool.generation.path.counts).read() == {FIRST_FAULT_CELL: 1}
    assert "its counts were written again" in capsys.readouterr().err


def test_counts_of_a_generation_of_before_are_written_when_the_disk_has_room_again(
    spool: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by the last step of a process, or by that of a process which delivers nothing itself."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    place = spool.append(occurrence())
    assert place is not None
    assert spool.generation is not None
    first = spool.generation.path
    with monkeypatch.context() as patched:
        patched.setattr(system, "write_at", full)
        assert all(spool.count(place) for _ in range(9))
        assert spool.is_behind
    monkeypatch.setattr(spool, "_segment_bytes", 1)
    with monkeypatch.context() as patched:
        patched.setattr("tocsin.spool.generation.Generation.mend", lambda self: False)
        spool.append(occurrence())  # into the next generation
    assert spool.is_behind
    spool.close()
    assert not spool.is_behind
    assert CellsReader(first.counts).read() == {FIRST_FAULT_CELL: 9}
