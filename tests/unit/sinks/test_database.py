"""The database sink on SQLite files: rows and issues are exact, repetition changes nothing, failures are told."""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest

pytest.importorskip("sqlalchemy", reason="no SQLAlchemy; pip install 'SQLAlchemy>=2.0'")

from tocsin.cli.program import main
from tocsin.config.setting import parse_table
from tocsin.sinks.base import Accepted, Entry, Origin, Outcome, Refused, SinkContext, Unavailable
from tocsin.sinks.database import DatabaseSink
from tocsin.sinks.database.tables import ddl
from tocsin.testing import SinkContract
from tocsin.testing.contract import entry_of
from tocsin.testing.hostile import HOSTILE

CONTEXT = SinkContext("shop", "production", "web1", lambda text: text.replace("s3cret", "[masked]"))


def make(path: Path, **raw: Any) -> DatabaseSink:
    values, faults = parse_table(DatabaseSink.settings, {"path": str(path), "store": "both", "timeout": 0.1, **raw}, "")
    assert faults == []
    return DatabaseSink.from_options(values, CONTEXT)


def fresh(number: int = 0) -> Entry:
    return entry_of(HOSTILE[number].make(uuid4().hex))


def counted(entry: Entry, counted_to: int, occurrences: int) -> Entry:
    members = {**json.loads(entry.line), "occurrences": occurrences}
    members.pop("process", None)
    origin = Origin("p1", 1, slot=8, count=counted_to)
    return replace(entry, origin=origin, occurrences=occurrences, line=json.dumps(members).encode())


