"""Applications that die on request, set up as a user would: test_deaths.py runs them on real servers.

``/hang`` notes its pid in the side file and waits for the signal that will end it.
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import tocsin

reporter = tocsin.setup(os.environ["DEATHS_CONFIG"])
side = Path(os.environ["DEATHS_SIDE"])


def note() -> None:
    """Say that a request has arrived where it is to die."""
    with side.open("a") as file:
        file.write(f"{os.getpid()}\n")


def segfault() -> None:
    """Read what is at address 0."""
    ctypes.string_at(0)


def abort() -> None:
    """End as a library in C does that finds its own memory damaged."""
    os.abort()


def hang() -> None:
    """Wait, where signal handlers of Python's run."""
    note()
    time.sleep(600)


def stuck() -> None:
    """Compute, where no signal handler of Python's gets to run."""
    note()
    sum(range(10**13))


def eat() -> None:
    """Take memory until there is none."""
    note()
    hoard = []
    while True:
        hoard.append(bytearray(os.urandom(1)) * 16_777_216)


def limited() -> None:
    """Take memory until the kernel refuses it."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2**30, before[1]))
    try:
        eat()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def child() -> None:
    """Have a forked child crash, which this process survives."""
    process = multiprocessing.get_context("fork").Process(target=segfault)
    process.start()
    process.join()


def thread() -> None:
    """Crash in a thread of one's own, while a request waits for it."""
    worker = threading.Thread(target=segfault, name="resizer")
    worker.start()
    worker.join()


WAYS: dict[str, Callable[[], None]] = {
    way.__name__: way for way in (segfault, abort, hang, stuck, eat, limited, child, thread)
}


def streamed() -> Iterator[bytes]:
    """Answer with a body that dies in its middle."""
    yield b"first\n"
    hang()


def shop(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Die as the path says, or answer with this process's pid."""
    name = environ["PATH_INFO"].split("/")[1]
    if name in WAYS:
        WAYS[name]()
    if name == "stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return streamed()
    said = b"%d\n" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(said)))])
    return [said]


async def asgi_shop(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Be the same for ASGI."""
    if scope["type"] != "http":
        return
    name = scope["path"].split("/")[1]
    if name == "hang":
        note()
        await asyncio.sleep(600)
    elif name in WAYS:
        WAYS[name]()
    said = b"%d\n" % os.getpid()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


if "--faulthandler" in os.environ.get("DEATHS_WITH", ""):
    import faulthandler

    faulthandler.enable(sys.stderr)

app = reporter.wsgi(shop)
asgi_app = reporter.asgi(asgi_shop)
