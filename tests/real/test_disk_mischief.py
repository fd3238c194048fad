"""Hands in the spool: files cut, removed, replaced and scribbled over while processes write, count and lead."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from disks import FLUSHED, App

import seeds

SECONDS = 3.0
_FILES = ("*.events", "*.counts", "*.live", "leader.lock", "salt")


def cut(spool: Path, dice: random.Random) -> None:
    """Truncate a file: ``> file``, or a copy that was broken off."""
    path = _one(spool, dice, *_FILES)
    os.truncate(path, dice.choice([0, dice.randrange(path.stat().st_size + 1)]))


def remove(spool: Path, dice: random.Random) -> None:
    """Remove a file."""
    _one(spool, dice, *_FILES).unlink()


def replace(spool: Path, dice: random.Random) -> None:
    """Put another file in its place, as an editor or a restore does."""
    path = _one(spool, dice, *_FILES)
    other = path.with_name("other")
    other.write_bytes(dice.randbytes(5_000))
    other.replace(path)


def scribble(spool: Path, dice: random.Random) -> None:
    """Write over a part of a file."""
    path = _one(spool, dice, "*.events", "*.counts")
    with path.open("r+b") as file:
        file.seek(dice.randrange(path.stat().st_size))
        file.write(dice.randbytes(30))


def remove_all(spool: Path, dice: random.Random) -> None:
    """Remove the folder, as a cleaner of temporary files does."""
    shutil.rmtree(spool)


def cut_state(spool: Path, dice: random.Random) -> None:
    """Truncate one of the state's files, the mapped one among them."""
    os.truncate(_one(spool, dice, "state.sqlite-wal"), 0)  # not -shm: within a transaction SIGBUS, see promises.md


def remove_state(spool: Path, dice: random.Random) -> None:
    """Remove the state's files."""
    for path in spool.glob("state.sqlite*"):
        path.unlink()


def _one(spool: Path, dice: random.Random, *patterns: str) -> Path:
    found = [path for pattern in patterns for path in sorted(spool.glob(pattern)) if path.is_file()]
    if not found:
        raise FileNotFoundError
    return dice.choice(found)


@pytest.mark.parametrize("deeds", [(cut, scribble), (remove, replace), (remove_all,), (cut_state, remove_state)])
def test_hands_in_the_spool_end_no_process_and_what_comes_later_is_exact(
    tmp_path: Path, deeds: tuple[Callable[[Path, random.Random], None], ...]
) -> None:
    """Three processes go on as if nothing was. What lay in destroyed files is gone; what comes later is whole."""
    dice = seeds.dice()
    for name in ("disk", "safe"):
        (tmp_path / name).mkdir()
    app = App(tmp_path / "disk", tmp_path / "safe")
    commands = (f"loop,{SECONDS + 2}", "say", "happen,5,40,later", "flush")
    with ExitStack() as stack:
        processes = [stack.enter_context(app.running(*commands, name=str(number))) for number in range(3)]
        _do(deeds, app.spool, dice)
        for process in processes:
            assert process.line() == "reached", "a process has ended"
        time.sleep(4)  # twice as long, on a busy machine, as a process may take to see what was done to its files
        for process in processes:
            process.go_on()
        assert [process.end() for process in processes] == [(0, [FLUSHED])] * 3
    told, raised = app.told(), app.raised()
    assert told["later"] == raised["later"] == 600
    if scribble not in deeds:  # cells have no checksum: one that was written over is believed
        assert told["broken"] <= raised["broken"]
    for number in range(3):
        assert "Traceback" not in app.stderr(str(number))


def _do(deeds: tuple[Callable[[Path, random.Random], None], ...], spool: Path, dice: random.Random) -> None:
    end = time.monotonic() + 60
    while not list(spool.glob("state.sqlite")) and time.monotonic() < end:
        time.sleep(0.02)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            dice.choice(deeds)(spool, dice)
        except (OSError, ValueError):
            pass  # there is no such file just now, or it is empty
        time.sleep(dice.uniform(0.05, 0.3))


def test_a_folder_that_is_moved_away_is_begun_anew(tmp_path: Path) -> None:
    """Open files move along with it; who delivers looks at the path that was configured."""
    for name in ("disk", "safe"):
        (tmp_path / name).mkdir()
    app = App(tmp_path / "disk", tmp_path / "safe")
    with app.running("happen,3,10", "flush", "say", "happen,3,10,later", "flush") as process:
        assert [process.line(), process.line()] == [FLUSHED, "reached"]
        app.spool.rename(tmp_path / "disk" / "moved")
        time.sleep(1.5)
        process.go_on()
        assert process.end() == (0, [FLUSHED])
    assert app.told() == app.raised() == {"broken": 30, "later": 30}
    assert "was moved away" in app.stderr()
