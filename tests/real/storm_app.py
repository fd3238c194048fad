"""A WSGI application that breaks on request, set up as a user would: test_storm.py runs it on real servers.

``/break/<n>`` notes n in the side file and raises fault n. What stands around tocsin notes n again once tocsin has
returned the 500 page: from then on the occurrence must be counted, whatever happens.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from storm_faults import FAULTS, Side, make_fault

import tocsin

reporter = tocsin.setup(os.environ["STORM_CONFIG"])
faults = [make_fault(number) for number in range(FAULTS)]
side = Side(os.environ["STORM_SIDE"])


def shop(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Raise the fault that the path names; answer otherwise."""
    number = environ["PATH_INFO"].rpartition("/")[2]
    if number.isdigit():
        side.raised(int(number))
        faults[int(number)](number)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"ready"]


reported = reporter.wsgi(shop)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Note what has been reported: nothing is awaited between a `raise` and this note but tocsin."""
    body: Iterable[bytes] = reported(environ, start_response)
    number = environ["PATH_INFO"].rpartition("/")[2]
    if number.isdigit():
        side.returned(int(number))
    return body
