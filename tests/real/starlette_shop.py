"""A shop made with Starlette, on tocsin as TOCSIN_CONFIG says: every way in which its parts fail, one path for each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

import tocsin

log = logging.getLogger("shop")


class OutOfStock(Exception):
    """What the shop answers itself."""


async def fine(request: Request) -> Response:
    return PlainTextResponse("fine")


async def failing(request: Request) -> Response:
    raise ValueError("failing")


def threaded(request: Request) -> Response:
    log.warning("in a thread of the pool")
    raise ValueError("threaded")


async def background(request: Request) -> Response:
    return PlainTextResponse("accepted", background=BackgroundTask(_after, request.path_params["name"]))


async def _after(name: str) -> None:
    await asyncio.sleep(0)
    raise ValueError("background")


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[str]:
        yield "begun"
        raise ValueError("stream")

    return StreamingResponse(chunks())


async def endless(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 10_000
            await asyncio.sleep(0.001)

    return StreamingResponse(chunks())


async def upload(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def sold_out(request: Request) -> Response:
    raise OutOfStock("sold_out")


async def meant(request: Request) -> Response:
    raise HTTPException(int(request.path_params["status"]))


async def _apologise(request: Request, exc: Exception) -> Response:
    return JSONResponse({"detail": "sold out"}, status_code=503)


_gate: dict[str, Any] = {"waiting": 0, "open": None}


async def gate(request: Request) -> Response:
    """Hold requests back until all are there; then each reports in a task, in a thread, and fails on its own."""
    number, total = request.path_params["number"], request.path_params["total"]
    _gate["open"] = _gate["open"] or asyncio.Event()
    _gate["waiting"] += 1
    if _gate["waiting"] == total:
        _gate["open"].set()
    await _gate["open"].wait()
    await asyncio.sleep(number % 5 / 500)
    await asyncio.gather(asyncio.create_task(_report("task", number)), run_in_threadpool(_report_now, "thread", number))
    raise type(f"Fault{number}", (Exception,), {})(f"fault of {number}")


async def _report(what: str, number: int) -> None:
    await asyncio.sleep(0)
    _report_now(what, number)


def _report_now(what: str, number: int) -> None:
    tocsin.report(message=f"{what} of {number}", fingerprint=f"{what} {number}")


async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    word = await websocket.receive_text()  # raises WebSocketDisconnect where the client goes
    await websocket.send_text(word)
    raise ValueError("chat")


class Passing(BaseHTTPMiddleware):
    """A middleware that runs the rest of the application in a task of its own."""

    async def dispatch(self, request: Request, call_next: Any) -> Response:
        answer: Response = await call_next(request)
        return answer


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def _failing_lifespan(app: Starlette) -> AsyncIterator[None]:
    raise ValueError("no database")
    yield


ROUTES = [
    Route("/fine", fine),
    Route("/failing/{name}", failing),
    Route("/threaded/{name}", threaded),
    Route("/background/{name}", background),
    Route("/stream/{name}", stream),
    Route("/endless", endless),
    Route("/upload", upload, methods=["POST"]),
    Route("/sold-out/{name}", sold_out),
    Route("/meant/{status}", meant),
    Route("/gate/{total:int}/{number:int}", gate),
    WebSocketRoute("/chat/{name}", chat),
]

reporter = tocsin.setup()
app = reporter.asgi(
    Starlette(
        routes=[*ROUTES, Mount("/mounted", routes=ROUTES, middleware=[Middleware(Passing)])],
        exception_handlers={OutOfStock: _apologise},
        lifespan=lifespan,
    )
)
unstartable = reporter.asgi(Starlette(lifespan=_failing_lifespan))
