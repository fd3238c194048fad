"""Events and client reports go in; envelopes leave as bytes, none longer than the servers take."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from tocsin.event import wire
from tocsin.sinks.http import encode_json
from tocsin.sinks.sentry.payload import sdk

__all__ = ["EVENT_BYTES", "LEAST_BYTES", "discard_envelope", "discard_reason", "event_envelope", "packed"]

EVENT_BYTES: Final = 1_000_000  # servers refuse an event past 1 MiB
LEAST_BYTES: Final = 100_000  # … and proxies before them perhaps less: what is left after a 413
_INNERMOST_FRAMES: Final = 8
_LATEST_BREADCRUMBS: Final = 10
_WORDS_CHARS: Final = 1_024
# Measured on a report of 25 frames: level 6 makes it 5 times smaller in 40 µs, 9 no smaller in 60 µs.
_GZIP_LEVEL: Final = 6

# Reasons of losses, in the protocol's words for what a client gave up.
_REASONS: Final = {"pending_overflow": "queue_overflow", "spool_full": "cache_overflow", "torn": "insufficient_data"}
_OTHER_REASON: Final = "internal_sdk_error"


def event_envelope(payload: Mapping[str, Any], now: datetime, max_bytes: int = EVENT_BYTES) -> bytes:
    """Return the envelope of one event, cut to about ``max_bytes``; an envelope has room for one event only."""
    header = {"event_id": payload["event_id"], "sent_at": wire.timestamp_text(now), "sdk": sdk()}
    return _envelope(header, "event", _fitted(payload, max_bytes))


def discard_envelope(discarded: Mapping[str, int], now: datetime) -> bytes:
    """Return the envelope of a client report: how many events were never sent, by reason."""
    at = wire.timestamp_text(now)
    events = [{"reason": reason, "category": "error", "quantity": number} for reason, number in discarded.items()]
    report = encode_json({"timestamp": at, "discarded_events": events})
    return _envelope({"sent_at": at, "sdk": sdk()}, "client_report", report)


def discard_reason(reason: str) -> str:
    """Return the protocol's word for the reason of a loss."""
    return _REASONS.get(reason, _OTHER_REASON)


def packed(envelope: bytes) -> bytes:
    """Return it compressed by gzip, the same bytes each time."""
    return gzip.compress(envelope, _GZIP_LEVEL, mtime=0)


def _envelope(header: Mapping[str, Any], kind: str, payload: bytes) -> bytes:
    item = encode_json({"type": kind, "content_type": "application/json", "length": len(payload)})
    return b"\n".join([encode_json(header), item, payload, b""])


def _fitted(payload: Mapping[str, Any], max_bytes: int) -> bytes:
    """Return the payload as JSON; of one that is too long the less telling parts are left out, one after the other."""
    found = encode_json(payload)
    if len(found) <= max_bytes:
        return found
    cut = json.loads(found)
    for step in _CUTS:
        step(cut)
        found = encode_json(cut)
        if len(found) <= max_bytes:
            break
    return found


def _without_surroundings(payload: dict[str, Any]) -> None:
    for value in payload.get("exception", {}).get("values", ()):
        for frame in value.get("stacktrace", {}).get("frames", ()):
            for name in ("pre_context", "post_context", "vars"):
                frame.pop(name, None)


def _without_extra(payload: dict[str, Any]) -> None:
    payload["extra"] = {"cut": "the report was too long"}


def _without_early_breadcrumbs(payload: dict[str, Any]) -> None:
    if "breadcrumbs" in payload:
        del payload["breadcrumbs"]["values"][:-_LATEST_BREADCRUMBS]


def _without_outer_frames(payload: dict[str, Any]) -> None:
    for value in payload.get("exception", {}).get("values", ()):
        if "stacktrace" in value:
            del value["stacktrace"]["frames"][:-_INNERMOST_FRAMES]
        value["value"] = value["value"][:_WORDS_CHARS]


def _without_causes(payload: dict[str, Any]) -> None:
    if "exception" in payload:
        del payload["exception"]["values"][:-1]
    for name in payload.get("logentry", ()):
        payload["logentry"][name] = payload["logentry"][name][:_WORDS_CHARS]
    payload.get("request", {}).pop("headers", None)


_CUTS: Final[tuple[Callable[[dict[str, Any]], None], ...]] = (
    _without_surroundings,
    _without_extra,
    _without_early_breadcrumbs,
    _without_outer_frames,
    _without_causes,
)
