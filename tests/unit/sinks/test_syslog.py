"""The syslog sink: every message is RFC 5424 whatever the event, framed rightly, and a failure is told and mended."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broken_shop import ERROR, TASK, TRACEBACK, WARNING, hostile_event
from syslog_reading import Message, octet_counted, parse
from tocsin.config.setting import parse_table
from tocsin.event import wire
from tocsin.event.errors import ConfigError
from tocsin.event.model import Event
from tocsin.sinks import registry
from tocsin.sinks.base import Accepted, Entry, EntrySink, Origin, Outcome, SinkContext, Unavailable
from tocsin.sinks.syslog import SyslogSink
from tocsin.sinks.syslog.message import Style, message, severity
from tocsin.sinks.syslog.stream import framed

CONTEXT = SinkContext("shop", "production", "web1")
STYLE = Style(facility=1, max_bytes=8_000)
ANY_TEXT = st.text(st.characters(codec=None), max_size=300)


def entry(event: Event = TRACEBACK, occurrences: int = 1, offset: int = 0, **changes: Any) -> Entry:
    members = {**json.loads(wire.encode(event)), "occurrences": occurrences, **changes}
    line = json.dumps(members).encode()
    return Entry(Origin("p1", 2, offset=offset), event.kind, event.levelno, event.fingerprint, occurrences, line)


def bare(line: bytes, occurrences: int = 1, levelno: int = 40, slot: int = 7) -> Entry:
    return Entry(Origin("p1", 2, slot=slot, count=9), "error", levelno, "v1:abc", occurrences, line)


def read(entry: Entry, style: Style = STYLE, context: SinkContext = CONTEXT) -> Message:
    raw = message(entry, context, style)
    assert len(raw) <= style.max_bytes
    return parse(raw)


def make(**raw: Any) -> SyslogSink:
    values, faults = parse_table(SyslogSink.settings, raw, "syslog")
    assert faults == []
    return SyslogSink.from_options(values, CONTEXT)


# -- messages ----------------------------------------------------------------------------------------------


def test_an_event_is_one_message_with_its_facts_as_structured_data() -> None:
    """All that a log server can filter by, and a text that is enough where only texts are kept."""
    assert read(entry(offset=4711)) == Message(
        facility=1,
        severity=3,
        timestamp="2026-11-22T02:41:07.000000Z",
        hostname="web1",
        app_name="shop",
        procid="4711",
        msgid="traceback",
        data={
            "tocsin@32473": {
                "error_id": "7K3QDM-24F2",
                "fingerprint": "v1:00112233445566778899aabbccddeeff",
                "kind": "traceback",
                "occurrences": "1",
                "origin": "p1/2/4711",
                "exception": "orders.money.CurrencyError",
                "path": "/orders/17/pay",
                "release": "1.4.2",
                "environment": "production",
            }
        },
        text="7K3QDM-24F2 orders.money.CurrencyError: no rate for 'CHF'"
        " in orders.money.rate, shop/orders/money.py:12 on POST /orders/17/pay",
        has_bom=False,
    )


def test_task_tags_and_user_are_structured_data() -> None:
    """Names of tags are made such as RFC 5424 has them, and can't be taken for ours."""
    assert TRACEBACK.request is not None
    tags = {"tenant": "acme", 're.gion="]': 'n"e', "n" * 40: "x", "": "y", "task": "forged"}
    told = read(entry(replace(TASK, request=replace(TRACEBACK.request, user="4711"), tags=tags)))
    data = told.data["tocsin@32473"]
    assert (data["task"], data["task_id"], data["user"]) == ("shop.tasks.send", "1234", "4711")
    assert {name: value for name, value in data.items() if name.startswith("tag_")} == {
        "tag_tenant": "acme",
        "tag_re_gion___": 'n"e',
        f"tag_{'n' * 28}": "x",
        "tag_": "y",
        "tag_task": "forged",
    }
    assert told.text.endswith(" on POST /orders/17/pay during shop.tasks.send")


