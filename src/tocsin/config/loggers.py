"""The loggers of this process: which there are, and which handlers hear what they log."""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ["all_loggers", "is_handled_elsewhere", "unheard_loggers"]


def all_loggers() -> list[logging.Logger]:
    """Return every logger there is by now, the root first."""
    named = list(logging.Logger.manager.loggerDict.values())  # placeholders among them
    return [logging.getLogger(), *(logger for logger in named if isinstance(logger, logging.Logger))]


def is_handled_elsewhere(logger: logging.Logger) -> bool:
    """Tell whether a logger or one that it propagates to has a handler besides those of tocsin's, which print nothing.

    Frameworks add their own only where there is none, and take ours for one that prints.
    """
    each: logging.Logger | None = logger
    while each is not None:
        if any(not getattr(handler, "is_tocsin", False) for handler in each.handlers):
            return True
        each = each.parent if each.propagate else None
    return False


def unheard_loggers(is_way_in: Callable[[logging.Handler], bool]) -> list[str]:
    """Return the names of loggers with ``propagate=False`` from which no handler that is a way in can be reached.

    ``is_way_in`` knows tocsin's handler. What is below such a logger is unheard with it, and not named again.
    Changes nothing. Without any way in, in this process, nothing can be said and nothing is returned.
    """
    loggers = all_loggers()
    if not any(is_way_in(handler) for logger in loggers for handler in logger.handlers):
        return []
    return sorted(
        logger.name
        for logger in loggers[1:]
        if not logger.propagate and not any(is_way_in(handler) for handler in logger.handlers)
    )
