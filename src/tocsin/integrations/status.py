"""HTTP statuses: the number goes in; the status line leaves, in the words that WSGI servers and frameworks use."""

from __future__ import annotations

from http import HTTPStatus

__all__ = ["status_line"]


def status_line(status: int) -> str:
    """Return ``500 Internal Server Error`` for 500, so that an answer reads the same whatever interface it left by."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
