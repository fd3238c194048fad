"""A notice goes in; what a drop-in handler prepared for it leaves, harmless: a subject, a text; "" for all others."""

from __future__ import annotations

from typing import Any, Final

from tocsin.event.notice import IssueReport, Notice
from tocsin.render import harmless

__all__ = ["has_traceback", "prepared_subject", "prepared_text"]

_SUBJECT_CHARS: Final = 300
_TRACEBACK: Final = "Traceback (most recent call last):"


def prepared_subject(notice: Notice) -> str:
    """Return the subject of the first issue; of several whose subjects differ, none."""
    subjects = {_member(issue, "subject") for issue in notice.issues if issue.sample is not None}
    return harmless.line(subjects.pop(), _SUBJECT_CHARS).strip() if len(subjects) == 1 else ""


def prepared_text(issue: IssueReport) -> str:
    """Return what the handler's formatter made of the issue's sample."""
    return harmless.block(_member(issue, "text")).rstrip()


def has_traceback(text: str) -> bool:
    """Tell whether a text shows a traceback already."""
    return _TRACEBACK in text


def _member(issue: IssueReport, name: str) -> str:
    value: Any = issue.sample.prepared.get(name) if issue.sample is not None else None
    return value if isinstance(value, str) else ""
