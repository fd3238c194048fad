"""The log record of a captured exception that nobody else logs: the request's environ goes in, one record leaves."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from tocsin.complaints import complain
from tocsin.event.environ import FRESH
from tocsin.event.model import Event
from tocsin.event.typename import type_name
from tocsin.render.text import event_text

__all__ = ["ANNOUNCER", "SHOWN", "announce"]

ANNOUNCER: Final = "tocsin.report"  # the logger of that record
SHOWN: Final = "tocsin_shown"  # on that record: whether the server shows the exception on stderr itself


def announce(error_id: str, environ: Mapping[str, Any], *, is_shown: bool = False) -> None:
    """Log the one record that announces what was captured in a request, if it was captured in full and never logged.

    Only for that occurrence: a storm must not become a storm of log lines. The record carries the masked report
    instead of ``exc_info``, since what it says is ours to answer for. ``is_shown``: the exception goes on to a server,
    which shows it on stderr by a logger of its own; so this record goes to the application's handlers only.
    """
    event = environ.pop(FRESH, None) if isinstance(environ, dict) else None
    if type(event) is not Event or event.logger:
        return  # counted only, or it came in by a record of logging, which said it already
    try:
        logging.getLogger(ANNOUNCER).error(
            "error %s\n%s",
            error_id,
            event_text(event),
            extra={
                "error_id": error_id,
                "tocsin_skip": True,
                "tocsin_fingerprint": event.fingerprint,
                SHOWN: is_shown,
            },
        )
    except Exception as fault:  # noqa: BLE001 - a foreign handler's failure is not the request's
        complain("announce", f"a logging handler failed: {type_name(type(fault))}", fault)
