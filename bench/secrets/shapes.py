"""The shapes in which a text holds a value: containers, notations, commands, statements; `SHAPES` leave."""

from __future__ import annotations

import enum
import html
import json
import shlex
import subprocess
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

__all__ = ["SHAPES", "Shape", "fits"]


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape: its name, what makes a text of what is held, and for what it is fit."""

    name: str
    make: Callable[[Any], str]
    fit: str = "any"  # or one of those below


def fits(shape: Shape, held: Any) -> bool:
    """Tell whether this is met in life."""
    if shape.fit == "named":
        return bool(held.by == "name")
    if shape.fit == "bare":
        return bool(held.by != "name")
    if shape.fit == "shape":
        return bool(held.by == "shape" and len(held.said) < 200)
    if shape.fit == "identifier":
        return bool(held.name.isidentifier())
    return True


def _row(held: Any) -> dict[str, Any]:
    return {"id": 7, held.name: held.held, "active": True}


def _object(held: Any) -> Any:
    return make_dataclass("User", ["id", held.name, "active"])(7, held.held, True)


def _tuple(held: Any) -> str:
    name = held.name.lstrip("_") or "x"
    return repr(namedtuple("Row", ["id", name])(7, held.held))  # type: ignore[misc]


def _enum(held: Any) -> str:
    return repr(enum.Enum("Settings", {held.name.lstrip("_").upper(): held.held})[held.name.lstrip("_").upper()])


def _gson(held: Any) -> str:
    """Return JSON as writers for web pages escape it."""
    text = json.dumps({"text": held.said, held.name: held.held})
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace("=", "\\u003d").replace("'", "\\u0027")


def _multipart(held: Any) -> str:
    return f'--b7\r\nContent-Disposition: form-data; name="{held.name}"\r\n\r\n{held.held}\r\n--b7--'


def _process(held: Any) -> str:
    option = held.name.replace("_", "-").lower()
    command = ["tool", f"--{option}", held.held] if held.by == "name" else ["tool", held.said]
    return str(subprocess.CalledProcessError(1, command))


def _command(held: Any) -> str:
    option = held.name.replace("_", "-").lower()
    return f"tool --{option}={shlex.quote(held.held)} -v" if held.by == "name" else f"ran: {held.said}"


def _environment(held: Any) -> str:
    name = held.name.replace("-", "_").replace(".", "_").upper()
    return f"export {name}={shlex.quote(held.held)}" if held.by == "name" else f"DETAIL={shlex.quote(held.said)}"


def _sql(text: str) -> str:
    return text.replace("'", "''")


def _nested(held: Any) -> dict[str, Any]:
    return {"user": {"profile": [{"k": 1}, {held.name: held.held}]}}


SHAPES: Final = (
    Shape("a sentence", lambda held: f"could not go on: {held.said}"),
    Shape("repr of a dict", lambda held: f"bad row {_row(held)!r}"),
    Shape("repr of nested containers", lambda held: f"bad data: {_nested(held)!r}"),
    Shape("repr of pairs", lambda held: f"fields {[('id', 7), (held.name, held.held)]!r}"),
    Shape("repr of a dataclass", lambda held: f"cannot save {_object(held)!r}", "identifier"),
    Shape("repr of an ORM's row", lambda held: f"<User #7 {held.name}={held.held!r}, active=True>", "identifier"),
    Shape("repr of a namedtuple", lambda held: f"bad {_tuple(held)}", "identifier"),
    Shape("repr of an enum", lambda held: f"no handler for {_enum(held)}", "identifier"),
    Shape("repr of bytes", lambda held: f"got {json.dumps(_row(held)).encode()!r}"),
    Shape("repr of byte pairs", lambda held: f"headers={[(held.name.lower().encode(), held.held.encode())]!r}"),
    Shape(
        "repr of a path", lambda held: f"no such file: {PurePosixPath('/srv', quote(held.held, safe=''))!r}", "shape"
    ),
    Shape(
        "call with keywords", lambda held: f"connect(user='bob', {held.name}={held.held!r}, timeout=7)", "identifier"
    ),
    Shape("URL", lambda held: f"GET https://a.example/b?{urlencode({'page': 2, held.name: held.held, 'n': 1})} failed"),
    Shape("form", lambda held: f"body was {urlencode({'user': 'bob', held.name: held.held, 'go': 1})}"),
    Shape("JSON", lambda held: f"body was {json.dumps(_row(held))}"),
    Shape("JSON, indented", lambda held: f"answer:\n{json.dumps(_nested(held), indent=2)}"),
    Shape("JSON, compact", lambda held: json.dumps(_row(held), separators=(",", ":"), ensure_ascii=False)),
    Shape("JSON in JSON", lambda held: json.dumps({"status": 400, "body": json.dumps(_row(held))})),
    Shape("JSON in JSON in JSON", lambda held: json.dumps({"m": json.dumps({"body": json.dumps(_row(held))})})),
    Shape("JSON, signs as \\u", _gson),
    Shape("HTML-escaped", lambda held: f"<p>{html.escape(json.dumps(_row(held)))}</p>"),
    Shape("percent-encoded", lambda held: f"state={quote(held.said, safe='')}"),
    Shape("percent-encoded twice", lambda held: f"state={quote(quote(held.said, safe=''), safe='')}"),
    Shape("XML", lambda held: f"<user><id>7</id><{held.name}>{escape(held.held)}</{held.name}></user>", "identifier"),
    Shape("form field in HTML", lambda held: f'<input name="{held.name}" value="{html.escape(held.held)}">'),
    Shape("YAML", lambda held: f"bad settings:\n  id: 7\n  {held.name}: {json.dumps(held.held)}\n  active: true"),
    Shape("TOML", lambda held: f"[user]\nid = 7\n{held.name} = {json.dumps(held.held)}\n"),
    Shape("environment", _environment),
    Shape("multipart form", _multipart),
    Shape("HTTP message", lambda held: f"POST / HTTP/1.1\r\nHost: a.example\r\n{held.name}: {held.held}\r\n\r\n"),
    Shape("command line", _command),
    Shape("subprocess's error", _process),
    Shape(
        "SQL, update", lambda held: f"UPDATE u SET a = 1, {held.name} = '{_sql(held.held)}' WHERE id = 7", "identifier"
    ),
    Shape("SQL, insert", lambda held: f"INSERT INTO u (id, {held.name}) VALUES (7, '{_sql(held.held)}')", "identifier"),
    Shape("path of a URL", lambda held: f"GET /reset/{quote(held.held, safe='')}/confirm failed", "shape"),
    Shape("several lines", lambda held: f"first line\nsecond: {held.said}\nthird line"),
)
