"""An old and a new version on one spool: the old one leaves alone what it can't read, and makes room; counts are exact.

The new version is a copy of this one that writes a format one higher, of segments, of the state, or both.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import life
import pytest

import tocsin

WORKER = life.HERE / "rolling_worker.py"


class Deploy:
    """Old and new processes on one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.newer = folder / "newer"
        self.running: list[subprocess.Popen[str]] = []
        shutil.copytree(Path(tocsin.__file__).parent, self.newer / "tocsin", ignore=shutil.ignore_patterns("*.pyc"))

    def raise_format(self) -> None:
        """Have the new version write another format of segments."""
        self._raise("spool/format.py", r"FORMAT: Final = (\d+)", "FORMAT: Final = {}")

    def raise_state(self) -> None:
        """Have the new version write another format of the state."""
        old = self._raise("routing/sqlite/schema.py", r"VERSION: Final = (\d+)", "VERSION: Final = {}")
        path = self.newer / "tocsin/routing/sqlite/schema.py"
        path.write_text(path.read_text() + f"\nMIGRATIONS[{old}] = ('CREATE TABLE of_a_new_version (a)',)\n")

    def _raise(self, name: str, pattern: str, replacement: str) -> int:
        path = self.newer / "tocsin" / name
        text = path.read_text()
        found = re.search(pattern, text)
        assert found is not None
        old = int(found[1])
        path.write_text(text.replace(found[0], replacement.format(old + 1), 1))
        return old

    def start(self, *command: str, is_new: bool) -> subprocess.Popen[str]:
        """Start a process of one version; its stderr goes to a file named after its pid."""
        paths = [*([str(self.newer)] if is_new else []), *filter(None, [os.environ.get("PYTHONPATH")])]
        with (self.folder / f"err.{len(self.running)}").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, *command],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
            )
        self.running.append(process)
        return process

    def worker(self, seed: int, *, is_new: bool, delivery: str = "thread") -> subprocess.Popen[str]:
        """Start a worker, which reports until `stop`."""
        return self.start(str(WORKER), str(self.folder), str(seed), delivery, is_new=is_new)

    def deliver(self, *more: str, is_new: bool) -> subprocess.Popen[str]:
        """Start `tocsin deliver` with the workers' sink."""
        sink = f"file:{self.folder}/events.jsonl"
        return self.start(
            *("-m", "tocsin", "deliver", "--spool", str(self.folder / "spool"), "--sink", sink, *more), is_new=is_new
        )

    def leader(self) -> int:
        """Return the pid that the leader's lock names."""
        try:
            return int((self.folder / "spool/leader.lock").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return 0

    def said(self, process: subprocess.Popen[str]) -> str:
        """Return what a process has said on stderr."""
        return (self.folder / f"err.{self.running.index(process)}").read_text()

    def stop(self) -> None:
        """Have the workers end, and wait for them."""
        (self.folder / "stop").touch()
        for process in self.running:
            if process.args[1] != "-m" and process.returncode != -signal.SIGKILL:  # type: ignore[index]
                assert process.wait(life.WATCH_S) == 0, self.said(process)

    def drain(self) -> life.Books:
        """Deliver what waits by the new version, and read it back."""
        process = self.deliver("--drain", is_new=True)
        assert process.wait(life.WATCH_S) == 0, self.said(process)
        return life.books(self.folder, drain=False)


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Deploy]:
    made = Deploy(tmp_path)
    yield made
    for process in made.running:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + life.WATCH_S
    while not is_so():
        assert time.monotonic() < end, "it does not come to that"
        time.sleep(0.05)


def segments(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "spool").glob("*.events"))}


