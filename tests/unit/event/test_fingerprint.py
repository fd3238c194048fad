"""Fingerprints: what is one fault, and what is another."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event.fingerprint import fingerprint, normalise
from tocsin.event.model import Event, ExceptionInfo, Frame, Request

AT = datetime(2026, 1, 1, tzinfo=UTC)


def _frame(function: str, module: str = "shop", **changes: object) -> Frame:
    return replace(Frame(module, function, "/srv/shop.py", 5), **changes)  # type: ignore[arg-type]


def _error(*functions: str, **changes: object) -> ExceptionInfo:
    info = ExceptionInfo("ValueError", "bad", tuple(map(_frame, functions)))
    return replace(info, **changes)  # type: ignore[arg-type]


def _event(exception: ExceptionInfo | None = None, **changes: object) -> Event:
    event = Event("error", "ERROR", 40, AT, "shop", logger="shop.orders", exception=exception)
    return replace(event, **changes)  # type: ignore[arg-type]


def _of(*args: ExceptionInfo, **changes: object) -> str:
    return fingerprint(_event(*args, **changes))


def test_has_a_version_and_32_digits_that_stay() -> None:
    """The form and the value are a contract: a change of either needs a new version."""
    assert re.fullmatch(r"v1:[0-9a-f]{32}", _of(_error("f")))
    assert _of(_error("f", "g")) == "v1:85c6f7e0a8e7ce243ac576e28eb3c38d"


@pytest.mark.parametrize(
    "other",
    [
        _error("f", "g", message="another"),
        _error("f", "g", notes=("n",)),
        replace(_error(), frames=(_frame("f", line=9, file="/elsewhere.py", source="x"), _frame("g", column=3))),
        replace(_error(), frames=(_frame("f"), _frame("<listcomp>"), _frame("g", repeats=7))),
        replace(_error(), frames=(_frame("f"), _frame("f"), _frame("g"))),
        replace(_error(), frames=(_frame("run", "lib", in_app=False), _frame("f"), _frame("g"))),
        ExceptionInfo("ExceptionGroup", "1 sub-exception", (_frame("x"),), members=(_error("f", "g"),)),
    ],
)
def test_is_the_same_for_the_same_fault(other: ExceptionInfo) -> None:
    """Message, notes, lines, paths, comprehensions, repeats, libraries and a group of one don't matter."""
    assert _of(other) == _of(_error("f", "g"))


def test_differs_by_type_frames_and_chain() -> None:
    """What is raised, where, and because of what matters."""
    several = [
        _error("f", "g"),
        _error("f"),
        _error("fg"),
        _error("f", "g", type="KeyError"),
        _error("f", "g", cause=_error("h")),
        _error("f", "g", context=_error("h")),
        _error("f", "g", members=(_error("h"), _error("i"))),
        replace(_error(), frames=(_frame("f", "other"), _frame("g"))),
    ]
    assert len({_of(info) for info in several}) == len(several)


def test_members_of_a_group_are_a_set() -> None:
    """Tasks fail in any order, and as many as were started."""
    first, second = _error("h"), _error("i")
    assert _of(_error("f", members=(first, second))) == _of(_error("f", members=(second, first, first)))


def test_recursion_errors_are_one_at_any_depth() -> None:
    """Where the stack ended is chance."""
    frames = tuple(_frame(name) for name in ("main", "a", "b", "a", "b", "a", "leaf"))
    at_another = tuple(_frame(name) for name in ("main", "a", "b", "a", "b", "a", "b", "helper"))
    info = ExceptionInfo("RecursionError", "", frames)
    assert _of(info) == _of(replace(info, frames=at_another))
    assert _of(info) != _of(replace(info, frames=(_frame("main"), _frame("c", repeats=900))))


def test_libraries_count_where_no_application_frame_is() -> None:
    """Without application frames, all frames tell."""
    library = replace(_error(), frames=(_frame("run", "lib", in_app=False),))
    other = replace(_error(), frames=(_frame("walk", "lib", in_app=False),))
    assert _of(library) != _of(other)


def test_record_is_known_by_logger_level_and_template() -> None:
    """The unformatted message counts, its arguments don't."""
    first = _of(template="order %s failed", message="order 5 failed")
    assert first == _of(template="order %s failed", message="order 6 failed")
    assert first != _of(template="order %s failed", message="order 5 failed", logger="other")
    assert first != _of(template="order %s failed", message="order 5 failed", levelno=50)


def test_formatted_message_is_normalised() -> None:
    """An f-string's variable parts are replaced."""
    assert _of(template="order 5 of 'bob'", message="order 5 of 'bob'") == _of(message="order 61 of 'eve'")


def test_answers_are_known_by_route_and_status_never_by_the_path() -> None:
    """A visitor who makes up paths makes no issues."""

    def answer(**changes: object) -> str:
        request = replace(Request("GET", "/orders/1", status=400), **changes)  # type: ignore[arg-type]
        return _of(kind="warning", logger="tocsin.answer", request=request, message=request.path)

    assert answer(route="/orders/<id>") == answer(route="/orders/<id>", path="/orders/2")
    assert answer(route="/orders/<id>") != answer(route="/users/<id>")
    assert answer(route="/orders/<id>") != answer(route="/orders/<id>", status=422)
    assert answer() == answer(path="/orders/x/../../etc/passwd")


def test_own_fingerprint_overrides_everything() -> None:
    """The caller's own identity wins."""
    assert _of(_error("f"), custom_fingerprint="x") == _of(custom_fingerprint="x", message="y")
    assert _of(custom_fingerprint="x") != _of(custom_fingerprint="y")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("order 55 failed after 3.5 s", "order <n> failed after <n> s"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "id <uuid>"),
        ("at 0x7f3a and deadbeef01", "at <hex> and <hex>"),
        ("mail bob@example.com", "mail <email>"),
        ("from 10.0.0.1 or 2001:db8::1", "from <addr> or <addr>"),
        ("no 'x y' in \"z\", don't", "no <str> in <str>, don't"),
        ("read /srv/a/b.txt and C:\\x\\y.txt", "read <path> and <path>"),
        ("GET https://h/x?y=1 now", "GET <url> now"),
        ("either/or, nothing", "either/or, nothing"),
    ],
)
def test_normalise_replaces_what_varies(text: str, normal: str) -> None:
    """Numbers, ids, addresses, quoted texts and paths become placeholders."""
    assert normalise(text) == normal


@given(st.text(alphabet="ab1'\"/.:@-x0<> \\f", max_size=60))
def test_normalise_never_raises_and_leaves_no_digit(text: str) -> None:
    """No number is left to tell occurrences apart."""
    assert not any(letter.isdigit() for letter in normalise(text))


TEXTS = st.text(max_size=5)


@given(
    st.lists(st.tuples(TEXTS, TEXTS), max_size=4, unique=True),
    st.lists(st.tuples(TEXTS, TEXTS), max_size=4, unique=True),
)
def test_different_frames_have_different_fingerprints(
    first: list[tuple[str, str]], second: list[tuple[str, str]]
) -> None:
    """No concatenation of names looks like another."""

    def of(pairs: list[tuple[str, str]]) -> str:
        return _of(replace(_error(), frames=tuple(_frame(name, module) for module, name in pairs)))

    if first and second:
        assert (of(first) == of(second)) == (first == second)
