"""What the database sink writes, and where: rows hold nothing that a database refuses, URLs tell no secret."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broken_shop import TASK
from tocsin.config.setting import parse_table
from tocsin.event import wire
from tocsin.event.errors import ConfigError
from tocsin.sinks import registry
from tocsin.sinks.base import Entry, Origin, SinkContext
from tocsin.sinks.database import DatabaseSink, options
from tocsin.sinks.database.rows import CHARS, Row, additions, row_of

CONTEXT = SinkContext("shop", "production", "web1")
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SECRET = "pa$$:w0rd"


def entry(line: bytes | dict[str, Any], occurrences: int = 1, **origin: Any) -> Entry:
    raw = line if isinstance(line, bytes) else json.dumps(line).encode()
    return Entry(Origin("p1", 2, **(origin or {"offset": 0})), "error", 40, "v1:abc", occurrences, raw)


def row(line: bytes | dict[str, Any], occurrences: int = 1, **origin: Any) -> Row:
    return row_of(entry(line, occurrences, **origin), CONTEXT, NOW)


def texts_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [each for pair in value.items() for part in pair for each in texts_of(part)]
    return [each for part in value for each in texts_of(part)] if isinstance(value, list) else []


def placed(**raw: Any) -> options.Place:
    values, faults = parse_table(DatabaseSink.settings, raw, "database")
    assert faults == []
    return options.place_of(values)


@pytest.fixture
def with_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every package seem to be installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)


# -- rows --------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec=None)), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from(["message", "exception", "request", "timestamp", "error_id", "occurrences", "origin"]))
def test_whatever_a_line_holds_a_row_can_be_written(value: Any, name: str) -> None:
    """No NUL, no half characters, no number past 64 bits, no NaN, no text past its column."""
    values = row({"kind": "error", name: value}).values
    for each in texts_of(dict(values["event"])) + [text for text in values.values() if isinstance(text, str)]:
        assert "\0" not in each
        each.encode()
    for column, most in CHARS.items():
        assert len(str(values.get(column, ""))) <= most
    json.dumps(values["event"], allow_nan=False)
    assert -(2**63) < values["occurrences"] < 2**63


@given(st.binary(max_size=200))
def test_a_line_that_is_no_json_is_kept_as_text(line: bytes) -> None:
    """Nothing is refused for what it is."""
    assert isinstance(row(line).values["event"], dict)


def test_hostile_values_are_shown_by_their_escapes() -> None:
    """A NUL is written as two characters, a half character by the replacement, a huge number as text."""
    line = b'{"message":"a\\u0000b\\ud800c","big":%s,"nan":NaN,"inf":1e999,"kind":"error"}' % (b"9" * 5000)
    values = row(line).values
    assert values["message"] == "a\\0b\ufffdc"
    assert values["event"]["big"] == "9" * 5000
    assert (values["event"]["nan"], values["event"]["inf"]) == (None, None)


def test_a_task_is_where_it_happened_and_all_of_it_is_in_the_event() -> None:
    """No column was added: tables of before take it."""
    values = row(wire.encode(replace(TASK, exception=None, location=""))).values
    assert values["culprit"] == "shop.tasks.send"
    assert values["event"]["tags"] == {"tenant": "acme", "region": "north east"}
    assert values["event"]["task"]["id"] == "1234"
    assert [line["message"] for line in values["event"]["lead_up"]] == ["took order 17", "stock looked up"]


def test_what_is_nested_too_deeply_is_cut() -> None:
    """MariaDB's JSON functions take 32 levels."""
    deep: Any = "core"
    for _ in range(100):
        deep = {"in": deep}
    assert json.dumps(row({"fields": deep}).values["event"]).count("{") < 32


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "never", "", None, 7, {}])
def test_a_time_that_no_database_has_is_left_out(at: Any) -> None:
    """It is still in the event."""
    values = row({"timestamp": at}).values
    assert values["timestamp"] is None
    assert values["event"]["timestamp"] == at


def test_times_are_aware_and_utc() -> None:
    """Whatever offset they came with."""
    expected = datetime(2026, 11, 22, 2, 41, 7, tzinfo=UTC)
    assert row({"timestamp": "2026-11-22T03:41:07+01:00"}).values["timestamp"] == expected
    assert row({"timestamp": "2026-11-22T02:41:07"}).values["timestamp"] == expected


def test_an_origin_too_long_for_its_column_has_a_digest_as_its_key() -> None:
    """Two long ones that begin alike stay two."""
    keys = {
        row_of(Entry(Origin("p" * 200, 1, offset=n), "error", 40, "", 1, b"{}"), CONTEXT, NOW).origin for n in (1, 2)
    }
    assert len(keys) == 2
    assert all(len(key) <= CHARS["origin"] for key in keys)


def test_a_loss_belongs_to_no_issue() -> None:
    """It is a row, and counts nowhere."""
    loss = row({"kind": "loss", "message": "2 lost: disk full", "lost": 2, "occurrences": 0}, 2, slot=1, count=2)
    assert additions([loss]) == []
    assert (loss.values["occurrences"], loss.values["message"]) == (0, "2 lost: disk full")


