"""The 500 page: static, negotiated, replaceable, and never itself a cause of an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tocsin.render.page import ErrorPage, Page

BROWSER = "text/html,*/*;q=0.8"
ERROR_ID = "7K3QDM-24F2"


def test_html_has_the_error_id_and_what_a_page_needs() -> None:
    """Language, title, viewport, dark mode, not indexed, under 3 kB, nothing external."""
    page = ErrorPage().render(BROWSER, ERROR_ID)
    body = page.body.decode()
    assert page.content_type == "text/html; charset=utf-8"
    assert page.failure is None
    assert f"<code>{ERROR_ID}</code>" in body
    assert "The error has been recorded." in body
    for part in ('<html lang="en">', "<title>", 'name="viewport"', "prefers-color-scheme:dark", "noindex"):
        assert part in body
    assert len(page.body) < 3_000
    assert "http" not in body.replace("<!doctype html>", "")


def test_json_is_a_problem_with_the_error_id() -> None:
    """RFC 9457: about:blank, the status's own title, the id as an extension."""
    page = ErrorPage().render("application/json", ERROR_ID)
    assert page.content_type == "application/problem+json"
    assert json.loads(page.body) == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "error_id": ERROR_ID,
    }


def test_text_has_the_error_id() -> None:
    """What curl shows is readable."""
    page = ErrorPage().render("*/*", ERROR_ID)
    assert page.content_type == "text/plain; charset=utf-8"
    assert page.body.decode().endswith(f"please give this error id: {ERROR_ID}\n")


@pytest.mark.parametrize("accept", [BROWSER, "application/json", "*/*"])
def test_without_an_error_id_nothing_is_claimed(accept: str) -> None:
    """Nothing was recorded, so nobody is told that it was."""
    body = ErrorPage().render(accept, "").body
    assert b"recorded" not in body
    assert b"{error_id}" not in body
    assert b"error_id" not in body


def test_only_characters_of_an_error_id_get_into_a_page() -> None:
    """Whatever reaches it as an id can be no markup."""
    assert b"<code>scriptx-1</code>" in ErrorPage().render(BROWSER, "<script>x-1\r\n").body


@pytest.mark.parametrize("custom", ["<p>Sorry: {error_id}</p>", b"<p>Sorry: {error_id}</p>"])
def test_own_page_by_text_replaces_html_only(custom: str | bytes) -> None:
    """Scripts and terminals keep what they can read."""
    page = ErrorPage(custom)
    assert page.render(BROWSER, ERROR_ID) == Page("text/html; charset=utf-8", b"<p>Sorry: 7K3QDM-24F2</p>")
    assert page.render("application/json", ERROR_ID).content_type == "application/problem+json"
    assert page.render("*/*", ERROR_ID).content_type.startswith("text/plain")


def test_own_page_by_file_is_read_once(tmp_path: Path) -> None:
    """A deployment that replaces the file mid-flight can't break the page."""
    path = tmp_path / "500.html"
    path.write_text("<p>é {error_id}</p>", encoding="utf-8")
    page = ErrorPage(path)
    assert page.render(BROWSER, ERROR_ID).body == "<p>é 7K3QDM-24F2</p>".encode()
    path.unlink()
    assert page.render(BROWSER, "X").body == "<p>é X</p>".encode()


def test_missing_file_falls_back_and_is_read_when_it_is_there(tmp_path: Path) -> None:
    """The failure is handed back; mending it needs no restart."""
    path = tmp_path / "500.html"
    page = ErrorPage(path)
    failed = page.render(BROWSER, ERROR_ID)
    assert isinstance(failed.failure, FileNotFoundError)
    assert ERROR_ID.encode() in failed.body
    path.write_text("mended", encoding="utf-8")
    assert page.render(BROWSER, ERROR_ID) == Page("text/html; charset=utf-8", b"mended")


@pytest.mark.parametrize(
    ("answer", "page"),
    [
        ("<p>é</p>", Page("text/html; charset=utf-8", "<p>é</p>".encode())),
        (b"raw", Page("text/html; charset=utf-8", b"raw")),
        (("text/x-own", "own"), Page("text/x-own", b"own")),
        (("text/x-own", b"own"), Page("text/x-own", b"own")),
        ("lone \udc80", Page("text/html; charset=utf-8", b"lone \\udc80")),
    ],
)
def test_own_page_by_callable_answers_every_client(answer: Any, page: Page) -> None:
    """It is given the id and the Accept header, and returns text, bytes or both with a type."""
    calls = []

    def own(error_id: str, accept: str) -> Any:
        calls.append((error_id, accept))
        return answer

    assert ErrorPage(own).render("application/json", ERROR_ID) == page
    assert calls == [(ERROR_ID, "application/json")]


@pytest.mark.parametrize("answer", [None, 5, ("text/html",), ("text/html", None), ("a/b\r\nX: y", "z"), (b"a/b", "z")])
def test_callable_that_answers_nonsense_falls_back(answer: Any) -> None:
    """The visitor gets the default page, the caller the failure to report."""
    page = ErrorPage(lambda error_id, accept: answer).render(BROWSER, ERROR_ID)
    assert isinstance(page.failure, (TypeError, ValueError))
    assert ERROR_ID.encode() in page.body


def test_callable_that_raises_falls_back() -> None:
    """A page that needs the database that just went away is no second error."""

    def own(error_id: str, accept: str) -> str:
        raise ConnectionError("no database")

    page = ErrorPage(own).render("application/json", ERROR_ID)
    assert isinstance(page.failure, ConnectionError)
    assert page.content_type == "application/problem+json"
