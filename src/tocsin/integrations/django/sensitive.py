"""Django's decorators that hide variables: a frame goes in; the names that it hides from itself inwards leave.

All decorators count that a call has passed, not only the nearest as in Django's own reports: there `authenticate`,
which hides ``credentials``, uncovers what a view hides entirely. Of two on one coroutine function Django remembers the
outer one only, so there all variables are hidden.
"""

from __future__ import annotations

from inspect import CO_COROUTINE
from types import FrameType
from typing import Final

from django.views.decorators import debug

from tocsin.capture.veils import EVERYTHING

__all__ = ["veil"]

_MODULE: Final = debug.__name__
_NOTHING: Final[frozenset[str]] = frozenset()
_WRAPPERS: Final = {
    "sensitive_variables_wrapper": "variables",
    "sensitive_post_parameters_wrapper": "parameters",
}
_ARGUMENTS: Final = frozenset({"func_args", "func_kwargs", "args", "kwargs"})


def veil(frame: FrameType) -> frozenset[str]:
    """Return the names of variables that are hidden in this frame and in what it calls."""
    code = frame.f_code
    closure = _WRAPPERS.get(code.co_name)
    if closure is not None and frame.f_globals.get("__name__") == _MODULE:
        names = frame.f_locals.get(closure)
        return _ARGUMENTS | frozenset(names) if type(names) is tuple and names else EVERYTHING
    if code.co_flags & CO_COROUTINE:
        # The key of Django's table, made as it makes it.
        key = hash(f"{code.co_filename}:{code.co_firstlineno}")
        if key in debug.coroutine_functions_to_sensitive_variables:
            return EVERYTHING
    return _NOTHING
