"""The syslog sink against rsyslog and syslog-ng: what they parsed is what was sent, whatever happens to them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from certs import Certs, make_certs
from ports import free_ports
from syslogd import RSYSLOG, SYSLOG_NG, Daemon

from broken_shop import ERROR, TRACEBACK, WARNING, hostile_event
from syslog_reading import parse
from tocsin.config.setting import parse_table
from tocsin.event import wire
from tocsin.event.model import Event
from tocsin.sinks.base import Accepted, Entry, Origin, SinkContext, Unavailable
from tocsin.sinks.syslog import SyslogSink
from tocsin.sinks.syslog.message import Style, message

CONTEXT = SinkContext("shop", "production", "web1")
TIMEOUT_S = 10.0
HOSTILE = {
    "plain": TRACEBACK,
    "warning": WARNING,
    "hostile": hostile_event(),
    "empty": replace(ERROR, message="", template="", location="", logger="", application="", host="", release=""),
    "oversized": replace(ERROR, message='漢 \\ ] " é' * 2_000),
    "escapes": replace(ERROR, release='a"b]c\\d\\"] [evil@1 x="y"]', environment="\\", message="\\n\n\r\n\\"),
    "controls": replace(ERROR, message="".join(map(chr, range(0xA0)))),
    "surrogates": replace(ERROR, message="\udc80\ud800 and \U0001f514", release="\udfff"),
    "frames": replace(ERROR, message="\n<13>1 - - - - - - forged\n12 <13>1 - forged"),
    "percent": replace(ERROR, message="%s %n $HOST ${MESSAGE} %msg% #012"),
}


def entry(event: Event, offset: int) -> Entry:
    line = json.dumps({**json.loads(wire.encode(event)), "occurrences": 1}).encode()
    return Entry(Origin("p1", 2, offset=offset), event.kind, event.levelno, event.fingerprint, 1, line)


def entries(*numbers: int) -> list[Entry]:
    return [entry(ERROR, number) for number in numbers]


def make(**raw: Any) -> SyslogSink:
    values, faults = parse_table(SyslogSink.settings, {"timeout": TIMEOUT_S, **raw}, "syslog")
    assert faults == []
    return SyslogSink.from_options(values, CONTEXT)


@pytest.fixture(params=[RSYSLOG, SYSLOG_NG])
def daemon(request: pytest.FixtureRequest, tmp_path: Path, certs: Certs) -> Iterator[Daemon]:
    server = Daemon(request.param, tmp_path, certs)
    server.start()
    yield server
    server.stop()


def options(daemon: Daemon, transport: str, certs: Certs) -> dict[str, Any]:
    tls = {"host": "localhost", "transport": "tls", "ca_file": str(certs.ca)}
    return {
        "udp": {"host": "localhost", "port": daemon.port, "transport": "udp"},
        "tcp": {"host": "127.0.0.1", "port": daemon.port},
        "lines": {"host": "localhost", "port": daemon.line_port, "framing": "lf"},
        "tls": {**tls, "port": daemon.tls_port},
        "client certificate": {
            **tls,
            "port": daemon.client_tls_port,
            "cert_file": str(certs.client),
            "key_file": str(certs.client_key),
        },
        "unix": {"path": str(daemon.path)},
    }[transport]


def offsets(parsed: list[dict[str, Any]]) -> list[int]:
    return [int(each["sd"]["origin"].rpartition("/")[2]) for each in parsed]


def expected(one: Entry, max_bytes: int) -> dict[str, Any]:
    """Return what our own strict parser reads of the message, in the daemons' names."""
    told = parse(message(one, CONTEXT, Style(1, max_bytes)))
    return {
        "pri": str(told.facility * 8 + told.severity),
        "timestamp": told.timestamp,
        "hostname": told.hostname,
        "app-name": told.app_name,
        "procid": told.procid,
        "msgid": told.msgid,
        "msg": told.text,
        "sd": {name.lower(): value for name, value in told.data["tocsin@32473"].items()},  # as rsyslog has names
    }


