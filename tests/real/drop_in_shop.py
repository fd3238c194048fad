"""The shop that mails its errors by the standard library; test_drop_in.py runs it again with one import changed.

A view's exception is caught by a wrapper, logged with the path, and answered by an error response. ``SHOP_MAIL`` is
``host:port`` of the mail server. As a script it answers as many requests for /pay as its argument says.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterable
from logging.handlers import SMTPHandler
from typing import Any

MANAGERS = ["admin@example.org", "shop@example.org"]
host, _, port = os.environ["SHOP_MAIL"].partition(":")

logger = logging.getLogger("shop")
handler = SMTPHandler((host, int(port)), "errors@example.org", MANAGERS, "Application Error")
handler.setLevel(logging.ERROR)
logger.addHandler(handler)


def pay(path: str) -> bytes:
    rates = {"EUR": 1.0}
    return b"%f" % rates["CHF"]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    try:
        body = b"ready" if path == "/" else pay(path)
    except Exception:
        logger.exception("Error at %s", path)
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        return [b"Something went wrong; we have been told."]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]


if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        application({"PATH_INFO": "/pay"}, lambda status, headers: None)
