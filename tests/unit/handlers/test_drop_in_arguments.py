"""From the arguments of the standard handlers to a sink's options and to what is prepared of a record: by tables."""

from __future__ import annotations

import json
import logging
import socket
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tocsin.event.errors import ConfigError
from tocsin.handlers import (
    DatagramHandler,
    HTTPHandler,
    NTEventLogHandler,
    SMTPHandler,
    SocketHandler,
    SysLogHandler,
)
from tocsin.handlers.application import guessed_name
from tocsin.sinks.base import Entry, Origin
from tocsin.sinks.nteventlog.message import record_of
from tocsin.sinks.syslog import SyslogSink


def record(level: int = logging.ERROR, message: str = "it %s", *args: Any, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("shop.views", level, "/shop/views.py", 7, message, args or ("broke",), None, "pay")
    made.__dict__.update(more)
    return made


# -- SMTPHandler -----------------------------------------------------------------------------------------------


def smtp(**arguments: Any) -> dict[str, Any]:
    base = {"mailhost": "localhost", "fromaddr": "shop@example.org", "toaddrs": ["a@b.c"], "subject": "S"}
    return dict(SMTPHandler(**{**base, **arguments})._destination.options)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ({}, {"host": "localhost", "port": 25, "to": ["a@b.c"], "tls": "none", "timeout": 5.0, "gather": 0}),
        ({"mailhost": ("mail.example.org", 2525)}, {"host": "mail.example.org", "port": 2525, "tls": "none"}),
        ({"toaddrs": "one@b.c"}, {"to": ["one@b.c"]}),
        ({"toaddrs": ("one@b.c", "Two <two@b.c>")}, {"to": ["one@b.c", "two@b.c"]}),
        ({"toaddrs": "one@b.c, Two <two@b.c>"}, {"to": ["one@b.c", "two@b.c"]}),  # as the standard one mails to both
        ({"toaddrs": ["one@b.c,two@b.c", '"Doe, Jo" <one@b.c>']}, {"to": ["one@b.c", "two@b.c"]}),
        ({"toaddrs": "root"}, {"to": ["root@localhost"]}),
        ({"fromaddr": "The Shop <shop@b.c>"}, {"sender": "shop@b.c", "sender_name": "The Shop"}),
        ({"timeout": 2}, {"timeout": 2}),
        ({"timeout": None}, {"timeout": 5.0}),
        ({"secure": ()}, {"tls": "starttls"}),
        ({"credentials": ("u", "p")}, {"user": "u", "password": "p", "tls": "none"}),
        ({"credentials": ("u", "p"), "mailhost": "mail.example.org"}, {"tls": "starttls"}),
        ({"credentials": ("u", "p"), "mailhost": ("mail.example.org", 465)}, {"tls": "implicit", "port": 465}),
    ],
)
def test_smtp_arguments(arguments: dict[str, Any], options: dict[str, Any]) -> None:
    made = smtp(**arguments)
    assert {name: made[name] for name in options} == options


