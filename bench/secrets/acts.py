"""Bringing occurrences about: an `Act` and a `Stage` go in; one fault is raised, caught and reported as in life.

Nothing here knows who reports: a stage stands for tocsin or for another. No frame that a traceback shows holds more in
its variables than the place "local variable" asks for: what is planted elsewhere is not to be found there.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from places import Act

__all__ = ["LOGGER", "Stage", "bring_about"]

LOGGER = "shop.orders"


class Stage(Protocol):
    """What reports: it is told how an application would tell it."""

    folder: Path

    def request(self, environ: dict[str, Any], view: Callable[[], None]) -> None:
        """Call a view within a request of this WSGI environ; report what it raises."""

    def report(self, message: str, fields: dict[str, Any]) -> None:
        """Report a message with fields, by hand."""

    def around(self, fields: dict[str, Any], tags: dict[str, Any]) -> AbstractContextManager[object]:
        """Have what is reported within carry these."""

    def task(self, name: str) -> AbstractContextManager[object]:
        """Work on a task of this name; report what leaves it, and swallow it."""


class ShopError(Exception):
    """What the acts raise."""


def bring_about(act: Act[Any], stage: Stage) -> None:
    """Let one act happen: whatever it raises has been reported when this returns."""
    kind = act.kind.rstrip("01")
    {"request": _request, "record": _record, "mapping": _mapping, "group": _group, "report": _report}[kind](act, stage)


def _request(act: Act[Any], stage: Stage) -> None:
    code = _Hidden(_code(act, stage))

    def view() -> None:
        _lead_up(act)
        with stage.around(_table(act.slots("field")), _table(act.slots("tag"))):
            code.call()

    stage.request(_environ(act), view)


class _Hidden:
    """Hold a call, whose arguments its ``repr`` does not show."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call

    def __repr__(self) -> str:
        return "<code>"


def _lead_up(act: Act[Any]) -> None:
    for text in act.slots("lead"):
        logging.getLogger(LOGGER).info(text)


def _record(act: Act[Any], stage: Stage) -> None:
    def view() -> None:
        _lead_up(act)
        words, values = ["%s"], list(act.slots("message"))
        for value in act.slots("arg"):
            words.append("and %s")
            values.append(value)
        for name, value in act.slots("assigned"):
            words.append(f"{name}=%s")
            values.append(value)
        logging.getLogger(LOGGER).error(", ".join(words), *values, extra=_table(act.slots("extra")))

    stage.request(_plain_environ(), view)


def _mapping(act: Act[Any], stage: Stage) -> None:
    with stage.around({}, {}):
        try:
            raise ShopError(*act.slots("message"))
        except ShopError:
            _log_mapping(act)


def _log_mapping(act: Act[Any]) -> None:
    mapped = _table(act.slots("mapped")) or {"no": 1}
    text = "login failed: " + ", ".join(f"%({name})s" for name in mapped)
    logging.getLogger(LOGGER).error(text, mapped, exc_info=True)


def _group(act: Act[Any], stage: Stage) -> None:
    def work() -> None:
        with stage.task(next(iter(act.slots("task")), "send")):
            raise _several(act)

    for name in act.slots("thread"):
        thread = threading.Thread(target=work, name=name)
        thread.start()
        thread.join()
        return
    work()


def _several(act: Act[Any]) -> Exception:
    members = [ShopError(text) for text in act.slots("member")]
    groups = [ExceptionGroup(f"part {at}", members[at : at + 6]) for at in range(0, len(members), 6)]
    return ExceptionGroup("several failed", groups or [ShopError("nothing was tried")])


def _report(act: Act[Any], stage: Stage) -> None:
    with stage.around({}, {}):
        stage.report(next(iter(act.slots("message")), "failed"), _table(act.slots("field")))


# -- requests ----------------------------------------------------------------------------------------------


def _plain_environ() -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/orders/7",
        "QUERY_STRING": "",
        "SERVER_NAME": "shop.example.org",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "shop.example.org",
        "REMOTE_ADDR": "192.0.2.7",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def _environ(act: Act[Any]) -> dict[str, Any]:
    environ = _plain_environ()
    for name, value in act.slots("header"):
        bare = name.upper().replace("-", "_").replace(".", "_").removeprefix("HTTP_")
        environ[f"HTTP_{bare}"] = value.encode().decode("latin-1")
    # A cookie header that is the secret itself stays: it is a header by its name.
    for cookie in act.slots("cookie"):
        environ.setdefault("HTTP_COOKIE", f"theme=dark; {cookie}")
    environ["QUERY_STRING"] = "&".join(act.slots("query"))
    environ["PATH_INFO"] = "/orders" + "".join(act.slots("path"))
    for host in act.slots("host"):
        environ["HTTP_HOST"] = host
    return environ


# -- code --------------------------------------------------------------------------------------------------


def _code(act: Act[Any], stage: Stage) -> Callable[[], None]:
    """Return a function of a module of its own: its lines are the source places, its variables the local ones."""
    lines = [line for number in range(6) for line in act.slots(f"source{number}")]
    given = _table(act.slots("local"))
    code = [
        f"def charge({', '.join(['fail', *given])}):",
        "    if not fail:",
        *(f"        {line}" for line in lines[:3]),
        "        pass" if not lines else "",
        "    raise fail()",
        *(f"    {line}" for line in lines[3:6]),
    ]
    path = stage.folder / f"orders_{act.number}.py"
    path.write_text("\n".join(line for line in code if line) + "\n", encoding="utf-8")
    names: dict[str, Any] = {"__name__": f"shop.orders_{act.number}", "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    return partial(names["charge"], lambda: _error(act), **given)


def _error(act: Act[Any]) -> BaseException:
    error = ShopError(*act.slots("message"), *act.slots("args"))
    cause = ValueError(*act.slots("cause"))
    cause.__context__ = LookupError(*act.slots("context"))
    cause.__context__.__context__ = KeyError(*act.slots("key"))
    error.__cause__ = cause
    for number in range(4):
        for note in act.slots(f"note{number}"):
            error.add_note(note)
    return error


def _table(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return pairs as a table; a name that is taken gets a number."""
    table: dict[str, Any] = {}
    for name, value in pairs:
        free = name if name not in table else f"{name}_{len(table)}"
        table[free] = value
    return table
