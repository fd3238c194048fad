"""What is to be reached: results go in; for each target what was measured, and whether it is reached, leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from results import Results, Spread
from wording import in_mb, in_us

__all__ = ["TARGETS", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """Hold one target. ``measured`` returns None where it wasn't measured."""

    what: str
    limit: float
    measured: Callable[[Results], float | None]
    say: Callable[[float], str]
    profile: str = ""  # shown where the target isn't reached


def _median(spread: Spread | None) -> float | None:
    return None if spread is None else spread.median


def _over(measure: str, variant: str, base: str, figure: str) -> Callable[[Results], float | None]:
    return lambda results: _median(results.over(measure, variant, base, figure))


def _ratio(measure: str, variant: str, yardstick: str, base: str, figure: str) -> Callable[[Results], float | None]:
    def measured(results: Results) -> float | None:
        ours = results.over(measure, variant, base, figure)
        theirs = results.over(measure, yardstick, base, figure)
        return None if ours is None or theirs is None else ours.median / theirs.median

    return measured


def _latency(worker: str) -> Callable[[Results], float | None]:
    def measured(results: Results) -> float | None:
        ours = results.of("latency", f"delivering, {worker}", "p99_ms")
        idle = results.of("latency", f"idle, {worker}", "p99_ms")
        return None if ours is None or idle is None else ours.median / idle.median

    return measured


def _resident(who: str) -> Callable[[Results], float | None]:
    def measured(results: Results) -> float | None:
        ours = results.of("memory", "tocsin", f"{who}_rss_kb")
        without = results.of("memory", "without", "worker_rss_kb")
        return None if ours is None or without is None else ours.median - without.median

    return measured


def _storm(figure: str, faults: str = "one fault") -> Callable[[Results], float | None]:
    return lambda results: _median(results.of("storm", f"tocsin, 20,000 of {faults}", figure))


def _times(value: float) -> str:
    return f"{value:.2f} ×"


TARGETS: Final = (
    Target("a WSGI request that succeeds, list", 550, _over("wsgi", "tocsin, list", "bare, list", "ns"), in_us, "wsgi"),
    Target(
        "a WSGI request that succeeds, generator",
        550,
        _over("wsgi", "tocsin, generator", "bare, generator", "ns"),
        in_us,
        "wsgi-generator",
    ),
    Target("an ASGI request that succeeds", 750, _over("asgi", "tocsin", "bare", "ns"), in_us),
    Target(
        "full event, of `format_exc()`",
        0.2,
        _ratio("event", "tocsin", "format_exc", "raise", "thread_ns"),
        _times,
        "event",
    ),
    Target(
        "full event with locals, of `format_exc()`",
        0.5,
        _ratio("event", "tocsin, locals", "format_exc", "raise", "thread_ns"),
        _times,
        "locals",
    ),
    Target("known fault again", 12_000, _over("known", "tocsin", "raise", "thread_ns"), in_us, "known"),
    Target("p99 while a backlog is delivered, of an idle leader's", 1.2, _latency("busy half the time"), _times),
    Target("the same in a saturated worker, which delivers slowly", 1.2, _latency("saturated"), _times),
    Target("storm of 20,000 of one fault: memory over idle", 2 * 1024, _storm("grown_kb"), in_mb),
    Target("storm of 20,000 of one fault: disk", 5 * 1024, _storm("disk_kb"), in_mb),
    Target("storm of 20,000 of 50 faults: memory over idle", 2 * 1024, _storm("grown_kb", "50 faults"), in_mb),
    Target("storm of 20,000 of 50 faults: disk", 5 * 1024, _storm("disk_kb", "50 faults"), in_mb),
    Target(
        "`import tocsin` (what it needs is loaded by `setup`, below), of importing `logging` and `json`",
        1.5,
        _ratio("imports", "tocsin", "logging and json", "nothing", "cpu_ms"),
        _times,
    ),
    Target("resident memory, worker", 3 * 1024, _resident("worker"), in_mb),
    Target("resident memory, leader", 10 * 1024, _resident("leader"), in_mb),
)
