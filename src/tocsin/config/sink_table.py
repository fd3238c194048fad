"""The table of a sink: what every type of sink has of settings, and `SinkTable`, a sink as it was written."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.config.setting import Setting, choice, text, texts
from tocsin.config.values import kinds, level

__all__ = ["SINK_SETTINGS", "SinkTable"]

SINK_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("type", text, "", "which kind of sink", is_required=True),
    Setting(
        "level",
        level,
        logging.NOTSET,
        "only events from this level on go there; left out, all that came in",
        type_name="level",
    ),
    Setting(
        "kinds",
        kinds,
        frozenset({"traceback", "error", "warning"}),
        "only these kinds go there; left out, trackers get no warnings",
        type_name="list of traceback, error, warning",
    ),
    Setting(
        "loggers",
        texts,
        (),
        "only events of these loggers and what is below them go there; one that came by no logger counts as of the "
        "module it happened in",
        type_name="list",
    ),
    Setting(
        "from",
        choice("now", "oldest"),
        "now",
        "where a new sink starts: at what happens from now on, or at the oldest event the spool still has",
        type_name="now or oldest",
    ),
)


@dataclass(frozen=True, slots=True)
class SinkTable:
    """Hold one sink as it was written: ``options`` of a table, or a ``url``. Its type's own class validates it.

    ``where`` begins every fault of it. A relative path within a URL starts at ``folder``; those of a table are
    absolute already. The representation leaves out what may hold a password.
    """

    options: Mapping[str, Any] = field(repr=False)
    url: str = field(default="", repr=False)
    where: str = field(default="sinks", compare=False)
    folder: str = field(default="", compare=False, repr=False)
