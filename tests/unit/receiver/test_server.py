"""The receiver's server on a loopback port: what each sort of sender is told, and that none holds up another."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tocsin.config.setting import parse_table
from tocsin.event import limits
from tocsin.event.errors import ConfigError, StoreError
from tocsin.receiver.inbox import Inbox
from tocsin.receiver.listen import Listen, TlsFiles, listen_of, tls_context
from tocsin.receiver.server import Server
from tocsin.sinks.base import Entry, Origin, SinkContext, Unavailable
from tocsin.sinks.socket import SocketSink
from tocsin.sinks.socket.protocol import LINE_BYTES, Hello, hello_line

HELLO = hello_line(Hello(1, "shop", "production", "web1"))
WELCOME = {"hello": "tocsin lines", "version": 1}


class Client:
    """Say bytes and read answers."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self._file = self.sock.makefile("rb")

    def say(self, *lines: Any) -> None:
        for line in lines:
            data = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
            self.sock.sendall(data)

    def answer(self) -> Any:
        """Return the next answer; None where the receiver has closed."""
        try:
            line = self._file.readline()
        except ConnectionResetError:
            return None
        return json.loads(line) if line else None

    def until(self, taken: int) -> list[Any]:
        """Return the answers up to the one that acknowledges so many; how they are bundled is chance."""
        found = []
        while (answer := self.answer()) is not None:
            found.append(answer)
            if answer.get("taken") == taken:
                break
        return found

    def close(self) -> None:
        self._file.close()
        self.sock.close()


@pytest.fixture
def serving(new_inbox: Callable[..., Inbox]) -> Iterator[Callable[..., Any]]:
    inbox = new_inbox()

    @contextmanager
    def serve(token: str = "", transport: str = "tcp") -> Iterator[tuple[Server, Inbox, Callable[[], Client]]]:
        server = Server(inbox, [Listen(transport, "127.0.0.1", 0)], None, token)  # type: ignore[arg-type]
        clients: list[Client] = []

        def connect() -> Client:
            clients.append(Client(port))
            return clients[-1]

        try:
            port = int(server.start()[0].rpartition(":")[2])
            yield server, inbox, connect
        finally:
            for client in clients:
                client.close()
            server.stop()

    yield serve


def wait_for(is_so: Callable[[], Any]) -> None:
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_lines_are_acknowledged_by_their_number(serving: Any, members: Any) -> None:
    with serving() as (_, inbox, connect):
        client = connect()
        client.say(HELLO, members(offset=1), members(offset=2), b"\n \r\n", members(offset=3))
        assert client.answer() == WELCOME
        assert client.until(3)[-1] == {"taken": 3}
        client.say(members(offset=3), members(offset=4))
        assert client.until(5)[-1] == {"taken": 5}
        assert (inbox.stored, inbox.repeated) == (4, 1)


def test_a_line_in_many_pieces_is_one(serving: Any, members: Any) -> None:
    with serving() as (_, _inbox, connect):
        client = connect()
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in HELLO + json.dumps(members()).encode() + b"\n":
            client.say(bytes([byte]))
        assert client.answer() == WELCOME
        assert client.answer() == {"taken": 1}


def test_a_sender_without_a_hello_gets_no_answer(serving: Any, members: Any) -> None:
    """As netcat: `nc host 9797 < events.jsonl`."""
    with serving() as (_, inbox, connect):
        client = connect()
        client.say(members(offset=1), members(offset=2))
        client.sock.shutdown(socket.SHUT_WR)
        assert client.answer() is None
        assert inbox.stored == 2


@pytest.mark.complaints
def test_a_line_that_can_not_be_read_is_told_and_the_next_one_is_taken(serving: Any, members: Any) -> None:
    with serving() as (server, inbox, connect):
        client = connect()
        client.say(HELLO, members(offset=1), b"no json\n", members(offset=2, kind="question"), [1], members(offset=3))
        assert client.answer() == WELCOME
        faults = [answer for answer in client.until(5) if "error" in answer]
        assert [(fault["error"], fault["line"]) for fault in faults] == [("line", 2), ("line", 3), ("line", 4)]
        assert inbox.stored == 2
        assert server.faults == {"line": 3}


