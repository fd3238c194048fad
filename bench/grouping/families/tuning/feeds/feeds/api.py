import asyncio
import logging

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

log = logging.getLogger("feeds.api")
FEEDS = {"a": {"items": []}}


class Item(BaseModel):
    title: str
    votes: int


def newest(feed):
    return feed["items"][-1]


async def latest(request):
    return JSONResponse(newest(FEEDS["a"]))


async def newest_of(request):
    item = newest(FEEDS["a"])
    return JSONResponse({"item": item})


async def feed(request):
    return JSONResponse(FEEDS[request.path_params["name"]])


async def delete(request):
    del FEEDS[request.path_params["name"]]["items"]["all"]
    return JSONResponse({})


async def add(request):
    item = Item(**await request.json())
    return JSONResponse(item.model_dump())


async def fetch(name):
    await asyncio.sleep(0)
    raise ConnectionResetError(f"{name} hung up")


async def refresh(request):
    async with asyncio.TaskGroup() as group:
        for name in request.path_params["names"].split(","):
            group.create_task(fetch(name))


async def guarded(request):
    try:
        return await {"one": one, "two": two}[request.path_params["which"]](request)
    except Exception as error:
        log.error("failed: %s", error, exc_info=True)
        return JSONResponse({}, 500)


async def one(request):
    return JSONResponse(int(request.query_params.get("n", "x")))


async def two(request):
    return JSONResponse(float(request.query_params.get("f", "y")))


app = Starlette(
    routes=[
        Route("/latest", latest),
        Route("/v2/latest", newest_of),
        Route("/feed/{name}", feed),
        Route("/delete/{name}", delete),
        Route("/add", add, methods=["POST"]),
        Route("/refresh/{names}", refresh),
        Route("/guarded/{which}", guarded),
    ]
)