# -- what arrives ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["udp", "tcp", "lines", "tls", "client certificate", "unix"])
def test_every_event_is_parsed_as_it_was_meant(daemon: Daemon, certs: Certs, transport: str) -> None:
    """Hostile ones too: one message each, no part of it anywhere else."""
    sink = make(**options(daemon, transport, certs))
    sent = [entry(event, number) for number, event in enumerate(HOSTILE.values())]
    outcome = sink.deliver(sent)
    assert isinstance(outcome, Accepted)
    assert ("TLSv1.3" in outcome.detail) == (transport in ("tls", "client certificate"))
    parsed = daemon.parsed(len(sent))
    sink.close()
    max_bytes = 1_400 if transport == "udp" else 8_000
    names = ("pri", "timestamp", "hostname", "app-name", "procid", "msgid", "msg", "sd")
    for one, told in zip(sent, parsed, strict=True):
        told["sd"] = {name.lower(): value for name, value in told["sd"].items()}
        assert {name: told[name] for name in names} == expected(one, max_bytes)


def test_a_byte_order_mark_is_there_when_wanted(daemon: Daemon) -> None:
    """rsyslog keeps it in the text, syslog-ng takes it off: so it is off by default."""
    sink = make(host="127.0.0.1", port=daemon.port, bom=True)
    assert isinstance(sink.deliver(entries(1)), Accepted)
    (told,) = daemon.parsed(1)
    sink.close()
    assert told["msg"].startswith("\ufeff") == (daemon.name == RSYSLOG)


def test_ten_thousand_messages_arrive_in_order(daemon: Daemon) -> None:
    """By TCP, in batches as the leader makes them."""
    sink = make(host="127.0.0.1", port=daemon.port)
    one = entry(ERROR, 0)
    for start in range(0, 10_000, 100):
        batch = [replace(one, origin=Origin("p1", 2, offset=start + n)) for n in range(100)]
        assert isinstance(sink.deliver(batch), Accepted)
    assert offsets(daemon.parsed(10_000)) == list(range(10_000))
    sink.close()


# -- what happens to servers -------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["tcp", "tls", "unix"])
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_went_away_and_came_back_gets_everything(
    daemon: Daemon, certs: Certs, transport: str, end: str
) -> None:
    """It is noticed before the next batch; away it is told as such; back it gets what waited."""
    sink = make(**options(daemon, transport, certs))
    assert isinstance(sink.deliver(entries(1)), Accepted)
    daemon.parsed(1)
    getattr(daemon, end)()
    outcome = sink.deliver(entries(2, 3))
    assert isinstance(outcome, Unavailable)
    assert "nothing listens on" in outcome.reason or "there is no" in outcome.reason
    daemon.start()
    assert isinstance(sink.deliver(entries(2, 3)), Accepted)
    assert offsets(daemon.parsed(3)) == [1, 2, 3]
    sink.close()


def test_a_server_that_restarts_between_batches_costs_nothing(daemon: Daemon) -> None:
    """The connection kept is looked at before it is used."""
    sink = make(host="127.0.0.1", port=daemon.port)
    for number in range(1, 4):
        assert isinstance(sink.deliver(entries(number)), Accepted)
        daemon.parsed(number)
        daemon.stop()
        daemon.start()
    assert isinstance(sink.deliver(entries(4)), Accepted)
    assert offsets(daemon.parsed(4)) == [1, 2, 3, 4]
    sink.close()


def test_a_server_killed_while_it_hangs_loses_nothing_of_the_last_batch(daemon: Daemon) -> None:
    """Its kernel had taken the batch, it had read nothing: the reset says so, and the batch goes out again."""
    sink = make(host="127.0.0.1", port=daemon.port)
    assert isinstance(sink.deliver(entries(1)), Accepted)
    daemon.parsed(1)
    daemon.pause()
    assert isinstance(sink.deliver(entries(2)), Accepted)
    daemon.kill()
    daemon.start()
    assert isinstance(sink.deliver(entries(3)), Accepted)
    assert offsets(daemon.parsed(3)) == [1, 2, 3]
    sink.close()


