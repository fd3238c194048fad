"""The contract of sinks on syslog: what rsyslog and syslog-ng have parsed, by TCP, TLS and datagrams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import pytest
from certs import Certs
from syslogd import RSYSLOG, SYSLOG_NG, Daemon

from tocsin.config.setting import parse_table
from tocsin.sinks.base import Accepted, Entry, Outcome, SinkContext
from tocsin.sinks.syslog import SyslogSink
from tocsin.testing import SinkContract

CONTEXT = SinkContext("shop", "production", "web1")


class Counting(SyslogSink):
    """Count what was taken, so that a test knows how many messages to wait for."""

    taken: ClassVar[int] = 0

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        outcome = super().deliver(entries)
        if isinstance(outcome, Accepted):
            Counting.taken += len(entries)
        return outcome


@pytest.fixture(
    params=[(name, way) for name in (RSYSLOG, SYSLOG_NG) for way in ("tcp", "tls", "unix")],
    ids="-".join,
    scope="class",
)
def daemon(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certs: Certs
) -> Iterator[tuple[Daemon, dict[str, Any]]]:
    name, way = request.param
    server = Daemon(name, tmp_path_factory.mktemp("syslog"), certs)
    server.start()
    Counting.taken = 0
    ways: dict[str, dict[str, Any]] = {
        "tcp": {"host": "127.0.0.1", "port": server.port},
        "tls": {"host": "localhost", "port": server.tls_port, "transport": "tls", "ca_file": str(certs.ca)},
        "unix": {"path": str(server.path)},
    }
    yield server, ways[way]
    server.stop()


class TestContract(SinkContract):
    """Each message arrives as one, whatever it holds."""

    @pytest.fixture(autouse=True)
    def _daemon(self, daemon: tuple[Daemon, dict[str, Any]]) -> None:
        self.server, self.options = daemon

    def new_sink(self) -> SyslogSink:
        values, faults = parse_table(SyslogSink.settings, {"timeout": 10.0, **self.options}, "syslog")
        assert faults == []
        return Counting.from_options(values, CONTEXT)

    def received(self) -> Sequence[str]:
        parsed = self.server.parsed(Counting.taken)
        assert len(parsed) == Counting.taken, "a message was lost, doubled or split"
        return [str(each) for each in parsed]
