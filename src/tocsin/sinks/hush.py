"""Names of loggers go in; what their libraries log while a thread works for tocsin reaches no handler any more."""

from __future__ import annotations

import logging

from tocsin.complaints import is_own_work

__all__ = ["hush"]


class _NotOurs(logging.Filter):
    """Let records of the application's own work through, and none of ours: they quote URLs, which hold tokens."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not is_own_work()


_NOT_OURS = _NotOurs()


def hush(*names: str) -> None:
    """Filter what these loggers get from within `own_work`. What went wrong is told by the outcome. Repeatable."""
    for name in names:
        logging.getLogger(name).addFilter(_NOT_OURS)
