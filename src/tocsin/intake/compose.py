"""What happened goes in piece by piece; a masked Event without identity leaves."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from tocsin.capture import lead_up, records
from tocsin.capture.anatomy import traceback
from tocsin.capture.described import described_fields
from tocsin.capture.exceptions import describe
from tocsin.capture.frames import FrameCache
from tocsin.capture.piece import Piece
from tocsin.capture.present import present_of
from tocsin.capture.requests import ALLOWED_HEADERS, RequestPolicy, from_environ
from tocsin.complaints import complain
from tocsin.config.revision import links_of
from tocsin.config.settings import Settings
from tocsin.event import limits
from tocsin.event.environ import WORK
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Event, ExceptionInfo, Frame, Kind, Request
from tocsin.event.typename import type_name

if TYPE_CHECKING:
    from tocsin.capture.locals import LocalsReader

__all__ = ["Composer", "Describer"]

Describer: TypeAlias = Callable[[Any], None]  # it is given the environ


class Composer:
    """Build events for one application. Thread-safe; the frame cache is shared by all threads."""

    def __init__(self, settings: Settings, scrubber: Scrubber, hash_key: Callable[[], bytes]) -> None:
        """``hash_key`` is asked whenever a request is captured; it keys the hashes of clients."""
        self._scrubber = scrubber
        self._policy = RequestPolicy(
            client_address=settings.client_address,
            user_id=settings.user_id,
            trust_proxy_headers=settings.trust_proxy_headers,
            headers=ALLOWED_HEADERS.union(settings.request_headers),
            hash_key=hash_key,
        )
        self._frames = FrameCache(
            scrubber,
            app_modules=settings.app_modules,
            locals=_reader(scrubber) if settings.locals else None,
            link=links_of(settings),
        )
        said = {name: getattr(settings, name) for name in ("application", "environment", "release", "host")}
        self._tags = dict(settings.tags)
        self.describers: list[Describer] = []
        self._always: dict[str, Any] = {name: scrubber.name(value) for name, value in said.items()}
        self._always["commit"] = settings.commit  # hexadecimal digits, which could only be taken for a secret

    def add_describer(self, describer: Describer) -> None:
        """Have ``describer`` fill in what only a framework knows, whenever an event of a request is made."""
        if describer not in self.describers:
            self.describers.append(describer)

    def compose(
        self,
        piece: Piece,
        exc: BaseException | None,
        environ: Mapping[str, Any] | None,
        **identity: str,
    ) -> Event:
        """Return the masked event; where there is no message, what the exception says.

        Each part is masked where it is made, once, and the event is made once, with its ``identity`` (``fingerprint``,
        ``error_id``) where that is known: to mask the whole again took as long as everything else.
        """
        scrubber = self._scrubber
        present = present_of(exc, environ)
        info = None if exc is None else describe(exc, self._frames)
        message = piece.told()
        if info is not None and not message:
            message = f"{info.type}: {info.message}" if info.message else info.type
        return self._event(
            piece,
            info,
            scrubber.text(message, limits.MESSAGE_CHARS),
            level=scrubber.name(logging.getLevelName(piece.levelno)),
            request=self._request(environ, piece.status),
            task=None if present.task is None else scrubber.task(present.task),
            tags=scrubber.tags({**self._tags, **present.tags}) if self._tags or present.tags else {},
            lead_up=() if environ is None else lead_up.lines(environ, scrubber),
            process_name=scrubber.name(records.process_name()),
            thread=scrubber.name(threading.current_thread().name),
            template=scrubber.text(piece.template, limits.MESSAGE_CHARS),
            logger=scrubber.name(piece.logger),
            location=scrubber.text(piece.location, limits.PATH_CHARS),
            # The record's own come first: they count before the context's, also where there are too many.
            fields=scrubber.fields(
                described_fields(
                    {**piece.fields, **present.fields, **piece.fields} if present.fields else piece.fields, scrubber
                )
            ),
            custom_fingerprint=scrubber.name(piece.custom_fingerprint),
            prepared={} if piece.prepare is None else scrubber.prepared(piece.prepare()),
            **identity,
        )

    def describe(self, environ: Mapping[str, Any]) -> None:
        """Have frameworks fill in what only they know of a request. Never raises."""
        for describer in self.describers:
            try:
                describer(environ)
            except Exception as fault:  # noqa: BLE001 - a request without its route is better than no report
                complain("describe", f"a request could not be described: {type_name(type(fault))}", fault)

    def _request(self, environ: Mapping[str, Any] | None, status: int | None) -> Request | None:
        if environ is None or WORK in environ:
            return None
        self.describe(environ)
        return from_environ(environ, self._scrubber, self._policy, status=status)

    def bare(self, kind: Kind, exc: BaseException | None, **identity: str) -> Event:
        """Return the least that can be told, when capture or masking failed: type and location, no text."""
        info = None
        if exc is not None:
            entry = traceback(exc)
            while entry is not None and entry.tb_next is not None:
                entry = entry.tb_next
            frames = () if entry is None else (_bare_frame(entry),)
            info = ExceptionInfo(type_name(type(exc)), "", frames)
        message = "captured without its text, since tocsin itself failed"
        return self._event(Piece(kind, logging.ERROR), info, message, level="ERROR", **identity)

    def _event(self, piece: Piece, info: ExceptionInfo | None, message: str, **said: Any) -> Event:
        return Event(
            kind=piece.kind,
            levelno=piece.levelno,
            timestamp=datetime.now(UTC),
            message=message,
            exception=info,
            process_id=os.getpid(),
            **self._always,
            **said,
        )


def _reader(scrubber: Scrubber) -> LocalsReader:
    from tocsin.capture.locals import LocalsReader  # only for those who asked for it

    return LocalsReader(scrubber)


def _bare_frame(entry: TracebackType) -> Frame:
    code = entry.tb_frame.f_code
    return Frame("", code.co_qualname, code.co_filename, entry.tb_lineno)
