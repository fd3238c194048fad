"""Entries go in; each report leaves as an envelope of its own, counts and losses as one client report of the batch."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from tocsin.config.setting import Setting
from tocsin.event.limits import RETRY_AFTER_MAX_S
from tocsin.sinks.base import Accepted, Entry, Failed, Outcome, Refused, SinkContext, Unavailable
from tocsin.sinks.http import Http, Reply, require_urllib3
from tocsin.sinks.network import STEPS
from tocsin.sinks.sentry import envelope
from tocsin.sinks.sentry.options import SETTINGS, Dsn, dsn_of, from_url
from tocsin.sinks.sentry.payload import event_payload
from tocsin.sinks.sentry.rate_limits import wait_s
from tocsin.sinks.taken import Taken
from tocsin.sinks.version import version

__all__ = ["SentrySink"]

_WRONG_DSN: Final = (401, 403, 404)
_JUDGED_HERE: Final = (400, *_WRONG_DSN, 413, 429)


class SentrySink:
    """Send every report as an event to a server that speaks Sentry's protocol: Bugsink, Sentry, GlitchTip.

    Occurrences that were only counted are told as a client report: the protocol has no event that stands for several.
    """

    type: ClassVar[str] = "sentry"
    settings: ClassVar[tuple[Setting, ...]] = SETTINGS
    idempotency: ClassVar[str] = (
        "the server keeps one event of each `event_id`, made from the origin; a client report may come twice."
    )
    is_local: ClassVar[bool] = False
    needs: ClassVar[str] = "urllib3>=2.2"

    def __init__(
        self,
        dsn: Dsn,
        options: Mapping[str, Any],
        context: SinkContext,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dsn = dsn
        self._context = context
        # The key is no password: browsers' pages show theirs. It may travel in clear, and is masked all the same.
        self._http = Http(dsn.base, options, context, masked=(dsn.key,))
        client = f"tocsin/{version()}"
        self._headers = {
            "Content-Type": "application/x-sentry-envelope",
            "Content-Encoding": "gzip",
            "X-Sentry-Auth": f"Sentry sentry_version=7, sentry_client={client}, sentry_key={dsn.key}",
        }
        self._most_s = options["timeout"] * STEPS
        self._now = now
        self._monotonic = monotonic
        self._not_before = float("-inf")
        self._taken = Taken()

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> SentrySink:
        """Build it from validated options; opens nothing. Raises ConfigError."""
        require_urllib3(cls.type)
        return cls(dsn_of(options["dsn"]), options, context)

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``sentry+https://KEY@errors.example.org/1`` into options."""
        return from_url(url)

    @property
    def identity(self) -> str:
        """Return ``sentry:errors.example.org/1``, without the key."""
        return f"sentry:{self._dsn.where}"

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Send the entries; what was taken of a batch that fails isn't sent again. A refused one keeps none back."""
        waiting = self._taken.waiting(entries)
        # What can't be read is told as an event all the same, with what the entry itself says.
        read = [(entry, entry.members() or {"process": None}) for entry in waiting]
        reports = [(entry, members) for entry, members in read if "process" in members]
        others = [(entry, members) for entry, members in read if "process" not in members]
        try:
            refused = self._send_reports(reports)
            self._send_discarded(others)
        except Failed as fault:
            return fault.outcome
        if refused:
            told = f"{len(refused)} of {len(entries)}: " if len(entries) > 1 else ""
            return Refused(told + refused[0].reason, refused[0].remedy)
        self._taken.forget(entries)
        return Accepted(f"taken by {self._dsn.where}")

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _send_reports(self, reports: Sequence[tuple[Entry, Mapping[str, Any]]]) -> list[Refused]:
        """Send each; return what was refused for good. Raises Failed where the rest has to wait."""
        end = self._monotonic() + self._most_s
        refused = []
        for number, (entry, members) in enumerate(reports):
            if number and self._monotonic() > end:
                slow = f"{self._http.where} is slow: it took {number} of {len(reports)} events in {self._most_s:g} s"
                raise Failed(Unavailable(slow, "see the server's load; the rest follows"))
            payload = event_payload(entry, members, self._context)
            reply = self._post(envelope.event_envelope(payload, self._now()))
            if reply.status == 413:
                reply = self._post(envelope.event_envelope(payload, self._now(), envelope.LEAST_BYTES))
            verdict = self._verdict(reply)
            if verdict is None:
                self._taken.add([entry])
            else:
                refused.append(verdict)
        return refused

    def _send_discarded(self, others: Sequence[tuple[Entry, Mapping[str, Any]]]) -> None:
        """Tell of all occurrences without a report at once. Raises Failed."""
        discarded: Counter[str] = Counter()
        for entry, members in others:
            reason, quantity = _discarded(entry, members)
            discarded[reason] += quantity
        discarded = +discarded
        if discarded:
            verdict = self._verdict(self._post(envelope.discard_envelope(discarded, self._now())))
            if verdict is not None:
                raise Failed(verdict)
        self._taken.add(entry for entry, _ in others)

    def _post(self, body: bytes) -> Reply:
        """Send one envelope. Raises Failed: at once, where the server has asked for quiet."""
        remaining_s = self._not_before - self._monotonic()
        if remaining_s > 0:
            words = f"{self._http.where} takes no more events for {remaining_s:.0f} s, by its rate limit"
            raise Failed(Unavailable(words, "raise the project's quota, or the sink's level", remaining_s))
        path, packed = self._dsn.path, envelope.packed(body)
        reply = self._http.call("POST", path, body=packed, headers=self._headers, allow=_JUDGED_HERE)
        wanted_s = min(wait_s(reply.status, reply.headers), RETRY_AFTER_MAX_S)
        self._not_before = self._monotonic() + wanted_s
        if reply.status == 429:
            words = f"{self._http.where} answered 429 while delivering: its rate limit is reached"
            wait = wanted_s or None
            raise Failed(Unavailable(words, "raise the project's quota, or the sink's level", wait))
        return reply

    def _verdict(self, reply: Reply) -> Refused | None:
        """Return None for an envelope that is there now. Raises Failed where it wasn't the server itself that spoke."""
        if reply.status < 300:
            return None
        if reply.status == 400 and b"already exists" in reply.body[:4_096]:  # Bugsink's word for a repetition
            return None
        judged = self._http.judged(reply, "delivering")
        if reply.status in _WRONG_DSN:
            raise Failed(Unavailable(judged.reason, "check the dsn: its host, its key and the project's number"))
        if reply.status == 400 and not _is_json_object(reply.body):
            # A proxy's page, such as for TLS spoken to a plain port: nothing is wrong with the event.
            raise Failed(Unavailable(judged.reason, "check the dsn: is there a Sentry-compatible server behind it?"))
        return Refused(judged.reason, "see the server's log for what it wants otherwise")


def _discarded(entry: Entry, members: Mapping[str, Any]) -> tuple[str, int]:
    """Return (the protocol's reason, how many) of a count, a loss or a torn report."""
    if members.get("kind") == "loss":
        lost = members.get("lost")
        return envelope.discard_reason(str(members.get("reason"))), lost if isinstance(lost, int) else 0
    is_torn = bool(members.get("reason"))
    return envelope.discard_reason("torn") if is_torn else "sample_rate", max(entry.occurrences, 0)


def _is_json_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False
