"""The application that test_guests.py runs on real servers: the corpus of plans, with tocsin and without.

``/bare/<number>`` and ``/tocsin/<number>`` of the plans that TOCSIN_TEST_PLANS is the seed of, or of those that
exit. Each step is appended to the file that TOCSIN_TEST_RECORD names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from guest_corpus import application, corpus, exits
from recording_intake import RecordingIntake
from tocsin.integrations.wsgi import wsgi

INTAKE = RecordingIntake(os.environ["TOCSIN_TEST_RECORD"])
CHOSEN = os.environ["TOCSIN_TEST_PLANS"]
PLANS = exits() if CHOSEN == "exits" else corpus(int(CHOSEN))


def plain(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    number = environ["PATH_INFO"].rpartition("/")[2]
    if number == "ready":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
        return [b"ready"]
    ticket = {"HTTP_X_TEST": environ.get("HTTP_X_TEST", "")}  # the application may clear its environ

    def note(step: str) -> None:
        INTAKE.note("step", ticket, step=step)

    return application(PLANS[int(number)], note)(environ, start_response)


guarded = wsgi(plain, INTAKE)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    chosen = plain if environ["PATH_INFO"].startswith("/bare/") else guarded
    return chosen(environ, start_response)
