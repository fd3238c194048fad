"""tocsin tells the people who run a Python web application that it broke: once per fault, with all they need.

The floors, from the top; each imports only what is below it:

    cli            the operator's commands, one per file
    bootstrap      configuration in, the process's Reporter out
    handlers       LogHandler: ordinary logging as the way in
    testing        what applications and sink authors use in their tests
    reporter       the composition root in the application
    integrations   wsgi, asgi, flask …: the only framework-aware code
    receiver       what other hosts' leaders deliver in; a spool for each application out
    intake         occurrence in; one counter increment or one spooled record, and an error id, out
    delivery       the leader: what is spooled in; entries and notices out, by cursors
    routing        issues, episodes, routes: decisions, and the state they rest on
    sinks          one destination per file
    spool          the crash-safe queue on local disk: writer (every process), reader (leader)
    limiter        budget per fault
    capture        exceptions, requests, records → an Event
    render         an Event or a Notice → text, HTML, terminal, the 500 page
    config         one table of settings, and where their values come from
    provenance     where the code comes from: the commit that runs, links, the commit of a line
    complaints     our own failures, told on stderr and `tocsin.internal`
    event          the vocabulary: model, bounds, identity, masking, bytes. Pure
    system         what operating systems do differently
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it; to import `typing` for it would take longer than all the rest
if TYPE_CHECKING:
    from typing import Any

    from tocsin.bootstrap import install, report, setup, watch
    from tocsin.capture.context import context
    from tocsin.capture.describers.registry import describer
    from tocsin.capture.identity import fingerprint
    from tocsin.capture.marked import sensitive
    from tocsin.event.errors import ConfigError, DecodeError, DeliveryError, StoreError, TocsinError
    from tocsin.event.model import Event
    from tocsin.event.secret import Secret
    from tocsin.handlers import LogHandler
    from tocsin.reporter import Reporter

__all__ = [
    "ConfigError",
    "DecodeError",
    "DeliveryError",
    "Event",
    "LogHandler",
    "Reporter",
    "Secret",
    "StoreError",
    "TocsinError",
    "__version__",
    "context",
    "describer",
    "fingerprint",
    "install",
    "report",
    "sensitive",
    "setup",
    "watch",
]

__version__ = "0.1.0"

_HOMES = {
    "ConfigError": "tocsin.event.errors",
    "DecodeError": "tocsin.event.errors",
    "DeliveryError": "tocsin.event.errors",
    "Event": "tocsin.event.model",
    "LogHandler": "tocsin.handlers",
    "Reporter": "tocsin.reporter",
    "Secret": "tocsin.event.secret",
    "StoreError": "tocsin.event.errors",
    "TocsinError": "tocsin.event.errors",
    "context": "tocsin.capture.context",
    "describer": "tocsin.capture.describers.registry",
    "fingerprint": "tocsin.capture.identity",
    "install": "tocsin.bootstrap",
    "report": "tocsin.bootstrap",
    "sensitive": "tocsin.capture.marked",
    "setup": "tocsin.bootstrap",
    "watch": "tocsin.bootstrap",
}


# What code that has only `import tocsin` may reach for by attribute.
_FLOORS = frozenset({"event", "handlers", "integrations", "reporter", "sinks", "testing"})


def __getattr__(name: str) -> Any:
    """Load a public name at its first use: a command, a mode or a test that uses none of them pays for none."""
    from importlib import import_module

    if name in _FLOORS:
        return import_module(f"{__name__}.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
