"""The ASGI integration on real servers, over sockets: the table of cases, Starlette, what only a server can show."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from asgi_servers import PATIENCE_S, SERVERS, Shop, running, skip_if_missing, uvicorn, wait_until_up  # noqa: E402
from wsgi_servers import Server  # noqa: E402

from asgi_cases import CASES, Case  # noqa: E402 - tests/ is not a package

CONCURRENT = 200
PAGE = HERE.parents[1] / "docs" / "how-to" / "asgi.md"


# -- the table ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    skip_if_missing(request.param)
    record = tmp_path_factory.mktemp(request.param) / "record.jsonl"
    started = Server(SERVERS[request.param], record, "served_asgi:app")
    yield started
    started.stop()


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES if not case.ends_server])
def test_case(server: Server, case: Case) -> None:
    """Each case comes out as it says; what is no failure comes out to the byte as without tocsin."""
    answer, test = server.ask(f"/tocsin/{case.name}", case.method)
    assert server.told(test, "exception", at_least=len(case.reports)) == list(case.reports)
    assert server.told(test, "answer", "status", at_least=len(case.answers)) == list(case.answers)
    if case.outcome == "page":
        [error_id] = answer.error_ids
        assert answer.status.startswith("500")
        assert answer.body == (b"" if case.method == "HEAD" else f"Something broke. Error id: {error_id}\n".encode())
        return
    bare, _ = server.ask(f"/bare/{case.name}", case.method)
    assert answer.unmarked == bare.unmarked
    assert len(answer.error_ids) == (case.outcome == "marked")


@pytest.mark.parametrize(("name", "reports"), [("echo", 1), ("refuse", 1), ("close", 0)])
def test_websocket(server: Server, name: str, reports: int) -> None:
    """Its client sees what it sees without tocsin; a failure is reported once, accepted or not."""
    pytest.importorskip("websockets", reason="no websockets; pip install websockets")
    bare, _ = _talk(server.port, f"/bare/{name}")
    seen, test = _talk(server.port, f"/tocsin/{name}")
    assert seen == bare
    assert server.told(test, "exception", at_least=reports) == ["ValueError"] * reports


def _talk(port: int, path: str) -> tuple[list[Any], str]:
    """Return all that a client sees of a connection, and the name its events go by."""
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.sync.client import connect

    test, seen = f"websocket {path}", []
    try:
        link = connect(f"ws://127.0.0.1:{port}{path}", additional_headers={"X-Test": test}, proxy=None)
    except InvalidStatus as refusal:
        return [refusal.response.status_code, refusal.response.body], test
    with link:
        try:
            link.send("hello")
            while True:
                seen.append(link.recv(PATIENCE_S))
        except ConnectionClosed as end:
            seen.append(end.rcvd and (end.rcvd.code, end.rcvd.reason))
    return seen, test


# -- Starlette, and tocsin in full -------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=SERVERS)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    skip_if_missing(request.param)
    pytest.importorskip("starlette", reason="no starlette; pip install starlette")
    folder = tmp_path_factory.mktemp(f"shop-{request.param}")
    with running(SERVERS[request.param], "starlette_shop:app", folder) as (process, port):
        wait_until_up(process, port, folder / "server.log")
        yield Shop(port, folder / "events.jsonl")


@pytest.mark.parametrize("prefix", ["", "/mounted"])
@pytest.mark.parametrize(
    ("path", "status", "is_marked", "fault"),
    [
        ("/failing", "500", True, "failing"),
        ("/threaded", "500", True, "threaded"),
        ("/background", "200", False, "background"),
        ("/stream", "200", False, "stream"),
    ],
)
def test_what_breaks_in_starlette_is_reported_once_with_its_request(
    shop: Shop, prefix: str, path: str, status: str, is_marked: bool, fault: str
) -> None:
    """In endpoints, threads, background tasks, streams; with the error id where there still is an answer to have it."""
    path = f"{prefix}{path}/{'mounted' if prefix else 'plain'}"
    answer = shop.ask(f"{path}?token=secret")
    assert answer.status.startswith(status)
    events = [event for event in shop.of_path(path) if event["kind"] == "traceback"]
    assert [event["exception"]["message"] for event in events] == [fault]
    assert answer.error_ids == [events[0]["error_id"]] * is_marked
    request = events[0]["request"]
    assert request["route"] == re.sub("^/mounted|[^/]+$", "", path) + "{name}"
    assert request["endpoint"].startswith("starlette_shop.")
    assert request["query"] == "token=[masked: token]"


def test_record_logged_in_a_thread_of_the_pool_has_its_request(shop: Shop) -> None:
    shop.ask("/threaded/logged")
    for event in shop.events(2, lambda event: (event["request"] or {}).get("path") == "/threaded/logged"):
        assert event["message"] in ("in a thread of the pool", "ValueError: threaded")


def test_exception_that_a_handler_makes_a_server_error_is_reported(shop: Shop) -> None:
    """Where it is sent from within the handler; a middleware that passes it on from another task hides it."""
    answer = shop.ask("/sold-out/plain")
    [event] = shop.of_path("/sold-out/plain")
    assert (event["exception"]["message"], answer.error_ids) == ("sold_out", [event["error_id"]])
    hidden = shop.ask("/mounted/sold-out/hidden")
    assert hidden.status.startswith("503")
    assert hidden.error_ids == []


def test_statuses_that_are_meant_are_no_tracebacks(shop: Shop) -> None:
    """A 400 is a warning, a 500 an error, a 404 nothing."""
    for status, kinds in (("404", []), ("400", ["warning"]), ("500", ["error"])):
        answer = shop.ask(f"/meant/{status}")
        assert answer.status.startswith(status)
        events = shop.events(len(kinds), lambda event: (event["request"] or {}).get("path") == f"/meant/{status}")  # noqa: B023
        assert [event["kind"] for event in events] == kinds
        assert answer.error_ids == [event["error_id"] for event in events if status == "500"]


def test_clients_that_leave_are_no_report(shop: Shop) -> None:
    """During an answer, during an upload, and from a websocket."""
    pytest.importorskip("websockets", reason="no websockets; pip install websockets")
    from websockets.sync.client import connect

    link = shop.begin("/endless")
    assert link.recv(1000)
    link.close()
    shop.begin("/upload", method="POST", length=1000).close()
    with connect(f"ws://127.0.0.1:{shop.port}/chat/leaving", proxy=None):
        pass
    shop.ask("/failing/after-leaving")
    assert shop.of_path("/failing/after-leaving")
    told = shop.events(
        0, lambda event: (event["request"] or {}).get("path") in ("/endless", "/upload", "/chat/leaving")
    )
    assert told == []


def test_websocket_of_starlette_is_reported_with_its_request(shop: Shop) -> None:
    pytest.importorskip("websockets", reason="no websockets; pip install websockets")
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    with connect(f"ws://127.0.0.1:{shop.port}/chat/room", proxy=None) as link:
        link.send("hello")
        assert link.recv(PATIENCE_S) == "hello"
        with pytest.raises(ConnectionClosed):
            link.recv(PATIENCE_S)
    [event] = shop.of_path("/chat/room")
    assert (event["exception"]["message"], event["request"]["route"]) == ("chat", "/chat/{name}")
    assert (event["request"]["method"], event["request"]["scheme"]) == ("GET", "ws")


def test_interleaved_requests_each_report_their_own(shop: Shop) -> None:
    """All are held back until all are there; each then reports from a task, from a thread, and fails."""
    links = [shop.begin(f"/gate/{CONCURRENT}/{number}") for number in range(CONCURRENT)]
    answers = [shop.read(link) for link in links]
    events = shop.events(3 * CONCURRENT, lambda event: (event["request"] or {}).get("path", "").startswith("/gate/"))
    assert len(events) == 3 * CONCURRENT
    by_path: dict[str, dict[str, str]] = {}
    for event in events:
        what, _, number = event["message"].rpartition(" of ")
        assert event["request"]["path"] == f"/gate/{CONCURRENT}/{number}"
        by_path.setdefault(number, {})[what.rpartition(" ")[2]] = event["error_id"]
    for number, answer in enumerate(answers):
        assert sorted(by_path[str(number)]) == ["fault", "task", "thread"]
        [error_id] = answer.error_ids
        assert error_id in by_path[str(number)].values()


@pytest.mark.parametrize("name", SERVERS)
def test_startup_that_fails_is_reported(name: str, tmp_path: Path) -> None:
    """The process ends with it: an exit handler delivers it, or the spool keeps it."""
    skip_if_missing(name)
    pytest.importorskip("starlette", reason="no starlette; pip install starlette")
    with running(SERVERS[name], "starlette_shop:unstartable", tmp_path) as (process, _):
        if name != "gunicorn-uvicorn":  # which tries again
            process.wait(PATIENCE_S)
            deliver = [sys.executable, "-m", "tocsin", "deliver", "--drain", "--config", str(tmp_path / "tocsin.toml")]
            subprocess.run(deliver, capture_output=True, check=True)
        shop = Shop(0, tmp_path / "events.jsonl")
        assert shop.events(1)[0]["exception"]["message"] == "no database"


# -- the manual --------------------------------------------------------------------------------------------------


def test_application_of_the_manual_works_as_it_says(tmp_path: Path) -> None:
    skip_if_missing("uvicorn")
    pytest.importorskip("starlette", reason="no starlette; pip install starlette")
    blocks = dict(re.findall(r"^```(python|toml)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL))
    (tmp_path / "shop.py").write_text(textwrap.dedent(blocks["python"]), "utf-8")
    (tmp_path / "tocsin.toml").write_text(blocks["toml"], "utf-8")
    with running(uvicorn, "shop:app", tmp_path, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        shop = Shop(port, tmp_path / "events.jsonl")
        assert shop.ask("/hello?name=Ada").body == b"Hello, Ada\n"
        answer = shop.ask("/hello")
        [event] = shop.of_path("/hello")
        assert answer.error_ids == [event["error_id"]]
        assert answer.body == b"Internal Server Error"
