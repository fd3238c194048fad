"""What happened goes in piece by piece; a masked Event without identity leaves."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from tocsin.capture.exceptions import describe
from tocsin.capture.frames import FrameCache, in_app_rule
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
        self._frames = FrameCache(scrubber, in_app_rule(settings.app_modules))

    def from_exception(
        self,
        exc: BaseException,
        kind: Kind,
        levelno: int,
        *,
        message: str = "",
        template: str = "",
        logger: str = "",
        location: str = "",
        environ: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> Event:
        """Return the event of an exception; its message is the record's or else the exception's."""
        info = describe(exc, self._frames)
        text = f"{info.type}: {info.message}" if info.message else info.type
        event = self._event(kind, levelno, environ, fields)
        return self._scrubber.event(
            replace(
                event,
                exception=info,
                message=message or text,
                template=template,
                logger=logger,
                location=location,
            )
        )

    def from_message(
        self,
        message: str,
        kind: Kind,
        levelno: int,
        *,
        template: str,
        logger: str,
        location: str = "",
        environ: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        status: int | None = None,
    ) -> Event:
        """Return the event of a message without an exception."""
        event = self._event(kind, levelno, environ, fields, status)
        return self._scrubber.event(
            replace(event, message=message, template=template, logger=logger, location=location)
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
        event = self._event(kind, logging.ERROR, None, None)
        return replace(event, exception=info, message="captured without its text, since tocsin itself failed")

    def _event(
        self,
        kind: Kind,
        levelno: int,
        environ: Mapping[str, Any] | None,
        fields: Mapping[str, Any] | None,
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
            process_name=_process_name(),
            thread=threading.current_thread().name[: limits.NAME_CHARS],
            fields=self._scrubber.fields(fields or {}),
        )


def _bare_frame(entry: TracebackType) -> Frame:
    code = entry.tb_frame.f_code
    return Frame("", code.co_qualname, code.co_filename, entry.tb_lineno)


def _process_name() -> str:
    """Return multiprocessing's name of this process, without importing it where nobody else has."""
    module = sys.modules.get("multiprocessing")
    name = getattr(getattr(module, "current_process", lambda: None)(), "name", "")
    return name if type(name) is str else ""
