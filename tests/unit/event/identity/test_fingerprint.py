"""Fingerprints: what is one fault, and what is another."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event.identity.fingerprint import circumstance, explain, fingerprint, former
from tocsin.event.identity.wording import normalise
from tocsin.event.model import Event, ExceptionInfo, Frame, Request, Task

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
    assert re.fullmatch(r"v2:[0-9a-f]{32}", _of(_error("f")))
    assert _of(_error("f", "g")) == "v2:95be9a192498482aff01dc2581b52ab7"
    assert former(_event(_error("f", "g"))) == ("v1:85c6f7e0a8e7ce243ac576e28eb3c38d",)


@pytest.mark.parametrize(
    "other",
    [
        _error("f", "g", message="another"),
        _error("f", "g", notes=("n",)),
        replace(_error(), frames=(_frame("f", line=9, file="/elsewhere.py", source="x"), _frame("g", column=3))),
        replace(_error(), frames=(_frame("f"), _frame("<listcomp>"), _frame("g", repeats=7))),
        replace(_error(), frames=(_frame("f"), _frame("f"), _frame("g"))),
        replace(_error(), frames=(_frame("g"), *(_frame("g" + ".<locals>.<listcomp>" * n) for n in (1, 2)))),
        replace(_error(), frames=(_frame("run", "lib", in_app=False), _frame("f"), _frame("g"))),
        ExceptionInfo("ExceptionGroup", "1 sub-exception", (_frame("x"),), members=(_error("f", "g"),)),
    ],
)
def test_is_the_same_for_the_same_fault(other: ExceptionInfo) -> None:
    """Message, notes, lines, paths, comprehensions, repeats, libraries and a group of one don't matter."""
    assert _of(other) == _of(_error("f", "g"))


def test_differs_by_type_place_and_what_failed() -> None:
    """What is raised, where, and by which expression matters."""
    several = [
        _error("f", "g"),
        _error("f"),
        _error("fg"),
        _error("f", "g", type="KeyError"),
        _error("f", "g", cause=_error("h")),
        _error("f", "g", members=(_error("h"), _error("i"))),
        replace(_error(), frames=(_frame("f"), _frame("g", "other"))),
        replace(_error(), frames=(_frame("f"), _frame("g", operation="_0.name"))),
        replace(_error(), frames=(_frame("f"), _frame("g", operation="_0.title"))),
    ]
    assert len({_of(info) for info in several}) == len(several)


def test_who_calls_does_not_matter_but_where_something_is_refused() -> None:
    """A fault is one, whichever page comes upon it; a check that does its work is its callers'."""

    def called(by: str, operation: str) -> str:
        return _of(replace(_error(), frames=(_frame("main"), _frame(by), _frame("g", operation=operation))))

    assert called("page", "_0[#1]") == called("script", "_0[#1]")
    assert called("page", "refuses raise ValueError if _0") != called("script", "refuses raise ValueError if _0")
    assert called("page", "hands on loads(_0)") != called("script", "hands on loads(_0)")


def test_value_of_a_wrong_kind_is_its_givers() -> None:
    """A helper that is given None by one page, and a number by another, has two faults; a missing key is its own."""

    def called(by: str, type: str) -> str:
        frames = (_frame(by), _frame("g", operation="uses _0[#1]"))
        return _of(replace(_error(), type=type, frames=frames))

    assert called("page", "TypeError") != called("script", "TypeError")
    assert called("page", "KeyError") == called("script", "KeyError")
    named = [replace(_error(), type="TypeError", frames=(_frame(by), _frame("g", operation="uses.it"))) for by in "ab"]
    assert _of(named[0]) == _of(named[1])  # a name of the application's that begins like a word of ours


def test_cause_that_was_caught_where_it_was_raised_has_the_callers_of_what_became_of_it() -> None:
    """Its own traceback begins where it was caught."""
    guard = _frame("g", operation="refuses raise ValueError if _0")
    bare = replace(_error(), frames=(_frame("main"), _frame("page"), guard))
    cause = replace(bare, frames=(guard,))
    again = _frame("g", operation="raise Failed except Exception")
    for wrapped in (
        replace(_error(type="Failed", cause=cause), frames=(_frame("main"), _frame("page"), again)),
        replace(_error(type="ExceptionGroup", members=(cause,)), frames=(_frame("main"), _frame("page"), again)),
    ):
        assert _of(wrapped) == _of(bare)