@pytest.mark.parametrize(
    ("secure", "files"),
    [
        (("both.pem",), {"cert_file": "both.pem"}),
        (("key.pem", "cert.pem"), {"key_file": "key.pem", "cert_file": "cert.pem"}),
    ],
)
def test_smtp_secure_names_key_and_certificate(
    secure: tuple[str, ...], files: dict[str, str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("both.pem", "key.pem", "cert.pem"):
        (tmp_path / name).touch()
    made = smtp(secure=secure)
    assert {name: made[name] for name in ("key_file", "cert_file") if name in made} == files
    assert made["tls"] == "starttls"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"mailhost": None}, "host must be a text that is not empty"),  # an unset variable, say
        ({"toaddrs": ["root"], "mailhost": "mail.example.org"}, "'root' is no mail address for another machine"),
        ({"secure": ("no.pem", "such.pem")}, "cert_file must be a file that is there"),
        ({"credentials": ("u", "")}, "password"),
    ],
)
def test_smtp_faults(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        smtp(**arguments)


def test_smtp_to_nobody_mails_nothing_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """A configuration for development has no managers; the standard handler takes that as well."""
    handler = SMTPHandler("localhost", "a@b.c", [], "S")
    handler.handle(record())
    handler.flush()
    handler.close()
    assert "toaddrs is empty, so nothing is mailed" in capsys.readouterr().err


def test_smtp_subject_is_asked_of_each_record() -> None:
    class Named(SMTPHandler):
        def getSubject(self, record: logging.LogRecord) -> str:
            return f"{self.subject}: {record.levelname}"

    prepared = Named("localhost", "a@b.c", "c@d.e", "Shop")._to_send(record())
    assert prepared == {"text": "it broke", "subject": "Shop: ERROR"}


def test_smtp_password_is_in_no_representation() -> None:
    handler = SMTPHandler("localhost", "a@b.c", "c@d.e", "Shop", ("user", "hunter2"))
    assert "hunter2" not in repr(handler) + repr(handler._destination)


# -- SysLogHandler ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "identity"),
    [
        ({}, "syslog:udp:localhost:514"),
        ({"address": "/dev/log"}, "syslog:unix:/dev/log"),
        ({"address": ("log.example.org", 6000)}, "syslog:udp:log.example.org:6000"),
        ({"address": ("log.example.org", 6000), "socktype": socket.SOCK_STREAM}, "syslog:tcp:log.example.org:6000"),
    ],
)
def test_syslog_address(arguments: dict[str, Any], identity: str) -> None:
    from tocsin.sinks.base import SinkContext

    built = SysLogHandler(**arguments)._destination.build(SinkContext("shop", "production", "web1"))
    assert isinstance(built.sink, SyslogSink)
    assert built.sink.identity == identity


@pytest.mark.parametrize(
    ("facility", "level", "priority"),
    [
        (SysLogHandler.LOG_USER, logging.ERROR, 8 + 3),
        ("local0", logging.WARNING, 16 * 8 + 4),
        (SysLogHandler.LOG_LOCAL7, logging.CRITICAL, 23 * 8 + 2),
        ("daemon", logging.DEBUG, 3 * 8 + 7),
        ("daemon", 35, 3 * 8 + 4),  # a level without a name of syslog's is a warning, as in the standard handler
    ],
)
def test_syslog_priority(facility: Any, level: int, priority: int) -> None:
    assert SysLogHandler(facility=facility)._to_send(record(level))["priority"] == priority


def test_syslog_ident_priority_map_and_map_priority() -> None:
    class Mapped(SysLogHandler):
        priority_map = {**SysLogHandler.priority_map, "ERROR": "alert"}  # noqa: RUF012

    handler = Mapped()
    handler.ident = "shop: "
    assert handler._to_send(record()) == {"text": "shop: it broke", "priority": 8 + 1}


# -- sockets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "options"),
    [
        (lambda: SocketHandler("log.example.org", 9020), {"host": "log.example.org", "port": 9020, "transport": "tcp"}),
        (lambda: SocketHandler("/run/log.sock", None), {"path": "/run/log.sock"}),
        (lambda: SocketHandler("localhost", 9020, acknowledge=False), {"acknowledge": False}),
        (lambda: DatagramHandler("log.example.org", 9021), {"port": 9021, "transport": "udp"}),
    ],
)
def test_socket_arguments(made: Any, options: dict[str, Any]) -> None:
    found = made()._destination.options
    assert {name: found[name] for name in options} == options


def test_datagrams_to_a_unix_socket_are_refused_with_a_way_out() -> None:
    with pytest.raises(ConfigError, match="use SocketHandler"):
        DatagramHandler("/run/log.sock", None)


# -- HTTPHandler -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ({"host": "localhost:8000", "url": "/log"}, {"url": "http://localhost:8000/log", "method": "get"}),
        ({"host": "h.example.org", "url": "log?x=1", "secure": True}, {"url": "https://h.example.org/log?x=1"}),
        ({"host": "localhost", "url": "/", "method": "POST", "credentials": ("u", "p")}, {"method": "post"}),
    ],
)
def test_http_arguments(arguments: dict[str, Any], options: dict[str, Any]) -> None:
    found = HTTPHandler(**arguments)._destination.options
    assert {name: found[name] for name in options} == options