class Relay:
    """Stand between sink and server; `cut` leaves both connections open and passes nothing on: half-open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._is_cut = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            self._sockets += [near, far]
            threading.Thread(target=self._pass, args=(near, far), daemon=True).start()

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        try:
            while not self._is_cut.is_set() and (data := near.recv(65_536)):
                far.sendall(data)
        except OSError:
            pass
        if not self._is_cut.is_set():
            far.close()

    def cut(self) -> None:
        self._is_cut.set()

    def heal(self) -> None:
        self._is_cut.clear()

    def close(self) -> None:
        self.cut()
        for each in self._sockets:
            each.close()


@contextmanager
def relaying(port: int) -> Iterator[Relay]:
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.close()


def test_a_connection_that_is_open_on_one_side_only_is_given_up_in_time(daemon: Daemon) -> None:
    """Bytes that nobody takes are no delivery: the batch fails within its time, and is sent over a new connection."""
    with relaying(daemon.port) as relay:
        sink = make(host="127.0.0.1", port=relay.port, timeout=0.5, max_bytes=60_000)
        assert isinstance(sink.deliver(entries(1)), Accepted)
        daemon.parsed(1)
        relay.cut()
        big = [entry(replace(ERROR, message="x" * 59_000), number) for number in range(2, 90)]
        started = time.monotonic()
        outcome = sink.deliver(big)
        lasted_s = time.monotonic() - started
        assert isinstance(outcome, Unavailable)
        assert "did not answer in time while sending" in outcome.reason
        assert lasted_s < 6
        relay.heal()
        assert isinstance(sink.deliver(entries(99)), Accepted)
        assert 99 in offsets(daemon.parsed(2))
        sink.close()


# -- trust -------------------------------------------------------------------------------------------------


def test_a_server_of_another_authority_gets_nothing(daemon: Daemon, tmp_path: Path, certs: Certs) -> None:
    """By ca_file and by the system's authorities alike."""
    other = make_certs(tmp_path / "other")
    for ca in ({"ca_file": str(other.ca)}, {}):
        outcome = make(host="localhost", port=daemon.tls_port, transport="tls", **ca).deliver(entries(1))
        assert isinstance(outcome, Unavailable)
        assert f"the certificate of localhost:{daemon.tls_port} is not trusted" in outcome.reason
        assert "ca_file" in outcome.remedy
    sink = make(**options(daemon, "tls", certs))
    assert isinstance(sink.deliver(entries(2)), Accepted)
    assert offsets(daemon.parsed(1)) == [2]
    sink.close()


def test_a_certificate_of_another_name_gets_nothing(tmp_path: Path) -> None:
    """A right authority with a wrong name is an impostor all the same."""
    other = make_certs(tmp_path / "other", ("log.example.org",))
    daemon = Daemon(RSYSLOG, tmp_path, other)
    daemon.start()
    try:
        outcome = make(**options(daemon, "tls", other)).deliver(entries(1))
    finally:
        daemon.stop()
    assert isinstance(outcome, Unavailable)
    assert "is not trusted" in outcome.reason
    assert "localhost" in outcome.reason


@pytest.mark.parametrize("shown", ["none", "another authority's"])
def test_a_client_that_is_not_trusted_is_told_so(daemon: Daemon, tmp_path: Path, certs: Certs, shown: str) -> None:
    """In TLS 1.3 the server's refusal comes after the handshake; nothing is taken for delivered before it."""
    raw = {**options(daemon, "tls", certs), "port": daemon.client_tls_port}
    if shown != "none":
        other = make_certs(tmp_path / "other")
        raw |= {"cert_file": str(other.client), "key_file": str(other.client_key)}
    for _ in range(5):
        outcome = make(**raw).deliver(entries(1))
        assert isinstance(outcome, Unavailable), outcome
        assert "refused this client's certificate" in outcome.reason
    sink = make(**options(daemon, "client certificate", certs))
    assert isinstance(sink.deliver(entries(2)), Accepted)
    assert offsets(daemon.parsed(1)) == [2]
    sink.close()


