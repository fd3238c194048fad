"""A Django project in one file that breaks in all ways: settings by the variable SITE (JSON); views below."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import django
from django.conf import settings

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("SITE_FOLDER", "."))
SITE = json.loads(os.environ.get("SITE", "{}"))


def silence(event: Any) -> Any:
    """Drop one sort of report."""
    return None if "division" in event.message else event


if not settings.configured:
    settings.configure(
        **{
            "SECRET_KEY": "x" * 50,
            "DEBUG": False,
            "ALLOWED_HOSTS": ["testserver", "localhost", "127.0.0.1"],
            "ROOT_URLCONF": "django_site",
            "INSTALLED_APPS": [
                "django.contrib.auth",
                "django.contrib.contenttypes",
                "django.contrib.sessions",
                "tocsin.integrations.django",
            ],
            "MIDDLEWARE": [
                "tocsin.integrations.django.Middleware",
                "django.middleware.security.SecurityMiddleware",
                "django.contrib.sessions.middleware.SessionMiddleware",
                "django.middleware.common.CommonMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django_site.sync_middleware",
                "django_site.async_middleware",
                "django_site.ExceptionMiddleware",
            ],
            "DATABASES": {
                "default": {
                    "ENGINE": "django.db.backends.sqlite3",
                    "NAME": str(FOLDER / "db.sqlite3"),
                    "ATOMIC_REQUESTS": SITE.pop("atomic", False),
                }
            },
            "TEMPLATES": [
                {
                    "BACKEND": "django.template.backends.django.DjangoTemplates",
                    "OPTIONS": {
                        "loaders": [
                            (
                                "django.template.loaders.locmem.Loader",
                                {
                                    "broken.html": "{% for x in items %}{{ x.explode }}{% endfor %}",
                                    **SITE.pop("templates", {}),
                                },
                            )
                        ]
                    },
                }
            ],
            "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
            "TOCSIN": {
                "application": "site",
                "spool": str(FOLDER / "spool"),
                "sinks": [f"file:{FOLDER}/events.jsonl"],
                "locals": True,
                "user_id": "full",
                "app_modules": ["django_site"],
                **SITE.pop("tocsin", {}),
            },
            **SITE,
        }
    )
    django.setup()

from asgiref.sync import iscoroutinefunction  # noqa: E402
from django.contrib.auth import authenticate, get_user_model, login  # noqa: E402
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.http import (  # noqa: E402
    FileResponse,
    Http404,
    HttpResponse,
    HttpResponseBadRequest,
    JsonResponse,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils.decorators import sync_and_async_middleware  # noqa: E402
from django.views import View  # noqa: E402
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables  # noqa: E402

logger = logging.getLogger("shop.views")


# -- middleware --------------------------------------------------------------------------------------------------


def sync_middleware(get_response: Any) -> Any:
    def middleware(request: Any) -> Any:
        if request.path == "/breaks/middleware":
            raise LookupError("sync middleware")
        return get_response(request)

    return middleware


@sync_and_async_middleware
def async_middleware(get_response: Any) -> Any:
    if iscoroutinefunction(get_response):

        async def middleware(request: Any) -> Any:
            if request.path == "/breaks/both-middleware":
                raise LookupError("middleware of both kinds")
            return await get_response(request)

    else:

        def middleware(request: Any) -> Any:
            if request.path == "/breaks/both-middleware":
                raise LookupError("middleware of both kinds")
            return get_response(request)

    return middleware


class ExceptionMiddleware:
    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        return self.get_response(request)

    def process_exception(self, request: Any, exception: Exception) -> Any:
        if isinstance(exception, TimeoutError):
            return HttpResponse("later", status=503)
        return None


# -- views -------------------------------------------------------------------------------------------------------


def fine(request: Any) -> Any:
    return HttpResponse("fine")


def failing(request: Any, number: int = 0) -> Any:
    return HttpResponse(str(1 / number))


async def failing_later(request: Any) -> Any:
    await asyncio.sleep(0)
    raise ValueError("async view")


def logging_and_failing(request: Any) -> Any:
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("logged, and raised again")
        raise


def warning(request: Any) -> Any:
    logger.warning("fishy")
    return HttpResponse("fine")


async def warning_later(request: Any) -> Any:
    await asyncio.sleep(0)
    logger.warning("fishy, async")
    await asyncio.to_thread(logger.warning, "fishy, in a thread")
    return HttpResponse("fine")


def not_found(request: Any) -> Any:
    raise Http404("nothing here")


def denied(request: Any) -> Any:
    raise PermissionDenied


def suspicious(request: Any) -> Any:
    raise SuspiciousOperation("tampered")


def bad(request: Any) -> Any:
    raise BadRequest("no such field")


def bad_answer(request: Any, number: int = 0) -> Any:
    return HttpResponseBadRequest("no")


def meant(request: Any, status: int) -> Any:
    return HttpResponse("meant", status=status)


def template(request: Any) -> Any:
    return TemplateResponse(request, "broken.html", {"items": [Exploding()]})


class Exploding:
    @property
    def explode(self) -> str:
        raise RuntimeError("in the template")


class ByClass(View):
    def get(self, request: Any) -> Any:
        raise KeyError("by class")


def stream(request: Any) -> Any:
    def body() -> Any:
        yield b"first "
        raise OverflowError("stream")

    return StreamingHttpResponse(body())


async def stream_later(request: Any) -> Any:
    async def body() -> Any:
        yield b"first "
        raise OverflowError("async stream")

    return StreamingHttpResponse(body())


def file(request: Any) -> Any:
    return FileResponse((HERE / "django_site.py").open("rb"))


def timeout(request: Any) -> Any:
    raise TimeoutError("handled by process_exception")


def whole(request: Any) -> Any:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select nothing from nowhere")
    return HttpResponse("never")


def at_commit(request: Any) -> Any:
    """Violates a deferred constraint: the error comes when the transaction of the request ends."""
    with connection.cursor() as cursor:
        cursor.execute("insert into django_site_child (parent) values (77)")
    return HttpResponse("never")


def anonymous(request: Any) -> Any:
    raise ValueError("nobody asked who")


def known(request: Any) -> Any:
    assert request.user.is_authenticated
    raise ValueError("somebody is known")


async def known_later(request: Any) -> Any:
    assert (await request.auser()).is_authenticated
    raise ValueError("somebody is known")


def enter(request: Any) -> Any:
    user, _ = get_user_model().objects.get_or_create(username="ada")
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse("in")


def logged_and_500(request: Any) -> Any:
    logger.error("the reason for the 500")
    return HttpResponse("<h1>own page</h1>", status=500)


# -- secrets -----------------------------------------------------------------------------------------------------

# What is hidden must not be found in the source lines that a report shows, so it is put together.
JAR = "".join(["h", "o", "n", "e", "y"])


@sensitive_variables("recipe")
def one_hidden(request: Any) -> Any:
    recipe = JAR + "-one"
    amount = 3
    raise ValueError("hidden", len(recipe), amount)


@sensitive_variables()
def all_hidden(request: Any) -> Any:
    recipe = JAR + "-all"
    return inner(recipe)


@sensitive_variables("credentials")
def inner(recipe: str) -> Any:
    """Like `authenticate`, which hides one name: that must not uncover what the caller hides."""
    credentials = JAR + "-inner"
    innermost(recipe, credentials)


def innermost(recipe: str, taste: str) -> Any:
    raise ValueError("innermost")


@sensitive_variables("recipe")
@sensitive_variables("amount")
def stacked(request: Any) -> Any:
    recipe, amount = JAR + "-recipe", JAR + "-amount"
    raise ValueError("stacked", len(recipe), len(amount))


@sensitive_variables("recipe")
@sensitive_variables("amount")
async def stacked_later(request: Any) -> Any:
    recipe, amount = JAR + "-recipe", JAR + "-amount"
    raise ValueError("stacked", len(recipe), len(amount))


@sensitive_variables("recipe")
async def nested_later(request: Any) -> Any:
    recipe = JAR + "-nested"
    await deeper(recipe)


@sensitive_variables("potion")
async def deeper(potion: str) -> Any:
    raise ValueError("deeper")


@sensitive_variables("recipe")
def caught(request: Any) -> Any:
    """The exception never passes the decorator."""
    recipe = JAR + "-caught"
    try:
        raise ValueError("caught", len(recipe))
    except ValueError:
        logger.exception("caught inside")
    return HttpResponse("fine")


@sensitive_post_parameters("iban")
def posted(request: Any) -> Any:
    iban = request.POST["iban"]
    data = request.POST.dict()
    raise ValueError("posted", len(iban), len(data))


@sensitive_post_parameters()
def all_posted(request: Any) -> Any:
    field = request.POST["iban"]
    raise ValueError("posted", len(field))


@sensitive_post_parameters("iban")
async def posted_later(request: Any) -> Any:
    iban = request.POST["iban"]
    data = request.POST.dict()
    raise ValueError("posted", len(iban), len(data))


class Backend:
    """A backend whose own variable has a name that nobody hides but the view, entirely."""

    def authenticate(self, request: Any, handle: str = "", phrase: str = "") -> Any:
        spoken = phrase.upper()
        raise ValueError("backend", len(spoken))

    def get_user(self, user_id: int) -> Any:
        return get_user_model().objects.filter(pk=user_id).first()


@sensitive_post_parameters()
def sign_in(request: Any) -> Any:
    phrase = request.POST["iban"]
    return authenticate(request, handle="ada", phrase=phrase)


def threaded(request: Any) -> Any:
    thread = threading.Thread(target=lambda: logger.warning("from a bare thread"))
    thread.start()
    thread.join()
    return HttpResponse("fine")


def queries(request: Any) -> Any:
    """Fail with a lazy user that nobody asked for; count what is asked of the database meanwhile."""
    QUERIES.clear()
    with connection.execute_wrapper(count_query):
        logger.error("before anybody asked who it is")
    return JsonResponse({"queries": len(QUERIES)})


QUERIES: list[str] = []


def count_query(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    QUERIES.append(sql)
    return execute(sql, params, many, context)


async def slow(request: Any) -> Any:
    """Wait until whoever asked has gone."""
    (FOLDER / "slow.begun").touch()
    try:
        await asyncio.sleep(60)
    finally:
        (FOLDER / "slow.ended").touch()
    return HttpResponse("never")


def word(number: int) -> str:
    """Return letters: records that differ by a number alone are one fault."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


