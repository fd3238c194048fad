"""A WSGI application that breaks on request, set up as a user would: test_workers.py runs it on real servers.

``/break/<n>`` raises fault n, after it has noted n in the side file (O_APPEND) that knows nothing of tocsin.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from storm_worker import FAULTS, make_fault

import tocsin

reporter = tocsin.setup(
    {
        "application": "storm",
        "spool": os.environ["STORM_SPOOL"],
        "sinks": [{"type": "file", "path": os.environ["STORM_EVENTS"]}],
    }
)
faults = [make_fault(number) for number in range(FAULTS)]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    number = environ["PATH_INFO"].rpartition("/")[2]
    if number.isdigit():
        side = os.open(os.environ["STORM_SIDE"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(side, f"{number}\n".encode())
        os.close(side)
        faults[int(number)](number)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ready"]


app = reporter.wsgi(app)
