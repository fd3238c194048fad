"""What is peculiar to the state in a SQLite file: rights, versions, damage, readers, threads."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from tocsin.event.errors import StoreError
from tocsin.routing.sqlite import SqliteState
from tocsin.routing.state import Cursor


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


def test_a_newer_format_is_refused_by_name(path):
    SqliteState(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"newer tocsin \(format 99"):
            SqliteState(path, read_only=read_only)


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