def test_tags_give_way_where_room_is_short() -> None:
    """What every message has stays."""
    told = read(entry(replace(TASK, tags=dict.fromkeys(map(str, range(32)), "v" * 200))), Style(1, 1_400))
    data = told.data["tocsin@32473"]
    assert (data["error_id"], data["task"], data["environment"]) == ("7K3QDM-24F2", "shop.tasks.send", "production")
    assert sum(name.startswith("tag_") for name in data) < 6
    assert told.text.endswith(" in orders.money.rate, shop/orders/money.py:12 during shop.tasks.send")


@pytest.mark.parametrize(
    ("levelno", "expected"),
    [(0, 7), (10, 7), (19, 7), (20, 6), (29, 6), (30, 4), (39, 4), (40, 3), (45, 3), (50, 2), (99, 2)],
)
def test_a_level_has_its_severity(levelno: int, expected: int) -> None:
    """A level between two counts as the lower one."""
    assert severity(levelno) == expected
    assert read(entry(replace(ERROR, levelno=levelno))).severity == expected


def test_an_error_and_a_warning_are_told_by_their_message() -> None:
    """They have no exception."""
    assert read(entry(ERROR)).text.startswith("EE3QDM-24F2 stock of article 99 went negative in shop.stock.take:17 on")
    warning = read(entry(WARNING))
    assert (warning.severity, warning.msgid) == (4, "warning")
    assert "exception" not in warning.data["tocsin@32473"]


def test_counts_losses_and_checks_are_messages_too() -> None:
    """A count says how many it stands for, a loss is a warning, a check stands for nothing."""
    members = {"error_id": "7K3QDM", "kind": "error", "exception": {"type": "ValueError", "message": "no cart"}}
    counted = read(bare(json.dumps({**members, "occurrences": 37}).encode(), 37))
    assert counted.text == "7K3QDM ValueError: no cart ×37"
    assert counted.data["tocsin@32473"]["occurrences"] == "37"
    assert counted.data["tocsin@32473"]["origin"] == "p1/2/7=9"
    loss = {"kind": "loss", "message": "2 lost: disk full", "lost": 2, "occurrences": 0, "fingerprint": ""}
    lost = read(bare(json.dumps(loss).encode(), 2, levelno=0))
    assert (lost.severity, lost.msgid) == (4, "loss")
    assert lost.data["tocsin@32473"]["lost"] == "2"
    assert lost.data["tocsin@32473"]["occurrences"] == "0"
    check = read(entry(ERROR, 0, check=True))
    assert check.data["tocsin@32473"]["check"] == "true"
    assert "×" not in check.text


def test_what_is_missing_is_a_hyphen_and_what_is_no_ascii_a_question_mark() -> None:
    """§6.2: NILVALUE, and PRINTUSASCII within its length."""
    nothing = read(bare(b"{}"), context=SinkContext("", "", ""))
    assert (nothing.timestamp, nothing.hostname, nothing.app_name, nothing.procid) == ("-", "-", "-", "-")
    strange = read(entry(replace(ERROR, application="Lädchen am Eck " * 9, host="wéb 1" * 99)))
    assert strange.app_name.startswith("L?dchen?am?Eck?")
    assert (len(strange.app_name), len(strange.hostname)) == (48, 255)


@pytest.mark.parametrize(
    ("host", "shown"), [("web1.example.org", "web1.example.org"), ("2001:db8::1", "2001:db8::1"), ("a[b]:1", "a?b??1")]
)
def test_a_host_has_no_colon_or_bracket_unless_it_is_an_address(host: str, shown: str) -> None:
    """The grammar would take them, syslog-ng would not."""
    assert read(entry(replace(ERROR, host=host))).hostname == shown


def test_values_of_structured_data_are_escaped() -> None:
    """Quote, backslash and bracket; §6.3.3."""
    hard = 'a"b]c\\d\\"] [evil@1 x="y"]'
    told = read(entry(replace(ERROR, release=hard)))
    assert list(told.data) == ["tocsin@32473"]
    assert told.data["tocsin@32473"]["release"] == hard


