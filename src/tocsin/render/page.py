"""An Accept header and an error id go in; the 500 page leaves: static bytes, by no template and no database."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from tocsin.render.accept import preferred
from tocsin.system.interrupts import let_through

__all__ = ["Custom", "ErrorPage", "Page"]

# A callable takes (error_id, accept) and returns HTML as text or bytes, or (content type, body).
Custom: TypeAlias = "str | bytes | os.PathLike[str] | Callable[[str, str], Any] | None"

_HTML: Final = "text/html; charset=utf-8"
_PROBLEM: Final = "application/problem+json"
_TEXT: Final = "text/plain; charset=utf-8"

_PLACEHOLDER: Final = b"{error_id}"
# Whatever a caller passes, only what an error id is made of gets into a page.
_NOT_OF_AN_ID: Final = re.compile(r"[^0-9A-Za-z-]")

_HEAD: Final = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>Something went wrong</title>
<style>
:root{color-scheme:light dark}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;align-items:center;background:#fff;color:#1b1f23;\
font:1.0625rem/1.6 system-ui,-apple-system,"Segoe UI",sans-serif}
main{width:100%;max-width:34rem;margin:0 auto;padding:2rem 1.5rem}
h1{font-size:1.75rem;line-height:1.25;margin:0 0 1rem}
p{margin:0 0 1rem}
.id{margin:1.5rem 0 0;padding:1rem 1.25rem;border-radius:.5rem;background:#f1f3f5}
.id span{display:block;font-size:.9375rem;color:#50575e}
code{font:600 1.375rem/1.4 ui-monospace,Menlo,Consolas,monospace;letter-spacing:.03em;overflow-wrap:anywhere;\
-webkit-user-select:all;user-select:all}
@media (prefers-color-scheme:dark){body{background:#14171a;color:#e6e8ea}.id{background:#22272c}\
.id span{color:#b3bac2}}
@media print{body{min-height:0;display:block}.id{border:1px solid}}
</style>
</head>
<body>
<main>
<h1>Something went wrong</h1>
<p>The server met an error and could not finish what you asked for.</p>
"""
_FOOT: Final = b"</main>\n</body>\n</html>\n"


@dataclass(frozen=True, slots=True)
class Page:
    """Hold one representation. ``failure`` is what a custom page raised; the default one stands in for it."""

    content_type: str
    body: bytes
    failure: Exception | None = None


# Each by whether there is an error id: without one nothing was recorded, so nothing is claimed.
_DEFAULTS: Final = {
    ("html", True): Page(
        _HTML,
        _HEAD
        + b"<p>The error has been recorded.</p>\n"
        + b'<p class="id"><span>If you report it, please give this error id:</span>'
        + b"<code>{error_id}</code></p>\n"
        + _FOOT,
    ),
    ("html", False): Page(_HTML, _HEAD + b"<p>Please try again later.</p>\n" + _FOOT),
    ("json", True): Page(
        _PROBLEM,
        b'{"type":"about:blank","title":"Internal Server Error","status":500,"error_id":"{error_id}"}\n',
    ),
    ("json", False): Page(_PROBLEM, b'{"type":"about:blank","title":"Internal Server Error","status":500}\n'),
    ("text", True): Page(
        _TEXT,
        b"500 Internal Server Error\n\nThe server met an error. The error has been recorded.\n"
        b"If you report it, please give this error id: {error_id}\n",
    ),
    ("text", False): Page(_TEXT, b"500 Internal Server Error\n\nThe server met an error.\n"),
}


class ErrorPage:
    """Answer with tocsin's page or the application's own.

    ``custom`` is HTML as text or bytes, a path to a file of it (read at the first render, then kept), or a
    callable ``(error_id, accept) -> str | bytes | (content_type, body)``. In text, bytes and files ``{error_id}``
    is replaced; they stand in for the HTML representation only, JSON and text clients keep theirs. A callable
    answers every client. Thread-safe.
    """

    def __init__(self, custom: Custom = None) -> None:
        self._callable: Callable[[str, str], Any] | None = None
        self._path: Path | None = None
        self._html: bytes | None = None
        if isinstance(custom, (str, bytes)):
            self._html = _encoded(custom)
        elif isinstance(custom, os.PathLike):
            self._path = Path(custom)
        elif custom is not None:
            self._callable = custom

    def render(self, accept: str, error_id: str) -> Page:
        """Return the representation that ``accept`` prefers (RFC 9110 §12.5.1) with the error id in it.

        ``error_id`` may be empty. Never raises an Exception: a custom page's failure is in the returned Page,
        for the caller to report.
        """
        shown = _NOT_OF_AN_ID.sub("", error_id)
        form = preferred(accept)
        failure = None
        try:
            if self._callable is not None:
                return _page_of(self._callable(shown, accept))
            if form == "html" and (own := self._own_html()) is not None:
                return Page(_HTML, own.replace(_PLACEHOLDER, shown.encode()))
        except Exception as error:  # noqa: BLE001 - foreign code; the visitor gets a page whatever it raises
            let_through(error)
            failure = error
        default = _DEFAULTS[form, bool(shown)]
        return replace(default, body=default.body.replace(_PLACEHOLDER, shown.encode()), failure=failure)

    def _own_html(self) -> bytes | None:
        # A file that can't be read is tried again the next time, so that mending it needs no restart.
        if self._html is None and self._path is not None:
            self._html = self._path.read_bytes()
        return self._html


def _page_of(answer: Any) -> Page:
    """Return what a callable answered as a Page. Raises TypeError or ValueError for anything else."""
    content_type, body = answer if isinstance(answer, tuple) and len(answer) == 2 else (_HTML, answer)
    if not isinstance(content_type, str) or not isinstance(body, (str, bytes)):
        raise TypeError("the error page must return text, bytes or (content type, text or bytes)")
    if not content_type.isascii() or not content_type.isprintable():
        raise ValueError("the error page's content type holds a character that no header may hold")
    return Page(content_type, _encoded(body))


def _encoded(body: str | bytes) -> bytes:
    return body if isinstance(body, bytes) else body.encode("utf-8", "backslashreplace")
