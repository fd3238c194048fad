"""A pace or a pending notice goes in, JSON text leaves, and back again: how every state keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from tocsin.event.errors import StoreError
from tocsin.event.notice import Activity, Commit, IssueReport, Notice
from tocsin.routing.issues import SampleRef
from tocsin.routing.state import Pace, Pending, Tally, Told

__all__ = ["dump_pace", "dump_pending", "load_pace", "load_pending"]


def dump_pace(pace: Pace) -> str:
    """Return the JSON text of a pace. Law: load_pace(dump_pace(p)) == p."""
    return _dump(asdict(pace))


def load_pace(text: str) -> Pace:
    """Return the pace that a text holds. Raises StoreError when it holds none."""
    try:
        raw = json.loads(text)
        return Pace(
            sent=tuple(datetime.fromisoformat(at) for at in raw["sent"]),
            gather_until=_time(raw["gather_until"]),
            flood_stage=raw["flood_stage"],
            flood_at=_time(raw["flood_at"]),
            digest_at=_time(raw["digest_at"]),
            # Texts of older versions lack these.
            alive_at=_time(raw.get("alive_at")),
            tally=Tally(**raw.get("tally", {})),
        )
    except (ValueError, KeyError, TypeError) as fault:
        raise StoreError(f"a sink's pace in the state can't be read: {fault!r}") from fault


def dump_pending(pending: Pending) -> str:
    """Return the JSON text of a pending notice. Law: load_pending(dump_pending(p)) == p."""
    return _dump(
        {
            "notice": asdict(pending.notice),
            "told": [asdict(told) for told in pending.told],
            "samples": {key: asdict(sample) for key, sample in pending.samples.items()},
            "comebacks": sorted(pending.comebacks),
            "is_gathered": pending.is_gathered,
            "has_digest": pending.has_digest,
        }
    )


def load_pending(text: str) -> Pending:
    """Return the pending notice that a text holds. Raises StoreError when it holds none."""
    try:
        raw = json.loads(text)
        return Pending(
            notice=_notice(raw["notice"]),
            told=tuple(Told(**_times(told, "at", "comeback_at")) for told in raw["told"]),
            samples={key: SampleRef(**_times(sample, "at")) for key, sample in raw["samples"].items()},
            comebacks=frozenset(raw["comebacks"]),
            is_gathered=raw["is_gathered"],
            has_digest=raw["has_digest"],
        )
    except (ValueError, KeyError, TypeError) as fault:
        raise StoreError(f"a pending notice in the state can't be read: {fault!r}") from fault


def _notice(raw: Mapping[str, Any]) -> Notice:
    reports = (_report(report) for report in raw["issues"])
    activity = Activity(**_times(raw["activity"], "since")) if raw.get("activity") else None
    return Notice(**{**_times(raw, "at"), "issues": tuple(reports), "activity": activity})


def _report(raw: Mapping[str, Any]) -> IssueReport:
    brought = raw.get("introduced")
    commit = Commit(**_times(brought, "at")) if brought else None
    return IssueReport(**{**_times(raw, "first_seen", "last_seen", "episode_started"), "introduced": commit})


def _times(raw: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: _time(value) if key in names else value for key, value in raw.items()}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, default=_text, separators=(",", ":"))


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no part of what is stored")