def rows(path: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        found = connection.execute(sql).fetchall()
        connection.commit()
        return found
    finally:
        connection.close()


def total(path: Path) -> tuple[int, int]:
    (by_rows,) = rows(path, "SELECT COALESCE(SUM(occurrences), 0) FROM tocsin_occurrences")
    (by_issues,) = rows(path, "SELECT COALESCE(SUM(occurrences), 0) FROM tocsin_issues")
    return by_rows[0], by_issues[0]


def require(kind: type[Any], outcome: Outcome) -> Any:
    assert isinstance(outcome, kind), outcome
    return outcome


class TestContract(SinkContract):
    is_idempotent: ClassVar[bool] = True

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "errors.db"

    def new_sink(self) -> DatabaseSink:
        return make(self.path)

    def received(self) -> list[str]:
        return [f"{row[0]} {row[1]}" for row in rows(self.path, "SELECT error_id, event FROM tocsin_occurrences")]


def test_the_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """Errors tell much of an application."""
    path = tmp_path / "errors.db"
    accepted = require(Accepted, make(path).deliver([fresh()]))
    assert path.stat().st_mode & 0o777 == 0o600
    assert "tocsin_occurrences, tocsin_issues" in accepted.detail


def test_a_count_that_went_on_after_a_crash_counts_once(tmp_path: Path) -> None:
    """The cursor was not saved: the same cell comes again from where it began, with more in it."""
    path, report = tmp_path / "errors.db", fresh()
    require(Accepted, make(path).deliver([report, counted(report, 5, 5), counted(report, 9, 4)]))
    require(Accepted, make(path).deliver([report, counted(report, 12, 12), counted(report, 12, 7)]))
    assert total(path) == (13, 13)


def test_what_was_refused_once_is_counted_when_it_comes_again(tmp_path: Path) -> None:
    """A dead letter that is sent again lies behind what was delivered since."""
    path, report = tmp_path / "errors.db", fresh()
    require(Accepted, make(path).deliver([counted(report, 9, 4)]))
    for _ in range(2):
        require(Accepted, make(path).deliver([counted(report, 5, 5)]))
    assert total(path) == (9, 9)


@pytest.mark.parametrize(("store", "tables"), [("occurrences", "occurrences"), ("issues", "issues,origins")])
def test_only_what_is_wanted_is_kept(tmp_path: Path, store: str, tables: str) -> None:
    """Issues alone need the origins of what they have counted."""
    path, batch = tmp_path / "errors.db", [fresh()]
    for _ in range(2):
        require(Accepted, make(path, store=store).deliver(batch))
    found = rows(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    assert [name for (name,) in found] == [f"tocsin_{name}" for name in (*tables.split(","), "schema_version")]
    if store == "issues":
        assert rows(path, "SELECT occurrences FROM tocsin_issues") == [(1,)]


def test_a_check_is_a_row_and_no_issue(tmp_path: Path) -> None:
    """It stands for no occurrence, but tries whether counting is allowed."""
    path, entry = tmp_path / "errors.db", fresh()
    members = {**json.loads(entry.line), "check": True, "occurrences": 0}
    check = replace(entry, occurrences=0, line=json.dumps(members).encode())
    require(Accepted, make(path).deliver([check]))
    assert rows(path, "SELECT COUNT(*) FROM tocsin_issues") == [(0,)]
    assert rows(path, "SELECT occurrences FROM tocsin_occurrences") == [(0,)]


def test_an_issue_knows_its_first_and_last_release_whatever_the_order(tmp_path: Path) -> None:
    """Hosts deliver at different times: the times of the events count."""
    path, event = tmp_path / "errors.db", HOSTILE[0].make("one")
    for day, release in ((10, "2"), (20, "3"), (5, "1")):
        at = datetime(2026, 11, day, tzinfo=UTC)
        require(Accepted, make(path).deliver([entry_of(replace(event, timestamp=at, release=release))]))
    found = rows(path, "SELECT first_release, last_release, first_seen, last_seen, occurrences FROM tocsin_issues")
    assert found == [("1", "3", "2026-11-05 00:00:00.000000", "2026-11-20 00:00:00.000000", 3)]


def test_a_locked_file_is_waited_for_and_told(tmp_path: Path) -> None:
    """The application writes to it as well."""
    path = tmp_path / "errors.db"
    require(Accepted, make(path).deliver([fresh()]))
    connection = sqlite3.connect(path)
    connection.execute("BEGIN IMMEDIATE")
    outcome = require(Unavailable, make(path).deliver(batch := [fresh()]))
    connection.close()
    assert "waited too long for a lock" in outcome.reason
    require(Accepted, make(path).deliver(batch))
    assert total(path) == (2, 2)


@pytest.mark.parametrize(
    ("ruin", "words"),
    [
        ("UPDATE tocsin_schema_version SET version = 2", "newer"),
        ("ALTER TABLE tocsin_issues DROP COLUMN culprit", "not tocsin's"),
        ("ALTER TABLE tocsin_occurrences RENAME COLUMN status TO state", "not tocsin's"),
    ],
)
def test_tables_that_are_not_ours_are_told(tmp_path: Path, ruin: str, words: str) -> None:
    """Nothing is written there."""
    path = tmp_path / "errors.db"
    require(Accepted, make(path).deliver([fresh()]))
    rows(path, ruin)
    assert words in require(Unavailable, make(path).deliver([fresh()])).reason
    assert total(path) == (1, 1)


def test_a_column_of_somebodys_own_refuses_no_report(tmp_path: Path) -> None:
    """It would refuse all of them; they wait until the table is mended."""
    path = tmp_path / "errors.db"
    require(Accepted, make(path).deliver([fresh()]))
    for statement in ("DROP TABLE tocsin_issues", "CREATE TABLE tocsin_issues AS SELECT 1 AS own"):
        rows(path, statement)
    assert "not tocsin's" in require(Unavailable, make(path).deliver([fresh()])).reason
    (sql,) = rows(path, "SELECT sql FROM sqlite_master WHERE name = 'tocsin_occurrences'")
    rows(path, "DROP TABLE tocsin_occurrences")
    rows(path, sql[0].replace("event JSON NOT NULL", "event JSON NOT NULL, own TEXT NOT NULL"))
    assert "not tocsin's" in require(Unavailable, make(path).deliver([fresh()])).reason


def test_lost_tables_are_made_again(tmp_path: Path) -> None:
    """By the delivery that misses them."""
    path = tmp_path / "errors.db"
    sink = make(path)
    require(Accepted, sink.deliver([fresh()]))
    rows(path, "DROP TABLE tocsin_issues")
    require(Accepted, sink.deliver([fresh()]))
    path.unlink()
    require(Accepted, sink.deliver([fresh()]))
    assert total(path) == (1, 1)


def test_tables_that_may_not_be_made_are_told_with_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `tocsin ddl` prints is all it takes."""
    path, config = tmp_path / "errors.db", tmp_path / "tocsin.toml"
    config.write_text('application = "shop"\n[[sinks]]\ntype = "database"\npath = "errors.db"\nstore = "both"\n')
    rows(path, "SELECT 1")
    outcome = require(Unavailable, make(path, create=False).deliver([fresh()]))
    assert "tocsin_occurrences is missing" in outcome.reason
    assert "tocsin ddl" in outcome.remedy
    assert main(["ddl", "--config", str(config)]) == 0
    connection = sqlite3.connect(path)
    connection.executescript(capsys.readouterr().out)
    connection.close()
    require(Accepted, make(path, create=False).deliver([fresh()]))


def test_without_tables_there_is_no_ddl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says so."""
    config = tmp_path / "tocsin.toml"
    config.write_text('application = "shop"\n[[sinks]]\ntype = "stderr"\n')
    assert main(["ddl", "--config", str(config)]) == 2
    assert "no sink is of type 'database'" in capsys.readouterr().err


def test_a_row_that_is_refused_comes_back_as_refused_alone(tmp_path: Path) -> None:
    """The batch is taken back as a whole; who delivers tries each by itself."""
    path = tmp_path / "errors.db"
    sink, good, bad = make(path, store="occurrences"), fresh(), fresh(6)
    require(Accepted, sink.deliver([fresh()]))
    rows(path, "CREATE TRIGGER own BEFORE INSERT ON tocsin_occurrences WHEN NEW.type = 'RecursionError'"
               " BEGIN SELECT RAISE(ABORT, 'none of those, s3cret'); END")  # fmt: skip
    outcome = require(Refused, sink.deliver([good, bad]))
    assert "none of those, [masked]" in outcome.reason
    require(Refused, sink.deliver([bad]))
    require(Accepted, sink.deliver([good]))
    assert rows(path, "SELECT COUNT(*) FROM tocsin_occurrences") == [(2,)]


@pytest.mark.parametrize(
    ("content", "words"), [(b"no database at all, " * 100, "damaged or no database"), (None, "can't be opened")]
)
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes | None, words: str) -> None:
    """Or one in a folder that isn't there."""
    path = tmp_path / "errors.db" if content else tmp_path / "absent" / "errors.db"
    if content:
        path.write_bytes(content)
    assert words in require(Unavailable, make(path).deliver([fresh()])).reason


def test_old_rows_are_deleted_by_the_day_they_came(tmp_path: Path) -> None:
    """In batches, all of them; issues stay, and so do rows where no time is set."""
    path, clock = tmp_path / "errors.db", [datetime(2026, 11, 1, tzinfo=UTC)]

    def sink(keep_days: int) -> DatabaseSink:
        made = make(path, keep_days=keep_days, timeout=5)
        return DatabaseSink(made._place, made._plan, CONTEXT, lambda: clock[0])

    for _ in range(3):
        require(Accepted, sink(0).deliver([fresh() for _ in range(200)]))
    clock[0] += timedelta(days=8)
    require(Accepted, sink(0).deliver([fresh()]))
    assert rows(path, "SELECT COUNT(*) FROM tocsin_occurrences") == [(601,)]
    require(Accepted, sink(7).deliver([fresh()]))
    assert rows(path, "SELECT COUNT(*) FROM tocsin_occurrences") == [(2,)]
    assert rows(path, "SELECT COUNT(*) FROM tocsin_issues") == [(602,)]
    assert "can't be deleted" not in require(Accepted, sink(999_999_999).deliver([fresh()])).detail


def test_a_clock_that_leaps_ahead_deletes_nothing_at_once(tmp_path: Path) -> None:
    path, clock = tmp_path / "errors.db", [datetime(2026, 11, 1, tzinfo=UTC)]
    made = make(path, keep_days=7, timeout=5)
    sink = DatabaseSink(made._place, made._plan, CONTEXT, lambda: clock[0])
    require(Accepted, sink.deliver([fresh() for _ in range(3)]))
    clock[0] += timedelta(days=365)
    sink._purged_at = None  # as an hour later
    require(Accepted, sink.deliver([fresh()]))
    assert rows(path, "SELECT COUNT(*) FROM tocsin_occurrences") == [(4,)]


def test_nothing_that_sqlalchemy_logs_of_it_becomes_a_report(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It would come here again."""
    with caplog.at_level(logging.DEBUG):
        require(Accepted, make(tmp_path / "errors.db").deliver([fresh()]))
        require(Unavailable, make(tmp_path / "absent" / "errors.db").deliver([fresh()]))
    assert [record.name for record in caplog.records if record.name.startswith("sqlalchemy")] == []


def test_building_it_loads_no_package(tmp_path: Path) -> None:
    """SQLAlchemy comes with the first delivery."""
    code = (
        "import sys; from tocsin.sinks.base import SinkContext; from tocsin.sinks.registry import build\n"
        "from tocsin.config.sink_table import SinkTable\n"
        f"table = SinkTable({{}}, 'sqlite:///{tmp_path}/x.db', 'sinks[0]', '/')\n"
        "built, faults = build([table], SinkContext('a', 'b', 'c'))\n"
        "assert built and not faults, faults\n"
        "assert 'sqlalchemy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("url", ["postgresql+psycopg://clerk@db/shop", "mysql+pymysql://clerk@db/shop"])
def test_the_ddl_of_a_server_needs_no_connection_and_holds_no_password(url: str) -> None:
    """It is meant to be mailed to whoever may apply it."""
    values, _ = parse_table(DatabaseSink.settings, {"url": url, "password": "geheim", "store": "both"}, "")
    try:
        sink = DatabaseSink.from_options(values, CONTEXT)
    except Exception as fault:
        pytest.skip(str(fault))
    text = ddl(sink._place, sink._plan)
    assert text.count("CREATE TABLE") == 3
    assert "geheim" not in text
    assert ("utf8mb4" in text) == url.startswith("mysql")
