"""The socket sink and `tocsin receive`: two processes, killed and cut apart at will; what was reported arrives once."""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from certs import Certs, make_certs
from ports import free_ports
from receiver import Receiver, clean_environ, wait_for

from broken_shop import ERROR, TRACEBACK
from tocsin.config.setting import parse_table
from tocsin.event import error_id, wire
from tocsin.event.model import Event
from tocsin.routing.sqlite import SqliteState
from tocsin.sinks.base import Accepted, Sink, SinkContext, Unavailable
from tocsin.sinks.socket import SocketSink
from tocsin.spool.folder import Folder
from tocsin.spool.memory import Occurrence
from tocsin.spool.writer import Writer
from tocsin.testing import SinkContract
from tocsin.testing.contract import entry_of
from tocsin.testing.hostile import HOSTILE

CONTEXT = SinkContext("shop", "production", "web1")


def make(**raw: Any) -> SocketSink:
    values, faults = parse_table(SocketSink.settings, {"timeout": 10.0, **raw}, "socket")
    assert faults == []
    return SocketSink.from_options(values, CONTEXT)


def tls_options(certs: Certs) -> tuple[str, ...]:
    return ("--cert", str(certs.server), "--key", str(certs.key), "--client-ca", str(certs.ca))


def tls(receiver: Receiver, certs: Certs) -> dict[str, Any]:
    files = {"ca_file": str(certs.ca), "cert_file": str(certs.client), "key_file": str(certs.client_key)}
    return {"host": "localhost", "port": receiver.port, "transport": "tls", **files}


# -- the contract of sinks ---------------------------------------------------------------------------------


