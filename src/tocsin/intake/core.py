"""The intake: every way in calls it. Exceptions, records and answers go in; error ids leave. Nothing is raised."""

from __future__ import annotations

import logging
import os
import sys
import weakref
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.capture import records
from tocsin.capture.call_sites import CallSites
from tocsin.capture.lead_up import keep
from tocsin.capture.piece import Piece
from tocsin.capture.requests import find_environ, path_of
from tocsin.capture.scopes import environ_of_request
from tocsin.complaints import complain, is_own_work
from tocsin.config.ignore import Ignore
from tocsin.config.settings import Settings
from tocsin.config.values import is_html
from tocsin.event.environ import COUNTED, ERROR_ID
from tocsin.event.environ import text as environ_text
from tocsin.event.error_id import ERROR_ID_HEADER
from tocsin.event.identity.fingerprint import ANSWER_LOGGER
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Kind
from tocsin.intake.announce import announce
from tocsin.intake.capturer import BeforeSpool, Capturer
from tocsin.intake.compose import Composer, Describer
from tocsin.intake.left_out import LeftOut
from tocsin.intake.mark import mark, recall, recall_members, strength
from tocsin.intake.naming import Naming
from tocsin.intake.process import Process, Processes, given_token, new_writer, token_of
from tocsin.intake.told import TOLD
from tocsin.render.page import ErrorPage
from tocsin.spool.folder import Folder

if TYPE_CHECKING:
    from tocsin.spool.deaths import Deaths

