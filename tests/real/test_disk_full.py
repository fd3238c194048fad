"""A disk without room, for real and at every step of the way: the application goes on, and every count comes out."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from disks import FLUSHED, App, btrfs, ext4, tmpfs

FAULTS, TIMES = 12, 30
HAPPEN = f"happen,{FAULTS},{TIMES}"


def in_short(path: Path) -> App:
    """Return an application on a disk, with a safe place beside it."""
    safe = path.parent / "safe"
    safe.mkdir()
    return App(path, safe)


def require_all_told(app: App, said: list[str]) -> None:
    """Require that everything was delivered, and nothing of ours went wrong."""
    assert said[-1] == FLUSHED, app.stderr()[-2_000:]
    assert app.told() == app.raised() == {"broken": FAULTS * TIMES}
    assert "Traceback" not in app.stderr()


@pytest.mark.parametrize("kilobytes", [0, 4, 32, 36, 40, 60, 200])
def test_a_disk_that_fills_at_any_step_loses_nothing(tmp_path: Path, kilobytes: int) -> None:
    """No room for the folder, the live file, the counters, the first record, a later one, the state; then there is."""
    with tmpfs(tmp_path, "size=512k") as disk:
        app = in_short(disk)
        require_all_told(app, app.run(f"leave,{kilobytes}", HAPPEN, "free", "flush"))
        assert app.stderr().count("kept in memory (at most") <= 1


@pytest.mark.parametrize("left", range(6))
def test_a_disk_without_inodes_loses_nothing(tmp_path: Path, left: int) -> None:
    """Each file in turn is the one for which there is none left."""
    with tmpfs(tmp_path, "size=4m,nr_inodes=40") as disk:
        app = in_short(disk)
        require_all_told(app, app.run(f"inodes,{left}", HAPPEN, "free", "flush"))


@pytest.mark.parametrize("largest_bytes", [33_000, 33_088, 34_000])
def test_a_limit_of_the_size_of_files_loses_nothing(tmp_path: Path, largest_bytes: int) -> None:
    """RLIMIT_FSIZE, by which `ulimit -f` and service managers bound files: EFBIG, and an ignored signal."""
    app = in_short_of(tmp_path)
    require_all_told(app, app.run(f"limit,{largest_bytes}", HAPPEN, "limit,-1", "flush"))


def in_short_of(folder: Path) -> App:
    """Return an application on the disk there is."""
    (folder / "disk").mkdir()
    return in_short(folder / "disk")


def test_a_disk_that_turns_read_only_is_told_and_survived(tmp_path: Path) -> None:
    """As the kernel does with one on which it has met an error, files open for writing or not."""
    with ext4(tmp_path, "errors=remount-ro") as disk:
        app = in_short(disk)
        with app.running("happen,3,5", "flush", "say", "happen,3,5,later") as process:
            assert [process.line(), process.line()] == [FLUSHED, "reached"]
            source = subprocess.check_output(["findmnt", "-no", "SOURCE", disk], text=True).strip()
            Path("/sys/fs/ext4", Path(source).name, "trigger_fs_error").write_text("on purpose")
            with pytest.raises(OSError, match="Read-only"):  # newer kernels don't say so of the mount itself
                (disk / "file").write_bytes(b"x")
            process.go_on()
            assert process.end() == (0, [])
        assert "Read-only file system" in app.stderr()
        assert "later" in app.stderr().partition("kept in memory:")[2]  # shown, as nothing else can be done with it
        assert "occurrences are lost" in app.stderr()
        assert app.told()["broken"] == 15


def test_a_full_disk_that_writes_to_new_places_ends_nobody(tmp_path: Path) -> None:
    """There a store into a mapped file needs space too, and without is SIGBUS, whatever was allocated before."""
    with btrfs(tmp_path) as disk:
        app = in_short(disk)
        commands = ("happen,5,20", "flush", "say", "loop,6", "say", "happen,5,20,later", "flush")
        with app.running(*commands) as process:
            assert [process.line(), process.line()] == [FLUSHED, "reached"]
            process.go_on()
            _fill_for(7.0, disk / "filler")
            assert process.line() == "reached", app.stderr()[-2_000:]
            process.go_on()
            assert process.end() == (0, [FLUSHED]), app.stderr()[-2_000:]
        told, raised = app.told(), app.raised()
        assert told["later"] == raised["later"] == 100
        assert told["broken"] + told["lost"] == raised["broken"]  # memory holds 100; what is more is told as a loss


def _fill_for(seconds: float, path: Path) -> None:
    end = time.monotonic() + seconds
    with path.open("wb", buffering=0) as filler:
        while time.monotonic() < end:
            for size in (1 << 20, 4_096, 1):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError:
                    pass
            os.sync()  # what is on the disk goes to a new place the next time it is written
    path.unlink()
    os.sync()


def test_a_sink_whose_own_disk_is_full_is_waited_for(tmp_path: Path) -> None:
    """The spool has room; what was half written is taken back, so each line is there once."""
    with tmpfs(tmp_path, "size=128k") as disk:
        (tmp_path / "home").mkdir()
        app = App(tmp_path / "home", tmp_path, disk)
        (disk / "filler").write_bytes(bytes(110_000))
        with app.running("happen,40,1", "say", "flush") as process:
            assert process.line() == "reached"
            until(lambda: "can't be reached" in app.stderr())
            (disk / "filler").unlink()
            process.go_on()
            assert process.end() == (0, [FLUSHED]), app.stderr()
        lines = (disk / "events.jsonl").read_text().splitlines()
        assert (len(lines), len(set(lines))) == (40, 40)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.02)
