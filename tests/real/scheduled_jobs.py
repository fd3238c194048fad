"""Jobs for schedulers, importable in a process pool's child."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import NoReturn

logger = logging.getLogger(__name__)

ALWAYS = RuntimeError("made once, raised again and again")


class Unpicklable(Exception):
    """It can't come back from another process."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__("can't be pickled")
        self.hold = lambda: (first, second)


def divides(number=0):
    return 100 / number


def logs_and_raises():
    try:
        raise LookupError("gone")
    except LookupError:
        logger.exception("caught, and let go")
        raise


def raises_always():
    raise ALWAYS


def unpicklable():
    raise Unpicklable(1, 2)


async def raises_in_the_loop() -> NoReturn:
    await asyncio.sleep(0)
    raise LookupError("gone, in the loop")


async def waits() -> None:
    await asyncio.sleep(600)


def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def exits():
    sys.exit()


def exits_badly():
    sys.exit(3)


def ends_well():
    return 1
