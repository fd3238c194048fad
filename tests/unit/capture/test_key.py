"""Fault keys: the same fault has the same key, another one another, and nothing foreign runs."""

from __future__ import annotations

import copy
import gc
import threading
import weakref

import pytest

from tocsin.capture.key import fault_key, lasting_key, pins, record_key
from tocsin.event import limits


def _raised(function: object, *args: object) -> BaseException:
    try:
        function(*args)  # type: ignore[operator]
    except BaseException as exc:
        return exc
    raise AssertionError("nothing was raised")


def _fail(message: str) -> None:
    raise ValueError(message)


def _fail_elsewhere(message: str) -> None:
    raise ValueError(message)


def _either(is_first: bool) -> None:
    if is_first:
        raise ValueError
    raise ValueError


def _recurse() -> None:
    _recurse()


def _deeper(depth: int) -> None:
    if depth:
        _deeper(depth - 1)
    else:
        _recurse()


def test_same_place_has_the_same_key_whatever_the_message() -> None:
    """The message is no part of a fault."""
    first, second = fault_key(_raised(_fail, "a")), fault_key(_raised(_fail, "b"))
    assert first == second
    assert hash(first) == hash(second)


def test_other_function_line_type_and_cause_make_other_keys() -> None:
    """What is raised, where and because of what is the fault."""

    def caused() -> None:
        try:
            _fail("a")
        except ValueError as exc:
            raise ValueError from exc

    def because() -> None:
        try:
            _fail("a")
        except ValueError:
            raise KeyError from None

    excs = [
        *(_raised(_fail, "a"), _raised(_fail_elsewhere, "a"), _raised(_either, True), _raised(_either, False)),
        *(_raised(caused), _raised(because)),
    ]
    assert len({fault_key(exc) for exc in excs}) == len(excs)


def test_suppressed_context_does_not_count() -> None:
    """`raise … from None` hides what was being handled."""

    def hide(failing: object) -> None:
        try:
            failing("x")  # type: ignore[operator]
        except ValueError:
            raise KeyError from None

    assert fault_key(_raised(hide, _fail)) == fault_key(_raised(hide, _fail_elsewhere))


@pytest.mark.parametrize("start", [3, 150])
def test_recursion_error_has_one_key_at_any_depth(start: int) -> None:
    """How much stack was left is chance."""
    assert fault_key(_raised(_deeper, start)) == fault_key(_raised(_deeper, start + 7))


def test_recursion_below_the_limit_collapses() -> None:
    """Another depth of the same recursion is no other fault."""

    def count_down(number: int) -> None:
        if not number:
            raise ValueError
        count_down(number - 1)

    assert fault_key(_raised(count_down, 5)) == fault_key(_raised(count_down, 9))
    assert fault_key(_raised(count_down, 300)) == fault_key(_raised(count_down, 350))


def _nested(depth: int) -> object:
    found: object = threading.Lock()
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize("depth", [80, 3_000])
def test_who_called_a_library_that_recurs_is_in_the_key(depth: int) -> None:
    """It is at the other end of the stack, and in the fingerprint: TypeError and RecursionError of two callers."""

    def order() -> object:
        return copy.deepcopy(_nested(depth))

    def basket() -> object:
        return copy.deepcopy(_nested(depth))

    for key in (fault_key, lasting_key):
        assert key(_raised(order)) == key(_raised(order))
        assert key(_raised(order)) != key(_raised(basket))
    codes = [one for one in pins(_raised(order)) if not isinstance(one, type)]
    assert order.__code__ in codes


def test_a_cause_is_no_context_and_no_member() -> None:
    """Of a chain the cause counts, and what was merely handled does not."""

    def wrapped(how: str) -> None:
        try:
            _fail("x")
        except ValueError as fault:
            error = KeyError()
            if how == "cause":
                error.__cause__ = fault
            raise error  # noqa: B904

    def grouped(how: str) -> None:
        first, second = _raised(_fail, "x"), _raised(_fail_elsewhere, "x")
        if how == "cause":
            first.__cause__ = second
        raise BaseExceptionGroup("g", [first] if how == "cause" else [second, first])

    for function in (wrapped, grouped):
        for key in (fault_key, lasting_key):
            assert key(_raised(function, "cause")) == key(_raised(function, "cause"))
            assert key(_raised(function, "cause")) != key(_raised(function, "other"))


