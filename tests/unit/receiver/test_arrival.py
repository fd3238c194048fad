"""Lines of senders: what a spool relies on is checked, the rest is kept as it came."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.receiver.arrival import Arrival, Unreadable, arrival_of, decoded
from tocsin.sinks.base import Origin

Members = Callable[..., dict[str, Any]]


def test_a_report_is_kept_as_it_came(members: Members) -> None:
    """All but origin and occurrences, which the receiver's own spool tells anew; unknown members as well."""
    made = members(offset=313, surprise={"of": "a later version"})
    arrival = arrival_of(made)
    assert arrival.origin == Origin("p1", 0, offset=313)
    assert (arrival.kind, arrival.levelno, arrival.occurrences) == ("error", 40, 1)
    assert arrival.members == {name: value for name, value in made.items() if name not in ("origin", "occurrences")}
    assert arrival.time == pytest.approx(1795335411.809199)


def test_a_count_has_the_origin_of_its_cell(members: Members) -> None:
    arrival = arrival_of(members(slot=37, count=9, occurrences=4, error_id="ABCDEF"))
    assert arrival.origin == Origin("p1", 0, slot=37, count=9)
    assert arrival.occurrences == 4


def test_a_loss_is_told_from_a_fault_whose_digits_are_all_zero(members: Members) -> None:
    loss = arrival_of(members(kind="loss", fingerprint="", lost=7, reason="internal", slot=3, count=7))
    assert (loss.is_loss, loss.lost, loss.reason) == (True, 7, "internal")
    assert not arrival_of(members(fingerprint="v1:" + "0" * 32)).is_loss


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": None}, "schema must be"),
        ({"schema": True}, "schema must be"),
        ({"schema": 0}, "schema must be"),
        ({"kind": "question"}, "kind must be"),
        ({"kind": ["error"]}, "kind must be"),
        ({"fingerprint": "v1:xyz"}, "fingerprint must be"),
        ({"fingerprint": None}, "fingerprint must be"),
        ({"host": 7}, "must be texts"),
        ({"occurrences": -1}, "occurrences must be"),
        ({"occurrences": 1.5}, "occurrences must be"),
        ({"origin": None}, "origin must have"),
        ({"process": ""}, "origin must have"),
        ({"process": "p\n1"}, "origin must have"),
        ({"offset": -4}, "origin must have"),
        ({"slot": 3}, "origin must have"),
        ({"generation": 1 << 70}, "origin must have"),
    ],
)
def test_what_a_spool_could_not_hold_is_told_in_words(members: Members, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Unreadable, match=said) as fault:
        arrival_of(members(**changes))
    assert fault.value.code == "line"


def test_a_newer_schema_is_no_fault_of_the_line(members: Members) -> None:
    """The sender keeps it until the receiver can read it."""
    with pytest.raises(Unreadable, match="newer than this receiver") as fault:
        arrival_of(members(schema=2))
    assert fault.value.code == "schema"


@pytest.mark.parametrize(
    "line", [b"", b"no json", b"[" * 100_000, b'{"a":' * 5_000, b"\xff\xfe", b'{"n":' + b"9" * 5_000 + b"}"]
)
def test_bytes_that_are_no_json_are_told(line: bytes) -> None:
    with pytest.raises(Unreadable, match="JSON"):
        arrival_of(decoded(line))


def test_what_encoders_refuse_is_replaced(members: Members) -> None:
    """NaN by null, half characters by U+FFFD; whole ones stay."""
    line = json.dumps({**members(), "message": "\ud800 \U0001f514 \udc80", "\udfff": float("nan")}).encode()
    got = decoded(line)
    assert got["message"] == "\ufffd \U0001f514 \ufffd"
    assert got["\ufffd"] is None
    assert decoded(b'"\xed\xa0\x80"') == "\ufffd" * len(decoded(b'"\xed\xa0\x80"'))


@pytest.mark.parametrize("at", ["", "yesterday", 7, None, "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_can_not_be_is_the_time_of_arrival(members: Members, at: Any) -> None:
    """A leader that reads it must be able to make a date of it."""
    time = arrival_of(members(timestamp=at)).time
    assert time < 4_000_000_000
    assert datetime.fromtimestamp(time, UTC) > datetime(1, 1, 2, tzinfo=UTC)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(st.sampled_from(["schema", "kind", "fingerprint", "origin", "occurrences", "host"]), _JSON), _JSON
)
def test_anything_at_all_is_an_arrival_or_unreadable(changes: dict[str, Any], other: Any) -> None:
    base = {"schema": 1, "kind": "error", "fingerprint": "v1:" + "0" * 32, "occurrences": 1}
    base["origin"] = {"process": "p", "generation": 0, "offset": 0}
    for value in ({**base, **changes}, other):
        try:
            assert isinstance(arrival_of(value), Arrival)
        except Unreadable as fault:
            assert fault.reason
