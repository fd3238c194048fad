"""Writer and reader of a spool: what one process hands over, another reads, whatever happens to the first."""

from __future__ import annotations

import errno
import os
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tocsin.event import limits
from tocsin.event.errors import StoreError
from tocsin.spool import folder as folder_module
from tocsin.spool.counters import FIRST_FAULT_CELL, CellsReader, Counters
from tocsin.spool.folder import Folder
from tocsin.spool.locks import FileLock, is_held
from tocsin.spool.memory import Occurrence
from tocsin.spool.reader import SpoolReader
from tocsin.spool.writer import Writer

FINGERPRINT = "v1:" + "0f" * 16


def occurrence(body: bytes = b'{"x":1}', number: int = 1) -> Occurrence:
    return Occurrence("error", 40, number, FINGERPRINT, 1.0, body)


def writer(folder: Folder, **options: object) -> Writer:
    return Writer(folder, about={"application": "shop"}, **options)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "spool")


def in_child(work: Callable[[], None]) -> int:
    """Run in a forked child; return its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_making_a_writer_opens_nothing(folder: Folder) -> None:
    writer(folder)
    assert not folder.path.exists()


def test_records_and_counts_are_read_by_another_reader(folder: Folder) -> None:
    spool = writer(folder)
    place = spool.append(occurrence(b'{"n":1}'))
    assert place is not None
    assert all(spool.count(place) for _ in range(37))
    (reader,) = SpoolReader(folder).generations()
    header, first = reader.records(0)
    assert reader.about()["application"] == "shop"
    assert (header.header and header.header.type, first.body) == (0, b'{"n":1}')
    assert reader.cells() == {FIRST_FAULT_CELL: 37}
    assert reader.fault(0) == (first.header, first.offset)


def test_folder_and_files_are_private_whatever_the_umask(folder: Folder) -> None:
    before = os.umask(0)
    try:
        writer(folder).append(occurrence())
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()} == {0o600}


def test_a_process_is_alive_until_it_ends_and_its_torn_record_then_counts(folder: Folder) -> None:
    ready, never = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        mine = writer(folder)
        if mine.append(occurrence()) is not None:
            generation = mine.generation
            assert generation is not None
            whole = generation.path.events.read_bytes()
            os.write(generation.fd, whole[-80:-4])  # the header of a record whose end never comes
        os.write(ready[1], b"x")
        os.read(never[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    spool_reader = SpoolReader(folder)
    (reader,) = spool_reader.generations()
    assert spool_reader.has_living()
    living = len(reader.records(0))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    spool_reader.generations()
    assert reader.is_dead
    assert not spool_reader.has_living()
    assert len(reader.records(0)) == living + 1


def test_a_forked_child_does_not_hold_its_parents_lock(folder: Folder) -> None:
    folder.prepare()
    lock = FileLock(folder.leader_lock)
    assert lock.acquire()
    assert in_child(lambda: None if not lock.is_held and is_held(folder.leader_lock) else os._exit(3)) == 0
    # The child closed its copy of the descriptor when it ended; ours must still be locked.
    assert in_child(lambda: None if not FileLock(folder.leader_lock).acquire() else os._exit(3)) == 0
    lock.release()
    assert in_child(lambda: None if FileLock(folder.leader_lock).acquire() else os._exit(3)) == 0


def test_looking_at_an_own_lock_does_not_lose_it(folder: Folder) -> None:
    folder.prepare()
    lock = FileLock(folder.leader_lock)
    lock.acquire()
    assert is_held(folder.leader_lock)
    assert in_child(lambda: None if is_held(folder.leader_lock) else os._exit(3)) == 0


def test_increments_from_threads_are_exact(folder: Folder) -> None:
    spool = writer(folder)
    place = spool.append(occurrence())
    assert place is not None
    threads = [threading.Thread(target=lambda: [spool.count(place) for _ in range(20_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spool.generation is not None
    assert CellsReader(spool.generation.path.counts).read() == {FIRST_FAULT_CELL: 80_000}


def test_a_fault_beyond_the_cells_is_counted_by_records(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.spool.writer._MAX_FAULT", 0)
    spool = writer(folder)
    place = spool.append(occurrence())
    assert place is not None
    assert spool.count(place)
    assert spool.count(place)
    (reader,) = SpoolReader(folder).generations()
    assert [record.header.count for record in reader.records(0) if record.header and record.header.type == 2] == [1, 1]
    assert reader.cells() == {}


def test_a_full_segment_is_followed_by_a_new_generation(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SEGMENT_BYTES", 1_000)
    spool = writer(folder)
    places = [spool.append(occurrence(b"x" * 600, n)) for n in range(6)]
    assert [place.generation for place in places if place] == [0, 0, 1, 1, 2, 2]
    assert [spool.count(place) for place in places if place] == [False] * 4 + [True] * 2  # else it begins anew
    readers = SpoolReader(folder).generations()
    assert [len(reader.records(0, 10_000)) for reader in readers] == [3, 3, 3]
    assert [sum(reader.cells().values()) for reader in readers] == [0, 0, 2]
    assert [reader.closed_at is not None for reader in readers] == [True, True, False]


@pytest.mark.complaints
def test_events_of_a_full_disk_are_kept_in_memory_told_once_and_written_later(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = writer(folder)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        assert spool.append(occurrence(number=1)) is None
        assert spool.append(occurrence(number=2)) is None
        assert spool.keep_count(FINGERPRINT)
        assert spool.pending() == 3
    assert capsys.readouterr().err.count("can't be written") == 1
    spool._retry_at = 0.0
    spool.retry_pending()
    assert spool.pending() == 0
    (reader,) = SpoolReader(folder).generations()
    counted = [record.header for record in reader.records(0) if record.header and record.header.type]
    assert sum(header.count for header in counted) == 3
    assert spool.tallies() == {"unwritable": 3, "recovered": 3}


@pytest.mark.complaints
def test_memory_is_bounded_while_the_disk_is_full(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PENDING_EVENTS", 2)
    monkeypatch.setattr(Folder, "prepare", lambda self: (_ for _ in ()).throw(StoreError("read-only")))
    spool = writer(folder)
    for number in range(5):
        spool.append(occurrence(number=number))
    assert spool.pending() == 2
    assert spool.tallies()["pending_overflow"] == 3


@pytest.mark.complaints
def test_past_spool_max_mb_reports_are_given_up_but_still_counted(folder: Folder) -> None:
    spool = writer(folder, max_bytes=1)
    for number in range(2):
        assert spool.append(occurrence(number=number)) is not None
    (reader,) = SpoolReader(folder).generations()
    assert [record.body for record in reader.records(0)][1:] in ([b"", b""], [b'{"x":1}', b""])
    assert "spool_full" in spool.tallies()


def test_a_symbolic_link_is_refused_as_spool(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(StoreError, match="symbolic link"):
        Folder(tmp_path / "link").prepare()


def test_a_network_file_system_is_refused_as_spool(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module.system, "file_system", lambda path: "nfs4")
    with pytest.raises(StoreError, match="network file system"):
        folder.prepare()


def test_anothers_spool_is_refused_with_the_command_to_use(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.prepare()
    monkeypatch.setattr(os, "geteuid", lambda: folder.path.stat().st_uid + 1)
    with pytest.raises(StoreError, match="sudo -u"):
        folder.prepare()


@pytest.mark.complaints
def test_two_applications_do_not_share_a_spool_while_the_other_lives(folder: Folder) -> None:
    ready, never = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        writer(folder).append(occurrence())
        os.write(ready[1], b"x")
        os.read(never[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    blog = Writer(folder, about={"application": "blog"})
    assert blog.append(occurrence()) is None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    blog._retry_at = 0.0
    assert blog.append(occurrence()) is not None  # an application that was renamed goes on in its spool
    assert blog.pending() == 0


def test_a_lock_whose_file_was_removed_is_no_longer_in_place(folder: Folder) -> None:
    folder.prepare()
    lock = FileLock(folder.leader_lock)
    lock.acquire()
    assert lock.is_in_place
    folder.leader_lock.unlink()
    assert not lock.is_in_place
    folder.leader_lock.touch()
    assert not lock.is_in_place
    lock.release()


def test_root_does_not_found_a_spool_for_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    real = Path.stat

    def as_of_shop(self: Path, **options: bool) -> os.stat_result:
        status = real(self, **options)
        return os.stat_result((*status[:4], 1234, *status[5:10])) if self == tmp_path else status

    monkeypatch.setattr(Path, "stat", as_of_shop)
    with pytest.raises(StoreError, match="lock the application out"):
        Folder(tmp_path / "state" / "spool").require_founder()


def test_a_signal_while_the_spool_is_being_opened_does_not_deadlock(folder: Folder) -> None:
    spool = writer(folder)
    assert spool._lock.acquire()  # as if the signal came while this thread was opening it
    assert spool.append(occurrence()) is None
    spool._lock.release()
    spool._retry_at = 0.0
    assert spool.append(occurrence()) is not None
    assert spool.pending() == 0


def test_old_generations_are_let_go(folder: Folder) -> None:
    """A process may live for years, and write a segment a day."""
    spool = writer(folder)
    spool._segment_bytes = 500
    places = [spool.append(occurrence(b"x" * 400, n)) for n in range(60)]
    assert all(places)
    assert spool._next_generation > 20
    held = [link for link in Path("/proc/self/fd").iterdir() if str(folder.path) in os.path.realpath(link)]
    assert len(held) <= 4


@pytest.mark.complaints
def test_a_failing_fsync_does_not_count_twice(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    spool = writer(folder, is_synced=True)
    assert spool.append(occurrence()) is not None
    assert spool.pending() == 0


def test_counters_take_their_space_when_they_are_made(tmp_path: Path) -> None:
    Counters(tmp_path / "counts")
    status = (tmp_path / "counts").stat()
    assert status.st_blocks * 512 >= status.st_size
