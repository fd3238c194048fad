"""A notice goes in; its public JSON members leave, with the texts that people read. Schema 1, see the reference."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, tzinfo
from typing import Any, Final

from tocsin.event import wire
from tocsin.event.notice import Activity, Commit, IssueReport, Notice
from tocsin.render.chat import chat_lines
from tocsin.render.subject import issue_name, subject

__all__ = ["NOTICE_SCHEMA", "notice_members"]

NOTICE_SCHEMA: Final = 1


def notice_members(notice: Notice, zone: tzinfo | None = None) -> dict[str, Any]:
    """Return the members of a notice: JSON values only. Times are ISO 8601 in UTC, those in texts in ``zone``."""
    return {
        "schema": NOTICE_SCHEMA,
        "id": notice.id,
        "reason": notice.reason,
        "at": wire.timestamp_text(notice.at),
        "application": notice.application,
        "environment": notice.environment,
        "subject": subject(notice, zone),
        "text": chat_lines(notice, zone, is_inert=False),
        "held_back": notice.held_back,
        "activity": _activity(notice.activity),
        "issues": [_issue(issue) for issue in notice.issues],
    }


def _activity(done: Activity | None) -> dict[str, Any] | None:
    return None if done is None else {**asdict(done), "since": _time(done.since)}


def _issue(issue: IssueReport) -> dict[str, Any]:
    sample = issue.sample
    return {
        "fingerprint": issue.fingerprint,
        "prefix": issue.prefix,
        "error_id": sample.error_id if sample is not None else "",
        "kind": issue.kind,
        "level": issue.level,
        "name": issue_name(issue),
        "title": issue.title,
        "culprit": issue.culprit,
        "count": issue.count,
        "episode_count": issue.episode_count,
        "untold": issue.untold,
        "first_seen": _time(issue.first_seen),
        "last_seen": _time(issue.last_seen),
        "episode_started": _time(issue.episode_started),
        "first_release": issue.first_release,
        "last_release": issue.last_release,
        "clients": issue.clients,
        "introduced": _commit(issue.introduced),
        "event": None if sample is None else json.loads(wire.encode(sample)),
    }


def _commit(commit: Commit | None) -> dict[str, Any] | None:
    return None if commit is None else {**asdict(commit), "at": None if commit.at is None else _time(commit.at)}


def _time(at: datetime) -> str:
    return wire.timestamp_text(at)
