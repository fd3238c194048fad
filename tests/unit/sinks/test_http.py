"""One HTTP exchange: every answer, delay and defect of a server becomes a reply or an outcome in words."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config.setting import parse_table
from tocsin.event import limits
from tocsin.event.errors import ConfigError
from tocsin.sinks.base import Failed, Refused, SinkContext, Unavailable
from tocsin.sinks.http import HTTP_SETTINGS, Http, encode_json, require_urllib3
from tocsin.sinks.network import explain

urllib3 = pytest.importorskip("urllib3", reason="no urllib3; pip install urllib3")

CONTEXT = SinkContext("shop", "production", "web1", mask=lambda text: text.replace("hunter2", "[masked]"))
SHORT_S = 0.3  # for servers that don't answer in time
LONG_S = 30.0  # for all others: nothing waits that long

Script = Callable[[socket.socket, bytes], None]


class Server:
    """Answer each connection by a script of its own, the last one for all further; keep what was asked."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.asked: list[bytes] = []
        self.connections = 0
        self.is_ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._open.append(sock)
            threading.Thread(target=self._answer, args=(sock, script), daemon=True).start()

    def _answer(self, sock: socket.socket, script: Script) -> None:
        try:
            while request := read_request(sock):
                self.asked.append(request)
                script(sock, request)
        except OSError:
            pass

    def close(self) -> None:
        self.is_ended.set()
        for sock in (self._listener, *self._open):
            sock.close()


def read_request(sock: socket.socket) -> bytes:
    found = b""
    while b"\r\n\r\n" not in found:
        data = sock.recv(65_536)
        if not data:
            return b""
        found += data
    head, _, body = found.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    while len(body) < length:
        body += sock.recv(65_536)
    return head + b"\r\n\r\n" + body


def answering(status: int, body: bytes = b"", **headers: str) -> Script:
    lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    whole = "\r\n".join([*lines, "", ""]).encode() + body
    return lambda sock, _: sock.sendall(whole)


def raw(data: bytes, *, closes: bool = True) -> Script:
    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(data)
        if closes:
            sock.shutdown(socket.SHUT_RDWR)

    return script


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*scripts: Script) -> Server:
        servers.append(Server(*scripts))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def options(**given_: Any) -> dict[str, Any]:
    values, faults = parse_table(HTTP_SETTINGS, {"timeout": LONG_S, **given_}, "sink")
    assert faults == []
    return values


def make(url: str, secrets: dict[str, str] | None = None, masked: tuple[str, ...] = (), **given_: Any) -> Http:
    return Http(url, options(**given_), CONTEXT, secrets=secrets, masked=masked)


def failing(http: Http, **keywords: Any) -> Unavailable | Refused:
    try:
        with pytest.raises(Failed) as caught:
            http.call("POST", "/in", **{"body": b"{}", **keywords})
    finally:
        http.close()
    return caught.value.outcome


# -- what statuses mean ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_status_from_200_to_299_is_a_reply(serve: Callable[..., Server], status: int) -> None:
    """With its headers in lower case, and its body."""
    http = make(serve(answering(status, b"" if status == 204 else b"done", X_Own="Yes")).url)
    reply = http.call("POST", "/in", body=b"{}")
    http.close()
    assert (reply.status, reply.headers["x-own"]) == (status, "Yes")
    assert reply.body == (b"" if status == 204 else b"done")


@pytest.mark.parametrize(
    ("status", "outcome", "remedy"),
    [
        (301, Unavailable, "set url"),
        (302, Unavailable, "set url"),
        (304, Unavailable, "set url"),
        (308, Unavailable, "set url"),
        (400, Refused, ""),
        (401, Unavailable, "credentials"),
        (403, Unavailable, "right"),
        (404, Unavailable, "url"),
        (405, Unavailable, "url"),
        (407, Unavailable, "credentials"),
        (101, Unavailable, "log"),
        (408, Unavailable, "log"),
        (410, Unavailable, "url"),
        (413, Refused, ""),
        (422, Refused, ""),
        (425, Unavailable, "log"),
        (429, Unavailable, "log"),
        (500, Unavailable, "log"),
        (502, Unavailable, "log"),
        (503, Unavailable, "log"),
        (599, Unavailable, "log"),
    ],
)
def test_a_status_becomes_an_outcome(
    serve: Callable[..., Server], status: int, outcome: type[Unavailable | Refused], remedy: str
) -> None:
    """What a mended configuration cures waits; only what is said of this very report is for good."""
    found = failing(make(serve(answering(status, b"no\r\nway\x1b")).url), step="opening")
    assert isinstance(found, outcome)
    assert remedy in found.remedy
    assert "while opening" in found.reason
    assert found.reason.isprintable()


