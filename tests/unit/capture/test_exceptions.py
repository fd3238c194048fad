"""Exceptions as reports tell them: bounded, masked, and nothing foreign runs."""

from __future__ import annotations

import enum
import json
import subprocess
from dataclasses import replace

import pytest

from tocsin.capture.exceptions import describe
from tocsin.capture.frames import FrameCache
from tocsin.capture.messages import message_of
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import ExceptionInfo


def _describe(exc: BaseException) -> ExceptionInfo:
    return describe(exc, FrameCache(Scrubber()))


def _raised(function: object, *args: object) -> BaseException:
    try:
        function(*args)  # type: ignore[operator]
    except BaseException as exc:
        return exc
    raise AssertionError("nothing was raised")


def _refuse(*_: object) -> None:
    raise RuntimeError("foreign code ran")


class Hostile:
    """Raise at whatever is asked."""

    __repr__ = __str__ = __eq__ = __len__ = __getattribute__ = __format__ = _refuse  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


class HostileError(Exception):
    """Raise at whatever is asked, and lie about its class."""

    __repr__ = __str__ = __getattribute__ = __eq__ = _refuse  # type: ignore[assignment]
    __hash__ = Exception.__hash__


class Recursing(Exception):
    def __str__(self) -> str:
        return str(self)


class Colour(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize(
    "exc",
    [
        *(ValueError(), ValueError("x"), ValueError("x", 1), ValueError(None), ValueError(b"x"), ValueError(("a",))),
        *(
            KeyError("k"),
            KeyError(),
            KeyError("a", "b"),
            ValueError([1, {"a": 2.5}]),
            ValueError({"a"}),
            ValueError(set()),
        ),
        *(FileNotFoundError(2, "No such file", "/x"), OSError("x"), OSError(1, "a", "b", None, "c"), OSError(5, "io")),
        *(ImportError("no x", name="x"), ImportError("a", "b"), StopIteration(3), SystemExit(2), AttributeError("a")),
        *(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), UnicodeEncodeError("ascii", "é", 0, 1, "bad")),
        *(ExceptionGroup("several", [ValueError("a"), ValueError("b")]), ExceptionGroup("one", [ValueError("a")])),
        *(json.JSONDecodeError("bad", "x", 0), subprocess.CalledProcessError(1, ["ls"])),
    ],
)
def test_message_is_what_python_shows(exc: BaseException) -> None:
    """Built-in exceptions and those of trusted packages have the message a traceback shows."""
    assert message_of(exc) == str(exc)


def test_syntax_error_tells_file_and_line() -> None:
    """Where the broken code is belongs to the message; the code itself is the place that the exception names."""
    exc = _raised(compile, "x = 1\n  y ==\n", "/srv/app/conf.py", "exec")
    assert message_of(exc) == "unexpected indent (conf.py, line 2)"
    assert message_of(SyntaxError("odd", ("conf.py", None, 1, "  y ==\n"))) == "odd (conf.py)\n    y =="


def test_message_runs_no_foreign_code() -> None:
    """Arguments that are no builtins are described, an overridden __str__ is passed over."""
    described = f"<{Hostile.__module__}.Hostile>"
    assert message_of(ValueError(Hostile())) == described
    assert message_of(ValueError("a", [Hostile()])) == f"('a', [{described}])"
    assert message_of(KeyError(Hostile())) == described
    assert message_of(OSError(2, Hostile(), Hostile())) == f"[Errno 2] {described}: {described}"
    assert message_of(HostileError("plain", 5)) == "('plain', 5)"
    assert message_of(Recursing("x")) == "x"
    assert message_of(ValueError(Colour.RED)) == "1"
    assert message_of(ValueError(ValueError(Hostile()))) == described


def test_trusted_message_that_fails_is_told_as_such() -> None:
    """A __str__ that raises, even where it is trusted, harms nobody."""
    exc = subprocess.CalledProcessError(1, Hostile())  # type: ignore[arg-type]
    assert message_of(exc) == "<message not to be had: RuntimeError>"


def test_huge_arguments_are_bounded() -> None:
    """Neither a long text nor a huge number or container costs more than its bound."""
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    for value in ("x" * 10_000_000, 10**50_000, list(range(1_000_000)), {n: n for n in range(100_000)}, deep):
        assert len(message_of(ValueError(value))) <= limits.MESSAGE_CHARS * 2


def test_chain_shows_cause_else_context_unless_suppressed() -> None:
    """What a traceback would show, no more."""

    def fail(how: str) -> None:
        try:
            raise KeyError("inner")
        except KeyError as exc:
            if how == "cause":
                raise ValueError("outer") from exc
            if how == "none":
                raise ValueError("outer") from None
            raise ValueError("outer")  # noqa: B904

    cause, context, none = (_describe(_raised(fail, how)) for how in ("cause", "context", "none"))
    assert cause.cause is not None
    assert (cause.cause.type, cause.context) == ("KeyError", None)
    assert context.context is not None
    assert (context.context.message, context.cause) == ("'inner'", None)
    assert (none.cause, none.context) == (None, None)


