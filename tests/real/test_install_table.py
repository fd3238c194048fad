"""`tocsin.install`: every row of its table takes an object of its class, gives it back, and takes it again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from tocsin.event.errors import ConfigError
from tocsin.integrations import INTEGRATIONS, install
from tocsin.testing import captured_events


def needed(name: str) -> Any:
    return pytest.importorskip(name, reason=f"no {name}; pip install {name.partition('.')[0]}")


def falcon() -> Any:
    return needed("falcon").App()


def starlette() -> Any:
    return needed("starlette.applications").Starlette()


def litestar() -> Any:
    return needed("litestar").Litestar([])


def pyramid(what: str) -> Any:
    config = needed("pyramid.config").Configurator()
    return config if what == "config" else config.make_wsgi_app()


def celery() -> Any:
    return needed("celery").Celery("shop", set_as_current=False)


class _Silent:
    """A Redis as far as a worker asks for one when it is made."""

    connection_pool = SimpleNamespace(connection_kwargs={})
    answers: ClassVar[dict[str, Any]] = {"info": {"redis_version": "7.0.0"}, "client_info": {"addr": "127.0.0.1:1"}}

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **named: self.answers.get(name)


def rq() -> Any:
    return needed("rq").SimpleWorker(["shop"], connection=_Silent())


def django(kind: str) -> Any:
    settings = needed("django.conf").settings
    if not settings.configured:
        settings.configure(SECRET_KEY="x", MIDDLEWARE=[], DATABASES={})
        import_module("django").setup()
    handlers = import_module(f"django.core.handlers.{kind}")
    return handlers.WSGIHandler() if kind == "wsgi" else handlers.ASGIHandler()


ROWS: dict[str, Callable[[], Any]] = {
    "aiohttp.web_app.Application": lambda: needed("aiohttp.web").Application(),
    "apscheduler.schedulers.base.BaseScheduler": lambda: needed(
        "apscheduler.schedulers.background"
    ).BackgroundScheduler(),
    "asyncio.events.AbstractEventLoop": asyncio.new_event_loop,
    "bottle.Bottle": lambda: needed("bottle").Bottle(),
    "celery.app.base.Celery": celery,
    "concurrent.futures._base.Executor": lambda: ThreadPoolExecutor(1),
    "django.core.handlers.asgi.ASGIHandler": lambda: django("asgi"),
    "django.core.handlers.wsgi.WSGIHandler": lambda: django("wsgi"),
    "falcon.app.App": falcon,
    "flask.app.Flask": lambda: needed("flask").Flask("shop"),
    "litestar.app.Litestar": litestar,
    "pyramid.config.Configurator": lambda: pyramid("config"),
    "pyramid.router.Router": lambda: pyramid("router"),
    "quart.app.Quart": lambda: needed("quart").Quart("shop"),
    "rq.worker.base.BaseWorker": rq,
    "starlette.applications.Starlette": starlette,
}
# Of other versions than the ones that are tested with.
OTHERS = {
    "apscheduler._schedulers.async_.AsyncScheduler",  # 4
    "apscheduler._schedulers.sync.Scheduler",
    "rq.worker.BaseWorker",  # 2
}


def test_every_row_of_the_table_is_here() -> None:
    assert set(ROWS) | OTHERS == set(INTEGRATIONS)


@pytest.mark.parametrize("name", ROWS)
def test_an_object_of_each_row_comes_back_as_it_is_and_may_be_installed_again(name: str) -> None:
    thing = ROWS[name]()
    assert name in {f"{base.__module__}.{base.__qualname__}" for base in type(thing).__mro__}
    with captured_events() as events:
        try:
            assert install(thing, events.reporter.intake) is thing
            assert install(thing, events.reporter.intake) is thing
        except ConfigError as refusal:
            assert "write" in str(refusal)  # what can't be hooked once it is made, says so
    close = getattr(thing, "close", None)
    if isinstance(thing, asyncio.AbstractEventLoop):
        close()
