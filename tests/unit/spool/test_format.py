"""Segments: whole records are read back, torn and flipped ones are told from them, and reading goes on after them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event.model import Kind
from tocsin.spool import format as fmt

FINGERPRINT = "v1:" + "ab" * 16
BODIES = [b'{"a":1}', b"", b"x" * 300]


def segment() -> bytes:
    return b"".join(
        fmt.pack(fmt.EVENT, body, kind="warning", levelno=30, fault=n, number=n, fingerprint=FINGERPRINT, time=1.5)
        for n, body in enumerate(BODIES)
    )


def test_records_come_back_with_their_headers() -> None:
    found = list(fmt.records(segment(), 100, is_final=False))
    assert [record.body for record in found] == BODIES
    assert found[0].offset == 100
    assert found[1].offset == found[0].end
    header = found[2].header
    assert header is not None
    assert (header.kind, header.levelno, header.fault, header.fingerprint, header.time) == (
        "warning",
        30,
        2,
        FINGERPRINT,
        1.5,
    )


def test_a_torn_end_of_a_living_segment_means_not_yet_at_every_offset() -> None:
    data = segment()
    ends = [record.end for record in fmt.records(data, 0, is_final=False)]
    for length in range(len(data)):
        whole = sum(1 for end in ends if end <= length)
        assert len(list(fmt.records(data[:length], 0, is_final=False))) == whole


def test_a_torn_end_of_a_dead_segment_counts_if_its_header_is_whole() -> None:
    data = segment()
    starts = [record.offset for record in fmt.records(data, 0, is_final=False)]
    for length in range(len(data)):
        headers = sum(1 for start in starts if start + fmt.HEADER_BYTES <= length)
        found = list(fmt.records(data[:length], 0, is_final=True))
        assert sum(1 for record in found if record.header is not None) == headers


@given(st.integers(0, len(segment()) - 1), st.integers(0, 7))
def test_a_flipped_bit_costs_at_most_the_record_it_is_in(at: int, bit: int) -> None:
    data = bytearray(segment())
    owner = next(i for i, record in enumerate(fmt.records(bytes(data), 0, is_final=True)) if record.end > at)
    data[at] ^= 1 << bit
    whole = [record for record in fmt.records(bytes(data), 0, is_final=True) if record.body is not None]
    assert [record.header.fault for record in whole if record.header] == [n for n in range(3) if n != owner]


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_reading_goes_on_after_foreign_bytes(garbage: bytes, more: bytes) -> None:
    data = garbage + segment() + more
    bodies = [
        record.body for record in fmt.records(data, 0, is_final=True) if record.header and record.body is not None
    ]
    assert bodies == BODIES


def test_a_partial_write_followed_by_whole_records_is_torn_not_not_yet() -> None:
    one = fmt.pack(fmt.EVENT, b"y" * 50, fault=9, fingerprint=FINGERPRINT)
    data = one[: fmt.HEADER_BYTES + 10] + segment()
    found = list(fmt.records(data, 0, is_final=False))
    assert [(record.header.fault if record.header else None, record.body is None) for record in found] == [
        (9, True),
        (0, False),
        (1, False),
        (2, False),
    ]


@pytest.mark.parametrize("version", [1, 2, 16])
@pytest.mark.parametrize("kind", ["traceback", "error", "warning"])
def test_a_fingerprint_comes_back_with_its_version(version: int, kind: Kind) -> None:
    """Segments of before knew the first alone: their bytes are the same."""
    fingerprint = f"v{version}:{'0f' * 16}"
    data = fmt.pack(fmt.EVENT, b"{}", kind=kind, fingerprint=fingerprint)
    header = fmt.unpack_header(data)
    assert header is not None
    assert (header.fingerprint, header.kind) == (fingerprint, kind)
    assert (data[len(fmt.MAGIC) + 1] < 16) is (version == 1)
