"""Where errors enter: a framework's application and an `Intake` go in, the application leaves, reporting.

The only framework-aware code. Each integration is found by the application's class and imported only then.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeVar

from tocsin.event.errors import ConfigError

if TYPE_CHECKING:
    from tocsin.intake import Intake

__all__ = ["INTEGRATIONS", "install"]

App = TypeVar("App")

# Class of the object, as module.qualname → module with `install(app, intake) -> app`.
INTEGRATIONS: Final[Mapping[str, str]] = {
    "aiohttp.web_app.Application": "tocsin.integrations.aiohttp",
    "apscheduler._schedulers.async_.AsyncScheduler": "tocsin.integrations.apscheduler",  # version 4: refused
    "apscheduler._schedulers.sync.Scheduler": "tocsin.integrations.apscheduler",
    "apscheduler.schedulers.base.BaseScheduler": "tocsin.integrations.apscheduler",
    "asyncio.events.AbstractEventLoop": "tocsin.integrations.loop",
    "bottle.Bottle": "tocsin.integrations.bottle",
    "celery.app.base.Celery": "tocsin.integrations.celery",
    "concurrent.futures._base.Executor": "tocsin.integrations.executor",
    "django.core.handlers.asgi.ASGIHandler": "tocsin.integrations.django",
    "django.core.handlers.wsgi.WSGIHandler": "tocsin.integrations.django",
    "falcon.app.App": "tocsin.integrations.falcon",
    "flask.app.Flask": "tocsin.integrations.flask",
    "litestar.app.Litestar": "tocsin.integrations.litestar",
    "pyramid.config.Configurator": "tocsin.integrations.pyramid",
    "pyramid.router.Router": "tocsin.integrations.pyramid",
    "quart.app.Quart": "tocsin.integrations.quart",
    "rq.worker.BaseWorker": "tocsin.integrations.rq",  # before version 3
    "rq.worker.base.BaseWorker": "tocsin.integrations.rq",
    "starlette.applications.Starlette": "tocsin.integrations.starlette",  # FastAPI derives from it
}
_KNOWN: Final = (
    "applications of aiohttp, Bottle, Django, Falcon, FastAPI, Flask, Litestar, Pyramid, Quart and Starlette, Celery "
    "applications, RQ workers, APScheduler schedulers, event loops of asyncio and executors"
)


def install(app: App, intake: Intake) -> App:
    """Make a framework's application report to ``intake``: the same object comes back, idempotent.

    Raises ConfigError for an object of no known framework, and says what to write instead.
    """
    for base in type(app).__mro__:
        module = INTEGRATIONS.get(f"{base.__module__}.{base.__qualname__}")
        if module is not None:
            installed: App = import_module(module).install(app, intake)
            return installed
    raise ConfigError(_advice(app))


def _advice(app: object) -> str:
    kind = f"{type(app).__module__}.{type(app).__qualname__}"
    if isinstance(app, type):
        return f"install() takes an application, not the class {app.__qualname__}; make one first"
    if callable(app):
        return (
            f"install() knows {_KNOWN}, not {kind}; if this is a WSGI application write: app = reporter.wsgi(app), "
            "if an ASGI application: app = reporter.asgi(app)"
        )
    return f"install() knows {_KNOWN}, not {kind}"
