"""Django on gunicorn and uvicorn: the projects of the manual, `install`, logging alone, and management commands."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from how_to import unpack

for needed in ("django", "gunicorn", "uvicorn"):
    pytest.importorskip(needed, reason=f"no {needed}; pip install {needed}")

from django_server import ASGI, WSGI, Served, command, drain, serving_django, serving_runserver  # noqa: E402
from ports import free_port  # noqa: E402

HERE = Path(__file__).parent
SERVERS = {"gunicorn": (WSGI, "wsgi"), "uvicorn": (ASGI, "asgi")}


# -- the page django.md ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=SERVERS)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server, interface = SERVERS[request.param]
    folder = unpack("django.md", tmp_path_factory.mktemp(request.param))
    with serving_django(server, f"shop.{interface}:application", folder) as served:
        yield served


def test_fault_is_answered_with_its_id(shop: Served) -> None:
    answer = shop.ask("/orders/0/")
    [event] = shop.of("/orders/0/")
    assert (answer.status, answer.headers["x-error-id"]) == (500, event["error_id"])
    assert answer.body == f"<h1>We are sorry</h1><p>Please quote {event['error_id']}.</p>"
    assert (event["kind"], event["request"]["route"]) == ("traceback", "orders/<int:number>/")


def test_logged_error_is_the_answers(shop: Served) -> None:
    answer = shop.ask("/orders/")
    [event] = shop.of("/orders/")
    assert (answer.body, answer.headers["x-error-id"]) == ("Come back later.", event["error_id"])
    assert (event["kind"], event["fields"]) == ("error", {"order": 7})


def test_async_view_keeps_its_request(shop: Served) -> None:
    answer = shop.ask("/stock/")
    warning, fault = shop.of("/stock/", 2)
    assert (warning["kind"], fault["kind"]) == ("warning", "traceback")
    assert answer.headers["x-error-id"] == fault["error_id"]
    assert {event["request"]["endpoint"] for event in (warning, fault)} == {"shop.views.stock"}


def test_fault_in_a_template_shows_its_line(shop: Served) -> None:
    shop.ask("/parts/")
    [event] = shop.of("/parts/")
    shown = [frame["source"].strip() for frame in event["exception"]["frames"] if frame["file"].endswith(".html")]
    assert shown == [
        '{% extends "page.html" %}',
        "{% block body %}{% endblock %}",
        "<li>{{ order.number|divisibleby:order.parts }}</li>",
    ]


def test_what_is_no_fault_is_not_reported(shop: Served) -> None:
    assert shop.ask("/orders/4/").body == '{"number": 4, "total": 25.0}'
    assert shop.ask("/nowhere/").status == 404
    assert shop.ask("/orders/4/", Host="evil.example").status == 400
    shop.ask("/orders/0/?n=last")
    events = shop.events(1, lambda event: (event["request"] or {}).get("query") == "n=last")
    assert events
    assert not shop.events(0, lambda event: (event["request"] or {}).get("path") in ("/orders/4/", "/nowhere/"))


def test_command_is_reported_and_fails_as_before(tmp_path: Path) -> None:
    folder = unpack("django.md", tmp_path)
    ours = command(folder, "manage.py", "import_orders", "orders.csv")
    drain(folder)
    [event] = Served(0, folder).events(1)
    assert (event["kind"], event["message"]) == ("traceback", "ValueError: line 3 has no price")
    assert event["task"] == {"name": "import_orders", "by": "django", "id": ""}
    manage = (folder / "manage.py").read_text()
    (folder / "manage.py").write_text(manage.replace("tocsin.integrations.django", "django.core.management"))
    bare = command(folder, "manage.py", "import_orders", "orders.csv")
    assert (ours.returncode, ours.stdout) == (bare.returncode, bare.stdout) == (1, "")
    assert bare.stderr.splitlines()[-1] == "ValueError: line 3 has no price"
    assert bare.stderr.splitlines()[-1] in ours.stderr.splitlines()


def test_refused_command_line_is_no_fault(tmp_path: Path) -> None:
    """A CommandError is an answer, and asking for its traceback makes it no fault; a shell is a person's."""
    folder = unpack("django.md", tmp_path)
    refused = command(folder, "manage.py", "import_orders")
    assert (refused.returncode, "the following arguments are required: file" in refused.stderr) == (2, True)
    assert "ZeroDivisionError" in command(folder, "manage.py", "shell", "-c", "1 / 0").stderr
    asked = command(folder, "manage.py", "check", "--tag", "nothing", "--traceback")
    assert (asked.returncode, "CommandError: There is no system check" in asked.stderr) == (1, True)
    drain(folder)
    assert Served(0, folder).events(0) == []


