"""One play: its line goes in, and what was seen while it was played leaves.

``GET /path``, ``POST /path body`` ask a web application; ``module:expression`` is called, awaited if need be;
``thread``, ``pool`` and ``taskgroup`` before it say where; ``run file words`` and ``module name words`` are a script's
ways.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import io
import logging
import os
import runpy
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import webs

from stage import Seen, Stage

__all__ = ["played", "prepared"]


def prepared(kind: str, app: str) -> None:
    """Do what a framework needs once per process and application."""
    if kind == "django":
        import django
        from django.conf import settings

        if not settings.configured:
            settings.configure(
                SECRET_KEY="x",
                ALLOWED_HOSTS=["*"],
                DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
                TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
                INSTALLED_APPS=[app],
                LOGGING_CONFIG=None,
            )
            django.setup()


def played(said: dict[str, Any]) -> list[Seen]:
    stage = Stage()
    handler = stage.handler()
    logging.root.addHandler(handler)
    try:
        with _celery_heard(stage, said["kind"]), contextlib.redirect_stdout(io.StringIO()):
            _play(stage, said)
    finally:
        logging.root.removeHandler(handler)
    return stage.seen


def _play(stage: Stage, said: dict[str, Any]) -> None:
    line = said["play"]
    if line.startswith(("GET ", "POST ")):
        webs.asked(stage, said["kind"], said["app"], line, said["front"])
        return
    how, _, rest = line.partition(" ")
    if how in ("run", "module"):
        _guarded(stage, lambda: _script(how, *rest.split()))
        return
    if how not in _WAYS:
        how, rest = "call", line
    module, _, expression = rest.partition(":")
    names = vars(importlib.import_module(module))
    if said["prelude"]:
        exec(compile(said["prelude"], "<prelude>", "exec"), names)
    code = compile(expression, "<play>", "eval")
    _WAYS[how](stage, lambda: eval(code, names))


def _guarded(stage: Stage, work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as exc:
        stage.exception(exc)


def _call(stage: Stage, work: Callable[[], Any]) -> None:
    def called() -> None:
        found = work()
        if inspect.isawaitable(found):
            asyncio.run(_awaited(found))

    _guarded(stage, called)


async def _awaited(found: Any) -> None:
    await found


def _thread(stage: Stage, work: Callable[[], Any]) -> None:
    previous = threading.excepthook
    threading.excepthook = lambda told: stage.exception(told.exc_value) if told.exc_value is not None else None
    try:
        thread = threading.Thread(target=lambda: _call_through(work))
        thread.start()
        thread.join()
    finally:
        threading.excepthook = previous


def _call_through(work: Callable[[], Any]) -> None:
    found = work()
    if inspect.isawaitable(found):
        asyncio.run(_awaited(found))


def _pool(stage: Stage, work: Callable[[], Any]) -> None:
    with ThreadPoolExecutor(1) as pool:
        _guarded(stage, pool.submit(_call_through, work).result)


def _taskgroup(stage: Stage, work: Callable[[], Any]) -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_awaited(work()))

    _guarded(stage, lambda: asyncio.run(main()))


_WAYS: dict[str, Callable[[Stage, Callable[[], Any]], None]] = {
    "call": _call,
    "thread": _thread,
    "pool": _pool,
    "taskgroup": _taskgroup,
}


def _script(how: str, name: str, *words: str) -> None:
    before = sys.argv
    sys.argv = [name, *words]
    try:
        if how == "module":
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(os.path.join(sys.path[0], name), run_name="__main__")  # noqa: PTH118
    except SystemExit:
        pass
    except BaseException as exc:
        if how == "run":  # `python file` has no frames of runpy's
            entry = exc.__traceback__
            while entry is not None and entry.tb_frame.f_globals.get("__name__") != "__main__":
                entry = entry.tb_next
            exc.__traceback__ = entry
        raise
    finally:
        sys.argv = before


@contextlib.contextmanager
def _celery_heard(stage: Stage, kind: str) -> Any:
    if kind != "celery":
        yield
        return
    from celery.signals import task_failure

    def failed(sender: Any = None, exception: BaseException | None = None, **_: Any) -> None:
        stage.request = {"transaction": sender.name, "task": sender.name}
        if exception is not None:
            stage.exception(exception)

    task_failure.connect(failed, weak=False)
    try:
        yield
    finally:
        task_failure.disconnect(failed)
