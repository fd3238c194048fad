"""What a test expects of reports: an event goes in; whether it is meant, and the words of a failure, leave."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.event.model import Event, Kind
from tocsin.event.typename import type_name
from tocsin.render.facts import what, where
from tocsin.render.text import event_text

__all__ = ["Expected", "told"]

_IN_FULL: Final = 5  # reports in a failure's message; of the others a line each
_IN_LINES: Final = 50


@dataclass(frozen=True, slots=True)
class Expected:
    """Say which events are meant; what is left out goes for every event.

    ``exception`` is a class, exactly that one, or its name with or without the module. ``match`` is a regular
    expression that is found somewhere in the message of the exception or of the record.
    """

    exception: type[BaseException] | str | None = None
    match: str | None = None
    kind: Kind | None = None
    logger: str | None = None

    def is_met(self, event: Event) -> bool:
        """Tell whether an event is one of those that are meant."""
        return (
            self._is_type(event)
            and (self.kind is None or event.kind == self.kind)
            and (self.logger is None or event.logger == self.logger)
            and (self.match is None or any(re.search(self.match, text) for text in _texts(event)))
        )

    def __str__(self) -> str:
        parts = [
            self._name() if self.exception is not None else "",
            f"kind {self.kind}" if self.kind is not None else "",
            f"logger {self.logger}" if self.logger is not None else "",
            f"matching {self.match!r}" if self.match is not None else "",
        ]
        return ", ".join(filter(None, parts))

    def _is_type(self, event: Event) -> bool:
        if self.exception is None:
            return True
        found = event.exception.type if event.exception is not None else ""
        name = self._name()
        return found == name or ("." not in name and found.rpartition(".")[2] == name)

    def _name(self) -> str:
        return self.exception if isinstance(self.exception, str) else type_name(self.exception or BaseException)


def told(events: Sequence[Event]) -> str:
    """Return the reports of these events as one text: the first ones in full, of the others a line each."""
    if not events:
        return "nothing was reported"
    return "\n".join(_blocks(events))


def _blocks(events: Sequence[Event]) -> Iterator[str]:
    for number, event in enumerate(events[:_IN_FULL], 1):
        yield f"--- report {number} of {len(events)}: {event.kind} {event.error_id} ".ljust(80, "-")
        yield event_text(event)
    further = events[_IN_FULL:]
    for event in further[:_IN_LINES]:
        yield f"{event.kind:<9}  {what(event)} in {where(event)}"
    if len(further) > _IN_LINES:
        yield f"and {len(further) - _IN_LINES} more"


def _texts(event: Event) -> Iterable[str]:
    return (event.message, event.exception.message) if event.exception is not None else (event.message,)
