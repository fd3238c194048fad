"""Jobs that fail in every way there is, and workers for the `rq` command."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

import rq
from rq import Retry, Worker

import tocsin

SpawnWorker: Any = getattr(rq, "SpawnWorker", Worker)  # old versions have none
logger = logging.getLogger(__name__)


class Reporting(Worker):
    """A worker for ``rq worker --worker-class``."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        tocsin.setup()
        tocsin.install(self)


class Spawning(SpawnWorker):
    """Its work-horses are new interpreters, and make it anew."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        tocsin.setup()
        tocsin.install(self)


class BareSpawning(SpawnWorker):
    """Nothing is installed where its jobs run."""


def divides(number):
    return 100 / number


def logs():
    logger.error("stock is short", extra={"order": 7})


def logs_and_raises(secret):
    try:
        raise LookupError("gone")
    except LookupError:
        logger.exception("caught, and let go")
        raise


def tries_again():
    raise TimeoutError("the bank does not answer")


def asks_to_be_tried_again():
    return Retry(max=1)


def takes_too_long():
    time.sleep(600)


def exits():
    raise SystemExit(3)


def is_killed():
    logger.error("the last words")
    os.kill(os.getpid(), signal.SIGKILL)


def ends_well():
    return 1