def test_a_hostile_event_is_one_harmless_message() -> None:
    """Line breaks, escapes, surrogates and marks are seen, not obeyed."""
    told = read(entry(hostile_event()))
    raw = message(entry(hostile_event()), CONTEXT, STYLE)
    assert b"\n" not in raw and b"\r" not in raw and b"\0" not in raw
    assert "\\nBcc:" in told.text and "\\udc80" in told.text and "\\x1b[31m" in told.text
    assert "\u202e" not in told.text
    assert told.data["tocsin@32473"]["path"].startswith("a\\nBcc:")


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.integers(480, 2_000), st.booleans())
def test_any_text_makes_a_valid_message_within_its_size(
    said: str, name: str, path: str, max_bytes: int, has_bom: bool
) -> None:
    """Never raises, never longer, never half a character."""
    request = replace(TRACEBACK.request, path=path) if TRACEBACK.request else None
    event = replace(TRACEBACK, message=said * 9, application=name, host=name, release=said, request=request)
    for one in (event, replace(event, exception=None)):
        told = read(entry(one), Style(23, max_bytes, has_bom))
        assert (told.facility, told.has_bom) == (23, has_bom)
        assert told.data["tocsin@32473"]["error_id"] == "7K3QDM-24F2"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"\xff",
        b"5",
        b"null",
        b'{"process": 5}',
        b'{"process": {}, "exception": "x", "request": 7}',
        b'{"exception": {"type": 5, "message": [1]}, "timestamp": 12, "host": {"a": 1}, "occurrences": "many"}',
        b'{"timestamp": "2026-11-22T02:41:07Z] evil", "kind": "\\ud800 x", "error_id": "\\n"}',
        b"[" * 100_000,
        wire.encode(replace(ERROR, message=5, location=7)),  # type: ignore[arg-type]
    ],
)
def test_a_line_that_is_no_event_is_told_by_what_the_entry_knows(line: bytes) -> None:
    """Nothing raises, nothing is passed over."""
    assert read(bare(line)).data["tocsin@32473"]["fingerprint"].startswith("v1:")


def test_an_oversized_event_is_cut_says_so_and_keeps_its_place() -> None:
    """The text gives way first, and never within a character; where it happened stays."""
    event = replace(ERROR, message="é" * 8_192)
    for max_bytes in (1_400, 1_401, 1_402, 1_403):
        told = read(entry(event), Style(1, max_bytes))
        assert told.text.endswith("é…[cut] in shop.stock.take:17 on POST /orders/17/pay")
        assert len(message(entry(event), CONTEXT, Style(1, max_bytes))) in (max_bytes, max_bytes - 1)
    huge = replace(event, location="x" * 5_000, host="h" * 999, application="a" * 99, release="r" * 999)
    told = read(entry(huge), Style(1, 480))
    assert told.text.startswith("EE3QDM-24F2 é")
    assert told.text.count("…[cut]") == 2
    assert "release" not in told.data["tocsin@32473"]


@given(st.binary(max_size=200))
def test_frames_of_any_bytes_are_found_again(raw: bytes) -> None:
    """Octet counting doesn't look into a message."""
    assert octet_counted(framed(raw or b"-", "octets") + framed(b"next", "octets")) == [raw or b"-", b"next"]


# -- configuration -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("syslog://log.example.org", "syslog:tcp:log.example.org:514"),
        ("syslog://LOG.example.org:1514?framing=lf&level=ERROR", "syslog:tcp:log.example.org:1514"),
        ("syslog+tcp://10.0.0.1:601", "syslog:tcp:10.0.0.1:601"),
        ("syslog+udp://[::1]:1514?facility=local3", "syslog:udp:[::1]:1514"),
        ("syslog+tls://log.example.org", "syslog:tls:log.example.org:6514"),
        ("syslog:///run/systemd/journal/dev-log", "syslog:unix:/run/systemd/journal/dev-log"),
        ("syslog:", "syslog:unix:/dev/log"),
        ("syslog://", "syslog:unix:/dev/log"),
    ],
)
def test_a_url_names_transport_and_place(url: str, identity: str) -> None:
    """Identity is both; the same server by UDP is another destination."""
    table = registry.from_url(url)
    assert table.pop("type") == "syslog"
    table.pop("level", None)
    sink = make(**table)
    assert sink.identity == identity
    assert isinstance(sink, EntrySink)


