"""`tocsin config`: effective values with their source, and nothing secret among them."""

from __future__ import annotations

import pytest

from tocsin.config.load import load
from tocsin.config.settings import SETTINGS
from tocsin.config.show import lines, masked_url, rows


def test_every_setting_is_shown_with_value_and_source():
    """In the order of the table, levels by name."""
    settings = load(
        {"application": "shop", "level": "ERROR", "loggers": {"a": 20}}, {"host": "web1"}, {"TOCSIN_FSYNC": "on"}
    )
    table = rows(settings)
    assert [row.name for row in table] == [setting.name for setting in SETTINGS]
    values = {row.name: (row.value, row.source) for row in table}
    assert values["level"] == ('"ERROR"', "mapping")
    assert values["loggers"] == ('{"a" = "INFO"}', "mapping")
    assert values["fsync"] == ("true", "TOCSIN_FSYNC")
    assert values["host"] == ('"web1"', "keyword")
    assert values["sinks"] == ("none", "default")
    assert lines(table)[0].startswith("application ")
    assert lines(table)[0].endswith("(mapping)")


def test_secrets_of_sinks_are_masked_by_looks():
    """Also where the name is misspelled, and the file that holds one is shown."""
    sinks = [
        {"type": "mail", "password": "hunter2", "passwrod": "hunter2", "password_file": "/run/pw"},
        {"type": "db", "url": "postgresql://app:hunter2@db/shop"},
        "smtp://app:hunter2@mail.example.org?to=ops@example.org&password=hunter2",
    ]
    table = rows(load({"application": "shop", "sinks": sinks}, {}, {}))
    text = "\n".join(lines(table))
    assert "hunter2" not in text
    assert 'password = [masked], passwrod = [masked], password_file = "/run/pw"' in text
    assert "postgresql://[masked]@db/shop" in text
    assert "smtp://[masked]@mail.example.org?to=ops@example.org&password=[masked]" in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("smtp://mail.example.org:25?to=ops@example.org", "smtp://mail.example.org:25?to=ops@example.org"),
        ("smtp://[::1]:25?to=ops@example.org", "smtp://[::1]:25?to=ops@example.org"),
        ("file:events.jsonl?max_mb=5", "file:events.jsonl?max_mb=5"),
        ("smtp://u:p@ss@host", "smtp://[masked]@host"),
        ("smtp://u:p/ss@host/x", "smtp://[masked]@host/x"),
        ("smtp://u:p?ss@host?to=a@example.org", "smtp://[masked]"),
        ("smtp://u:p#ss@host", "smtp://[masked]@host"),
    ],
)
def test_a_url_shows_no_password_however_it_was_written(url: str, shown: str):
    """Passwords that should have been percent-encoded are masked too."""
    assert masked_url(url) == shown
