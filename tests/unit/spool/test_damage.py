"""Damaged spools: whatever a disk, a power cut or a hand did to a file, the others and the rest of it are read."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tocsin.delivery.sightings import START, Reading, read_on
from tocsin.spool import format as fmt
from tocsin.spool.about import read_about
from tocsin.spool.counters import FIRST_FAULT_CELL, CellsReader
from tocsin.spool.folder import Folder, GenerationPath
from tocsin.spool.memory import Occurrence
from tocsin.spool.reader import GenerationReader, SpoolReader
from tocsin.spool.writer import Writer

FINGERPRINTS = [f"v1:{number:032x}" for number in range(1, 5)]
COUNTED = [3, 300, 70_000, 1]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "spool")


@pytest.fixture
def generation(folder: Folder) -> GenerationPath:
    """Return a dead process's only generation: four faults, each with one report and some counts."""
    writer = Writer(folder, about={"application": "shop", "sinks": ["stderr"]})
    for number, fingerprint in enumerate(FINGERPRINTS):
        body = json.dumps({"n": number}).encode()
        place = writer.append(Occurrence("error", 40, number, fingerprint, 1.0, body))
        assert place is not None
        held = writer.generation
        assert held is not None
        assert held.counters.increment(FIRST_FAULT_CELL + place.fault, COUNTED[number])
    path = held.path
    del held
    writer.close()
    return path


def read_all(path: GenerationPath) -> dict[str, int]:
    """Return occurrences by fingerprint, as the leader counts a dead process's generation."""
    return occurrences(path)[0]


def occurrences(path: GenerationPath) -> tuple[dict[str, int], int, int]:
    """Return (occurrences by fingerprint, stretches of no record, occurrences told as lost)."""
    reader = GenerationReader(path)
    reader.is_dead = True
    found: dict[str, int] = {}
    garbage = lost = 0
    for reading in readings(reader):
        garbage += reading.garbage
        lost += sum(number for _, number, _ in reading.losses)
        for each in reading.sightings:
            found[each.header.fingerprint] = found.get(each.header.fingerprint, 0) + each.occurrences
    return found, garbage, lost


def readings(reader: GenerationReader) -> Iterator[Reading]:
    cursor = START
    while (reading := read_on(reader, cursor, 200, with_counts=True)).cursor != cursor:
        cursor = reading.cursor
        yield reading


def whole() -> dict[str, int]:
    return {fingerprint: 1 + COUNTED[number] for number, fingerprint in enumerate(FINGERPRINTS)}


def test_the_generation_is_read_as_it_was_written(generation: GenerationPath) -> None:
    assert occurrences(generation) == (whole(), 0, 0)


def test_a_segment_that_ends_at_any_byte_is_read_up_to_there(generation: GenerationPath) -> None:
    """Each header that is whole counts its occurrence and its cell; what has no header is told as lost."""
    data = generation.events.read_bytes()
    starts = [each.offset for each in fmt.records(data, 0, is_final=True)][1:]
    for length in range(len(data)):
        generation.events.write_bytes(data[:length])
        there = [number for number, start in enumerate(starts) if start + fmt.HEADER_BYTES <= length]
        found, _, lost = occurrences(generation)
        assert found == {FINGERPRINTS[number]: whole()[FINGERPRINTS[number]] for number in there}, length
        assert lost == sum(COUNTED) - sum(COUNTED[number] for number in there), length


def test_a_flipped_bit_anywhere_in_a_segment_costs_one_record_at_most_and_is_told(generation: GenerationPath) -> None:
    data = generation.events.read_bytes()
    records = list(fmt.records(data, 0, is_final=True))
    for at in range(len(data)):
        hit = next(number for number, each in enumerate(records) if each.end > at) - 1  # -1: the process's own
        generation.events.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        found, garbage, lost = occurrences(generation)
        others = [number for number in range(len(FINGERPRINTS)) if number != hit]
        assert all(found.get(FINGERPRINTS[number]) == whole()[FINGERPRINTS[number]] for number in others), at
        assert set(found) <= set(FINGERPRINTS), at
        if hit >= 0 and FINGERPRINTS[hit] not in found:
            assert garbage == 1, at
            assert lost == COUNTED[hit], at


def test_a_flipped_bit_anywhere_in_the_counters_changes_one_count_at_most(generation: GenerationPath) -> None:
    data = generation.counts.read_bytes()
    end = 64 + 8 * (FIRST_FAULT_CELL + len(FINGERPRINTS))
    for at in range(end):
        generation.counts.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        found = read_all(generation)
        assert sum(found[name] != count for name, count in whole().items()) <= 1, at