def test_cycles_chains_groups_and_notes_are_bounded() -> None:
    """Whatever hangs together, an event describes a bounded number of exceptions."""
    loop = ValueError()
    loop.__cause__ = KeyError()
    loop.__cause__.__cause__ = loop
    assert replace(_describe(loop).cause or _describe(loop), frames=()).cause is None

    chain = ValueError()
    for _ in range(100):
        chain, chain.__cause__ = ValueError(), chain
    assert repr(_describe(chain)).count("ExceptionInfo(") == limits.CHAIN

    group: BaseException = ValueError()
    for _ in range(50):
        group = BaseExceptionGroup("g", [group] + [ValueError() for _ in range(20)])
    info = _describe(group)
    assert repr(info).count("ExceptionInfo(") <= limits.EXCEPTIONS
    assert len(info.members) + info.members_omitted == 21

    noted = ValueError()
    noted.__notes__ = ["password=hunter2", Hostile(), *["n"] * 100]
    notes = _describe(noted).notes
    assert notes[0] == "password=[masked: password]"
    assert len(notes) <= limits.NOTES


def test_deep_stacks_keep_both_ends() -> None:
    """Of a thousand different places the outermost and innermost are told, and how many are left out."""
    body = "\n".join(f"def f{n}(): f{n + 1}()" for n in range(200)) + "\ndef f200(): 1 / 0\n"
    space: dict[str, object] = {}
    exec(body, space)
    info = _describe(_raised(space["f0"]))
    assert len(info.frames) == limits.FRAMES
    assert info.frames_omitted == 202 - limits.FRAMES
    assert (info.frames[1].function, info.frames[-1].function) == ("f0", "f200")


def test_recursion_collapses_into_one_frame_with_repeats() -> None:
    """A RecursionError has a few frames that say how often."""

    def recurse() -> None:
        recurse()

    info = _describe(_raised(recurse))
    assert info.type == "RecursionError"
    assert len(info.frames) < 6
    assert max(frame.repeats for frame in info.frames) > 500


def test_hostile_exceptions_are_described() -> None:
    """An exception whose every method raises is still told, with type, message and frames."""

    def fail() -> None:
        raise HostileError("x")

    info = _describe(_raised(fail))
    assert info.type.endswith("HostileError")
    assert (info.message, info.frames[-1].function.rpartition(".")[2]) == ("x", "fail")


def test_messages_are_masked() -> None:
    """What an exception says of secrets is masked at once."""
    assert _describe(ValueError("postgres://u:hunter2@db")).message == "postgres://u:[masked: password]@db"


class _Validation(Exception):
    """What FastAPI raises, by its name: its own text shows what was refused by its ``repr``."""

    def __init__(self, errors: object) -> None:
        self._errors = errors

    def __str__(self) -> str:
        raise AssertionError("it is not to be called")


_Validation.__module__, _Validation.__qualname__ = "fastapi.exceptions", "ResponseValidationError"


def test_a_validation_error_of_fastapi_says_what_is_wrong_and_where_and_shows_no_value() -> None:
    one = {
        "type": "float_parsing",
        "loc": ("response", 0, "price"),
        "msg": "Input should be a number",
        "input": "hunter2",
    }
    assert message_of(_Validation([one])) == "1 validation error: response.0.price: Input should be a number"
    assert message_of(_Validation((one, {"loc": [], "msg": "too short"}))) == (
        "2 validation errors: response.0.price: Input should be a number; too short"
    )
    many = message_of(_Validation([one] * 1000))
    assert many.startswith("1000 validation errors: ") and many.endswith("; and 990 more")


@pytest.mark.parametrize(
    "errors", [None, [], [None], [{"loc": "x", "msg": "y"}], [{"loc": ("x",), "msg": 1}], {"a": 1}]
)
def test_a_validation_error_that_cannot_be_read_has_no_message(errors: object) -> None:
    assert message_of(_Validation(errors)) == ""


def test_a_group_that_the_exception_was_taken_out_of_is_no_cause_of_it() -> None:
    """As by middleware that runs the application in a task group, several of them around each other."""
    fault = ValueError("view")
    fault.__cause__ = ExceptionGroup("outer", [fault])
    fault.__cause__.__context__ = ExceptionGroup("inner", [ExceptionGroup("innermost", [KeyError(1)])])
    told = _describe(fault)
    assert told.cause is not None and told.cause.type == "ExceptionGroup"
    assert told.cause.message.startswith("inner")
    fault.__cause__.__context__ = None
    assert _describe(fault).cause is None
