"""What was masked says of what sort it was: a sort of a fixed list, never a text that came along."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event.masking import rules
from tocsin.event.masking.marks import MASK, MASKED, is_mask, mask_for
from tocsin.event.masking.scrub import Scrubber

SCRUBBER = Scrubber()
PAGE = Path(__file__).parents[4] / "docs" / "explanation" / "masking.md"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=hunter2", "password=[masked: password]"),
        ("db_pw: hunter2", "db_pw: [masked: password]"),
        ('{"X-Api-Key": "k1"}', '{"X-Api-Key": "[masked: API key]"}'),
        ("csrf_token=a1", "csrf_token=[masked: CSRF token]"),
        ("refresh_token=a1", "refresh_token=[masked: token]"),
        ("Set-Cookie: a=b; c=d", "Set-Cookie: [masked: cookie]"),
        ("PHPSESSID=a1", "PHPSESSID=[masked: session]"),
        ("?sig=abc", "?sig=[masked: signature]"),
        ("Authorization: x", "Authorization: [masked: authorization]"),
        ("Bearer abc123def", "Bearer [masked: token]"),
        ("Basic dXNlcjpwYXNz", "Basic [masked: password]"),
        ("amqp://u:p@h", "amqp://u:[masked: password]@h"),
        ("https://a1b2@h/", "https://[masked: user]@h/"),
        ("4111 1111 1111 1111", "[masked: card number]"),
        ("bob@example.org", "[masked: e-mail address]"),
        ("eyJhbGciOiJI.eyJzdWIi.abc", "[masked: JWT]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc", "[masked: private key]"),
        ("-----BEGIN CERTIFICATE-----\nabc", "[masked: PEM block]"),
        ("Key (email)=(x) exists", "Key (email)=([masked: row]) exists"),
        ("INSERT INTO u (id, password) VALUES (7, 'x')", "INSERT INTO u (id, password) VALUES ([masked: row])"),
        ("[parameters: ('x',)]", "[parameters: [masked: parameters]]"),
        ("identified by 'hunter2'", "identified by '[masked: password]'"),
        ("invalid token 'a1'", "invalid token '[masked: token]'"),
        ("curl -u bob:hunter2", "curl -u bob:[masked: password]"),
        ("AKIAIOSFODNN7EXAMPLE", "[masked: AWS key]"),
        ("glpat-abcdefghij1234567890", "[masked: GitLab token]"),
        ("https://hooks.slack.com/services/T/B/x1y2", "https://hooks.slack.com/services/[masked: webhook]"),
    ],
)
def test_a_mask_names_the_sort(text: str, masked: str) -> None:
    """By what stood before it, or by its shape."""
    assert SCRUBBER.text(text) == masked
    assert SCRUBBER.text(masked) == masked


SORTS = [rule.sort for rule in (*rules.NAMES, *rules.SHORT_NAMES, *rules.VENDORS)]


@pytest.mark.parametrize("sort", sorted({*SORTS, "card number", "e-mail address", "row"}))
@pytest.mark.parametrize(
    "around", ["{}: hello", "{} is here", "password={}", "x={} 'y'", "'{}': 1", "[{}, 'a']", "d[{}] = 1", "{}={}"]
)
def test_what_stands_behind_a_mask_is_not_taken_for_a_value(sort: str, around: str) -> None:
    """A sort ends with a word that is a sensitive name elsewhere."""
    text = around.replace("{}", mask_for(sort))
    assert SCRUBBER.text(text) == text
    assert SCRUBBER.source(text) == text


@pytest.mark.parametrize("mask", [MASK, "[masked: secret]", "[masked: tenant]"])
def test_masks_of_before_stay(mask: str) -> None:
    """Plain ones, and those of rules that are gone."""
    for text in (f"password={mask} x", f"password: '{mask}'", f"a {mask} b", f"u:{mask}@h", f"--token {mask} x"):
        assert SCRUBBER.text(text) == text
    for text in (
        f"amqp://u:{mask}@h", f"https://{mask}@h/x", f"Key (a)=({mask})", f"[parameters: {mask}]",
        f"Duplicate entry '{mask}' for key 'x'", f"curl -u bob:{mask}", f"mysql -p{mask}", f"Cookie: {mask}",
        f"INSERT INTO u (id, password) VALUES ({mask})", f"https://h/?token={mask}#a=1", f"<pwd>{mask}</pwd>",
    ):  # fmt: skip
        assert SCRUBBER.text(text) == text
    assert SCRUBBER.value("password", mask) == mask
    assert SCRUBBER.tags({"token": mask}) == {"token": mask}


@given(st.text(alphabet="abc[]: -maskedpword=", max_size=60), st.integers(8, 60))
def test_a_cut_leaves_no_half_mask(text: str, limit: int) -> None:
    """Else the rest of a sort would read as a text."""
    cut = SCRUBBER.text(f"{text} password=hunter2 bob@example.org", limit)
    assert "hunter" not in cut
    assert SCRUBBER.text(cut, limit) == cut
    start = cut.rfind("[masked: ")
    assert start < 0 or text[-9:] in cut[start:] or MASKED.match(cut, start)


@given(st.text(max_size=40))
def test_a_sort_that_no_mask_can_say_is_left_out(sort: str) -> None:
    """Whatever a rule is called, a mask is a mask."""
    assert is_mask(mask_for(sort))


def test_the_page_lists_every_rule() -> None:
    """The tables of the page and those of the code are the same."""
    page = PAGE.read_text(encoding="utf-8")
    for rule in rules.NAMES:
        assert f"| `[masked: {rule.sort}]` | {', '.join(f'`{word}`' for word in rule.words)} |" in page
    for vendor in rules.VENDORS:
        assert f"`[masked: {vendor.sort}]`" in page


@pytest.mark.parametrize(
    ("text", "is_masked"),
    [
        ("EAN 4005212110451", False),
        ("4005212110451", False),
        ("card 4005212110451", True),
        ("credit_card_number=4005212110451", True),
        ("30569309025904", True),  # Diners Club, 14
        ("378282246310005", True),  # American Express, 15
        ("6240008631401148", True),
        ("scorecard 4005212110451", False),
    ],
)
def test_thirteen_digits_are_a_card_only_where_a_word_says_so(text: str, is_masked: bool) -> None:
    """One article's number in ten passes a card's check."""
    assert ("[masked: card number]" in SCRUBBER.text(text)) is is_masked


def test_a_name_for_a_card_tells_of_thirteen_digits_too() -> None:
    """In fields, as number and as text."""
    assert SCRUBBER.fields({"card_number": 4005212110451, "ean": 4005212110451}) == {
        "card_number": "[masked: card number]",
        "ean": 4005212110451,
    }
    assert SCRUBBER.value("cc", "4005 2121 1045 1") == "[masked: card number]"


@pytest.mark.parametrize(
    "text",
    ["amqp://u:hunter2:[masked]@h", "Duplicate entry '[masked]-hunter2' for key 'x'", "Key (a)=(hunter2)=([masked])",
     "[parameters: ('hunter2', [masked])]", "Failing row contains (hunter2) ([masked])", "password=hunter2[masked]",
     "password='[masked] hunter2'", "INSERT INTO u (id, password) VALUES ('hunter2', ([masked]))"],
)  # fmt: skip
def test_a_mask_beside_a_secret_does_not_hide_it_from_masking(text: str) -> None:
    """Only what is a mask and nothing else stays as it is."""
    assert "hunter2" not in SCRUBBER.text(text)
