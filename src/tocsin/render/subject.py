"""A notice goes in; its subject leaves: one line of at most 120 characters, without any data."""

from __future__ import annotations

from datetime import tzinfo
from typing import Final

from tocsin.event.notice import IssueReport, Notice
from tocsin.render import harmless, when
from tocsin.render.prepared import prepared_subject

__all__ = ["SUBJECT_CHARS", "issue_name", "place", "subject", "times"]

SUBJECT_CHARS: Final = 120
_APPLICATION_CHARS: Final = 24
_ENVIRONMENT_CHARS: Final = 16
_TITLE_CHARS: Final = 60
_AS_PREPARED: Final = ("new", "comeback")
_WORDS: Final = {"traceback": "Exception", "error": "Error", "warning": "Warning"}


def subject(notice: Notice, zone: tzinfo | None = None) -> str:
    """Return ``[shop/production] ValueError in orders.views.pay (7K3QDM) ×37`` and its kin.

    Subjects show on lock screens and in ticket queues, so no data is in them. What is too long is cut
    in the name, never in the id and the count. No character in it can end a header. Where a drop-in handler made the
    subject, it is that one, as it is for a new fault.
    """
    own = prepared_subject(notice)
    if own and notice.reason in _AS_PREPARED and len(notice.issues) == 1:
        return own
    if own:
        name, tail = _core(notice, zone)
        own = harmless.shorten(own, SUBJECT_CHARS // 2)
        return f"{own}: {harmless.shorten(name, SUBJECT_CHARS - len(own) - len(tail) - 2)}{tail}"
    tag = f"[{place(notice)}] "
    name, tail = _core(notice, zone)
    return tag + harmless.shorten(name, SUBJECT_CHARS - len(tag) - len(tail)) + tail


def place(notice: Notice) -> str:
    """Return ``shop/production``, or ``shop`` without an environment."""
    application = harmless.line(notice.application, _APPLICATION_CHARS)
    environment = harmless.line(notice.environment, _ENVIRONMENT_CHARS)
    return f"{application}/{environment}" if environment else application


def issue_name(issue: IssueReport) -> str:
    """Return ``ValueError in orders.views.pay``: what and where without any data.

    Without an exception the title is the message's template. It is named only where the sample proves that it is
    program text (arguments were put into it); a message formatted beforehand may hold anything.
    """
    sample = issue.sample
    title = _WORDS[issue.kind]
    if issue.level == "CRITICAL":
        title = "Critical " + title.lower()
    if issue.kind == "traceback" or (sample is not None and sample.exception is not None):
        title = issue.title.strip().rpartition(".")[2] or title
    elif sample is not None and sample.template and sample.template != sample.message:
        title = f"“{harmless.line(issue.title.strip(), _TITLE_CHARS - 2)}”"
    culprit = harmless.line(issue.culprit, 80)
    shown = harmless.line(title, _TITLE_CHARS)
    return f"{shown} in {culprit}" if culprit else shown


def times(count: int) -> str:
    """Return ``once``, ``twice`` or ``8,212 times``."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _core(notice: Notice, zone: tzinfo | None) -> tuple[str, str]:
    """Return (what may be cut, what must stay)."""
    if notice.reason == "check":
        return "Test by tocsin check: this reaches you", ""
    if notice.reason == "alive":
        return "tocsin works", _done(notice)
    total = sum(issue.untold for issue in notice.issues)
    faults = _amount(len(notice.issues), "fault")
    if notice.reason == "over":
        return f"Alarm flood is over: {faults}, {times(total)}", ""
    if notice.reason == "digest":
        return f"Daily digest: {faults}, {times(total)}", ""
    if not notice.issues:
        return "Alarm flood" if notice.reason == "summary" else "Notice", ""
    if notice.reason == "summary":
        return f"Alarm flood: {faults}, {times(total)}: {issue_name(notice.issues[0])}", _more(notice)
    return _one(notice, zone) if len(notice.issues) == 1 else _several(notice, zone)


def _one(notice: Notice, zone: tzinfo | None) -> tuple[str, str]:
    issue = notice.issues[0]
    count = f" ×{issue.episode_count:,}" if issue.episode_count > 1 else ""
    tails = {
        "new": count,
        "update": _growth(issue),
        "quiet": f": {_quiet(issue, notice, zone)}",
        "comeback": f" is back{count}",
    }
    return issue_name(issue), f" ({harmless.line(issue.prefix, 8)}){tails[notice.reason]}"


def _several(notice: Notice, zone: tzinfo | None) -> tuple[str, str]:
    first = notice.issues[0]
    count = len(notice.issues)
    words = {
        "new": (f"{count} new faults", ""),
        "update": (f"{count} faults go on", _growth(first)),
        "quiet": (f"{count} faults are quiet", ""),
        "comeback": (f"{count} faults are back", ""),
    }
    lead, growth = words[notice.reason]
    return f"{lead}: {issue_name(first)}", growth + _more(notice)


def _done(notice: Notice) -> str:
    done = notice.activity
    if done is None:
        return ""
    told = f": {_amount(done.notices, 'notice')} of {_amount(done.told, 'occurrence')}"
    lost = f", {done.lost:,} lost" if done.lost else ""
    return f"{told} in {when.span(notice.at - done.since)}{lost}"


def _growth(issue: IssueReport) -> str:
    before = issue.episode_count - issue.untold
    return f" ×{issue.episode_count:,}" + (f" (was ×{before:,})" if before > 0 else "")


def _quiet(issue: IssueReport, notice: Notice, zone: tzinfo | None) -> str:
    return f"quiet since {when.clock(issue.last_seen, notice.at, zone)}, {issue.episode_count:,} in all"


def _more(notice: Notice) -> str:
    return f" and {len(notice.issues) - 1} more" if len(notice.issues) > 1 else ""


def _amount(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
