"""Times, sizes and issues go in; the words that every command uses for them leave."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tocsin.render import harmless, when
from tocsin.routing.issues import Issue, is_muted

__all__ = ["ago", "issue_members", "issue_name", "kind", "number", "size", "table"]


def ago(moment: datetime, now: datetime) -> str:
    """Return ``3.5 h ago``, or ``just now``."""
    return "just now" if now - moment < timedelta(seconds=1) else f"{when.span(now - moment)} ago"


def number(count: int, noun: str) -> str:
    """Return ``1 event`` or ``1,203 events``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def size(count: int) -> str:
    """Return a number of bytes in a fitting unit: ``512 B``, ``34 kB``, ``1.2 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.1f} {unit}" if value < 10 and unit != "B" else f"{value:.0f} {unit}"
        value /= 1000
    return ""


def kind(issue: Issue) -> str:
    """Return the kind, and the level where it is not the one that goes without saying."""
    usual = "WARNING" if issue.kind == "warning" else "ERROR"
    return issue.kind if issue.level in (usual, "") else f"{issue.kind} {harmless.line(issue.level, 8)}"


def issue_name(issue: Issue) -> str:
    """Return ``ValueError in shop.orders.pay``."""
    title = harmless.line(issue.title or f"({issue.kind})", 120)
    return f"{title} in {harmless.line(issue.culprit, 120)}" if issue.culprit else title


def issue_members(issue: Issue, now: datetime) -> dict[str, Any]:
    """Return an issue as JSON members; times are ISO 8601 in UTC."""
    return {
        "issue": issue.prefix,
        "fingerprint": issue.fingerprint,
        "kind": issue.kind,
        "level": issue.level,
        "title": issue.title,
        "culprit": issue.culprit,
        "logger": issue.logger,
        "application": issue.application,
        "environment": issue.environment,
        "count": issue.count,
        "episode_count": issue.episode_count,
        "first_seen": issue.first_seen.isoformat(),
        "last_seen": issue.last_seen.isoformat(),
        "first_release": issue.first_release,
        "last_release": issue.last_release,
        "muted_until": issue.muted_until.isoformat() if issue.muted_until and is_muted(issue, now) else None,
    }


def table(rows: list[list[str]], right: tuple[int, ...] = ()) -> list[str]:
    """Return rows as aligned lines, the columns of ``right`` to the right; the last column is as long as it is."""
    widths = [max(harmless.width(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    out = []
    for row in rows:
        cells = []
        for column, columns in enumerate(widths):
            space = " " * (columns - harmless.width(row[column]))
            cells.append(space + row[column] if column in right else row[column] + space)
        out.append("  ".join([*cells, row[-1]]).rstrip())
    return out