def test_rows_of_an_issue_are_added_up() -> None:
    """The youngest tells release and error id; keys are in one order for everybody."""
    first = row({"timestamp": "2026-11-22T02:00:00Z", "release": "1", "occurrences": 3, "fingerprint": "b"})
    last = row({"timestamp": "2026-11-22T03:00:00Z", "release": "2", "occurrences": 4, "fingerprint": "b"})
    other = row({"timestamp": "2026-11-22T01:00:00Z", "fingerprint": "a", "occurrences": 1})
    found = additions([last, other, first])
    assert [each.latest["fingerprint"] for each in found] == ["a", "b"]
    assert (found[1].occurrences, found[1].latest["release"]) == (7, "2")
    assert (found[1].first_seen.hour, found[1].last_seen.hour) == (2, 3)


def test_the_rest_of_a_count_that_is_there_in_part() -> None:
    """A cell that went on after a crash: what is behind the row that was written."""
    count = row({"kind": "error", "occurrences": 7}, 7, slot=8, count=12)
    assert count.origin == "p1/2/8+5"
    rest = count.behind(9)
    assert rest is not None
    assert (rest.origin, rest.counted_to, rest.values["occurrences"]) == ("p1/2/8+9", 12, 3)
    assert rest.values["event"]["occurrences"] == 3
    assert count.behind(12) is None
    assert row({"kind": "error"}).behind(None) is None


# -- where -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("with_packages")
@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql+psycopg://u@DB.example.org/shop", "postgresql:db.example.org:5432/shop"),
        ("postgresql://u:p@db:6432/shop?sslmode=verify-full", "postgresql:db:6432/shop"),
        ("postgresql+psycopg:///shop?host=/run/postgresql", "postgresql:/run/postgresql:5432/shop"),
        ("mysql+pymysql://u@[::1]:3307/shop", "mysql:[::1]:3307/shop"),
        ("mariadb://u@db/shop", "mysql:db:3306/shop"),
    ],
)
def test_a_url_names_a_database(url: str, where: str) -> None:
    """The identity has neither user nor password nor parameters."""
    raw = DatabaseSink.options_from_url(url)
    values, faults = parse_table(DatabaseSink.settings, raw, "database")
    assert faults == []
    assert DatabaseSink.from_options(values, CONTEXT).identity == f"database:{where}/tocsin_"


@pytest.mark.usefixtures("with_packages")
def test_parameters_that_are_settings_are_taken_and_others_go_to_the_driver() -> None:
    """One URL says it all."""
    url = "postgresql+psycopg://u@db/shop?store=both&prefix=err_&sslmode=require&level=ERROR&options=-c%20x%3Dy"
    raw = DatabaseSink.options_from_url(url)
    assert {name: raw[name] for name in raw if name != "url"} == {"store": "both", "prefix": "err_", "level": "ERROR"}
    assert placed(url=raw["url"]).query == {"sslmode": "require", "options": "-c x=y"}


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:///errors.db", "errors.db"), ("sqlite:////var/lib/a%20b.db", "/var/lib/a b.db")],
)
def test_an_sqlite_url_names_a_file(url: str, path: str) -> None:
    """A relative one begins where every path of a configuration does."""
    assert registry.from_url(url) == {"type": "database", "path": path}


@pytest.mark.usefixtures("with_packages")
@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({}, "url or path is required"),
        ({"url": f"postgresql://u:{SECRET}@db/shop", "path": "x.db"}, "leave one out"),
        ({"url": f"oracle://u:{SECRET}@db/shop"}, "must begin with one of"),
        ({"url": f"postgresql://u:{SECRET}@db"}, "must name a database"),
        ({"url": f"postgresql://u:{SECRET}@db/shop#x"}, "must name a database"),
        ({"url": f"postgresql://u:{SECRET}@db:port/shop"}, "host or port"),
        ({"url": "sqlite:///x.db"}, "by path"),
        ({"url": "postgresql://u:a@db/shop", "password": SECRET}, "both say it"),
        ({"path": "x.db", "password": SECRET}, "for servers"),
        ({"path": "x.db", "schema_name": "s"}, "has no schemas"),
    ],
)
def test_a_fault_says_what_to_mend_and_quotes_no_secret(raw: dict[str, Any], words: str) -> None:
    """Passwords are in URLs."""
    with pytest.raises(ConfigError, match=words) as raised:
        placed(**raw)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/x", "sqlite:///x?y=1"])
def test_an_sqlite_url_without_a_file_is_a_fault(url: str) -> None:
    """A database in memory would end with the process."""
    with pytest.raises(ConfigError, match="SQLite URL"):
        registry.from_url(url)


@pytest.mark.parametrize(("missing", "words"), [("sqlalchemy", "SQLAlchemy>=2.0"), ("psycopg", r"psycopg\[binary\]")])
def test_a_missing_package_is_told_with_its_command(missing: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At start, not with the first error."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(ConfigError, match=words):
        placed(url="postgresql+psycopg://u@db/shop")


@pytest.mark.parametrize("name", ["prefix", "schema_name"])
@pytest.mark.parametrize("value", ["", "a b", 'x"; DROP TABLE y', "ä", "1x", "x" * 64, 7])
def test_a_name_that_is_none_is_a_fault(name: str, value: Any) -> None:
    """They become part of statements."""
    assert parse_table(DatabaseSink.settings, {name: value}, "")[1]
