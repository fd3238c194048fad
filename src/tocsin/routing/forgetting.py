"""What a state keeps and what is to be forgotten go in; what is left of it leaves. Pure, the same for every state."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Forgetting", "Gone", "without_reasons", "without_titles"]


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Say what a state is to forget.

    ``without`` takes out of a text what may not stay; ``is_title`` tells of an issue's fingerprint and title, and
    ``is_client`` of a fingerprint, a day's ordinal and a client's hash, whether it is to go. ``body`` returns what is
    left of an event's wire form, None where it stays as it is.
    """

    without: Callable[[str], str]
    is_title: Callable[[str, str], bool]
    is_client: Callable[[str, int, str], bool]
    body: Callable[[bytes], bytes | None]

    def title(self, fingerprint: str, title: str) -> str:
        """Return what is left of an issue's title; where nothing is, its next report gives it one again."""
        return "" if self.is_title(fingerprint, title) else self.without(title)


@dataclass(slots=True)
class Gone:
    """Count what went, or would go."""

    titles: int = 0
    clients: int = 0
    bodies: int = 0
    notices: int = 0
    reasons: int = 0

    @property
    def total(self) -> int:
        """Return how many things that are."""
        return self.titles + self.clients + self.bodies + self.notices + self.reasons


def without_titles(pending: str, without: Callable[[str], str], is_title: Callable[[str, str], bool]) -> str:
    """Return a pending notice's text without what is to be forgotten in its issues' titles; the same if nothing."""
    members = _object(pending)
    notice = members.get("notice")
    changed = False
    for issue in notice.get("issues", ()) if isinstance(notice, dict) else ():
        fingerprint, title = str(issue.get("fingerprint", "")), str(issue.get("title", ""))
        kept = "" if is_title(fingerprint, title) else without(title)
        culprit = without(str(issue.get("culprit", "")))
        if (kept, culprit) != (title, issue.get("culprit", "")):
            issue["title"], issue["culprit"], changed = kept, culprit, True
    return json.dumps(members, separators=(",", ":")) if changed else pending


def without_reasons(note: str, without: Callable[[str], str]) -> str:
    """Return the text of a consumer's note without what is to be forgotten in why its sink failed."""
    members = _object(note)
    found, changed = members.get("health"), False
    health: dict[str, Any] = found if isinstance(found, dict) else {}
    for name in ("reason", "remedy"):
        said = health.get(name)
        if isinstance(said, str) and without(said) != said:
            health[name], changed = without(said), True
    return json.dumps(members, separators=(",", ":")) if changed else note


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
