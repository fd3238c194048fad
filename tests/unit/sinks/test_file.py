"""The file sink: one batch, all or none; rotation; and after a kill each origin exactly once."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.sinks.base import Accepted, Entry, EntrySink, Origin, RecoverableSink, Recovered, SinkContext, Unavailable
from tocsin.sinks.file import FileSink


def event(offset: int, process: str = "p1", generation: int = 1, text: str = "") -> Entry:
    origin = Origin(process, generation, offset=offset)
    members = {"process": process, "generation": generation, "offset": offset}
    line = json.dumps({"schema": 1, "message": text, "occurrences": 1, "origin": members}).encode()
    return Entry(origin, "error", 40, "v1:0", 1, line)


def counted(slot: int, total: int, process: str = "p1") -> Entry:
    origin = Origin(process, 1, slot=slot, count=total)
    members = {"process": process, "generation": 1, "slot": slot, "count": total}
    return Entry(origin, "error", 40, "v1:0", 1, json.dumps({"schema": 1, "origin": members}).encode())


def make(path: Path, **options: int) -> FileSink:
    return FileSink(str(path), **{"max_bytes": 1_000_000, "backups": 3, **options})


def origins(path: Path) -> list[dict[str, object]]:
    return [json.loads(line)["origin"] for line in path.read_bytes().splitlines()]


def offsets(*paths: Path) -> list[object]:
    return [origin["offset"] for path in paths for origin in origins(path)]


def recovered(sink: FileSink, position: dict[str, int] | None) -> Recovered:
    found = sink.recover(position)
    assert isinstance(found, Recovered)
    return found


def test_it_is_a_recoverable_entry_sink(tmp_path: Path):
    """By the protocols that the leader asks for."""
    sink = make(tmp_path / "x")
    assert isinstance(sink, EntrySink)
    assert isinstance(sink, RecoverableSink)


def test_building_opens_nothing_and_identity_is_the_real_path(tmp_path: Path):
    """The cursor follows the destination, whatever link names it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    sink = make(tmp_path / "link" / "x.jsonl")
    assert sink.identity == f"file:{os.path.realpath(tmp_path / 'real' / 'x.jsonl')}"
    assert list((tmp_path / "real").iterdir()) == []


def test_a_batch_is_appended_in_order_as_lines(tmp_path: Path):
    """Each line is the entry's own, the file is for its owner alone whatever the umask."""
    path = tmp_path / "x.jsonl"
    sink = make(path)
    before = os.umask(0)
    try:
        assert sink.deliver([event(1), event(2)]) == Accepted(str(path))
    finally:
        os.umask(before)
    assert sink.deliver([]) == Accepted(str(path))
    assert isinstance(sink.deliver([event(3)]), Accepted)
    sink.close()
    sink.close()
    assert offsets(path) == [1, 2, 3]
    assert path.stat().st_mode & 0o777 == 0o600


def test_options_and_urls_mean_the_same(tmp_path: Path):
    """A URL's parameters are the table's keys."""
    assert FileSink.options_from_url("file:a%20b.jsonl?max_mb=10&mode=0640") == {
        "path": "a b.jsonl",
        "max_mb": "10",
        "mode": "0640",
    }
    assert FileSink.options_from_url("file:///var/log/x.jsonl") == {"path": "/var/log/x.jsonl"}
    options = {"path": str(tmp_path / "x"), "max_mb": 0.5, "backups": 1, "mode": 0o640, "fsync": True}
    sink = FileSink.from_options(options, SinkContext("shop", "production", "web1"))
    assert isinstance(sink.deliver([event(1)]), Accepted)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640
    sink.close()


def test_it_rotates_by_size_and_drops_the_oldest(tmp_path: Path):
    """.1 is the newest backup, and there are no more than asked for."""
    path = tmp_path / "x.jsonl"
    sink = make(path, max_bytes=10, backups=2)
    for number in range(5):
        sink.deliver([event(number)])
    sink.close()
    assert offsets(tmp_path / "x.jsonl.2", tmp_path / "x.jsonl.1", path) == [2, 3, 4]
    assert len(list(tmp_path.iterdir())) == 3


def test_without_backups_it_begins_anew(tmp_path: Path):
    """backups = 0 keeps the current file only."""
    sink = make(tmp_path / "x", max_bytes=10, backups=0)
    sink.deliver([event(1)])
    sink.deliver([event(2)])
    sink.close()
    assert offsets(tmp_path / "x") == [2]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_gap_among_the_backups_is_filled_first(tmp_path: Path):
    """A kill between two renames costs no backup."""
    (tmp_path / "x.2").write_bytes(event(1).line + b"\n")
    sink = make(tmp_path / "x", max_bytes=10, backups=2)
    sink.deliver([event(2)])
    sink.deliver([event(3)])
    sink.close()
    assert offsets(tmp_path / "x.2", tmp_path / "x.1", tmp_path / "x") == [1, 2, 3]


