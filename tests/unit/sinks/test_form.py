"""Form data for an HTTPHandler: what is sent, how it is bounded, what waits and what is not sent twice."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("urllib3", reason="no urllib3; pip install 'urllib3>=2.2'")
from tocsin.config.setting import parse_table
from tocsin.event.errors import ConfigError
from tocsin.sinks.base import Accepted, Entry, Origin, Refused, SinkContext, Unavailable
from tocsin.sinks.form import FormSink
from tocsin.testing import SinkContract


class Server(HTTPServer):
    """Keep requests; answer with the statuses that a test wants, then 204."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str, dict[str, str], dict[str, list[str]]]] = []
        self.statuses: list[int] = []


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._answer(parts.path, parts.query)

    def do_POST(self) -> None:
        self._answer(self.path, self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, path: str, form: str) -> None:
        self.server.seen.append((self.command, path, dict(self.headers), parse_qs(form, keep_blank_values=True)))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def sink(server: Server, path: str = "/log", **options: Any) -> FormSink:
    raw = {"url": f"http://127.0.0.1:{server.server_port}{path}", **options}
    values, faults = parse_table(FormSink.settings, raw, "form")
    assert faults == []
    return FormSink.from_options(values, SinkContext("shop", "production", "web1"))


def entry(number: int = 1, occurrences: int = 1, **form: str) -> Entry:
    members = {
        "error_id": "7K3QDM-24F2",
        "message": "it broke",
        "level": "ERROR",
        "origin": {"process": "p1", "generation": 0, "offset": number},
    }
    if form:
        members["prepared"] = {"form": form}
    line = json.dumps(members).encode()
    return Entry(Origin("p1", 0, number), "error", 40, "v1:00", occurrences, line)


def test_get_adds_the_form_to_the_query(server: Server) -> None:
    assert sink(server, "/log?app=1").deliver([entry(msg="it broke & more", name="shop")]) == Accepted(
        f"taken by 127.0.0.1:{server.server_port}"
    )
    ((method, path, _, form),) = server.seen
    assert (method, path) == ("GET", "/log")
    assert form == {
        "app": ["1"],
        "msg": ["it broke & more"],
        "name": ["shop"],
        "tocsin_error_id": ["7K3QDM-24F2"],
        "tocsin_fingerprint": ["v1:00"],
        "tocsin_occurrences": ["1"],
        "tocsin_origin": ['{"process":"p1","generation":0,"offset":1}'],
    }


def test_post_with_credentials(server: Server) -> None:
    outcome = sink(server, "/log/", method="post", user="u", password="p").deliver([entry(occurrences=37, msg="x")])
    assert isinstance(outcome, Accepted)
    ((method, path, headers, form),) = server.seen
    assert (method, path) == ("POST", "/log/")
    assert headers["Authorization"] == f"Basic {base64.b64encode(b'u:p').decode()}"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert form["tocsin_occurrences"] == ["37"]


def test_entry_that_no_handler_prepared_has_its_message(server: Server) -> None:
    """A loss, say."""
    sink(server).deliver([entry()])
    assert server.seen[0][3]["message"] == ["it broke"]


def test_long_values_are_cut_so_that_a_server_takes_the_request(server: Server) -> None:
    assert isinstance(sink(server).deliver([entry(msg="ä" * 20_000, name="shop", bad="\udc80")]), Accepted)
    ((_, _, _, form),) = server.seen
    assert form["name"] == ["shop"]
    assert form["bad"] == ["?"]
    assert form["msg"][0].endswith("ä…")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(500, Unavailable), (401, Unavailable), (404, Unavailable), (302, Unavailable), (422, Refused)],
)
def test_status_decides_what_becomes_of_it(server: Server, status: int, outcome: type) -> None:
    server.statuses = [status]
    made = sink(server)
    assert isinstance(made.deliver([entry(msg="x")]), outcome)
    assert isinstance(made.deliver([entry(msg="x")]), Accepted)


def test_what_was_taken_of_a_batch_is_not_sent_again(server: Server) -> None:
    server.statuses = [204, 503]
    made = sink(server)
    batch = [entry(number, msg=str(number)) for number in (1, 2, 3)]
    assert isinstance(made.deliver(batch), Unavailable)
    assert isinstance(made.deliver(batch), Accepted)
    assert [form["msg"] for *_, form in server.seen] == [["1"], ["2"], ["2"], ["3"]]


def test_server_that_is_away_is_unavailable_and_says_no_secret(server: Server) -> None:
    made = sink(server, method="post", user="u", password="hunter2")
    server.socket.close()
    outcome = made.deliver([entry(msg="x")])
    assert isinstance(outcome, Unavailable)
    assert "hunter2" not in repr(outcome)
    assert made.identity == f"form:http://127.0.0.1:{server.server_port}/log"


def test_no_url_means_it() -> None:
    with pytest.raises(ConfigError):
        FormSink.options_from_url("form://x")


class TestContract(SinkContract):
    """Every hostile event by POST, to the server of this test."""

    @pytest.fixture(autouse=True)
    def _server(self, server: Server) -> None:
        self.server = server

    def new_sink(self) -> FormSink:
        return sink(self.server, method="post")

    def received(self) -> list[str]:
        return ["\n".join(value for values in form.values() for value in values) for *_, form in self.server.seen]