__all__ = ["Intake"]


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
        hash_key: Callable[[], bytes] = bytes,
        channel: str = "",
    ) -> None:
        """``on_wake`` is called once per process; ``hash_key`` returns what hashes of clients are keyed with.

        ``channel`` is set for an intake besides the application's own: it marks exceptions by a name of its own, and
        leaves nothing in a request's environ.
        """
        self.settings = settings
        self.is_on = self.is_asleep = settings.mode == "production"
        self.watched_statuses = frozenset(str(s) for s in (*settings.warning_statuses, *settings.error_statuses))
        self.scrubber = Scrubber(settings.mask_keys, settings.masking_rules, is_on=settings.masking)
        self._composer = Composer(settings, self.scrubber, hash_key)
        self._undo: list[Callable[[], None]] = []
        self.naming = Naming(settings, self.scrubber)
        self.capturer = Capturer(self._composer, self.scrubber, before_spool, self.naming, is_guest=bool(channel))
        self.processes = Processes(lambda: new_writer(settings, folder, sink_identities, self.scrubber.name))
        self._on_wake = on_wake
        self.deaths: Deaths | None = None  # with the setting `deaths`
        self._channel = channel
        self._ignore = Ignore(settings.ignore)
        self._left_out = LeftOut(self._ignore)
        self._call_sites = CallSites()
        self._page = ErrorPage(_custom_page(settings.error_page))
        if hasattr(os, "register_at_fork"):
            weak = weakref.WeakMethod(self._fall_asleep)  # the hook can't be taken back, and is not to keep us alive
            os.register_at_fork(after_in_child=lambda: (fall_asleep := weak()) and fall_asleep())

    # -- ways in -------------------------------------------------------------------------------------------

    def exception(
        self,
        exc: BaseException,
        *,
        kind: Kind = "traceback",
        via: str,
        environ: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> str | None:
        """Take an exception in; return its error id, or None where it is only counted.

        ``via`` names the way in, so that the same occurrence seen by a second way is told from a second occurrence.
        ``environ`` is looked for on the stack when it isn't given. ``fields`` travel with the event, masked.
        """
        return self.take(Piece(kind, logging.ERROR, fields=fields or {}), exc, via=via, environ=environ)

    def record(self, record: logging.LogRecord) -> str | None:
        """Take a record of logging in; return the error id of its event, None where there is none."""
        if not self.is_on or is_own_work():
            return None
        told = record.__dict__.get(TOLD)
        if type(told) is str:
            return told or None
        try:
            name = records.name_of(record)
            if records.level_of(record) < self.threshold(name) or self._ignore.covers_logger(name):
                return None
            statuses = self.settings.warning_statuses, self.settings.error_statuses
            if not records.is_admitted(record, *statuses):
                return None
            piece = records.read(record, self.scrubber.hides)
            exc = records.exception_of(record)
            if exc is None:
                piece = self._call_sites.read(record, piece)
            environ = environ_of_request(record.__dict__.get("request"))  # Django's records have it
        except Exception as fault:  # noqa: BLE001 - promise 1: reporting never raises into the application
            return self._failed(fault)
        return self.take(piece, exc, via=f"{piece.logger} {piece.location}", environ=environ)

    def handed(
        self, record: logging.LogRecord, prepare: Callable[[], Mapping[str, Any]], *, is_told: bool
    ) -> str | None:
        """Take a record in that passed a drop-in handler, whatever level or status it has; return its error id.

        With ``is_told`` a warning counts as an error: whoever had it mailed wants to be told now, not by a digest.
        """
        if not self.is_on or is_own_work():
            return None
        try:
            if self._ignore.covers_logger(records.name_of(record)):
                return None
            piece = records.read(record, self.scrubber.hides)
            known = record.__dict__.get("tocsin_fingerprint")
            piece = piece._replace(
                kind="error" if is_told and piece.kind == "warning" else piece.kind,
                fingerprint=known if type(known) is str else "",
                prepare=prepare,
            )
            exc = records.exception_of(record)
        except Exception as fault:  # noqa: BLE001 - promise 1: reporting never raises into the application
            return self._failed(fault)
        return self.take(piece, exc, via=f"{piece.logger} {piece.location}")

    def message(self, text: str, *, kind: Kind, level: int, template: str, logger: str) -> str | None:
        """Take a message of tocsin's own in; return its error id."""
        piece = Piece(kind, level, message=text, template=template, logger=logger)
        return self.take(piece, None, via=logger)

    def answer(self, status: str, environ: Mapping[str, Any]) -> str | None:
        """Take an answer with an error status (``400 Bad Request``) in; return the error id of its request.

        Nothing new is reported where the request has reported something already, and where the status isn't watched.
        """
        if not self.is_on:
            return None
        known = environ_text(environ, ERROR_ID)
        if known and known.isascii() and known.isprintable():  # it becomes a header, and anybody may have put it there
            return known
        if status[:3] not in self.watched_statuses or environ_text(environ, COUNTED):
            return None  # a bad Host header, say, was counted when it was seen
        is_error = int(status[:3]) in self.settings.error_statuses
        reason = f"answered {status}" + (", and nothing was reported" if is_error else "")
        piece = Piece(
            kind="error" if is_error else "warning",
            levelno=logging.ERROR if is_error else logging.WARNING,
            message=f"{reason}: {environ_text(environ, 'REQUEST_METHOD')} {path_of(environ)}",
            template=reason,
            logger=ANSWER_LOGGER,
            status=int(status[:3]),
        )
        return self.take(piece, None, via=ANSWER_LOGGER, environ=environ)

    def take(
        self, piece: Piece, exc: BaseException | None, *, via: str, environ: Mapping[str, Any] | None = None
    ) -> str | None:
        """Take an occurrence in; return its error id, or None where it is only counted or tocsin is off."""
        if not self.is_on:
            return None
        try:
            if environ is None:
                environ = find_environ(sys._getframe(1))
            process = self._awake()
            if exc is None:
                return self.capturer.take(process, piece, None, environ)[0]
            if reason := self._left_out.reason(exc):
                known = f"{self._channel} left out"  # a name of its own: an exception may be judged anew
                if recall(exc, via, token_of(environ), known) is None:
                    process.writer.tally(reason)
                    mark(exc, "", "", 0, given_token(environ, process), (via,), known)
                if type(environ) is dict:
                    environ.setdefault(COUNTED, reason)  # nor is an answer that a framework makes of it a report
                return None
            seen = recall(exc, via, token_of(environ), self._channel)
            rank = strength(piece.kind, piece.levelno)
            if seen is None and issubclass(type(exc), BaseExceptionGroup):
                seen = recall_members(exc, via, token_of(environ), self._channel)
            if seen is None:
                error_id, issue = self.capturer.take(process, piece, exc, environ)
                mark(exc, error_id, issue, rank, given_token(environ, process), (via,), self._channel)
                return error_id
            if rank >= strength("error", 0) > seen.strength:  # warnings wait for a digest, and this can't
                self.capturer.strengthen(process, piece, exc, environ, seen.error_id, seen.fingerprint)
            ways = (*seen.ways, via)
            mark(exc, seen.error_id, seen.fingerprint, max(rank, seen.strength), seen.token, ways, self._channel)
            self.capturer.note(environ, seen.error_id, strength(piece.kind, 0))
            return seen.error_id
        except Exception as fault:  # noqa: BLE001 - promise 1: reporting never raises into the application
            return self._failed(fault)

    def noted(self, record: logging.LogRecord) -> None:
        """Keep a record for what may yet be reported of the same request or task.

        Not one that an integration has told in its own way: it would lead up to itself, with a task's arguments in it.
        """
        if self.is_on and self.settings.lead_up and not is_own_work() and TOLD not in record.__dict__:
            try:
                keep(record, self.settings.lead_up, self.scrubber.hides)
            except Exception as fault:  # noqa: BLE001 - promise 1: a log call never raises on our account
                self._failed(fault)

    # -- what integrations need besides --------------------------------------------------------------------

    def add_describer(self, describer: Describer) -> None:
        """Have ``describer(environ)`` called whenever an event of a request is made: in full, not when it is counted.

        It fills in ROUTE, ENDPOINT and USER (`tocsin.event.environ`), by what the framework has at hand; it may raise,
        and is to run no query and no code of the application.
        """
        self._composer.add_describer(describer)

    def on_close(self, undo: Callable[[], None]) -> None:
        """Have ``undo`` called by `close`, last registered first."""
        self._undo.append(undo)

    def lend(self, other: Intake) -> Callable[[], None]:
        """Be another intake until what is returned is called: integrations hold this object. For `tocsin.testing`."""
        before = vars(self).copy()
        for describer in self._composer.describers:
            other.add_describer(describer)
        vars(self).update(vars(other))
        return lambda: vars(self).update(before)

    def close(self) -> None:
        """Take nothing in any more, and undo what integrations did outside of their application."""
        self.is_on = self.is_asleep = False
        while self._undo:
            self._undo.pop()()
        process = self.processes.known()
        if process is not None:
            process.writer.close()

    def wake(self) -> None:
        """Start what must not start before the first request or event of a process."""
        self.is_asleep = False
        self.naming.load()
        try:
            self.processes.current()
            self._on_wake()
        except Exception as fault:  # noqa: BLE001 - delivery is not worth a failed request
            complain("wake", f"delivery could not be started: {fault}", fault)

    def announce(self, error_id: str, environ: Mapping[str, Any], *, is_shown: bool = False) -> None:
        """Log the one record that announces a captured exception which nobody else logs in the application."""
        announce(error_id, environ, is_shown=is_shown)

    def page(self, environ: Mapping[str, Any], error_id: str | None) -> tuple[str, list[tuple[str, str]], bytes]:
        """Return (status, headers, body) of the 500 page for a request."""
        rendered = self._page.render(environ_text(environ, "HTTP_ACCEPT"), error_id or "")
        if rendered.failure is not None:
            self.exception(rendered.failure, kind="error", via="page", environ=environ)
        headers = [
            ("Content-Type", rendered.content_type),
            ("Content-Length", str(len(rendered.body))),
            ("Cache-Control", "no-store"),
            ("Vary", "Accept"),
        ]
        if error_id:
            headers.append((ERROR_ID_HEADER, error_id))
        return "500 Internal Server Error", headers, rendered.body

    # -- the rest ------------------------------------------------------------------------------------------

    def _awake(self) -> Process:
        process = self.processes.known()
        if process is None or self.is_asleep:
            self.wake()
            process = self.processes.current()
        return process

    def _fall_asleep(self) -> None:
        """Begin anew in a forked child: its pid may be one of before, in a namespace of its own say."""
        self.is_asleep = self.is_on
        self.processes.forget()
        self.capturer.forget_threads()

    def threshold(self, name: str, default: int = logging.NOTSET) -> int:
        """Return the level that `[loggers]` sets for a logger or the nearest one above it."""
        loggers = self.settings.loggers
        while loggers and name:
            if name in loggers:
                return loggers[name]
            name = name.rpartition(".")[0]
        return default

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
