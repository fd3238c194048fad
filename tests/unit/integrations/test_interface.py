"""An application given to the wrong wrapper, or no application at all, is told at once."""

from __future__ import annotations

from collections.abc import Generator, Iterator
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


class AiohttpLike:
    def __call__(self) -> AiohttpLike:
        return self


class WsgiClass:
    """Made anew for each request, as in an example of PEP 3333."""

    def __init__(self, environ: Any, start_response: Any) -> None: ...

    def __iter__(self) -> Iterator[bytes]:
        yield b""


class AsgiClass:
    """Awaited, as Starlette's endpoints are."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def __await__(self) -> Generator[Any, None, None]:
        yield


@pytest.mark.parametrize("app", [wsgi_function, WsgiObject(), FlaskLike(), FlaskLike().wsgi_app, WsgiClass])
def test_wsgi_applications_are_wrapped(app: Any) -> None:
    assert callable(wsgi(app, RecordingIntake()))  # type: ignore[arg-type]


@pytest.mark.parametrize("app", [asgi_function, AsgiObject(), AsgiObject().__call__, AsgiClass, lambda *given: None])
def test_asgi_applications_are_wrapped(app: Any) -> None:
    assert callable(asgi(app, RecordingIntake()))  # type: ignore[arg-type]


@pytest.mark.parametrize("app", [asgi_function, AsgiObject()])
def test_an_asgi_application_is_sent_to_the_other_wrapper(app: Any) -> None:
    with pytest.raises(ConfigError, match=r"write app = reporter\.asgi\(app\)"):
        wsgi(app, RecordingIntake())  # type: ignore[arg-type]


@pytest.mark.parametrize("app", [wsgi_function, WsgiObject(), FlaskLike()])
def test_a_wsgi_application_is_sent_to_the_other_wrapper(app: Any) -> None:
    with pytest.raises(ConfigError, match=r"write app = reporter\.wsgi\(app\)"):
        asgi(app, RecordingIntake())  # type: ignore[arg-type]


@pytest.mark.parametrize("wrap", [wsgi, asgi])
@pytest.mark.parametrize("app", [123, None, "shop:app", AiohttpLike()])
def test_what_is_no_application_is_refused(wrap: Any, app: Any) -> None:
    with pytest.raises(ConfigError, match="application, not an object of type"):
        wrap(app, RecordingIntake())


@pytest.mark.parametrize(("wrap", "app"), [(wsgi, WsgiObject), (asgi, AsgiObject)])
def test_class_of_applications_is_refused_with_what_to_do(wrap: Any, app: Any) -> None:
    with pytest.raises(ConfigError, match=rf"not the class {app.__qualname__}; make one first"):
        wrap(app, RecordingIntake())
