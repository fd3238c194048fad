"""Every sink that connects, against servers that misbehave: it comes back in bounded time and says what to do."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pytest
from bad_servers import BAD, bad_server, silent
from ports import free_port

from tocsin.config.sink_table import SinkTable
from tocsin.sinks import registry
from tocsin.sinks.base import Outcome, SinkContext, Unavailable, takes_entries
from tocsin.testing import HOSTILE
from tocsin.testing.contract import entry_of, notice_of

if TYPE_CHECKING:
    from certs import Certs

CONTEXT = SinkContext("shop", "production", "web-1")
SECRET = "hunter2hunter2hunter2"
TIMEOUT_S = 0.3
PATIENCE_S = 60.0  # a bound against a test run that hangs, far above what any sink may take here

# How each type is pointed at a host and port, plainly and by TLS. Absent: it doesn't connect, or has no such way.
PLAIN: Final[dict[str, Callable[[int], dict[str, Any]]]] = {
    "chat": lambda port: {"urls": [f"json://127.0.0.1:{port}/"]},
    "database": lambda port: {"url": f"postgresql+psycopg://shop@127.0.0.1:{port}/shop", "password": SECRET},
    "gitea": lambda port: {"url": f"http://127.0.0.1:{port}", "repository": "a/b", "token": SECRET},
    "github": lambda port: {"url": f"http://127.0.0.1:{port}", "repository": "a/b", "token": SECRET},
    "gitlab": lambda port: {"url": f"http://127.0.0.1:{port}", "project": "a/b", "token": SECRET},
    "jira": lambda port: {"url": f"http://127.0.0.1:{port}", "project": "AB", "token": SECRET},
    "mail": lambda port: {"host": "127.0.0.1", "port": port, "to": "ops@example.org", "user": "u", "password": SECRET},
    "otlp": lambda port: {"endpoint": f"http://127.0.0.1:{port}", "headers": {"authorization": SECRET}},
    "pager": lambda port: {"url": f"http://127.0.0.1:{port}", "routing_key": SECRET},
    "redmine": lambda port: {"url": f"http://127.0.0.1:{port}", "project": "ab", "token": SECRET},
    "sentry": lambda port: {"dsn": f"http://{SECRET}@127.0.0.1:{port}/1"},
    "socket": lambda port: {"host": "127.0.0.1", "port": port, "token": SECRET},
    "syslog": lambda port: {"host": "127.0.0.1", "port": port},
    "trac": lambda port: {"url": f"http://127.0.0.1:{port}/shop", "user": "u", "password": SECRET},
    "webhook": lambda port: {"url": f"http://127.0.0.1:{port}/{SECRET}", "secret": SECRET},
}
LOCAL: Final = frozenset({"file", "nteventlog", "stderr"})
# Apprise imports what Python 3.13 has no more, on the first use.
pytestmark = pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning")


def secure(kind: str, port: int) -> dict[str, Any] | None:
    """Return the options by TLS; None where this type's TLS begins otherwise."""
    options = PLAIN[kind](port)
    if kind in ("socket", "syslog"):
        return {**options, "transport": "tls"}
    if kind == "mail":
        return {**options, "tls": "implicit"}
    if kind in ("chat", "database"):
        return None
    key = next(name for name in ("url", "endpoint", "dsn") if name in options)
    return {**options, key: options[key].replace("http://", "https://", 1)}


def told(kind: str, options: dict[str, Any]) -> Outcome:
    """Hand one report over, in a thread that is not waited for without end."""
    built, faults = registry.build([SinkTable({"type": kind, "timeout": TIMEOUT_S, **options})], CONTEXT)
    assert faults == []
    sink = built[0].sink
    event = HOSTILE[0].make()
    outcomes: list[Outcome] = []

    def call() -> None:
        if takes_entries(sink):
            outcomes.append(sink.deliver([entry_of(event)]))
        else:
            outcomes.append(sink.notify(notice_of("new", event)))  # type: ignore[attr-defined]
        sink.close()

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert outcomes, f"{kind} did not come back"
    assert SECRET not in repr(outcomes[0]) + sink.identity
    return outcomes[0]


def require_unavailable(outcome: Outcome) -> None:
    assert isinstance(outcome, Unavailable), outcome
    assert outcome.reason.isprintable()
    assert outcome.reason
    assert outcome.remedy


def test_every_type_is_tried_here() -> None:
    """A sink that is added has to be added here as well."""
    assert set(registry.TYPES) == LOCAL | set(PLAIN)


@pytest.mark.parametrize("kind", PLAIN)
def test_where_nothing_listens_a_report_waits(kind: str) -> None:
    require_unavailable(told(kind, PLAIN[kind](free_port())))


@pytest.mark.parametrize("behave", BAD, ids=lambda behave: behave.__name__)
@pytest.mark.parametrize("kind", PLAIN)
def test_a_server_that_misbehaves_is_left_in_bounded_time(kind: str, behave: Any) -> None:
    with bad_server(behave) as port:
        outcome = told(kind, PLAIN[kind](port))
    # Plain syslog has no answer at all, so a server that only listens is as good as any (docs/how-to/syslog.md).
    if kind != "syslog":
        require_unavailable(outcome)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_certificate_of_an_unknown_authority_is_not_trusted(kind: str, certs: Certs) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.server, certs.key)
    with bad_server(silent, context) as port:
        options = secure(kind, port)
        if options is None:
            return  # tested with its real server: its TLS begins within its own protocol
        outcome = told(kind, options)
    require_unavailable(outcome)
    assert "certificate" in outcome.reason  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", PLAIN)
def test_a_certificate_for_another_host_is_not_trusted(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    from certs import make_certs

    certs = make_certs(tmp_path_factory.mktemp("other"), hosts=("other.example",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.server, certs.key)
    with bad_server(silent, context) as port:
        options = secure(kind, port)
        if options is None:
            return
        outcome = told(kind, {**options, "ca_file": str(certs.ca)})
    require_unavailable(outcome)
    assert "certificate" in outcome.reason  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", PLAIN)
def test_a_server_that_agrees_on_tls_and_is_silent_is_left(kind: str, certs: Certs) -> None:
    """Half-open behind TLS: the deadline holds there as well."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.server, certs.key)
    with bad_server(silent, context) as port:
        options = secure(kind, port)
        if options is None or kind == "syslog":
            return
        require_unavailable(told(kind, {**options, "ca_file": str(certs.ca)}))
