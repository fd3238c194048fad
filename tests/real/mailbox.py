"""A port goes in; a real SMTP server that keeps what it is sent runs there, and the mails leave, parsed."""

from __future__ import annotations

import email
import email.policy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any, Final

from aiosmtpd.controller import Controller

__all__ = ["Mailbox", "serving", "text_of"]

_ARRIVED_S: Final = 60.0


class Mailbox:
    """Keep every mail, in order."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.envelopes.append(envelope)
        return "250 OK"

    @property
    def mails(self) -> list[EmailMessage]:
        """Return what has arrived by now."""
        return [email.message_from_bytes(each.content, policy=email.policy.default) for each in self.envelopes]

    def wait(self, number: int) -> list[EmailMessage]:
        """Return the mails once there are so many, or after a minute."""
        end = time.monotonic() + _ARRIVED_S
        while len(self.envelopes) < number and time.monotonic() < end:
            time.sleep(0.05)
        return self.mails


@contextmanager
def serving(box: Mailbox, port: int, **settings: Any) -> Iterator[None]:
    """Serve on a port of this machine."""
    controller = Controller(box, hostname="127.0.0.1", port=port, **settings)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    """Return a mail's text, with newlines as Python has them."""
    part = mail.get_body((kind,))
    assert part is not None
    text: str = part.get_content()
    return text.replace("\r\n", "\n")