# -- the page from-django-error-mails.md -------------------------------------------------------------------------


def test_many_errors_were_many_mails_and_are_one(tmp_path: Path) -> None:
    pytest.importorskip("aiosmtpd", reason="no aiosmtpd; pip install aiosmtpd")
    from mailbox import Mailbox, serving, text_of

    page = unpack("from-django-error-mails.md", tmp_path)
    told = {}
    for name in ("before", "after"):
        folder, box = page / name, Mailbox()
        shutil.copy(page / "urls.py", folder)
        port = free_port()
        for file in folder.iterdir():
            file.write_text(file.read_text("utf-8").replace("2525", str(port)), "utf-8")
        application = "django.core.wsgi:get_wsgi_application()"
        with serving(box, port):
            with serving_django(WSGI, application, folder, DJANGO_SETTINGS_MODULE="settings") as served:
                answers = [served.ask("/orders/0/?token=s3cret") for _ in range(20)]
            if name == "after":
                drain(folder)
        assert [answer.status for answer in answers] == [500] * 20
        told[name] = [text_of(mail) for mail in box.mails]
    assert len(told["before"]) == 20
    assert all("s3cret" in text for text in told["before"])
    [text] = told["after"]
    assert "ZeroDivisionError: division by zero" in text
    assert "20 times" in text
    assert "s3cret" not in text


@pytest.mark.parametrize("has_admins", [True, False])
def test_check_tells_of_mails_besides(tmp_path: Path, has_admins: bool) -> None:
    """Who keeps ADMINS and Django's own LOGGING is told twice, and is told so."""
    folder = unpack("django.md", tmp_path)
    if has_admins:
        with (folder / "shop" / "settings.py").open("a") as settings:
            settings.write('ADMINS = [("Operators", "ops@example.org")]\n')
    done = command(folder, "manage.py", "check")
    assert done.returncode == 0, done.stderr
    assert ("tocsin.W001" in done.stderr) == has_admins
    assert ("AdminEmailHandler of the logger 'django'" in done.stderr) == has_admins


def test_faults_of_the_configuration_are_told_at_once(tmp_path: Path) -> None:
    folder = unpack("django.md", tmp_path)
    (folder / "tocsin.toml").write_text('sinks = ["fiel:x"]\nspol = "spool"\n')
    done = command(folder, "manage.py", "check")
    assert done.returncode == 1
    for part in ("spol", "sinks[0]", "application"):
        assert part in done.stderr.rpartition("ConfigError")[2]


def test_check_tells_that_nothing_is_reported(tmp_path: Path) -> None:
    folder = unpack("django.md", tmp_path)
    (folder / "tocsin.toml").write_text('application = "shop"\nmode = "off"\n')
    assert "tocsin.W002" in command(folder, "manage.py", "check").stderr
    (folder / "tocsin.toml").write_text('application = "shop"\nspool = "spool"\n')
    assert "tocsin.W003" in command(folder, "manage.py", "check").stderr


# -- install, and logging alone ----------------------------------------------------------------------------------

SITE_APP = """
import sys
sys.path.insert(0, {here!r})
import django_site
{before}
application = django_site.application_{interface}()
{after}
"""


def site(folder: Path, interface: str, *, before: str = "", after: str = "", **settings: object) -> dict[str, str]:
    """Write ``served.py``, the project of django_site.py; return its environment."""
    text = SITE_APP.format(here=str(HERE), before=before, after=after, interface=interface)
    (folder / "served.py").write_text(text, "utf-8")
    config = f'application = "site"\nspool = "{folder}/spool"\nsinks = ["file:{folder}/events.jsonl"]\n'
    (folder / "tocsin.toml").write_text(config, "utf-8")
    settings.setdefault("MIDDLEWARE", [])
    return {"SITE": json.dumps(settings), "SITE_FOLDER": str(folder), "TOCSIN_CONFIG": str(folder / "tocsin.toml")}