def test_what_hands_on_is_passed_over() -> None:
    """A decorator that came along is nothing to mend."""
    around = _frame("timed.<locals>.around", operation="hands on function(*_0,**_1)")
    guard = _frame("g", operation="refuses raise ValueError if _0")
    for inner in (_frame("g"), guard):
        bare = replace(_error(), frames=(_frame("f"), inner))
        assert _of(bare) == _of(replace(bare, frames=(_frame("f"), around, inner)))
    only = replace(_error(), frames=(around,))
    assert _of(only) != _of(_error("g"))


def test_of_a_chain_the_cause_counts_and_of_a_handler_that_fails_the_handler() -> None:
    """What a layer makes of an error is not what is to be mended."""
    cause = _error("f", "g")
    assert _of(_error("f", type="shop.Failed", cause=cause)) == _of(cause)
    assert _of(_error("h", context=cause)) == _of(_error("h"))


def test_cause_within_a_library_is_the_librarys_own() -> None:
    """A driver's error below an ORM's: what the application was told is what counts."""
    inner = replace(_error(type="sqlite3.Error"), frames=(_frame("execute", "orm", in_app=False),))
    outer = replace(_error(type="orm.Error", cause=inner), frames=(_frame("f"), _frame("flush", "orm", in_app=False)))
    assert _of(outer) == _of(replace(outer, cause=None))
    assert explain(_event(outer))[0].value == "orm.Error"


def test_without_own_code_the_view_the_task_or_the_message_tells() -> None:
    """Two views that return nothing fail in the framework alone."""
    info = replace(_error(), frames=(_frame("check", "lib", in_app=False),))

    def asked(endpoint: str | None) -> str:
        return _of(info, request=Request("GET", "/", endpoint=endpoint))

    assert asked("orders") != asked("users")
    assert asked("orders") == _of(replace(info, message="x"), request=Request("GET", "/2", endpoint="orders"))
    assert _of(info, task=Task("nightly")) != _of(info, task=Task("hourly"))
    assert _of(replace(info, message="no 5")) == _of(replace(info, message="no 7")) != _of(info)
    assert circumstance(_event(info, task=Task("nightly"))) == "nightly"
    nowhere = Request("GET", "/", route="", endpoint="")  # a framework that knows of no route may say so
    assert circumstance(_event(info, task=Task("nightly"), request=nowhere)) == "nightly"
    assert circumstance(_event(_error("f"))) is None


def test_place_that_an_exception_names_is_what_is_mended() -> None:
    """A file that is no Python: whoever imports it."""
    broken = Frame("", "", "/srv/shop/broken.py", 3)
    assert _of(_error("f", place=broken)) == _of(_error("g", place=broken))


def test_of_a_file_that_is_run_both_former_fingerprints_are_known() -> None:
    """Version 1 called it ``__main__``."""

    def of(module: str) -> Event:
        frames = (_frame("<module>", module), _frame("f", module))
        return _event(replace(_error(cause=_error("g")), type=f"{module}.Bad", frames=frames))

    assert former(of("report"))[1] == former(of("__main__"))[0] != former(of("report"))[0]
    assert len(former(_event(_error("f")))) == 1


def test_explanation_has_all_that_enters_and_a_reason_for_each() -> None:
    """`tocsin explain` shows it."""
    parts = explain(_event(_error("f", "g")))
    assert [(part.name, part.value) for part in parts] == [("type", "ValueError"), ("function", "shop.g")]
    assert all(part.reason for part in parts)


def test_members_of_a_group_are_a_set() -> None:
    """Tasks fail in any order, and as many as were started."""
    first, second = _error("h"), _error("i")
    assert _of(_error("f", members=(first, second))) == _of(_error("f", members=(second, first, first)))
    told = {part.reason.rpartition(": ")[2] for part in explain(_event(_error("f", members=(first, second))))}
    assert told == {"ValueError, shop.h", "ValueError, shop.i"}  # a digest says nothing to a reader


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


def test_two_calls_that_say_the_same_are_two_and_a_call_is_one_however_it_is_formatted() -> None:
    """Where it is logged counts, not by which line; and `%s` fills in what `{}` does."""

    def logged(template: str, location: str) -> str:
        return _of(template=template, message="order 5 failed", location=location)

    assert logged("order %s failed", "shop.pay:5") == logged("order {} failed", "shop.pay:9")
    assert logged("order %s failed", "shop.pay:5") != logged("order %s failed", "shop.refund:5")


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


@given(st.tuples(TEXTS, TEXTS), st.tuples(TEXTS, TEXTS))
def test_different_places_have_different_fingerprints(first: tuple[str, str], second: tuple[str, str]) -> None:
    """No operation looks like a part of a function's name."""

    def of(pair: tuple[str, str]) -> str:
        function, operation = pair
        return _of(replace(_error(), frames=(_frame(f"f{function}", operation=f"o{operation}"),)))

    assert (of(first) == of(second)) == (first == second)
