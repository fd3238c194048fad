"""The ASGI frameworks, installed, on their servers: clients that leave, requests that are cancelled, the shutdown."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from asgi_servers import SERVERS, Shop, running, skip_if_missing, wait_until_up  # noqa: E402
from served_frameworks import WAITING  # noqa: E402

FRAMEWORKS = {
    "starlette": "/failing/{name}",
    "fastapi": "/failing/{name}",
    "litestar": "/failing/{name}",
    "quart": "/failing/<name>",
}
HANDSHAKE = (
    b"GET /listen HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PLACES = [(framework, server) for framework in FRAMEWORKS for server in ("uvicorn", "hypercorn")]


@contextmanager
def serving(framework: str, command: Any, folder: Path) -> Iterator[tuple[Any, int]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVED", framework)
        with running(command, "served_frameworks:app", folder) as (process, port):
            yield process, port


@pytest.fixture(scope="module", params=PLACES, ids=lambda place: "-".join(place))
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    framework, server = request.param
    pytest.importorskip(framework, reason=f"no {framework}; pip install {framework}")
    skip_if_missing(server)
    folder = tmp_path_factory.mktemp(f"{framework}-{server}")
    with serving(framework, SERVERS[server], folder) as (process, port):
        wait_until_up(process, port, folder / "server.log")
        shop = Shop(port, folder / "events.jsonl")
        shop.route = FRAMEWORKS[framework]  # type: ignore[attr-defined]
        yield shop


def told_of(shop: Any, path: str) -> list[Any]:
    """Return what was told of a path, once a fault that came later has been told."""
    shop.ask(f"/failing/after-{path.strip('/')}")
    assert shop.of_path(f"/failing/after-{path.strip('/')}")
    return [event for event in shop.events(0) if (event["request"] or {}).get("path") == path]


def test_fault_is_told_once_with_its_route_and_the_answer_names_it(shop: Any) -> None:
    answer = shop.ask("/failing/plain")
    assert answer.status.startswith("500")
    [event] = shop.of_path("/failing/plain")
    assert (event["kind"], event["exception"]["type"]) == ("traceback", "ValueError")
    assert event["request"]["route"] == shop.route
    assert answer.error_ids == [event["error_id"]]


def test_client_that_leaves_a_stream_is_no_fault(shop: Any) -> None:
    link = shop.begin("/endless")
    assert link.recv(1000)
    link.close()
    assert told_of(shop, "/endless") == []


def test_client_that_leaves_an_upload_is_no_fault(shop: Any) -> None:
    link = shop.begin("/upload", method="POST", length=1_000_000)
    link.sendall(b"x" * 1000)
    link.close()
    assert told_of(shop, "/upload") == []


def test_client_that_leaves_a_websocket_is_no_fault(shop: Any) -> None:
    pytest.importorskip("websockets", reason="no websockets; pip install websockets")
    from websockets.sync.client import connect

    with socket.create_connection(("127.0.0.1", shop.port), timeout=10) as rude:  # goes without a word
        rude.sendall(HANDSHAKE)
        assert b" 101 " in rude.recv(4096)
    with connect(f"ws://127.0.0.1:{shop.port}/listen", proxy=None) as link:
        link.send("hello")
    assert told_of(shop, "/listen") == []


def test_timeout_that_the_application_sets_and_handles_is_no_fault(shop: Any) -> None:
    assert shop.ask("/timed").body == b"too late"
    assert told_of(shop, "/timed") == []


@pytest.mark.parametrize("place", PLACES, ids=lambda place: "-".join(place))
def test_shutdown_with_a_request_in_the_middle_is_no_fault(place: tuple[str, str], tmp_path: Path) -> None:
    """Servers wait for it, then cancel it; here they are not given the time to wait."""
    framework, server = place
    pytest.importorskip(framework, reason=f"no {framework}; pip install {framework}")
    skip_if_missing(server)
    in_no_time = {"uvicorn": ["--timeout-graceful-shutdown", "1"], "hypercorn": ["--graceful-timeout", "1"]}[server]

    def command(app: str, port: int) -> list[str]:
        return [*SERVERS[server](app, port), *in_no_time]

    with serving(framework, command, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        shop = Shop(port, tmp_path / "events.jsonl")
        with shop.begin("/slow"):
            [waiting] = shop.events(1)
            assert waiting["message"] == WAITING
            process.terminate()
            process.wait(30)
    _deliver(tmp_path)
    assert [event["message"] for event in shop.events(1)] == [WAITING]


def _deliver(folder: Path) -> None:
    import subprocess

    deliver = [sys.executable, "-m", "tocsin", "deliver", "--drain", "--config", str(folder / "tocsin.toml")]
    subprocess.run(deliver, capture_output=True, check=True)
