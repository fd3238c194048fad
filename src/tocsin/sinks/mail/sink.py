"""Notices go in; each leaves as one mail. An Outcome tells how it went, in words an operator can act on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tocsin.config.setting import Setting
from tocsin.event.notice import Notice
from tocsin.sinks.base import Accepted, Outcome, Refused, SinkContext, Unavailable
from tocsin.sinks.mail import options as mail_options
from tocsin.sinks.telling import policy_of

if TYPE_CHECKING:
    from tocsin.sinks.mail.conversation import Report

__all__ = ["MailSink"]

_TRIES: Final = 3  # for recipients deferred while others took the mail


@dataclass(frozen=True, slots=True)
class _Progress:
    """Remember of a notice that is half delivered who has it, and how often the others were tried."""

    notice_id: str = ""
    taken: tuple[str, ...] = ()
    tries: int = 0


class MailSink:
    """Send each notice as one mail to all recipients.

    A connection is made for each mail and closed after it: there are at most a few an hour, servers and
    firewalls drop idle connections silently, and a connection kept would be shared by accident after a fork.
    """

    type: ClassVar[str] = "mail"
    settings: ClassVar[tuple[Setting, ...]] = mail_options.SETTINGS
    idempotency: ClassVar[str] = (
        "a notice's Message-ID is always the same, so a mail sent again after a crash can be told from a new one"
    )
    is_local: ClassVar[bool] = False

    def __init__(
        self,
        server: mail_options.Server,
        to: tuple[str, ...],
        sender: str,
        context: SinkContext,
        policy: Mapping[str, Any],
        sender_name: str = "tocsin",
    ) -> None:
        self._server = server
        self._to = to
        self._sender = sender
        self._sender_name = sender_name
        self._context = context
        # How often people are told, in the names of routing's policy: routing is a floor above the sinks.
        self.policy: Mapping[str, Any] = policy
        self._progress = _Progress()

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> MailSink:
        """Build it from validated options. Raises ConfigError, as for a password that would travel in clear."""
        server = mail_options.server_of(options)
        sender = options["sender"] or mail_options.default_sender(context.host)
        return cls(server, tuple(options["to"]), sender, context, policy_of(options), options["sender_name"])

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``smtp://`` (STARTTLS required unless loopback) or ``smtps://`` into options."""
        return mail_options.from_url(url)

    @property
    def identity(self) -> str:
        """Return ``mail:mail.example.org:587/dev@example.org,ops@example.org``."""
        return f"mail:{self._server.host}:{self._server.port}/{','.join(sorted(self._to))}"

    def notify(self, notice: Notice) -> Outcome:
        """Send one mail to those recipients who have it not yet."""
        # Late, so that an application's start pays for neither smtplib nor ssl nor email (about 40 ms).
        from tocsin.sinks.mail.conversation import hold
        from tocsin.sinks.mail.message import compose

        progress = self._progress if self._progress.notice_id == notice.id else _Progress(notice.id)
        recipients = [address for address in self._to if address not in progress.taken]
        context = self._context
        for told in (notice, _without_samples(notice)):
            mail = compose(told, self._sender, self._to, name=self._sender_name)
            report = hold(self._server, self._sender, recipients, mail, host=context.host, mask=context.mask)
            if not report.is_too_big:
                break
        return self._judge(report, progress)

    def _judge(self, report: Report, progress: _Progress) -> Outcome:
        """Turn a conversation's report into an outcome, so that who took the mail is not sent it again.

        A few retries serve a server that limits recipients per mail. After them the mail counts as delivered:
        one full mailbox must not hold back every later notice from everybody.
        """
        taken = progress.taken + report.taken
        if not taken:
            return report.failure or Unavailable("nobody took the mail")
        is_unreached = isinstance(report.failure, Unavailable) and not report.deferred
        tries = progress.tries + (0 if is_unreached else 1)
        missing = {**report.refused, **report.deferred}
        if is_unreached or (report.deferred and tries < _TRIES):
            self._progress = _Progress(progress.notice_id, taken, tries)
            reason = report.failure.reason if report.failure is not None else _told(missing)
            return Unavailable(f"{', '.join(taken)} took the mail; {reason}")
        self._progress = _Progress()
        detail = report.detail or f"{', '.join(taken)} took the mail"
        if isinstance(report.failure, Refused) and not missing:
            return Accepted(f"{detail}; not the others: {report.failure.reason}")
        return Accepted(f"{detail}; {_told(missing)}" if missing else detail)

    def close(self) -> None:
        """Do nothing: no connection outlives its mail."""


def _without_samples(notice: Notice) -> Notice:
    """Return the notice in brief: what, where and how often, and how to see the rest on the host."""
    return replace(notice, issues=tuple(replace(issue, sample=None) for issue in notice.issues))


def _told(missing: Mapping[str, str]) -> str:
    return "not taken for " + ", ".join(f"{address} ({words})" for address, words in missing.items())
