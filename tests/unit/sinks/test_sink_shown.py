"""What `tocsin config` shows of a sink: everything but what its own type calls secret."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.config.sink_table import SinkTable
from tocsin.sinks.shown import sink_shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"type": "mail", "host": "m", "password": "hunter2"}, 'type = "mail", host = "m", password = [masked]'),
        ({"type": "webhook", "url": "https://hooks.example.org/hunter2"}, 'type = "webhook", url = [masked]'),
        ({"type": "trac", "url": "https://trac.example.org/a"}, 'type = "trac", url = "https://trac.example.org/a"'),
        ({"type": "nosuch", "tokn": "a", "token": "hunter2"}, 'type = "nosuch", tokn = "a", token = [masked]'),
        ("smtp://u:hunter2@m.example.org?to=a@b.example", "smtp://[masked]@m.example.org?to=a@b.example"),
        ("webhook+https://hooks.example.org/hunter2#gather=0", "webhook+https://[masked]#gather=0"),
        ("chat+slack://hunter2/hunter2/hunter2", "chat+slack://[masked]"),
        ("sentry+https://hunter2@errors.example.org/7", "sentry+https://[masked]@errors.example.org/7"),
        ("pager:?routing_key=hunter2", "pager:?routing_key=[masked]"),
        ("nosuch://a:hunter2@b", "nosuch://[masked]@b"),
    ],
)
def test_tocsin_config_shows_a_sink_without_what_its_type_calls_secret(given: Any, shown: str):
    """The same name is a secret of one type and plain of another."""
    table = SinkTable({}, url=given) if isinstance(given, str) else SinkTable(given)
    assert sink_shown(table) == shown
