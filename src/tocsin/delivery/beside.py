"""A call that takes its time goes in; an awaitable of what it returns leaves, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tocsin.delivery.job import start_native_thread

__all__ = ["beside_loop"]

_T = TypeVar("_T")


async def beside_loop(call: Callable[[], _T]) -> _T:
    """Run ``call`` in a thread of its own; return what it returns, or raise what it raises.

    Not by `asyncio.to_thread`: the executor that it uses may be full of the application's work.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, fault: BaseException | None) -> None:
        if future.done():  # whoever waited was cancelled
            return
        if fault is not None:
            future.set_exception(fault)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, fault = None, None
        try:
            result = call()
        except BaseException as raised:  # noqa: BLE001 - it leaves where it is awaited
            fault = raised
        try:
            loop.call_soon_threadsafe(settle, result, fault)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    start_native_thread(run, lambda: None)
    return await future