@pytest.mark.parametrize("name", SERVERS)
def test_install_does_all_that_the_lines_in_the_settings_do(tmp_path: Path, name: str) -> None:
    server, interface = SERVERS[name]
    after = (
        "import tocsin\ntocsin.setup()\nassert tocsin.install(application) is application\ntocsin.install(application)"
    )
    environ = site(tmp_path, interface, after=after, INSTALLED_APPS=[])
    with serving_django(server, "served:application", tmp_path, **environ) as served:
        answer = served.ask("/orders/0/")
        [event] = served.of("/orders/0/")
        assert (answer.headers["x-error-id"], answer.status) == (event["error_id"], 500)
        assert event["error_id"] in answer.body
        assert "Server Error (500)" not in answer.body
        assert (event["kind"], event["request"]["route"]) == ("traceback", "orders/<int:number>/")
        served.ask("/warns-later")
        assert [event["message"] for event in served.of("/warns-later", 2)] == ["fishy, async", "fishy, in a thread"]
        assert served.ask("/fine").body == "fine"
        assert served.ask("/file").body == (HERE / "django_site.py").read_text("utf-8")
        served.ask("/breaks/stream")
        assert [event["message"] for event in served.of("/breaks/stream")] == ["OverflowError: stream"]
        assert served.ask("/meant/500").headers["x-error-id"] == served.of("/meant/500")[0]["error_id"]
        assert len(served.events(0)) == 5


@pytest.mark.parametrize("middleware", [[], ["tocsin.integrations.django.Middleware"]])
@pytest.mark.parametrize("name", SERVERS)
def test_wrapped_by_the_interface_too_each_fault_is_still_one(tmp_path: Path, name: str, middleware: list[str]) -> None:
    server, interface = SERVERS[name]
    after = f"from tocsin import reporter\napplication = reporter.current().{interface}(application)"
    environ = site(tmp_path, interface, after=after, MIDDLEWARE=middleware)
    with serving_django(server, "served:application", tmp_path, **environ) as served:
        paths = ("/orders/0/", "/breaks/later", "/breaks/logged", "/breaks/stream", "/meant/500", "/bad-answer")
        answers = {path: served.ask(path) for path in paths}
        events = served.events(len(paths))
    assert [event["request"]["path"] for event in events] == list(paths)
    if middleware:  # without it a stream, and a log record under ASGI, don't know their route
        assert all(event["request"]["route"] == event["request"]["path"][1:] for event in events[1:4])
    ids = {event["request"]["path"]: event["error_id"] for event in events}
    assert all(answers[path].headers["x-error-id"] == ids[path] for path in paths if answers[path].status == 500)


@pytest.mark.parametrize("name", SERVERS)
def test_handler_in_logging_alone_reports_each_fault_once_with_its_request(tmp_path: Path, name: str) -> None:
    server, interface = SERVERS[name]
    logging = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"tocsin": {"class": "tocsin.LogHandler"}},
        "root": {"handlers": ["tocsin"]},
    }
    environ = site(tmp_path, interface, INSTALLED_APPS=[], LOGGING=logging)
    with serving_django(server, "served:application", tmp_path, **environ) as served:
        for path in ("/orders/0/", "/breaks/later", "/suspicious", "/missing"):
            served.ask(path)
        events = served.events(3)
    assert [(event["kind"], event["request"]["path"]) for event in events] == [
        ("traceback", "/orders/0/"),
        ("traceback", "/breaks/later"),
        ("warning", "/suspicious"),
    ]
    assert all(event["occurrences"] == 1 for event in events)


@pytest.mark.parametrize(
    ("name", "gate", "of", "places"),
    [
        ("uvicorn", "gate", 40, ("task", "thread")),
        ("uvicorn", "gate-now", 8, ("view",)),
        ("gunicorn", "gate-now", 4, ("view",)),
    ],
)
def test_interleaved_requests_each_report_their_own(
    tmp_path: Path, name: str, gate: str, of: int, places: tuple[str, ...]
) -> None:
    """All are held back until all are there."""
    server, interface = SERVERS[name]
    environ = site(tmp_path, interface, MIDDLEWARE=["tocsin.integrations.django.Middleware"])
    with serving_django(server, "served:application", tmp_path, **environ) as served, ThreadPoolExecutor(of) as pool:
        answers = list(pool.map(lambda number: served.ask(f"/{gate}/{of}/{number}"), range(of)))
        events = served.events(of * len(places), lambda event: event["kind"] == "error")
    assert len({answer.headers["x-error-id"] for answer in answers}) == of
    paths = {event["message"]: event["request"]["path"] for event in events}
    words = ["".join("abcdefghij"[int(digit)] for digit in str(number)) for number in range(of)]
    assert paths == {f"{place} of {words[n]}": f"/{gate}/{of}/{n}" for place in places for n in range(of)}


