"""The WSGI middleware on real servers, over sockets: the table of cases, and what only a server can show."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from wsgi_servers import SERVERS, Server, gunicorn, skip_if_missing  # noqa: E402

from wsgi_cases import CASES, Case  # noqa: E402 - tests/ is not a package


@pytest.fixture(scope="module", params=list(SERVERS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    skip_if_missing(request.param)
    started = Server(SERVERS[request.param], tmp_path_factory.mktemp(request.param) / "record.jsonl")
    yield started
    started.stop()


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_case(server: Server, case: Case) -> None:
    """Each case comes out as it says; what is no failure comes out to the byte as without tocsin."""
    answer, test = server.ask(f"/tocsin/{case.name}", case.method)
    assert server.told(test, "closed", at_least=case.closes) == [None] * case.closes
    reports = server.told(test, "exception", at_least=len(case.reports))
    assert reports == list(case.reports) or (case.is_beyond_servers and len(reports) == len(case.reports))
    assert server.told(test, "answer", "status", at_least=len(case.answers)) == list(case.answers)
    if case.outcome == "page":
        assert answer.status == "500 Internal Server Error"
        assert len(answer.error_ids) == 1
        page = f"Something broke. Error id: {answer.error_ids[0]}\n".encode()
        assert answer.body_as_sent == (b"" if case.method == "HEAD" else page)
        assert "set-cookie" not in answer.raw.decode().lower()
        return
    if case.is_beyond_servers:
        assert answer.body == case.body
        assert sum(line.lower().startswith("content-type:") for line in answer.head) == 1
    else:
        bare, _ = server.ask(f"/bare/{case.name}", case.method)
        assert answer.unmarked == bare.unmarked
    assert len(answer.error_ids) == (case.outcome == "marked")
    if case.outcome != "raises":
        assert answer.status == case.status


def test_header_that_the_server_refuses_is_answered_as_without_tocsin(server: Server) -> None:
    """Servers differ in what they refuse; whatever comes without tocsin comes with it."""
    answer, test = server.ask("/tocsin/refused_header")
    bare, _ = server.ask("/bare/refused_header")
    assert answer.unmarked == bare.unmarked
    if not answer.raw or answer.status.startswith("5"):
        assert len(server.told(test, "exception", at_least=1)) == 1


def test_client_that_leaves_early_closes_the_body_and_is_no_report(server: Server) -> None:
    link, test = server.connect("/tocsin/endless")
    assert link.recv(1000)
    link.close()
    assert len(server.told(test, "closed", at_least=1)) == 1
    assert server.told(test, "exception") == []


def test_gunicorn_timeout_is_reported(tmp_path: Path) -> None:
    """The worker's SystemExit is no error of the application's, but somebody wants to know."""
    skip_if_missing("gunicorn-sync")
    server = Server(gunicorn("--timeout", "1"), tmp_path / "record.jsonl")
    try:
        link, test = server.connect("/tocsin/sleep")
        assert server.told(test, "exception", at_least=1) == ["SystemExit"]
        link.close()
    finally:
        server.stop()
