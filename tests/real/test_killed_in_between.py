"""SIGKILL between acceptance and commit, and servers away in every way: all arrives, what comes twice has its key.

The server's side of the link strikes, at the server's answer: nothing in tocsin knows of it.
"""

from __future__ import annotations

import http.server
import itertools
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from mailbox import Mailbox, serving, text_of
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from between import Between, Mode, between
from certs import Certs
from ports import free_ports
from postgres import Postgres
from receiver import Receiver, clean_environ, wait_for
from syslogd import RSYSLOG, Daemon
from tracd import PASSWORDS, TracServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL, and servers of Linux")

EVENTS = 5
Taken: TypeAlias = tuple[str, frozenset[int]]
_REPORT = """
import sys, tocsin
reporter = tocsin.setup("shop.toml", root_handler=False)
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    reporter.report(message=f"broken-{number}-", fingerprint=f"pay {number}")
"""


_FIRSTS = itertools.count(0, 1_000)


class Shop:
    """Be an application with one sink; it reports, and processes of its own deliver."""

    def __init__(self, folder: Path, sink: str) -> None:
        self.folder = folder
        self.first = self.reported = next(_FIRSTS)  # servers outlive a test; its events are told by their numbers
        self._deliverers: list[subprocess.Popen[bytes]] = []
        head = 'application = "shop"\nspool = "spool"\ndelivery = "process"\n'
        (folder / "shop.toml").write_text(f'{head}[[sinks]]\ntimeout = "5s"\n{sink}')

    def report(self, number: int = EVENTS) -> None:
        first, self.reported = self.reported, self.reported + number
        command = [sys.executable, "-c", _REPORT, str(first), str(self.reported)]
        subprocess.run(command, cwd=self.folder, env=clean_environ(), check=True, timeout=60)

    def begin_delivery(self) -> subprocess.Popen[bytes]:
        """Start a process that delivers what waits, at once."""
        with (self.folder / "deliver.log").open("ab") as log:
            process = subprocess.Popen(self._drain("30s"), cwd=self.folder, env=clean_environ(), stdout=log, stderr=log)
        self._deliverers.append(process)
        return process

    def deliver(self) -> None:
        """Deliver all that waits: a drain gives up after a few tries, and on a busy machine one may not be enough."""
        for _ in range(5):
            done = subprocess.run(
                self._drain("60s"),
                cwd=self.folder,
                env=clean_environ(),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            if done.returncode == 0:
                return
        pytest.fail(done.stderr)

    def end(self) -> None:
        for process in self._deliverers:
            process.kill()
            process.wait()

    def _drain(self, timeout: str) -> list[str]:
        return [
            sys.executable, "-m", "tocsin.cli", "deliver", "--drain", "--timeout", timeout, "--config", "shop.toml",
        ]  # fmt: skip


class Destination:
    """Be one real server: its port, the sink that reaches it through a link, and what it took, by key."""

    def __init__(
        self, port: int, sink: Callable[[int], str], accepting: bytes, taken: Callable[[], Sequence[Taken]]
    ) -> None:
        self.port = port
        self.sink = sink
        self.accepting = accepting  # what a client says before the answer that accepts
        self.taken = taken  # the key of each thing it took, and which events that holds, in order
        self.is_exact = False
        self.is_also: Mode = "silent"


def _numbers(text: str) -> frozenset[int]:
    return frozenset(map(int, re.findall(r"broken-(\d+)-", text)))


# -- the servers -----------------------------------------------------------------------------------------------
@contextmanager
def _mail() -> Iterator[Destination]:
    box = Mailbox()
    (port,) = free_ports(1)

    def taken() -> list[Taken]:
        return [(mail["Message-ID"], _numbers(text_of(mail))) for mail in box.mails]

    with serving(box, port):
        yield Destination(
            port,
            lambda link: f'type = "mail"\nhost = "127.0.0.1"\nport = {link}\nto = "ops@example.org"\n',
            rb"(?i)data\r\n.*\r\n\.\r\n",
            taken,
        )


@contextmanager
def _receive(folder: Path) -> Iterator[Destination]:
    receiver = Receiver(folder, ["tcp://127.0.0.1:0"]).start()

    def taken() -> list[Taken]:
        return [(json.dumps(line["origin"]), _numbers(line["message"])) for line in receiver.lines()]

    try:
        found = Destination(
            receiver.port,
            lambda link: f'type = "socket"\nhost = "127.0.0.1"\nport = {link}\n',
            rb'"origin":',
            taken,
        )
        found.is_exact = True
        yield found
    finally:
        receiver.kill()


@contextmanager
def _database(postgres: Postgres) -> Iterator[Destination]:
    url = postgres.new_database("between")

    def taken() -> list[Taken]:
        if not postgres.execute("SELECT to_regclass('tocsin_occurrences')", "between")[0][0]:
            return []
        found = postgres.execute("SELECT origin, message FROM tocsin_occurrences", "between")
        counted = postgres.execute("SELECT coalesce(sum(occurrences), 0) FROM tocsin_issues", "between")[0][0]
        assert counted == len(found)
        return [(origin, _numbers(message)) for origin, message in found]

    def sink(link: int) -> str:
        address = url.replace(f":{postgres.port}/", f":{link}/") + "?sslmode=disable"
        return f'type = "database"\nstore = "both"\nurl = "{address}"\n'

    found = Destination(postgres.port, sink, rb"INSERT INTO tocsin_occurrences.*COMMIT", taken)
    found.is_exact = True
    yield found


@contextmanager
def _trac(server: TracServer) -> Iterator[Destination]:
    def taken() -> list[Taken]:
        texts = [text for ticket in server.tickets("shop") for text in (ticket["description"], *ticket["comments"])]
        return [(f"{re.findall(r'tn_[0-9a-f]+', text)} {sorted(_numbers(text))}", _numbers(text)) for text in texts]

    secret = PASSWORDS["bot"]
    found = Destination(
        server.port,
        lambda link: f'type = "trac"\nurl = "http://127.0.0.1:{link}/shop"\nuser = "bot"\npassword = "{secret}"\n',
        rb"ticket\.create",
        taken,
    )
    found.is_exact = True  # the tracker itself remembers what was told
    yield found


@contextmanager
def _http() -> Iterator[Destination]:
    """Be what takes Sentry's envelopes: an event is known by its id."""
    envelopes: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # cut off in the middle: nothing was taken
                self.close_connection = True
                return
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            envelopes.append(body)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    def taken() -> list[Taken]:
        ids = [json.loads(envelope.split(b"\n", 1)[0]).get("event_id") for envelope in envelopes]
        return [(each, _numbers(body.decode())) for each, body in zip(ids, envelopes, strict=True) if each]

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Destination(
            server.server_address[1],
            lambda link: f'type = "sentry"\ndsn = "http://0123456789abcdef0123456789abcdef@127.0.0.1:{link}/1"\n',
            rb"^POST .*\r\n\r\n.",
            taken,
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _syslog(folder: Path, certs: Certs) -> Iterator[Destination]:
    daemon = Daemon(RSYSLOG, folder, certs)
    daemon.start()

    def taken() -> list[Taken]:
        return [(each["sd"]["origin"], _numbers(each["msg"])) for each in daemon.parsed(0)]

    try:
        yield Destination(
            daemon.port,
            lambda link: f'type = "syslog"\nhost = "127.0.0.1"\nport = {link}\ntransport = "tcp"\n',
            b"",  # no answer ever comes
            taken,
        )
    finally:
        daemon.stop()


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracServer]:
    """Run one tracd: to make a project takes it seconds."""
    server = TracServer(tmp_path_factory.mktemp("trac"))
    server.add_project("shop")
    server.start()
    yield server
    server.stop()


ALSO: dict[str, Mode] = {
    "mail": "drips", "socket": "silent", "database": "resets", "trac": "silent", "sentry": "drips"
}  # fmt: skip


@pytest.fixture(params=ALSO)
def answering(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Destination]:
    """Give each server that answers what it accepts."""
    folder = tmp_path / "server"
    folder.mkdir()
    makers: dict[str, Callable[[], Any]] = {
        "mail": _mail,
        "socket": lambda: _receive(folder),
        "database": lambda: _database(request.getfixturevalue("postgres")),
        "trac": lambda: _trac(request.getfixturevalue("tracker")),
        "sentry": _http,
    }
    with makers[request.param]() as destination:
        destination.is_also = ALSO[request.param]
        yield destination


@pytest.fixture
def shop_of(tmp_path: Path) -> Iterator[Callable[[str], Shop]]:
    shops: list[Shop] = []

    def make(sink: str) -> Shop:
        shops.append(Shop(tmp_path, sink))
        return shops[-1]

    yield make
    for shop in shops:
        shop.end()


# -- what is to be so ------------------------------------------------------------------------------------------
def _require_all_by_key(destination: Destination, shop: Shop) -> None:
    taken = [(key, numbers) for key, numbers in destination.taken() if numbers and min(numbers) >= shop.first]
    by_key = dict(taken)
    assert frozenset().union(*by_key.values()) == frozenset(range(shop.first, shop.reported)), taken
    assert all(by_key[key] == numbers for key, numbers in taken), "one key, two contents"
    assert sum(map(len, by_key.values())) == shop.reported - shop.first, "something came by two keys"
    if destination.is_exact:
        assert len(taken) == len(by_key), "something came twice"


@pytest.mark.parametrize("before_the_answer", [True, False], ids=["before the answer", "after the answer"])
def test_a_leader_killed_when_the_server_has_accepted(
    answering: Destination, shop_of: Callable[[str], Shop], before_the_answer: bool
) -> None:
    """All arrives; what comes again has the key of the first; where the destination knows keys, nothing is double."""
    with between(answering.port) as link:
        shop = shop_of(answering.sink(link.port))
        shop.report()
        delivering: list[subprocess.Popen[bytes]] = []
        ready = threading.Event()

        def kill() -> None:
            ready.wait(30)
            delivering[0].send_signal(signal.SIGKILL)
            delivering[0].wait()

        link.strike_at(answering.accepting, kill, before_the_answer=before_the_answer)
        delivering.append(shop.begin_delivery())
        ready.set()
        wait_for(lambda: link.strikes == 1, "the server accepts, and the leader dies of it")
        assert delivering[0].returncode == -signal.SIGKILL
        assert answering.taken(), "the server had accepted nothing"
        shop.deliver()
        _require_all_by_key(answering, shop)


def test_a_server_that_is_away_in_every_way_and_reboots_in_between(
    answering: Destination, shop_of: Callable[[str], Shop]
) -> None:
    """Refusing, then as the table says, cut in the middle; each time all processes are killed, and events come."""
    with between(answering.port) as link:
        shop = shop_of(answering.sink(link.port))
        for mode in _ways(answering):
            shop.report(1)
            link.become(mode)
            process = shop.begin_delivery()
            _wait_until_met(link, shop)
            process.kill()
            process.wait()
        link.become("passes")
        shop.deliver()
        _require_all_by_key(answering, shop)
        link.become("refuses")
        shop.report(1)  # away once more, after it had worked
        process = shop.begin_delivery()
        _wait_until_met(link, shop)
        process.kill()
        process.wait()
        link.become("passes")
        shop.deliver()
        _require_all_by_key(answering, shop)


def _ways(destination: Destination) -> Sequence[Mode]:
    """Return three ways; test_bad_servers.py has every sink meet every one."""
    return ("refuses", destination.is_also, "cuts")


def _wait_until_met(link: Between, shop: Shop) -> None:
    """Wait until the sink has met what is wrong: the link has seen it, or it has said so."""
    log = shop.folder / "deliver.log"
    before = log.stat().st_size
    wait_for(lambda: link.met > 0 or log.stat().st_size > before, f"somebody meets a server that {link.mode}")


def test_a_syslog_message_that_arrived_before_the_leader_was_killed_comes_again_with_its_origin(
    tmp_path: Path, certs: Certs, shop_of: Callable[[str], Shop]
) -> None:
    """Syslog has no answers: the leader is stopped at what it says, and killed once the server has that."""
    folder = tmp_path / "server"
    folder.mkdir()
    with _syslog(folder, certs) as destination, between(destination.port) as link:
        shop = shop_of(destination.sink(link.port))
        shop.report()
        delivering: list[subprocess.Popen[bytes]] = []
        ready = threading.Event()

        def stop() -> None:
            ready.wait(30)
            delivering[0].send_signal(signal.SIGSTOP)

        link.strike_on(f"broken-{shop.reported - 1}-".encode(), stop)
        delivering.append(shop.begin_delivery())
        ready.set()
        wait_for(lambda: len(destination.taken()) == EVENTS, "the server has everything")
        delivering[0].kill()
        delivering[0].wait()
        assert link.strikes == 1
        shop.deliver()
        wait_for(lambda: len(destination.taken()) == 2 * EVENTS, "everything comes again")
        _require_all_by_key(destination, shop)