def own_words(place: str, number: int) -> str:
    """Return a message of its own for each number. Written within the log call it would be one, whatever it holds."""
    return f"{place} of {word(number)}"


async def gate(request: Any, number: int, of: int) -> Any:
    """Wait until all are there; then report from here and from a thread, and fail."""
    (FOLDER / f"gate-{number}").touch()
    while len(list(FOLDER.glob("gate-*"))) < of:
        await asyncio.sleep(0.01)
    logger.error(own_words("task", number))
    await asyncio.to_thread(logger.error, own_words("thread", number))
    raise ValueError("gate")


def gate_now(request: Any, number: int, of: int) -> Any:
    (FOLDER / f"gate-{number}").touch()
    while len(list(FOLDER.glob("gate-*"))) < of:
        time.sleep(0.01)
    logger.error(own_words("view", number))
    raise ValueError("gate")


async def task(request: Any) -> Any:
    return HttpResponse(asyncio.current_task().get_coro().__qualname__)  # type: ignore[union-attr]


async def endless(request: Any) -> Any:
    async def body() -> Any:
        try:
            while True:
                yield b"more"
                await asyncio.sleep(0.01)
        finally:
            (FOLDER / "endless.ended").touch()

    return StreamingHttpResponse(body())


def host(request: Any) -> Any:
    return HttpResponse(request.get_host())


