"""The gate before Werkzeug's debugger: only a developer on this machine passes."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from werkzeug.test import Client

from recording_intake import RecordingIntake
from tocsin.event.errors import ConfigError
from tocsin.integrations.wsgi import wsgi
from tocsin.integrations.wsgi.debugger import debugger, is_developer

LOCAL = {"wsgi.multiprocess": False, "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8000"}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "localhost:5000"])
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"])
def test_browser_on_this_machine_is_a_developer(host: str, address: str) -> None:
    assert is_developer(LOCAL | {"HTTP_HOST": host, "REMOTE_ADDR": address})


@pytest.mark.parametrize(
    "change",
    [
        {"wsgi.multiprocess": True},
        {"REMOTE_ADDR": "192.0.2.1"},
        {"REMOTE_ADDR": "127.0.0.1.example.org"},
        {"REMOTE_ADDR": "::ffff:192.0.2.1"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "127.999.0.1"},
        {"HTTP_HOST": "127.0.0.1:5000"},
        {"HTTP_CF_CONNECTING_IP": "192.0.2.1"},
        {"HTTP_HOST": "evil.example.net"},
        {"HTTP_HOST": "localhost.example.net"},
        {"HTTP_HOST": "localhost:80@evil"},
        {"HTTP_HOST": "localhost:"},
        {"HTTP_HOST": "evil:localhost"},
        {"HTTP_HOST": "::1"},
        {"HTTP_HOST": ""},
        {"HTTP_FORWARDED": "for=192.0.2.1"},
        {"HTTP_X_FORWARDED_FOR": ""},
        {"HTTP_X_FORWARDED_HOST": "localhost"},
        {"HTTP_X_FORWARDED": "192.0.2.1"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_VIA": "1.1 proxy"},
    ],
)
def test_anything_that_may_come_from_elsewhere_is_not(change: dict[str, Any]) -> None:
    assert not is_developer(LOCAL | change)


@pytest.mark.parametrize("key", list(LOCAL))
def test_what_the_server_does_not_say_counts_against(key: str) -> None:
    assert not is_developer({name: value for name, value in LOCAL.items() if name != key})


def failing(environ: Any, start_response: Any) -> Any:
    if "__debugger__" in environ["QUERY_STRING"]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"the application's own"]
    raise ValueError("look at me")


def test_developer_gets_the_debugger() -> None:
    answer = Client(debugger(failing)).get("/", environ_overrides=LOCAL)
    assert answer.status_code == 500
    assert "look at me" in answer.text
    assert "EVALEX = true" in answer.text


def test_others_get_the_plain_application_on_every_path() -> None:
    client = Client(debugger(failing))
    elsewhere = LOCAL | {"REMOTE_ADDR": "192.0.2.1"}
    with pytest.raises(ValueError, match="look at me"):
        client.get("/", environ_overrides=elsewhere)
    answer = client.get("/?__debugger__=yes&cmd=resource&f=debugger.js", environ_overrides=elsewhere)
    assert answer.data == b"the application's own"


def test_debug_mode_offers_the_debugger_when_asked_for() -> None:
    app = wsgi(failing, RecordingIntake(mode="debug", debugger=True))  # type: ignore[arg-type]
    assert "look at me" in Client(app).get("/", environ_overrides=LOCAL).text


def test_production_never_starts_it() -> None:
    intake = RecordingIntake(debugger=True)
    answer = Client(wsgi(failing, intake)).get("/", environ_overrides=LOCAL)  # type: ignore[arg-type]
    assert "look at me" not in answer.text
    assert intake.told("exception") == ["ValueError"]


def test_missing_werkzeug_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "werkzeug.debug", None)
    with pytest.raises(ConfigError, match="pip install Werkzeug"):
        debugger(failing)
