"""A framework's answer: our page's headers go in, and are on it; what a handler took waits for it under `HANDLED`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

__all__ = ["HANDLED", "put_headers"]

# In an environ or a scope: the exception that code of the application took, until the answer's status says whether it
# was a fault. Taken out at once then: it refers to frames that refer to the environ.
HANDLED: Final = "tocsin.handled"


def put_headers(
    headers: Iterable[tuple[str, str]], put: Callable[[str, str], object], vary_by: Callable[[str], object]
) -> None:
    """Put the headers of our page on an answer: ``put`` replaces one; what it varies by already is only added to."""
    for name, value in headers:
        if name == "Vary":
            vary_by(value)
        else:
            put(name, value)