@pytest.mark.parametrize(
    "url",
    [
        "syslog://host:port",
        "syslog://host/path",
        "syslog+udp:///dev/log",
        "syslog://user:secret@host",
        "syslog+tls:",
        "syslog://:514",
        "syslog://host#x",
        "syslog://host?x",
    ],
)
def test_a_url_that_can_not_be_meant_is_a_fault(url: str) -> None:
    """It isn't quoted: somebody may have put a password in it."""
    with pytest.raises(ConfigError) as caught:
        registry.from_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"port": 514}, "port needs a host"),
        ({"transport": "udp"}, "transport needs a host"),
        ({"host": "h", "path": "/dev/log"}, "host and path are both given"),
        ({"host": "h", "transport": "udp", "framing": "lf"}, "framing is for tcp"),
        ({"host": "h", "ca_file": "/x"}, 'ca_file is for transport = "tls"'),
        ({"host": "h", "transport": "tls", "ca_file": "/nowhere/ca"}, "ca_file must be a file that is there"),
        ({"host": "h", "transport": "tls", "key_file": __file__}, "cert_file is required"),
    ],
)
def test_what_only_the_whole_shows_is_a_fault(raw: dict[str, Any], fault: str) -> None:
    """Told at start, not at the first event."""
    with pytest.raises(ConfigError, match=fault):
        make(**raw)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "two words"),
        ("host", ""),
        ("host", "log..example.org"),
        ("host", "x" * 64),
        ("facility", "local8"),
        ("framing", "nul"),
        ("max_bytes", 479),
        ("max_bytes", 65_001),
        ("timeout", 0),
        ("transport", "dtls"),
        ("port", 0),
    ],
)
def test_a_wrong_value_is_a_fault(name: str, value: Any) -> None:
    """With what it is and what it must be."""
    _, (fault,) = parse_table(SyslogSink.settings, {name: value}, "syslog")
    assert f"syslog: {name} must be" in fault


def test_importing_the_sink_imports_no_tls() -> None:
    """ssl costs memory in every worker that never delivers."""
    code = "import sys, tocsin.sinks.syslog; sys.exit('ssl' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# -- transports --------------------------------------------------------------------------------------------


class Peer:
    """Take TCP connections and keep what comes over each, until told to close or reset one."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.connections: list[socket.socket] = []

    def accept(self) -> socket.socket:
        connection, _ = self._listener.accept()
        connection.settimeout(5)
        self.connections.append(connection)
        return connection

    def reset(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


@contextmanager
def peering(family: int = socket.AF_INET, address: Any = ("127.0.0.1", 0)) -> Iterator[tuple[Peer, Any]]:
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen()
        listener.settimeout(5)
        peer = Peer(listener)
        try:
            yield peer, listener.getsockname()
        finally:
            for connection in peer.connections:
                connection.close()


def until(connection: socket.socket, number: int) -> list[Message]:
    """Return so many octet-counted messages of a connection."""
    data = b""
    while True:
        data += connection.recv(1_000_000)
        try:
            found = octet_counted(data)
        except ValueError:
            continue
        if len(found) >= number:
            return [parse(raw) for raw in found]


def offsets(messages: list[Message]) -> list[int]:
    return [int(each.data["tocsin@32473"]["origin"].rpartition("/")[2]) for each in messages]


def batch(*numbers: int, event: Event = ERROR) -> list[Entry]:
    return [entry(event, offset=number) for number in numbers]


def test_a_connection_is_kept_and_two_batches_come_over_it() -> None:
    """In order, each message by itself."""
    with peering() as (peer, (host, port)):
        sink = make(host=host, port=port)
        assert sink.deliver(batch(1, 2)) == Accepted(f"TCP, taken by 127.0.0.1:{port}")
        connection = peer.accept()
        assert isinstance(sink.deliver(batch(3)), Accepted)
        assert offsets(until(connection, 3)) == [1, 2, 3]
        sink.close()
        sink.close()
        assert connection.recv(1) == b""


def test_a_peer_that_closed_is_noticed_before_the_next_batch() -> None:
    """Nothing is written into a connection whose other end is gone."""
    with peering() as (peer, (host, port)):
        sink = make(host=host, port=port)
        sink.deliver(batch(1))
        first = peer.accept()
        assert offsets(until(first, 1)) == [1]
        first.close()
        assert isinstance(sink.deliver(batch(2)), Accepted)
        assert offsets(until(peer.accept(), 1)) == [2]
        sink.close()


def test_what_a_reset_connection_left_unread_is_sent_again() -> None:
    """A server that is killed with bytes unread resets; the end of the last batch goes out anew, before the next."""
    with peering() as (peer, (host, port)):
        sink = make(host=host, port=port)
        sink.deliver(batch(1, 2))
        peer.reset(peer.accept())
        assert isinstance(sink.deliver(batch(3)), Accepted)
        second = peer.accept()
        assert offsets(until(second, 3)) == [1, 2, 3]
        assert isinstance(sink.deliver(batch(4)), Accepted)
        assert offsets(until(second, 1)) == [4]
        sink.close()


def test_a_forked_child_makes_a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that write into one connection would mix their messages; nor does the child end the parent's."""
    with peering() as (peer, (host, port)):
        sink = make(host=host, port=port)
        sink.deliver(batch(1))
        parents = peer.accept()
        kept = sink._line.connection.sock.dup()  # type: ignore[attr-defined]
        monkeypatch.setattr("tocsin.sinks.connection.os.getpid", lambda: -1)
        assert isinstance(sink.deliver(batch(2)), Accepted)
        assert offsets(until(peer.accept(), 1)) == [2]
        kept.sendall(framed(message(entry(ERROR, offset=3), CONTEXT, STYLE), "octets"))
        assert offsets(until(parents, 2)) == [1, 3]
        kept.close()
        sink.close()