@pytest.mark.complaints
def test_a_newer_schema_ends_the_conversation_after_what_was_before(serving: Any, members: Any) -> None:
    with serving() as (_, inbox, connect):
        client = connect()
        client.say(HELLO, members(offset=1), members(offset=2, schema=2), members(offset=3))
        assert client.answer() == WELCOME
        assert client.until(1) == [{"taken": 1}]
        assert client.answer() == {
            "error": "schema",
            "reason": "schema 2 is newer than this receiver, which reads 1",
            "line": 2,
        }
        assert client.answer() is None
        assert inbox.stored == 1


@pytest.mark.complaints
def test_a_line_without_an_end_is_left_at_its_bound(serving: Any) -> None:
    with serving() as (_, _inbox, connect):
        client = connect()
        client.say(HELLO)
        assert client.answer() == WELCOME
        client.say(b"x" * (LINE_BYTES + 1))
        assert client.answer()["error"] == "length"


@pytest.mark.complaints
@pytest.mark.parametrize(
    "first",
    [
        {"hello": "tocsin lines", "version": 1},
        {"hello": "tocsin lines", "version": 1, "token": "wrong"},
        {"hello": "tocsin lines", "version": 1, "token": "\ud800"},
        {"schema": 1},
        b"no json\n",
    ],
)
def test_without_the_token_nothing_is_taken(serving: Any, members: Any, first: Any) -> None:
    with serving("secret") as (_, inbox, connect):
        client = connect()
        client.say(first)
        assert client.answer()["error"] == "token"
        assert inbox.stored == 0
        other = connect()
        other.say(hello_line(Hello(1, token="secret")), members())
        assert other.answer() == WELCOME
        assert other.answer() == {"taken": 1}


@pytest.mark.complaints
@pytest.mark.parametrize(
    "hello",
    [
        {"hello": "tocsin lines", "version": 2},
        {"hello": "tocsin lines"},
        {"hello": "tocsin lines", "version": True},
        {"hello": "another", "version": 1},
        {"hello": "tocsin lines", "version": 1, "host": 7},
    ],
)
def test_another_protocol_or_version_is_told(serving: Any, hello: Any) -> None:
    with serving() as (_, _inbox, connect):
        client = connect()
        client.say(hello)
        assert client.answer()["error"] == "version"
        assert client.answer() is None


def test_a_sender_that_hangs_in_mid_line_holds_up_nobody(serving: Any, members: Any) -> None:
    with serving() as (_, _inbox, connect):
        slow = connect()
        slow.say(HELLO, b'{"schema": 1, "ki')
        quick = connect()
        quick.say(HELLO, members())
        assert quick.answer() == WELCOME
        assert quick.answer() == {"taken": 1}


