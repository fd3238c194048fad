"""The state in a real PostgreSQL: the contract of State, and many leaders at once, of which some die."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="no SQLAlchemy; pip install SQLAlchemy")
pytest.importorskip("psycopg", reason="no psycopg; pip install 'psycopg[binary]'")
from postgres import Postgres

from state_contract import START, StateContract, make_sample, make_seen
from tocsin.delivery.leader import Leader
from tocsin.event import limits
from tocsin.event.errors import StoreError
from tocsin.event.notice import Notice
from tocsin.routing.episodes import Policy
from tocsin.routing.issues import SampleRef
from tocsin.routing.opening import StatePlace, state_ddl
from tocsin.routing.postgresql import PostgresState, bounded, engine
from tocsin.routing.postgresql.connection import Scope
from tocsin.routing.router import Route, Router
from tocsin.routing.state import LEDGER, Cursor, Pending, State, Told
from tocsin.sinks.base import Accepted, Outcome
from tocsin.sinks.registry import BuiltSink
from tocsin.spool.folder import Folder

_numbers = itertools.count()


@pytest.fixture
def application() -> str:
    """A name that nobody has used: what is shared is shared by application."""
    return f"shop{next(_numbers)}"


@pytest.fixture
def open_as(postgres: Postgres, application: str) -> Iterator[Callable[..., PostgresState]]:
    opened: list[PostgresState] = []

    def open_one(spool: str = "spool1", holder: str = "", **how: bool) -> PostgresState:
        scope = Scope(application, "test", spool, "web1", holder or spool)
        opened.append(PostgresState(postgres.url, scope, **how))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()
        each.close()


def router_of(state: State) -> tuple[Router, Route]:
    kinds = frozenset({"traceback", "error", "warning"})
    route = Route("mail:ops", kinds, 0, Policy(gather_s=0.0), START)  # type: ignore[arg-type]
    return Router(state, load_sample=lambda ref: None, application="shop"), route


def pending_of(ref: SampleRef) -> Pending:
    return Pending(Notice("1f", "new", START, "shop", "test", ()), told=(), samples={"v1:a": ref})


def expire_claims(postgres: Postgres) -> None:
    """As if the time of a claim were over."""
    postgres.execute("UPDATE tocsin_state_sinks SET held_until = now() - interval '1 second'")


def wait_for(is_so: Callable[[], object], within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


class TestContract(StateContract):
    @pytest.fixture
    def state(self, open_as: Callable[..., PostgresState]) -> State:
        return open_as()


# -- its own identity --------------------------------------------------------------------------------------


def test_leaders_that_share_a_state_have_one_identity_and_another_applications_has_another(
    open_as: Callable[..., PostgresState], postgres: Postgres
) -> None:
    """Eight ask for it at once; who opens the state later, and who outlives the first one's spool, has the same."""
    states = [open_as(f"spool{number}") for number in range(8)]
    found: list[str] = []
    threads = [threading.Thread(target=lambda each=each: found.append(each.own_identity())) for each in states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert open_as("later").own_identity() == found[0]
    apart = PostgresState(postgres.url, Scope(f"shop{next(_numbers)}", "test", "spool1", "web1", "spool1"))
    assert apart.own_identity() != found[0]
    apart.close()


# -- many leaders ------------------------------------------------------------------------------------------


def test_occurrences_of_many_leaders_add_up_without_a_deadlock(
    open_as: Callable[..., PostgresState], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transaction touches several issues in an order of its own; a reader misses none of the changes."""
    monkeypatch.setattr(limits, "SHARED_LOOK_S", 0.0)
    states = [open_as(f"spool{number}") for number in range(8)]
    faults: list[BaseException] = []

    def lead(state: PostgresState, dice: random.Random) -> None:
        try:
            for _ in range(40):
                with state.transaction():
                    for name in dice.sample("abcde", 4):
                        state.add_occurrences(make_seen(name, after_s=dice.random()))
                    state.save_cursor(LEDGER, "p1", 1, Cursor(dice.randrange(99)))
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=lead, args=(state, random.Random(n))) for n, state in enumerate(states)]
    reader = open_as("reader")
    last: dict[str, int] = {}
    for thread in threads:
        thread.start()
    revision = 0
    while any(thread.is_alive() for thread in threads):
        now = reader.revision()
        for issue, _ in reader.untold("mail:ops", since=START - timedelta(days=1), after_revision=revision):
            last[issue.fingerprint] = issue.revision
        assert now >= revision
        revision = now
    for thread in threads:
        thread.join()
    assert faults == []
    for issue, _ in reader.untold("mail:ops", since=START - timedelta(days=1), after_revision=revision):
        last[issue.fingerprint] = issue.revision
    found = reader.issues(now=START)
    assert sum(issue.count for issue in found) == 8 * 40 * 4
    assert last == {issue.fingerprint: issue.revision for issue in found}
    assert len(set(last.values())) == len(last)


def test_of_many_leaders_one_decides_and_the_others_get_nothing(open_as: Callable[..., PostgresState]) -> None:
    """The notice is the same for whoever asks, and only who decided it is given it."""
    states = [open_as(f"spool{number}") for number in range(6)]
    states[0].add_occurrences(make_seen("a", n=7))
    start = threading.Barrier(len(states))
    given: list[Notice | None] = []

    def ask(state: PostgresState) -> None:
        router, route = router_of(state)
        start.wait()
        given.append(router.due(route, START + timedelta(seconds=60)))

    threads = [threading.Thread(target=ask, args=(state,)) for state in states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == len(states)
    assert [notice.issues[0].count for notice in given if notice is not None] == [7]


def test_a_claim_that_is_not_renewed_goes_to_another_leader_with_the_same_notice(
    open_as: Callable[..., PostgresState], postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it holds nobody else sends; whoever sends after it, and whoever accepts first, nothing is told twice."""
    monkeypatch.setattr(limits, "SHARED_LOOK_S", 0.0)
    one, two = open_as("spool1"), open_as("spool2")
    one.add_occurrences(make_seen("a", n=7))
    later = START + timedelta(seconds=60)
    (router1, route), (router2, _) = router_of(one), router_of(two)
    first = router1.due(route, later)
    assert first is not None
    assert router1.due(route, later) == first
    assert router2.due(route, later) is None
    two.add_occurrences(make_seen("a", after_s=2))
    with monkeypatch.context() as patch:
        patch.setattr(limits, "CLAIM_S", 0.0)  # the server may have been started a moment ago
        expire_claims(postgres)
        second = router2.due(route, later)
    assert second is not None
    assert (second.id, second.issues[0].count) == (first.id, 7)
    assert router1.due(route, later) is None
    router1.accepted(route, first, later)  # it was only slow
    router2.accepted(route, second, later)
    assert len(one.pace(route.identity).sent) == 1
    told = two.told(route.identity, "v1:a")
    assert told is not None
    assert told.count == 7
    assert router2.due(route, later) is None


def test_a_leader_stopped_within_a_transaction_holds_the_others_up_only_for_a_while(
    open_as: Callable[..., PostgresState], postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits too long is told so; once the server has ended the stopped one's session, the others go on."""
    monkeypatch.setattr(engine, "_OPTIONS", "-c lock_timeout=200 -c idle_in_transaction_session_timeout=600")
    stopped, other = open_as("spool1"), open_as("spool2")
    with pytest.raises(StoreError, match="tried again by itself"), stopped.transaction():
        stopped.add_occurrences(make_seen("a"))
        stopped.revision()
        with pytest.raises(StoreError, match="another leader holds it"):
            other.add_occurrences(make_seen("a"))
        wait_for(lambda: not postgres.execute("SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'"))
        other.add_occurrences(make_seen("a", n=3))
    stopped.add_occurrences(make_seen("a", n=4))
    issue = other.issue("v1:a")
    assert issue is not None
    assert issue.count == 7


# -- what is a spool's own ---------------------------------------------------------------------------------


def test_cursors_notes_and_consumers_are_each_spools_own(open_as: Callable[..., PostgresState]) -> None:
    """Two hosts have a file of the same name."""
    one, two = open_as("spool1"), open_as("spool2")
    assert not one.has_peers()
    one.add_consumer("file:/var/log/shop.jsonl", START)
    one.save_cursor("file:/var/log/shop.jsonl", "p1", 1, Cursor(10))
    one.save_note("file:/var/log/shop.jsonl", {"position": {"size": 7}})
    assert two.has_peers()
    assert two.consumers() == ()
    assert two.cursor("file:/var/log/shop.jsonl", "p1", 1) is None
    assert two.note("file:/var/log/shop.jsonl") == {}
    assert two.consumer_since("file:/var/log/shop.jsonl") is None
    assert open_as("spool1").cursor("file:/var/log/shop.jsonl", "p1", 1) == Cursor(10)


def test_what_a_sink_was_told_stays_until_the_last_spool_forgets_it(open_as: Callable[..., PostgresState]) -> None:
    """In a rolling deploy pods with and without the sink are there at once; a new pod doesn't tell all anew."""
    one, two = open_as("spool1"), open_as("spool2")
    one.add_occurrences(make_seen())
    for state, days in ((one, 0), (two, 5)):
        state.add_consumer("mail:ops", START + timedelta(days=days))
    one.save_told("mail:ops", Told("v1:a", 1, 1, 1, START))
    assert two.consumer_since("mail:ops") == START
    one.forget_consumer("mail:ops")
    assert one.consumers() == ()
    assert two.told("mail:ops", "v1:a") is not None
    two.forget_consumer("mail:ops")
    assert two.told("mail:ops", "v1:a") is None


def test_a_spool_that_is_gone_for_good_leaves_nothing_but_its_losses(
    open_as: Callable[..., PostgresState], postgres: Postgres
) -> None:
    """After keep_days without a leader."""
    gone, alive = open_as("gone"), open_as("alive")
    gone.add_consumer("mail:ops", START)
    gone.save_told("mail:ops", Told("v1:a", 1, 1, 1, START))
    gone.save_cursor(LEDGER, "p1", 1, Cursor(10))
    gone.save_losses("p1", 1, {"torn": 3})
    gone.close()
    postgres.execute("UPDATE tocsin_state_spools SET seen_at = now() - interval '8 days' WHERE spool = 'gone'")
    alive.purge(datetime.now(UTC) - timedelta(days=7))
    back = open_as("gone")
    assert back.cursor(LEDGER, "p1", 1) is None
    assert back.consumers() == ()
    assert back.told("mail:ops", "v1:a") is None
    assert alive.losses() == {"torn": 3}


def test_environments_share_nothing(postgres: Postgres, application: str) -> None:
    states = [PostgresState(postgres.url, Scope(application, name, "s")) for name in ("production", "staging")]
    states[0].add_occurrences(make_seen())
    assert states[0].issue("v1:a") is not None
    assert states[1].issue("v1:a") is None
    for state in states:
        state.close()


def test_a_new_pod_starts_where_the_others_are(postgres: Postgres, application: str, tmp_path: Path) -> None:
    """Its spool is fresh, but what happened before is not told again; a sink that nobody had starts now."""
    place = StatePlace(postgres.url, application, "test")

    def lead(number: int, *sinks: BuiltSink) -> Leader:
        folder = Folder(tmp_path / f"spool{number}")
        folder.prepare()
        return Leader(folder, sinks, application=application, environment="test", state=place)

    old, new = people("people:old"), people("people:new")
    first = lead(1, old)
    first._state.add_occurrences(make_seen())
    for _ in range(5):
        first.step()
    second = lead(2, old, new)
    for _ in range(5):
        second.step()
    assert [len(built.sink.notices) for built in (old, new)] == [1, 0]  # type: ignore[attr-defined]
    since = second._state.consumer_since("people:new")
    assert since is not None
    assert since > START
    assert first._state.consumer_since("people:old") == second._state.consumer_since("people:old")
    first.close()
    second.close()


# -- the events that notices show --------------------------------------------------------------------------


def test_the_first_event_of_the_episode_the_latest_and_the_one_that_was_told_are_kept(
    open_as: Callable[..., PostgresState],
) -> None:
    """Whichever spool they lie in, and after that spool has dropped them."""
    one, two = open_as("spool1"), open_as("spool2")
    refs = [SampleRef(f"p{n}", 1, n, f"AAAAAA-222{n}", START + timedelta(seconds=n)) for n in range(2, 8)]
    for n, ref in enumerate(refs):
        state = (one, two)[n % 2]
        state.add_occurrences(replace(make_seen(after_s=n + 2), sample=ref, body=b"event %d" % n))
        if n == 3:
            two.save_pending("mail:ops", pending_of(ref))
    for ref in refs:
        two.forget_generation(ref.process, 1)
    assert [two.event_body(ref) for ref in refs] == [b"event 0", None, None, b"event 3", None, b"event 5"]
    assert two.sample("AAAAAA-2225") == refs[3]
    hours = timedelta(hours=5)
    late = replace(refs[0], process="p9", at=START + hours, error_id="AAAAAA-3333")
    one.add_occurrences(replace(make_seen(after_s=5 * 3600), sample=late, body=b"\0\xff next episode"))
    assert two.event_body(refs[0]) is None
    assert two.event_body(late) == b"\0\xff next episode"
    assert two.samples("v1:a", 1, since=START + hours, is_oldest_first=True) == (late,)


def test_events_past_the_bound_go_the_oldest_first(
    open_as: Callable[..., PostgresState], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SHARED_EVENTS_BYTES", 5_000)
    state = open_as()
    dice = random.Random(1)
    for n, name in enumerate("abc"):
        ref = SampleRef("p1", 1, n, f"AAAAAA-222{n + 2}", START + timedelta(seconds=n))
        state.add_occurrences(replace(make_seen(name, after_s=n), sample=ref, body=dice.randbytes(2_000)))
    state.purge(START - timedelta(days=1))
    bodies = [state.event_body(SampleRef("p1", 1, n, "", START)) for n in range(3)]
    assert [body is not None for body in bodies] == [False, False, True]  # each is kept twice: as first and as latest


def test_texts_that_postgresql_refuses_are_kept_all_the_same(open_as: Callable[..., PostgresState]) -> None:
    """NUL and half characters, as a broken message may hold them."""
    state = open_as()
    state.add_occurrences(make_seen(title="a\0b\udc80", culprit="\ud800", release="1\0"))
    issue = state.issue("v1:a")
    assert issue is not None
    assert issue.title == "a\ufffdb\\udc80"
    state.add_loss("refused by \0", 2)
    assert list(state.losses().values()) == [2]


# -- what can be wrong with the database -------------------------------------------------------------------


def test_a_database_that_can_not_be_used_is_told_with_a_remedy_and_no_password(
    postgres: Postgres, application: str
) -> None:
    """Which database, what is wrong, what to do; and that nothing is lost."""
    scope = Scope(application, "test", "spool1")
    wrong = [
        (postgres.dsn_of("admin", "wr0ng"), "see to user and password"),
        (postgres.dsn_of("admin", database="absent"), "create the database"),
        (postgres.dsn.replace(str(postgres.port), "1"), "see that it runs"),
        ("postgresql://admin:s3cret@host.invalid/errors", "see to the host's name"),
    ]
    for url, remedy in wrong:
        with pytest.raises(StoreError) as told:
            PostgresState(url, scope)
        text = str(told.value)
        assert remedy in text
        assert "reports wait in the spool" in text
        assert not any(secret in text for secret in ("wr0ng", "s3cret", "of-the-test-run"))
        assert text.startswith("the shared state postgresql://")


def test_a_role_that_may_not_create_tables_uses_those_that_were_made_for_it(postgres: Postgres) -> None:
    """The statements are printed by a command, as the fault says; a role that reads and writes is enough then."""
    postgres.new_database("strict")
    postgres.execute("DROP ROLE IF EXISTS app")
    postgres.execute("CREATE ROLE app LOGIN PASSWORD 'app-word'")
    postgres.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "strict")
    url, scope = postgres.url_of("app", "app-word", "strict"), Scope("shop", "test", "spool1")
    with pytest.raises(StoreError, match="run what `tocsin ddl` prints"):
        PostgresState(url, scope)
    for statement in state_ddl().split(";\n"):
        if statement.strip() not in ("", "BEGIN", "COMMIT") and not statement.startswith("-- "):
            postgres.execute(statement, "strict")
    postgres.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app", "strict")
    state = PostgresState(url, scope)
    state.add_occurrences(make_seen())
    state.purge(START)
    assert state.issue("v1:a") is not None
    state.close()
    postgres.execute("DROP OWNED BY app", "strict")
    postgres.execute("DROP ROLE app")


def test_many_leaders_make_the_tables_of_an_empty_database_at_once(postgres: Postgres) -> None:
    url = postgres.new_database("fresh")
    with pytest.raises(StoreError, match="made at the first delivery"):
        PostgresState(url, Scope("shop", "test"), read_only=True)
    opened: list[PostgresState] = []
    threads = [
        threading.Thread(target=lambda n=n: opened.append(PostgresState(url, Scope("shop", "test", f"spool{n}"))))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 6
    opened[0].add_occurrences(make_seen())
    assert all(state.issue("v1:a") is not None for state in opened)
    for state in opened:
        state.close()


def test_tables_of_a_newer_version_are_used_only_if_they_allow_it(postgres: Postgres) -> None:
    """In a rolling deploy leaders of both versions are at work; tables that the older one would harm refuse it."""
    url, scope = postgres.new_database("newer"), Scope("shop", "test", "spool1")
    PostgresState(url, scope).close()
    postgres.execute("UPDATE tocsin_state_version SET version = 9", "newer")
    PostgresState(url, scope).close()
    postgres.execute("UPDATE tocsin_state_version SET compatible = 8", "newer")
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"newer tocsin \(format 9, this one knows 2\)"):
            PostgresState(url, scope, read_only=read_only)


def _as_version_1(postgres: Postgres, name: str) -> str:
    url = postgres.new_database(name)
    state = PostgresState(url, Scope("shop", "test", "spool1"))
    state.add_occurrences(make_seen("a1"))
    state.close()
    postgres.execute("DROP TABLE tocsin_state_aliases", name)
    postgres.execute("UPDATE tocsin_state_version SET version = 1", name)
    return url


def test_tables_without_aliases_are_looked_at_as_they_are_and_brought_up_to_date_by_a_leader(
    postgres: Postgres,
) -> None:
    url = _as_version_1(postgres, "unaliased")
    reader = PostgresState(url, Scope("shop", "test"), read_only=True)
    issue = reader.issue("v1:a1")
    assert issue is not None
    assert reader.issues_by_prefix(issue.prefix) == (issue,)
    reader.close()
    state = PostgresState(url, Scope("shop", "test", "spool1"))
    state.add_occurrences(make_seen("b2", 9, fingerprint="v2:b2", former=("v1:a1",), sample=make_sample(0, 9)))
    assert state.identities(["v2:b2"]) == {"v2:b2": "v1:a1"}
    state.close()


def test_the_remarks_for_an_administrator_bring_older_tables_up_to_date(postgres: Postgres) -> None:
    url = _as_version_1(postgres, "remarked")
    remarks = state_ddl().partition("already, instead of all this:\n")[2]
    for line in remarks.splitlines():
        postgres.execute(line.removeprefix("-- "), "remarked")
    state = PostgresState(url, Scope("shop", "test", "spool1"), read_only=True)
    assert state.identities(["v2:b2"]) == {}
    state.close()


def test_of_many_leaders_that_meet_a_new_key_at_once_all_count_it_under_the_open_issue(
    open_as: Callable[..., PostgresState],
) -> None:
    first = open_as("spool0")
    first.add_occurrences(make_seen("a1"))
    states = [open_as(f"spool{number}") for number in range(1, 5)]

    def count(number: int) -> None:
        sample = SampleRef(f"p{number}", 1, 0, f"B2B2B2-222{number + 2}", START)
        seen = make_seen("b2", number, fingerprint="v2:b2", former=("v1:a1",), sample=sample)
        for _ in range(10):
            states[number].add_occurrences(seen)

    threads = [threading.Thread(target=count, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    issue = first.issue("v2:b2")
    assert issue is not None
    assert (issue.fingerprint, issue.count) == ("v1:a1", 41)
    assert len(first.issues(now=START)) == 1


def test_a_database_in_another_encoding_is_refused(postgres: Postgres) -> None:
    postgres.execute('DROP DATABASE IF EXISTS "latin"')
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StoreError, match="ENCODING 'UTF8'"):
        PostgresState(postgres.url_of("admin", database="latin"), Scope("shop", "test", "spool1"))


def test_a_reader_writes_nothing(open_as: Callable[..., PostgresState], postgres: Postgres) -> None:
    state = open_as()
    state.add_occurrences(make_seen())
    reader = open_as(read_only=True)
    assert reader.issue("v1:a") is not None
    with pytest.raises(StoreError, match="read-only"):
        reader.add_occurrences(make_seen())
    nobody = PostgresState(postgres.url, Scope("unheard of", "test"), read_only=True)
    assert nobody.issues(now=START) == ()
    assert nobody.revision() == 0
    nobody.close()


def test_a_session_that_was_cut_while_idle_is_made_anew(
    open_as: Callable[..., PostgresState], postgres: Postgres
) -> None:
    """By a firewall, or a server that was restarted: no leader has to end for that."""
    state = open_as()
    state.add_occurrences(make_seen())
    for read in (lambda: state.issue("v1:a"), lambda: state.add_occurrences(make_seen())):
        postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tocsin'")
        read()
    issue = state.issue("v1:a")
    assert issue is not None
    assert issue.count == 2


def test_what_follows_in_a_transaction_that_was_cut_off_is_not_written_by_itself(
    open_as: Callable[..., PostgresState], postgres: Postgres
) -> None:
    """Whoever goes on in spite of the fault gets it again, until the transaction has ended."""
    state = open_as()
    with pytest.raises(StoreError, match="cut off"), state.transaction():
        state.add_loss("torn", 1)
        postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tocsin'")
        with pytest.raises(StoreError):
            state.add_loss("torn", 1)
        state.add_loss("torn", 1)
    assert state.losses() == {}
    state.add_loss("torn", 1)
    assert state.losses() == {"torn": 1}


def test_a_server_that_is_away_is_a_store_error_until_it_is_back(
    open_as: Callable[..., PostgresState], postgres: Postgres
) -> None:
    state = open_as()
    state.add_occurrences(make_seen())
    postgres.kill()
    with pytest.raises(StoreError, match="nothing is lost"):
        state.add_occurrences(make_seen())
    with pytest.raises(StoreError, match="see that it runs"):
        state.issue("v1:a")
    postgres.start()
    state.add_occurrences(make_seen())
    issue = state.issue("v1:a")
    assert issue is not None
    assert issue.count == 2


def test_a_server_that_hangs_is_given_up(
    open_as: Callable[..., PostgresState], postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connecting to it has a time limit, and so has a statement on a session that is there already."""
    monkeypatch.setattr(engine, "_SOCKET", {"connect_timeout": 2})
    monkeypatch.setattr(bounded, "WAIT_S", 1.0)
    state = open_as()
    try:
        with pytest.raises(StoreError, match="no answer within 1 s; it hangs"), state.transaction():
            state.losses()
            postgres.pause()
            state.add_occurrences(make_seen())
        with pytest.raises(StoreError, match="see that it runs"):
            open_as()
    finally:
        postgres.resume()
    state.add_occurrences(make_seen(n=5))
    issue = state.issue("v1:a")
    assert issue is not None
    assert issue.count == 5


# -- what a leader costs that has nothing to do ------------------------------------------------------------


def test_an_idle_leader_asks_the_database_almost_nothing(
    postgres: Postgres, application: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four steps a second, several sinks: one statement in SHARED_LOOK_S."""
    statements: list[str] = []
    execute = PostgresState._execute

    def counted(self: PostgresState, sql: str, *args: Any, **how: Any) -> list[Any]:
        statements.append(sql)
        return execute(self, sql, *args, **how)

    folder = Folder(tmp_path / "spool")
    folder.prepare()
    place = StatePlace(postgres.url, application, "test")
    sinks = [people(f"people:{n}") for n in range(3)]
    leader = Leader(folder, sinks, application=application, environment="test", state=place)
    try:
        for _ in range(3):
            leader.step()
        monkeypatch.setattr(PostgresState, "_execute", counted)
        monkeypatch.setattr(limits, "SHARED_LOOK_S", 3600.0)
        for _ in range(200):
            leader.step()
        assert statements == []
        monkeypatch.setattr(limits, "SHARED_LOOK_S", 0.0)
        leader.step()
        assert len(statements) <= 3 * len(sinks)
    finally:
        leader.close()


def people(identity: str) -> BuiltSink:
    return BuiltSink(People(identity), identity, 0, frozenset({"traceback", "error", "warning"}), "now")


class People:
    type = "people"
    settings = ()
    idempotency = "none"
    is_local = True

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.notices: list[Notice] = []

    def notify(self, notice: Notice) -> Outcome:
        self.notices.append(notice)
        return Accepted()

    def close(self) -> None:
        pass
