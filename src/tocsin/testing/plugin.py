"""The pytest plugin: a test goes in; what it would have reported leaves, as the fixture `tocsin_events`.

pytest loads this file at every start, so it imports nothing but pytest; the rest comes with the fixture's first use.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from tocsin.testing.captured import Captured

__all__ = [
    "pytest_addoption",
    "pytest_configure",
    "pytest_runtest_call",
    "tocsin_events",
    "tocsin_settings",
]

_STRICT: Final = {
    "off": frozenset[str](),
    "errors": frozenset({"traceback", "error"}),
    "all": frozenset({"traceback", "error", "warning"}),
}
_CAPTURED: Final = pytest.StashKey["Captured"]()
_MARK: Final = "tocsin"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of pytest.ini or pyproject.toml."""
    parser.addini(
        "tocsin_strict",
        "fail every test with reports that no assertion of `tocsin_events` expects: off, errors or all",
        default="off",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known; where the option asks for it, have every test capture."""
    config.addinivalue_line(
        "markers",
        "tocsin(strict=..., **settings): settings of tocsin for `tocsin_events`; strict is off, errors or all",
    )
    if _strictness(config.getini("tocsin_strict")) != "off":
        config.pluginmanager.register(_EveryTest(), "tocsin-strict")


@pytest.fixture
def tocsin_settings() -> dict[str, Any]:
    """Return the settings that `tocsin_events` captures with; to be overridden in a conftest.py."""
    return {}


@pytest.fixture
def tocsin_events(request: pytest.FixtureRequest, tocsin_settings: dict[str, Any]) -> Iterator[Captured]:
    """Capture what the application would report during a test, log records from WARNING on too; send nothing."""
    from tocsin.testing.captured import captured_events

    with captured_events(logs=True, **{**tocsin_settings, **_marked(request.node)}) as captured:
        request.node.stash[_CAPTURED] = captured
        try:
            yield captured
        finally:
            del request.node.stash[_CAPTURED]
        _require_expected(request.node, captured)  # what fixtures reported while they were taken down


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Show the reports of a test that fails; fail one that has unexpected reports where that is asked for."""
    captured = item.stash.get(_CAPTURED, None)
    if captured is None:
        return (yield)
    captured.listen()  # a fixture may have configured logging anew
    try:
        result = yield
    except BaseException:
        if captured:
            item.add_report_section("call", "tocsin", captured.text())
        captured.clear()  # they are told; the test is not to fail a second time for them
        raise
    _require_expected(item, captured)
    return result


class _EveryTest:
    """Have every test capture, unless its mark says that it is not to."""

    @pytest.fixture(autouse=True)
    def _tocsin_captures(self, request: pytest.FixtureRequest) -> None:
        if _strict_of(request.node) != "off":
            request.getfixturevalue("tocsin_events")


def _require_expected(item: pytest.Item, captured: Captured) -> None:
    """Fail for reports that nobody expected; each is told once."""
    __tracebackhide__ = True
    kinds = _STRICT[_strict_of(item)]
    unexpected = [event for event in captured.unexpected() if event.kind in kinds]
    if not unexpected:
        return
    from tocsin.testing.expectations import told

    captured.clear()
    number = "a report" if len(unexpected) == 1 else f"{len(unexpected)} reports"
    pytest.fail(f"{number} that nothing expects (tocsin_strict)\n\n{told(unexpected)}", pytrace=False)


def _strict_of(item: pytest.Item) -> str:
    """Return what the nearest mark says, else the option."""
    for mark in item.iter_markers(_MARK):
        if "strict" in mark.kwargs:
            return _strictness(mark.kwargs["strict"])
    return _strictness(item.config.getini("tocsin_strict"))


def _marked(item: pytest.Item) -> dict[str, Any]:
    """Return the settings of all marks of a test; the nearest prevails."""
    found: dict[str, Any] = {}
    for mark in item.iter_markers(_MARK):
        found = {**mark.kwargs, **found}
    found.pop("strict", None)
    return found


def _strictness(value: object) -> str:
    if not isinstance(value, str) or value not in _STRICT:
        raise pytest.UsageError(f"tocsin_strict is off, errors or all, not {value!r}")
    return value
