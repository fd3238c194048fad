"""What breaks in a project: Django's signals and its logger's records go in; reports of them leave, each once.

`got_request_exception` tells of every exception that Django turns into a 500, before anybody logs it. A status that
was meant comes by the logger ``django.request``, where it is taken for the answer that it is.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from django.core.signals import got_request_exception, request_started

from tocsin.capture.requests import MIDDLEWARE_CODES
from tocsin.capture.veils import VEILS
from tocsin.complaints import complain
from tocsin.event.environ import ERROR_ID, TOKEN
from tocsin.intake.mark import recall
from tocsin.integrations.django.requests import describe, environ_for, tell
from tocsin.integrations.django.sensitive import veil
from tocsin.integrations.status import status_line

if TYPE_CHECKING:
    from tocsin.intake import Intake

__all__ = ["answered", "broken", "connect", "present"]

_ID: Final = "tocsin"
_SIGNAL: Final = "django"  # the way in of what the signal tells
_HEARD: Final = "tocsin.django"  # environ: how often it did
_LOGGER: Final = "django.request"

_handlers: set[Any] = set()  # classes that requests came by
_intakes: list[Intake] = []  # the last one counts: Django's signals are the process's


def present() -> Intake | None:
    """Return the intake that faults are reported to, None outside of production."""
    return _intakes[-1] if _intakes else None


def connect(intake: Intake) -> None:
    """Have the process's faults reported to ``intake`` until it is closed; nothing outside of production.

    Then the one before has them again: a test may have put its own in front of the project's.
    """
    if intake.settings.mode != "production" or any(known is intake for known in _intakes):
        return
    _intakes.append(intake)
    intake.on_close(lambda: _disconnect(intake))
    intake.add_describer(describe)
    request_started.connect(_on_start, dispatch_uid=_ID)  # a second time, and the uid, is none
    got_request_exception.connect(_on_exception, dispatch_uid=_ID)
    logging.getLogger(_LOGGER).addFilter(_on_record)
    if veil not in VEILS:
        VEILS.append(veil)


def _disconnect(intake: Intake) -> None:
    _intakes[:] = [known for known in _intakes if known is not intake]
    if _intakes:
        return
    request_started.disconnect(dispatch_uid=_ID)
    got_request_exception.disconnect(dispatch_uid=_ID)
    logging.getLogger(_LOGGER).removeFilter(_on_record)


def _on_start(sender: Any, **_: Any) -> None:
    """Start delivery with a process's first request, not before its forks."""
    if sender not in _handlers:
        _know(sender)
    intake = present()
    if intake is not None and intake.is_asleep:
        intake.wake()


def _know(handler: Any) -> None:
    """Have log records find the request that they were logged in: the frame of a WSGI handler holds it, as ours would.

    That of the test client too, where it is the handler.
    """
    _handlers.add(handler)
    code = getattr(getattr(handler, "__call__", None), "__code__", None)  # noqa: B004 - which function it is
    if code is not None and "environ" in code.co_varnames:
        MIDDLEWARE_CODES[id(code)] = code


def _on_exception(request: Any, **_: Any) -> None:
    """Capture what Django is about to answer with a 500 and to log."""
    fault = sys.exc_info()[1]
    if fault is not None:
        broken(fault, request, _SIGNAL)


def broken(fault: BaseException, request: Any, via: str) -> str | None:
    """Report an exception of a request; return its error id, and leave it in ``request.META`` for error pages."""
    intake = present()
    if intake is None:
        return None
    try:
        environ = environ_for(request)
        _describe(request, environ)
        if via == _SIGNAL and _is_echo(fault, environ):
            return None
        error_id = intake.exception(fault, kind="traceback", via=via, environ=environ)
        _leave(request, environ)
        return error_id
    except Exception as own:  # noqa: BLE001 - the application's exception wins over ours
        complain("django", "an exception could not be reported", own)
        return None


def _is_echo(fault: BaseException, environ: dict[str, Any]) -> bool:
    """Tell whether the signal tells of the same again: it is sent by each middleware that an exception passes.

    With DEBUG_PROPAGATE_EXCEPTIONS that is one exception; of a ``handler500`` that fails itself each has a new one.
    """
    heard = environ.get(_HEARD)
    times = heard if type(heard) is int else 0
    environ[_HEARD] = times + 1
    if times == 0:
        return False
    seen = recall(fault, "", environ.get(TOKEN))
    return times > 1 or (seen is not None and _SIGNAL in seen.ways)


def answered(status: int, request: Any) -> str | None:
    """Report an answer if its status is watched; return the error id of its request, if it has one."""
    intake = present()
    if intake is None:
        return None
    environ = environ_for(request)
    if str(status) in intake.watched_statuses:
        _describe(request, environ)
    error_id = intake.answer(status_line(status), environ)
    _leave(request, environ)
    return error_id


def _describe(request: Any, environ: dict[str, Any]) -> None:
    try:
        tell(request, environ)
    except Exception as own:  # noqa: BLE001 - a report without its route is better than none
        complain("django", "a request could not be described", own)


def _leave(request: Any, environ: dict[str, Any]) -> None:
    if ERROR_ID in environ and request.META is not environ:
        request.META[ERROR_ID] = environ[ERROR_ID]


def _on_record(record: logging.LogRecord) -> bool:
    """Take Django's record of an answer for what it is; a filter, since those come before any handler.

    Its template is the same for every path and status, so as records all of them would be one issue.
    """
    try:
        said = record.__dict__
        request, status = said.get("request"), said.get("status_code")
        if type(status) is int and not record.exc_info and request is not None:
            error_id = answered(status, request)
            if error_id is not None:
                said["error_id"] = error_id
                said["tocsin_skip"] = True
    except Exception as own:  # noqa: BLE001 - a log call never raises on our account
        complain("django", "an answer could not be reported", own)
    return True