@pytest.mark.parametrize("length", [0, 1, 8, 63, 64, 71, 72, 64 + 8 * 34, 33_087])
def test_counters_that_end_early_are_read_up_to_there(generation: GenerationPath, length: int) -> None:
    os.truncate(generation.counts, length)
    found = read_all(generation)
    cells = max(0, (length - 64) // 8 - FIRST_FAULT_CELL)
    assert found == {
        fingerprint: 1 + (COUNTED[number] if number < cells else 0) for number, fingerprint in enumerate(FINGERPRINTS)
    }


def test_zeros_at_the_end_as_after_a_power_cut_are_one_stretch(generation: GenerationPath) -> None:
    with generation.events.open("ab") as file:
        file.write(bytes(5_000))
    assert occurrences(generation)[:2] == (whole(), 1)


def test_garbage_between_records_is_passed_over(generation: GenerationPath) -> None:
    data = generation.events.read_bytes()
    pieces = [data[each.offset : each.end] for each in fmt.records(data, 0, is_final=True)]
    generation.events.write_bytes((b"\xf7tocsin\n" * 30).join(pieces))
    assert read_all(generation) == whole()


@pytest.mark.complaints
def test_a_copy_under_another_name_is_not_counted(folder: Folder, generation: GenerationPath) -> None:
    """A backup restored beside the original, or a file copied by hand."""
    copy = GenerationPath(folder.path, "0" * 18, 0)
    shutil.copy(generation.events, copy.events)
    shutil.copy(generation.counts, copy.counts)
    spool = SpoolReader(folder)
    assert [reader.path for reader in spool.generations()] == [generation]
    assert "is a copy" in spool.left_out[0]
    copy.events.unlink()
    spool.generations()
    assert spool.left_out == ()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_no_segment(
    folder: Folder, generation: GenerationPath, make: Callable[[Path], None]
) -> None:
    make(folder.path / f"{'1' * 18}-000000.events")
    assert [reader.path for reader in SpoolReader(folder).generations()] == [generation]


@pytest.mark.complaints
def test_a_file_that_cannot_be_read_keeps_no_other_waiting(
    folder: Folder, generation: GenerationPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad sector, a file of another user: it is left where it is, told, and read when that is possible again."""
    other = Writer(folder, about={"application": "shop"})
    other.append(Occurrence("error", 40, 1, FINGERPRINTS[0], 1.0, b"{}"))
    spool = SpoolReader(folder)
    bad = next(reader for reader in spool.generations() if reader.path == generation)
    read_bytes = os.read

    def failing(fd: int, size: int) -> bytes:
        if Path(f"/proc/self/fd/{fd}").readlink() == bad.path.events:
            raise OSError(5, "Input/output error")
        return read_bytes(fd, size)

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", failing)
        assert bad.records(0) == []
        assert [reader.path.process for reader in spool.generations()] == [other.process]
        assert "Input/output error" in spool.left_out[0]
    assert len(spool.generations()) == 2
    assert len(bad.records(0, 10_000)) == 1 + len(FINGERPRINTS)


@pytest.mark.complaints
def test_counters_that_cannot_be_read_don_t_stop_the_records(
    generation: GenerationPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: CellsReader) -> dict[int, int]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(CellsReader, "read", failing)
    assert read_all(generation) == dict.fromkeys(FINGERPRINTS, 1)


@pytest.mark.complaints
def test_a_segment_that_was_cut_behind_the_cursor_is_told(
    generation: GenerationPath, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = GenerationReader(generation)
    end = reader.records(0, 10_000)[-1].end
    os.truncate(generation.events, 10)
    assert reader.records(end) == []
    assert reader.records(end) == []
    assert capsys.readouterr().err.count("was truncated") == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"7", b"{", b"\xff", b'{"format": "x", "sinks": 5, "pid": []}', b'{"sinks": [5]}', b"[" * 5_000],
)
def test_a_process_record_that_makes_no_sense_says_nothing(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "segment"
    path.write_bytes(fmt.pack(fmt.PROCESS, body))
    assert read_about(path) == {}


def test_a_value_that_no_count_can_have_is_not_believed(generation: GenerationPath) -> None:
    """A flipped high bit would make a fault happen a million million times."""
    with generation.counts.open("r+b") as file:
        file.seek(64 + 8 * FIRST_FAULT_CELL)
        file.write(struct.pack("<Q", COUNTED[0] | 1 << 55))
    assert read_all(generation) == {**whole(), FINGERPRINTS[0]: 1}
