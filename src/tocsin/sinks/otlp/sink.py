"""Entries go in; each leaves as an OTLP log record, many in one request. An Outcome tells what the collector said."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from tocsin.complaints import complain
from tocsin.config.setting import Setting
from tocsin.event.limits import SAID_CHARS
from tocsin.sinks.base import Accepted, Entry, Failed, Outcome, Refused, SinkContext, Unavailable
from tocsin.sinks.http import Http, Reply, require_urllib3
from tocsin.sinks.otlp.options import SETTINGS, Collector, collector_of, from_url
from tocsin.sinks.otlp.request import requests
from tocsin.sinks.taken import Taken

__all__ = ["OtlpSink"]

# Measured on a batch of 100 reports: level 6 makes it 100 times smaller in 2 ms, level 1 32 times in 1 ms.
_GZIP_LEVEL: Final = 6
_CONFIGURATION: Final = (406, 415, 501)  # it speaks HTTP, but not this: nothing is wrong with the records


class OtlpSink:
    """Send every event and count as a log record to an OpenTelemetry collector, by OTLP over HTTP in JSON."""

    type: ClassVar[str] = "otlp"
    settings: ClassVar[tuple[Setting, ...]] = SETTINGS
    idempotency: ClassVar[str] = (
        "possible after a crash or a broken connection; a repetition has the same `log.record.uid`, "
        "made from the origin."
    )
    is_local: ClassVar[bool] = False
    needs: ClassVar[str] = "urllib3>=2.2"

    def __init__(
        self,
        collector: Collector,
        options: Mapping[str, Any],
        context: SinkContext,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._collector = collector
        self._context = context
        self._http = Http(
            collector.base, options, context, secrets=collector.secrets, masked=tuple(collector.headers.values())
        )
        self._headers = {**collector.headers, "Content-Type": "application/json", "Content-Encoding": "gzip"}
        self._now = now
        self._taken = Taken()

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> OtlpSink:
        """Build it from validated options; opens nothing. Raises ConfigError."""
        require_urllib3(cls.type)
        return cls(collector_of(options), options, context)

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``otlp+https://collector.example.org:4318`` into options."""
        return from_url(url)

    @property
    def identity(self) -> str:
        """Return ``otlp:collector.example.org:4318/v1/logs``, with a digest of headers such as a tenant's."""
        return f"otlp:{self._collector.where}{self._collector.headers_digest}"

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Send the entries, in as few requests as their size allows; what was taken of them isn't sent again."""
        detail = f"taken by {self._collector.where}"
        for chunk, body in requests(self._taken.waiting(entries), self._context, self._now()):
            try:
                reply = self._post(body)
            except Failed as fault:
                return fault.outcome
            rejected, said = _rejected(reply.body)
            said = self._http.said(said)
            if rejected >= len(chunk):
                return Refused(f"{self._http.where} rejected {_records(len(chunk))}{said and ': '}{said}")
            self._taken.add(chunk)
            if rejected:
                # OTLP has no word for which, and forbids sending the accepted ones again.
                detail = f"{self._http.where} rejected {rejected} of {_records(len(chunk))}{said and ': '}{said}"
                complain("otlp", f"{self.identity}: {detail}; they are lost there")
            elif said:
                detail = f"{detail}, which warns: {said}"
        self._taken.forget(entries)
        return Accepted(detail)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _post(self, body: bytes) -> Reply:
        """Send one request. Raises Failed."""
        packed = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        reply = self._http.call(
            "POST", self._collector.path, body=packed, headers=self._headers, allow=(400, *_CONFIGURATION)
        )
        if reply.status < 300:
            return reply
        judged = self._http.judged(reply, "delivering")
        if reply.status in _CONFIGURATION:
            raise Failed(Unavailable(judged.reason, "it must take OTLP over HTTP as JSON, compressed by gzip"))
        if "html" in reply.headers.get("content-type", "").lower():
            # A proxy's page, such as for TLS spoken to a plain port.
            raise Failed(Unavailable(judged.reason, "check the endpoint: is there a collector behind it?"))
        raise Failed(judged)


def _rejected(body: bytes) -> tuple[int, str]:
    """Return (how many records, with which words) a partial success names; nothing for any other answer."""
    try:
        partial = json.loads(body)["partialSuccess"]
        rejected = int(partial.get("rejectedLogRecords", 0))
        said = str(partial.get("errorMessage") or "")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return 0, ""  # an empty object is success, and so is what other servers answer with a 2xx
    return max(rejected, 0), said[: 4 * SAID_CHARS]


def _records(number: int) -> str:
    return "1 log record" if number == 1 else f"{number} log records"
