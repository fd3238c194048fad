"""The interpreter's hooks for what nobody caught: an intake goes in; it is told before whoever was told until now."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tocsin.complaints import complain, is_own_work
from tocsin.event.typename import function_name, type_name
from tocsin.intake.mark import is_told
from tocsin.integrations.faults import is_fault

if TYPE_CHECKING:
    from tocsin.intake import Intake

__all__ = ["hook"]

_BOUND: Final = "tocsin_bound"  # attribute of our hooks
_SCRIPT: Final = "sys.excepthook"
_THREAD: Final = "threading.excepthook"


class _Place(NamedTuple):
    module: ModuleType
    attribute: str
    report: Callable[[Intake, tuple[Any, ...]], None]


class _Bound:
    """Hold the intake of one of our hooks, so that hooking again only rebinds it."""

    __slots__ = ("intake",)

    def __init__(self, intake: Intake) -> None:
        self.intake = intake


def hook(intake: Intake, names: Iterable[str]) -> None:
    """Report what nobody caught: ``sys`` (a script's end), ``threading`` and ``unraisable`` (finalizers and the like).

    Whoever was hooked before is called after it with the same arguments. Closing the intake takes ours away where
    nobody has hooked on top; else it passes everything on. Outside production nothing is hooked.
    """
    if intake.settings.mode != "production":
        return
    for name in names:
        _chain(intake, _PLACES[name])


def _chain(intake: Intake, place: _Place) -> None:
    previous = getattr(place.module, place.attribute)
    bound = getattr(previous, _BOUND, None)
    if type(bound) is _Bound:
        bound.intake = intake
        ours, previous = previous, previous.__wrapped__
    else:
        bound = _Bound(intake)
        ours = _hook(place, bound, previous)
        setattr(place.module, place.attribute, ours)

    def undo() -> None:
        if bound.intake is intake and getattr(place.module, place.attribute) is ours:
            setattr(place.module, place.attribute, previous)

    intake.on_close(undo)


def _hook(place: _Place, bound: _Bound, previous: Callable[..., Any]) -> Callable[..., Any]:
    def hooked(*args: Any) -> Any:
        try:
            # What modules are gone is told by no report when the interpreter ends, and a console shows it anyway.
            if not sys.is_finalizing() and not hasattr(sys, "ps1") and not is_own_work():
                place.report(bound.intake, args)
        except Exception as own:  # noqa: BLE001 - what the interpreter prints is never lost to a fault of ours
            complain("hooks", f"an exception could not be reported: {type(own).__name__}", own)
        return previous(*args)

    hooked.__name__ = hooked.__qualname__ = place.attribute
    hooked.__dict__[_BOUND] = bound
    hooked.__dict__["__wrapped__"] = previous
    return hooked


def _of_script(intake: Intake, args: tuple[Any, ...]) -> None:
    _kind, exc, _trace = args
    if is_fault(exc) and not is_told(exc, _SCRIPT):
        intake.exception(exc, via=_SCRIPT)


def _of_thread(intake: Intake, args: tuple[Any, ...]) -> None:
    exc = args[0].exc_value
    if is_fault(exc) and not is_told(exc, _THREAD):
        intake.exception(exc, via=_THREAD)


def _of_unraisable(intake: Intake, args: tuple[Any, ...]) -> None:
    said = args[0].err_msg
    where = {
        "ignored": said if type(said) is str else "Exception ignored in",
        "ignored_in": _name(args[0].object),
    }
    if is_fault(args[0].exc_value):
        intake.exception(args[0].exc_value, via="sys.unraisablehook", fields=where)


def _name(culprit: object) -> str:
    """Return the name of a function, else of the object's class: it may be half gone, so it is not asked anything."""
    return function_name(culprit) or type_name(type(culprit))


_PLACES: Final = {
    "sys": _Place(sys, "excepthook", _of_script),
    "threading": _Place(threading, "excepthook", _of_thread),
    "unraisable": _Place(sys, "unraisablehook", _of_unraisable),
}
