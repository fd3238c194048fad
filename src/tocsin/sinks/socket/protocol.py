"""The protocol "tocsin lines 1": what each side says goes in and comes out as lines. Pure; both sides use it.

Its description, enough to write another receiver, is docs/reference/lines.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from tocsin.event import limits
from tocsin.event.errors import DecodeError

__all__ = [
    "LINE_BYTES",
    "NAME",
    "PORT",
    "VERSION",
    "Answer",
    "Code",
    "Fault",
    "Hello",
    "Taken",
    "answer_line",
    "answer_of",
    "hello_line",
    "hello_of",
    "welcome_line",
]

NAME: Final = "tocsin lines"
VERSION: Final = 1
PORT: Final = 9797
LINE_BYTES: Final = limits.EVENT_BYTES + limits.LINE_SLACK_BYTES
_TEXT_CHARS: Final = 256

# What a fault is about. `line` concerns one line for good, and the conversation goes on; every other one ends it.
Code: TypeAlias = Literal["line", "schema", "length", "version", "token", "store", "busy", "idle"]


@dataclass(frozen=True, slots=True)
class Hello:
    """Be how a sender begins. ``token`` is left out of its representation."""

    version: int
    application: str = ""
    environment: str = ""
    host: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return f"Hello({self.version}, {self.application!r}, {self.environment!r}, {self.host!r})"


@dataclass(frozen=True, slots=True)
class Taken:
    """Say that so many lines of the connection need not be sent again, the hello not counted."""

    number: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Say what is wrong; ``line`` numbers the line that it is about from 1, 0 for none."""

    code: str
    reason: str
    line: int = 0


Answer: TypeAlias = Hello | Taken | Fault


def hello_line(hello: Hello) -> bytes:
    """Return how a sender begins."""
    members: dict[str, Any] = {"hello": NAME, "version": hello.version}
    members |= {name: getattr(hello, name) for name in ("application", "environment", "host")}
    if hello.token:
        members["token"] = hello.token
    return _line(members)


def welcome_line() -> bytes:
    """Return how a receiver answers a hello that it takes."""
    return _line({"hello": NAME, "version": VERSION})


def answer_line(answer: Taken | Fault) -> bytes:
    """Return what a receiver says later."""
    if isinstance(answer, Taken):
        return _line({"taken": answer.number})
    members: dict[str, Any] = {"error": answer.code, "reason": answer.reason[:_TEXT_CHARS]}
    return _line({**members, "line": answer.line} if answer.line else members)


def hello_of(members: Any) -> Hello | None:
    """Return the hello in a decoded line, None where it is something else. Raises DecodeError for half a hello."""
    if not isinstance(members, dict) or "hello" not in members:
        return None
    version = members.get("version")
    if members["hello"] != NAME or not isinstance(version, int) or isinstance(version, bool):
        raise DecodeError(f'a hello must say "hello": "{NAME}" and a version by its number')
    texts = [members.get(name, "") for name in ("application", "environment", "host", "token")]
    if not all(isinstance(text, str) for text in texts):
        raise DecodeError("the names and the token of a hello must be texts")
    application, environment, host, token = texts
    return Hello(version, application[:_TEXT_CHARS], environment[:_TEXT_CHARS], host[:_TEXT_CHARS], token)


def answer_of(line: bytes) -> Answer:
    """Return what a receiver says by one line. Raises DecodeError for anything that is not of this protocol."""
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        raise DecodeError("no JSON") from None
    hello = hello_of(members)
    if hello is not None:
        return hello
    if isinstance(members, dict):
        taken, code = members.get("taken"), members.get("error")
        if isinstance(taken, int) and not isinstance(taken, bool) and taken >= 0:
            return Taken(taken)
        if isinstance(code, str):
            number = members.get("line")
            return Fault(code[:32], str(members.get("reason", ""))[:_TEXT_CHARS], number if type(number) is int else 0)
    raise DecodeError("no answer of this protocol")


def _line(members: dict[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode("ascii") + b"\n"
