"""Requests and tasks that are under way, as the flight file tells of them."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tocsin.capture.work import WATCHERS, Work
from tocsin.config.load import load
from tocsin.integrations.in_flight import noted_handler
from tocsin.reporter import Reporter
from tocsin.spool.in_flight import Note, read_flight


@pytest.fixture
def reporter(tmp_path: Path) -> Iterator[Reporter]:
    members = {"application": "shop", "spool": str(tmp_path / "spool"), "deaths": True, "delivery": "process"}
    made = Reporter(load(members, {}, {}))
    yield made
    made.close()


def notes(reporter: Reporter) -> list[tuple[str, ...]]:
    """Return the words of what is noted just now, read by another process: a second look would end the lock."""
    folder = Path(reporter.settings.spool)
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        found: list[Note] = []
        for path in folder.glob("*.flight"):
            flight = read_flight(path)
            found += flight.notes if flight else ()
        os.write(write, json.dumps([note.words for note in found]).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        return [tuple(words) for words in json.load(pipe)]


def ask(app: Callable[..., Any], path: str = "/orders/7") -> Any:
    """Call an application as a server does; return its body."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": "", "wsgi.errors": io.StringIO()}
    return app(environ, lambda *_: lambda data: None)


def test_a_request_is_noted_masked_while_it_is_in_the_application(reporter: Reporter) -> None:
    """Without its query, and nothing of it is left when it has answered."""
    seen = []

    def shop(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.extend(notes(reporter))
        start_response("200 OK", [])
        return [b"fine"]

    assert ask(reporter.wsgi(shop), "/token/ghp_" + "a1B2" * 9) == [b"fine"]
    assert seen == [("request", "GET", "/token/[masked: GitHub token]", "MainThread")]
    assert notes(reporter) == []


class Sized(list[bytes]):
    """A container of the application's own."""


def generated() -> Iterator[bytes]:
    yield b"a"
    yield b"b"


@pytest.mark.parametrize("make", [generated, lambda: iter([b"a", b"b"]), lambda: Sized([b"a", b"b"])])
def test_a_body_that_is_not_a_list_is_under_way_until_it_is_closed(
    reporter: Reporter, make: Callable[[], Iterable[bytes]]
) -> None:
    """Whatever sort of body; a container keeps its length."""

    def shop(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return make()

    body = ask(reporter.wsgi(shop))
    assert hasattr(body, "__len__") == isinstance(make(), Sized)
    chunks = iter(body)
    assert next(chunks) == b"a"
    assert len(notes(reporter)) == 1
    assert list(chunks) == [b"b"]
    body.close()
    assert notes(reporter) == []


def test_a_body_that_no_server_closes_is_over_when_it_is_forgotten(reporter: Reporter) -> None:
    """A slot is not lost by a server that keeps no rule."""

    def shop(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return generated()

    body = ask(reporter.wsgi(shop))
    assert len(notes(reporter)) == 1
    del body
    assert notes(reporter) == []


def test_a_request_that_fails_is_over(reporter: Reporter) -> None:
    """It is reported as ever, and answered."""

    def shop(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise KeyError("order")

    assert b"".join(ask(reporter.wsgi(shop)))
    assert notes(reporter) == []
    assert reporter.stats()["captured"] == 1


def test_of_wrapped_applications_around_each_other_only_the_outermost_notes(reporter: Reporter) -> None:
    """One request is one note."""
    seen = []

    def shop(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.extend(notes(reporter))
        start_response("200 OK", [])
        return [b"fine"]

    inner = reporter.wsgi(shop)

    def outer(environ: dict[str, Any], start_response: Any) -> Any:
        return inner(environ, start_response)

    ask(reporter.wsgi(outer))
    assert len(seen) == 1
    assert notes(reporter) == []


def test_concurrent_requests_of_one_loop_have_a_note_each(reporter: Reporter) -> None:
    """ASGI: http only; a websocket is open for hours and breaks nothing off."""
    seen: list[tuple[str, ...]] = []

    async def shop(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        if not seen:
            seen.extend(notes(reporter))

    app = reporter.asgi(shop)

    async def both() -> None:
        scopes = [{"type": "http", "method": "GET", "path": path, "headers": []} for path in ("/a", "/b")]
        sockets = [{"type": "websocket", "path": "/live", "headers": []}]
        await asyncio.gather(*(app(scope, None, None) for scope in (*sockets, *scopes)))  # type: ignore[arg-type]

    asyncio.run(both())
    assert [words[:3] for words in seen] == [("request", "GET", "/a"), ("request", "GET", "/b")]
    assert notes(reporter) == []


def test_work_in_the_background_is_noted_too_until_the_reporter_is_closed(reporter: Reporter) -> None:
    """By its name, by what runs it, by its id."""
    with Work("shop.tasks.resize", by="celery", id="17"):
        assert notes(reporter) == [("task", "shop.tasks.resize", "celery", "17")]
    assert notes(reporter) == []
    reporter.close()
    assert not WATCHERS


def test_without_the_setting_nothing_is_added_to_a_request_or_to_work(tmp_path: Path) -> None:
    """No wrapper, no watcher, no file."""
    made = Reporter(load({"application": "shop", "spool": str(tmp_path / "spool"), "delivery": "process"}, {}, {}))
    app = made.wsgi(lambda environ, start_response: [start_response("200 OK", []) or b"fine"])
    assert app.__code__.co_filename.endswith("wsgi/guest.py")
    assert made.intake.deaths is None
    assert not WATCHERS
    ask(app)
    assert not (tmp_path / "spool").exists()
    made.close()


def test_a_forked_child_leaves_its_parents_notes_alone(reporter: Reporter) -> None:
    """Also one that goes on through its parent's stack, and ends the request there."""
    seen = []

    def shop(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        pid = os.fork()
        start_response("200 OK", [])
        if pid:
            os.waitpid(pid, 0)
            seen.extend(notes(reporter))
        return [b"child" if not pid else b"parent"]

    answer = ask(reporter.wsgi(shop))
    if answer == [b"child"]:
        os._exit(0)
    assert [words[2] for words in seen] == ["/orders/7"]


def test_close_takes_away_what_tells_of_a_death(reporter: Reporter) -> None:
    """A process that goes on without tocsin dies unnoticed, as it did before."""
    ask(reporter.wsgi(lambda environ, start_response: [start_response("200 OK", []) or b"fine"]))
    folder = Path(reporter.settings.spool)
    assert len(list(folder.glob("*.flight"))) == 1
    reporter.close()
    assert list(folder.glob("*.flight")) == list(folder.glob("*.crash")) == []


def test_what_a_framework_calls_with_a_request_is_noted_for_the_length_of_the_call(reporter: Reporter) -> None:
    """Sync and async, and once where one calls another."""
    seen: list[tuple[str, ...]] = []

    def handler(request: dict[str, Any]) -> str:
        seen.extend(notes(reporter))
        return "fine"

    async def later(request: dict[str, Any], handler: Callable[..., str]) -> str:
        return handler(request)

    def words(request: dict[str, Any]) -> tuple[dict[str, Any], str, str]:
        return request, "GET", "/orders/7"

    inner = noted_handler(handler, reporter.intake, words)
    outer = noted_handler(later, reporter.intake, words)
    assert asyncio.run(outer({}, inner)) == "fine"  # type: ignore[arg-type]
    assert inner({}) == "fine"
    assert [words[:3] for words in seen] == [("request", "GET", "/orders/7")] * 2
    assert notes(reporter) == []
