"""The names under which a request's environ (WSGI) carries what tocsin knows of the request."""

from __future__ import annotations

from typing import Final

__all__ = ["COUNTED", "ENDPOINT", "ERROR_ID", "FRESH", "ROUTE", "TOKEN"]

ERROR_ID: Final = "tocsin.error_id"  # the id of the request's first capture
TOKEN: Final = "tocsin.request"  # the request's name, given at its first capture
FRESH: Final = "tocsin.fresh"  # the event that is still to be announced
COUNTED: Final = "tocsin.counted"  # why the request's answer is no report, such as "bad_host"
ROUTE: Final = "tocsin.route"  # the template, such as /order/<int:id>
ENDPOINT: Final = "tocsin.endpoint"
