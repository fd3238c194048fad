"""A request that succeeds, with the setting deaths and without: what it costs to note each while it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import ours
from measure import Figures, Measure, ns_per_step
from variants import asgi, wsgi

__all__ = ["MEASURE"]

_APPS: Final = {"WSGI, a list": wsgi.list_app, "WSGI, a generator": wsgi.generator_app}


def _wsgi(app: Any, steps: int, **settings: Any) -> Figures:
    return {"ns": ns_per_step(wsgi.request(ours.reporter(**settings).wsgi(app)), steps)}


def _asgi(steps: int, **settings: Any) -> Figures:
    return {"ns": asyncio.run(asgi.run(ours.reporter(**settings).asgi(asgi.app), steps))}


def _variants() -> dict[str, Callable[[int], Figures]]:
    found: dict[str, Callable[[int], Figures]] = {}
    for word, settings in (("off", {}), ("on", {"deaths": True})):
        found |= {f"{word}, {kind}": partial(_wsgi, app, **settings) for kind, app in _APPS.items()}
        found[f"{word}, ASGI"] = partial(_asgi, **settings)
    return found


MEASURE = Measure("deaths", steps=100_000, few=5, variants=_variants())
