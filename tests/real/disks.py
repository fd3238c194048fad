"""Disks that can be spoiled, and an application on them: sizes and commands go in; what it reported and told leaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["FLUSHED", "App", "Running", "btrfs", "ext4", "tmpfs"]

FLUSHED = "flushed=True pending=0"
_SCRIPT = Path(__file__).with_name("disk_app.py")


@dataclass(frozen=True)
class Running:
    """Be one process of an application, which stops at each ``say`` until it is told to go on."""

    process: subprocess.Popen[str]

    def line(self) -> str:
        """Return the next line it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        """Let it leave a ``say``."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, list[str]]:
        """Wait for its end; return its exit status and what it said until then."""
        assert self.process.stdout is not None
        said = self.process.stdout.read().splitlines()
        return self.process.wait(200), said


@dataclass(frozen=True)
class App:
    """Be an application whose spool is ``disk/spool``; its notes are in ``safe``, and what is told unless said else."""

    disk: Path
    safe: Path
    sink: Path | None = None

    @property
    def spool(self) -> Path:
        """Return the spool's folder."""
        return self.disk / "spool"

    @contextmanager
    def running(self, *commands: str, name: str = "", application: str = "shop") -> Iterator[Running]:
        """Run one process; its stderr goes to a file. It is killed where a test leaves it behind."""
        paths = [str(self.spool), str((self.sink or self.safe) / "events.jsonl"), str(self.safe / "side")]
        with (self.safe / f"stderr{name}").open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, str(_SCRIPT), *paths, *commands],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**os.environ, "DISK_APPLICATION": application},
            )
        with process:
            try:
                yield Running(process)
            finally:
                process.kill()

    def run(self, *commands: str) -> list[str]:
        """Run one process to its end; return the lines it said."""
        with self.running(*commands) as app:
            code, said = app.end()
        assert code == 0, (code, said, self.stderr()[-2_000:])
        return said

    def stderr(self, name: str = "") -> str:
        """Return what a process told on stderr."""
        return (self.safe / f"stderr{name}").read_text()

    def raised(self) -> Counter[str]:
        """Return how often each word happened: the oracle, which knows nothing of tocsin."""
        return Counter((self.safe / "side").read_text().split())

    def told(self) -> Counter[str]:
        """Return the occurrences of each word in the file sink's lines; of losses by ``lost``.

        A count whose report was torn has no message: the report that followed has, under the same fingerprint.
        """
        found: Counter[str] = Counter()
        words: dict[str, str] = {"": "lost"}
        for path in (self.sink or self.safe).glob("events.jsonl*"):
            for line in path.read_text().splitlines():
                members = json.loads(line)
                found[members["fingerprint"]] += members["occurrences"]
                if members["fingerprint"] and members["message"]:
                    words[members["fingerprint"]] = members["message"]
        told: Counter[str] = Counter()
        for fingerprint, number in found.items():
            told[words.get(fingerprint, "without a report")] += number
        return told


@contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[Path]:
    """Mount a tmpfs with these options."""
    with _mounted(folder, ["-t", "tmpfs", "-o", options, "tmpfs"]) as disk:
        yield disk


@contextmanager
def ext4(folder: Path, options: str) -> Iterator[Path]:
    """Mount a file as a disk of 16 MB with ext4."""
    with (
        _image(folder, "mkfs.ext4", 16, ["-q", "-F"]) as image,
        _mounted(folder, ["-o", f"loop,{options}", image]) as disk,
    ):
        yield disk


@contextmanager
def btrfs(folder: Path) -> Iterator[Path]:
    """Mount a file as a disk of 128 MB with btrfs, which writes everything to a new place."""
    with _image(folder, "mkfs.btrfs", 128, ["-q", "-f"]) as image, _mounted(folder, ["-o", "loop", image]) as disk:
        yield disk


@contextmanager
def _image(folder: Path, program: str, megabytes: int, options: Sequence[str]) -> Iterator[str]:
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(
            f"no {program}; on Debian: apt-get install -y {'btrfs-progs' if 'btrfs' in program else 'e2fsprogs'}"
        )
    image = folder / "image"
    with image.open("wb") as file:
        file.truncate(megabytes * 1_048_576)
    subprocess.run([found, *options, str(image)], check=True, capture_output=True)
    yield str(image)
    image.unlink()


@contextmanager
def _mounted(folder: Path, arguments: Sequence[str]) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("a disk can be mounted by root only; sudo make test")
    disk = folder / "disk"
    disk.mkdir()
    if subprocess.run(["mount", *arguments, str(disk)], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let root mount such a disk; run the tests where it may")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)
