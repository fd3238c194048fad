"""An application given to the wrong wrapper, or no application at all, is told at once."""

from __future__ import annotations

from typing import Any

import pytest

from recording_intake import RecordingIntake
from tocsin.event.errors import ConfigError
from tocsin.integrations.asgi import asgi
from tocsin.integrations.wsgi import wsgi


def wsgi_function(environ: Any, start_response: Any) -> list[bytes]:
    return []


async def asgi_function(scope: Any, receive: Any, send: Any) -> None:
    return None


class WsgiObject:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


class AsgiObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        return None


class FlaskLike(WsgiObject):
    wsgi_app = wsgi_function


@pytest.mark.parametrize("app", [wsgi_function, WsgiObject(), FlaskLike(), FlaskLike().wsgi_app, WsgiObject])
def test_wsgi_applications_are_wrapped(app: Any) -> None:
    assert callable(wsgi(app, RecordingIntake()))  # type: ignore[arg-type]


@pytest.mark.parametrize("app", [asgi_function, AsgiObject(), AsgiObject().__call__, lambda *given: None])
def test_asgi_applications_are_wrapped(app: Any) -> None:
    assert callable(asgi(app, RecordingIntake()))  # type: ignore[arg-type]


@pytest.mark.parametrize("app", [asgi_function, AsgiObject()])
def test_an_asgi_application_is_sent_to_the_other_wrapper(app: Any) -> None:
    with pytest.raises(ConfigError, match=r"write app = reporter\.asgi\(app\)"):
        wsgi(app, RecordingIntake())  # type: ignore[arg-type]


@pytest.mark.parametrize("app", [wsgi_function, FlaskLike()])
def test_a_wsgi_application_is_sent_to_the_other_wrapper(app: Any) -> None:
    with pytest.raises(ConfigError, match=r"write app = reporter\.wsgi\(app\)"):
        asgi(app, RecordingIntake())  # type: ignore[arg-type]


@pytest.mark.parametrize("wrap", [wsgi, asgi])
@pytest.mark.parametrize("app", [123, None, "shop:app"])
def test_what_is_no_application_is_refused(wrap: Any, app: Any) -> None:
    with pytest.raises(ConfigError, match="application, not an object of type"):
        wrap(app, RecordingIntake())
