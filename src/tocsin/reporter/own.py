"""The process's own Reporter: settings go in; the one that there is leaves, made where there is none."""

from __future__ import annotations

import os
from typing import Final

from tocsin.config.load import load
from tocsin.config.revision import identified
from tocsin.config.settings import Settings
from tocsin.event.errors import ConfigError
from tocsin.intake import BeforeSpool
from tocsin.reporter.reporter import Reporter
from tocsin.sinks.registry import faults_of

__all__ = ["current", "ensure", "establish", "substitute"]

_present: dict[str, Reporter] = {}  # one at most; a dictionary's own steps are atomic, so no lock can be left held
_KEY: Final = "reporter"


def current() -> Reporter | None:
    """Return this process's Reporter, if there is one."""
    return _present.get(_KEY)


def ensure() -> Reporter:
    """Return this process's Reporter, made by the environment's configuration where there is none."""
    return current() or establish(load(None, {}, os.environ, check_sinks=faults_of))


def establish(settings: Settings, before_spool: BeforeSpool | None = None, start: str = "") -> Reporter:
    """Make the process's Reporter, or return the one of equal settings. Raises ConfigError where they differ.

    ``start`` is a file of the application's, by which the commit is found that runs.
    """
    present = current() or _made(settings, before_spool, start)
    if present.is_substitute:
        return present
    if present.asked != settings or present.before_spool is not before_spool:
        raise ConfigError(
            "setup() was called before with other settings, and a process has one Reporter; "
            f"{_differences(present.asked, settings)}; call close() on the first one, or set up once"
        )
    return present


def _made(settings: Settings, before_spool: BeforeSpool | None, start: str) -> Reporter:
    made = Reporter(identified(settings, start, os.environ), before_spool=before_spool)
    made.asked, made.when_closed = settings, _forget
    present = _present.setdefault(_KEY, made)
    if present is made and settings.hooks:
        from tocsin.integrations.hooks import hook  # only for those who asked for it

        hook(made.intake, settings.hooks)
    return present


def substitute(reporter: Reporter | None) -> Reporter | None:
    """Make another Reporter the process's own; return the one before. For `tocsin.testing`."""
    previous = _present.pop(_KEY, None)
    if reporter is not None:
        reporter.when_closed = _forget
        _present[_KEY] = reporter
    return previous


def _forget(reporter: Reporter) -> None:
    if current() is reporter:
        _present.pop(_KEY, None)


def _differences(first: Settings, second: Settings) -> str:
    names = [
        name
        for name in Settings.__dataclass_fields__
        if name != "sources" and getattr(first, name) != getattr(second, name)
    ]
    return f"different: {', '.join(names) or 'before_spool'}"
