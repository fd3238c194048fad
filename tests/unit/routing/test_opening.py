"""Where a state is kept: the spool's own file by default, a database where the setting names one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tocsin.config.load import load
from tocsin.config.show import lines, rows
from tocsin.event.errors import ConfigError, StoreError
from tocsin.routing.opening import StatePlace, has_state, open_state, state_ddl, state_place, was_shared
from tocsin.routing.postgresql import schema
from tocsin.routing.postgresql.faults import translated
from tocsin.routing.sqlite import SqliteState
from tocsin.spool.folder import Folder
from tocsin.spool.identity import read_spool_id, spool_id_path

URL = "postgresql://tocsin:hunter2@db.example.org/errors"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "spool")
    made.prepare()
    return made


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())


def test_without_the_setting_it_is_a_file_of_the_spool(folder):
    assert not has_state(folder)
    state = open_state(folder)
    assert isinstance(state, SqliteState)
    assert not state.has_peers()
    assert state.claim("mail:ops")
    state.close()
    assert has_state(folder)
    assert not spool_id_path(folder).exists()


@pytest.mark.parametrize(
    "value",
    [
        "mysql://db/errors",
        "postgres://db/errors",
        "postgresql:db",
        "postgresql://",
        "postgresql+psycopg2://db/errors",
        "postgresql://u:a b@db/errors",
        7,
    ],
)
def test_what_is_no_url_of_postgresql_is_refused_without_being_shown(value, packages):
    with pytest.raises(ConfigError, match="state must be a URL") as told:
        load({"application": "shop", "state": value}, {}, {})
    assert "it is" not in str(told.value)


@pytest.mark.parametrize(("missing", "command"), [("sqlalchemy", "SQLAlchemy>=2.0"), ("psycopg", "psycopg")])
def test_a_missing_package_is_a_fault_of_the_configuration(missing, command, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == missing else object())
    with pytest.raises(ConfigError, match=f"needs {missing}.*pip install '{command}"):
        load({"application": "shop", "state": URL}, {}, {})
    assert load({"application": "shop", "state": URL, "mode": "debug"}, {}, {}).state == URL


@pytest.mark.parametrize("missing", ["sqlalchemy", "psycopg"])
def test_a_package_that_can_not_be_imported_is_a_store_error_with_the_command(missing, folder, monkeypatch):
    pytest.importorskip("sqlalchemy", reason="no SQLAlchemy; pip install SQLAlchemy")
    for name in [name for name in sys.modules if name.startswith("tocsin.routing.postgresql.bounded")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(StoreError, match="pip install"):
        open_state(folder, StatePlace(URL, "shop"))


def test_the_password_is_shown_nowhere(packages):
    """By the variable as by the file."""
    settings = load({"application": "shop"}, {"host": "web1"}, {"TOCSIN_STATE": URL})
    assert state_place(settings) == StatePlace(URL, "shop", "production", "web1")
    shown = "\n".join(lines(rows(settings)))
    assert '"postgresql://[masked]@db.example.org/errors"' in shown
    for text in (shown, repr(settings), repr(state_place(settings))):
        assert "hunter2" not in text


def test_an_error_of_the_database_is_masked_and_made_one_line():
    told = translated(OSError("user tocsin:hunter2\nrefused\x1b[0m"), "postgresql://db:5432/errors", "hunter2")
    assert str(told).startswith("the shared state postgresql://db:5432/errors: user tocsin:[masked] refused\\x1b[0m; ")
    assert "nothing is lost" in str(told)


def test_a_server_that_is_not_there_is_told_without_libpqs_hints():
    words = (
        'connection failed: connection to server at "127.0.0.1", port 5432 failed: Connection refused\n'
        "\tIs the server running on that host and accepting TCP/IP connections?"
    )
    told = translated(OSError(words), "postgresql://db:5432/errors")
    assert str(told).startswith("the shared state postgresql://db:5432/errors: Connection refused; see that it runs, ")


def test_a_spool_keeps_its_name(folder):
    assert read_spool_id(folder, make=False) == ""
    name = read_spool_id(folder, make=True)
    assert len(name) == 32
    assert read_spool_id(folder, make=True) == read_spool_id(folder, make=False) == name
    assert spool_id_path(folder).stat().st_mode & 0o777 == 0o600
    spool_id_path(folder).write_text("cut off")
    with pytest.raises(StoreError, match="damaged"):
        read_spool_id(folder, make=True)


def test_a_spool_whose_state_was_shared_last_is_known_as_such(folder):
    assert not was_shared(folder)
    read_spool_id(folder, make=True)
    assert was_shared(folder)


def test_the_statements_for_an_administrator_make_every_table():
    text = state_ddl()
    assert text.startswith("BEGIN;\nCREATE TABLE tocsin_state_version ")
    made, _, older = text.partition("COMMIT;\n")
    assert made.count("\nCREATE TABLE") == 14
    assert all(line.startswith("-- ") for line in older.splitlines())
    assert older.count("UPDATE tocsin_state_version") == schema.VERSION - 1
