"""What is done with: generations that nobody adds to and every consumer has read to the end; the state keeps which.

So a leader that begins need not look at each of them: with `delivery = "inline"` one begins for every report.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tocsin.routing.state import State

__all__ = ["Finished"]

_NOTE: Final = "issues finished"  # in the place of a consumer's; no consumer has the name
_SINKS: Final = "sinks"
_OF: Final = "of"
_UNSAVED: Final = 1_000  # so that a leader that is stopped in the middle of many has not looked at them for nothing


class Finished:
    """Know finished generations by their ``keys``, (process, generation), for the consumers of one leader."""

    def __init__(self, state: State, sinks: Iterable[str], *, is_kept: bool = True) -> None:
        """``sinks`` are the identities of all that read generations on; without ``is_kept`` the state isn't used."""
        self._state = state
        self._sinks = sorted(sinks)
        self._is_kept = is_kept
        self._unsaved = 0
        note: dict[str, Any] = state.note(_NOTE) if is_kept else {}
        # What was finished for other sinks says nothing of one that they are without.
        known = note.get(_OF, {}) if set(self._sinks) <= set(note.get(_SINKS, ())) else {}
        self.keys = {(process, each) for process, generations in known.items() for each in generations}

    def add(self, key: tuple[str, int]) -> None:
        """Remember a generation whose process is dead and whose every cursor is at the end."""
        self.keys.add(key)
        self._unsaved += 1
        if self._unsaved >= _UNSAVED:
            self.save()

    def discard(self, key: tuple[str, int]) -> None:
        """Forget a generation that is gone."""
        if key in self.keys:
            self.keys.discard(key)
            self._unsaved += 1

    def clear(self) -> None:
        """Forget all, in the state too: there is a new consumer, which may have them still to read."""
        self.keys.clear()
        self._unsaved = 1
        self.save()

    def save(self) -> None:
        """Have the state keep what has changed."""
        if not self._unsaved or not self._is_kept:
            return
        known: dict[str, list[int]] = {}
        for process, generation in sorted(self.keys):
            known.setdefault(process, []).append(generation)
        self._state.save_note(_NOTE, {_SINKS: self._sinks, _OF: known})
        self._unsaved = 0
