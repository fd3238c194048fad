"""Room in the spool: what `spool_max_mb` bounds, what goes when it is reached, and what stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tocsin.delivery.retention import Retention
from tocsin.routing.opening import OWN, open_state
from tocsin.spool.folder import Folder
from tocsin.spool.memory import Occurrence
from tocsin.spool.reader import GenerationReader, SpoolReader
from tocsin.spool.writer import Writer

MAX_BYTES = 1_048_576
BODY = b'{"x":"%s"}' % (b"x" * 100_000)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "spool")


def dead(folder: Folder, reports: int) -> None:
    """Leave the generation of a process that has ended."""
    writer = Writer(folder, about={"application": "shop"}, max_bytes=MAX_BYTES)
    for number in range(reports):
        writer.append(Occurrence("error", 40, number, "v1:" + "0f" * 16, 1.0, BODY))
    writer.close()


def bodies(folder: Folder) -> int:
    readers = SpoolReader(folder).generations()
    return sum(bool(record.body) for reader in readers for record in reader.records(0, 10**7)[1:])


def swept(folder: Folder, waiting: Callable[[GenerationReader], int]) -> dict[str, int]:
    """Sweep once; return the losses."""
    state = open_state(folder, OWN)
    now = datetime.now(UTC)
    Retention(folder, state, keep_days=7, max_bytes=MAX_BYTES).sweep(
        SpoolReader(folder).generations(), waiting, now, now
    )
    losses = dict(state.losses())
    state.close()
    return losses


def grow_state(folder: Folder) -> None:
    """Have the state take more than the whole maximum."""
    folder.prepare()
    folder.state.with_name(f"{folder.state.name}-journal-of-a-test").write_bytes(bytes(4 * MAX_BYTES))


def test_the_state_takes_no_room_from_reports(folder: Folder) -> None:
    grow_state(folder)
    dead(folder, 1)
    assert bodies(folder) == 1
    assert swept(folder, lambda reader: 1) == {}
    assert bodies(folder) == 1


def test_what_is_delivered_goes_before_the_maximum_so_that_writers_have_room(folder: Folder) -> None:
    for _ in range(4):
        dead(folder, 2)
    assert MAX_BYTES * 7 // 8 < folder.event_bytes() <= MAX_BYTES
    assert swept(folder, lambda reader: 0) == {}
    assert folder.event_bytes() <= MAX_BYTES * 7 // 8


def test_what_waits_stays_up_to_the_maximum(folder: Folder) -> None:
    for _ in range(4):
        dead(folder, 2)
    assert swept(folder, lambda reader: 2) == {}
    assert bodies(folder) == 8
