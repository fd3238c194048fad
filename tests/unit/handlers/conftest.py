"""What tests of drop-in handlers share: a spool of their own, and what was spooled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tocsin.event import wire
from tocsin.event.model import Event
from tocsin.handlers.channel import close_all
from tocsin.spool.folder import Folder
from tocsin.spool.reader import SpoolReader


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Name the application and its spool by variables; close every channel afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOCSIN_APPLICATION", "shop")
    monkeypatch.setenv("TOCSIN_SPOOL", str(tmp_path / "spool"))
    # Nothing listens anywhere, so a thread would have nothing to do but to fail.
    monkeypatch.setattr("tocsin.delivery.host.Host.start", lambda self: None)
    yield tmp_path / "spool"
    close_all(0.0)


@pytest.fixture
def events() -> Callable[[Any], list[Event]]:
    """Return the events that a handler has spooled."""

    def read(handler: Any) -> list[Event]:
        folder = Folder(handler._reporter.stats()["spool"])
        found = []
        for reader in SpoolReader(folder).generations():
            found += [wire.decode(record.body) for record in reader.records(0, 10**7)[1:] if record.body]
        return found

    return read
