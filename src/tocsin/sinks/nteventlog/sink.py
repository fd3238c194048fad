"""Entries go in; each leaves as one event of the Windows event log. An Outcome tells how it went, in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from tocsin.config.setting import Setting
from tocsin.sinks.base import Accepted, Entry, Outcome, Refused, SinkContext, Unavailable
from tocsin.sinks.nteventlog import options as nteventlog_options
from tocsin.sinks.nteventlog.advapi import INVALID_HANDLE, EventLog, Library, Win32Fault, load
from tocsin.sinks.nteventlog.message import Record, fitted, record_of
from tocsin.sinks.nteventlog.options import Destination
from tocsin.sinks.nteventlog.source import register
from tocsin.sinks.taken import Taken

__all__ = ["NtEventLogSink"]

_WHOLE_S: Final = 60.0
_SHORT_UNITS: Final = 8_000  # of a text that was refused as it was
_TOO_LARGE: Final = frozenset({87, 111, 122, 1734, 1783})  # invalid parameter, buffer, array bounds, stub data

_AWAY: Final = "the event log's service of {machine} can't be reached"
_STARTED: Final = "see that the service Windows Event Log runs there, and that the firewall lets it be reached"
_WORDS: Final = {
    5: ("{where} may not be written by this user", "give it the right to, or name another source"),
    8: ("{machine} is out of memory", "see to that machine"),
    14: ("{machine} is out of memory", "see to that machine"),
    53: ("there is no machine {machine}", "check server"),
    1062: (_AWAY, _STARTED),
    1115: ("{machine} is being shut down", "nothing is to be done"),
    1450: ("{machine} is out of resources", "see to that machine"),
    1500: ("the log {log} is damaged", "clear it in the Event Viewer"),
    1501: ("the event log's service of {machine} has not started", _STARTED),
    1502: ("the log {log} is full", "clear it, or let it overwrite events as needed"),
    **dict.fromkeys((1702, 1722, 1723, 1726, 1727, 1753), (_AWAY, _STARTED)),
}


class NtEventLogSink:
    """Log every event and count in the Windows event log, by `ReportEventW`.

    The handle is kept between batches, and opened anew when the event log's service has.
    """

    type: ClassVar[str] = "nteventlog"
    settings: ClassVar[tuple[Setting, ...]] = nteventlog_options.SETTINGS
    idempotency: ClassVar[str] = "possible after a crash; each event has its `Origin`, which no other has."
    # This machine's service is waited for as well, when it hangs.
    is_local: ClassVar[bool] = False

    def __init__(
        self,
        destination: Destination,
        library: Library,
        registered: Callable[[Destination], str] = register,
    ) -> None:
        self._destination = destination
        self._log = EventLog(library)
        self._registered = registered
        self._standing = ""
        self._handle = 0
        self._taken = Taken()

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> NtEventLogSink:
        """Build it from validated options; opens nothing. Raises ConfigError off Windows."""
        return cls(nteventlog_options.destination_of(options, context.application), load())

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``nteventlog:``, ``nteventlog:///Source`` or ``nteventlog://server/Source`` into options."""
        return nteventlog_options.from_url(url)

    @property
    def identity(self) -> str:
        """Return ``nteventlog:Application/shop`` or ``nteventlog:web1/Application/shop``."""
        return f"nteventlog:{self._destination.where}"

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Log the entries in order. After a failure, what was logged isn't logged again."""
        end = time.monotonic() + _WHOLE_S
        for entry in self._taken.waiting(entries):
            if time.monotonic() > end:
                return Unavailable("the event log takes events too slowly", "see to its service")
            try:
                outcome = self._reported(record_of(entry))
            except Win32Fault as fault:
                self.close()
                return self._explained(fault)
            if outcome is not None:
                return outcome
            self._taken.add([entry])
        self._taken.forget(entries)
        return Accepted(f"log {self._destination.log}; the source {self._destination.source} is {self._standing}")

    def close(self) -> None:
        """Give the handle back."""
        handle, self._handle = self._handle, 0
        if handle:
            self._log.close(handle)

    def _reported(self, record: Record) -> Refused | None:
        try:
            self._report(record, record.text)
        except Win32Fault as fault:
            if fault.code not in _TOO_LARGE:
                raise
        else:
            return None
        try:
            self._report(record, fitted(record.text, _SHORT_UNITS))
        except Win32Fault as fault:
            if fault.code not in _TOO_LARGE:
                raise
            return Refused(f"Windows does not take this event (error {fault.code})", "see it by `tocsin show`")
        return None

    def _report(self, record: Record, text: str) -> None:
        is_kept = bool(self._handle)
        try:
            self._log.report(self._opened(), record.type, record.category, record.event_id, text)
        except Win32Fault as fault:
            # The service was started anew: of its handles it knows nothing any more.
            if fault.code != INVALID_HANDLE or not is_kept:
                raise
            self.close()
            self._log.report(self._opened(), record.type, record.category, record.event_id, text)

    def _opened(self) -> int:
        if not self._handle:
            self._standing = self._registered(self._destination)
            self._handle = self._log.open(self._destination.server, self._destination.source)
        return self._handle

    def _explained(self, fault: Win32Fault) -> Unavailable:
        machine = self._destination.server or "this machine"
        unknown = ("{where}: Windows reports error " + str(fault.code), "look the number up by `net helpmsg`")
        reason, remedy = _WORDS.get(fault.code, unknown)
        told = reason.format(where=self._destination.where, machine=machine, log=self._destination.log)
        return Unavailable(told, remedy)
