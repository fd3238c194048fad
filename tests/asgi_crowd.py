"""Many requests at once, in one process: an ASGI application goes in; what was told of a wrong request leaves.

Each request reports on its own account from a task, from a worker thread and by itself, then fails; `crowd` sends them
all before any has been answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import tocsin
from tocsin.event.model import Event

__all__ = ["CROWD", "busy", "crowd", "strays"]

CROWD = 300

_gate: dict[str, Any] = {}


class Lost(Exception):
    """What each request fails with; its number tells whose it is."""


async def busy(number: int) -> None:
    """Wait for all others; report from a task, a thread, and from here; fail."""
    if _gate.setdefault("waiting", 0) == 0:
        _gate["open"] = asyncio.Event()
    _gate["waiting"] += 1
    if _gate["waiting"] == CROWD:
        _gate["open"].set()
        _gate["waiting"] = 0
    await _gate["open"].wait()
    await asyncio.sleep(number % 7 / 1000)
    await asyncio.gather(asyncio.create_task(_in_task(number)), asyncio.to_thread(_say, "thread", number))
    _say("handler", number)
    raise type(f"Lost{number}", (Lost,), {})(f"lost {number}")


async def _in_task(number: int) -> None:
    await asyncio.sleep(0)
    _say("task", number)


def _say(where: str, number: int) -> None:
    # One fault each, else all but the first few would only be counted.
    tocsin.report(message=f"{where} {number}", fingerprint=f"{where} {number}")


def crowd(app: Any) -> dict[int, str]:
    """Ask for /busy/0 and on, all at once; return the error id of each answer, "" without one."""
    return asyncio.run(_crowd(app))


async def _crowd(app: Any) -> dict[int, str]:
    import httpx

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop", timeout=60) as client:
        answers = await asyncio.gather(*(client.get(f"/busy/{number}") for number in range(CROWD)))
    return {number: answer.headers.get("x-error-id", "") for number, answer in enumerate(answers)}


def strays(events: Iterable[Event], ids: dict[int, str]) -> list[str]:
    """Return what is amiss: events of another request than their own, answers with another's id, what is missing."""
    found: dict[int, dict[str, str]] = {number: {} for number in ids}
    amiss = []
    for event in events:
        words = event.message.rpartition(": ")[2].split()
        number = int(words[1])
        if event.request is None or event.request.path != f"/busy/{number}":
            amiss.append(f"{event.message}: told of {event.request and event.request.path}")
        found[number][words[0]] = event.error_id
    for number, error_id in ids.items():
        if sorted(found[number]) != ["handler", "lost", "task", "thread"]:
            amiss.append(f"of {number} only {sorted(found[number])}")
        if not error_id or error_id not in found[number].values():
            amiss.append(f"{number} was answered with {error_id or 'no id'}")
    return amiss