@pytest.mark.parametrize("higher", ["nothing", "segments", "state", "both"])
def test_an_old_leader_makes_room_and_old_workers_write_on(higher: str, deploy: Deploy) -> None:
    """Workers of both versions report all the while; the new one delivers for both, and then the old one ends."""
    if higher in ("segments", "both"):
        deploy.raise_format()
    if higher in ("state", "both"):
        deploy.raise_state()
    old = [deploy.worker(seed, is_new=False) for seed in range(2)]
    wait_until(lambda: deploy.leader() in {process.pid for process in old})
    new = [deploy.worker(seed, is_new=True) for seed in range(2, 4)]
    if higher in ("segments", "both"):
        wait_until(lambda: deploy.leader() in {process.pid for process in new})
    before = life.noted(deploy.folder, "after").total()
    wait_until(lambda: life.noted(deploy.folder, "after").total() > before + 300)
    if higher in ("segments", "both"):
        assert deploy.leader() in {process.pid for process in new}
    deploy.stop()
    assert deploy.drain().agree()
    for process in (*old, *new):
        assert "Traceback" not in deploy.said(process), deploy.said(process)


def test_an_old_process_that_only_delivers_makes_room_as_well(deploy: Deploy) -> None:
    """`tocsin deliver` of the old version, forgotten in a deploy, must not keep the new workers from delivering."""
    deploy.raise_format()
    old = deploy.worker(1, is_new=False)
    wait_until(lambda: deploy.leader() == old.pid)
    dedicated = deploy.deliver(is_new=False)
    wait_until(lambda: deploy.leader() == dedicated.pid)
    new = deploy.worker(2, is_new=True)
    wait_until(lambda: deploy.leader() == new.pid)
    deploy.stop()
    dedicated.terminate()
    assert dedicated.wait(life.WATCH_S) == 0, deploy.said(dedicated)
    assert deploy.drain().agree()


def test_what_a_new_version_left_waits_untouched_for_the_next_of_its_kind(deploy: Deploy) -> None:
    """The deploy was undone: the new worker is dead, its segments are there, and the old version delivers its own."""
    deploy.raise_format()
    new = deploy.worker(1, is_new=True, delivery="process")
    wait_until(lambda: life.noted(deploy.folder, "after").total() > 50)
    new.kill()
    new.wait()
    left = segments(deploy.folder)
    assert left
    before = life.noted(deploy.folder, "before")
    old = deploy.worker(2, is_new=False)
    wait_until(lambda: deploy.leader() == old.pid)
    wait_until(lambda: life.noted(deploy.folder, "after").total() > 300)
    deploy.stop()
    old_drain = deploy.deliver("--drain", is_new=False)
    assert old_drain.wait(life.WATCH_S) == 0, deploy.said(old_drain)
    present = segments(deploy.folder)
    assert {name: present.get(name) for name in left} == left
    books = life.books(deploy.folder, drain=False)
    assert not books.delivered - (books.before - before)  # nothing of the new one's was told
    assert deploy.drain().agree(between=1)


def test_a_state_of_a_newer_version_is_left_alone_and_nothing_is_lost(deploy: Deploy) -> None:
    """The new version has led and is gone; the old one says what to do, spools on, and writes nothing there."""
    deploy.raise_state()
    new = deploy.worker(1, is_new=True)
    wait_until(lambda: deploy.leader() == new.pid)
    deploy.stop()
    (deploy.folder / "stop").unlink()
    state = deploy.folder / "spool/state.sqlite"
    version = _version(state)
    content = state.read_bytes()
    old = deploy.worker(2, is_new=False)
    wait_until(lambda: "was written by a newer tocsin" in deploy.said(old))
    wait_until(lambda: life.noted(deploy.folder, "after").total() > 200)
    deploy.stop()
    said = deploy.said(old)
    assert "run the newer version" in said
    assert said.count("was written by a newer tocsin") == said.count("\n")  # and nothing else is said
    assert (state.read_bytes(), _version(state)) == (content, version)
    assert deploy.drain().agree()


def _version(state: Path) -> int:
    with sqlite3.connect(f"file:{state}?mode=ro", uri=True) as connection:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return found
