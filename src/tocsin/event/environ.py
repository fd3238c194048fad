"""A request's environ (WSGI): the names under which tocsin leaves what it knows; a key goes in, its text leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tocsin.event.limits import ENVIRON_CHARS

__all__ = [
    "COUNTED",
    "ENDPOINT",
    "ERROR_ID",
    "FRESH",
    "GRAVITY",
    "LEAD_UP",
    "RAISED",
    "ROUTE",
    "TOKEN",
    "USER",
    "WORK",
    "text",
]

ERROR_ID: Final = "tocsin.error_id"  # the id of the gravest capture of the request, of equals the first
GRAVITY: Final = "tocsin.gravity"  # how grave that was
TOKEN: Final = "tocsin.request"  # the request's name, given at its first capture
FRESH: Final = "tocsin.fresh"  # the event that is still to be announced
COUNTED: Final = "tocsin.counted"  # why the request's answer is no report, such as "bad_host"
ROUTE: Final = "tocsin.route"  # the template, such as /order/<int:id>
ENDPOINT: Final = "tocsin.endpoint"
USER: Final = "tocsin.user"  # who is logged in: a text or a whole number, shown by the setting user_id
RAISED: Final = "tocsin.raised"  # what held where exceptions were raised
LEAD_UP: Final = "tocsin.lead_up"  # what was logged on the way
WORK: Final = "tocsin.work"  # set where this is no request but work in the background


def text(environ: Mapping[str, Any], key: str) -> str:
    """Return the text under a key, bounded, "" for anything else: a middleware may put any object anywhere."""
    value = environ.get(key)
    return value[:ENVIRON_CHARS] if type(value) is str else ""
