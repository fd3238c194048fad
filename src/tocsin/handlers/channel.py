"""One drop-in handler's own way: a Destination goes in; a Reporter with a spool and a sink of its own leaves.

Why a spool for each destination, rather than routes within the application's: counts are made where an occurrence is
taken in, by a limiter and a counter per fault, and have to be those of the records that passed *this* handler. With a
spool of its own a destination needs no agreement with any other, nor with what leads the application's spool, which may
be a process that has no such handler. It is made of the same parts, so a fork, a kill or a full disk costs no more.

Handlers of one destination share a channel, since a process must not open the locks of a spool twice.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from weakref import WeakSet

from tocsin import system
from tocsin.complaints import complain, say
from tocsin.config.load import CONFIG_VARIABLE, PREFIX, load
from tocsin.config.revision import identified
from tocsin.config.settings import Settings
from tocsin.config.spool_path import spool_place
from tocsin.event.errors import ConfigError
from tocsin.event.masking.scrub import Scrubber
from tocsin.handlers.application import guessed_name
from tocsin.handlers.destination import Destination
from tocsin.reporter import Reporter, current
from tocsin.sinks.base import SinkContext

__all__ = ["HANDLERS_FOLDER", "Names", "channel", "close_all", "leave"]

HANDLERS_FOLDER: Final = "handlers"  # within the application's spool
_CLOSE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Channel:
    """Hold a destination's Reporter, and the handlers that use it and are not closed."""

    destination: Destination
    reporter: Reporter
    users: WeakSet[logging.Handler] = field(default_factory=WeakSet)


_channels: dict[str, _Channel] = {}  # by spool; a dictionary's own steps are atomic


@dataclass(frozen=True, slots=True)
class Names:
    """Hold what a handler was told of its application; ``fallback`` is for a process that says nothing."""

    application: str = ""
    environment: str = ""
    fallback: str = ""


def channel(destination: Destination, names: Names, user: logging.Handler) -> Reporter:
    """Return the Reporter of a destination, made if there is none. Opens nothing, starts nothing.

    Where a later logging configuration has closed the handlers before, and has another server, password or timeout for
    the same destination, that is used from then on. Raises ConfigError.
    """
    present = current()
    base = _settings(present, names)
    place = spool_place(base.spool, base.application, os.environ, system.user_id())
    if place.fault:
        raise ConfigError(place.fault)
    spool = str(Path(place.path, HANDLERS_FOLDER, destination.folder_name))
    known = _channels.get(spool)
    if known is not None and not _is_to_go(known, destination):
        known.users.add(user)
        return known.reporter
    if known is not None:
        known.reporter.close(_CLOSE_S)
        _channels.pop(spool, None)
    elif place.is_temporary:
        say(f"reports are spooled in {spool}; set `spool` ({PREFIX}SPOOL) to a folder that outlives a reboot")
    made = _channels.setdefault(spool, _Channel(destination, _reporter(destination, replace(base, spool=spool))))
    made.users.add(user)
    return made.reporter


def leave(user: logging.Handler) -> None:
    """Keep that a handler was closed. Its channel goes on: what it took before is still to be delivered."""
    for each in list(_channels.values()):
        each.users.discard(user)


def close_all(timeout_s: float = _CLOSE_S) -> None:
    """Deliver what can be delivered within ``timeout_s`` each, and stop; what is left stays in the spools."""
    while _channels:
        _channels.popitem()[1].reporter.close(timeout_s)


def _is_to_go(known: _Channel, destination: Destination) -> bool:
    if known.reporter.is_closed:
        return True
    if known.destination == destination:
        return False
    if known.users:
        complain("handlers", f"two {destination.name}s go to the same place with other settings; the first one's hold")
    return not known.users


def _reporter(destination: Destination, settings: Settings) -> Reporter:
    mask = Scrubber(settings.mask_keys, settings.masking_rules, is_on=settings.masking).text
    context = SinkContext(settings.application, settings.environment, settings.host, mask)
    before_spool = getattr(current(), "before_spool", None)
    return Reporter(
        # Only this process knows where to: its password is in no file that `tocsin deliver` could read.
        replace(settings, sinks=(), delivery="thread" if settings.delivery == "process" else settings.delivery),
        before_spool=before_spool,
        sinks=[destination.build(context)] if settings.mode == "production" else [],
        tell=_tell,
        channel=destination.folder_name,
    )


def _tell(text: str, template: str) -> None:
    """Report a failing sink through the application's own sinks; where there are none, stderr has been told."""
    present = current()
    if present is not None:
        present.tell(text, template)


def _settings(present: Reporter | None, names: Names) -> Settings:
    """Return the settings of `setup`, else the environment's, else the defaults; the handler's own names prevail."""
    found = present.settings if present is not None else _of_environment(names)
    return replace(
        found,
        application=names.application or found.application,
        environment=names.environment or found.environment,
    )


def _of_environment(names: Names) -> Settings:
    default = {"application": names.application or names.fallback or guessed_name()}
    try:
        found = load(None if os.environ.get(CONFIG_VARIABLE) else default, {}, os.environ)
    except ConfigError as fault:
        complain("handlers", f"drop-in handlers work by the default settings: {fault}")
        found = load(default, {}, {})
    return identified(found, "", os.environ)
