"""A real SMTP server: mails come in by the wire, `Mail` leaves, each kept as it came and shown as text."""

from __future__ import annotations

import email
import email.policy
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

__all__ = ["Mail", "Mailbox"]


@dataclass(frozen=True, slots=True)
class Mail:
    """Hold one mail: its bytes as they came, and what was read from them."""

    number: int
    raw: bytes
    message: EmailMessage

    @property
    def reason(self) -> str:
        """Return why it was sent: new, update, quiet …"""
        return str(self.message["X-Tocsin-Reason"])

    @property
    def fingerprints(self) -> list[str]:
        """Return the faults that it tells of."""
        return [part.strip() for part in str(self.message["X-Tocsin-Fingerprint"] or "").split(",") if part.strip()]

    @property
    def text(self) -> str:
        """Return the plain text part."""
        part = self.message.get_body(("plain",))
        return str(part.get_content()) if part is not None else ""

    def decoded(self) -> list[bytes]:
        """Return each part with its transfer encoding undone, and the headers with theirs."""
        headers = "\n".join(f"{name}: {value}" for name, value in self.message.items())
        parts = [part.get_payload(decode=True) for part in self.message.walk() if not part.is_multipart()]
        return [headers.encode(), *(part for part in parts if isinstance(part, bytes))]


class Mailbox:
    """Take mails in on a port of this machine, until stopped. ``arrived`` is called from the server's thread."""

    def __init__(self, folder: Path, port: int, arrived: Callable[[Mail], None]) -> None:
        self._folder = folder
        self._arrived = arrived
        self._lock = threading.Lock()
        self._mails: list[Mail] = []
        self._server = Controller(self, hostname="127.0.0.1", port=port)

    def start(self) -> None:
        """Start the server; it answers when this returns."""
        self._folder.mkdir(parents=True)
        self._server.start()

    def stop(self) -> None:
        """Stop the server."""
        self._server.stop()

    @property
    def mails(self) -> list[Mail]:
        """Return what has arrived so far."""
        with self._lock:
            return list(self._mails)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep a mail (aiosmtpd calls this)."""
        raw: bytes = envelope.original_content
        message = email.message_from_bytes(raw, policy=email.policy.default)
        with self._lock:
            mail = Mail(len(self._mails) + 1, raw, message)
            self._mails.append(mail)
        (self._folder / f"{mail.number:02}.eml").write_bytes(raw)
        self._arrived(mail)
        return "250 OK"
