"""The pages for those who come from elsewhere: their before and after are run, and report the same faults."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

from how_to import unpack
from http_receiver import HttpReceiver, http_receiver

VISITS = ["GET:/orders/4", "GET:/orders/0", "POST:/orders/7/pay", "POST:/stock", "GET:/bells"]
HERE = Path(__file__).parent


def visit(folder: Path, *visits: str, **environ: str) -> list[str]:
    """Visit the application in a folder; return the answers, once everything is delivered."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN", "SENTRY"))}
    config = {"TOCSIN_CONFIG": "tocsin.toml"} if (folder / "tocsin.toml").exists() else {}
    command = [sys.executable, HERE / "coming_from_visits.py", *visits]
    done = subprocess.run(
        command, cwd=folder, env={**clean, **config, **environ}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    if config:
        drain = [sys.executable, "-m", "tocsin", "deliver", "--drain", "--config", "tocsin.toml"]
        subprocess.run(drain, cwd=folder, env={**clean, **environ}, check=True, capture_output=True, timeout=120)
    return done.stdout.splitlines()


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return what the file sink has, in the order it happened."""
    found = [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    return sorted((line for line in found if "process" in line), key=lambda line: str(line["timestamp"]))


def sentry_events(server: HttpReceiver) -> list[dict[str, Any]]:
    """Return the events of all envelopes that arrived, in the order they happened."""
    found = []
    for request in server.requests:
        parts = request.body.split(b"\n")
        for header, payload in zip(parts[1::2], parts[2::2], strict=False):
            if json.loads(header).get("type") == "event":
                found.append(json.loads(payload))
    return sorted(found, key=lambda event: str(event["timestamp"]))


def dsn(server: HttpReceiver) -> str:
    return f"http://key@127.0.0.1:{server.port}/1"


def name_of(event: dict[str, Any]) -> str:
    """Return what a fault is called: its exception's type and message, or its message, on either side."""
    exception = event.get("exception")
    if exception is not None:
        inner = exception["values"][-1] if "values" in exception else exception
        return f"{inner['type'].rpartition('.')[2]}: {inner.get('value', inner.get('message'))}"
    entry = event.get("logentry")
    return str(entry.get("formatted") or entry["message"] % tuple(entry["params"])) if entry else str(event["message"])


# -- sentry-sdk ----------------------------------------------------------------------------------------------


@pytest.fixture
def page(tmp_path: Path) -> Path:
    pytest.importorskip("sentry_sdk", reason="no sentry-sdk; pip install sentry-sdk")
    pytest.importorskip("flask", reason="no Flask; pip install flask")
    return unpack("from-sentry-sdk.md", tmp_path)


def test_before_and_after_tell_the_same_faults(page: Path) -> None:
    with http_receiver() as server:
        before_answers = visit(page / "before", *VISITS, SENTRY_DSN=dsn(server))
        before = sentry_events(server)
    after_answers = visit(page / "after", *VISITS)
    after = [event for event in lines(page / "after") if "no discount" not in event["message"]]

    assert [answer.split()[0] for answer in before_answers] == [answer.split()[0] for answer in after_answers]
    assert [name_of(event) for event in before] == [
        "ZeroDivisionError: division by zero",
        "ConnectionError: the bank does not answer",
        "order 7 has no stock entry",
        "few bells left",
    ]
    assert [name_of(event) for event in after] == [name_of(event) for event in before]
    for old, new in zip(before, after, strict=True):
        assert new["level"].lower() == old["level"]
        assert (new["environment"], new["release"]) == (old["environment"], old["release"])
        assert new["tags"].items() >= {"region": "eu"}.items() <= old["tags"].items()
    assert before[1]["tags"]["payment"] == after[1]["tags"]["payment"] == "card"
    assert before[1]["extra"]["order_number"] == after[1]["fields"]["order_number"] == 7
    assert "basket" not in before[1]["extra"]
    assert after[1]["fields"] == {"order_number": 7}


def test_a_breadcrumb_before_is_a_line_of_the_lead_up_after(page: Path) -> None:
    with http_receiver() as server:
        visit(page / "before", "GET:/orders/0", SENTRY_DSN=dsn(server))
        [before] = sentry_events(server)
    visit(page / "after", "GET:/orders/0")
    warning, after = lines(page / "after")
    assert "order 0 has no discount" in [crumb["message"] for crumb in before["breadcrumbs"]["values"]]
    assert [line["message"] for line in after["lead_up"]] == ["order 0 has no discount"]
    assert (warning["kind"], warning["message"]) == ("warning", "order 0 has no discount")


@pytest.mark.parametrize("order", ["sentry first", "tocsin first"])
def test_both_at_once_report_each_fault_once(page: Path, order: str) -> None:
    shop = page / "both" / "shop.py"
    if order == "tocsin first":
        code = shop.read_text(encoding="utf-8").replace("tocsin.setup()\n", "")
        shop.write_text(code.replace("sentry_sdk.init(", "tocsin.setup()\nsentry_sdk.init("), encoding="utf-8")
    with http_receiver() as server:
        answers = visit(page / "both", "GET:/orders/4", "GET:/orders/0", "GET:/orders/0", SENTRY_DSN=dsn(server))
        sent = sentry_events(server)
    assert [name_of(event) for event in sent] == ["ZeroDivisionError: division by zero"] * 2
    found = lines(page / "both")
    assert [name_of(event) for event in found] == ["ZeroDivisionError: division by zero"] * 2
    assert answers == ["200 ", *[f"500 {event['error_id']}" for event in found]]


PLAIN = """
import os, sentry_sdk, tocsin
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

sentry_sdk.init(dsn=os.environ["SENTRY_DSN"])
if "IGNORED" in os.environ:
    ignore_logger("tocsin.report")

def shop(environ, start_response):
    return [1 / 0]

reporter = tocsin.setup()
inner, outer = SentryWsgiMiddleware, reporter.wsgi
app = outer(inner(shop)) if os.environ["ORDER"] == "sentry inside" else inner(outer(shop))
"""


@pytest.mark.parametrize(("order", "sent_ignoring"), [("sentry inside", 1), ("sentry outside", 0)])
def test_the_announcement_is_not_to_become_a_second_event(page: Path, order: str, sent_ignoring: int) -> None:
    """Why the page says `ignore_logger`: a plain WSGI application, where tocsin announces what it caught."""
    (page / "both" / "shop.py").write_text(PLAIN)
    for ignored, number in (({}, sent_ignoring + 1), ({"IGNORED": "1"}, sent_ignoring)):
        with http_receiver() as server:
            visit(page / "both", "GET:/", SENTRY_DSN=dsn(server), ORDER=order, **ignored)
            assert len(sentry_events(server)) == number
    assert [name_of(event) for event in lines(page / "both")] == ["ZeroDivisionError: division by zero"] * 2


STARLETTE = """
import os, sentry_sdk, tocsin
from sentry_sdk.integrations.logging import ignore_logger
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

if os.environ["ORDER"] == "tocsin first":
    tocsin.setup()
sentry_sdk.init(dsn=os.environ["SENTRY_DSN"])
ignore_logger("tocsin.report")
tocsin.setup()

async def order(request):
    return PlainTextResponse(str(100 / request.path_params["number"]))

app = tocsin.install(Starlette(routes=[Route("/orders/{number:int}", order)]))
client = TestClient(app, raise_server_exceptions=False)
for number in (4, 0):
    answer = client.get(f"/orders/{number}")
    print(answer.status_code, answer.headers.get("X-Error-Id", ""))
sentry_sdk.flush(10)
"""


@pytest.mark.parametrize("order", ["sentry first", "tocsin first"])
def test_both_at_once_report_each_fault_once_in_an_asgi_application(page: Path, order: str) -> None:
    pytest.importorskip("starlette", reason="no Starlette; pip install starlette httpx")
    with http_receiver() as server:
        environ = {**os.environ, "SENTRY_DSN": dsn(server), "ORDER": order, "TOCSIN_CONFIG": "tocsin.toml"}
        done = subprocess.run(
            [sys.executable, "-c", STARLETTE], cwd=page / "both", env=environ, capture_output=True, text=True
        )
        sent = sentry_events(server)
    assert [name_of(event) for event in sent] == ["ZeroDivisionError: division by zero"], done.stderr
    [event] = lines(page / "both")
    assert name_of(event) == "ZeroDivisionError: division by zero"
    assert done.stdout.splitlines() == ["200 ", f"500 {event['error_id']}"]


def test_a_server_that_is_away_becomes_no_report_of_its_own(page: Path) -> None:
    visit(page / "both", "GET:/orders/0", SENTRY_DSN="http://key@127.0.0.1:9/1")
    assert [event["kind"] for event in lines(page / "both")] == ["traceback"]
    config = page / "both" / "tocsin.toml"
    config.write_text(re.sub("ignore = .*\n", "", config.read_text()))
    visit(page / "both", "GET:/orders/0", SENTRY_DSN="http://key@127.0.0.1:9/1")
    assert {event["logger"] for event in lines(page / "both")} > {"urllib3.connectionpool"}  # why the page says so


def test_the_sink_sends_to_the_same_server_by_the_same_dsn(page: Path) -> None:
    pytest.importorskip("urllib3", reason="no urllib3; pip install urllib3")
    after = page / "after"
    with http_receiver() as server:
        (after / "dsn").write_text(dsn(server))
        config = (after / "tocsin.toml").read_text().replace('sinks = ["file:events.jsonl"]\n', "")
        (after / "tocsin.toml").write_text(f'{config}\n[[sinks]]\ntype = "sentry"\ndsn_file = "dsn"\n')
        visit(after, "GET:/orders/0", "POST:/orders/7/pay")
        names = [name_of(event) for event in sentry_events(server)]
    assert names == [
        "order 0 has no discount",
        "ZeroDivisionError: division by zero",
        "ConnectionError: the bank does not answer",
    ]


# -- Logbook -------------------------------------------------------------------------------------------------


@pytest.fixture
def logbook_page(tmp_path: Path) -> Path:
    pytest.importorskip("logbook", reason="no Logbook; pip install Logbook")
    return unpack("from-logbook.md", tmp_path)


LOGBOOK_VISITS = ["GET:/orders/4", "GET:/orders/7", "GET:/orders/0", "GET:/orders/0", "GET:/orders/x"]


def test_logbooks_before_and_after_mail_the_same_faults(logbook_page: Path) -> None:
    pytest.importorskip("aiosmtpd", reason="no aiosmtpd; pip install aiosmtpd")
    from mailbox import Mailbox, serving, text_of

    before, after = Mailbox(), Mailbox()
    port = free_port()
    with serving(before, port):
        answers = visit(logbook_page / "before", *LOGBOOK_VISITS, SMTP_PORT=str(port))
    config = logbook_page / "after" / "tocsin.toml"
    config.write_text(config.read_text().replace("2525", str(port)))
    with serving(after, port):
        assert [a.split()[0] for a in visit(logbook_page / "after", *LOGBOOK_VISITS)] == [a.split()[0] for a in answers]
    old = [str(mail.get_payload()) for mail in before.mails]
    assert [("no stock entry" in text, "ZeroDivisionError" in text) for text in old] == [(True, False), (False, True)]
    assert "Log records that led up" in old[1]
    assert "order 0 is looked up" in old[1]
    assert not any("ValueError" in text for text in old)  # one more of the same call to the logger

    new = "\n".join(text_of(mail) for mail in after.mails)
    for fault in ("order 7 has no stock entry", "ZeroDivisionError: division by zero", "ValueError: invalid literal"):
        assert fault in new
    assert re.search(r"Lead-up.*\n\n.*shop.orders: order 0 is looked up", new)
    assert "GET http://localhost/orders/0" in new


def test_logbooks_calls_are_taken_as_they_are(logbook_page: Path) -> None:
    bridge = logbook_page / "bridge"
    (bridge / "tocsin.toml").write_text('application = "shop"\nspool = "spool"\nsinks = ["file:events.jsonl"]\n')
    assert [answer.split()[0] for answer in visit(bridge, *LOGBOOK_VISITS)] == ["200", "200", "500", "500", "500"]
    stock, first, second, other = lines(bridge)
    assert (stock["kind"], stock["message"], stock["logger"]) == ("error", "order 7 has no stock entry", "shop.orders")
    assert stock["request"]["path"] == "/orders/7"
    assert first["fingerprint"] == second["fingerprint"] != other["fingerprint"]
    assert (first["kind"], name_of(first)) == ("error", "ZeroDivisionError: division by zero")
    assert [line["message"] for line in first["lead_up"]] == ["order 0 is looked up"]
    assert other["exception"]["type"] == "ValueError"


MANY = """
import logbook

class Mail(logbook.MailHandler):
    def deliver(self, message, recipients):
        print("sent")

with Mail("a@example.org", ["b@example.org"], record_limit=1).applicationbound():
    for number in range(515):
        logbook.Logger(f"sort {number}").error("failed")
"""


def test_the_memory_of_logbooks_limits_ends_at_512() -> None:
    """What the page says of it; once that is mended, the page has to be."""
    pytest.importorskip("logbook", reason="no Logbook; pip install Logbook")
    done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=True)
    assert done.stdout.count("sent") == 512
    assert done.stderr.count("TypeError") == 3
