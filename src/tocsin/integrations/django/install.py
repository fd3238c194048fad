"""Handlers: the application of ``wsgi.py`` or ``asgi.py`` goes in, the same object leaves, our middleware around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tocsin.integrations.django.faults import connect
from tocsin.integrations.django.middleware import Middleware

if TYPE_CHECKING:
    from tocsin.intake import Intake

__all__ = ["install"]

# The callable that middleware is put around, by the name that Django's documentation of middleware has for it.
_CALLABLES: Final = {
    "django.core.handlers.wsgi.WSGIHandler": "get_response",
    "django.core.handlers.asgi.ASGIHandler": "get_response_async",
}


def install(app: Any, intake: Intake) -> Any:
    """Make a Django application report to ``intake``; the same object comes back, idempotent.

    What the app of INSTALLED_APPS does for the process is done here too; the middleware is put around the
    application's own ``get_response``, outside of all that the project has. Outside of production nothing happens.
    """
    if intake.settings.mode != "production":
        return app
    connect(intake)
    name = next(_CALLABLES[known] for cls in type(app).__mro__ if (known := _name(cls)) in _CALLABLES)
    if not isinstance(app.__dict__.get(name), Middleware):
        setattr(app, name, Middleware(getattr(app, name)))
    return app


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
