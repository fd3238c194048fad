"""Disconnects, bad hosts and timeouts: what is no fault of the application, and what only looks so."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.capture.disconnects import is_bad_host, is_disconnect, is_worker_timeout


def _of_class(module: str, name: str, base: type[BaseException] = Exception) -> BaseException:
    made: Any = type(name, (base,), {"__module__": module})
    return type("Derived", (made,), {})()  # type: ignore[no-any-return]


def _raised_in(modules: list[str], exc: BaseException, function: str = "f") -> BaseException:
    """Raise ``exc`` below frames of modules, the first outermost."""
    call: Any = None
    for module in reversed(modules):
        space: dict[str, Any] = {"__name__": module, "call": call, "exc": exc}
        exec(f"def {function}():\n    if call: call()\n    raise exc\n", space)
        call = space[function]
    try:
        call()
    except BaseException as caught:
        return caught
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("werkzeug.exceptions", "ClientDisconnected"),
        ("django.http.request", "UnreadablePostError"),
        ("gunicorn.http.errors", "NoMoreData"),
        ("starlette.requests", "ClientDisconnect"),
        ("starlette.websockets", "WebSocketDisconnect"),
        ("uvicorn.protocols.utils", "ClientDisconnected"),
    ],
)
def test_known_classes_and_their_subclasses_are_disconnects(module: str, name: str) -> None:
    """By name, so that no framework is imported."""
    assert is_disconnect(_of_class(module, name))
    assert not is_disconnect(_of_class("shop", name))


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        (["shop", "werkzeug.wsgi", "gunicorn.http.body", "gunicorn.http.unreader"], True),
        (["wsgiref.handlers", "socketserver"], True),
        (["shop", "waitress.channel"], True),
        (["shop", "werkzeug.serving", "socket"], True),
        (["gunicorn.workers.sync", "shop", "psycopg.connection"], False),
        (["gunicorn.workers.sync", "shop", "redis.connection", "socket"], False),
        (["gunicorn.workers.sync", "shop"], False),
        (["gunicorn.workers.sync", "shop", "smtplib", "ssl"], False),
        (["aiohttp.web_protocol", "shop", "aiohttp.web_request", "aiohttp.streams", "asyncio.selector_events"], True),
        (["aiohttp.web_protocol", "shop", "aiohttp.web_ws", "aiohttp._websocket.writer"], True),
        (["aiohttp.web_protocol", "shop", "aiohttp.client_ws", "aiohttp._websocket.writer"], False),
        (["aiohttp.web_protocol", "shop", "asyncpg.connection", "asyncio.selector_events"], False),
    ],
)
@pytest.mark.parametrize("cls", [BrokenPipeError, ConnectionResetError, TimeoutError])
def test_connection_errors_count_by_whose_connection_it_is(
    modules: list[str], expected: bool, cls: type[OSError]
) -> None:
    """The innermost frames are the server's: the client went; a driver's: the database did."""
    assert is_disconnect(_raised_in(modules, cls())) is expected


def test_servers_in_c_are_known_by_their_words() -> None:
    """uWSGI's frames are not to be seen."""
    assert is_disconnect(_raised_in(["shop"], OSError("write error")))
    assert is_disconnect(_raised_in(["shop"], OSError("error during read(4096) on wsgi.input")))
    assert not is_disconnect(_raised_in(["shop"], OSError(5, "write error")))
    assert not is_disconnect(_raised_in(["shop"], ValueError("write error")))


def test_bad_hosts_are_known() -> None:
    """Scanners send them all day."""
    assert is_bad_host(_of_class("django.core.exceptions", "DisallowedHost"))
    assert is_bad_host(_of_class("werkzeug.exceptions", "SecurityError"))
    assert not is_bad_host(ValueError())


def test_gunicorns_timeout_is_told_from_other_exits() -> None:
    """SystemExit from the abort handler means that the worker's time was up."""
    timeout = _raised_in(["shop", "gunicorn.workers.base"], SystemExit(1), "handle_abort")
    assert is_worker_timeout(timeout)
    assert not is_worker_timeout(_raised_in(["shop"], SystemExit(1), "handle_abort"))
    assert not is_worker_timeout(_raised_in(["gunicorn.workers.base"], SystemExit(0), "handle_quit"))
    assert not is_worker_timeout(_raised_in(["gunicorn.workers.base"], ValueError(), "handle_abort"))


def test_no_foreign_code_runs() -> None:
    """Hostile exceptions are asked nothing."""

    class Hostile(ConnectionError):
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("foreign code ran")

    exc = _raised_in(["shop"], Hostile())
    assert not is_disconnect(exc)
    assert not is_bad_host(exc)
    assert not is_worker_timeout(exc)


def test_group_is_a_disconnect_if_all_that_it_holds_are() -> None:
    """Task groups wrap what their tasks raise, be it one exception."""
    gone, fault = _of_class("starlette.requests", "ClientDisconnect"), ValueError("of the application")

    def group(*members: BaseException) -> BaseException:
        return BaseExceptionGroup("tasks", members)

    assert is_disconnect(group(gone))
    assert is_disconnect(group(gone, group(gone, gone)))
    assert not is_disconnect(group(gone, fault))
    assert not is_disconnect(group(gone, group(gone, fault)))
    assert not is_disconnect(group(*[gone] * 1_000))
    deep = gone
    for _ in range(5_000):
        deep = group(deep)
    assert not is_disconnect(deep)
    del deep
