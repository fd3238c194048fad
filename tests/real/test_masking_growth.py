"""Masking's cost on texts made to be costly: it grows with their length, not with its square."""

from __future__ import annotations

import time

import pytest

from tocsin.event.masking.own_rules import MaskingRule, fault_of
from tocsin.event.masking.scrub import Scrubber

PIECES = (
    "password=", "password: ", "a=b ", "://", "u:p@", "%25", "%3D", "'", '"', "\\'", "((", "--p ", "-----BEGIN ",
    "eyJ.",
    "4111 ", "token is ", "Bearer ", "[masked]", ",", "</", "curl -u a:b ", "{'k': ", "aA0-", "secret\n", " = '",
    "[masked: token]", "[masked: ", "[masked: api key]: ", '<input name="pwd" value="', 'value="\\a', "&quot;",
    '\\\\"a',
    "pwd: a b\r\n", "passphrase: a b ", "card 4005212110451 ", "4005 2121 1045 1 ", "cache_key=aA0-",
    "{'cache_key': 'a",
    "KD-1234567 ", "KD-12345678", "aB9" * 6,
)  # fmt: skip
# As costly as a rule of one's own may be.
RULES = (
    MaskingRule("customer", r"\bKD-\d{8}\b", keep=("pass_rate",)),
    MaskingRule("near", r"(?:[a-zA-Z\d]{1,31}[a-z\d:\- ]{1,31})!(\d{4})"),
)
SMALL, LARGE = 10_000, 80_000


def cost_s(text: str) -> float:
    """Return the CPU time that masking takes, the least of three."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        Scrubber(["kd"], RULES).text(text)
        best = min(best, time.process_time() - start)
    return best


def test_the_costly_rule_is_one_that_is_allowed() -> None:
    """At the bound of what `fault_of` takes."""
    assert [fault_of(rule.pattern) for rule in RULES] == ["", ""]


@pytest.mark.parametrize("piece", PIECES)
def test_masking_eight_times_the_text_costs_no_more_than_a_few_times_as_much_again(piece: str) -> None:
    """Eight times would be linear, 64 times quadratic; what is too small to measure counts as 2 ms."""
    small, large = cost_s((piece * SMALL)[:SMALL]), cost_s((piece * LARGE)[:LARGE])
    print(f"{piece!r}: {small * 1e3:.1f} ms, {large * 1e3:.1f} ms")
    assert large < 24 * max(small, 0.002)
