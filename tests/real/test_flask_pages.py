"""The pages on Flask and on plain WSGI: their applications run on gunicorn and tell what the pages say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("flask", reason="no Flask; pip install flask")
pytest.importorskip("gunicorn", reason="no gunicorn; pip install gunicorn")

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from asgi_servers import Shop, running, wait_until_up  # noqa: E402

from how_to import unpack  # noqa: E402


def gunicorn(app: str, port: int) -> list[str]:
    return [sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", f"127.0.0.1:{port}", app]


def test_application_of_the_page_on_flask_works_as_it_says(tmp_path: Path) -> None:
    unpack("flask.md", tmp_path)
    with running(gunicorn, "shop:create_app()", tmp_path, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        shop = Shop(port, tmp_path / "events.jsonl")
        assert shop.ask("/orders/4").status.startswith("200")
        answer = shop.ask("/orders/0")
        [fault] = shop.of_path("/orders/0")
        ordered = shop.read(shop.begin("/orders", method="POST"))
        [logged] = shop.of_path("/orders")
        assert shop.ask("/nothing").status.startswith("404")
        assert len(shop.events(2)) == 2
        shop.ask("/orders")
        assert shop.events(3)[2]["exception"]["frames"][-1]["source"] == "<b>{{ order.total / order.parts }}</b> each"
    assert (fault["kind"], fault["exception"]["type"]) == ("traceback", "ZeroDivisionError")
    assert fault["request"]["route"] == "/orders/<int:number>"
    assert (logged["kind"], logged["fields"]) == ("error", {"order": 7})
    for page, event in ((answer, fault), (ordered, logged)):
        assert page.error_ids == [event["error_id"]]
        assert page.body == f"<h1>We are sorry</h1><p>Please quote {event['error_id']}.</p>".encode()


def test_application_of_the_page_on_plain_wsgi_works_as_it_says(tmp_path: Path) -> None:
    unpack("plain-wsgi.md", tmp_path)
    with running(gunicorn, "shop", tmp_path, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        shop = Shop(port, tmp_path / "events.jsonl")
        assert shop.ask("/?name=Ada").body == b"Hello, Ada\n"
        answer = shop.ask("/")
        [event] = shop.of_path("/")
    assert answer.status.startswith("500")
    assert answer.error_ids == [event["error_id"]]
    assert f"Please quote {event['error_id']}.".encode() in answer.body
    assert event["request"]["route"] == "/hello"