CAPTURED = """
import django_site
from django.core.wsgi import get_wsgi_application
from django.test import Client
import tocsin
from tocsin import testing
kinds = []
for number in range(2):
    with testing.captured_events() as events:
        if INSTALLS:
            tocsin.install(get_wsgi_application())
        Client(raise_request_exception=False).get("/orders/0/")
        Client().get("/bad-answer")
        kinds.append([event.kind for event in events])
Client(raise_request_exception=False).get("/orders/0/")
print(kinds)
"""


@pytest.mark.parametrize("installs", [True, False])
@pytest.mark.parametrize("debug", [True, False])
def test_tests_of_a_project_capture_what_it_reports(tmp_path: Path, debug: bool, installs: bool) -> None:
    """And the project's own reports go on after them."""
    environ = site(tmp_path, "wsgi", DEBUG=debug)
    environ["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    code = CAPTURED.replace("INSTALLS", str(installs))
    done = command(tmp_path, "-W", "ignore", "-c", code, **environ)
    expected = [] if debug and not installs else ["traceback", "warning"]
    assert done.stdout == f"{[expected] * 2}\n", done.stderr
    drain(tmp_path)
    assert len(Served(0, tmp_path).events(0)) == (0 if debug else 1)


FILE = """
import io, served
class Wrapper:
    def __init__(self, file, block_size): self.file = file
    def close(self): self.file.close()
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/file", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
           "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http", "wsgi.file_wrapper": Wrapper}
body = served.application(environ, lambda *_: None)
print(type(body).__name__)
body.close()
"""


def test_file_stays_one_that_a_server_sends_by_itself(tmp_path: Path) -> None:
    environ = site(tmp_path, "wsgi", MIDDLEWARE=["tocsin.integrations.django.Middleware"])
    assert command(tmp_path, "-c", FILE, **environ).stdout == "Wrapper\n"


def test_clients_that_go_are_no_faults(tmp_path: Path) -> None:
    """Neither the view that is cancelled, nor the stream, nor the RequestAborted within Django."""
    environ = site(tmp_path, "asgi", MIDDLEWARE=["tocsin.integrations.django.Middleware"])
    with serving_django(ASGI, "served:application", tmp_path, **environ) as served:
        for path in ("slow", "endless"):
            with socket.create_connection(("127.0.0.1", served.port)) as link:
                link.sendall(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                if path == "endless":
                    assert link.recv(100)
                else:
                    wait_for(tmp_path / "slow.begun")
            wait_for(tmp_path / f"{path}.ended")
        served.ask("/orders/0/")
        assert [event["message"] for event in served.events(1)] == ["ZeroDivisionError: division by zero"]


def wait_for(file: Path) -> None:
    end = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < end, f"no {file.name}"
        time.sleep(0.02)


def test_runserver_in_debug_shows_the_page_of_django(tmp_path: Path) -> None:
    folder = unpack("django.md", tmp_path)
    with (folder / "shop" / "settings.py").open("a") as settings:
        settings.write("DEBUG = True\n")
    with serving_runserver(folder) as served:
        answer = served.ask("/orders/0/")
    assert (answer.status, "x-error-id" in answer.headers) == (500, False)
    assert "ZeroDivisionError at /orders/0/" in answer.body
    assert not (folder / "spool").exists()
    assert "ZeroDivisionError" in (folder / "server.log").read_text("utf-8")


def test_runserver_in_production_reports_as_any_server(tmp_path: Path) -> None:
    folder = unpack("django.md", tmp_path)
    with serving_runserver(folder) as served:
        answer = served.ask("/orders/0/")
        [event] = served.of("/orders/0/")
    assert answer.headers["x-error-id"] == event["error_id"]