def test_a_server_that_talks_is_not_listened_to() -> None:
    """Syslog servers have nothing to say."""
    with peering() as (peer, (host, port)):
        sink = make(host=host, port=port)
        sink.deliver(batch(1))
        connection = peer.accept()
        connection.sendall(b"220 hello\r\n" * 100)
        assert isinstance(sink.deliver(batch(2)), Accepted)
        assert offsets(until(connection, 2)) == [1, 2]
        sink.close()


def test_a_server_that_reads_nothing_is_left_in_time_and_what_it_took_is_not_repeated() -> None:
    """Each try gets further: what its kernel had acknowledged is not sent again."""
    big = replace(ERROR, message="x" * 60_000)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 200_000)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        host, port = listener.getsockname()
        sink = make(host=host, port=port, timeout=0.2, max_bytes=60_000)
        outcome = sink.deliver(batch(*range(60), event=big))
        assert outcome == Unavailable(
            f"127.0.0.1:{port} did not answer in time while sending", "check host, port and firewall"
        )
        first, _ = listener.accept()
        with first:
            first.settimeout(5)
            taken = _complete(first)
        assert 0 < len(taken) < 60
        second: list[Message] = []

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                second.extend(_complete(connection))

        reader = threading.Thread(target=serve)
        reader.start()
        make_patient(sink)
        assert isinstance(sink.deliver(batch(*range(60), event=big)), Accepted)
        sink.close()
        reader.join(10)
        assert sorted({*offsets(taken), *offsets(second)}) == list(range(60))
        assert len(second) < 60


def make_patient(sink: SyslogSink) -> None:
    """Let a sink that was made to give up soon wait as long as a busy machine may need."""
    connection = sink._line.connection  # type: ignore[attr-defined]
    connection.address = replace(connection.address, timeout_s=10.0)


def _complete(connection: socket.socket) -> list[Message]:
    """Return the messages that arrived whole before the connection's end."""
    data = b""
    while received := connection.recv(1_000_000):
        data += received
    out = []
    at = 0
    while at < len(data):
        blank = data.find(b" ", at)
        end = blank + 1 + int(data[at:blank])
        if blank < 0 or end > len(data):
            break
        out.append(parse(data[blank + 1 : end]))
        at = end
    return out


def test_ten_thousand_frames_arrive_in_order() -> None:
    """One call, many chunks."""
    with peering() as (peer, (host, port)):
        sink = make(host=host, port=port)
        arrived: list[Message] = []

        def serve() -> None:
            arrived.extend(_complete(peer.accept()))

        reader = threading.Thread(target=serve)
        reader.start()
        one = entry(ERROR)
        outcome = sink.deliver([replace(one, origin=Origin("p1", 2, offset=n)) for n in range(10_000)])
        sink.close()
        reader.join(30)
        assert isinstance(outcome, Accepted)
        assert offsets(arrived) == list(range(10_000))


