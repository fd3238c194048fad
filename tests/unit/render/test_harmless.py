"""Text that would do something to a terminal, header, page or encoder is shown by its escapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.render import harmless

ANY_TEXT = st.text(st.characters(codec=None))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 中 🙂", "plain é 中 🙂"),
        ("two\nlines", "two\nlines"),
        ("windows\r\nlines", "windows\nlines"),
        ("a\tb", "a    b"),
        ("over\rwritten", "over\\rwritten"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31mred", "\\x9b31mred"),
        ("nul\x00", "nul\\0"),
        ("lone \udc80 surrogate", "lone \\udc80 surrogate"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066isolated\u2069", "\\u2066isolated\\u2069"),
        ("line\u2028separator\x85", "line\\u2028separator\\x85"),
        ("tag \U000e0041", "tag \\U000e0041"),
    ],
)
def test_harmful_characters_are_shown_by_their_escapes(text: str, shown: str) -> None:
    """What an attacker sent stays visible, and does nothing."""
    assert harmless.block(text) == shown


@given(ANY_TEXT)
def test_block_is_idempotent_and_encodable(text: str) -> None:
    """Cleaning twice changes nothing more, and UTF-8 takes the result."""
    once = harmless.block(text)
    assert harmless.block(once) == once
    once.encode("utf-8")


@given(ANY_TEXT, st.integers(1, 50))
def test_line_is_one_line_within_its_length(text: str, chars: int) -> None:
    """No reader sees a line break in it, whatever it calls one, and it is as short as asked."""
    shown = harmless.line(text, chars)
    assert len(shown.splitlines()) <= 1
    assert len(shown) <= chars


def test_a_cut_is_visible() -> None:
    """A reader must know that something is missing."""
    assert harmless.line("abcdef", 4) == "abc…"
    assert harmless.line("abcd", 4) == "abcd"


def test_width_counts_terminal_columns() -> None:
    """Carets below wide and combining characters stay in place."""
    assert harmless.width("abc") == 3
    assert harmless.width("中文") == 4
    assert harmless.width("e\u0301") == 1


def test_secrets_are_masked_wherever_they_stand() -> None:
    """The longer one first, since one may be a part of another; an empty one is none."""
    assert harmless.without(["hunter", "", "hunter2"], "hunter2 and hunter") == "[masked] and [masked]"


@given(st.text(st.characters()))
def test_encodable_text_has_no_half_characters(text: str) -> None:
    """Law: encodable(encodable(t)) == encodable(t)."""
    shown = harmless.encodable(text)
    assert shown.encode("utf-8").decode() == shown
    assert harmless.encodable(shown) == shown


def test_halves_that_meet_are_joined_and_lone_ones_replaced() -> None:
    """As JSON writes a character beyond the basic plane."""
    assert harmless.encodable("\ud83d\ude00 \ud83d") == "\U0001f600 \ufffd"