class TestContract(SinkContract):
    is_idempotent: ClassVar[bool] = True

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _receiver(cls, certs: Certs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        folder = tmp_path_factory.mktemp("contract")
        cls.receiver = Receiver(folder, ["tls://127.0.0.1:0"], *tls_options(certs)).start()
        cls.certs = certs
        yield
        assert cls.receiver.stop() == 0

    receiver: ClassVar[Receiver]
    certs: ClassVar[Certs]

    def new_sink(self) -> Sink:
        return make(**tls(self.receiver, self.certs))

    def received(self) -> list[str]:
        return [json.dumps(line, ensure_ascii=False) for line in self.receiver.lines()]


# -- a sender and a receiver that are killed ----------------------------------------------------------------


class Sender:
    """A spool with events, and `tocsin deliver` on it."""

    def __init__(self, folder: Path, url: str, prefix: Sequence[str] = ()) -> None:
        self.folder = Folder(folder / "spool")
        self.log = folder / "deliver.log"
        self.config = folder / "tocsin.toml"
        self.config.write_text(f'application = "shop"\nspool = "spool"\nsinks = ["{url}"]\n', encoding="utf-8")
        self._prefix = list(prefix)
        self._writer = Writer(self.folder, about={"application": "shop", "environment": "production", "sinks": []})
        self._number = 0
        self.expected: Counter[str] = Counter()
        self.ids: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None

    def report(self, events: int, counted: int = 3) -> None:
        """Spool so many events of a few faults, each counted some times more."""
        for _ in range(events):
            event = numbered(TRACEBACK, self._number)
            place = self._writer.append(
                Occurrence(event.kind, event.levelno, self._number, event.fingerprint, time.time(), wire.encode(event))
            )
            assert place is not None
            for _ in range(counted):
                assert self._writer.count(place)
            self.ids.append(event.error_id)
            self.expected[event.fingerprint] += 1 + counted
            self._number += 1

    def start(self, *options: str) -> None:
        command = [*self._prefix, sys.executable, "-m", "tocsin.cli", "deliver", "--config", str(self.config), *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=clean_environ())

    def end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(number)
            process.wait(20)

    def drain(self) -> None:
        """Deliver until nothing waits."""
        for _ in range(10):
            self.start("--drain", "--timeout", "60")
            assert self.process is not None
            if self.process.wait(90) == 0:
                return
        pytest.fail(f"not drained: {self.log.read_text()[-2000:]}")

    def close(self) -> None:
        self.end(signal.SIGKILL)
        self._writer.close()


def numbered(event: Event, number: int) -> Event:
    issue = f"v1:{number % 7:032x}"
    return replace(event, fingerprint=issue, error_id=error_id.make(error_id.prefix(issue), number))


def require_exactly_once(lines: list[dict[str, Any]], sender: Sender) -> None:
    """Every report by its id, every occurrence by the sum, no origin twice."""
    reports = Counter(line["error_id"] for line in lines if "process" in line)
    assert [one for one, times in reports.items() if times > 1] == []
    assert set(reports) == set(sender.ids)
    found: Counter[str] = Counter()
    for line in lines:
        found[line["fingerprint"]] += line["occurrences"]
    assert found == sender.expected
    origins = [json.dumps(line["received"], sort_keys=True) for line in lines]
    assert len(origins) == len(set(origins))


@pytest.mark.parametrize("seed", range(2))
def test_kills_of_both_ends_in_mid_stream_lose_and_double_nothing(tmp_path: Path, certs: Certs, seed: int) -> None:
    """TLS with client certificates; each round one of both is killed at a random moment of a delivery."""
    chance = random.Random(seed)
    receiver = Receiver(tmp_path, ["tls://127.0.0.1:0"], *tls_options(certs)).start()
    query = f"ca_file={certs.ca}&cert_file={certs.client}&key_file={certs.client_key}"
    sender = Sender(tmp_path, f"socket+tls://localhost:{receiver.port}?{query}")
    try:
        for number in range(12):
            sender.report(300)
            sender.start("--drain", "--timeout", "60")
            before = receiver.file.stat().st_size if receiver.file.exists() else 0
            wait_for(
                lambda before=before: receiver.file.exists() and receiver.file.stat().st_size > before, "a first line"
            )
            time.sleep(chance.random() * 0.2)
            if number % 2:
                sender.end(signal.SIGKILL)
            else:
                receiver.kill()
                receiver.start()
                sender.end(signal.SIGKILL)
        sender.drain()
        require_exactly_once(receiver.lines(), sender)
        assert receiver.stop() == 0
    finally:
        sender.close()
        receiver.kill()


def test_a_torn_record_of_a_killed_receiver_is_cut_off_and_told_again(tmp_path: Path) -> None:
    """Its sender has no acknowledgement of it; counting the torn one as well would be once too often."""
    receiver = Receiver(tmp_path, ["tcp://127.0.0.1:0"]).start()
    sink = make(host="127.0.0.1", port=receiver.port)
    first, second = (entry_of(case.make("torn")) for case in HOSTILE[:2])
    assert isinstance(sink.deliver([first]), Accepted)
    receiver.lines()
    receiver.kill()
    (segment,) = receiver.spool.glob("*/*/*.events")
    whole = segment.read_bytes()
    segment.write_bytes(whole + bytes(64) + b'{"half')
    receiver.start()
    assert segment.read_bytes() == whole
    assert isinstance(sink.deliver([first, second]), Accepted)
    sink.close()
    assert len(receiver.lines()) == 2
    assert receiver.stop() == 0


# -- several applications at one receiver ------------------------------------------------------------------


def test_each_application_s_faults_are_mailed_under_its_own_name(tmp_path: Path) -> None:
    """By episodes, at the central host: once for a fault that two hosts report."""
    pytest.importorskip("aiosmtpd", reason="no aiosmtpd; pip install aiosmtpd")
    from mailbox import Mailbox, serving

    box, port = Mailbox(), free_ports(1)[0]
    to = f"smtp://127.0.0.1:{port}?to=ops@example.org&sender=tocsin@example.org"
    with serving(box, port):
        receiver = Receiver(tmp_path, ["tcp://127.0.0.1:0"], to=to).start()
        sink = make(host="127.0.0.1", port=receiver.port)
        events = [
            replace(ERROR, application=application, environment=environment, host=host, timestamp=datetime.now(UTC))
            for application, environment in (("shop", "production"), ("blog", "staging"))
            for host in ("web1", "web2")
        ]
        assert isinstance(sink.deliver([entry_of(event) for event in events]), Accepted)
        sink.close()
        subjects = sorted(str(mail["Subject"]) for mail in box.wait(2))
        assert receiver.stop() == 0
    assert len(subjects) == 2
    assert subjects[0].startswith("[blog/staging]") and subjects[1].startswith("[shop/production]")
    assert all(subject.endswith("×2") for subject in subjects)


def test_task_tags_user_and_lead_up_arrive_and_are_shown_there(tmp_path: Path) -> None:
    """Whoever mends it asks the host where all reports are."""
    (event,) = [case.make("two hosts") for case in HOSTILE if case.name == "background_work"]
    sent = replace(event, request=replace(TRACEBACK.request, user="4711"))
    receiver = Receiver(tmp_path, ["tcp://127.0.0.1:0"]).start()
    sink = make(host="127.0.0.1", port=receiver.port)
    assert isinstance(sink.deliver([entry_of(sent)]), Accepted)
    sink.close()
    (line,) = receiver.lines()
    assert receiver.stop() == 0
    assert wire.event_from(line) == sent
    (room,) = {path.parent for path in receiver.spool.glob("*/*/*.events")}
    command = [sys.executable, "-m", "tocsin.cli", "show", sent.error_id, "--spool", str(room)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, env=clean_environ(), check=True).stdout
    for words in (
        ", user 4711\n",
        "shop.tasks.send (celery, id",
        "Tags      tenant=acme region=eu\n",
        "-1.000 s  INFO  ",
    ):
        assert words in shown


def test_a_receiver_passes_on_to_another_one(tmp_path: Path) -> None:
    """From a branch's receiver to the head office's: counts and reports stay what they were."""
    (tmp_path / "last").mkdir()
    last = Receiver(tmp_path / "last", ["tcp://127.0.0.1:0"]).start()
    first = Receiver(tmp_path, ["tcp://127.0.0.1:0"], to=f"socket://127.0.0.1:{last.port}").start()
    sender = Sender(tmp_path, f"socket://127.0.0.1:{first.port}")
    try:
        sender.report(50)
        sender.drain()
        first.lines()
        require_exactly_once(last.lines(), sender)
        assert first.stop() == 0 and last.stop() == 0
    finally:
        sender.close()
        first.kill()
        last.kill()


UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys, time
sys.path[:0] = {path!r}
from test_socket import make
from tocsin.delivery.job import Job
from tocsin.sinks.base import Accepted
from tocsin.testing.contract import entry_of
from tocsin.testing.hostile import HOSTILE
sink = make(**{options!r})
for case in HOSTILE[:3]:
    job = Job(lambda: sink.deliver([entry_of(case.make("gevent"))]), is_local=False)
    while job.outcome is None:
        time.sleep(0.01)
    if not isinstance(job.outcome, Accepted):
        sys.exit(str(job.outcome))
"""


def test_batches_of_several_threads_arrive_where_gevent_has_patched(tmp_path: Path, certs: Certs) -> None:
    """A socket of gevent belongs to the thread it was made in, and each batch has a thread of its own."""
    pytest.importorskip("gevent", reason="no gevent; pip install gevent")
    receiver = Receiver(tmp_path, ["tls://127.0.0.1:0"], *tls_options(certs)).start()
    code = UNDER_GEVENT.format(path=sys.path, options=tls(receiver, certs))
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert len(receiver.lines()) == 3
    assert receiver.stop() == 0


# -- who may, and who is understood ------------------------------------------------------------------------


def test_a_sender_without_a_certificate_is_turned_away_and_told(tmp_path: Path, certs: Certs) -> None:
    receiver = Receiver(tmp_path, ["tls://127.0.0.1:0"], *tls_options(certs)).start()
    other = make_certs(tmp_path / "other")
    for files in ({}, {"cert_file": str(other.client), "key_file": str(other.client_key)}):
        raw = {"host": "localhost", "port": receiver.port, "transport": "tls", "ca_file": str(certs.ca), **files}
        outcome = make(**raw).deliver([entry_of(ERROR)])
        assert isinstance(outcome, Unavailable), outcome
        assert "refused this client's certificate" in outcome.reason
    sink = make(**tls(receiver, certs))
    assert isinstance(sink.deliver([entry_of(ERROR)]), Accepted)
    sink.close()
    assert len(receiver.lines()) == 1
    assert receiver.stop() == 0


def test_a_wrong_token_is_told_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the right one\n")
    path = tmp_path / "errors.sock"
    receiver = Receiver(tmp_path, [f"unix://{path}"], "--token-file", str(tmp_path / "token")).start()
    outcome = make(path=str(path), token="a wrong one").deliver([entry_of(ERROR)])
    assert outcome == Unavailable(
        f"{path} says: the token is missing or another one", "set token to what the receiver was started with"
    )
    sink = make(path=str(path), token="the right one")
    assert sink.deliver([entry_of(ERROR)]) == Accepted(f"stream, acknowledged by {path}")
    sink.close()
    assert len(receiver.lines()) == 1
    assert "one" not in repr(sink._way)
    assert receiver.stop() == 0
    assert "wrong one" not in receiver.log.read_text()
    assert not path.exists()


def test_a_plain_reader_works_and_is_named_where_an_acknowledgement_is_wanted(tmp_path: Path) -> None:
    """What netcat does: it reads, and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        outcome = make(host="127.0.0.1", port=port, timeout=0.5).deliver([entry_of(ERROR)])
        assert isinstance(outcome, Unavailable)
        assert "never answered the hello" in outcome.reason
        assert "acknowledge = false" in outcome.remedy
        listener.accept()[0].close()
        sink = make(host="127.0.0.1", port=port, acknowledge="false")
        sent = entry_of(ERROR)
        assert isinstance(sink.deliver([sent]), Accepted)
        with listener.accept()[0] as connection:
            assert connection.recv(1_000_000) == sent.line + b"\n"
        sink.close()


def test_netcat_reads_and_netcat_sends(tmp_path: Path) -> None:
    """As the documentation says: lines into a file, and from the file to a receiver."""
    if shutil.which("nc") is None:
        pytest.skip("no netcat; on Debian: apt-get install -y netcat-openbsd")
    port = free_ports(1)[0]
    events = tmp_path / "events.jsonl"
    with events.open("wb") as out, subprocess.Popen(["nc", "-lk", "127.0.0.1", str(port)], stdout=out) as netcat:
        sink = make(host="127.0.0.1", port=port, acknowledge="false")
        sent = [entry_of(case.make("nc")) for case in HOSTILE]
        wait_for(lambda: isinstance(sink.deliver(sent[:1]), Accepted), "netcat listens")
        assert isinstance(sink.deliver(sent[1:]), Accepted)
        sink.close()
        wait_for(lambda: events.read_bytes().count(b"\n") >= len(sent), "netcat has written")
        netcat.terminate()
    receiver = Receiver(tmp_path, ["tcp://127.0.0.1:0"]).start()
    with events.open("rb") as file:
        subprocess.run(["nc", "-N", "127.0.0.1", str(receiver.port)], stdin=file, check=True, timeout=30)
    wait_for(lambda: len(receiver.lines()) == len(sent), "all lines")
    assert receiver.stop() == 0


def test_the_receiver_in_the_documentation_works(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "lines.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    port = free_ports(1)[0]
    (tmp_path / "receiver.py").write_text(code.replace("9797", str(port)), encoding="utf-8")
    with subprocess.Popen([sys.executable, "receiver.py"], cwd=tmp_path) as process:
        try:
            sink = make(host="127.0.0.1", port=port)
            sent = [entry_of(case.make("docs")) for case in HOSTILE]
            wait_for(lambda: isinstance(sink.deliver(sent[:1]), Accepted), "it listens")
            assert isinstance(sink.deliver(sent[1:]), Accepted)
            sink.close()
        finally:
            process.kill()
    assert (tmp_path / "events.jsonl").read_bytes().count(b"\n") == len(sent)


def test_shortened_datagrams_are_whole_lines_that_a_receiver_takes(tmp_path: Path) -> None:
    """Each hostile event arrives, as valid JSON of the stated size, with all that names it."""
    receiver = Receiver(tmp_path, ["udp://127.0.0.1:0"]).start()
    sink = make(host="127.0.0.1", port=receiver.port, transport="udp")
    sent = [entry_of(case.make("udp")) for case in HOSTILE]
    for each in sent:
        assert isinstance(sink.deliver([each]), Accepted)
    wait_for(lambda: len(receiver.lines()) == len(sent), "all datagrams")
    arrived = {line["error_id"]: line for line in receiver.lines()}
    for each in sent:
        before = json.loads(each.line)
        after = arrived[before["error_id"]]
        assert after["fingerprint"] == before["fingerprint"]
        assert after["received"] == {"by": "udp", **before["origin"]}
        assert after.get("cut_bytes", len(each.line)) == len(each.line)
        assert (
            after["message"][:8] == before["message"].encode("utf-16", "surrogatepass").decode("utf-16", "replace")[:8]
        )
    assert receiver.stop() == 0


# -- a network that is cut ---------------------------------------------------------------------------------


class Network:
    """Two network namespaces with a cable between them, which can be cut in either direction without a word."""

    def __init__(self) -> None:
        mark = secrets.token_hex(2)
        self.near, self.far = f"tocsin-{mark}-a", f"tocsin-{mark}-b"
        self._ends = {self.near: (f"ts{mark}a", "10.99.0.1"), self.far: (f"ts{mark}b", "10.99.0.2")}
        for name in (self.near, self.far):
            _run("ip", "netns", "add", name)
        first, second = (end for end, _ in self._ends.values())
        _run("ip", "link", "add", first, "netns", self.near, "type", "veth", "peer", "name", second, "netns", self.far)
        for name, (end, address) in self._ends.items():
            _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", end)
            _run("ip", "-n", name, "link", "set", end, "up")
            _run("ip", "-n", name, "link", "set", "lo", "up")

    def prefix(self, name: str) -> list[str]:
        return ["ip", "netns", "exec", name]

    def cut(self, *names: str) -> None:
        """Have what leaves there go to a card that nobody has: it is lost, and nobody is told."""
        for name in names:
            _run("ip", "-n", name, "neigh", "replace", *self._peer(name), "lladdr", "02:00:00:00:00:99",
                 "nud", "permanent")  # fmt: skip

    def heal(self, *names: str) -> None:
        for name in names:
            _run("ip", "-n", name, "neigh", "del", *self._peer(name))

    def close(self) -> None:
        for name in (self.near, self.far):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def _peer(self, name: str) -> list[str]:
        ((_, address),) = [other for place, other in self._ends.items() if place != name]
        return [address, "dev", self._ends[name][0]]


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)


@pytest.fixture
def network() -> Iterator[Network]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root; sudo pytest tests/real/test_socket.py")
    if shutil.which("ip") is None:
        pytest.skip("no ip; on Debian: apt-get install -y iproute2")
    try:
        made = Network()
    except subprocess.CalledProcessError as fault:
        pytest.skip(f"no network namespaces here: {fault.stderr.strip()}; run on a host that allows them")
    yield made
    made.close()


@pytest.mark.parametrize("direction", ["both", "acknowledgements"])
def test_a_network_that_is_cut_and_healed_loses_and_doubles_nothing(
    tmp_path: Path, network: Network, direction: str
) -> None:
    """The half-open connection is noticed in time; where only answers were lost, what was repeated is known again."""
    receiver = Receiver(tmp_path, ["tcp://10.99.0.2:9797"], prefix=network.prefix(network.far)).start()
    sender = Sender(tmp_path, "socket://10.99.0.2:9797?timeout=1", network.prefix(network.near))
    cut = [network.near, network.far] if direction == "both" else [network.far]
    try:
        sender.start()
        sender.report(200)
        wait_for(lambda: len(receiver.lines(is_drained=False)) >= 200, "the first events")
        network.cut(*cut)
        sender.report(200)
        wait_for(lambda: "did not answer in time" in health(sender).get("reason", ""), "the failure is noticed")
        network.heal(*cut)
        sender.report(200)
        wait_for(
            lambda: sum(line["occurrences"] for line in receiver.lines()) >= sum(sender.expected.values()), "all", 60
        )
        require_exactly_once(receiver.lines(), sender)
        assert not health(sender).get("reason")
        assert receiver.stop() == 0
        if direction == "acknowledgements":
            assert " 0 were there already" not in receiver.said
    finally:
        sender.close()
        receiver.kill()


def health(sender: Sender) -> dict[str, Any]:
    state = SqliteState(sender.folder.state, read_only=True)
    try:
        note: dict[str, Any] = state.note("socket:tcp:10.99.0.2:9797").get("health", {})
        return note
    finally:
        state.close()