def test_a_page_that_says_400_waits(serve: Callable[..., Server]) -> None:
    """It is a proxy's, or another service is at the url; one that says 413 knows how long the text is."""
    page = {"Content_Type": "Text/HTML; charset=utf-8"}
    assert isinstance(failing(make(serve(answering(400, b"<html>", **page)).url)), Unavailable)
    assert isinstance(failing(make(serve(answering(413, b"<html>", **page)).url)), Refused)


def test_a_status_that_the_caller_knows_is_a_reply(serve: Callable[..., Server]) -> None:
    """And `judged` says what it would have been."""
    http = make(serve(answering(404, b"none")).url)
    reply = http.call("GET", "/in", allow=(404,))
    http.close()
    assert reply.status == 404
    assert "answered 404" in http.judged(reply, "looking").reason


@pytest.mark.parametrize(
    ("header", "least_s", "most_s"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        (timedelta(hours=2), 7_000, 7_200),
        (timedelta(hours=-2), 0, 0),
    ],
)
def test_retry_after_is_handed_on(
    serve: Callable[..., Server], header: str | timedelta, least_s: float, most_s: float
) -> None:
    if isinstance(header, timedelta):
        header = format_datetime(datetime.now(UTC) + header, usegmt=True)
    """As seconds or as a date."""
    found = failing(make(serve(answering(503, Retry_After=header)).url))
    assert isinstance(found, Unavailable)
    assert found.retry_after_s is not None
    assert least_s <= found.retry_after_s <= most_s


@pytest.mark.parametrize("header", ["soon", "-5", "", "1.5", "٣", "Mon, 99 Nov 2026 00:00:00 GMT"])
def test_a_retry_after_that_says_nothing_is_passed_over(serve: Callable[..., Server], header: str) -> None:
    """The usual backoff holds."""
    text = f"HTTP/1.1 503 X\r\nContent-Length: 0\r\nRetry-After: {header}\r\n\r\n".encode()
    found = failing(make(serve(raw(text, closes=False)).url))
    assert isinstance(found, Unavailable)
    assert found.retry_after_s is None


# -- time --------------------------------------------------------------------------------------------------


def dripping(start: bytes, drop: bytes, is_ended: threading.Event) -> Script:
    """Send a byte or two before each read would time out, for as long as anybody listens."""

    def script(sock: socket.socket, _: bytes) -> None:
        sock.sendall(start)
        while not is_ended.wait(0.02):
            sock.sendall(drop)

    return script


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"y"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\ny\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"y"),
        (b"", b""),
    ],
)
def test_a_server_that_drips_is_given_up(start: bytes, drop: bytes) -> None:
    """Each byte comes in time, the answer never: headers, a header's value, bodies of all sorts, nothing at all."""
    is_ended = threading.Event()
    server = Server(dripping(start, drop, is_ended))
    try:
        found = failing(make(server.url, timeout=SHORT_S))
    finally:
        is_ended.set()
        server.close()
    assert isinstance(found, Unavailable)
    assert "did not answer in time" in found.reason or "no HTTP" in found.reason


def test_a_server_that_reads_nothing_is_given_up() -> None:
    """A request that nobody takes ends in time as well."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        http = make(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=SHORT_S)
        found = failing(http, body=bytes(50_000_000))
    assert isinstance(found, Unavailable)
    assert "did not answer in time" in found.reason


# -- defects -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "hung up"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "hung up"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "hung up"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "hung up"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP"),
        (b"220 mail.example.org ESMTP\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", "no HTTP"),
    ],
)
def test_an_answer_that_is_broken_is_told_in_words(serve: Callable[..., Server], answer: bytes, words: str) -> None:
    """Without an object's address, and without a traceback."""
    found = failing(make(serve(raw(answer)).url))
    assert isinstance(found, Unavailable)
    assert words in found.reason
    assert " object at 0x" not in found.reason


