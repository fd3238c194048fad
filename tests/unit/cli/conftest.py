"""What the tests of commands share: an environment without tocsin's variables, spools with known events, a caller."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tocsin.cli import main
from tocsin.event import error_id, wire
from tocsin.event.identity.fingerprint import fingerprint
from tocsin.event.model import Event, ExceptionInfo, Frame, Request
from tocsin.spool.folder import Folder
from tocsin.spool.generation import Place
from tocsin.spool.memory import Occurrence
from tocsin.spool.writer import Writer

FRAME = Frame("shop.orders", "pay", "/srv/shop/orders.py", 12, "    return total / count", ("def pay():",))

_HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.lockf(fd, fcntl.LOCK_EX)
os.ftruncate(fd, 0)
os.pwrite(fd, f"{os.getpid()} a test\\n".encode(), 0)
print("held", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


@dataclass
class SampleSpool:
    """A spool that one process wrote to; ``writer`` is None once that process has ended."""

    folder: Folder
    writer: Writer

    def add(self, event: Event, number: int, counted: int = 0) -> str:
        """Spool an event as occurrence ``number`` and count it so many times more; return the error id."""
        issue = event.fingerprint or fingerprint(event)
        full = replace(event, fingerprint=issue, error_id=error_id.make(error_id.prefix(issue), number))
        place: Place | None = self.writer.append(
            Occurrence(full.kind, full.levelno, number, issue, full.timestamp.timestamp(), wire.encode(full))
        )
        assert place is not None
        for _ in range(counted):
            assert self.writer.count(place)
        return full.error_id

    @property
    def path(self) -> str:
        return str(self.folder.path)


def make_event(type_: str = "ZeroDivisionError", *, age_s: float = 10.0, kind: str = "traceback") -> Event:
    """An event of about now; another ``type_`` is another fault."""
    is_warning = kind == "warning"
    return Event(
        kind=kind,  # type: ignore[arg-type]
        level="WARNING" if is_warning else "ERROR",
        levelno=30 if is_warning else 40,
        timestamp=datetime.now(UTC) - timedelta(seconds=age_s),
        application="shop",
        environment="test",
        logger="shop",
        message=f"{type_} happened",
        template=f"{type_} happened",
        exception=None if is_warning else ExceptionInfo(type_, "division by zero", (FRAME,)),
        request=Request("POST", "/pay"),
    )


@pytest.fixture(autouse=True)
def _clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TOCSIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[SampleSpool]:
    folder = Folder(tmp_path / "spool")
    about = {"application": "shop", "environment": "test", "release": "1.0", "host": "web1", "sinks": []}
    made = SampleSpool(folder, Writer(folder, about=about))
    folder.prepare()
    yield made
    made.writer.close()


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "shop.toml"
    path.write_text('application = "shop"\nspool = "spool"\n[[sinks]]\ntype = "file"\npath = "events.jsonl"\n')
    return path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    def run(*arguments: str) -> Answer:
        capsys.readouterr()
        code = main(list(arguments))
        said = capsys.readouterr()
        assert "Traceback (most recent call last)" not in said.err
        return Answer(code, said.out, said.err)

    return run


@contextmanager
def held_by_another_process(path: Path) -> Iterator[int]:
    """Have another process hold a lock file; yield its pid."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
    finally:
        process.communicate()


@pytest.fixture
def new_event() -> Callable[..., Event]:
    return make_event


@pytest.fixture
def hold() -> Callable[[Path], object]:
    return held_by_another_process
