"""The sentry sink against Bugsink, which holds every event against the protocol's public schema."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from bugsink import Bugsink, Project, require

from broken_shop import CURRENCY_ERROR, ERROR, KEY_ERROR, TASK, TRACEBACK, WARNING
from tocsin.config.setting import parse_table
from tocsin.sinks.base import Accepted, Entry, Refused, SinkContext, Unavailable
from tocsin.sinks.sentry import SentrySink
from tocsin.sinks.sentry import sink as sentry_sink
from tocsin.testing import SinkContract
from tocsin.testing.contract import entry_of

CONTEXT = SinkContext("shop", "production", "web1")


@pytest.fixture(scope="session")
def bugsink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bugsink]:
    require()
    server = Bugsink(tmp_path_factory.mktemp("bugsink"))
    server.prepare()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def contract_project(bugsink: Bugsink) -> Project:
    return bugsink.new_project("contract")


@pytest.fixture
def project(bugsink: Bugsink) -> Project:
    return bugsink.new_project("shop")


def make(dsn: str, **raw: Any) -> SentrySink:
    values, faults = parse_table(SentrySink.settings, {"dsn": dsn, **raw}, "sentry")
    assert faults == []
    return SentrySink.from_options(values, CONTEXT)


class TestContract(SinkContract):
    """Every numbered case."""

    is_idempotent: ClassVar[bool] = True

    @pytest.fixture(autouse=True)
    def _project(self, contract_project: Project) -> None:
        self.project = contract_project

    def new_sink(self) -> SentrySink:
        return make(self.project.dsn)

    def received(self) -> Sequence[str]:
        return self.project.texts()


# -- what arrives ------------------------------------------------------------------------------------------


def test_bugsink_shows_what_was_sent(project: Project) -> None:
    """Exceptions from the first cause on, frames from the outermost, and everything people filter by."""
    sink = make(project.dsn)
    bare = replace(CURRENCY_ERROR, cause=None, context=KEY_ERROR)
    events = [TRACEBACK, replace(TRACEBACK, message="again"), ERROR, WARNING, replace(TRACEBACK, exception=bare)]
    assert isinstance(sink.deliver([entry_of(event) for event in events]), Accepted)
    sink.close()
    rows = project.events()
    first = rows[0]
    assert first["title"] == "CurrencyError: no rate for 'CHF'"
    told = {name: first[name] for name in ("level", "logger", "release", "environment", "server_name", "transaction")}
    assert told == {
        "level": "error",
        "logger": "orders",
        "release": "1.4.2",
        "environment": "production",
        "server_name": "web1",
        "transaction": "/orders/<int:id>/pay",
    }
    tags = {name: first["tags"][name] for name in ("error_id", "kind", "handled", "url")}
    assert tags == {
        "error_id": "7K3QDM-24F2",
        "kind": "traceback",
        "handled": "false",
        "url": "https://shop.example/orders/17/pay",
    }
    values = first["data"]["exception"]["values"]
    assert [(value.get("module"), value["type"]) for value in values] == [
        (None, "KeyError"),
        ("orders.money", "CurrencyError"),
    ]
    assert [(frame["function"], frame["in_app"]) for frame in values[0]["stacktrace"]["frames"]] == [
        ("Flask.wsgi_app", False),
        ("Flask.dispatch", False),
        ("pay", True),
    ]
    assert [frame["function"] for frame in values[1]["stacktrace"]["frames"]] == ["pay", "rate"]
    assert [row["level"] for row in rows] == ["error", "error", "error", "warning", "error"]
    assert rows[2]["title"] == "stock of article 99 went negative"
    assert rows[4]["data"]["exception"]["values"][0]["mechanism"]["source"] == "__context__"


def test_bugsink_shows_task_tags_user_and_lead_up(project: Project) -> None:
    """Tags are what it searches by; the lead-up is on the page of an event, as breadcrumbs."""
    assert TRACEBACK.request is not None
    sink = make(project.dsn)
    asked = replace(TASK, request=replace(TRACEBACK.request, user="4711"))
    assert isinstance(sink.deliver([entry_of(TASK), entry_of(asked)]), Accepted)
    sink.close()
    first, second = project.events()
    assert (first["transaction"], second["transaction"]) == ("shop.tasks.send", "/orders/<int:id>/pay")
    assert (first["tags"]["tenant"], first["tags"]["region"]) == ("acme", "north east")
    assert first["data"]["contexts"]["task"]["id"] == "1234"
    assert [crumb["message"] for crumb in first["data"]["breadcrumbs"]["values"]] == [
        "took order 17",
        "stock looked up",
    ]
    assert second["tags"]["user.id"] == second["data"]["user"]["id"] == "4711"


def test_an_issue_is_what_tocsin_calls_one(project: Project) -> None:
    """Messages that differ are one issue, the same message of another fault is another one."""
    sink = make(project.dsn)
    other = replace(TRACEBACK, fingerprint="v1:" + "9" * 32)
    texts = [replace(TRACEBACK, message=f"order {n}", exception=replace(KEY_ERROR, message=f"{n}")) for n in range(5)]
    assert isinstance(sink.deliver([entry_of(event) for event in [*texts, other]]), Accepted)
    sink.close()
    issues = [row["issue"] for row in project.events()]
    assert len(set(issues[:5])) == 1
    assert len(set(issues)) == 2


def test_an_event_that_is_refused_for_good_keeps_none_back(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others of its batch arrive, and the refusal says why."""
    made = sentry_sink.event_payload

    def broken(entry: Entry, *rest: Any) -> dict[str, Any]:
        payload = made(entry, *rest)
        return {**payload, "event_id": "no UUID"} if entry.levelno == logging.CRITICAL else payload

    monkeypatch.setattr(sentry_sink, "event_payload", broken)
    entries = [entry_of(event) for event in (ERROR, replace(ERROR, levelno=logging.CRITICAL), WARNING)]
    sink = make(project.dsn)
    outcome = sink.deliver(entries)
    assert isinstance(outcome, Refused)
    assert "1 of 3" in outcome.reason and "answered 400" in outcome.reason
    assert len(project.texts()) == 2
    assert isinstance(sink.deliver(entries[:1]), Accepted)
    assert isinstance(sink.deliver(entries[1:2]), Refused)
    sink.close()
    assert len(project.texts()) == 2


