"""The database sink on PostgreSQL and MariaDB: servers killed, hung, locked, without rights; counts stay exact."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from certs import Certs
from mariadb import MariaDB
from postgres import Postgres

pytest.importorskip("sqlalchemy", reason="no SQLAlchemy; pip install 'SQLAlchemy>=2.0'")

from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import NullPool

from tocsin.config.setting import parse_table
from tocsin.sinks.base import Accepted, Entry, Origin, Outcome, Refused, SinkContext, Unavailable
from tocsin.sinks.database import DatabaseSink
from tocsin.testing import SinkContract
from tocsin.testing.contract import entry_of
from tocsin.testing.hostile import HOSTILE, ordinary_event

CONTEXT = SinkContext("shop", "production", "web1")


def make(url: str, **raw: Any) -> DatabaseSink:
    options = {"timeout": 2, "store": "both", "url": url, **raw}
    values, faults = parse_table(DatabaseSink.settings, options, "database")
    assert faults == []
    return DatabaseSink.from_options(values, CONTEXT)


def rows(url: str, sql: str) -> list[Any]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return list(connection.execute(text(sql)))


def counted(entry: Entry, counted_to: int, occurrences: int, slot: int = 8) -> Entry:
    """Return a count of the same fault as an entry's, from one cell of one process."""
    members = json.loads(entry.line)
    origin = Origin("018f3a2b4c5d6e7f01", 1, slot=slot, count=counted_to)
    members |= {"occurrences": occurrences}
    members.pop("process", None)
    return replace(entry, origin=origin, occurrences=occurrences, line=json.dumps(members).encode())


