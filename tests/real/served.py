"""The application that test_servers.py runs on real servers: every case of the table, with tocsin and without.

``/bare/<case>`` and ``/tocsin/<case>``; what the integration reports and each ``close()`` is appended to the file
that TOCSIN_TEST_RECORD names.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from recording_intake import RecordingIntake
from tocsin.integrations.wsgi import wsgi
from wsgi_cases import TEXT, by_name

INTAKE = RecordingIntake(os.environ["TOCSIN_TEST_RECORD"])


def plain(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the case does that the path names; the ones below need a server to make sense."""
    name = environ["PATH_INFO"].rpartition("/")[2]

    def closed() -> None:
        INTAKE.note("closed", environ)

    own = {"ready": ready, "sleep": sleep, "endless": endless, "refused_header": refused_header}
    if name in own:
        return own[name](start_response, closed)
    return by_name(name).make(closed)(environ, start_response)


def ready(start_response: Callable[..., Any], closed: Callable[[], None]) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return [b"ready"]


def sleep(start_response: Callable[..., Any], closed: Callable[[], None]) -> Iterable[bytes]:
    """Outlast a worker's timeout."""
    time.sleep(30)
    return ready(start_response, closed)


def endless(start_response: Callable[..., Any], closed: Callable[[], None]) -> Iterable[bytes]:
    """Stream until the client goes, or for 2 GB."""
    start_response("200 OK", [TEXT])
    try:
        for _ in range(20_000):
            yield b"x" * 100_000
    finally:
        closed()


def refused_header(start_response: Callable[..., Any], closed: Callable[[], None]) -> Iterable[bytes]:
    """Send what some servers refuse, each in its own way: a header whose value is no text."""
    start_response("200 OK", [TEXT, ("X-Number", 1)])
    return [b"hello world"]


guarded = wsgi(plain, INTAKE)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    chosen = plain if environ["PATH_INFO"].startswith("/bare/") else guarded
    return chosen(environ, start_response)
