"""A record of logging within a request, INFO and nothing wrong: what it costs to keep it for a report that may come."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import peers
from measure import Figures, Measure, ns_per_step
from sink import Sink
from variants.wsgi import request

__all__ = ["MEASURE"]

_RECORDS: Final = 50  # of one request, so that the request itself hardly counts
_DEPTH: Final = 10  # calls between the middleware and the line that logs

_logger = logging.getLogger("shop.orders")


def _view(depth: int = _DEPTH) -> None:
    if depth:
        _view(depth - 1)
        return
    for number in range(_RECORDS):
        _logger.info("order %s of %s", number, "customer 7")


def _app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    _view()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]


def _measured(wrapped: Any, steps: int) -> Figures:
    logging.getLogger().setLevel(logging.INFO)
    return {"ns": ns_per_step(request(wrapped), steps) / _RECORDS}


def _tocsin(length: int, steps: int) -> Figures:
    import ours

    return _measured(ours.reporter(lead_up=length).wsgi(_app), steps)


def _nowhere(steps: int) -> Figures:
    logging.getLogger().addHandler(logging.NullHandler())
    return _measured(_app, steps)


def _file(steps: int) -> Figures:
    handler = logging.FileHandler(os.devnull)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    return _measured(_app, steps)


def _peer(file: str, steps: int) -> Figures:
    logging.getLogger().addHandler(logging.NullHandler())
    with Sink() as sink:
        peer = peers.started(file, sink)
        return _measured(peer.wrap_wsgi(_app), max(steps // 10, 1))


_VARIANTS: dict[str, Callable[[int], Figures]] = {
    "nowhere": _nowhere,
    "a file": _file,
    "tocsin, lead_up = 0": partial(_tocsin, 0),
    "tocsin, lead_up = 20": partial(_tocsin, 20),
    "sentry-sdk, breadcrumbs": partial(_peer, "sentry"),
}

MEASURE = Measure("lead_up", steps=1_000, few=2, variants=_VARIANTS)
