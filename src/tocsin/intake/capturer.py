"""The one durable action: an occurrence goes in; one increment or one masked record is done; its error id leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from tocsin.capture.anatomy import traceback as exc_traceback
from tocsin.capture.key import FaultKey, fault_key, lasting_key, pins, record_key
from tocsin.capture.piece import Piece
from tocsin.complaints import complain, say
from tocsin.event import error_id as ids
from tocsin.event import limits, wire
from tocsin.event.environ import ENDPOINT, ERROR_ID, FRESH, GRAVITY, ROUTE
from tocsin.event.environ import text as environ_text
from tocsin.event.identity.fingerprint import fingerprint
from tocsin.event.identity.wording import first_segment
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Event
from tocsin.event.typename import describe_value, type_name
from tocsin.intake.compose import Composer
from tocsin.intake.mark import strength
from tocsin.intake.naming import Naming
from tocsin.intake.process import Process
from tocsin.intake.refine import is_told_by_code, refinement
from tocsin.limiter import Entry, Refine
from tocsin.render.text import event_text
from tocsin.spool.generation import Place
from tocsin.spool.memory import Occurrence

__all__ = ["BeforeSpool", "Capturer"]

BeforeSpool: TypeAlias = Callable[[Event], "Event | None"]

_CUT_FRAMES: Final = 8
_CUT_CHARS: Final = 2_048


class Capturer:
    """Count an occurrence or capture it in full, as the limiter says: never both, never none."""

    def __init__(
        self,
        composer: Composer,
        scrubber: Scrubber,
        before_spool: BeforeSpool | None,
        naming: Naming,
        *,
        is_guest: bool = False,
    ) -> None:
        """``is_guest``: a request's error id and its announcement are another's to leave in its environ."""
        self._composer = composer
        self._is_guest = is_guest
        self._scrubber = scrubber
        self._before_spool = before_spool
        self._naming = naming
        self._asking: set[int] = set()  # threads that are within the hook
        self.on_capture: Callable[[], None] = lambda: None  # called whenever a report was spooled
        self.captured = 0
        self.counted = 0

    def take(
        self, process: Process, piece: Piece, exc: BaseException | None, environ: Mapping[str, Any] | None
    ) -> tuple[str, str]:
        """Return (error id, fingerprint) of the occurrence; the request's first id is left in its environ."""
        number = next(process.numbers)
        lasting, raised = _lasting(piece, exc)
        about = (piece, exc, environ)
        entry, is_full = process.limiter.admit(_key(piece, exc, environ), lasting, raised, about)
        if entry.pins is None:  # the exception holds what its key names by id only as long as it lives itself
            entry.pins = (type(piece.template),) if exc is None else pins(exc)
        if not is_full and self._count(process, entry):
            number = _known_number(piece, entry.prefix, number)
            error_id, issue = ids.make(entry.prefix, number), entry.fingerprint
        else:
            error_id, issue = self._capture(process, entry, number, piece, exc, environ)
        self.note(environ, error_id, strength(piece.kind, 0))
        return error_id, issue

    def forget_threads(self) -> None:
        """Forget who was within the hook: a forked child has other threads, by the same numbers."""
        self._asking.clear()
        self._naming.forget_threads()

    def note(self, environ: Mapping[str, Any] | None, error_id: str, gravity: int) -> None:
        """Leave the error id of a request where the answer finds it: a fault's rather than that of a warning before."""
        if type(environ) is not dict or self._is_guest:
            return
        known = environ.get(GRAVITY)
        if type(known) is not int or gravity > known:
            environ[GRAVITY] = gravity
            environ[ERROR_ID] = error_id

    def strengthen(
        self,
        process: Process,
        piece: Piece,
        exc: BaseException,
        environ: Mapping[str, Any] | None,
        error_id: str,
        issue: str,
    ) -> None:
        """Tell that an occurrence is graver than it looked: logged as a warning first, and then not caught.

        The second report has the first one's identity and stands for no further occurrence.
        """
        _, is_full = process.limiter.admit(record_key("", 0, f"stronger {issue}"))
        if not is_full:
            return
        number = ids.number(error_id.partition("-")[2])
        event = replace(self._composed(piece, exc, environ)[0], fingerprint=issue, error_id=error_id)
        kept, body = self._asked(event, process)
        if kept is not None:
            process.writer.append(_occurrence(kept, number, body), count=0)
            self._freshen(environ, kept)
            self.on_capture()

    def _count(self, process: Process, entry: Entry) -> bool:
        """Count one more of a known fault; return False where it must be captured to be counted at all."""
        place: Place | None = entry.data
        if entry.is_dropped:
            process.writer.tally("hook_dropped")
            return True
        if place is None:
            is_counted = bool(entry.prefix) and process.writer.keep_count(entry.fingerprint)
        else:
            is_counted = process.writer.count(place)
        self.counted += is_counted
        return is_counted

    def _capture(
        self,
        process: Process,
        entry: Entry,
        number: int,
        piece: Piece,
        exc: BaseException | None,
        environ: Mapping[str, Any] | None,
    ) -> tuple[str, str]:
        event, is_whole, number = self._identified(entry, number, piece, exc, environ)
        issue = event.fingerprint
        kept, body = self._asked(event, process)
        if is_whole and not (entry.is_alone or entry.is_refined) and entry.refine is None:
            entry = self._refined(process, entry, event, piece, exc, environ)
        if is_whole:  # else so little is known that it is an identity for this once only
            entry.fingerprint, entry.prefix, entry.is_dropped = issue, ids.prefix(issue), kept is None
        if kept is None:
            process.writer.tally("hook_dropped")
            return event.error_id, issue
        place = process.writer.append(_occurrence(kept, number, body))
        if is_whole:
            # On a full disk a place of before is still good for counting: its cells have their space.
            entry.data = place or entry.data
        if place is None and process.writer.is_failing:
            say(f"kept in memory:\n{event_text(kept)}")
        self.captured += 1
        self._freshen(environ, kept)
        self.on_capture()
        return event.error_id, issue

    def _refined(
        self,
        process: Process,
        entry: Entry,
        event: Event,
        piece: Piece,
        exc: BaseException | None,
        environ: Mapping[str, Any] | None,
    ) -> Entry:
        """Return the entry of the one fault that was captured, of those that may share its key."""
        refine = None if piece.fingerprint else self._refinement(event, piece, exc)
        if refine is None:
            entry.is_alone = is_told_by_code(event)  # to look again at each capture took as long as a quarter of it
            return entry
        found = process.limiter.refined(entry, refine(piece, exc, environ))
        entry.refine = refine
        found.pins = entry.pins
        return found

    def _refinement(self, event: Event, piece: Piece, exc: BaseException | None) -> Refine | None:
        if piece.custom_fingerprint:
            return None
        describe = self._composer.describe
        # Not all that share the key need have a name.
        plain = replace(event, custom_fingerprint="") if event.custom_fingerprint else event
        ways = refinement(plain, exc, describe), self._naming.refinement(plain, describe)
        found = [way for way in ways if way]
        if len(found) < 2:
            return found[0] if found else None
        return lambda *about: tuple(way(*about) for way in found)

    def _identified(
        self,
        entry: Entry,
        number: int,
        piece: Piece,
        exc: BaseException | None,
        environ: Mapping[str, Any] | None,
    ) -> tuple[Event, bool, int]:
        """Return (event with its identity, whether it is whole, the occurrence's number)."""
        if issue := entry.fingerprint or piece.fingerprint:
            prefix = entry.prefix or ids.prefix(issue)
            number = _known_number(piece, prefix, number)
            identity = {"fingerprint": issue, "error_id": ids.make(prefix, number)}
            event, is_whole = self._composed(piece, exc, environ, **identity)
            named = self._named(event, entry, is_whole)
            is_its_name = named is event or fingerprint(named) == issue
            return named if is_its_name else event, is_whole, number
        event, is_whole = self._composed(piece, exc, environ)
        event = self._named(event, entry, is_whole)
        issue = fingerprint(event)
        prefix = ids.prefix(issue)
        number = _known_number(piece, prefix, number)
        return replace(event, fingerprint=issue, error_id=ids.make(prefix, number)), is_whole, number

    def _named(self, event: Event, entry: Entry, is_whole: bool) -> Event:
        """Return the event with what the application calls its fault."""
        if not self._naming or not is_whole or event.custom_fingerprint:
            return event
        name = self._naming.name(event, is_rest=entry.is_rest)
        return replace(event, custom_fingerprint=name) if name else event

    def _freshen(self, environ: Mapping[str, Any] | None, event: Event) -> None:
        if isinstance(environ, dict) and not self._is_guest:
            environ[FRESH] = event

    def _composed(
        self, piece: Piece, exc: BaseException | None, environ: Mapping[str, Any] | None, **identity: str
    ) -> tuple[Event, bool]:
        """Return (event, whether it is whole)."""
        try:
            return self._composer.compose(piece, exc, environ, **identity), True
        except Exception as fault:  # noqa: BLE001 - without a full report there is still a type and a place to tell
            complain("capture", f"a report could not be captured in full: {type(fault).__name__}", fault)
            return self._composer.bare(piece.kind, exc, **identity), False

    def _asked(self, event: Event, process: Process) -> tuple[Event | None, bytes]:
        """Return (event, wire form) after ``before_spool`` changed or dropped (None) it.

        What it returns is masked again. Its failure, and what can't be masked or encoded, leaves the event unchanged.
        A report made by the hook itself does not call it again.
        """
        thread = threading.get_ident()
        if self._before_spool is None or thread in self._asking:
            return event, self._encoded(event, process)
        try:
            self._asking.add(thread)  # within: what a signal handler raises just after it is not to leave it there
            answer: object = self._before_spool(event)
            if answer is None:
                return None, b""
            if type(answer) is not Event:  # not by `isinstance`, which asks a `__class__` of the application's
                raise TypeError(f"it returned {describe_value(answer)}, no Event")
            # Also the same event: its mappings may have been changed in place.
            masked = self._scrubber.event(answer, frames=answer is not event)
            kept = replace(masked, fingerprint=event.fingerprint, error_id=event.error_id)
            body = self._encoded(kept, process)
            wire.decode(body)
            _occurrence(kept, 0, body)
        except Exception as fault:  # noqa: BLE001 - the application's hook: its failure must not lose the report
            text = f"before_spool failed, the event goes on unchanged: {type_name(type(fault))}"
            complain("before_spool", text, fault)
            return event, self._encoded(event, process)
        finally:
            self._asking.discard(thread)
        return kept, body

    def _encoded(self, event: Event, process: Process) -> bytes:
        body = wire.encode(event)
        if len(body) <= limits.EVENT_BYTES:
            return body
        process.writer.tally("cut")
        exception = event.exception
        if exception is not None:
            frames = tuple(replace(frame, locals=None) for frame in exception.frames[-_CUT_FRAMES:])
            exception = replace(exception, frames=frames, cause=None, context=None, members=(), notes=())
        prepared = {name: value[:_CUT_CHARS] for name, value in event.prepared.items() if type(value) is str}
        return wire.encode(replace(event, exception=exception, fields={"cut": f"{len(body)} bytes"}, prepared=prepared))


