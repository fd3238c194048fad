"""The socket sink: where it leads, what it says and believes, and lines that are shortened for datagrams."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broken_shop import BROKE_AT, ERROR, TASK, TRACEBACK, hostile_event
from tocsin.config.setting import parse_table
from tocsin.event import wire
from tocsin.event.errors import ConfigError
from tocsin.event.model import Event, LogLine
from tocsin.sinks import registry
from tocsin.sinks.base import Accepted, Entry, Origin, Outcome, Refused, SinkContext, Unavailable
from tocsin.sinks.socket import SocketSink
from tocsin.sinks.socket.protocol import LINE_BYTES, Fault, Hello, Taken, answer_line, answer_of, hello_line, hello_of
from tocsin.sinks.socket.shortened import shortened
from tocsin.testing.hostile import HOSTILE

CONTEXT = SinkContext("shop", "production", "web1")
WELCOME = b'{"hello":"tocsin lines","version":1}\n'


def entry(offset: int, event: Event = ERROR) -> Entry:
    members = {
        **json.loads(wire.encode(event)),
        "origin": {"process": "p1", "generation": 2, "offset": offset},
        "occurrences": 1,
    }
    line = json.dumps(members, separators=(",", ":")).encode()
    return Entry(Origin("p1", 2, offset=offset), event.kind, event.levelno, event.fingerprint, 1, line)


def parsed(**raw: Any) -> dict[str, Any]:
    values, faults = parse_table(SocketSink.settings, raw, "socket")
    assert faults == []
    return values


def make(**raw: Any) -> SocketSink:
    return SocketSink.from_options(parsed(**raw), CONTEXT)


# -- where it leads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("socket://errors.example.org", "socket:tcp:errors.example.org:9797"),
        ("socket+tcp://10.0.0.1:5044?acknowledge=false", "socket:tcp:10.0.0.1:5044"),
        ("socket+tls://errors.example.org:1", "socket:tls:errors.example.org:1"),
        ("socket+udp://[::1]", "socket:udp:[::1]:9797"),
        ("socket+unix:///run/my%20errors.sock", "socket:unix:/run/my errors.sock"),
    ],
)
def test_a_url_is_what_a_table_would_be(url: str, identity: str) -> None:
    options = registry.from_url(url)
    assert options.pop("type") == "socket"
    assert make(**options).identity == identity


@pytest.mark.parametrize(
    "url",
    ["socket://", "socket:/run/x", "socket://a:b", "socket://u:p@a", "socket://a/path", "socket+unix://a/x",
     "socket+unix:///", "socket+tls://a#b"],
)  # fmt: skip
def test_a_url_that_leads_nowhere_is_a_fault_that_does_not_quote_it(url: str) -> None:
    with pytest.raises(ConfigError) as fault:
        registry.from_url(url)
    assert "u:p" not in str(fault.value)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({}, "host is required"),
        ({"host": "a", "path": "/x"}, "leave one out"),
        ({"path": "/x", "port": 1, "transport": "tls"}, "port needs a host"),
        ({"host": "a", "transport": "udp", "acknowledge": True}, "acknowledge is not for udp"),
        ({"host": "a", "max_bytes": 2_000}, "max_bytes is for udp"),
        ({"host": "a", "token": "t"}, "token would travel in clear"),
        ({"host": "localhost", "token": "t", "acknowledge": False}, "token goes with the hello"),
        ({"host": "a", "transport": "udp", "token": "t"}, "token goes with the hello"),
        ({"host": "a", "ca_file": "/x"}, "ca_file is for"),
        ({"host": "a", "transport": "tls", "key_file": __file__}, "cert_file is required"),
    ],
)
def test_what_only_the_whole_can_show_is_told(raw: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make(**raw)


def test_a_token_is_in_no_representation() -> None:
    sink = make(host="localhost", token="s3cret")
    assert "s3cret" not in repr(sink._way) + repr(Hello(1, token="s3cret")) + sink.identity
    assert [setting.name for setting in SocketSink.settings if setting.is_secret] == ["token"]


def test_importing_the_sink_imports_no_tls() -> None:
    code = "import sys, tocsin.sinks.socket; sys.exit('ssl' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# -- the protocol ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [Taken(0), Taken(17), Fault("store", "full"), Fault("line", "no\njson", 3)])
def test_an_answer_is_read_as_it_was_meant(answer: Taken | Fault) -> None:
    line = answer_line(answer)
    assert line.count(b"\n") == 1
    assert answer_of(line) == answer


def test_a_hello_is_read_as_it_was_meant() -> None:
    hello = Hello(1, "shop", "\ud800\n", "web1", "t")
    assert hello_of(json.loads(hello_line(hello))) == hello


@given(st.binary() | st.from_regex(rb'\{"(taken|error|hello|line|version)": ?[^\n]*\}', fullmatch=True))
def test_no_answer_breaks_the_reader(line: bytes) -> None:
    from tocsin.event.errors import DecodeError

    try:
        assert isinstance(answer_of(line), Hello | Taken | Fault)
    except DecodeError:
        pass


class Peer:
    """A receiver by hand: it answers each connection by its script, and keeps the lines it read."""

    def __init__(self, scripts: Sequence[Callable[[Peer, socket.socket, Any], None]]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.lines: list[list[dict[str, Any]]] = []
        self._thread = threading.Thread(target=self._serve, args=(scripts,))
        self._thread.start()

    def _serve(self, scripts: Sequence[Callable[[Peer, socket.socket, Any], None]]) -> None:
        for script in scripts:
            sock, _ = self._listener.accept()
            sock.settimeout(10)
            self.lines.append([])
            with sock, sock.makefile("rb") as file:
                script(self, sock, file)

    def read(self, file: Any) -> dict[str, Any] | None:
        line = file.readline()
        if not line:
            return None
        members: dict[str, Any] = json.loads(line)
        if "hello" not in members:
            self.lines[-1].append(members)
        return members

    def close(self) -> None:
        self._thread.join(20)
        self._listener.close()


@contextmanager
def peering(*scripts: Callable[[Peer, socket.socket, Any], None]) -> Iterator[Peer]:
    peer = Peer(scripts)
    yield peer
    peer.close()


def answers(*lines: bytes, after: int = 0) -> Callable[[Peer, socket.socket, Any], None]:
    """Greet, read so many lines, say these, and read on until the sender closes."""

    def script(peer: Peer, sock: socket.socket, file: Any) -> None:
        peer.read(file)
        sock.sendall(WELCOME)
        for _ in range(after):
            peer.read(file)
        for line in lines:
            sock.sendall(line)
        while peer.read(file) is not None:
            pass

    return script


def deliver(peer: Peer, *offsets: int, timeout: float = 10.0) -> Outcome:
    sink = make(host="127.0.0.1", port=peer.port, timeout=timeout)
    outcome = sink.deliver([entry(offset) for offset in offsets])
    sink.close()
    return outcome


def test_a_batch_is_accepted_when_all_of_it_is_acknowledged() -> None:
    """In as many steps as the receiver likes; what it said before and says again is no harm."""
    with peering(answers(*(answer_line(Taken(number)) for number in (0, 1, 1, 3)), after=3)) as peer:
        assert deliver(peer, 1, 2, 3) == Accepted(f"TCP, acknowledged by 127.0.0.1:{peer.port}")
    assert [line["origin"]["offset"] for line in peer.lines[0]] == [1, 2, 3]


def test_numbers_go_on_over_the_batches_of_a_connection() -> None:
    def script(peer: Peer, sock: socket.socket, file: Any) -> None:
        peer.read(file)
        sock.sendall(WELCOME)
        number = 0
        while peer.read(file) is not None:
            number += 1
            sock.sendall(answer_line(Taken(number)))

    with peering(script) as peer:
        sink = make(host="127.0.0.1", port=peer.port)
        for offset in range(3):
            assert isinstance(sink.deliver([entry(offset), entry(offset + 10)]), Accepted)
        sink.close()
    assert len(peer.lines[0]) == 6


def test_what_was_acknowledged_before_a_failure_is_not_sent_again() -> None:
    with peering(answers(answer_line(Taken(2)), after=3), answers(answer_line(Taken(1)), after=1)) as peer:
        sink = make(host="127.0.0.1", port=peer.port, timeout=0.3)
        batch = [entry(offset) for offset in (1, 2, 3)]
        outcome = sink.deliver(batch)
        assert outcome == Unavailable(
            f"127.0.0.1:{peer.port} did not answer in time while waiting for the acknowledgement",
            "check host, port and firewall",
        )
        assert isinstance(sink.deliver(batch), Accepted)
        sink.close()
    assert [[line["origin"]["offset"] for line in lines] for lines in peer.lines] == [[1, 2, 3], [3]]


def test_a_receiver_that_dies_before_it_acknowledges_has_accepted_nothing() -> None:
    def dies(peer: Peer, sock: socket.socket, file: Any) -> None:
        peer.read(file)
        sock.sendall(WELCOME)
        peer.read(file)

    with peering(dies) as peer:
        outcome = deliver(peer, 1)
    assert isinstance(outcome, Unavailable)
    assert "hung up while waiting for the acknowledgement" in outcome.reason


@pytest.mark.parametrize(
    ("said", "sort", "remedy"),
    [
        (Fault("line", "kind must be …", 1), Refused, "never take this line"),
        (Fault("schema", "newer", 1), Unavailable, "older than this sender"),
        (Fault("store", "\x1b[31mfull"), Unavailable, "the receiver's disk"),
        (Fault("who knows", "what"), Unavailable, "log"),
    ],
)
def test_what_a_receiver_says_becomes_an_outcome(said: Fault, sort: type, remedy: str) -> None:
    with peering(answers(answer_line(said), after=1)) as peer:
        outcome = deliver(peer, 1)
    assert isinstance(outcome, sort)
    assert remedy in outcome.remedy  # type: ignore[attr-defined]
    assert "\x1b" not in outcome.reason  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "said", [b"220 mail.example.org ESMTP\n", b"[]\n", b'{"taken": -1}\n', b"x" * 10_000, b'{"hello": 1}\n']
)
def test_a_server_of_another_sort_is_told_from_a_receiver(said: bytes) -> None:
    def script(peer: Peer, sock: socket.socket, file: Any) -> None:
        sock.sendall(said)
        peer.read(file)

    with peering(script) as peer:
        outcome = deliver(peer, 1)
    assert isinstance(outcome, Unavailable)
    assert "no hello of tocsin" in outcome.reason
    assert "acknowledge = false" in outcome.remedy


def test_a_receiver_that_acknowledges_what_was_not_sent_is_not_believed() -> None:
    with peering(answers(answer_line(Taken(7)), after=1)) as peer:
        outcome = deliver(peer, 1)
    assert isinstance(outcome, Unavailable)
    assert "more than was sent" in outcome.reason


def test_nothing_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        outcome = make(host="127.0.0.1", port=port).deliver([entry(1)])
    assert outcome == Unavailable(
        f"nothing listens on 127.0.0.1:{port}", "check host and port, and whether the server runs"
    )


def test_a_path_where_no_socket_is_is_told(tmp_path: Path) -> None:
    outcome = make(path=str(tmp_path / "no.sock")).deliver([entry(1)])
    assert isinstance(outcome, Unavailable)
    assert "there is no" in outcome.reason


# -- shortened lines ---------------------------------------------------------------------------------------


OF_A_LINE = ("message", "exception", "request", "fields", "lead_up", "tags", "task")


def long_traceback(frames: int = 20) -> Event:
    assert TRACEBACK.exception is not None
    inner = TRACEBACK.exception.frames[-1]
    before = ("x" * 70, "y" * 70)
    many = tuple(replace(inner, function=f"step{number}", before=before, after=before) for number in range(frames))
    return replace(TRACEBACK, exception=replace(TRACEBACK.exception, frames=many))


def test_a_line_that_fits_is_left_alone() -> None:
    sent = entry(1)
    assert shortened(sent, len(sent.line)) is sent.line


def test_the_code_around_frames_goes_first_then_outer_frames_then_the_message() -> None:
    sent = entry(1, replace(long_traceback(), message="m" * 600))
    sizes = range(len(sent.line), 900, -100)
    told = [json.loads(shortened(sent, size)) for size in sizes]
    frames = [len(line["exception"]["frames"]) for line in told]
    messages = [len(line["message"]) for line in told]
    assert frames == sorted(frames, reverse=True) and messages == sorted(messages, reverse=True)
    first_without_code = next(line for line in told if "before" not in line["exception"]["frames"][-1])
    assert len(first_without_code["exception"]["frames"]) == 20
    kept = next(line for line in told if len(line["exception"]["frames"]) == 1)
    assert kept["exception"]["frames"][0]["function"] == "step19"
    assert kept["exception"]["frames_omitted"] == 19
    assert len(kept["message"]) == 600
    assert told[-1]["message"].startswith("mmm") and told[-1]["message"].endswith("…")


def test_of_a_lead_up_the_latest_lines_stay_longest_and_tags_and_task_go_last() -> None:
    lead_up = tuple(LogLine(BROKE_AT, "INFO", "shop", f"step {number}") for number in range(100))
    sent = entry(1, replace(long_traceback(), task=TASK.task, tags={"tenant": "acme"}, lead_up=lead_up))
    told = [json.loads(shortened(sent, size)) for size in range(len(sent.line), 600, -50)]
    assert told[1]["lead_up"][-1]["message"] == "step 99" and len(told[1]["lead_up"]) == 20
    assert "before" in told[1]["exception"]["frames"][0]
    kept = [len(line.get("lead_up", ())) for line in told]
    assert kept == sorted(kept, reverse=True) and kept[-1] == 0
    of_one_frame = next(line for line in told if line["exception"]["frames"] == [])
    assert (of_one_frame["tags"], of_one_frame["task"]["name"]) == ({"tenant": "acme"}, "shop.tasks.send")
    assert all(wire.event_from(line) for line in told if "process" in line)
    wide = json.loads(shortened(entry(1, replace(TASK, tags=dict.fromkeys(map(str, range(32)), "v" * 200))), 1_400))
    assert "tags" not in wide and (wide["task"]["id"], wide["process"]["id"]) == ("1234", 4711)


@pytest.mark.parametrize("max_bytes", [1_000, 1_400, 8_000])
@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_whatever_is_in_an_event_its_line_fits_and_tells_what_it_is(case: Any, max_bytes: int) -> None:
    sent = entry(7, case.make("x"))
    line = shortened(sent, max_bytes)
    assert len(line) <= max_bytes and b"\n" not in line
    before, after = json.loads(sent.line), json.loads(line)
    for name in ("schema", "kind", "fingerprint", "error_id", "origin", "occurrences"):
        assert after[name] == before[name]
    assert after["message"][:12] == before["message"][:12]
    if before["exception"]:
        assert after["exception"]["type"][:12] == before["exception"]["type"][:12]
    assert after.get("cut_bytes", len(line)) == len(sent.line)


@given(
    st.binary(max_size=50)
    | st.recursive(
        st.none() | st.text(max_size=300) | st.integers(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from([*OF_A_LINE, "frames", "headers", "cause", "host", "x"]),
                inner,
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_line_is_shortened_to_a_whole_one(line: bytes) -> None:
    sent = replace(entry(7), line=line + b" " * 2_000)
    got = shortened(sent, 1_000)
    assert len(got) <= 1_000
    assert isinstance(json.loads(got), dict) or got == sent.line


def test_a_line_that_no_receiver_would_take_is_shortened_by_every_way() -> None:
    big = entry(1, replace(hostile_event(), message="x" * (LINE_BYTES + 1)))
    with peering(answers(answer_line(Taken(1)), after=1)) as peer:
        sink = make(host="127.0.0.1", port=peer.port)
        assert isinstance(sink.deliver([big]), Accepted)
        sink.close()
    assert peer.lines[0][0]["cut_bytes"] == len(big.line)
