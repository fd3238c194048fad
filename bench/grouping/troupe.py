"""The runner: variants go in; each is played in a process under its Python, and what was captured of it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from variation import Variant

__all__ = ["Occurrence", "Result", "beside", "interpreter", "perform"]

_HERE: Final = Path(__file__).parent
_ROOT: Final = _HERE.parents[1]
_TIMEOUT_S: Final = 600  # of a batch; a single play ends itself long before
_AT_ONCE: Final = 2
# Every release of an application lies in the same place, unless it is the place that varies: a path by which each
# process has a folder of its own. Without such a path (outside Linux) releases lie in several places.
_HOME: Final = Path("/proc/self/cwd")
_BATCH: Final = 150  # variants that one process plays
# What is imported before the forks; each must be there for the variants of that kind to be played.
_LIBRARIES: Final = {
    "wsgi": ("werkzeug.routing", "sqlite3"),
    "flask": ("flask", "sqlalchemy.orm", "sqlalchemy.dialects.sqlite", "asgiref.sync"),
    "django": (
        *("django", "django.db.models", "django.db.backends.sqlite3.base", "django.db.backends.sqlite3.schema"),
        *("django.core.handlers.wsgi", "django.template.backends.django", "django.template.loader_tags"),
        *("django.template.defaultfilters", "django.middleware.common", "django.views", "django.shortcuts"),
        *("django.apps", "django.conf.urls", "django.core.management", "django.templatetags.i18n"),
    ),
    "asgi": ("fastapi", "fastapi.routing", "starlette.middleware.base", "anyio._backends._asyncio", "jinja2"),
    "celery": ("celery", "celery.app.trace", "celery.backends.cache", "kombu.transport.memory", "email.policy"),
    "plain": ("asyncio", "csv", "html.parser", "statistics", "concurrent.futures.thread"),
}
# What other Pythons lack of it is in folders that `run.py --prepare` filled.
_BESIDE: Final = _ROOT / ".bench" / "grouping"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Hold what was captured of one variant: tocsin's key, and the facts for the rules of others."""

    family: str
    variant: str
    key: str
    facts: dict[str, Any]


@dataclass(slots=True)
class Result:
    """Hold everything that was captured; ``failed`` tells what was to be played and was not captured once.

    ``left_out`` are variants for a Python, or a library under it, that is not there.
    """

    occurrences: list[Occurrence]
    failed: dict[str, str]
    left_out: dict[str, str]


def perform(variants: Sequence[Variant]) -> Result:
    """Play all variants; every one of them is in the result, captured or with the reason why not."""
    result = Result([], {}, {})
    with tempfile.TemporaryDirectory(prefix="grouping-") as folder:
        batches: dict[tuple[str, str], list[int]] = {}
        for number, variant in enumerate(variants):
            batches.setdefault((variant.python, variant.application.kind), []).append(number)
        pieces = [(how, some[at : at + _BATCH]) for how, some in batches.items() for at in range(0, len(some), _BATCH)]
        roots = _roots(variants, Path(os.path.realpath(folder)))
        waiting = sorted(pieces, key=lambda piece: -len(piece[1]))
        lock = threading.Lock()
        answers: dict[int, dict[str, Any]] = {}

        def work() -> None:
            while True:
                with lock:
                    if not waiting:
                        return
                    (python, kind), numbers = waiting.pop(0)
                found = _batch(python, kind, [_order(n, variants[n], roots[n]) for n in numbers])
                with lock:
                    answers.update(found)

        workers = [threading.Thread(target=work) for _ in range(_AT_ONCE)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    for number, variant in enumerate(variants):
        _sort(result, variant, answers.get(number, {"failed": "no answer"}))
    return result


def _sort(result: Result, variant: Variant, answer: dict[str, Any]) -> None:
    name = f"{variant.family.name} / {variant.name}"
    if "missing" in answer:
        result.left_out[name] = answer["missing"]
    elif "failed" in answer:
        result.failed[name] = answer["failed"]
    else:
        result.occurrences.append(Occurrence(variant.family.name, variant.name, answer["key"], answer["facts"]))


def _roots(variants: Sequence[Variant], folder: Path) -> list[str]:
    """Write the sources of each variant, the same ones once; return the folder that each one's place is in."""
    known: dict[tuple[Any, ...], str] = {}
    roots = []
    for variant in variants:
        place = _place(variant)
        key = (variant.application.name, place, *sorted(variant.sources.items()))
        if key not in known:
            root = folder / str(len(known)) / place
            for name, text in variant.sources.items():
                file = root / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            known[key] = str(folder / str(len(known)))
        roots.append(known[key])
    return roots


def _place(variant: Variant) -> str:
    return variant.place or "home"


def _order(number: int, variant: Variant, root: str) -> dict[str, Any]:
    application, family = variant.application, variant.family
    return {
        "number": number,
        "folder": root,
        "root": str(_HOME / _place(variant)) if _HOME.exists() else str(Path(root, _place(variant))),
        "kind": application.kind,
        "app": application.app,
        "app_prelude": application.prelude,
        "play": variant.play,
        "prelude": variant.prelude,
        "front": variant.front,
        "seen": family.seen,
    }


def _batch(python: str, kind: str, orders: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Play orders in one process of a Python; return the answers by number."""
    command = interpreter(python)
    if command is None:
        return _all(orders, {"missing": f"no Python {python} with tocsin"})
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN_", "PYTHON"))}
    environ |= {"PYTHONPATH": os.pathsep.join([str(_ROOT / "src"), str(beside(python))]), "PYTHONHASHSEED": "random"}
    try:
        done = subprocess.run(
            [*command, str(_HERE / "child.py"), *_LIBRARIES[kind]],
            input="".join(json.dumps(order) + "\n" for order in orders),
            env=environ,
            cwd=tempfile.gettempdir(),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _all(orders, {"failed": f"no answer in {_TIMEOUT_S} s"})
    answers = {answer["number"]: answer for answer in map(json.loads, done.stdout.splitlines())}
    if not answers and "ModuleNotFoundError" in done.stderr:
        return _all(orders, {"missing": f"Python {python}: {done.stderr.strip().splitlines()[-1]}"})
    said = done.stderr.strip().splitlines()[-1:] or ["nothing was said"]
    return {order["number"]: answers.get(order["number"], {"failed": said[0]}) for order in orders}


def _all(orders: Iterable[dict[str, Any]], answer: dict[str, str]) -> dict[int, dict[str, Any]]:
    return {order["number"]: answer for order in orders}


def beside(python: str) -> Path:
    """Return the folder with the libraries that a Python's environment does not have."""
    return _BESIDE / python / "site-packages"


def interpreter(python: str) -> list[str] | None:
    """Return the command of a Python: this one if it is that version, else of the checkout's environments."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == python:
        return [sys.executable]
    for folder in (f".venv-{python}", ".venv"):
        file = _ROOT / folder / "bin" / f"python{python}"
        if file.exists():
            return [str(file)]
    return None
