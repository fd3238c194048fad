"""The application that test_asgi_servers.py runs on real servers: every case of the table, with tocsin and without.

``/bare/<case>`` and ``/tocsin/<case>``, as HTTP or websocket; what the integration reports is appended to the file
that TOCSIN_TEST_RECORD names.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from asgi_cases import answer, by_name
from recording_intake import RecordingIntake
from tocsin.integrations.asgi import asgi

INTAKE = RecordingIntake(os.environ["TOCSIN_TEST_RECORD"])


async def plain(scope: dict[str, Any], receive: Any, send: Any) -> Any:
    """Answer as the case does that the path names."""
    if scope["type"] == "lifespan":
        raise NotImplementedError("this application has none")
    name = scope["path"].rpartition("/")[2]
    if scope["type"] == "websocket":
        return await SOCKETS[name](receive, send)
    if name == "ready":
        return await answer(send, body=b"ready")
    return await by_name(name).app(scope, receive, send)


async def _echo(receive: Any, send: Any) -> None:
    """Echo one message, then fail."""
    await receive()
    await send({"type": "websocket.accept"})
    message = await receive()
    await send({"type": "websocket.send", "text": message["text"]})
    raise ValueError("in a websocket")


async def _refuse(receive: Any, send: Any) -> None:
    raise ValueError("before it was accepted")


async def _close(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 4001})


SOCKETS = {"echo": _echo, "refuse": _refuse, "close": _close}

guarded = asgi(plain, INTAKE)  # type: ignore[arg-type]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> Any:
    chosen = plain if scope.get("path", "").startswith("/bare/") else guarded
    return await chosen(scope, receive, send)
