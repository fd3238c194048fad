"""A notice goes in; the bytes of a mail leave: text and HTML, threaded by fault, pure ASCII with CRLF."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, tzinfo
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from hashlib import blake2b
from typing import Any, Final

from tocsin.event.error_id import ERROR_ID_HEADER
from tocsin.event.limits import DETAILED_ISSUES
from tocsin.event.notice import Notice
from tocsin.render.notice_html import notice_html
from tocsin.render.notice_text import notice_text
from tocsin.render.subject import subject

__all__ = ["compose", "message_id", "thread_id"]

_DOMAIN_CHARS: Final = 20  # ids stay short: a folded Message-ID breaks threads
_NOT_OF_A_TOKEN: Final = re.compile(r"[^0-9A-Za-z:.-]")


class _Policy(EmailPolicy):
    """Write the subject as it was given, as a whole.

    EmailPolicy decodes what looks like an encoded word in a header that is set, line breaks included; and where it
    breaks a line before a word that it encodes, readers show two spaces (both seen on CPython 3.11).
    """

    subject = ""

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name != "Subject":
            return super().fold_binary(name, value)
        charset = "us-ascii" if self.subject.isascii() and "=?" not in self.subject else "utf-8"
        folded = Header(self.subject, charset, header_name=name).encode(linesep=self.linesep)
        return f"{name}: {folded}{self.linesep}".encode("ascii")


# Seven bits, so that no server needs 8BITMIME.
_POLICY: Final = _Policy(linesep="\r\n", cte_type="7bit")


def compose(
    notice: Notice, sender: str, to: Sequence[str], zone: tzinfo | None = None, *, name: str = "tocsin"
) -> bytes:
    """Return the mail of a notice. The same notice gives the same Message-ID, so a receiver drops a repetition.

    Law: whatever texts the notice holds, this returns ASCII whose headers are only those set here.
    """
    own: dict[str, Any] = {"subject": subject(notice, zone)}
    mail = EmailMessage(policy=_POLICY.clone(**own))
    mail["From"] = Address(name, addr_spec=sender)
    mail["To"] = [Address(addr_spec=address) for address in to]
    mail["Subject"] = ""  # written by the policy
    mail["Date"] = notice.at.astimezone(UTC)
    mail["Message-ID"] = message_id(notice)
    if len(notice.issues) == 1:
        # A parent that was never sent itself: every mail of the fault names it, so readers make one thread.
        root = thread_id(notice, notice.issues[0].fingerprint)
        mail["In-Reply-To"] = root
        mail["References"] = root
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
    mail["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
    mail["X-Tocsin-Reason"] = notice.reason
    for name, value in _identities(notice):
        mail[name] = value
    mail.set_content(_encodable(notice_text(notice, zone)), charset="utf-8", cte="quoted-printable")
    mail.add_alternative(_encodable(notice_html(notice, zone)), subtype="html", charset="utf-8", cte="quoted-printable")
    mail.set_boundary(f"=_{_hash('boundary', notice.id)}")  # the same notice gives the same bytes
    return mail.as_bytes()


def message_id(notice: Notice) -> str:
    """Return the Message-ID, a function of the notice's id, application and environment."""
    return f"<{_hash(notice.application, notice.environment, notice.id)}@{_domain(notice)}>"


def thread_id(notice: Notice, fingerprint: str) -> str:
    """Return the Message-ID that all mails of a fault name as their parent."""
    return f"<{_hash(notice.application, notice.environment, 'fault', fingerprint)}@{_domain(notice)}>"


def _identities(notice: Notice) -> list[tuple[str, str]]:
    told = notice.issues[:DETAILED_ISSUES]
    error_ids = [issue.sample.error_id for issue in told if issue.sample is not None and issue.sample.error_id]
    fingerprints = [issue.fingerprint for issue in told]
    rows = ((ERROR_ID_HEADER, error_ids), ("X-Tocsin-Fingerprint", fingerprints))
    return [(name, ", ".join(_NOT_OF_A_TOKEN.sub("", item)[:64] for item in items)) for name, items in rows if items]


def _domain(notice: Notice) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", notice.application.lower())[:_DOMAIN_CHARS].strip("-")
    return f"tocsin.{slug or 'app'}"


def _hash(*parts: str) -> str:
    return blake2b("\0".join(parts).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


def _encodable(text: str) -> str:
    # The renderers leave no surrogate; this holds even if one of them should.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