@pytest.mark.complaints
def test_connections_past_the_bound_are_told_to_come_back(
    serving: Any, members: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECEIVER_CONNECTIONS", 1)
    with serving() as (server, _, connect):
        first = connect()
        first.say(HELLO)
        assert first.answer() == WELCOME
        assert connect().answer() == {"error": "busy", "reason": "too many connections"}
        first.close()

        def is_free() -> bool:
            server.tend()
            client = connect()
            client.say(HELLO)
            return bool(client.answer() == WELCOME)

        wait_for(is_free)


@pytest.mark.complaints
def test_empty_lines_instead_of_a_hello_gain_no_time(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever has no token could hold every connection there is."""
    monkeypatch.setattr(limits, "RECEIVER_HELLO_S", 0.2)
    with serving(token="secret") as (_, _, connect):
        client = connect()
        client.say(b"\n\n")
        assert client.answer()["error"] == "token"


@pytest.mark.parametrize("has_token", [False, True])
def test_who_says_nothing_for_long_is_left(
    serving: Any, monkeypatch: pytest.MonkeyPatch, has_token: bool, request: pytest.FixtureRequest
) -> None:
    """A sender whose network was cut never says that it has gone; one that has no token gets less time."""
    request.applymarker(pytest.mark.complaints)
    monkeypatch.setattr(limits, "RECEIVER_HELLO_S" if has_token else "RECEIVER_IDLE_S", 0.01)
    with serving("secret" if has_token else "") as (_, _inbox, connect):
        client = connect()
        assert client.answer()["error"] == ("token" if has_token else "idle")
        assert client.answer() is None


@pytest.mark.complaints
def test_a_disk_that_is_full_is_told_and_what_was_stored_before_is_acknowledged(
    serving: Any, members: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    write, done = os.pwrite, []

    def fills(fd: int, data: bytes, offset: int) -> int:
        if "events" in str(Path(f"/proc/self/fd/{fd}").readlink()):
            done.append(offset)
        return write(fd, data, offset) if len(done) <= 2 else 0

    with serving() as (_, _inbox, connect):
        monkeypatch.setattr("tocsin.receiver.writer.os.pwrite", fills)
        client = connect()
        client.say(HELLO, members(offset=1), members(offset=2))
        assert client.answer() == WELCOME
        assert client.until(1) == [{"taken": 1}]
        assert client.answer()["error"] == "store"
        assert client.answer() is None


def test_datagrams_are_lines(serving: Any, members: Any, new_inbox: Any) -> None:
    with serving(transport="udp") as (server, inbox, _):
        (listen, sock) = server._sockets[0]
        assert listen.transport == "udp"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(sock.getsockname())
            for number in range(20):
                sender.send(json.dumps(members(offset=number)).encode())
            sender.send(b"\x00garbage\n{}\n" + json.dumps(members(offset=99)).encode())
        wait_for(lambda: inbox.stored == 21)
        assert server.faults == {"line": 2}


# -- where to listen ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("tls://0.0.0.0:9797", "tls://0.0.0.0:9797"),
        ("tcp://localhost", "tcp://localhost:9797"),
        ("udp://[::1]:1", "udp://[::1]:1"),
        ("unix:///run/errors.sock?mode=0660", "unix:///run/errors.sock"),
    ],
)
def test_urls_to_listen_on(url: str, where: str) -> None:
    assert listen_of(url).where == where


@pytest.mark.parametrize(
    "url",
    ["", "9797", "http://localhost", "tcp://", "tcp://localhost:x", "tcp://a/b", "tcp://u@a", "tcp://a?b=c",
     "unix://run/x", "unix:", "unix:///x?mode=0777", "unix:///x?mode=0890", "unix:///x?mode=9", "tcp://[::1"],
)  # fmt: skip
def test_urls_that_name_no_place_are_told(url: str) -> None:
    with pytest.raises(ConfigError):
        listen_of(url)


def test_a_unix_socket_has_its_rights_and_one_that_was_left_is_replaced(tmp_path: Path, new_inbox: Any) -> None:
    path = tmp_path / "errors.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    server = Server(new_inbox(), [listen_of(f"unix://{path}?mode=0660")], None, "")
    server.start()
    assert path.stat().st_mode & 0o777 == 0o660
    other = Server(server._inbox, [listen_of(f"unix://{path}")], None, "")
    with pytest.raises(StoreError, match="can't be listened on"):
        other.start()
    assert path.exists()
    server.stop()
    assert not path.exists()


def test_a_place_that_is_taken_is_told(new_inbox: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = Server(new_inbox(), [Listen("tcp", "127.0.0.1", port)], None, "")
        with pytest.raises(StoreError, match=f"tcp://127.0.0.1:{port} can't be listened on"):
            server.start()


def test_tls_files_that_can_not_be_used_are_named(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nothing")
    for files in (TlsFiles(str(nonsense)), TlsFiles(str(tmp_path / "missing"), str(nonsense))):
        with pytest.raises(ConfigError, match="--cert"):
            tls_context(files)


@pytest.mark.complaints
def test_why_a_big_batch_was_turned_away_reaches_a_sender_that_still_sends(serving: Any, members: Any) -> None:
    """A receiver that closes at once would reset the connection, and its answer be lost with it."""
    with serving() as (_, _inbox, connect):
        port = connect().sock.getpeername()[1]
        lines = [json.dumps(members(offset=number, schema=2, message="x" * 100_000)).encode() for number in range(100)]
        for _ in range(5):
            values, _ = parse_table(SocketSink.settings, {"host": "127.0.0.1", "port": port}, "socket")
            sink = SocketSink.from_options(values, SinkContext("shop", "production", "web1"))
            entries = [
                Entry(Origin("p", 0, offset=number), "error", 40, "", 1, line) for number, line in enumerate(lines)
            ]
            outcome = sink.deliver(entries)
            sink.close()
            assert isinstance(outcome, Unavailable)
            assert "newer than this receiver" in outcome.reason