def test_it_opens_anew_what_was_moved_or_removed(tmp_path: Path):
    """logrotate needs to send no signal."""
    path = tmp_path / "x"
    sink = make(path)
    sink.deliver([event(1)])
    path.rename(tmp_path / "moved")
    sink.deliver([event(2)])
    path.unlink()
    sink.deliver([event(3)])
    path.rename(tmp_path / "again")
    path.touch()  # logrotate's `create`
    sink.deliver([event(4)])
    sink.close()
    assert offsets(tmp_path / "moved", tmp_path / "again", path) == [1, 3, 4]


def test_a_missing_folder_is_unavailable_with_a_remedy_and_not_created(tmp_path: Path):
    """A mount that is not there must not be written below."""
    sink = make(tmp_path / "gone" / "x")
    outcome = sink.deliver([event(1)])
    assert isinstance(outcome, Unavailable)
    assert "No such file or directory" in outcome.reason
    assert outcome.remedy.startswith("create the folder")
    assert isinstance(sink.recover(None), Unavailable)
    assert sink.position() is None
    (tmp_path / "gone").mkdir()
    assert isinstance(sink.deliver([event(1)]), Accepted)
    sink.close()


def test_what_is_no_regular_file_is_refused_without_blocking(tmp_path: Path):
    """A folder, and a pipe that nobody reads."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        outcome = make(path).deliver([event(1)])
        assert isinstance(outcome, Unavailable)
        assert outcome.remedy.startswith("name a")


class HalfDisk:
    """Let os.write take so many bytes, a few at a time, and then fail as a full disk does."""

    def __init__(self, room_bytes: int) -> None:
        self.room_bytes = room_bytes
        self._write: Callable[[int, bytes], int] = os.write

    def __call__(self, fd: int, data: bytes) -> int:
        size = min(self.room_bytes, len(data), 7)
        if size == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room_bytes -= size
        return self._write(fd, data[:size])


def test_a_batch_that_half_fits_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The retry must not double its first lines."""
    path = tmp_path / "x"
    sink = make(path)
    sink.deliver([event(1)])
    disk = HalfDisk(room_bytes=len(event(2).line) + 20)
    monkeypatch.setattr(os, "write", disk)
    outcome = sink.deliver([event(2), event(3)])
    assert outcome == Unavailable(f"{path}: No space left on device", "free space on that disk")
    assert offsets(path) == [1]
    disk.room_bytes = 10_000
    assert isinstance(sink.deliver([event(2), event(3)]), Accepted)
    sink.close()
    assert offsets(path) == [1, 2, 3]


def test_half_a_batch_that_can_not_be_taken_back_at_once_is_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A disk that fails may fail at that too."""
    sink = make(tmp_path / "x")
    sink.deliver([event(1)])
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", HalfDisk(room_bytes=len(event(2).line) + 9))
        patch.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
        assert isinstance(sink.deliver([event(2), event(3)]), Unavailable)
        assert isinstance(sink.deliver([event(2), event(3)]), Unavailable)
    assert isinstance(sink.deliver([event(2), event(3)]), Accepted)
    sink.close()
    assert offsets(tmp_path / "x") == [1, 2, 3]


def test_a_folder_that_forbids_rotation_grows_the_file_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Events are worth more than a size."""
    sink = make(tmp_path / "x", max_bytes=10)
    sink.deliver([event(1)])
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.EACCES, "Permission denied")))
    outcome = sink.deliver([event(2)])
    sink.close()
    assert isinstance(outcome, Accepted)
    assert "can't be rotated: Permission denied" in outcome.detail
    assert offsets(tmp_path / "x") == [1, 2]


def test_recovery_reads_what_lies_after_the_position(tmp_path: Path):
    """Events by offset, counts by slot; only the furthest of each."""
    sink = make(tmp_path / "x")
    sink.deliver([event(1), event(2, process="p2")])
    position = sink.position()
    assert position is not None
    assert position["inode"] == (tmp_path / "x").stat().st_ino
    assert position["size"] == (tmp_path / "x").stat().st_size
    assert recovered(sink, position) == Recovered(())
    sink.deliver([event(3), event(4), event(9, generation=2), counted(5, 10), counted(5, 12), counted(6, 1)])
    assert set(recovered(sink, position).origins) == {
        Origin("p1", 1, offset=4),
        Origin("p1", 2, offset=9),
        Origin("p1", 1, slot=5, count=12),
        Origin("p1", 1, slot=6, count=1),
    }


def test_recovery_without_a_position_reads_all_files(tmp_path: Path):
    """A new state database, and an old file."""
    sink = make(tmp_path / "x", max_bytes=10)
    for number in (1, 2, 3):
        sink.deliver([event(number, process=f"p{number}")])
    assert {origin.process for origin in recovered(sink, None).origins} == {"p1", "p2", "p3"}
    assert recovered(make(tmp_path / "none"), None) == Recovered(())


def test_recovery_follows_rotation(tmp_path: Path):
    """The rest of the backup that was current then, and all that is newer."""
    sink = make(tmp_path / "x", max_bytes=200)
    sink.deliver([event(1, "old")])
    sink.deliver([event(2, "a")])
    position = sink.position()
    for number, process in ((3, "b"), (4, "c"), (5, "d")):
        sink.deliver([event(number, process)])
    assert (tmp_path / "x.1").exists()
    assert {origin.process for origin in recovered(sink, position).origins} == {"b", "c", "d"}


