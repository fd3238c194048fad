"""An exception goes in; the fingerprint that a report of it would have leaves. For applications and their tests."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from tocsin.capture.exceptions import describe
from tocsin.capture.frames import FrameCache
from tocsin.event.identity import fingerprint as rules
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Event
from tocsin.event.typename import type_name

__all__ = ["fingerprint"]

_NEVER = datetime.fromtimestamp(0, UTC)


def fingerprint(exc: BaseException, *, app_modules: Iterable[str] = ()) -> str:
    """Return the fingerprint of an exception: ``v2:`` and 32 hexadecimal digits, the same for the same fault.

    Nothing is reported, no setting is read. ``app_modules`` are as in the setting. Where no frame of the application is
    in the traceback, a report's fingerprint has the view or task in it as well, which an exception alone does not tell.
    Raises TypeError for what is no exception.
    """
    if not issubclass(type(exc), BaseException):
        raise TypeError(f"fingerprint() takes an exception, not {type_name(type(exc))}")
    info = describe(exc, _frames(tuple(app_modules)))
    event = Event("traceback", "ERROR", logging.ERROR, _NEVER, "", exception=info, template=info.type)
    return rules.fingerprint(event)


@lru_cache(maxsize=8)
def _frames(app_modules: tuple[str, ...]) -> FrameCache:
    return FrameCache(Scrubber(), app_modules=app_modules)
