"""This process's loggers go in; those whose records never reach tocsin's handler leave."""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ["unheard_loggers"]


def unheard_loggers(is_way_in: Callable[[logging.Handler], bool]) -> list[str]:
    """Return the names of loggers with ``propagate=False`` from which no handler that is a way in can be reached.

    ``is_way_in`` knows tocsin's handler. What is below such a logger is unheard with it, and not named again.
    Changes nothing. Without any way in, in this process, nothing can be said and nothing is returned.
    """
    known = dict(logging.Logger.manager.loggerDict)
    loggers = {name: logger for name, logger in known.items() if isinstance(logger, logging.Logger)}
    everyone = [logging.getLogger(), *loggers.values()]
    if not any(is_way_in(handler) for logger in everyone for handler in logger.handlers):
        return []
    return sorted(
        name
        for name, logger in loggers.items()
        if not logger.propagate and not any(is_way_in(handler) for handler in logger.handlers)
    )
