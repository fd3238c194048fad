"""A Celery application whose tasks fail in every way there is; the broker is what BROKER names."""

from __future__ import annotations

import os
import signal
import time

from celery import Celery
from celery.exceptions import Ignore, Reject
from celery.utils.log import get_task_logger

import tocsin

logger = get_task_logger(__name__)
tocsin.setup()
app = tocsin.install(Celery("celery_shop", broker=os.environ["BROKER"], backend=os.environ["BROKER"]))
app.conf.update(broker_connection_retry_on_startup=True, worker_proc_alive_timeout=60)
app.conf.beat_schedule = {"every second": {"task": "celery_shop.divides", "schedule": 1.0, "args": (object(),)}}

ALWAYS = RuntimeError("made once, raised again and again")


class Unpicklable(Exception):
    """Celery tells the world of it by a stand-in."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__("can't be pickled")
        self.hold = lambda: (first, second)


@app.task
def divides(number):
    return 100 / number


@app.task(bind=True, max_retries=2)
def tries_again(self):
    try:
        raise TimeoutError("the bank does not answer")
    except TimeoutError as fault:
        raise self.retry(exc=fault, countdown=0) from fault


@app.task(autoretry_for=(ConnectionAbortedError,), max_retries=1, default_retry_delay=0)
def tries_by_itself():
    raise ConnectionAbortedError("the bank hung up")


@app.task(bind=True, max_retries=2)
def comes_through(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0)


@app.task
def unpicklable():
    raise Unpicklable(1, 2)


@app.task
def logs():
    print("printed, and no warning")
    logger.error("stock is short", extra={"order": 7})


@app.task
def logs_and_raises(secret):
    try:
        raise LookupError("gone")
    except LookupError:
        logger.exception("caught, and let go")
        raise


@app.task
def raises_always():
    raise ALWAYS


@app.task
def is_killed():
    logger.error("the last words")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(time_limit=1)
def takes_too_long():
    time.sleep(600)


@app.task(soft_time_limit=1)
def is_told_the_time():
    time.sleep(600)


@app.task(throws=(KeyError,))
def raises_expected():
    raise KeyError("expected")


@app.task
def is_ignored():
    raise Ignore


@app.task(acks_late=True)
def is_rejected():
    raise Reject("no", requeue=False)


@app.task
def returns_nonsense():
    return object()


@app.task
def ends_well():
    return 1
