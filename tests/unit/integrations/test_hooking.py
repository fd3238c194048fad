"""The interpreter's hooks: chained to what was there, given back at the end, and never in the way of its printing."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import tocsin
from tocsin.integrations.hooks import hook
from tocsin.testing import Captured, captured_events

PLACES = {"sys": (sys, "excepthook"), "threading": (threading, "excepthook"), "unraisable": (sys, "unraisablehook")}


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Put hooks of somebody's own in all places, which write down their calls, and return those."""
    found: list[tuple[Any, ...]] = []

    def recorder(name: str) -> Callable[..., str]:
        def recorded(*args: Any) -> str:
            found.append((name, *args))
            return f"what {name} returned"

        return recorded

    for name, (module, attribute) in PLACES.items():
        monkeypatch.setattr(module, attribute, recorder(name))
    return found


@pytest.fixture
def events(calls: list[tuple[Any, ...]]) -> Iterator[Captured]:
    with captured_events() as captured:
        yield captured


def raised(fault: BaseException) -> BaseException:
    try:
        raise fault
    except BaseException as caught:
        return caught


def test_a_scripts_end_is_reported_and_whoever_was_hooked_is_called_alike(
    events: Captured, calls: list[tuple[Any, ...]]
) -> None:
    hook(events.reporter.intake, ["sys"])
    fault = raised(KeyError("k"))
    arguments = (KeyError, fault, fault.__traceback__)
    assert sys.excepthook(*arguments) == "what sys returned"
    assert calls == [("sys", *arguments)]
    assert all(got is given for got, given in zip(calls[0][1:], arguments, strict=True))
    assert events.assert_one(KeyError).kind == "traceback"


@pytest.mark.parametrize("end", [SystemExit(3), KeyboardInterrupt()])
def test_what_ends_a_program_in_order_is_passed_on_only(
    events: Captured, calls: list[tuple[Any, ...]], end: BaseException
) -> None:
    hook(events.reporter.intake, PLACES)
    sys.excepthook(type(end), raised(end), None)
    threading.excepthook(SimpleNamespace(exc_value=raised(end)))  # type: ignore[arg-type]
    assert [call[0] for call in calls] == ["sys", "threading"]
    assert not events


def test_a_threads_end_is_reported_with_its_name(events: Captured, calls: list[tuple[Any, ...]]) -> None:
    hook(events.reporter.intake, ["threading"])
    thread = threading.Thread(target=lambda: {}["missing"], name="importer")
    thread.start()
    thread.join()
    event = events.assert_one(KeyError)
    assert event.thread == "importer"
    assert [(name, args.thread) for name, args in calls] == [("threading", thread)]


def test_what_a_finalizer_raises_is_reported_with_where(events: Captured, calls: list[tuple[Any, ...]]) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError("in a finalizer")

    hook(events.reporter.intake, ["unraisable"])
    Broken()
    event = events.assert_one(ValueError)
    assert event.fields == {
        "ignored": "Exception ignored in",
        "ignored_in": f"{__name__}.{Broken.__del__.__qualname__}",
    }
    assert calls[0][1].exc_value.args == ("in a finalizer",)


def test_an_unraisable_without_an_exception_object_is_passed_on(events: Captured, calls: list[tuple[Any, ...]]) -> None:
    hook(events.reporter.intake, ["unraisable"])
    nothing = SimpleNamespace(exc_type=ValueError, exc_value=None, exc_traceback=None, err_msg=None, object=None)
    sys.unraisablehook(nothing)  # type: ignore[arg-type]
    assert calls == [("unraisable", nothing)]
    assert not events


def test_an_object_that_a_finalizer_brought_back_is_not_kept(events: Captured, calls: list[tuple[Any, ...]]) -> None:
    ends = []

    class Lasting:
        def __del__(self) -> None:
            ends.append(1)
            raise ValueError("in a finalizer")

    hook(events.reporter.intake, ["unraisable"])
    Lasting()
    calls.clear()  # which holds the exception, and so the frame, and so the object
    events.clear()
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is Lasting]
    assert ends == [1]


