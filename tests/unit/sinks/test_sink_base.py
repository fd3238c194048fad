"""What every sink is given."""

from __future__ import annotations

import pytest

from tocsin.sinks.base import Entry, Origin


def entry_with(line: bytes) -> Entry:
    return Entry(Origin("p", 1, 4_096), "error", 40, "v1:a", 1, line)


def test_the_members_of_an_entry_are_its_line_decoded() -> None:
    """As JSON has them."""
    assert entry_with(b'{"kind": "error", "n": [1]}').members() == {"kind": "error", "n": [1]}


@pytest.mark.parametrize("line", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_line_that_cannot_be_read_has_no_members(line: bytes) -> None:
    """Whatever lies in a spool must not hold up delivery."""
    assert entry_with(line).members() == {}
