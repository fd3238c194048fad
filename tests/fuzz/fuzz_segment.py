"""Segments: any bytes go in. The reader takes them all, in any slices, and loses no record that is whole.

Usage: python tests/fuzz/fuzz_segment.py [-max_total_time=600]
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from fuzzing import Choices, main, watched

with watched():
    from tocsin.spool import format as fmt
    from tocsin.spool.folder import GenerationPath
    from tocsin.spool.reader import GenerationReader

FINGERPRINT = "v1:" + "ab" * 16
_folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
_PATH = GenerationPath(Path(_folder.name), "0" * 18, 0)


def record(choices: Choices) -> bytes:
    """Return a whole record."""
    body = bytes([choices.number(256)]) * choices.number(300)
    return fmt.pack(choices.number(4), body, fault=choices.number(6000), fingerprint=FINGERPRINT, time=1.0)


def segment(choices: Choices) -> tuple[bytes, list[bytes]]:
    """Return a segment of whole records, spoiled ones and garbage, and the whole ones."""
    pieces: list[bytes] = []
    whole: list[bytes] = []
    for _ in range(choices.number(6)):
        piece = record(choices)
        sort = choices.number(5)
        if sort == 0:
            piece = piece[: choices.number(len(piece))]
        elif sort == 1:
            at, bit = choices.number(len(piece)), choices.number(8)
            piece = piece[:at] + bytes([piece[at] ^ 1 << bit]) + piece[at + 1 :]
        elif sort == 2:
            piece = bytes(choices.number(200))
        else:
            whole.append(piece)
        pieces.append(piece)
    return b"".join(pieces) + choices.rest(), whole


def try_one(data: bytes) -> None:
    """Raise where a law of the reader is broken."""
    choices = Choices(data)
    content, whole = segment(choices)
    for is_final in (True, False):
        found = list(fmt.records(content, 7, is_final=is_final))
        at = 7
        for each in found:
            assert each.offset == at, "records don't follow each other"
            assert each.end > each.offset, "no progress"
            at = each.end
        assert at <= 7 + len(content)
        assert not is_final or at == 7 + len(content), "the end was not reached"
    known = [content[each.offset - 7 : each.end - 7] for each in fmt.records(content, 7, is_final=True)]
    rest = iter(known)
    assert all(piece in rest for piece in whole), "a whole record was lost"
    _read_in_slices(content, whole, len(data))


def _read_in_slices(content: bytes, whole: list[bytes], chance: int) -> None:
    _PATH.events.write_bytes(content)
    reader = GenerationReader(_PATH)
    reader.is_dead = True
    read, at = [], 0
    while records := reader.records(at, 1 + chance % 200):
        assert records[-1].end > at, "no progress"
        read += [content[each.offset : each.end] for each in records]
        at = records[-1].end
    assert at == len(content), f"reading stopped at {at} of {len(content)}"
    rest = iter(read)
    assert all(piece in rest for piece in whole), "a whole record was lost between two slices"
    reader.about()
    reader.fault(0)


def seeds() -> list[bytes]:
    """Return inputs to begin with."""
    two = fmt.pack(1, b"{}", fingerprint=FINGERPRINT) + fmt.pack(2, b"", fingerprint=FINGERPRINT)
    return [b"", bytes(40), b"\x05" + bytes(range(60)), b"\x00" + two, b"\x00" + two[:-9], b"\x00" + two[9:]]


if __name__ == "__main__":
    main(try_one, seeds())
