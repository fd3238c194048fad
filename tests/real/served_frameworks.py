"""One application of each ASGI framework, installed, with the same paths: for what only servers and sockets show.

The variable SERVED names the framework; tocsin is as TOCSIN_CONFIG says. Without it nothing is made.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from typing import Any

import tocsin

log = logging.getLogger("shop")
# "waiting" is told by a record, so that a test knows that the request is there.
WAITING = "a request waits"


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 10_000
        await asyncio.sleep(0.001)


async def wait_long() -> None:
    log.error(WAITING)
    await asyncio.sleep(300)


async def wait_in_vain() -> str:
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(300)
    except TimeoutError:
        return "too late"
    return "in time"


def _starlette(make: Any) -> Any:
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.websockets import WebSocket

    app = make()

    async def stream(request: Request) -> Any:
        return StreamingResponse(endless())

    async def upload(request: Request) -> Any:
        return PlainTextResponse(str(len(await request.body())))

    async def slow(request: Request) -> Any:
        await wait_long()

    async def timed(request: Request) -> Any:
        return PlainTextResponse(await wait_in_vain())

    async def failing(request: Request) -> Any:
        raise ValueError(request.path_params["name"])

    async def listen(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.receive_text()

    async def pass_on(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    for path, endpoint in (("/endless", stream), ("/slow", slow), ("/timed", timed), ("/failing/{name}", failing)):
        app.add_route(path, endpoint)
    app.add_route("/upload", upload, methods=["POST"])
    app.router.add_websocket_route("/listen", listen)
    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    return app


def starlette_app() -> Any:
    from starlette.applications import Starlette

    return _starlette(Starlette)


def fastapi_app() -> Any:
    from fastapi import FastAPI

    return _starlette(FastAPI)


def litestar_app() -> Any:
    from litestar import Litestar, Request, WebSocket, get, post, websocket
    from litestar.response import Stream

    @get("/endless")
    async def stream() -> Stream:
        return Stream(endless())

    @post("/upload")
    async def upload(request: Request[Any, Any, Any]) -> str:
        return str(len(await request.body()))

    @get("/slow")
    async def slow() -> None:
        await wait_long()

    @get("/timed")
    async def timed() -> str:
        return await wait_in_vain()

    @get("/failing/{name:str}")
    async def failing(name: str) -> None:
        raise ValueError(name)

    @websocket("/listen")
    async def listen(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        while True:
            await socket.receive_text()

    # What the annotations above name is imported in this function.
    return Litestar([stream, upload, slow, timed, failing, listen], signature_namespace=locals())


def quart_app() -> Any:
    from quart import Quart, Response, request, websocket

    app = Quart("shop")

    @app.get("/endless")
    async def stream() -> Any:
        return Response(endless())

    @app.post("/upload")
    async def upload() -> str:
        return str(len(await request.get_data()))

    @app.get("/slow")
    async def slow() -> str:
        await wait_long()
        return ""

    @app.get("/timed")
    async def timed() -> str:
        return await wait_in_vain()

    @app.get("/failing/<name>")
    async def failing(name: str) -> str:
        raise ValueError(name)

    @app.websocket("/listen")
    async def listen() -> None:
        while True:
            await websocket.receive()

    return app


if "SERVED" in os.environ:
    tocsin.setup()
    app = tocsin.install(globals()[f"{os.environ['SERVED']}_app"]())
