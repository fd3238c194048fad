"""Applications by plan: what one does at each step goes in, a WSGI application that does it and notes its steps leaves.

Tests run each with tocsin and without and compare. Nothing here knows of tocsin.
"""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from wsgiref.util import FileWrapper

__all__ = ["CHOICES", "Abrupt", "Plan", "application", "corpus", "drawn", "exits"]

Note = Callable[[str], None]


class Abrupt(BaseException):
    """A class of the application's own outside Exception."""


ERRORS: dict[str, type[BaseException]] = {
    "ValueError": ValueError,
    "StopIteration": StopIteration,
    "AssertionError": AssertionError,
    "GeneratorExit": GeneratorExit,
    "SystemExit": SystemExit,
    "Abrupt": Abrupt,
}

# What a plan may choose, field by field; the first is the most common.
CHOICES: dict[str, tuple[Any, ...]] = {
    "body": (
        "list", "generator", "iterable", "iterator", "tuple", "sized", "bytes", "list_subclass", "lazy_list",
        "dict_keys", "map", "file", "rude_generator", "nothing",
    ),
    "chunks": (
        (b"hello ", b"world"), (b"hello",), (), (b"",), (b"", b"", b"late"), (b"a", b"", b"b"), (b"x" * 70_000, b"y"),
        ("text",), (None, b"x"), (b"x", 5), (memoryview(b"view"),),
    ),
    "status": ("200 OK", "404 Not Found", "204 No Content", "304 Not Modified", "500 Oops", "503 ", "299 Odd"),
    "headers": ("some", "length", "none", "duplicate", "mutated", "emptied", "short_length", "own_error_id"),
    "start": ("call", "first", "late", "never", "again", "handled", "twice"),
    "write": ((), (b"written ",), (b"",), (b"", b"written")),
    "fault": ("", "call", "started", "written", "iter", "first", "middle", "end", "close"),
    "error": tuple(ERRORS),
    "environ": ("", "changed", "cleared"),
    "reads": (False, True),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """State what an application does. ``fault`` is the step at which ``error`` is raised.

    ``start`` is when it calls ``start_response``: in the call, at the first iteration, after the first chunk, never;
    ``handled`` passes exc_info the first time, ``again`` a second time, ``twice`` calls it again without.
    """

    body: str = "list"
    chunks: tuple[Any, ...] = (b"hello ", b"world")
    status: str = "200 OK"
    headers: str = "some"
    start: str = "call"
    write: tuple[bytes, ...] = ()
    fault: str = ""
    error: str = "ValueError"
    environ: str = ""
    reads: bool = False


def drawn(dice: random.Random, number: int) -> list[Plan]:
    """Return plans in which a few fields, picked by the dice, are not the common ones."""
    plans = []
    for _ in range(number):
        fields = {"body": dice.choice(CHOICES["body"])}
        for name in dice.sample(list(CHOICES)[1:], dice.randrange(4)):
            fields[name] = dice.choice(CHOICES[name])
        plans.append(Plan(**fields))
    return plans


def corpus(seed: int) -> list[Plan]:
    """Return the plans that real servers are asked for: each choice once by itself, each body with each start, and some
    drawn. Nothing that ends a server's process is among them.
    """
    alone = [Plan(**{name: choice}) for name, choices in CHOICES.items() for choice in choices]
    starts = [
        Plan(body, start=start) for body in ("generator", "iterable", "sized", "map") for start in CHOICES["start"]
    ]
    faults = [Plan(body, fault=fault) for body in ("generator", "iterable", "iterator") for fault in CHOICES["fault"]]
    return [
        plan
        for plan in dict.fromkeys([*alone, *starts, *faults, *drawn(random.Random(seed), 150)])
        if not plan.fault or issubclass(ERRORS[plan.error], Exception)
    ]


def exits() -> list[Plan]:
    """Return plans that ask the server to end, or raise what is no Exception."""
    return [
        Plan("list", fault="call", error="Abrupt"),
        Plan("iterable", fault="close", error="Abrupt"),
        Plan("generator", fault="first", error="GeneratorExit"),
        Plan("generator", fault="middle", error="SystemExit"),
    ]


def application(plan: Plan, note: Note) -> Callable[..., Any]:
    """Return the application of a plan; ``note`` is told each step."""

    kept: list[Any] = []  # what has no close() would else end when somebody drops it, which is no step of a protocol

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        body = _Run(plan, note, environ, start_response).answer()
        kept.append(body)
        return body

    return app


class _Run:
    """One request."""

    def __init__(self, plan: Plan, note: Note, environ: dict[str, Any], start_response: Callable[..., Any]) -> None:
        self.plan, self.note, self.environ, self.start_response = plan, note, environ, start_response
        self.ticket = environ.get("HTTP_X_TEST", "")
        self.is_started = False
        self.write: Any = None  # some servers have none

    def fail(self, place: str) -> None:
        if self.plan.fault == place:
            self.note(f"fail {place}")
            raise ERRORS[self.plan.error](f"boom {self.ticket}.")

    def answer(self) -> Any:
        self.note("call")
        input_ = self.environ["wsgi.input"]
        wrapper = self.environ.get("wsgi.file_wrapper", FileWrapper)
        if self.plan.environ == "cleared":
            self.environ.clear()
        elif self.plan.environ == "changed":
            self.environ.update({"REQUEST_METHOD": "BREW", "PATH_INFO": 5, "HTTP_UPGRADE": None})
        self.fail("call")
        if self.plan.start not in ("first", "late", "never"):
            self.start()
        self.fail("started")
        for data in self.plan.write if self.is_started else ():
            self.note("write")
            self.write(data)
        self.fail("written")
        if self.plan.reads:
            self.note(f"read {input_.read(5)!r}")
        return self.body(wrapper)

    def start(self) -> None:
        self.note("start")
        plan = self.plan
        headers = self.headers()
        try:
            if plan.start == "handled":
                self.write = self.start_response(plan.status, headers, _exc_info())
            else:
                self.write = self.start_response(plan.status, headers)
            if plan.start == "again":
                self.start_response(plan.status, [("Content-Type", "text/again")], _exc_info())
            elif plan.start == "twice":
                self.start_response(plan.status, self.headers())
        except BaseException as refusal:
            self.note(f"start raised {type(refusal).__name__}")
            raise
        self.is_started = True
        if plan.headers == "mutated":
            headers.append(("X-Late", "too late"))
        elif plan.headers == "emptied":
            headers.clear()

    def headers(self) -> list[tuple[str, str]]:
        some = [("Content-Type", "text/plain"), ("X-App", "1")]
        length = sum(len(chunk) for chunk in (*self.plan.write, *self.plan.chunks) if isinstance(chunk, bytes))
        more = {
            "none": [],
            "duplicate": [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("x-app", "2")],
            "length": [("Content-Length", str(length))],
            "short_length": [("Content-Length", "3")],
            "own_error_id": [("X-Error-Id", "mine")],
        }
        return [] if self.plan.headers == "none" else some + more.get(self.plan.headers, [])

    def body(self, wrapper: Callable[..., Any]) -> Any:
        chunks = self.plan.chunks
        simple: dict[str, Callable[[], Any]] = {
            "list": lambda: list(chunks),
            "tuple": lambda: chunks,
            "bytes": lambda: b"".join(chunk for chunk in chunks if isinstance(chunk, bytes)),
            "list_subclass": lambda: type("Chunks", (list,), {})(chunks),
            "dict_keys": lambda: dict.fromkeys(chunk for chunk in chunks if chunk.__hash__ is not None).keys(),
            "map": lambda: map(self.pick, range(len(chunks))),
            "file": lambda: wrapper(io.BytesIO(b"".join(chunk for chunk in chunks if isinstance(chunk, bytes)))),
            "nothing": lambda: None,
            "generator": lambda: self.produce(),
            "rude_generator": lambda: self.rude(),
        }
        if self.plan.body in simple:
            return simple[self.plan.body]()
        return {"iterable": _Iterable, "iterator": _Iterator, "sized": _Sized, "lazy_list": _LazyList}[self.plan.body](
            self
        )

    def pick(self, number: int) -> Any:
        self.note(f"pick {number}")
        return self.plan.chunks[number]

    def produce(self) -> Iterator[Any]:
        plan = self.plan
        try:
            self.note("first")
            self.fail("first")
            if plan.start == "first":
                self.start()
            for number, chunk in enumerate(plan.chunks):
                if number == 1:
                    self.fail("middle")
                    if plan.start == "late":
                        self.start()
                self.note(f"yield {number}")
                yield chunk
            self.fail("end")
        except GeneratorExit:
            self.note("GeneratorExit")
            raise
        finally:
            self.note("finished")

    def rude(self) -> Iterator[Any]:
        """Fail, or go on, when closed early."""
        try:
            yield from self.produce()
        except GeneratorExit:
            self.fail("close")
            yield b"more"


class _Iterable:
    """What frameworks return: iterable, with ``close()``."""

    def __init__(self, run: _Run) -> None:
        self._run = run

    def __iter__(self) -> Iterator[Any]:
        self._run.note("iter")
        self._run.fail("iter")
        return self._run.produce()

    def close(self) -> None:
        self._run.note("close")
        self._run.fail("close")


class _Sized(_Iterable):
    """A container of the application's own that makes its chunks when asked."""

    def __len__(self) -> int:
        return len(self._run.plan.chunks)


class _Iterator:
    """An iterator by hand, without ``close()``."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._chunks = run.produce()

    def __iter__(self) -> _Iterator:
        self._run.note("iter")
        self._run.fail("iter")
        return self

    def __next__(self) -> Any:
        return next(self._chunks)


class _LazyList(list):  # type: ignore[type-arg]
    """A list to look at, whose chunks are made when asked."""

    def __init__(self, run: _Run) -> None:
        super().__init__(run.plan.chunks)
        self._run = run

    def __iter__(self) -> Iterator[Any]:
        self._run.note("iter")
        self._run.fail("iter")
        return self._run.produce()


def _exc_info() -> Any:
    try:
        raise LookupError("handled")
    except LookupError:
        return sys.exc_info()
