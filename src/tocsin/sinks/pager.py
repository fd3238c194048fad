"""Notices go in; incidents that begin and end with episodes leave, in the form of PagerDuty's Events API v2."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, ClassVar, Final

from tocsin.config.setting import Setting, count, duration_s, text
from tocsin.event import wire
from tocsin.event.notice import IssueReport, Notice
from tocsin.render import harmless
from tocsin.render.chat import chat_lines, pager_line
from tocsin.render.facts import where
from tocsin.render.subject import place
from tocsin.sinks.base import Accepted, Failed, Outcome, SinkContext
from tocsin.sinks.endpoint import exact_http_url
from tocsin.sinks.http import HTTP_SETTINGS, Http, require_urllib3
from tocsin.sinks.url import parameters, split

__all__ = ["PagerSink"]

_URL: Final = "https://events.pagerduty.com/v2/enqueue"
_SUMMARY_CHARS: Final = 1_024  # PagerDuty, Events API v2, "summary"
_DETAILS_CHARS: Final = 4_096
_PLACE_CHARS: Final = 200  # of a dedup_key's 255: what tells faults apart must stay
_SEVERITY: Final = {"CRITICAL": "critical", "WARNING": "warning", "INFO": "info", "DEBUG": "info"}


class PagerSink:
    """Open an incident when a fault's episode begins and resolve it when the fault has gone quiet.

    Speaks PagerDuty's Events API v2, which other services take as well. An incident is recognised by application,
    environment and fingerprint, so several hosts open one.
    """

    type: ClassVar[str] = "pager"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("routing_key", text, "", "the integration's key", is_required=True, is_secret=True),
        Setting("url", exact_http_url, _URL, "where events go; left out: PagerDuty", type_name="URL"),
        Setting("first_within", duration_s, 10.0, "a new fault opens its incident within this time", "s", "duration"),
        Setting("silence", duration_s, 3600.0, "a fault silent for so long is resolved", "s", "duration"),
        Setting("update_interval", duration_s, 3600.0, "at most one update of a fault in this time", "s", "duration"),
        Setting("new_per_hour", count, 30, "new incidents an hour; further new faults wait", "incidents", "number"),
        *HTTP_SETTINGS,
    )
    idempotency: ClassVar[str] = "`dedup_key` is the fault's: what is sent again changes the same incident."
    is_local: ClassVar[bool] = False
    needs: ClassVar[str] = "urllib3>=2.2"
    default_kinds: ClassVar[frozenset[str]] = frozenset({"traceback", "error"})

    def __init__(self, key: str, http: Http, context: SinkContext, policy: Mapping[str, Any]) -> None:
        self.policy: Mapping[str, Any] = policy
        self._key = key
        self._http = http
        self._context = context

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> PagerSink:
        """Build it from validated options. Raises ConfigError."""
        require_urllib3(cls.type)
        http = Http(options["url"], options, context, secrets={"routing_key": options["routing_key"]})
        policy = {
            "is_single": True,
            "tells_end": True,
            "gather_s": 0.0,
            "first_within_s": options["first_within"],
            "silence_s": options["silence"],
            "update_interval_s": options["update_interval"],
            "cap_per_hour": options["new_per_hour"],
        }
        return cls(options["routing_key"], http, context, policy)

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``pager:?routing_key_file=…`` or ``pager+https://events.example.org/v2/enqueue?…`` into options."""
        parts = split(url)
        options = parameters(parts.query)
        scheme = parts.scheme.lower().partition("+")[2] or "https"
        return {**options, "url": f"{scheme}://{parts.netloc}{parts.path}"} if parts.netloc else options

    @property
    def identity(self) -> str:
        """Return ``pager:events.pagerduty.com/3f2a9c``: the host, and a digest of the key."""
        return f"pager:{self._http.where}/{blake2b(self._key.encode(), digest_size=6).hexdigest()}"

    def notify(self, notice: Notice) -> Outcome:
        """Open, update or resolve the incident of each issue; a test opens one and resolves it at once."""
        try:
            if notice.reason == "check":
                return self._checked(notice)
            for issue in notice.issues:
                self._send(self._event(notice, issue))
        except Failed as fault:
            return fault.outcome
        action = "resolved" if notice.reason == "quiet" else "opened or updated"
        return Accepted(f"{action} {len(notice.issues)} at {self._http.where}")

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _checked(self, notice: Notice) -> Outcome:
        key = f"tocsin check {notice.id}"
        summary = f"[{place(notice)}] Test by tocsin check: this reaches you, and is resolved at once"
        payload = {"summary": summary, "source": self._context.host, "severity": "info"}
        self._send({"event_action": "trigger", "dedup_key": key, "payload": payload})
        self._send({"event_action": "resolve", "dedup_key": key})
        return Accepted(f"opened a test incident at {self._http.where} and resolved it")

    def _send(self, event: Mapping[str, Any]) -> None:
        self._http.send("POST", "", {"routing_key": self._key, **event}, step="sending an event")

    def _event(self, notice: Notice, issue: IssueReport) -> dict[str, Any]:
        key = f"{f'{notice.application}/{notice.environment}'[:_PLACE_CHARS]}/{issue.fingerprint}"
        if notice.reason == "quiet":
            return {"event_action": "resolve", "dedup_key": key}
        sample = issue.sample
        summary = harmless.shorten(f"[{place(notice)}] {pager_line(notice, issue)}", _SUMMARY_CHARS)
        return {
            "event_action": "trigger",
            "dedup_key": key,
            "payload": {
                "summary": summary,
                "source": harmless.line((sample.host if sample is not None else "") or self._context.host, 255),
                "severity": _SEVERITY.get(issue.level, "error"),
                "timestamp": wire.timestamp_text(issue.last_seen),
                "component": harmless.line(issue.culprit, 255),
                "group": place(notice),
                "class": harmless.line(issue.title, 255),
                "custom_details": {
                    "error_id": sample.error_id if sample is not None else issue.prefix,
                    "occurrences": issue.episode_count,
                    "in all": issue.count,
                    "first seen": wire.timestamp_text(issue.first_seen),
                    "where": where(sample) if sample is not None else issue.culprit,
                    "release": issue.last_release,
                    "text": harmless.shorten(chat_lines(notice), _DETAILS_CHARS),
                },
            },
            "client": "tocsin",
        }