def test_http_faults() -> None:
    """Those of the standard handler, and credentials in clear to another machine."""
    with pytest.raises(ValueError, match="GET or POST"):
        HTTPHandler("localhost", "/", "PUT")
    with pytest.raises(ValueError, match="secure=True"):
        HTTPHandler("localhost", "/", context=object())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="would travel in clear"):
        HTTPHandler("log.example.org", "/", credentials=("u", "hunter2"))


def test_http_without_urllib3_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'urllib3>=2\.2'"):
        HTTPHandler("localhost", "/")


def test_http_form_is_what_map_log_record_returns() -> None:
    class Mapped(HTTPHandler):
        def mapLogRecord(self, record: logging.LogRecord) -> dict[str, Any]:
            return {"who": record.name, "line": record.lineno}

    assert Mapped("localhost", "/")._to_send(record()) == {"form": {"who": "shop.views", "line": "7"}}


def test_http_standard_form_runs_no_code_of_objects() -> None:
    """Arguments and exceptions are named by type: without names their values can't be masked."""

    class Hostile:
        def __repr__(self) -> str:
            raise AssertionError("called")

    form = HTTPHandler("localhost", "/")._to_send(record(logging.ERROR, "it %s", Hostile(), extra=Hostile()))["form"]
    assert form["levelname"] == "ERROR"
    assert form["args"] == "<tuple>"
    assert "Hostile" in form["message"]
    assert "Hostile" in form["extra"]


# -- the application's name ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "argv", "main", "name"),
    [
        ({"DJANGO_SETTINGS_MODULE": "shop.settings"}, ["manage.py", "runserver"], {}, "shop"),
        ({"DJANGO_SETTINGS_MODULE": "settings"}, ["x"], {"__file__": "/srv/shop/manage.py"}, "shop"),
        ({}, ["/usr/bin/gunicorn", "-w", "2", "shop.wsgi:app"], {"__file__": "/usr/bin/gunicorn"}, "shop"),
        ({}, ["gunicorn", "shop.web:create_app()"], {"__file__": "/usr/bin/gunicorn"}, "shop"),
        ({}, ["uvicorn", "127.0.0.1:80"], {"__file__": "/usr/bin/uvicorn"}, "uvicorn"),
        ({}, ["-m"], {"__spec__": SimpleNamespace(name="shop.serve")}, "shop"),
        ({}, ["x"], {"__spec__": None, "__file__": "/srv/nightly.py"}, "nightly"),
        ({}, ["x"], {"__spec__": None, "__file__": "/srv/shop/app.py"}, "shop"),
        ({}, ["-c"], {"__spec__": None}, "app"),
    ],
)
def test_name_of_an_application_that_nobody_named(
    environ: dict[str, str], argv: list[str], main: dict[str, Any], name: str
) -> None:
    module = ModuleType("__main__")
    module.__dict__.update(main)
    assert guessed_name(environ, argv, module) == name


# -- NTEventLogHandler -----------------------------------------------------------------------------------------


def test_nteventlog_off_windows_says_so() -> None:
    if sys.platform == "win32":
        pytest.skip("this is Windows")
    with pytest.raises(ConfigError, match="needs Windows"):
        NTEventLogHandler("shop")


def test_nteventlog_arguments_and_hooks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What the hooks say is what Windows logs; nothing is printed where there is no pywin32."""

    class Mapped(NTEventLogHandler):
        def getMessageID(self, record: logging.LogRecord) -> int:
            return 7

        def getEventCategory(self, record: logging.LogRecord) -> int:
            return 3

    monkeypatch.setattr("tocsin.sinks.nteventlog.sink.load", object)
    handler = Mapped("shop", r"C:\shop.dll", "Shop Log")
    assert handler._destination.options == {"source": "shop", "log": "Shop Log", "message_dll": r"C:\shop.dll"}
    assert handler._names.fallback == "shop"
    types = [handler.getEventType(record(level)) for level in (10, 20, 30, 40, 50, 35)]
    assert types == [4, 4, 2, 1, 1, 1]
    prepared = handler._to_send(record(logging.WARNING))
    line = json.dumps({"kind": "warning", "prepared": prepared}).encode()
    logged = record_of(Entry(Origin("p1", 0, 1), "warning", 30, "v1:00", 1, line))
    assert (logged.event_id, logged.category, logged.type, logged.text) == (7, 3, 2, "it broke")
    assert capsys.readouterr().out == ""
