"""The intake: every way in calls it. An occurrence goes in, exactly one durable action happens, an error id leaves."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from tocsin.capture import records
from tocsin.capture.disconnects import is_bad_host, is_disconnect
from tocsin.capture.key import FaultKey, fault_key, record_key
from tocsin.capture.requests import find_environ
from tocsin.complaints import complain, say
from tocsin.config.ignore import Ignore
from tocsin.config.settings import Settings
from tocsin.config.values import is_html
from tocsin.event import error_id as ids
from tocsin.event import limits, wire
from tocsin.event.fingerprint import fingerprint
from tocsin.event.model import Event, Kind
from tocsin.event.scrub import Scrubber
from tocsin.intake.compose import Composer
from tocsin.intake.mark import mark, recall
from tocsin.intake.process import Process, Processes
from tocsin.limiter import Entry
from tocsin.render.page import ErrorPage
from tocsin.render.text import event_text
from tocsin.spool.folder import Folder
from tocsin.spool.writer import Occurrence, Place, Writer

__all__ = ["ANNOUNCER", "BeforeSpool", "Intake"]

BeforeSpool: TypeAlias = Callable[[Event], "Event | None"]

ANNOUNCER: Final = "tocsin.report"  # the logger of the one record that announces a captured exception
ANSWERS: Final = "tocsin.answer"  # the logger name of warnings and errors from answers
_ID: Final = "tocsin.error_id"
_TOKEN: Final = "tocsin.request"
_FRESH: Final = "tocsin.fresh"


class Intake:
    """Take occurrences in. Thread-safe, fork-safe, never raises into its caller.

    ``is_asleep`` is True until the first event or request of a process; integrations call `wake` then, which starts
    delivery. It is a plain attribute because it is read on every request.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Folder,
        *,
        sink_identities: Collection[str] = (),
        before_spool: BeforeSpool | None = None,
        on_wake: Callable[[], None] = lambda: None,
        hash_key: Callable[[], bytes] = lambda: b"",
    ) -> None:
        self.settings = settings
        self.is_on = settings.mode == "production"
        self.is_asleep = self.is_on
        self.watched_statuses = frozenset(str(s) for s in (*settings.warning_statuses, *settings.error_statuses))
        self.scrubber = Scrubber(settings.mask_keys, is_on=settings.masking)
        self.captured = 0
        self.counted = 0
        self._error_statuses = frozenset(str(s) for s in settings.error_statuses)
        self._before_spool = before_spool
        self._on_wake = on_wake
        self._ignore = Ignore(settings.ignore)
        self._page = ErrorPage(_custom_page(settings.error_page))
        self._warning_statuses = frozenset(settings.warning_statuses)
        self._composer = Composer(settings, self.scrubber, hash_key)
        about = {
            "application": settings.application,
            "environment": settings.environment,
            "release": settings.release,
            "host": settings.host,
            "python": sys.version.split()[0],
            "sinks": sorted(sink_identities),
        }

        def new_writer() -> Writer:
            max_bytes = int(settings.spool_max_mb * 1_048_576)
            return Writer(folder, about=about, max_bytes=max_bytes, is_synced=settings.fsync)

        self.processes = Processes(new_writer)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._fall_asleep)

    # -- ways in -------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Start what must not start before the first request or event of a process."""
        self.is_asleep = False
        try:
            self.processes.current()
            self._on_wake()
        except Exception as fault:  # noqa: BLE001 - delivery is not worth a failed request
            complain("wake", f"delivery could not be started: {fault}", fault)

    def exception(
        self,
        exc: BaseException,
        *,
        kind: Kind = "traceback",
        via: str,
        environ: Mapping[str, Any] | None = None,
        message: str = "",
        template: str = "",
        logger: str = "",
        location: str = "",
        fields: Mapping[str, Any] | None = None,
        level: int = logging.ERROR,
        custom_fingerprint: str = "",
    ) -> str | None:
        """Take an exception in; return its error id, or None where it is only counted.

        ``via`` names the way in, so that the same occurrence seen by a second way is told from a second occurrence.
        ``environ`` is looked for on the stack when it isn't given.
        """
        if not self.is_on:
            return None
        try:
            if environ is None:
                environ = find_environ(sys._getframe(1))
            process = self._awake()
            if reason := self._left_out(exc):
                process.writer.tally(reason)
                return None
            token = _token(environ, process)
            if known := recall(exc, token, via, is_request=environ is not None):
                return known
            error_id = self._take(
                process,
                record_key("", 0, custom_fingerprint) if custom_fingerprint else fault_key(exc),
                kind,
                lambda: self._composer.from_exception(
                    exc,
                    kind,
                    level,
                    message=message,
                    template=template,
                    logger=logger,
                    location=location,
                    environ=environ,
                    fields=fields,
                ),
                environ,
                custom_fingerprint,
                exc,
            )
            mark(exc, error_id, token, via)
            return error_id
        except Exception as fault:  # noqa: BLE001 - promise 1: reporting never raises into the application
            return self._failed(fault)

    def message(
        self,
        text: str,
        *,
        kind: Kind,
        level: int,
        template: str,
        is_formatted: bool = False,
        logger: str = "",
        location: str = "",
        environ: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        status: int | None = None,
        custom_fingerprint: str = "",
    ) -> str | None:
        """Take a message without an exception in; return its error id."""
        if not self.is_on:
            return None
        try:
            if environ is None:
                environ = find_environ(sys._getframe(1))
            process = self._awake()
            return self._take(
                process,
                self._message_key(
                    custom_fingerprint, logger, level, template, is_formatted, environ if status else None
                ),
                kind,
                lambda: self._composer.from_message(
                    text,
                    kind,
                    level,
                    template=template,
                    logger=logger,
                    location=location,
                    environ=environ,
                    fields=fields,
                    status=status,
                ),
                environ,
                custom_fingerprint,
            )
        except Exception as fault:  # noqa: BLE001 - promise 1
            return self._failed(fault)

    def record(self, record: logging.LogRecord) -> str | None:
        """Take a record of logging in; return the error id of its event, None where there is none."""
        if not self.is_on:
            return None
        try:
            if record.levelno < self._threshold(record.name) or self._ignore.covers_logger(record.name):
                return None
            if not records.is_admitted(record, self._warning_statuses):
                return None
            exc = records.exception_of(record)
            text = records.text_of(record)
            location = records.location_of(record)
            kind = records.kind_of(record, exc is not None)
            fields = records.fields_of(record, self.scrubber)
            if exc is not None:
                return self.exception(
                    exc,
                    kind=kind,
                    via=f"{record.name} {location}",
                    message=text.message,
                    template=text.template,
                    logger=record.name,
                    location=location,
                    fields=fields,
                    level=record.levelno,
                )
            return self.message(
                text.message,
                kind=kind,
                level=record.levelno,
                template=text.template,
                is_formatted=text.is_formatted,
                logger=record.name,
                location=location,
                fields=fields,
            )
        except Exception as fault:  # noqa: BLE001 - promise 1
            return self._failed(fault)

    def answer(self, status: str, environ: Mapping[str, Any]) -> str | None:
        """Take an answer with a watched status in; return the error id of its request.

        Nothing new is reported where the request has reported something already.
        """
        if not self.is_on:
            return None
        known = environ.get(_ID)
        if isinstance(known, str):
            return known
        if environ.get("tocsin.counted"):
            return None  # a bad Host header, say: counted when it was seen
        is_error = status[:3] in self._error_statuses
        method = environ.get("REQUEST_METHOD", "")
        reason = f"answered {status}" + (", and nothing was reported" if is_error else "")
        return self.message(
            f"{reason}: {method} {environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}",
            kind="error" if is_error else "warning",
            level=logging.ERROR if is_error else logging.WARNING,
            template=reason,
            logger=ANSWERS,
            environ=environ,
            status=int(status[:3]),
        )

    def announce(self, error_id: str, exc: BaseException, environ: Mapping[str, Any]) -> None:
        """Log the one record that announces a captured exception which nobody else logs.

        Only for the occurrence that was captured in full: a storm must not become a storm of log lines. The record
        carries the masked report instead of ``exc_info``, since what it says is ours to answer for.
        """
        event = environ.pop(_FRESH, None) if isinstance(environ, dict) else None
        if not isinstance(event, Event):
            return
        try:
            logging.getLogger(ANNOUNCER).error(
                "error %s\n%s", error_id, event_text(event), extra={"error_id": error_id, "tocsin_skip": True}
            )
        except Exception as fault:  # noqa: BLE001 - a foreign handler's failure is not the request's
            complain("announce", f"a logging handler failed: {type(fault).__name__}", fault)

    def page(self, environ: Mapping[str, Any], error_id: str | None) -> tuple[str, list[tuple[str, str]], bytes]:
        """Return (status, headers, body) of the 500 page for a request."""
        accept = environ.get("HTTP_ACCEPT", "")
        rendered = self._page.render(accept if isinstance(accept, str) else "", error_id or "")
        if rendered.failure is not None:
            self.exception(rendered.failure, kind="error", via="page", environ=environ, logger="tocsin.page")
        headers = [
            ("Content-Type", rendered.content_type),
            ("Content-Length", str(len(rendered.body))),
            ("Cache-Control", "no-store"),
            ("Vary", "Accept"),
        ]
        if error_id:
            headers.append(("X-Error-Id", error_id))
        return "500 Internal Server Error", headers, rendered.body

    # -- the one durable action ----------------------------------------------------------------------------

    def _take(
        self,
        process: Process,
        key: FaultKey,
        kind: Kind,
        compose: Callable[[], Event],
        environ: Mapping[str, Any] | None,
        custom_fingerprint: str = "",
        exc: BaseException | None = None,
    ) -> str:
        """Count or capture: each occurrence is one increment or one record, never both, never none."""
        number = next(process.numbers)
        entry, is_full = process.limiter.admit(key)
        place: Place | None = entry.data
        if not is_full and entry.is_dropped:
            process.writer.tally("hook_dropped")
            return ids.make(entry.prefix, number)
        if not is_full and place is not None and place.generation is process.writer.generation:
            if process.writer.count(place):
                self.counted += 1
                return _noted(environ, ids.make(entry.prefix, number))
        elif not is_full and place is None and entry.prefix and process.writer.keep_count(entry.fingerprint):
            self.counted += 1
            return _noted(environ, ids.make(entry.prefix, number))
        return self._capture(process, entry, number, kind, compose, environ, custom_fingerprint, exc)

    def _capture(
        self,
        process: Process,
        entry: Entry,
        number: int,
        kind: Kind,
        compose: Callable[[], Event],
        environ: Mapping[str, Any] | None,
        custom_fingerprint: str,
        exc: BaseException | None,
    ) -> str:
        try:
            event = compose()
        except Exception as fault:  # noqa: BLE001 - without a full report there is still a type and a place to tell
            complain("capture", f"a report could not be captured in full: {type(fault).__name__}", fault)
            event = self._composer.bare(kind, exc)
        event = replace(event, custom_fingerprint=custom_fingerprint)
        issue = entry.fingerprint or fingerprint(event)
        prefix = ids.prefix(issue)
        error_id = ids.make(prefix, number)
        event = replace(event, fingerprint=issue, error_id=error_id)
        kept = self._asked(event)
        entry.is_dropped = kept is None
        if kept is None:
            entry.prefix = prefix
            process.writer.tally("hook_dropped")
            return error_id
        occurrence = Occurrence(
            kept.kind,
            kept.levelno,
            number % ids.SUFFIXES,
            issue,
            kept.timestamp.timestamp(),
            self._encoded(kept, process),
        )
        place = process.writer.append(occurrence)
        entry.fingerprint, entry.prefix, entry.data = issue, prefix, place
        if place is None:
            say(f"kept in memory, as the spool can't be written:\n{event_text(kept)}")
        self.captured += 1
        if isinstance(environ, dict):
            environ[_FRESH] = kept
        return _noted(environ, error_id)

    def _asked(self, event: Event) -> Event | None:
        """Let ``before_spool`` change or drop the event; what it returns is masked again, its failure delivers."""
        if self._before_spool is None:
            return event
        try:
            answer: object = self._before_spool(event)
        except Exception as fault:  # noqa: BLE001 - the application's hook: its failure must not lose the report
            complain("before_spool", f"before_spool failed, the event goes on unchanged: {fault!r}", fault)
            return event
        if answer is None:
            return None
        if answer is event:
            return event
        if not isinstance(answer, Event):
            complain("before_spool", f"before_spool returned a {type(answer).__name__}, no Event; it is passed over")
            return event
        masked = self.scrubber.event(answer, frames=True)
        return replace(masked, fingerprint=event.fingerprint, error_id=event.error_id)

    def _encoded(self, event: Event, process: Process) -> bytes:
        body = wire.encode(event)
        if len(body) <= limits.EVENT_BYTES:
            return body
        process.writer.tally("cut")
        exception = event.exception
        if exception is not None:
            exception = replace(exception, frames=exception.frames[-8:], cause=None, context=None, members=(), notes=())
        return wire.encode(replace(event, exception=exception, fields={"cut": f"{len(body)} bytes"}))

    # -- the rest ------------------------------------------------------------------------------------------

    def _awake(self) -> Process:
        process = self.processes.known()
        if process is None or self.is_asleep:
            self.wake()
            process = self.processes.current()
        return process

    def _fall_asleep(self) -> None:
        self.is_asleep = self.is_on

    def _left_out(self, exc: BaseException) -> str | None:
        if is_disconnect(exc):
            return "disconnects"
        if is_bad_host(exc):
            return "bad_hosts"
        if self._ignore.covers_exception(exc):
            return "ignored"
        return None

    @staticmethod
    def _message_key(
        custom: str, logger: str, level: int, template: str, is_formatted: bool, answered: Mapping[str, Any] | None
    ) -> FaultKey:
        """Return the key of a message; that of an answer tells routes apart."""
        if custom:
            return record_key("", 0, custom)
        if answered is not None:
            return record_key(f"{logger} {answered.get('tocsin.route', '')}", level, template)
        return record_key(logger, level, template, is_formatted=is_formatted)

    def _threshold(self, name: str) -> int:
        loggers = self.settings.loggers
        if not loggers:
            return logging.NOTSET
        while name:
            if name in loggers:
                return loggers[name]
            name = name.rpartition(".")[0]
        return logging.NOTSET

    def _failed(self, fault: Exception) -> str | None:
        complain("intake", f"an occurrence could not be taken in: {type(fault).__name__}", fault)
        try:
            self.processes.current().writer.tally("internal")
        except Exception as second:  # noqa: BLE001 - the last edge: the loss is at least told
            complain("intake", f"nor could it be counted: {type(second).__name__}", second)
        return None


def _custom_page(page: Any) -> Any:
    if not page or callable(page) or is_html(page):
        return page or None
    return Path(page)


def _token(environ: Mapping[str, Any] | None, process: Process) -> str:
    """Return the name of the present request, put into its environ when first asked for; else of the thread."""
    if environ is None:
        from threading import get_ident

        return f"{process.writer.process}:thread {get_ident()}"
    token = environ.get(_TOKEN)
    if not isinstance(token, str):
        token = process.new_token()
        if isinstance(environ, dict):
            environ[_TOKEN] = token
    return token


def _noted(environ: Mapping[str, Any] | None, error_id: str) -> str:
    """Leave the first error id of a request where the answer finds it."""
    if isinstance(environ, dict):
        environ.setdefault(_ID, error_id)
    return error_id