def query_of_the_page(server: str, word: str) -> str:
    """Return the query of docs/how-to/database.md for a server that has ``word`` in it."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "database.md").read_text(encoding="utf-8")
    queries = [
        part.partition("\n")[2].partition(";")[0] for part in page.split("-- ") if part.startswith(f"{server}\n")
    ]
    (found,) = [query for query in queries if word in query]
    return found


def fresh(number: int = 0) -> Entry:
    return entry_of(HOSTILE[number].make(uuid4().hex))


def require(kind: type[Any], outcome: Outcome) -> Any:
    assert isinstance(outcome, kind), outcome
    return outcome


class _Servers:
    """Give each test of a class an empty database; subclasses say of which server."""

    server: Postgres | MariaDB
    url: str

    def new_sink(self) -> DatabaseSink:
        return make(self.url)

    def received(self) -> list[str]:
        return [f"{row[0]} {row[1]}" for row in rows(self.url, "SELECT error_id, event FROM tocsin_occurrences")]

    def total(self) -> tuple[int, int]:
        """Return the occurrences by the rows, and by the issues."""
        by_rows = rows(self.url, "SELECT SUM(occurrences) FROM tocsin_occurrences")[0][0]
        return int(by_rows), int(rows(self.url, "SELECT SUM(occurrences) FROM tocsin_issues")[0][0])


class OnPostgres(_Servers):
    @pytest.fixture(autouse=True)
    def _server(self, postgres: Postgres) -> None:
        self.server = postgres
        self.url = postgres.new_database("shop")


class OnMariaDB(_Servers):
    @pytest.fixture(autouse=True)
    def _server(self, mariadb: MariaDB) -> None:
        self.server = mariadb
        self.url = mariadb.new_database("shop", charset="utf8mb3")  # as many an old one is


class TestPostgresContract(OnPostgres, SinkContract):
    is_idempotent: ClassVar[bool] = True


class TestMariaDBContract(OnMariaDB, SinkContract):
    is_idempotent: ClassVar[bool] = True


class _Behaviour(_Servers):
    """What holds on both."""

    def test_everything_there_says_what_people_look_for(self) -> None:
        """The columns hold what the event says, times are UTC, and the event itself is there as JSON."""
        entry = entry_of(ordinary_event_of())
        require(Accepted, make(self.url).deliver([entry]))
        columns = "error_id, kind, level, levelno, application, type, message, culprit, method, path, occurrences"
        ((*found,),) = rows(self.url, f"SELECT {columns} FROM tocsin_occurrences")
        assert found == [
            json.loads(entry.line)["error_id"], "traceback", "ERROR", 40, "shop", "ZeroDivisionError",
            "division by zero", "shop.orders.pay", "GET", "/order/7", 1,
        ]  # fmt: skip
        ((at, body),) = rows(self.url, "SELECT timestamp, event FROM tocsin_occurrences")
        assert (at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at) == datetime(
            2026, 3, 29, 1, 59, 59, 999_999
        )
        assert (json.loads(body) if isinstance(body, str) else body)["request"]["route"] == "/order/<int:n>"

    def test_counts_are_exact_after_redelivery(self) -> None:
        """A batch handed over again, a count that has grown meanwhile, in any order: each occurrence counts once."""
        report = fresh()
        first = [report, counted(report, 5, 5), counted(report, 9, 4)]
        require(Accepted, make(self.url).deliver(first))
        assert self.total() == (10, 10)
        require(Accepted, make(self.url).deliver(first))
        assert self.total() == (10, 10)
        # A leader that died before its cursor was saved: the next one reads from 5 again, and the cell went on.
        require(Accepted, make(self.url).deliver([report, counted(report, 12, 7)]))
        require(Accepted, make(self.url).deliver([counted(report, 15, 10)]))
        assert self.total() == (16, 16)

    def test_issues_alone_are_as_exact(self) -> None:
        """Where no occurrences are kept, their origins are."""
        report = fresh()
        for _ in range(2):
            require(Accepted, make(self.url, store="issues").deliver([report, counted(report, 5, 5)]))
        require(Accepted, make(self.url, store="issues").deliver([counted(report, 8, 8)]))
        assert rows(self.url, "SELECT occurrences FROM tocsin_issues") == [(9,)]

    def test_many_hosts_at_once_count_exactly(self) -> None:
        """Eight leaders, each with events of the same faults in another order: nothing is lost, nothing twice."""
        events = [HOSTILE[0].make(str(number)) for number in range(6)]
        outcomes: list[Outcome] = []

        def run(turn: int) -> None:
            sink = make(self.url, timeout=10)
            order = events[turn % 6 :] + events[: turn % 6]
            outcomes.extend(sink.deliver([entry_of(each) for each in order]) for _ in range(5))

        self._together(run, 8)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
        assert self.total() == (8 * 5 * 6, 8 * 5 * 6)
        assert rows(self.url, "SELECT COUNT(*) FROM tocsin_issues") == [(6,)]

    def test_two_leaders_with_the_same_batch(self) -> None:
        """A leader that was thought dead and its successor, at the same moment."""
        batch = [fresh() for _ in range(20)]
        require(Accepted, make(self.url).deliver([fresh()]))
        outcomes: list[Outcome] = []
        self._together(lambda _: outcomes.append(make(self.url).deliver(batch)), 4)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
        assert self.total() == (21, 21)

    def test_killed_in_mid_batch_and_back(self) -> None:
        """A server that dies within the transaction leaves none of the batch; afterwards all of it arrives, once."""
        sink = make(self.url)
        batch = [fresh(), fresh()]
        require(Accepted, sink.deliver([fresh()]))
        with self._when_inserting(self.server.kill):
            outcome = require(Unavailable, sink.deliver(batch))
        assert "of-the-test-run" not in outcome.reason
        assert isinstance(sink.deliver(batch), Unavailable)
        self.server.start()
        assert self.total() == (1, 1)
        require(Accepted, sink.deliver(batch))
        assert self.total() == (3, 3)

    def test_killed_between_commit_and_answer(self) -> None:
        """What was committed, though the sink never heard so, isn't written twice."""
        sink = make(self.url)
        batch = [fresh(), fresh()]
        require(Accepted, sink.deliver([fresh()]))
        assert sink._sessions is not None
        dialect = sink._sessions._own_engine().dialect
        commit = dialect.do_commit

        def commit_and_die(connection: Any) -> None:
            commit(connection)
            self.server.kill()
            connection.cursor().execute("SELECT 1")  # raises what a driver says of a dead server

        dialect.do_commit = commit_and_die
        require(Unavailable, sink.deliver(batch))
        sink.close()
        self.server.start()
        assert self.total() == (3, 3)
        require(Accepted, sink.deliver(batch))
        assert self.total() == (3, 3)

    def test_a_hung_server_is_left(self) -> None:
        """It takes connections, or holds one, and answers nothing: the sink comes back and says so."""
        sink = make(self.url, timeout=0.5)
        require(Accepted, sink.deliver([fresh()]))
        batch = [fresh()]
        with self._when_inserting(self.server.pause):
            outcome = require(Unavailable, sink.deliver(batch))
        assert "answer" in outcome.reason or "time" in outcome.reason or "connection" in outcome.reason, outcome
        require(Unavailable, make(self.url, timeout=0.5).deliver(batch))
        self.server.resume()
        require(Accepted, sink.deliver(batch))
        assert self.total() == (2, 2)

    def test_wrong_password(self) -> None:
        """It is told, without the password; and nothing is refused for good."""
        bad = make(self.url.replace("of-the-test-run", "n0t-it%40all"))
        outcome = require(Unavailable, bad.deliver([fresh()]))
        assert "refused the user or the password" in outcome.reason
        assert "n0t-it" not in outcome.reason + bad.identity + repr(bad)

    def test_no_such_database(self) -> None:
        """It is told by its name."""
        outcome = require(Unavailable, make(self.url.replace("/shop", "/absent")).deliver([fresh()]))
        assert "has no such database" in outcome.reason

    def test_nothing_listens(self) -> None:
        """A stopped server is no loss."""
        self.server.stop()
        outcome = require(Unavailable, make(self.url).deliver([fresh()]))
        assert "can't be reached" in outcome.reason
        assert "host and port" in outcome.remedy

    def test_without_the_right_to_make_tables(self) -> None:
        """The remedy names the command; what that prints, applied by an administrator, is enough."""
        url = self._restricted()
        sink = make(url)
        batch = [fresh()]
        outcome = require(Unavailable, sink.deliver(batch))
        assert "may not make them" in outcome.reason
        assert "tocsin ddl" in outcome.remedy
        outcome = require(Unavailable, make(url, create=False).deliver(batch))
        assert "is missing" in outcome.reason
        self._apply(sink.ddl())
        require(Accepted, sink.deliver(batch))
        require(Accepted, make(url, create=False).deliver(batch))
        assert self.total() == (1, 1)

    def test_a_right_that_is_missing(self) -> None:
        """A role that may read only."""
        require(Accepted, make(self.url).deliver([fresh()]))
        outcome = require(Unavailable, make(self._restricted(may_read=True)).deliver([fresh()]))
        assert "doesn't let this user do that" in outcome.reason
        assert "grant" in outcome.remedy

    def test_a_lock_of_another_session(self) -> None:
        """The sink gives up after its timeout, says why, and writes when the lock is gone."""
        sink = make(self.url, timeout=1)
        require(Accepted, sink.deliver([fresh()]))
        with self._locked():
            outcome = require(Unavailable, sink.deliver(batch := [fresh()]))
        assert "lock" in outcome.reason
        require(Accepted, sink.deliver(batch))
        assert self.total() == (2, 2)

    def test_lost_tables_are_made_again(self) -> None:
        """Somebody dropped them; the same delivery makes them anew."""
        sink = make(self.url)
        require(Accepted, sink.deliver([fresh()]))
        for name in ("occurrences", "issues"):
            self.server.execute(f"DROP TABLE tocsin_{name}", "shop")
        require(Accepted, sink.deliver([fresh()]))
        assert self.total() == (1, 1)

    def test_tables_of_another_version(self) -> None:
        """Newer or older: nothing is written, and it is told what to do."""
        require(Accepted, make(self.url).deliver([fresh()]))
        for version, words in ((7, "newer"), (0, "older")):
            self.server.execute(f"UPDATE tocsin_schema_version SET version = {version}", "shop")
            outcome = require(Unavailable, make(self.url).deliver([fresh()]))
            assert words in outcome.reason

    def test_a_row_that_the_database_refuses_takes_no_other_with_it(self) -> None:
        """A constraint of the user's own: the batch comes back whole, the row alone is refused, the others go."""
        sink = make(self.url)
        require(Accepted, sink.deliver([fresh()]))
        self.server.execute(
            "ALTER TABLE tocsin_occurrences ADD CONSTRAINT own CHECK (type <> 'RecursionError')", "shop"
        )
        good, bad = fresh(), fresh(6)
        outcome = require(Refused, sink.deliver([good, bad]))
        assert "refuses this report" in outcome.reason
        require(Refused, sink.deliver([bad]))
        require(Accepted, sink.deliver([good]))
        assert self.total() == (2, 2)

    def test_old_rows_are_deleted(self) -> None:
        """By the day they came; issues stay."""
        earlier = datetime.now(UTC) - timedelta(days=31)
        place, plan = make(self.url)._place, replace(make(self.url)._plan, keep_days=30)
        require(Accepted, DatabaseSink(place, plan, CONTEXT, lambda: earlier).deliver([fresh() for _ in range(3)]))
        require(Accepted, DatabaseSink(place, plan, CONTEXT).deliver([fresh()]))
        assert rows(self.url, "SELECT COUNT(*) FROM tocsin_occurrences") == [(1,)]
        assert rows(self.url, "SELECT COUNT(*) FROM tocsin_issues") == [(4,)]

    def test_a_host_whose_clock_has_gone_ahead_deletes_nothing(self) -> None:
        """The server's clock has a say as well: one host that is wrong must not empty everybody's table."""
        require(Accepted, make(self.url).deliver([fresh() for _ in range(3)]))
        place, plan = make(self.url)._place, replace(make(self.url)._plan, keep_days=30)
        ahead = datetime.now(UTC) + timedelta(days=365)
        require(Accepted, DatabaseSink(place, plan, CONTEXT, lambda: ahead).deliver([fresh()]))
        assert rows(self.url, "SELECT COUNT(*) FROM tocsin_occurrences") == [(4,)]

    def test_the_applications_own_session_is_untouched(self) -> None:
        """An open transaction of the application stays open, unseen and its own; its engine isn't used."""
        self.server.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)", "shop")
        application = create_engine(self.url)
        seen: list[str] = []
        event.listen(application, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
        with application.connect() as connection, connection.begin() as transaction:
            connection.execute(text("INSERT INTO orders VALUES (1)"))
            require(Accepted, make(self.url).deliver([fresh()]))
            assert rows(self.url, "SELECT COUNT(*) FROM orders") == [(0,)]
            assert connection.execute(text("SELECT COUNT(*) FROM orders")).scalar() == 1
            transaction.rollback()
        application.dispose()
        assert rows(self.url, "SELECT COUNT(*) FROM orders") == [(0,)]
        assert self.total() == (1, 1)
        assert not any("tocsin" in statement for statement in seen)

    def test_nothing_is_left_open(self) -> None:
        """Between deliveries the server has no session of the sink."""
        sink = make(self.url)
        require(Accepted, sink.deliver([fresh()]))
        assert self._sessions() == 0
        sink.close()

    def test_under_gevent(self) -> None:
        """Patched sockets, threads that are greenlets, one delivery after another."""
        pytest.importorskip("gevent", reason="no gevent; pip install gevent")
        require(Accepted, make(self.url).deliver([fresh()]))
        here = Path(__file__).parent
        paths = [str(here), str(here.parent)]
        code = (
            "from gevent import monkey; monkey.patch_all()\n"
            f"import sys; sys.path[:0] = {paths!r}\n"
            "import gevent, test_database as t\n"
            f"sinks = [t.make({self.url!r}) for _ in range(3)]\n"
            "done = gevent.joinall([gevent.spawn(s.deliver, [t.fresh()]) for s in sinks for _ in range(1)])\n"
            "assert all(isinstance(each.value, t.Accepted) for each in done), [each.value for each in done]\n"
        )
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert self.total() == (4, 4)

    def test_a_killed_leader_and_one_that_forgot_everything(self, tmp_path: Path) -> None:
        """A process dies while it delivers; another drains its spool, twice, the second time without any cursor."""
        config = tmp_path / "tocsin.toml"
        where = f'url = "{self.url}"\nstore = "both"\n'
        head = 'application = "shop"\nspool = "spool"\n'
        config.write_text(f'{head}[[sinks]]\ntype = "database"\nfrom = "oldest"\n{where}')
        code = (
            "import logging, os, signal, tocsin\n"
            f"reporter = tocsin.setup({str(config)!r})\n"
            "for number in range(500):\n"
            "    try: [1][number % 2 + 1]\n"
            "    except IndexError: logging.exception('article %s', number)\n"
            "    if number == 250: print(reporter.flush(20), flush=True)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        died = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (died.returncode, died.stdout) == (-9, "True\n"), died.stderr
        drain = [sys.executable, "-m", "tocsin.cli", "deliver", "--drain", "--config", str(config)]
        for _ in range(2):
            done = subprocess.run(drain, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert self.total() == (500, 500)
            (tmp_path / "spool" / "state.sqlite").unlink()

    # -- what differs --------------------------------------------------------------------------------------

    @contextmanager
    def _when_inserting(self, call: Callable[[], None]) -> Iterator[None]:
        """Call something within the sink's transaction, after its rows were written and before the commit."""
        from sqlalchemy.engine import Engine

        def after(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if statement.startswith("INSERT INTO tocsin_occurrences"):
                call()

        event.listen(Engine, "after_cursor_execute", after)
        try:
            yield
        finally:
            event.remove(Engine, "after_cursor_execute", after)

    def _together(self, run: Callable[[int], None], number: int) -> None:
        threads = [threading.Thread(target=run, args=(turn,)) for turn in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _restricted(self, *, may_read: bool = False) -> str:
        raise NotImplementedError

    def _apply(self, ddl: str) -> None:
        raise NotImplementedError

    @contextmanager
    def _locked(self) -> Iterator[None]:
        raise NotImplementedError
        yield

    def _sessions(self) -> int:
        raise NotImplementedError


def ordinary_event_of() -> Any:
    made = HOSTILE[0].make(uuid4().hex)
    assert made.timestamp == ordinary_event().timestamp
    return made


class TestOnPostgres(OnPostgres, _Behaviour):
    server: Postgres

    def test_behind_a_schema(self) -> None:
        """The tables are in the schema, which has to be there."""
        sink = make(self.url, schema_name="monitoring")
        outcome = require(Unavailable, sink.deliver([fresh()]))
        assert "has no such schema" in outcome.reason
        self.server.execute("CREATE SCHEMA monitoring", "shop")
        require(Accepted, sink.deliver([fresh()]))
        assert rows(self.url, "SELECT COUNT(*) FROM monitoring.tocsin_occurrences") == [(1,)]
        assert sink.identity.endswith("/shop/monitoring.tocsin_")

    def test_a_read_only_server(self) -> None:
        """A replica, or one that was set so."""
        require(Accepted, make(self.url).deliver([fresh()]))
        self.server.execute("ALTER DATABASE shop SET default_transaction_read_only = on")
        outcome = require(Unavailable, make(self.url).deliver([fresh()]))
        assert "is read-only" in outcome.reason

    def test_tls_verified_by_the_driver(self, certs: Certs) -> None:
        """The authority and the name are looked at where url says so; what is wrong is told as such."""
        self.server.use_tls(certs.server, certs.key)
        url = self.url.replace("127.0.0.1", "localhost")
        tail = f"?sslmode=verify-full&sslrootcert={certs.ca}"
        require(Accepted, make(url + tail).deliver([fresh()]))
        outcome = require(Unavailable, make(url + tail.replace(str(certs.ca), str(certs.client))).deliver([fresh()]))
        assert "can't be reached by TLS" in outcome.reason
        assert "sslrootcert" in outcome.remedy

    def test_too_many_connections(self) -> None:
        """A role that has used all of its."""
        self.server.execute("CREATE ROLE crowd LOGIN PASSWORD 'of-the-test-run' CONNECTION LIMIT 0")
        try:
            outcome = require(Unavailable, make(self.server.url_of("crowd", database="shop")).deliver([fresh()]))
        finally:
            self.server.execute("DROP ROLE crowd")
        assert "connections" in outcome.reason

    def _restricted(self, *, may_read: bool = False) -> str:
        self.server.execute("DO $$ BEGIN CREATE ROLE clerk LOGIN PASSWORD 'of-the-test-run'; EXCEPTION WHEN"
                            " duplicate_object THEN NULL; END $$")  # fmt: skip
        if may_read:
            self.server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO clerk", "shop")
        return self.server.url_of("clerk", database="shop")

    def _apply(self, ddl: str) -> None:
        self.server.execute(ddl, "shop")

    def test_the_pages_query_by_task_and_tag(self) -> None:
        """Into the event, without a column for each."""
        require(Accepted, make(self.url).deliver([fresh(), fresh(22), fresh(22)]))
        assert rows(self.url, query_of_the_page("PostgreSQL", "'task'")) == [("acme", 2)]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        import psycopg

        with psycopg.connect(self.server.dsn.replace("/errors", "/shop")) as connection:
            connection.execute("LOCK TABLE tocsin_occurrences IN ACCESS EXCLUSIVE MODE")
            yield
            connection.rollback()

    def _sessions(self) -> int:
        found = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = 'shop' AND application_name = 'tocsin'"
        return int(self.server.execute(found)[0][0])


class TestOnMariaDB(OnMariaDB, _Behaviour):
    server: MariaDB

    def test_emoji_in_an_old_database(self) -> None:
        """The database's default has no characters of four bytes; the sink's tables do."""
        event = replace(HOSTILE[0].make("e"), message="💥", exception=None)
        require(Accepted, make(self.url).deliver([entry_of(event)]))
        assert rows(self.url, "SELECT message FROM tocsin_occurrences") == [("💥",)]

    def test_json_functions_work_on_the_deepest_event(self) -> None:
        """MariaDB's take no more than 32 levels."""
        require(Accepted, make(self.url).deliver([fresh(8), fresh(9), fresh(14)]))
        found = rows(self.url, "SELECT JSON_VALID(event), JSON_VALUE(event, '$.kind') FROM tocsin_occurrences")
        assert [row[0] for row in found] == [1, 1, 1]

    def test_the_pages_query_by_task_and_tag(self) -> None:
        """Into the event, without a column for each."""
        require(Accepted, make(self.url).deliver([fresh(), fresh(22), fresh(22)]))
        assert rows(self.url, query_of_the_page("MariaDB", "$.task")) == [("acme", 2)]

    def test_a_read_only_server(self) -> None:
        """A replica, or one that was set so."""
        require(Accepted, make(self.url).deliver([fresh()]))
        self.server.execute("SET GLOBAL read_only = 1")
        try:
            outcome = require(Unavailable, make(self._restricted(may_write=True)).deliver([fresh()]))
        finally:
            self.server.execute("SET GLOBAL read_only = 0")
        assert "is read-only" in outcome.reason

    def _restricted(self, *, may_read: bool = False, may_write: bool = False) -> str:
        self.server.execute("DROP USER IF EXISTS clerk@'%'")
        self.server.execute("CREATE USER clerk@'%' IDENTIFIED BY 'of-the-test-run'")
        rights = "SELECT" if may_read else "SELECT, INSERT, UPDATE, DELETE"
        self.server.execute(f"GRANT {rights} ON shop.* TO clerk@'%'")
        return self.server.url_of("clerk", database="shop")

    def _apply(self, ddl: str) -> None:
        for statement in ddl.split(";\n\n"):
            self.server.execute(statement, "shop")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        import pymysql

        server = self.server
        connection = pymysql.connect(
            host=server.host, port=server.port, user="admin", password="of-the-test-run", database="shop"
        )
        with connection:
            connection.cursor().execute("LOCK TABLES tocsin_occurrences WRITE")
            yield

    def _sessions(self) -> int:
        return int(self.server.execute("SELECT COUNT(*) FROM information_schema.processlist WHERE db = 'shop'")[0][0])
