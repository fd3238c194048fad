"""loguru, into a file. Its documentation says ``diagnose=False`` for production, which leaves out local variables."""

from __future__ import annotations

import tempfile

from sink import Sink

NAME, PACKAGE, MODULE = "loguru", "loguru", "loguru"
CONFIGURATION = "`logger.add(file, diagnose=False)`, as documented for production; with locals `diagnose=True`"
SINK = "a file"
DEFAULT_LOCALS = False


def start(sink: Sink, has_locals: bool | None) -> None:
    from loguru import logger

    logger.remove()
    logger.add(f"{tempfile.mkdtemp()}/shop.log", diagnose=bool(has_locals))


def capture(exc: BaseException) -> None:
    from loguru import logger

    logger.opt(exception=exc).error("the order failed")