def test_files_that_can_not_be_used_are_named(tmp_path: Path, certs: Certs) -> None:
    """An encrypted key asks for no password on a terminal."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nothing")
    tls = {"host": "localhost", "port": 1, "transport": "tls"}
    for files, named in (
        ({"ca_file": str(nonsense)}, "ca_file"),
        ({"cert_file": str(nonsense)}, "cert_file"),
        ({"cert_file": str(certs.client), "key_file": str(certs.key)}, "key_file"),
        ({"cert_file": str(certs.client), "key_file": str(_encrypted(certs, tmp_path))}, "key_file"),
    ):
        outcome = make(**tls, **files).deliver(entries(1))
        assert isinstance(outcome, Unavailable)
        assert named in outcome.reason and "can't be used" in outcome.reason
        assert "encrypted" in outcome.remedy


def _encrypted(certs: Certs, folder: Path) -> Path:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(certs.client_key.read_bytes(), None)
    path = folder / "encrypted.key"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    path.write_bytes(key.private_bytes(*form, serialization.BestAvailableEncryption(b"secret")))
    return path


def test_tls_spoken_to_a_plain_server_is_told(daemon: Daemon, certs: Certs) -> None:
    """The wrong port is the usual mistake."""
    outcome = make(**{**options(daemon, "tls", certs), "port": daemon.port, "timeout": 1}).deliver(entries(1))
    assert isinstance(outcome, Unavailable)
    assert "while agreeing on TLS" in outcome.reason


# -- in a process of gevent --------------------------------------------------------------------------------

UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys, time
sys.path[:0] = {path!r}
from test_syslog import entries, make
from tocsin.delivery.job import Job
from tocsin.sinks.base import Accepted
sink = make(**{options!r})
for number in range(3):
    job = Job(lambda: sink.deliver(entries(number)), is_local=False)
    while job.outcome is None:
        time.sleep(0.01)
    if not isinstance(job.outcome, Accepted):
        sys.exit(str(job.outcome))
"""


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_batches_of_several_threads_arrive_where_gevent_has_patched(
    daemon: Daemon, certs: Certs, transport: str
) -> None:
    """A socket of gevent belongs to the thread it was made in, and each batch has a thread of its own."""
    pytest.importorskip("gevent", reason="no gevent; pip install gevent")
    code = UNDER_GEVENT.format(path=sys.path, options=options(daemon, transport, certs))
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert offsets(daemon.parsed(3)) == [0, 1, 2]


# -- from outside ------------------------------------------------------------------------------------------


def check(config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tocsin.cli", "check", "--config", str(config)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ, check=False)


def test_check_sends_a_marked_message(daemon: Daemon, certs: Certs, tmp_path: Path) -> None:
    """It says by which TLS, and what to mend where it can't."""
    config = tmp_path / "tocsin.toml"
    nowhere = free_ports(1)[0]
    config.write_text(
        f'application = "shop"\nspool = "spool"\nsinks = ["syslog://127.0.0.1:{nowhere}",'
        f' "syslog+tls://localhost:{daemon.tls_port}?ca_file={certs.ca}"]\n',
        encoding="utf-8",
    )
    done = check(config)
    assert done.returncode == 1
    assert f"FAILED  syslog:tcp:127.0.0.1:{nowhere}" in done.stdout
    assert f"ok      syslog:tls:localhost:{daemon.tls_port}" in done.stdout
    assert "TLSv1.3, taken by" in done.stdout
    (told,) = daemon.parsed(1)
    assert told["sd"]["check"] == "true"
    assert told["sd"]["occurrences"] == "0"