def test_what_a_block_reported_is_not_reported_again_at_the_end_however_late(
    events: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tocsin.intake import mark

    hook(events.reporter.intake, ["sys"])
    try:
        with events.reporter.watch("import"):
            raise KeyError("k")
    except KeyError as caught:
        fault = caught
    moment = mark.time.monotonic()
    monkeypatch.setattr(mark.time, "monotonic", lambda: moment + 60)
    sys.excepthook(KeyError, fault, fault.__traceback__)
    events.assert_one(KeyError)


def test_one_object_that_ends_thread_after_thread_is_as_many_occurrences(events: Captured) -> None:
    hook(events.reporter.intake, ["threading"])
    fault = KeyError("one for all")

    def fall() -> None:
        raise fault

    for _ in range(3):
        thread = threading.Thread(target=fall)
        thread.start()
        thread.join()
    events.assert_times(3, KeyError)


def test_close_gives_the_hooks_back(events: Captured) -> None:
    before = {name: getattr(*place) for name, place in PLACES.items()}
    hook(events.reporter.intake, PLACES)
    assert all(getattr(*place) is not before[name] for name, place in PLACES.items())
    events.reporter.close()
    assert {name: getattr(*place) for name, place in PLACES.items()} == before


def test_close_leaves_ours_in_the_chain_where_somebody_hooked_on_top(
    events: Captured, calls: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(events.reporter.intake, ["sys"])
    ours = sys.excepthook
    order = []

    def on_top(*args: Any) -> None:
        order.append("on top")
        ours(*args)
        order.append(f"then {calls[-1][0]}")

    monkeypatch.setattr(sys, "excepthook", on_top)
    events.reporter.close()
    assert sys.excepthook is on_top
    sys.excepthook(KeyError, raised(KeyError("k")), None)
    assert order == ["on top", "then sys"]
    assert not events


class Intake:
    """As much of an intake as hooks use."""

    settings = SimpleNamespace(mode="production")

    def __init__(self) -> None:
        self.undo: list[Callable[[], None]] = []
        self.on_close = self.undo.append
        self.told: list[BaseException] = []

    def exception(self, exc: BaseException, **_: Any) -> None:
        self.told.append(exc)

    def close(self) -> None:
        while self.undo:
            self.undo.pop()()


def test_hooking_twice_reports_once_and_the_later_reporter_counts(calls: list[tuple[Any, ...]]) -> None:
    before, first, later = sys.excepthook, Intake(), Intake()
    hook(first, ["sys"])  # type: ignore[arg-type]
    hook(first, ["sys"])  # type: ignore[arg-type]
    hook(later, ["sys"])  # type: ignore[arg-type]
    sys.excepthook(KeyError, raised(KeyError("k")), None)
    assert (len(first.told), len(later.told), len(calls)) == (0, 1, 1)
    first.close()
    assert sys.excepthook is not before
    later.close()
    assert sys.excepthook is before


def test_what_the_one_before_raises_leaves_as_it_would(events: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any) -> None:
        raise OSError("no screen")

    monkeypatch.setattr(sys, "excepthook", broken)
    hook(events.reporter.intake, ["sys"])
    with pytest.raises(OSError, match="no screen"):
        sys.excepthook(KeyError, raised(KeyError("k")), None)
    events.assert_one(KeyError)


@pytest.mark.complaints
def test_a_fault_of_ours_keeps_nobody_from_being_called(
    events: Captured, calls: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hook(events.reporter.intake, PLACES)

    def fail(*_args: Any, **_named: Any) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(events.reporter.intake, "exception", fail)
    sys.excepthook(KeyError, raised(KeyError("k")), None)
    threading.excepthook(SimpleNamespace(exc_value=raised(KeyError("k"))))  # type: ignore[arg-type]
    sys.unraisablehook(object())  # type: ignore[arg-type]
    assert [call[0] for call in calls] == ["sys", "threading", "unraisable"]
    assert "an exception could not be reported" in capsys.readouterr().err


def test_a_console_reports_none_of_what_is_typed(events: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    hook(events.reporter.intake, ["sys"])
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    sys.excepthook(KeyError, raised(KeyError("k")), None)
    assert not events


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (True, ("sys", "threading", "unraisable")),
        (False, ()),
        ("true", ("sys", "threading", "unraisable")),
        (["unraisable", "sys"], ("sys", "unraisable")),
        ("threading", ("threading",)),
    ],
)
def test_the_setting_takes_true_or_names(written: Any, names: tuple[str, ...], tmp_path: Any) -> None:
    before = {name: getattr(*place) for name, place in PLACES.items()}
    reporter = tocsin.setup({"application": "shop", "spool": str(tmp_path), "hooks": written})
    assert reporter.settings.hooks == names
    assert [name for name, place in PLACES.items() if getattr(*place) is not before[name]] == list(names)
    reporter.close()
    assert {name: getattr(*place) for name, place in PLACES.items()} == before


def test_an_unknown_hook_is_a_config_error(tmp_path: Any) -> None:
    with pytest.raises(
        tocsin.ConfigError, match="hooks must be true, false or a list of some of sys, threading, unraisable"
    ):
        tocsin.setup({"application": "shop", "spool": str(tmp_path), "hooks": ["asyncio"]})


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_nothing_is_hooked(mode: str, tmp_path: Any) -> None:
    before = {name: getattr(*place) for name, place in PLACES.items()}
    tocsin.setup({"application": "shop", "spool": str(tmp_path), "hooks": True, "mode": mode})
    assert {name: getattr(*place) for name, place in PLACES.items()} == before
