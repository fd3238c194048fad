"""Python's logging: ``logger.exception`` into a file."""

from __future__ import annotations

import logging
import tempfile

from sink import Sink

NAME, PACKAGE, MODULE = "logging, to a file", "", "logging"
CONFIGURATION = "`FileHandler` with the format `%(asctime)s %(levelname)s %(name)s %(message)s`"
SINK = "a file"
DEFAULT_LOCALS = None

_logger = logging.getLogger("shop")


def start(sink: Sink, has_locals: bool | None) -> None:
    handler = logging.FileHandler(f"{tempfile.mkdtemp()}/shop.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    _logger.addHandler(handler)
    _logger.propagate = False


def capture(exc: BaseException) -> None:
    _logger.exception("the order failed")