def test_nobody_there_is_told() -> None:
    """With host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = failing(make(f"http://127.0.0.1:{port}"))
    assert isinstance(found, Unavailable)
    assert found.reason == f"nothing listens on 127.0.0.1:{port}"


def test_a_name_that_leads_nowhere_is_told() -> None:
    """`.invalid` never exists."""
    found = failing(make("http://collector.invalid"))
    assert isinstance(found, Unavailable)
    assert "can't be resolved" in found.reason


def test_tls_spoken_to_a_plain_server_is_told(serve: Callable[..., Server]) -> None:
    """The wrong port is the usual mistake."""
    server = serve(answering(200))
    found = failing(make(server.url.replace("http:", "https:"), timeout=SHORT_S))
    assert isinstance(found, Unavailable)
    assert server.url.partition("//")[2] in found.reason


def test_an_answer_that_is_too_long_is_not_read_to_its_end(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded, whatever Content-Length says."""
    monkeypatch.setattr(limits, "ANSWER_BYTES", 100_000)
    found = failing(make(serve(answering(200, bytes(200_000))).url))
    assert isinstance(found, Unavailable)
    assert "longer than 100,000 bytes" in found.reason


def test_a_bomb_of_gzip_does_not_go_off(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size unpacked is what counts."""
    monkeypatch.setattr(limits, "ANSWER_BYTES", 100_000)
    bomb = gzip.compress(bytes(20_000_000))
    assert len(bomb) < 100_000
    found = failing(make(serve(answering(200, bomb, Content_Encoding="gzip")).url))
    assert isinstance(found, Unavailable)
    assert "longer than 100,000 bytes" in found.reason


def test_a_header_that_would_break_the_request_is_told(serve: Callable[..., Server]) -> None:
    """It is refused on this side: nothing was asked."""
    server = serve(answering(200))
    found = failing(make(server.url), headers={"X-Own": "a\r\nX-Evil: b"})
    assert isinstance(found, Unavailable)
    assert "can't be asked" in found.reason
    assert server.asked == []


# -- secrets -----------------------------------------------------------------------------------------------


def test_a_secret_that_the_server_repeats_is_masked(serve: Callable[..., Server]) -> None:
    """Ours, the caller's, and what the application's own masking knows."""
    body = b"token s3cr3t of key p0bl1c is wrong, password hunter2 too"
    http = make(serve(answering(401, body)).url, secrets={"token": "s3cr3t"}, masked=("p0bl1c",))
    found = failing(http)
    assert "token [masked] of key [masked] is wrong, password [masked] too" in found.reason


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
)
def test_nothing_of_ours_is_in_the_applications_log(
    serve: Callable[..., Server], caplog: pytest.LogCaptureFixture, answer: bytes
) -> None:
    """urllib3 logs whole URLs, which may hold a token; what the application does with it is logged as ever."""
    server = serve(raw(answer))
    http = make(f"{server.url}/t0ken")
    with caplog.at_level("DEBUG"):
        http.call("POST", body=b"{}")
        http.close()
        assert caplog.records == []
        urllib3.PoolManager().request("POST", f"{server.url}/own", body=b"{}", retries=False)
    assert "/own" in caplog.text


def test_a_redirect_is_not_followed_and_told(serve: Callable[..., Server]) -> None:
    """A secret goes nowhere else; the target is shown without one."""
    other = serve(answering(200))
    found = failing(make(serve(answering(302, Location=f"{other.url}/?t=s3cr3t")).url, secrets={"token": "s3cr3t"}))
    assert other.asked == []
    assert f"sends on to {other.url}/?t=[masked]" in found.reason


def test_a_secret_does_not_travel_in_clear() -> None:
    """But to this machine, where nobody listens in; what is only masked may."""
    with pytest.raises(ConfigError, match="url must begin with https: token would travel in clear") as caught:
        make("http://errors.example.org", secrets={"token": "s3cr3t"})
    assert "s3cr3t" not in str(caught.value)
    for url in ("http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "https://errors.example.org"):
        make(url, secrets={"token": "s3cr3t"})
    make("http://errors.example.org", masked=("p0bl1c",))


# -- connections -------------------------------------------------------------------------------------------


def test_a_connection_is_kept_until_it_is_closed(serve: Callable[..., Server]) -> None:
    """By either side."""
    server = serve(answering(200, b"1"))
    http = make(server.url)
    for _ in range(3):
        assert http.call("GET").body == b"1"
    assert server.connections == 1
    http.close()
    http.close()
    assert http.call("GET").body == b"1"
    assert server.connections == 2
    http.close()


def test_a_connection_that_the_server_closed_meanwhile_is_made_anew(serve: Callable[..., Server]) -> None:
    """An idle connection ends after a while; nobody is told of it."""
    is_closed = threading.Event()

    def closing(sock: socket.socket, request: bytes) -> None:
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")(sock, request)
        is_closed.set()

    server = serve(closing)
    http = make(server.url)
    assert http.call("GET").body == b"1"
    assert is_closed.wait(30)
    assert http.call("GET").body == b"1"
    assert server.connections == 2
    http.close()


def test_a_forked_child_has_a_connection_of_its_own(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two processes would talk into each other's answers."""
    server = serve(answering(200, b"1"))
    http = make(server.url)
    http.call("GET")
    monkeypatch.setattr("os.getpid", lambda: -1)
    http.call("GET")
    assert server.connections == 2
    http.close()


def test_nothing_is_kept_where_gevent_has_patched(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket of gevent belongs to the thread it was made in."""
    monkeypatch.setattr("tocsin.sinks.http.is_patched_by_gevent", lambda: True)
    server = serve(answering(200, b"1"))
    http = make(server.url)
    http.call("GET")
    http.call("GET")
    assert server.connections == 2


def test_an_address_of_version_6_is_shown_in_brackets() -> None:
    """Else its port could not be told from it."""
    assert make("http://[::1]:8080/in").where == "[::1]:8080"


# -- proxies -----------------------------------------------------------------------------------------------


def test_a_proxy_is_asked_by_the_setting(serve: Callable[..., Server]) -> None:
    """For the whole URL, as proxies are."""
    proxy = serve(answering(200, b"by proxy"))
    http = make("http://errors.example.org/base", proxy=proxy.url)
    assert http.call("POST", "/in", body=b"{}").body == b"by proxy"
    http.close()
    assert proxy.asked[0].startswith(b"POST http://errors.example.org/base/in HTTP/1.1\r\n")


def test_a_proxy_is_asked_by_the_environment(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless NO_PROXY says otherwise."""
    proxy = serve(answering(200, b"by proxy"))
    monkeypatch.setenv("http_proxy", proxy.url.removeprefix("http://"))  # without a scheme, as curl takes it too
    http = make("http://errors.invalid")
    assert http.call("GET").body == b"by proxy"
    http.close()
    monkeypatch.setenv("no_proxy", "errors.invalid")
    found = failing(make("http://errors.invalid"))
    assert found.reason == "the name of errors.invalid can't be resolved"


def test_what_goes_to_this_machine_in_clear_goes_to_no_proxy(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold secrets, since it leaves this machine by no way."""
    proxy, server = serve(answering(200, b"by proxy")), serve(answering(200, b"itself"))
    monkeypatch.setenv("http_proxy", proxy.url)
    http = make(server.url)
    assert http.call("GET").body == b"itself"
    http.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_gets_its_credentials_and_nobody_else_sees_them(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """They stand in the variable, percent-encoded, as for every other program."""
    proxy = serve(raw(b"HTTP/1.1 407 not bob:pa/ss1\r\nContent-Length: 7\r\n\r\npa%2Fss1"))
    place = proxy.url.removeprefix("http://")
    monkeypatch.setenv(f"{scheme}_proxy", f"http://bob:pa%2Fss1@{place}")
    found = failing(make(f"{scheme}://errors.example.org"))
    assert b"\r\nProxy-Authorization: Basic Ym9iOnBhL3NzMQ==\r\n" in proxy.asked[0]
    assert "407" in found.reason
    assert "ss1" not in repr(found)
    assert "credentials" in found.remedy


@pytest.mark.parametrize("url", ["http://bob:pass1@proxy example.org", "socks5://bob:pass1@proxy.example.org"])
def test_a_proxy_that_can_not_be_used_is_told_and_not_quoted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """The variable may hold a password."""
    monkeypatch.setenv("https_proxy", url)
    found = failing(make("https://errors.example.org"))
    assert isinstance(found, Unavailable)
    assert found.reason == "the proxy that HTTPS_PROXY names can't be used"
    assert "ss1" not in repr(found)


@pytest.mark.parametrize(("code", "remedy"), [(9, "clock"), (10, "renew"), (18, "ca_file"), (62, "host")])
def test_a_certificate_that_is_not_trusted_has_its_remedy(code: int, remedy: str) -> None:
    """An authority's file doesn't mend one that has expired."""
    fault = ssl.SSLCertVerificationError()
    fault.verify_code, fault.verify_message = code, "words"
    assert remedy in explain(fault, "errors.example.org", "delivering").remedy


def test_a_proxy_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else people would look for the fault at the server."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    found = failing(make("https://errors.example.org"))
    assert found.reason == f"nothing listens on errors.example.org (through the proxy 127.0.0.1:{port})"


def test_a_proxy_that_refuses_a_tunnel_is_told(serve: Callable[..., Server]) -> None:
    """The secret stays here: the proxy is only told where to."""
    proxy = serve(answering(407))
    found = failing(make("https://errors.example.org", proxy=proxy.url), headers={"Authorization": "Bearer s3cr3t"})
    assert isinstance(found, Unavailable)
    assert "407" in found.reason
    assert proxy.asked[0].startswith(b"CONNECT errors.example.org:443 ")
    assert b"s3cr3t" not in proxy.asked[0]


def test_a_proxy_that_drips_is_given_up() -> None:
    """Its answer to CONNECT is bounded too."""
    is_ended = threading.Event()
    proxy = Server(dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", is_ended))
    try:
        found = failing(make("https://errors.example.org", proxy=proxy.url, timeout=SHORT_S))
    finally:
        is_ended.set()
        proxy.close()
    assert isinstance(found, Unavailable)


# -- JSON --------------------------------------------------------------------------------------------------


def test_a_value_is_sent_as_strict_json(serve: Callable[..., Server]) -> None:
    """With its type."""
    server = serve(answering(200, b'{"id": 7}', Content_Type="application/json"))
    http = make(server.url)
    reply = http.send("POST", "/in", {"a": float("nan"), "b": "\ud800x"}, step="sending")
    http.close()
    assert reply.json() == {"id": 7}
    head, _, body = server.asked[0].partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.lower()
    assert json.loads(body) == {"a": None, "b": "\ufffdx"}


def test_an_answer_that_is_no_json_is_told(serve: Callable[..., Server]) -> None:
    """A login page, say: something else answers there."""
    http = make(serve(answering(200, b"<html>\nsign in</html>")).url)
    with pytest.raises(Failed) as caught:
        http.call("GET").json()
    http.close()
    assert isinstance(caught.value.outcome, Unavailable)
    assert "<html>" in caught.value.outcome.reason


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(values)
def test_encoded_json_is_strict_whatever_the_value(value: Any) -> None:
    """ASCII, no NaN, no half character: any decoder takes it, and it is the same when encoded again."""

    def forbid(word: str) -> None:
        raise AssertionError(word)

    encoded = encode_json(value)
    decoded = json.loads(encoded.decode("ascii"), parse_constant=forbid)
    json.dumps(decoded, ensure_ascii=False).encode("utf-8")
    assert encode_json(decoded) == encoded


def test_a_missing_urllib3_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that brings it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'urllib3>=2\.2'"):
        require_urllib3("sentry")
