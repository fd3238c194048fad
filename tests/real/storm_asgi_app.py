"""The storm's application by ASGI: the same faults, raised in the event loop; test_storm.py runs it on uvicorn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from storm_app import faults, reporter, side

Message = dict[str, Any]


async def shop(scope: dict[str, Any], receive: Callable[[], Awaitable[Message]], send: Any) -> None:
    """Raise the fault that the path names; answer otherwise."""
    if scope["type"] != "http":
        raise ValueError("requests only")
    number = scope["path"].rpartition("/")[2]
    if number.isdigit():
        side.raised(int(number))
        faults[int(number)](number)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"ready"})


reported = reporter.asgi(shop)


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[Message]], send: Any) -> None:
    """Note what has been reported when its answer begins, before the server has a byte of it."""
    if scope["type"] == "lifespan":  # none: so that what the storm reports is the storm's
        raise NotImplementedError

    async def noted(message: Message) -> None:
        number = scope["path"].rpartition("/")[2]
        if number.isdigit() and message["type"] == "http.response.start":
            side.returned(int(number))
        await send(message)

    await reported(scope, receive, noted)
