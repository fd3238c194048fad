"""Requests that try to forge headers, lines and records: from the socket's side of the middleware to the file sink."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

import seeds
import tocsin
from tocsin.event.environ import ERROR_ID
from tocsin.reporter import Reporter

_ERROR_ID = re.compile(r"[2-9A-Z]{6}-[2-9A-Z]{4}")
_FORGED = '\r\nSet-Cookie: forged=1\r\nX-Error-Id: AAAAAA-AAAA\r\n\r\n<script>alert(1)</script>\n{"forged": 1}\n'
PIECES = ("\r\n", "\n", "\r", "\0", "\x1b[2J", "\x85", "\u2028", "Set-Cookie: forged=1", "X-Error-Id: AAAAAA-AAAA")
PIECES += (
    "<script>",
    "</html>",
    '"',
    "'",
    "{",
    "}",
    "\\",
    "%0d%0a",
    "%",
    "ü",
    "\xff",
    "\ud800",
    "\u202e",
    "=?utf-8?q?",
)
KEYS = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "HTTP_HOST", "HTTP_ACCEPT", "HTTP_USER_AGENT")
KEYS += ("HTTP_REFERER", "HTTP_X_REQUEST_ID", "HTTP_X_FORWARDED_FOR", "REMOTE_ADDR", "CONTENT_TYPE", "SERVER_NAME")


@pytest.fixture
def reporter(tmp_path: Path) -> Iterator[Reporter]:
    made = tocsin.setup(
        {
            "application": "shop",
            "spool": str(tmp_path / "spool"),
            "locals": True,
            "client_address": "full",
            "trust_proxy_headers": True,
            "sinks": [f"file:{tmp_path / 'events.jsonl'}"],
        }
    )
    yield made
    made.close()


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    """Return what the file sink wrote, as any reader of lines takes it."""
    raw = (tmp_path / "events.jsonl").read_bytes()
    assert raw.endswith(b"\n")
    assert all(byte >= 32 or byte == 10 for byte in raw)
    return [json.loads(line) for line in raw.decode("ascii").split("\n")[:-1]]


def answer(reporter: Reporter, app: Any, **parts: Any) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return what the server gets to send."""
    given: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        given[:] = [status, headers]

    environ: dict[str, Any] = {**parts}
    setup_testing_defaults(environ)
    body = b"".join(reporter.wsgi(app)(environ, start_response))
    return given[0], given[1], body


def broken(environ: dict[str, Any], start_response: Any) -> Any:
    raise ValueError(f"no such page: {environ['PATH_INFO']}")


def refusing(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("500 Oh No", [("Content-Type", "text/plain")])
    return [b"sorry"]


def _assert_clean(status: str, headers: list[tuple[str, str]]) -> None:
    for text in (status, *(part for header in headers for part in header)):
        assert text.isascii()
        assert text.isprintable()
    ids = [value for name, value in headers if name == "X-Error-Id"]
    assert len(ids) == 1
    assert _ERROR_ID.fullmatch(ids[0])
    assert ids[0] != "AAAAAA-AAAA"
    assert not any(name == "Set-Cookie" for name, _ in headers)


@pytest.mark.parametrize("key", KEYS)
def test_a_request_forges_nothing(reporter: Reporter, tmp_path: Path, key: str) -> None:
    """Neither a header of the answer, nor a part of the page, nor a line of the file sink."""
    status, headers, body = answer(reporter, broken, **{"HTTP_ACCEPT": "text/html", key: f"/x{_FORGED}"})
    _assert_clean(status, headers)
    assert b"script" not in body
    assert b"forged" not in body
    assert reporter.flush(20)
    found = lines(tmp_path)
    assert any(line.get("exception") for line in found)
    assert not any("forged" in line for line in found)


def test_requests_of_any_characters(reporter: Reporter, tmp_path: Path) -> None:
    """Drawn at random, into all keys at once; every visitor's error id is that of a line."""
    dice = seeds.dice()
    shown = set()
    for _ in range(60):
        parts = {key: "".join(dice.choices(PIECES, k=dice.randrange(8))) for key in KEYS}
        for app in (broken, refusing):
            status, headers, _ = answer(reporter, app, **parts)
            _assert_clean(status, headers)
            shown.update(value for name, value in headers if name == "X-Error-Id")
    assert reporter.flush(20)
    found = lines(tmp_path)
    assert not any("forged" in line for line in found)
    told = {line["error_id"][:6] for line in found if line.get("error_id")}
    assert {error_id[:6] for error_id in shown} <= told
    assert reporter.stats()["tallies"] == {}


def test_what_stands_where_an_error_id_belongs_is_no_header(reporter: Reporter) -> None:
    """Another middleware may have put any text there."""
    _, headers, _ = answer(reporter, refusing, **{ERROR_ID: f"AAAAAA-AAAA{_FORGED}"})
    for name, value in headers:
        assert value.isprintable(), name


def test_a_record_forges_no_id(reporter: Reporter) -> None:
    """What is logged as `error_id` is one only if it looks like one."""
    record = logging.LogRecord("shop", logging.ERROR, "/srv/shop.py", 7, "x", (), None, "pay")
    record.__dict__["error_id"] = f"AAAAAA-AAAA{_FORGED}"
    made = reporter.intake.record(record)
    assert made is not None
    assert _ERROR_ID.fullmatch(made)
