"""The application of the soak: a path goes in; an answer leaves, and what it says: a fault, a warning, a record …"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import tocsin

_LEAK = int(os.environ.get("SOAK_LEAK_BYTES", "0"))  # per fault: to prove that the soak would notice

reporter = tocsin.setup(os.environ["SOAK_CONFIG"])
_log = logging.getLogger("shop")
_sorts = [type(f"Fault{number}", (Exception,), {}) for number in range(int(os.environ["SOAK_FAULTS"]))]
_leaked: list[object] = []


def _break(number: int) -> None:
    if _LEAK:
        _leaked.append((bytearray(_LEAK), open(os.devnull)))  # noqa: SIM115, PTH123 - never closed, that is the point
    order = {"number": number, "lines": list(range(10))}
    raise _sorts[number](f"order {order['number']} can't be shipped")


def _in_thread() -> None:
    try:
        _break(0)
    except Exception:
        _log.exception("a mail could not be sent")


def _started() -> None:
    thread = threading.Thread(target=_in_thread)
    thread.start()
    thread.join()


def shop(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Do what the path says."""
    what, _, number = environ["PATH_INFO"].strip("/").partition("/")
    status = "200 OK"
    if what == "fault":
        _break(int(number))
    elif what == "storm":
        {}["no such key"]
    elif what == "bad":
        status = "400 Bad Request"
    elif what == "log":
        _log.error("the stock of %s is inconsistent", "kettles")
    elif what == "thread":
        _started()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"fine"]


app = reporter.wsgi(shop)
