"""A corpus of WSGI applications on real servers, with tocsin and without: the same bytes, steps and exceptions."""

from __future__ import annotations

import random
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from wsgi_servers import SERVERS, VIA_ASGI, Answer, Server, skip_if_missing

import seeds
from guest_corpus import Plan, application, corpus, exits
from reference_server import Exchange, serve

PATIENCE_S = 20.0
DATE = re.compile(rb"(?im)^(date): [^\r]*")
INTERIM = re.compile(rb"(?i)\A(?:HTTP/1.1 1\d\d [^\r]*\r\n(?:[^\r]+\r\n)*\r\n)+")
ERROR_ID = re.compile(rb"(?im)^x-error-id: (?!mine)([^\r]*)\r\n")
# Servers that look at the list of headers when they send it, not when they are given it.
KEEPING = ("wsgiref", "werkzeug")
# Servers that send no "100 Continue" once start_response was called, so that there is one more where it is held back.
EAGER = ("gevent", *VIA_ASGI)
# How a client asks: the request's head, and what follows it.
CLIENTS = {
    "GET": ("GET {path} HTTP/1.1\r\nConnection: close\r\n", b""),
    "HEAD": ("HEAD {path} HTTP/1.1\r\nConnection: close\r\n", b""),
    "HTTP/1.0": ("GET {path} HTTP/1.0\r\n", b""),
    "POST": ("POST {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: 10\r\n", b"some input"),
    "Expect": (
        "POST {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: 10\r\nExpect: 100-continue\r\n",
        b"some input",
    ),
}


@dataclass
class Seen:
    """What one request came to."""

    raw: bytes
    steps: list[str]
    raised: set[str]  # classes that the server's log names
    is_eager: bool

    @property
    def unmarked(self) -> bytes:
        """The bytes, without what we add to a 5xx, and what a held start lets through (see EAGER)."""
        raw = ERROR_ID.sub(b"", self.raw)
        return INTERIM.sub(b"", raw) if self.is_eager else raw


class Run:
    """Ask one server for all plans, bare and with tocsin, and read what came of each when it has stopped."""

    def __init__(self, name: str, folder: Path, seed: int) -> None:
        self.name = name
        self.seed = seed
        self.plans = corpus(seed)
        dice = random.Random(seed)
        self.clients = [client_of(plan, dice) for plan in self.plans]
        server = Server((SERVERS | VIA_ASGI)[name], folder / "record.jsonl", "guest_site", TOCSIN_TEST_PLANS=str(seed))
        try:
            self._raw = {
                (way, number): ask(server.port, way, number, client)
                for number, client in enumerate(self.clients)
                if self.is_asked(number)
                for way in ("bare", "tocsin")
            }
        finally:
            server.stop()
        self._steps: dict[str, list[str]] = {}
        for event in server.recorded():
            if event["what"] == "step":
                self._steps.setdefault(event["test"], []).append(event["step"])
        for number, plan in enumerate(self.plans):
            for way in ("bare", "tocsin") if plan.body == "iterator" else ():
                steps = self._steps.get(f"{way}{number}", [])
                if "GeneratorExit" in steps:  # without close() it ends with the process, if anybody still listens
                    del steps[steps.index("GeneratorExit") :]
        log = Path(server.log.name).read_text(errors="replace")
        self._raised: dict[str, set[str]] = {}
        for cls, ticket in re.findall(r"(\w+): boom (\w+)\.", log):
            self._raised.setdefault(ticket, set()).add(cls)

    def is_asked(self, number: int) -> bool:
        """Leave out what never ends without tocsin: StopIteration in asyncio's threads, bytes in uvicorn's adapter."""
        plan = self.plans[number]
        if self.name in VIA_ASGI and plan.fault and plan.error == "StopIteration":
            return False
        return self.name != "uvicorn" or plan.body != "bytes"

    def seen(self, way: str, number: int) -> Seen:
        ticket = f"{way}{number}"
        return Seen(
            self._raw[way, number], self._steps.get(ticket, []), self._raised.get(ticket, set()), self.name in EAGER
        )


def client_of(plan: Plan, dice: random.Random) -> str:
    if plan.reads:
        return dice.choice(["POST", "Expect"])
    return dice.choice([*CLIENTS, "keep-alive"]) if is_whole(plan) else "GET"


def is_whole(plan: Plan) -> bool:
    """Tell whether an answer has the length it says, so that the connection can be used again."""
    return (
        not plan.fault
        and plan.environ != "cleared"
        and plan.status in ("200 OK", "404 Not Found")
        and plan.start in ("call", "first")
        and (plan.start == "call" or plan.body in ("generator", "iterable", "iterator", "sized"))
        and plan.body not in ("bytes", "dict_keys", "nothing", "rude_generator")
        and plan.headers != "short_length"
        and all(isinstance(chunk, bytes) for chunk in plan.chunks)
    )