def _occurrence(event: Event, number: int, body: bytes) -> Occurrence:
    """Return what is spooled. Raises ValueError, KeyError, TypeError or AttributeError for values of no event."""
    if event.kind not in ("traceback", "error", "warning") or type(event.levelno) is not int:
        raise ValueError("kind or levelno is none of an event")
    at = event.timestamp.timestamp()
    return Occurrence(event.kind, event.levelno, number % ids.SUFFIXES, event.fingerprint, at, body)


def _key(piece: Piece, exc: BaseException | None, environ: Mapping[str, Any] | None) -> FaultKey:
    """Return the fault key, never coarser than the fingerprint: what differs there differs here."""
    if piece.custom_fingerprint or piece.fingerprint:
        return record_key("", 0, piece.custom_fingerprint or piece.fingerprint)
    if exc is not None:
        key = fault_key(exc)
        if exc_traceback(exc) is not None:
            return key
        # Never raised: a fingerprint without frames is that of the record.
        return (*key, piece.logger, piece.levelno, piece.template, piece.location.rpartition(":")[0])
    name = piece.logger
    if piece.status is not None and environ is not None:
        path = environ_text(environ, ROUTE) or environ_text(environ, ENDPOINT) or first_segment(_path(environ))
        name = f"{name} {path} {piece.status}"
    function = piece.location.rpartition(":")[0]
    return record_key(name, piece.levelno, piece.template, function=function, is_formatted=piece.is_formatted)


def _lasting(
    piece: Piece, exc: BaseException | None
) -> tuple[Callable[[BaseException], FaultKey] | None, BaseException | None]:
    """Return what tells an exception whose code was compiled anew; nothing where a name or no frame tells the fault."""
    if exc is None or piece.custom_fingerprint or piece.fingerprint or exc_traceback(exc) is None:
        return None, None
    return lasting_key, exc


def _known_number(piece: Piece, prefix: str, number: int) -> int:
    """Return the number that the occurrence has elsewhere, so that it has one error id; else ``number``."""
    known, _, suffix = piece.error_id.partition("-")
    return ids.number(suffix) if suffix and known == prefix else number


def _path(environ: Mapping[str, Any]) -> str:
    return environ_text(environ, "SCRIPT_NAME") + environ_text(environ, "PATH_INFO")
