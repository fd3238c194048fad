"""What every sink is: entries or notices go in, an Outcome leaves. Sinks raise nothing that is expected."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeGuard, runtime_checkable

from tocsin.config.setting import Setting
from tocsin.event.errors import DeliveryError
from tocsin.event.model import Kind

if TYPE_CHECKING:
    from tocsin.event.notice import Notice

__all__ = [
    "Accepted",
    "Entry",
    "EntrySink",
    "Failed",
    "NoticeSink",
    "Origin",
    "Outcome",
    "RecoverableSink",
    "Recovered",
    "Refused",
    "Sink",
    "SinkContext",
    "Unavailable",
    "takes_entries",
    "takes_notices",
]


@dataclass(frozen=True, slots=True)
class Origin:
    """Name where an occurrence comes from: the idempotency key of per-occurrence sinks.

    A full event is (process, generation, offset); a count is (process, generation, slot, count), where
    ``count`` is the cell's cumulative value after this entry.
    """

    process: str
    generation: int
    offset: int | None = None
    slot: int | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Carry one event, a number of counted occurrences of a fault, or a loss, to a per-occurrence sink.

    ``line`` is the wire form: a JSON object of the public schema, UTF-8, without a newline, with ``origin``
    and ``occurrences``, complete as it stands.
    """

    origin: Origin
    kind: Kind
    levelno: int
    fingerprint: str
    occurrences: int
    line: bytes

    def members(self) -> dict[str, Any]:
        """Return the decoded line; {} for one that can't be read, which is told with what the entry itself says."""
        try:
            decoded = json.loads(self.line)
        except (ValueError, RecursionError):
            return {}
        return decoded if isinstance(decoded, dict) else {}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The destination took it; ``detail`` is worth showing in `tocsin check` (TLS version, reply, path)."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Not now: try again later, the same thing. ``reason`` is shown to operators and holds no secret.

    ``retry_after_s`` is set where the destination itself said how long to wait.
    """

    reason: str
    remedy: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: the destination refuses this very thing for good. It goes to the dead letters, with the reason."""

    reason: str
    remedy: str = ""


Outcome = Accepted | Unavailable | Refused


class Failed(DeliveryError):
    """Carry an outcome out of a conversation of several steps; a sink catches it and returns the outcome."""

    def __init__(self, outcome: Unavailable | Refused) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class SinkContext:
    """What a sink is told of its surroundings when it is built."""

    application: str
    environment: str
    host: str
    mask: Callable[[str], str] = field(default=str)


@runtime_checkable
class Sink(Protocol):
    """The part that entry sinks and notice sinks share.

    A class is registered in `sinks/registry.py`. Building one opens nothing: connections are made in
    ``deliver`` and may be kept until ``close``. Not thread-safe: one call at a time, from any one thread.
    """

    type: ClassVar[str]
    settings: ClassVar[tuple[Setting, ...]]  # its own keys, besides type, level, kinds, from
    idempotency: ClassVar[str]  # one sentence for the reference
    is_local: ClassVar[bool]  # True: deliver never waits for a network, so the leader calls it directly

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> Sink:
        """Build it from validated options. Raises ConfigError for what only the whole can show."""
        ...

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn the URL form into options as a table would have them. Raises ConfigError."""
        ...

    @property
    def identity(self) -> str:
        """Type and destination, such as ``file:/var/log/shop.jsonl``: what its cursor is kept under."""
        ...

    def close(self) -> None:
        """Release connections and files. May be called twice."""
        ...


@runtime_checkable
class EntrySink(Sink, Protocol):
    """A destination that gets every event and the counts.

    Where the rules that make fingerprints have changed, what belongs to an open issue comes under that issue's
    fingerprint, unless the class says ``keeps_fingerprints = True``.
    """

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Hand over all entries, in order; Accepted means every one of them."""
        ...


@dataclass(frozen=True, slots=True)
class Recovered:
    """Say what a destination holds beyond a committed position.

    ``origins`` has the furthest of each (process, generation, slot or none): what a cursor is to be advanced to.
    ``torn_bytes`` were an incomplete end, and are cut off.
    """

    origins: tuple[Origin, ...]
    torn_bytes: int = 0


@runtime_checkable
class RecoverableSink(EntrySink, Protocol):
    """An entry sink that can be read back, so that a leader's death between append and commit doubles nothing."""

    def position(self) -> dict[str, int] | None:
        """Return where its end is now, to be committed with the cursors; None where there is nothing yet."""
        ...

    def recover(self, position: Mapping[str, int] | None) -> Recovered | Unavailable:
        """Return what lies after a committed position (None: everything); call it before the first deliver."""
        ...


@runtime_checkable
class NoticeSink(Sink, Protocol):
    """A destination for people, told by episode."""

    def notify(self, notice: Notice) -> Outcome:
        """Hand over one notice."""
        ...


def takes_entries(sink: Sink) -> TypeGuard[EntrySink]:
    """Tell whether a sink gets every event; else it is told by notices."""
    return callable(getattr(sink, "deliver", None))


def takes_notices(sink: Sink) -> TypeGuard[NoticeSink]:
    """Tell whether a sink is told by notices."""
    return callable(getattr(sink, "notify", None))