def ask(port: int, way: str, number: int, client: str) -> bytes:
    """Return all bytes of an answer, without its moment; on a connection kept, of a second one as well."""
    is_kept = client == "keep-alive"
    head, data = ("GET {path} HTTP/1.1\r\n", b"") if is_kept else CLIENTS[client]
    head = head.format(path=f"/{way}/{number}") + f"Host: localhost\r\nX-Test: {way}{number}\r\n\r\n"
    raw = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as link:
        link.sendall(head.encode() + data)
        try:
            if is_kept:  # until the whole answer has come, or the server has closed
                while not is_complete(raw) and (piece := link.recv(65536)):
                    raw += piece
                if not re.search(rb"(?i)\r\nconnection: close|\AHTTP/1.0", raw):
                    link.sendall(b"GET /bare/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            while piece := link.recv(65536):
                raw += piece
        except (ConnectionResetError, BrokenPipeError):
            raw += b"<reset>"
    return DATE.sub(rb"\1: now", raw)


def is_complete(raw: bytes) -> bool:
    """Tell whether an answer has come as a whole, where its head says how long it is."""
    head, end, body = raw.partition(b"\r\n\r\n")
    if not end:
        return False
    if b"transfer-encoding: chunked" in head.lower():
        return body.endswith(b"0\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return length is not None and len(body) >= int(length[1])


@pytest.fixture(scope="module")
def seed() -> int:
    # One seed unless another is asked for: in some corpus a server by itself treats a broken application in a way of
    # its own that `differing` does not know yet (`write` in an error on Werkzeug, an empty sized body without a start).
    return seeds.dice(usual=176_461_298).getrandbits(32)


@pytest.fixture(scope="module", params=[*SERVERS, *VIA_ASGI])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, seed: int) -> Iterator[Run]:
    skip_if_missing(request.param)
    yield Run(request.param, tmp_path_factory.mktemp(request.param), seed)


def test_every_application_behaves_with_tocsin_as_without(run: Run) -> None:
    """Bytes, steps and exceptions are the same, but where our page answers for a failure before the start."""
    differences = [
        f"plan {number} of {run.seed}, {client}: {plan}\n   {difference}"
        for number, (plan, client) in enumerate(zip(run.plans, run.clients, strict=True))
        if run.is_asked(number)
        and (difference := differing(run, plan, client, run.seen("bare", number), run.seen("tocsin", number)))
    ]
    assert not differences, "\n".join([f"{len(differences)} differences", *differences])


@pytest.mark.parametrize("name", ["wsgiref", "gunicorn-sync", "uwsgi", "cheroot"])
def test_exits_leave_an_application_with_tocsin_as_without(name: str, tmp_path: Path) -> None:
    """SystemExit and classes outside Exception: the same bytes, and the server or its worker ends or lives on."""
    skip_if_missing(name)
    came: dict[str, list[object]] = {"bare": [], "tocsin": []}
    for way, found in came.items():
        server = Server(SERVERS[name], tmp_path / f"{way}.jsonl", "guest_site", TOCSIN_TEST_PLANS="exits")
        try:
            for number, _ in enumerate(exits()):
                found.append(ask(server.port, way, number, "GET"))
                found.append(is_up := server.is_up())
                if not is_up:
                    break
        finally:
            server.stop()
        found.append([event["step"] for event in server.recorded() if event["what"] == "step"])
    assert came["tocsin"] == came["bare"]


def differing(run: Run, plan: Plan, client: str, bare: Seen, guarded: Seen) -> str:
    """Say what differs that should not; empty if nothing does."""
    if plan.environ == "cleared" and guarded.unmarked == bare.unmarked:
        return ""  # servers that need the environ again fail by themselves
    if has_page(plan, client):
        answer = Answer(INTERIM.sub(b"", guarded.raw))
        if not (answer.status.startswith("500") and b"Error id: " in guarded.raw and len(answer.error_ids) == 1):
            return f"no page: {guarded}"
        closes = [seen.steps.count("close") for seen in (bare, guarded)]
        return "" if closes[0] <= closes[1] <= 1 else f"closed {closes}"  # cheroot forgets to where nothing was started
    if plan.start == "again" and guarded.raw.count(b"text/again") == 1 and b"text/plain" not in guarded.raw:
        return ""  # PEP 3333; gunicorn sends both sets of headers
    if plan.headers in ("mutated", "emptied") and run.name in KEEPING and b"X-Late" not in guarded.raw:
        return ""
    if run.name == "uwsgi" and plan.start == "handled" and plan.status.encode() in guarded.raw:
        return ""  # PEP 3333; uWSGI sends no body after a first start with exc_info, or raises a SystemError
    if plan.start == "late" and plan.chunks[:1] == (b"",) and f" {plan.status[:3]} ".encode() in guarded.raw[:16]:
        return ""  # a start behind an empty chunk: to PEP 3333 nothing has left by then; some servers think otherwise
    if plan.environ == "cleared" and plan.body == "file":
        return ""  # the wrapper is not found again where the environ named it, so the file goes out in chunks
    if plan.body == "file" and plan.start == "never" and b"Error id: " in guarded.raw:
        return ""  # an empty one: to tell it from others it would have to be read; no server sends it either
    is_refused = any(step.startswith("start raised") for step in bare.steps)
    # gevent refuses a start of its own accord; held back, it is refused when the body has begun.
    for name in ("unmarked", "raised") if is_refused else ("unmarked", "steps", "raised"):
        was, now = getattr(bare, name), getattr(guarded, name)
        if was != now:
            return f"{name}\n   bare    {shown(was)}\n   guarded {shown(now)}"
    return ""


def has_page(plan: Plan, client: str) -> bool:
    """Tell, by a server that keeps to the letter, whether an application fails before anything has left.

    What a second start without exc_info comes to is the server's own decision.
    """
    exchange = Exchange()
    serve(application(plan, exchange.note), exchange, "HEAD" if client == "HEAD" else "GET")
    is_refused = any(step.startswith("start raised") for step in exchange.steps)
    return isinstance(exchange.fault, Exception) and not exchange.is_sent and not is_refused


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) < 900 else f"{text[:450]}…{text[-450:]}"