urlpatterns = [
    path("fine", fine),
    path("orders/<int:number>/", failing, name="order"),
    path(
        "breaks/",
        include(
            [
                path("view", failing),
                path("later", failing_later),
                path("logged", logging_and_failing),
                path("template", template),
                path("class", ByClass.as_view()),
                path("stream", stream),
                path("stream-later", stream_later),
                path("transaction", whole),
                path("commit", at_commit),
                path("middleware", fine),
                path("both-middleware", fine),
            ]
        ),
    ),
    path("warns", warning),
    path("warns-later", warning_later),
    path("missing", not_found),
    path("denied", denied),
    path("suspicious", suspicious),
    path("bad", bad),
    path("bad-answer", bad_answer),
    path("bad-answer/<int:number>", bad_answer),
    path("meant/<int:status>", meant),
    path("logged-500", logged_and_500),
    path("timeout", timeout),
    path("file", file),
    path("host", host),
    path("slow", slow),
    path("gate/<int:of>/<int:number>", gate),
    path("gate-now/<int:of>/<int:number>", gate_now),
    path("task", task),
    path("endless", endless),
    path("user/nobody", anonymous),
    path("user/known", known),
    path("user/known-later", known_later),
    path("user/queries", queries),
    path("enter", enter),
    path("thread", threaded),
    path("hide/one", one_hidden),
    path("hide/all", all_hidden),
    path("hide/stacked", stacked),
    path("hide/stacked-later", stacked_later),
    path("hide/nested-later", nested_later),
    path("hide/caught", caught),
    path("hide/posted", posted),
    path("hide/all-posted", all_posted),
    path("hide/posted-later", posted_later),
    path("hide/sign-in", sign_in),
]

if os.environ.get("SITE_HANDLER"):

    def handler500(request: Any) -> Any:
        if os.environ["SITE_HANDLER"] == "broken":
            raise NotImplementedError("handler500")
        return HttpResponse(f"quote {request.META.get('tocsin.error_id', 'nothing')}", status=500)


def prepare() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("create table django_site_parent (id integer primary key)")
        cursor.execute(
            "create table django_site_child"
            " (parent integer references django_site_parent (id) deferrable initially deferred)"
        )


def application_wsgi() -> Any:
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def application_asgi() -> Any:
    from django.core.asgi import get_asgi_application

    return get_asgi_application()
