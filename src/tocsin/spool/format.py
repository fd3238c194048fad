"""The bytes of a segment: records go in and come out; a torn or flipped one is told from a whole one. Pure.

A record is ``magic, header, header CRC, body, body CRC``. The header alone tells the occurrence, so that a torn body
still counts as one; the reader finds the next record by the magic and a header CRC that fits.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tocsin.event.model import Kind

__all__ = [
    "COUNT",
    "EVENT",
    "FORMAT",
    "HEADER_BYTES",
    "PROCESS",
    "Header",
    "Record",
    "pack",
    "records",
    "unpack_header",
]

FORMAT: Final = 2  # 2: other versions of fingerprints than v1
MAGIC: Final = b"\xf7tocsin\n"

PROCESS: Final = 0  # the first record of a segment: who writes it
EVENT: Final = 1  # one occurrence, captured in full
COUNT: Final = 2  # `count` occurrences without a report

_KINDS: Final[tuple[Kind, ...]] = ("traceback", "error", "warning")
_KIND_NUMBERS: Final = {kind: number for number, kind in enumerate(_KINDS)}

# type, kind (and in its upper four bits the fingerprint's version, v1 being 0), level, fault, occurrence number, count,
# body length, fingerprint, seconds since 1970
_FIELDS: Final = struct.Struct("<BBHIIII16sd")
_VERSION_AT: Final = 4
_KIND_BITS: Final = 0xF
_FIRST_S: Final = -62_135_596_800.0  # year 1, in seconds since 1970
_LAST_S: Final = 253_402_300_799.0  # year 9999
_CRC: Final = struct.Struct("<I")
HEADER_BYTES: Final = len(MAGIC) + _FIELDS.size + _CRC.size


@dataclass(frozen=True, slots=True)
class Header:
    """Tell an occurrence without its body. ``fault`` numbers the faults of a generation from 0."""

    type: int
    kind: Kind
    levelno: int
    fault: int
    number: int
    count: int
    body_bytes: int
    fingerprint: str
    time: float


@dataclass(frozen=True, slots=True)
class Record:
    """Be one record found at ``offset``; the next begins at ``end``. ``body`` is None where it is torn.

    ``header`` is None for bytes that are no record at all (a torn header, a flipped bit).
    """

    offset: int
    end: int
    header: Header | None
    body: bytes | None


def pack(
    type_: int,
    body: bytes,
    *,
    kind: Kind = "error",
    levelno: int = 0,
    fault: int = 0,
    number: int = 0,
    count: int = 1,
    fingerprint: str = "",
    time: float = 0.0,
) -> bytes:
    """Return the bytes of one record; they are to be appended by one write."""
    version, _, digits = fingerprint.rpartition(":")
    digest = bytes.fromhex(digits)
    kind_byte = _KIND_NUMBERS[kind] | (int(version[1:] or 1) - 1) << _VERSION_AT
    level = min(max(levelno, 0), 0xFFFF)  # logging takes any number
    fields = _FIELDS.pack(type_, kind_byte, level, fault, number, count, len(body), digest, time)
    return b"".join((MAGIC, fields, _CRC.pack(zlib.crc32(fields)), body, _CRC.pack(zlib.crc32(body))))


def unpack_header(data: bytes, at: int = 0) -> Header | None:
    """Return the header at ``at``, or None where no whole header with a fitting CRC is."""
    start = at + len(MAGIC)
    if len(data) < at + HEADER_BYTES or not data.startswith(MAGIC, at):
        return None
    fields = data[start : start + _FIELDS.size]
    if _CRC.unpack_from(data, start + _FIELDS.size)[0] != zlib.crc32(fields):
        return None
    type_, kind_byte, levelno, fault, number, count, body_bytes, digest, time = _FIELDS.unpack(fields)
    kind = kind_byte & _KIND_BITS
    if kind >= len(_KINDS):
        return None
    fingerprint = f"v{(kind_byte >> _VERSION_AT) + 1}:{digest.hex()}"
    return Header(type_, _KINDS[kind], levelno, fault, number, count, body_bytes, fingerprint, _possible(time))


def _possible(time: float) -> float:
    """Return the nearest time that the calendar has: what was written by whatever clock must not stop its readers."""
    return min(max(time, _FIRST_S), _LAST_S) if time == time else 0.0  # NaN is not itself


def records(data: bytes, base: int, *, is_final: bool) -> Iterator[Record]:
    """Yield the records of ``data``, which begins at file offset ``base``, in order.

    Stops before an incomplete record unless ``is_final``: of a living process it means "not yet". Where
    ``is_final``, a record that lacks its end is torn (its header still counts), and bytes that are no record are
    yielded as such.
    """
    at = 0
    while at < len(data):
        header = unpack_header(data, at)
        if header is not None:
            end = at + HEADER_BYTES + header.body_bytes + _CRC.size
            if end <= len(data):
                body = data[at + HEADER_BYTES : end - _CRC.size]
                if _CRC.unpack_from(data, end - _CRC.size)[0] == zlib.crc32(body):
                    yield Record(base + at, base + end, header, body)
                    at = end
                    continue
            elif not is_final:
                return
        elif len(data) - at < HEADER_BYTES and not is_final:
            return
        after = _next_header(data, at + 1)
        if after is None:
            if not is_final and header is None:
                return  # garbage at the end of a living segment: its next record will show where it ends
            # More may follow what was read: a header that begins in its last bytes is found with the next reading.
            after = len(data) if is_final else max(at + 1, len(data) - HEADER_BYTES + 1)
        yield Record(base + at, base + after, header, None)
        at = after


def _next_header(data: bytes, at: int) -> int | None:
    while (at := data.find(MAGIC, at)) >= 0:
        if unpack_header(data, at) is not None:
            return at
        at += 1
    return None