def test_recovery_finds_a_file_that_logrotate_named(tmp_path: Path):
    """With dateext, there is no number to go by."""
    sink = make(tmp_path / "x")
    sink.deliver([event(1, "a")])
    position = sink.position()
    sink.deliver([event(2, "b")])
    (tmp_path / "x").rename(tmp_path / "x-20261122")
    sink.deliver([event(3, "c")])
    assert {origin.process for origin in recovered(sink, position).origins} == {"b", "c"}


def test_an_inode_that_another_file_got_since_is_not_taken_for_the_old_one(tmp_path: Path):
    """File systems give numbers out again at once; copytruncate keeps the number as well."""
    sink = make(tmp_path / "x")
    sink.deliver([event(1, "a")])
    position = sink.position()
    os.truncate(tmp_path / "x", 0)
    sink.deliver([event(number, f"process-{number}") for number in range(4)])
    assert len(recovered(sink, position).origins) == 4


def test_a_torn_last_line_is_cut_off(tmp_path: Path):
    """It is not complete, so it was not delivered."""
    path = tmp_path / "x"
    whole = event(1).line + b"\n"
    path.write_bytes(whole + event(2).line[:30])
    assert recovered(make(path), None) == Recovered((Origin("p1", 1, offset=1),), torn_bytes=30)
    assert path.read_bytes() == whole
    path.write_bytes(whole + b"\0" * 100_000)
    assert recovered(make(path), None).torn_bytes == 100_000


def test_the_end_of_somebody_elses_file_is_not_cut(tmp_path: Path):
    """A file named by mistake loses nothing, and its half line spoils none of ours."""
    path = tmp_path / "x"
    path.write_bytes(b"notes\nwithout an end")
    sink = make(path)
    assert recovered(sink, None) == Recovered(())
    sink.deliver([event(1)])
    sink.close()
    assert path.read_bytes() == b"notes\nwithout an end\n" + event(1).line + b"\n"


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"null",
        b"\xff",
        b'{"origin": 5}',
        b'{"origin": {"process": 5, "generation": 1, "offset": 1}}',
        b'{"origin": {"process": "p", "generation": 1}}',
        b'{"origin": {"process": "p", "generation": 1, "slot": "x", "count": 1}}',
        b"[" * 100_000,
    ],
)
def test_lines_that_are_not_ours_are_passed_over(tmp_path: Path, line: bytes):
    """Whatever somebody appended."""
    (tmp_path / "x").write_bytes(line + b"\n" + event(1).line + b"\n")
    assert recovered(make(tmp_path / "x"), None).origins == (Origin("p1", 1, offset=1),)


@settings(max_examples=150, deadline=None)
@given(
    batches=st.lists(st.lists(st.sampled_from(["a", "b", "count"]), min_size=1, max_size=4), min_size=1, max_size=5),
    is_small=st.booleans(),
    cut=st.floats(0, 1),
)
def test_any_truncation_of_the_last_batch_leaves_each_origin_exactly_once(
    batches: list[list[str]], is_small: bool, cut: float
):
    """A leader killed within or after an append, its position not committed; the next one recovers and redelivers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        entries = _numbered(batches)
        sink = make(path, max_bytes=150 if is_small else 1_000_000, backups=50)
        position = sink.position()
        for batch in entries[:-1]:
            sink.deliver(batch)
            position = sink.position()
        start = path.stat().st_size if path.exists() else 0
        inode = path.stat().st_ino if path.exists() else None
        sink.deliver(entries[-1])
        sink.close()
        start = start if path.stat().st_ino == inode else 0  # it may have rotated
        os.truncate(path, start + int((path.stat().st_size - start) * cut))

        next_sink = make(path, max_bytes=150, backups=50)
        done = _reached(recovered(next_sink, position).origins)
        rest = [entry for entry in entries[-1] if _number(entry.origin) > done.get(_key(entry.origin), -1)]
        next_sink.deliver(rest)
        next_sink.close()
        lines = [origin for file in Path(folder).iterdir() for origin in origins(file)]
        assert sorted(map(str, lines)) == sorted(
            str(json.loads(entry.line)["origin"]) for batch in entries for entry in batch
        )


def _numbered(batches: list[list[str]]) -> list[list[Entry]]:
    numbers = iter(range(1_000))
    return [
        [counted(7, next(numbers)) if each == "count" else event(next(numbers), each) for each in batch]
        for batch in batches
    ]


def _key(origin: Origin) -> tuple[str, int, int | None]:
    return origin.process, origin.generation, origin.slot


def _number(origin: Origin) -> int:
    return (origin.count if origin.offset is None else origin.offset) or 0


def _reached(found: tuple[Origin, ...]) -> dict[tuple[str, int, int | None], int]:
    return {_key(origin): _number(origin) for origin in found}
