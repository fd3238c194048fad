"""Masking's cost on texts made to be costly: it grows with their length, not with its square."""

from __future__ import annotations

import time

import pytest

from tocsin.event.scrub import Scrubber

PIECES = (
    "password=", "password: ", "a=b ", "://", "u:p@", "%25", "%3D", "'", '"', "\\'", "((", "--p ", "-----BEGIN ",
    "eyJ.",
    "4111 ", "token is ", "Bearer ", "[masked]", ",", "</", "curl -u a:b ", "{'k': ", "aA0-", "secret\n", " = '",
)  # fmt: skip
SMALL, LARGE = 10_000, 80_000


def cost_s(text: str) -> float:
    """Return the CPU time that masking takes, the least of three."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        Scrubber().text(text)
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("piece", PIECES)
def test_masking_eight_times_the_text_costs_no_more_than_a_few_times_as_much_again(piece: str) -> None:
    """Eight times would be linear, 64 times quadratic; what is too small to measure counts as 2 ms."""
    small, large = cost_s((piece * SMALL)[:SMALL]), cost_s((piece * LARGE)[:LARGE])
    print(f"{piece!r}: {small * 1e3:.1f} ms, {large * 1e3:.1f} ms")
    assert large < 24 * max(small, 0.002)
