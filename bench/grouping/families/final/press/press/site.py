from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from press import articles, feed

templates = Environment(
    undefined=StrictUndefined,
    loader=DictLoader(
        {
            "article.html": "<h1>{{ title }}</h1>\n<p>{{ author.name }}, {{ year }}</p>\n",
            "index.html": "{% for a in articles %}\n{{ a.title }} {{ a.words // a.minutes }}\n{% endfor %}\n",
        }
    ),
)


class Clock(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-year"] = "2026"
        return response


async def article(request):
    html = templates.get_template("article.html").render(title=request.path_params["slug"], year=2026)
    return HTMLResponse(html)


async def index(request):
    shown = [{"title": "one", "words": 300, "minutes": 0}]
    return HTMLResponse(await asynchronous(templates.get_template("index.html"), articles=shown))


async def asynchronous(template, **values):
    return template.render(values)


def slug(request):
    return PlainTextResponse(articles.slug(request.query_params.get("title")))


async def archive(request):
    return JSONResponse(articles.Archive(request.path_params["year"]).month(int(request.query_params["month"])))


class Editor:
    def __init__(self, request):
        self.request = request

    async def publish(self):
        body = await self.request.json()
        return articles.published(body["state"], body.get("by"))


async def publish(request):
    return JSONResponse(await Editor(request).publish())


async def stream(request):
    return StreamingResponse(feed.lines(int(request.path_params["n"])), media_type="text/xml")


async def entries(request):
    return PlainTextResponse(feed.parse(await request.body()))


async def entries_v2(request):
    return PlainTextResponse(feed.parse(await request.body()).upper())


routes = [
    Route("/a/{slug}", article),
    Route("/", index),
    Route("/slug", slug),
    Route("/archive/{year:int}", archive),
    Route("/publish", publish, methods=["POST"]),
    Route("/stream/{n}", stream),
    Mount("/feed", routes=[Route("/v1/{n}", entries, methods=["POST"]), Route("/v2/{n}", entries_v2, methods=["POST"])]),
]
app = Starlette(routes=routes, middleware=[Middleware(Clock)])
