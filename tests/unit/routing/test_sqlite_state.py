"""What is peculiar to the state in a SQLite file: rights, versions, damage, readers, threads."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from tocsin.event.errors import StoreError
from tocsin.routing.sqlite import SqliteState, schema
from tocsin.routing.state import Cursor, Pace, Told


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


def test_its_files_are_private_and_in_wal_mode(path, seen):
    state = SqliteState(path)
    state.add_occurrences(seen())
    names = sorted(each.name for each in path.parent.iterdir())
    assert names == ["state.sqlite", "state.sqlite-shm", "state.sqlite-wal"]
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}
    state.close()


def test_everything_is_there_when_it_is_opened_again(path, seen):
    state = SqliteState(path)
    state.add_occurrences(seen(n=7))
    state.save_cursor("issues", "p1", 1, Cursor(10, {1: 2}))
    revision = state.revision()
    state.close()
    state = SqliteState(path)
    assert state.issue("v1:a").count == 7
    assert state.cursor("issues", "p1", 1) == Cursor(10, {1: 2})
    assert state.revision() == revision
    state.close()


def test_no_two_files_have_one_identity_and_each_keeps_its_own(path):
    state, other = SqliteState(path), SqliteState(path.with_name("other.sqlite"))
    own = state.own_identity()
    assert other.own_identity() != own
    other.close()
    state.close()
    state = SqliteState(path)
    assert state.own_identity() == own
    state.close()


def test_a_newer_format_is_refused_by_name(path):
    SqliteState(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"newer tocsin \(format 99"):
            SqliteState(path, read_only=read_only)


def _as_version_1(path, seen, start):
    """Make the file that the first version left, with one issue that was told and one that was not."""
    state = SqliteState(path)
    state.add_occurrences(seen("told", n=3))
    state.add_occurrences(seen("untold"))
    state.save_told("mail:ops", Told("v1:told", 3, 1, 3, start))
    state.save_pace("mail:ops", Pace((start,)))
    state.close()
    raw = sqlite3.connect(path)
    raw.execute("DROP TABLE aliases")
    raw.execute("ALTER TABLE told DROP COLUMN closed_episode")
    old = '{"sent":["2026-03-02T10:00:00+00:00"],"gather_until":null,"flood_stage":0,"flood_at":null,"digest_at":null}'
    raw.execute("UPDATE paces SET pace = ?", (old,))
    raw.execute("PRAGMA user_version = 1")
    raw.commit()
    raw.close()


def test_a_file_of_version_1_is_brought_up_to_date_and_owes_no_end(path, seen, start):
    _as_version_1(path, seen, start)
    for _ in range(2):
        state = SqliteState(path)
        assert state.told("mail:ops", "v1:told") == Told("v1:told", 3, 1, 3, start, closed_episode=1)
        assert [issue.fingerprint for issue, _ in state.untold("mail:ops", since=start, with_open=True)] == [
            "v1:untold"
        ]
        assert state.pace("mail:ops") == Pace((start,))
        state.close()
    fresh = path.with_name("fresh.sqlite")
    SqliteState(fresh).close()
    assert _columns(path) == _columns(fresh)


def test_a_reader_understands_a_file_of_version_1_without_touching_it(path, seen, start):
    _as_version_1(path, seen, start)
    reader = SqliteState(path, read_only=True)
    assert reader.told("mail:ops", "v1:told").closed_episode == 1
    assert len(reader.untold("mail:ops", since=start, with_open=True)) == 1
    reader.close()
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA user_version").fetchone() == (1,)
    raw.close()


def test_a_file_without_aliases_is_looked_at_as_it_is_and_brought_up_to_date_by_the_leader(path, seen, sample, start):
    _as_version_1(path, seen, start)
    raw = sqlite3.connect(path)
    raw.execute("ALTER TABLE told ADD COLUMN closed_episode INTEGER NOT NULL DEFAULT 0")
    raw.execute("PRAGMA user_version = 2")
    raw.commit()
    raw.close()
    reader = SqliteState(path, read_only=True)
    assert reader.issue("v1:told").count == 3
    assert reader.identities(["v1:told"]) == {}
    assert len(reader.issues_by_prefix("TOLD22")) == 1
    reader.close()
    state = SqliteState(path)
    state.add_occurrences(seen("a2", 60, fingerprint="v2:a2", former=("v1:told",), sample=sample(0, 60)))
    assert state.issue("v2:a2").count == 4
    state.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(path, seen, start, monkeypatch):
    _as_version_1(path, seen, start)
    monkeypatch.setitem(schema.MIGRATIONS, 1, (*schema.MIGRATIONS[1], "UPDATE missing SET a = 1"))
    with pytest.raises(StoreError, match="missing"):
        SqliteState(path)
    monkeypatch.undo()
    state = SqliteState(path)
    assert state.told("mail:ops", "v1:told").closed_episode == 1
    state.close()


def _columns(path):
    raw = sqlite3.connect(path)
    try:
        tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: {row[1:4] for row in raw.execute(f"PRAGMA table_info({name})")} for name in tables}
    finally:
        raw.close()


def test_a_damaged_file_is_refused_with_a_remedy(path):
    path.write_bytes(b"this is no database at all, by far. " * 200)
    with pytest.raises(StoreError, match="move the file away"):
        SqliteState(path)


def test_a_folder_that_is_missing_is_told(tmp_path):
    with pytest.raises(StoreError, match="check that the folder exists"):
        SqliteState(tmp_path / "missing" / "state.sqlite")


def test_a_reader_sees_what_is_committed_while_the_leader_writes(path, seen):
    state = SqliteState(path)
    state.add_occurrences(seen("a"))
    with state.transaction():
        state.add_occurrences(seen("b"))
        reader = SqliteState(path, read_only=True)
        assert reader.issue("v1:a") is not None
        assert reader.issue("v1:b") is None
    assert reader.issue("v1:b") is not None
    with pytest.raises(StoreError, match="readonly"):
        reader.add_occurrences(seen("c"))
    reader.close()
    state.close()


def test_a_reader_works_after_the_leader_has_gone(path, seen):
    state = SqliteState(path)
    state.add_occurrences(seen())
    state.close()
    reader = SqliteState(path, read_only=True)
    assert reader.issue("v1:a") is not None
    reader.close()


def test_a_reader_makes_no_file(path):
    with pytest.raises(StoreError, match="nothing has been delivered"):
        SqliteState(path, read_only=True)
    path.touch()
    with pytest.raises(StoreError, match="nothing has been delivered"):
        SqliteState(path, read_only=True)
    assert path.stat().st_size == 0


def test_a_path_with_question_mark_and_percent_can_be_read(tmp_path, seen):
    path = tmp_path / "a?b%20c#d.sqlite"
    SqliteState(path).close()
    SqliteState(path, read_only=True).close()
    assert [each.name for each in tmp_path.glob("a*.sqlite")] == [path.name]


def test_another_thread_may_go_on_with_it(path, seen):
    state = SqliteState(path)
    thread = threading.Thread(target=state.add_occurrences, args=(seen(),))
    thread.start()
    thread.join()
    assert state.issue("v1:a").count == 1
    state.close()


def test_muting_from_another_process_is_seen_and_survives_new_occurrences(path, seen, start):
    state, command = SqliteState(path), SqliteState(path)
    state.add_occurrences(seen())
    before = state.revision()
    command.mute("v1:a", start)
    assert state.revision() > before
    state.add_occurrences(seen())
    assert state.issue("v1:a").muted_until == start
    command.close()
    state.close()


def test_a_state_that_was_closed_answers_with_a_store_error(path):
    state = SqliteState(path)
    state.close()
    with pytest.raises(StoreError):
        state.consumers()
