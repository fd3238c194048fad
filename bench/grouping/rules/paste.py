"""Paste: a hash of the exception's type and of the functions that the traceback passes.

https://pythonpaste.readthedocs.io/en/latest/modules/exceptions.html names an identification code of a collected
exception; of the page only its beginning was to be had on 22 November 2026, which does not say what is hashed.

Left open, therefore: what is hashed. Taken: the type, and module and function of every frame, no line, no message.
An occurrence without an exception is none to Paste; all of one logger's records are taken for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["key"]


def key(facts: Mapping[str, Any]) -> str:
    """Return the key of an occurrence."""
    exception = facts["exception"]
    if exception is None:
        return f"no exception, {facts['record']['logger']}"
    return repr([exception["type"], *((frame["module"], frame["function"]) for frame in exception["frames"])])
