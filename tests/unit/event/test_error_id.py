"""Error ids: made from a fingerprint and a number, read as people quote them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event import error_id
from tocsin.event.errors import DecodeError

FINGERPRINT = "v1:" + "0123456789abcdef" * 2


@given(st.integers(0, 10**9))
def test_an_id_has_no_look_alikes_and_comes_back(number: int) -> None:
    made = error_id.make(error_id.prefix(FINGERPRINT), number)
    assert len(made) == 11
    assert not set(made) & set("01OILS")
    assert error_id.parse(made) == (made[:6], made[7:])


@pytest.mark.parametrize(
    "quoted",
    ["7K3QDM-24F2", "7k3qdm-24f2", " 7K3QDM-24F2.\n", "(7K3QDM-24F2)", "7K3QDM 24F2", "7K3QDM24F2", '"7K3QDM-24F2",'],
)
def test_an_id_is_read_as_people_quote_it(quoted: str) -> None:
    assert error_id.parse(quoted) == ("7K3QDM", "24F2")


def test_the_first_half_alone_names_the_issue() -> None:
    assert error_id.parse("7k3qdm") == ("7K3QDM", "")


@pytest.mark.parametrize("text", ["", "7K3QD", "7K3QDM-24F", "7K3QDM-24F2-1", "7K3Q!M-24F2", "é" * 6 + "-1"])
def test_what_is_no_id_is_told(text: str) -> None:
    with pytest.raises(DecodeError, match="not an error id"):
        error_id.parse(text)


def test_the_distance_of_suffixes_runs_forward_and_around() -> None:
    assert error_id.distance(error_id.suffix(5), error_id.suffix(9)) == 4
    assert error_id.distance(error_id.suffix(error_id.SUFFIXES - 1), error_id.suffix(2)) == 3