def test_nothing_listens() -> None:
    """Told as that, for TCP and, where the host says so, for UDP."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for transport in ("tcp", "udp"):
        outcome = make(host="127.0.0.1", port=port, transport=transport).deliver(batch(1, 2))
        assert isinstance(outcome, Unavailable)
        assert outcome.reason == f"nothing listens on 127.0.0.1:{port}"


def test_udp_messages_are_datagrams_of_at_most_1400_bytes() -> None:
    """Cut, marked, sent: never lost for their size."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        sink = make(host="localhost", port=receiver.getsockname()[1], transport="udp")
        events = [ERROR, replace(ERROR, message="漢" * 8_192), hostile_event()]
        outcome = sink.deliver([entry(event, offset=n) for n, event in enumerate(events)])
        assert outcome == Accepted("UDP, which doesn't tell whether anything arrives")
        arrived = [receiver.recv(65_536) for _ in events]
    assert all(len(raw) <= 1_400 for raw in arrived)
    assert offsets([parse(raw) for raw in arrived]) == [0, 1, 2]
    assert "…[cut]" in parse(arrived[1]).text
    sink.close()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_unix_socket_of_either_sort_is_found_out_and_may_change(tmp_path: Path, kind: int) -> None:
    """Datagrams are tried first; a stream gets lines."""
    path = str(tmp_path / "log")
    sink = make(path=path)
    assert sink.identity == f"syslog:unix:{path}"
    assert sink.deliver(batch(1)) == Unavailable(f"there is no {path}", "check the path, and whether the server runs")
    for sort in (kind, socket.SOCK_STREAM if kind == socket.SOCK_DGRAM else socket.SOCK_DGRAM):
        assert _over_unix(sink, path, sort) == [1, 2]
        assert isinstance(sink.deliver(batch(3)), Unavailable)
        Path(path).unlink()
    sink.close()


def _over_unix(sink: SyslogSink, path: str, kind: int) -> list[int]:
    outcomes: list[Outcome] = []
    with socket.socket(socket.AF_UNIX, kind) as server:
        server.bind(path)
        server.settimeout(5)
        if kind == socket.SOCK_STREAM:
            server.listen()
        # A stream is waited for until it is read, so the reader must not wait for the writer.
        writer = threading.Thread(target=lambda: outcomes.append(sink.deliver(batch(1, 2))))
        writer.start()
        if kind == socket.SOCK_DGRAM:
            raw = [server.recv(65_536), server.recv(65_536)]
        else:
            connection, _ = server.accept()
            with connection:
                data = b""
                while data.count(b"\n") < 2:
                    data += connection.recv(65_536)
                writer.join(5)
                raw = data.splitlines()
        writer.join(5)
    assert isinstance(outcomes[0], Accepted)
    return offsets([parse(each) for each in raw])


def test_a_unix_socket_that_nobody_reads_is_left_in_time(tmp_path: Path) -> None:
    """What fitted into its queue is not sent again."""
    path = str(tmp_path / "log")
    sink = make(path=path, timeout=0.1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(5)
        outcome = sink.deliver(batch(*range(2_000)))
        assert isinstance(outcome, Unavailable)
        assert "did not answer in time while sending" in outcome.reason
        server.setblocking(False)
        first = _drained(server)
        rest = batch(*range(len(first) + 1))
        assert isinstance(sink.deliver(rest), Accepted)
        assert offsets(first) + offsets(_drained(server)) == list(range(len(rest)))


def _drained(server: socket.socket) -> list[Message]:
    out = []
    while True:
        try:
            out.append(parse(server.recv(65_536)))
        except BlockingIOError:
            return out


def test_a_name_that_nobody_knows_is_told() -> None:
    """The name is what to check."""
    outcome = make(host="log.invalid").deliver(batch(1))
    assert isinstance(outcome, Unavailable)
    assert outcome.reason == "the name of log.invalid:514 can't be resolved"
