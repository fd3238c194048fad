"""What happened goes in piece by piece; a masked Event without identity leaves."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from tocsin.capture import records
from tocsin.capture.exceptions import describe
from tocsin.capture.frames import FrameCache
from tocsin.capture.piece import Piece
from tocsin.capture.requests import ALLOWED_HEADERS, RequestPolicy, from_environ
from tocsin.config.settings import Settings
from tocsin.event import limits
from tocsin.event.model import Event, ExceptionInfo, Frame, Kind
from tocsin.event.scrub import Scrubber

__all__ = ["Composer"]


class Composer:
    """Build events for one application. Thread-safe; the frame cache is shared by all threads."""

    def __init__(self, settings: Settings, scrubber: Scrubber, hash_key: Callable[[], bytes]) -> None:
        """``hash_key`` is asked whenever a request is captured; it keys the hashes of clients."""
        self._settings = settings
        self._scrubber = scrubber
        self._policy = RequestPolicy(
            client_address=settings.client_address,
            trust_proxy_headers=settings.trust_proxy_headers,
            headers=ALLOWED_HEADERS.union(settings.request_headers),
            hash_key=hash_key,
        )
        self._frames = FrameCache(scrubber, app_modules=settings.app_modules)

    def compose(self, piece: Piece, exc: BaseException | None, environ: Mapping[str, Any] | None) -> Event:
        """Return the masked event; where there is no message, what the exception says."""
        event = self._event(piece.kind, piece.levelno, environ, piece.status)
        info = None if exc is None else describe(exc, self._frames)
        message = piece.message
        if info is not None and not message:
            message = f"{info.type}: {info.message}" if info.message else info.type
        return self._scrubber.event(
            replace(
                event,
                message=message,
                template=piece.template,
                logger=piece.logger,
                location=piece.location,
                exception=info,
                fields=self._scrubber.fields(piece.fields),
                custom_fingerprint=self._scrubber.text(piece.custom_fingerprint, limits.NAME_CHARS),
                prepared={} if piece.prepare is None else piece.prepare(),
            )
        )

    def bare(self, kind: Kind, exc: BaseException | None) -> Event:
        """Return the least that can be told, when capture or masking failed: type and location, no text."""
        info = None
        if exc is not None:
            entry = exc.__traceback__
            while entry is not None and entry.tb_next is not None:
                entry = entry.tb_next
            frames = () if entry is None else (_bare_frame(entry),)
            info = ExceptionInfo(type(exc).__qualname__, "", frames)
        event = self._event(kind, logging.ERROR, None)
        return replace(event, exception=info, message="captured without its text, since tocsin itself failed")

    def _event(
        self,
        kind: Kind,
        levelno: int,
        environ: Mapping[str, Any] | None,
        status: int | None = None,
    ) -> Event:
        settings = self._settings
        return Event(
            kind=kind,
            level=logging.getLevelName(levelno),
            levelno=levelno,
            timestamp=datetime.now(UTC),
            application=settings.application,
            environment=settings.environment,
            release=settings.release,
            host=settings.host,
            request=None if environ is None else from_environ(environ, self._scrubber, self._policy, status=status),
            process_id=os.getpid(),
            process_name=records.process_name(),
            thread=threading.current_thread().name[: limits.NAME_CHARS],
        )


def _bare_frame(entry: TracebackType) -> Frame:
    code = entry.tb_frame.f_code
    return Frame("", code.co_qualname, code.co_filename, entry.tb_lineno)
