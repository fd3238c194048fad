"""System checks: the project's settings go in; what would surprise its operators leaves, for `manage.py check`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.utils.log import AdminEmailHandler

from tocsin.config.loggers import all_loggers
from tocsin.integrations.django.faults import present

__all__ = ["check"]


def check(**_: Any) -> list[CheckMessage]:
    """Return warnings: error mails besides ours, nothing reported at all, nobody who is told."""
    intake = present()
    if settings.DEBUG:
        return []
    if intake is None:
        return [
            Warning(
                "tocsin reports nothing, although DEBUG is False.",
                hint='Set mode = "production", in TOCSIN or in the file that TOCSIN_CONFIG names.',
                id="tocsin.W002",
            )
        ]
    found: list[CheckMessage] = []
    names = _mailing_loggers() if settings.ADMINS else []
    if names:
        found.append(
            Warning(
                f"AdminEmailHandler of the logger {', '.join(names)} mails each error besides, at once and unmasked.",
                hint='Name the logger without it in LOGGING: "loggers": {"django": {"level": "INFO"}}.',
                id="tocsin.W001",
            )
        )
    if not intake.settings.sinks:
        found.append(
            Warning(
                "tocsin has no sink, so nobody is told: reports stay in the spool.",
                hint='Add one, such as sinks = ["stderr:"].',
                id="tocsin.W003",
            )
        )
    return found


def _mailing_loggers() -> list[str]:
    return [
        repr(logger.name)
        for logger in all_loggers()
        if any(isinstance(handler, AdminEmailHandler) for handler in logger.handlers)
    ]