def test_bugsink_holds_events_against_the_schema(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the other tests prove something: one with a wrong member doesn't arrive."""
    made = sentry_sink.event_payload
    monkeypatch.setattr(sentry_sink, "event_payload", lambda *given: {**made(*given), "level": "no level"})
    make(project.dsn).deliver([entry_of(ERROR)])
    assert project.texts() == []


# -- what happens to the server ----------------------------------------------------------------------------


def test_a_server_that_was_away_gets_everything_once(bugsink: Bugsink, project: Project) -> None:
    """While it is away the batch waits; one sent twice is there once."""
    sink = make(project.dsn)
    first, second = [entry_of(ERROR)], [entry_of(ERROR), entry_of(WARNING)]
    assert isinstance(sink.deliver(first), Accepted)
    bugsink.stop()
    outcome = sink.deliver(second)
    assert isinstance(outcome, Unavailable)
    assert "nothing listens" in outcome.reason or "hung up" in outcome.reason
    bugsink.start()
    assert isinstance(sink.deliver(second), Accepted)
    assert isinstance(make(project.dsn).deliver([*first, *second]), Accepted)
    sink.close()
    assert len(project.texts()) == 3


def test_a_wrong_key_waits_for_the_right_one(project: Project) -> None:
    """Nothing is lost, and the key is in no word of it, though Bugsink repeats it."""
    wrong = "0123456789abcdef0123456789abcdef"
    outcome = make(project.dsn.replace(project.key, wrong)).deliver([entry_of(ERROR)])
    assert isinstance(outcome, Unavailable)
    assert "answered 403" in outcome.reason
    assert "dsn" in outcome.remedy
    assert wrong not in outcome.reason


JOB = """
import logging
from tocsin import LogHandler

logging.getLogger().addHandler(LogHandler())

def rate(rates, currency):
    return rates[currency]

for number in range(300):
    try:
        try:
            rate({"EUR": 1.0}, "USD")
        except KeyError as fault:
            raise ValueError(f"order {number} can't be paid") from fault
    except ValueError:
        logging.getLogger("shop").exception("no rate for %s", "USD", extra={"password": "hunter2", "order": number})
"""


def test_a_job_reports_while_the_server_is_away_and_nothing_is_lost(
    bugsink: Bugsink, project: Project, tmp_path: Path
) -> None:
    """A process that has ended long ago; its reports arrive by `tocsin deliver --drain` once the server is back."""
    job = tmp_path / "job.py"
    job.write_text(JOB, encoding="utf-8")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")},
        "TOCSIN_APPLICATION": "shop",
        "TOCSIN_SPOOL": str(tmp_path / "spool"),
        "TOCSIN_SINKS": f"sentry+{project.dsn}?timeout=5",
        "TOCSIN_RELEASE": "9.1",
    }
    bugsink.stop()
    subprocess.run([sys.executable, str(job)], env=environ, capture_output=True, timeout=120, check=True)
    bugsink.start()
    assert project.texts() == []
    drain = [sys.executable, "-m", "tocsin.cli", "deliver", "--drain"]
    for _ in range(2):  # the second one has nothing left to do
        done = subprocess.run(drain, env=environ, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    rows = project.events()
    assert len(rows) >= 5
    assert len({row["issue"] for row in rows}) == 1
    assert {row["release"] for row in rows} == {"9.1"}
    cause, last = rows[0]["data"]["exception"]["values"]
    assert (cause["type"], last["type"]) == ("KeyError", "ValueError")
    assert last["value"] == "order 0 can't be paid"
    assert cause["stacktrace"]["frames"][-1]["context_line"] == "    return rates[currency]"
    assert cause["stacktrace"]["frames"][-1]["in_app"] is True
    assert rows[0]["data"]["extra"] == {"password": "[masked: password]", "order": 0}
    assert rows[0]["tags"]["handled"] == "true"


def test_check_reports_to_the_project(project: Project, tmp_path: Path) -> None:
    """By the configuration, from outside."""
    config = tmp_path / "tocsin.toml"
    config.write_text(f'application = "shop"\nspool = "spool"\nsinks = ["sentry+{project.dsn}"]\n', encoding="utf-8")
    command = [sys.executable, "-m", "tocsin.cli", "check", "--config", str(config)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ, check=False)
    assert done.returncode == 0, done.stdout
    assert f"ok      sentry:127.0.0.1:{project.server.port}/{project.number}" in done.stdout
    assert project.key not in done.stdout
    (row,) = project.events()
    assert row["tags"]["check"] == "true"
