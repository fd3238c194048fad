"""Rules that an application adds: what they mask, what they keep, and which patterns are refused."""

from __future__ import annotations

import pytest

from tocsin.event import limits
from tocsin.event.masking.own_rules import MaskingRule, fault_of
from tocsin.event.masking.scrub import Scrubber

CUSTOMER = MaskingRule("customer number", r"\bKD-\d{8}\b")


@pytest.mark.parametrize(
    ("rule", "text", "masked"),
    [
        (CUSTOMER, "no KD-12345678 here", "no [masked: customer number] here"),
        (MaskingRule("pin", r"\bPIN (\d{4})\b"), "PIN 4711, PIN 0815", "PIN [masked: pin], PIN [masked: pin]"),
        (MaskingRule("x", r"(?P<secret>\d{4})-(A|B)"), "1234-A", "[masked: x]-A"),
        (MaskingRule("x", r"no(?:\s(\d{1,9}))?!"), "no! no 5!", "[masked: x] no [masked: x]!"),
        (MaskingRule("iban", keys=("iban",)), "IBAN=DE89, iban: DE89", "IBAN=[masked: iban], iban: [masked: iban]"),
    ],
)
def test_an_own_rule_masks_what_it_says(rule: MaskingRule, text: str, masked: str) -> None:
    """Its group, or all of it, and a mask shows the rule's name."""
    scrubber = Scrubber((), [rule])
    assert scrubber.text(text) == masked
    assert scrubber.text(masked) == masked
    assert not scrubber.is_clean(text)


def test_an_own_pattern_holds_everywhere() -> None:
    """In fields, source lines, queries, paths, encoded too."""
    scrubber = Scrubber((), [CUSTOMER])
    assert scrubber.value("note", ["KD-12345678"]) == ["[masked: customer number]"]
    assert scrubber.source("x = 'KD-12345678'") == "x = '[masked: customer number]'"
    assert scrubber.query("a=KD-12345678&b=2") == "a=[masked: customer number]&b=2"
    assert scrubber.query("a=%4BD-12345678&b=2") == "a=[masked: customer number]&b=2"
    assert scrubber.name("KD-12345678") == "[masked: customer number]"


def test_a_pattern_never_masks_a_mask() -> None:
    """Else each look would find the last one's mask, and it would grow."""
    scrubber = Scrubber((), [MaskingRule("word", r"[a-z]{4,10}"), MaskingRule("digits", r"\d{1,3}")])
    once = scrubber.text("password=hunter2 and some 12345")
    assert scrubber.text(once) == once
    assert "[[" not in once


def test_a_cut_leaves_no_part_of_what_a_pattern_matches() -> None:
    """A text is looked at past the cut."""
    scrubber = Scrubber((), [CUSTOMER])
    for limit in range(8, 30):
        assert "KD-1" not in scrubber.text("customer KD-12345678 is gone", limit)


def test_names_that_are_kept_are_masked_by_shape_only() -> None:
    """Whole names, in any case, dashes and underscores alike; others that hold them stay masked."""
    scrubber = Scrubber(["pin"], [MaskingRule(keep=("Pass-Rate", "api", "pin_board"))])
    kept = {"pass_rate": "hunter2", "PASS-RATE": 7, "api": "fast"}
    assert scrubber.fields(kept) == kept
    assert scrubber.text("pass_rate: hunter2, api=fast") == "pass_rate: hunter2, api=fast"
    assert scrubber.text('{"api": "fast"}') == '{"api": "fast"}'
    assert scrubber.value("old_pass_rate", "hunter2") == "[masked: password]"
    assert scrubber.value("pin_board", "x") == "[masked: pin]"  # mask_keys come first
    assert scrubber.value("api", "Bearer abc123def") == "Bearer [masked: token]"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "is no regular expression"),
        (r"[", "is no regular expression"),
        (r"\d*", "may match an empty text"),
        (r"x|", "may match an empty text"),
        (r"\d+", "give every repeat an upper bound"),
        (r".*x", "give every repeat an upper bound"),
        (r"(?:\d++)x", "give every repeat an upper bound"),
        (r"\d{1,501}", "give every repeat an upper bound"),
        (r"(a{1,9}){1,9}", "can be matched in more than"),
        (r"(?:a|a){10}b", "can be matched in more than"),
        (r"\w{1,40}\d{1,40}x", "can be matched in more than"),
        (r"(?=(a{1,9}){1,9})b", "can be matched in more than"),
        (r"(a)(b)", "has 2 groups"),
        ("x" * (limits.MASKING_RULE_CHARS + 1), "is longer than"),
        ("(?:" * 200 + "x" + "){9}" * 200, ""),
    ],
)
def test_a_pattern_that_no_text_should_meet_is_refused(pattern: str, said: str) -> None:
    """It says what is wrong, and what to write."""
    assert fault_of(pattern)
    assert said in fault_of(pattern)


@pytest.mark.parametrize(
    "pattern",
    [CUSTOMER.pattern, r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", r"(?i)pin[ :](\d{4,6})", r"(?:\d{1,3}\.){3}\d{1,3}",
     r"x\d{1,50}+y\w{1,50}+z", r"(?<=ID )\d{1,9}(?!\d)", r"(?P<secret>a)(b)"],
)  # fmt: skip
def test_bounded_patterns_are_taken(pattern: str) -> None:
    """Whose cost at one place of a text is known."""
    assert fault_of(pattern) == ""