def test_cycles_and_long_chains_end() -> None:
    """An exception that is its own cause, and one with a thousand causes, cost a bounded amount."""
    loop = ValueError()
    loop.__cause__ = KeyError()
    loop.__cause__.__cause__ = loop
    assert len(pins(loop)) == 2
    chain = ValueError()
    for _ in range(1_000):
        chain, chain.__cause__ = ValueError(), chain
    assert len(fault_key(chain)) <= 3 * limits.CHAIN
    assert len(pins(chain)) == 1


def test_members_of_groups_count_within_bounds() -> None:
    """A group's members are part of the fault, a bounded number of them."""
    first = ExceptionGroup("g", [_raised(_fail, "a")])  # type: ignore[list-item]
    second = ExceptionGroup("g", [_raised(_fail_elsewhere, "a")])  # type: ignore[list-item]
    assert fault_key(first) != fault_key(second)
    wide = ExceptionGroup("g", [ValueError() for _ in range(1_000)])
    assert len(fault_key(wide)) <= 2 * limits.EXCEPTIONS


def test_no_foreign_code_runs() -> None:
    """Attributes, equality and hashes of a hostile exception are never asked."""

    def refuse(*_: object) -> None:
        raise RuntimeError("foreign code ran")

    class Meta(type):
        __eq__ = __hash__ = __getattribute__ = refuse  # type: ignore[assignment]

    namespace = dict.fromkeys(("__eq__", "__hash__", "__repr__", "__str__", "__getattribute__"), refuse)
    hostile = type.__new__(Meta, "Hostile", (ValueError,), namespace)

    def fail() -> None:
        raise type.__call__(hostile)

    assert fault_key(_raised(fail)) == fault_key(_raised(fail))


def test_key_keeps_code_but_neither_exception_nor_frame() -> None:
    """The key of a fault may live for hours; the values of the failed request may not."""

    class Value:
        pass

    value = Value()
    gone = weakref.ref(value)

    def fail(held: object) -> None:
        raise ValueError(held)

    exc = _raised(fail, value)
    key, kept = fault_key(exc), pins(exc)
    del exc, value
    gc.collect()
    assert gone() is None
    assert all(type(part) is int for part in key)
    assert any(code is fail.__code__ for code in kept)
    assert ValueError in kept


def test_record_keys_go_by_logger_level_and_template() -> None:
    """Formatted templates are known by what doesn't vary."""
    assert record_key("a", 40, "order %s") == record_key("a", 40, "order %s")
    assert record_key("a", 40, "order %s") != record_key("a", 30, "order %s")
    assert record_key("a", 40, "order 5", is_formatted=True) == record_key("a", 40, "order 6", is_formatted=True)
    assert record_key("a", 40, object()) == record_key("a", 40, object())
    assert record_key("a", 40, "x") != fault_key(ValueError())


def test_no_two_places_share_a_number() -> None:
    """An instruction's address is an id of its own: offsets of one code object don't reach into another's."""
    code = _either.__code__
    first, second = fault_key(_raised(_either, True)), fault_key(_raised(_either, False))
    assert first != second
    assert all(id(code) <= key[-1] < id(code) + code.__sizeof__() for key in (first, second))


def _compiled(source: str, file: str = "/templates/page.html") -> BaseException:
    space: dict[str, object] = {"__name__": "page"}
    exec(compile(source, file, "exec"), space)
    return _raised(space["block"])


def test_a_lasting_key_is_that_of_the_same_code_compiled_anew() -> None:
    source = "def block():\n    raise ValueError\n"
    first, second = _compiled(source), _compiled(source)
    assert fault_key(first) != fault_key(second)
    assert lasting_key(first) == lasting_key(second)


def test_other_places_files_types_and_causes_have_other_lasting_keys() -> None:
    sources = ["def block():\n    raise ValueError\n", "def block():\n\n    raise ValueError\n"]
    excs = [_compiled(source) for source in sources]
    excs += [_compiled(sources[0], "/templates/other.html"), _compiled("def block():\n    raise KeyError\n")]
    excs += [_raised(_fail, "a"), _raised(_fail_elsewhere, "a"), _raised(_either, True), _raised(_either, False)]
    assert len({lasting_key(exc) for exc in excs}) == len(excs)
    assert lasting_key(_raised(_deeper, 3)) == lasting_key(_raised(_deeper, 150))
