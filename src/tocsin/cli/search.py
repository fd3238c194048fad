"""A wanted error id and a spool go in; its event, the nearest one there is, or all that are kept leave.

The state knows most events; what no leader has entered yet, or a state that is damaged, is made up for by reading the
spool itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tocsin.cli.fault import Wanted
from tocsin.event import error_id, limits, wire
from tocsin.event.errors import DecodeError
from tocsin.event.model import Event
from tocsin.routing.issues import SampleRef
from tocsin.routing.opening import load_event
from tocsin.routing.state import State
from tocsin.spool import format as segment_format
from tocsin.spool.folder import Folder
from tocsin.spool.format import Header
from tocsin.spool.reader import GenerationReader, SpoolReader

__all__ = ["Found", "find_event", "kept", "nearest", "scan"]

_SAMPLES: Final = 2_000  # of one issue, among which the nearest is looked for


@dataclass(frozen=True, slots=True)
class Found:
    """Hold an event, and how many occurrences after (or, below 0, before) the wanted one it was; 0: that very one."""

    event: Event
    away: int = 0


def find_event(folder: Folder, state: State, what: Wanted) -> Event | None:
    """Return the very event of a whole error id, as far as the state knows where it lies."""
    ref = state.sample(f"{what.prefix}-{what.suffix}") if what.suffix else None
    event = None if ref is None else load_event(folder, state, ref)
    # A segment may have gone since; what lies there then is not to be taken for what was asked for.
    return event if ref is not None and event is not None and event.error_id == ref.error_id else None


def nearest(folder: Folder, state: State, fingerprint: str, suffix: str = "") -> Found | None:
    """Return an issue's event whose occurrence number is nearest to ``suffix``; without one, the latest."""
    refs: Iterable[SampleRef] = state.samples(fingerprint, _SAMPLES)
    if suffix:
        refs = sorted(refs, key=lambda ref: abs(_away(suffix, ref.error_id)))
    for ref in refs:
        event = load_event(folder, state, ref)
        if event is not None and event.error_id == ref.error_id:
            return Found(event, _away(suffix, ref.error_id) if suffix else 0)
    return None


def scan(folder: Folder, what: Wanted) -> Found | None:
    """Look through every record of the spool: the very event, else the nearest or (without a suffix) the latest."""
    best: tuple[float, GenerationReader, int, Header] | None = None
    for reader, offset, header in _headers(folder):
        if not what.names(header):
            continue
        suffix = error_id.suffix(header.number)
        rank = abs(_away(what.suffix, suffix)) if what.suffix else -header.time
        if (best is None or rank < best[0]) and reader.body(offset):
            best = (rank, reader, offset, header)
    if best is None:
        return None
    try:
        event = wire.decode(best[1].body(best[2]) or b"")
    except DecodeError:
        return None
    return Found(event, _away(what.suffix, error_id.suffix(best[3].number)) if what.suffix else 0)


def kept(folder: Folder, state: State | None, what: Wanted, fingerprints: Iterable[str]) -> Iterator[Event]:
    """Yield every event of an issue that is kept, the latest first. Without a state the spool is looked through."""
    if state is not None:
        refs = [ref for fingerprint in fingerprints for ref in state.samples(fingerprint, _SAMPLES)]
        for ref in sorted(refs, key=lambda ref: ref.at, reverse=True):
            event = load_event(folder, state, ref)
            if event is not None and event.error_id == ref.error_id:
                yield event
        return
    found = [(header.time, reader, offset) for reader, offset, header in _headers(folder) if what.names(header)]
    for _, reader, offset in sorted(found, key=lambda each: each[0], reverse=True):
        try:
            yield wire.decode(reader.body(offset) or b"")
        except DecodeError:
            continue


def _headers(folder: Folder) -> Iterator[tuple[GenerationReader, int, Header]]:
    for reader in SpoolReader(folder).generations():
        offset = 0
        while found := reader.records(offset, limits.SLICE_BYTES):
            for record in found:
                if record.header is not None and record.header.type == segment_format.EVENT:
                    yield reader, record.offset, record.header
            offset = found[-1].end


def _away(from_suffix: str, other: str) -> int:
    """Return the shorter way round from one occurrence number to another; ``other`` may be a whole error id."""
    forward = error_id.distance(from_suffix, other.rpartition("-")[2])
    return forward if forward <= error_id.SUFFIXES // 2 else forward - error_id.SUFFIXES
