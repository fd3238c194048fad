"""Masking: texts, values, requests, exceptions and whole events go in; the same leave without their secrets."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from tocsin.event import limits
from tocsin.event.masking.marks import MASK
from tocsin.event.masking.sensitive import DEFAULT_KEYS
from tocsin.event.masking.source_lines import mask_lines
from tocsin.event.masking.structures import StructureScrubber
from tocsin.event.masking.texts import OVERLAP_CHARS, clip, strict
from tocsin.event.model import Event, ExceptionInfo, Frame, LogLine, Request, Task

__all__ = ["DEFAULT_KEYS", "MASK", "Scrubber", "clip", "strict"]

_HASH: Final = re.compile(r"[0-9a-f]{1,64}")
_COMMIT: Final = re.compile(r"(?:[0-9a-f]{7,64})?")


class Scrubber(StructureScrubber):
    """Mask secrets by name and by shape, in everything an event holds.

    Law: ``scrub(scrub(x)) == scrub(x)``. Masked text shows as ``[masked: sort]``. No method runs foreign code, and
    none raises on what an application hands it. With ``is_on`` false nothing is masked, but texts are made
    strict and bounded all the same. Thread-safe.
    """

    def task(self, task: Task) -> Task:
        """Mask what names work in the background."""
        return Task(self.name(task.name), self.name(task.by), self.name(task.id))

    def line(self, line: LogLine) -> LogLine:
        """Mask one line of a lead-up."""
        message = self.text(line.message, limits.LEAD_UP_CHARS)
        return LogLine(line.timestamp, self.name(line.level), self.name(line.logger), message)

    def frame(self, frame: Frame) -> Frame:
        """Mask a frame's source lines and locals; columns behind a masked text are dropped."""
        bound = limits.SOURCE_LINE_CHARS + OVERLAP_CHARS  # a minified file is one line of megabytes
        lines = [line[:bound] for line in (*frame.before, frame.source, *frame.after)]
        if self.is_on:
            masked = [clip(line, limits.SOURCE_LINE_CHARS) for line in mask_lines(lines, self.source, self._keys)]
        else:
            masked = [self.source(line) for line in lines]
        at = len(frame.before)
        ends_here = frame.end_line in (None, frame.line)
        shown = frame.end_column if ends_here else len(frame.source)
        is_aligned = shown is not None and masked[at][:shown] == frame.source[:shown]
        return replace(
            frame,
            module=self.name(frame.module),
            function=self.name(frame.function),
            file=self.text(frame.file, limits.PATH_CHARS),
            source=masked[at],
            before=tuple(masked[:at]),
            after=tuple(masked[at + 1 :]),
            column=frame.column if is_aligned else None,
            end_column=frame.end_column if is_aligned else None,
            locals=None if frame.locals is None else self._locals(frame.locals),
            url=self.url(frame.url) if frame.url else "",
            operation=self.name(frame.operation) if frame.operation else "",
        )

    def exception(self, info: ExceptionInfo, frames: bool = False) -> ExceptionInfo:
        """Mask an exception, its chain and its group; ``frames`` says whether frames are masked again."""
        return self._exception(info, frames, limits.CHAIN + limits.GROUP_DEPTH)

    def request(self, request: Request) -> Request:
        """Mask a request."""

        def name(text: str | None) -> str | None:
            return None if text is None else self.name(text)

        return replace(
            request,
            method=self.name(request.method),
            scheme=self.name(request.scheme),
            endpoint=name(request.endpoint),
            client=name(request.client),
            user=request.user if _is_hash(request.user) else name(request.user),
            # Sixteen digits of a hash may pass for a card's; ours is left as it is.
            client_hash=request.client_hash if _is_hash(request.client_hash) else name(request.client_hash),
            path=self.text(request.path, limits.PATH_CHARS),
            query=self.query(request.query),
            host=self.name(request.host),
            route=None if request.route is None else self.text(request.route, limits.PATH_CHARS),
            headers=self.headers(request.headers.items(), frozenset(map(str.lower, request.headers))),
        )

    def event(self, event: Event, *, frames: bool = False) -> Event:
        """Mask an event, all but its cached frames; with ``frames``, those too."""
        return replace(
            event,
            level=self.name(event.level),
            application=self.name(event.application),
            environment=self.name(event.environment),
            release=self.name(event.release),
            commit=event.commit if _COMMIT.fullmatch(event.commit) else self.name(event.commit),
            host=self.name(event.host),
            custom_fingerprint=self.name(event.custom_fingerprint),
            logger=self.name(event.logger),
            message=self.text(event.message, limits.MESSAGE_CHARS),
            template=self.text(event.template, limits.MESSAGE_CHARS),
            exception=None if event.exception is None else self.exception(event.exception, frames),
            request=None if event.request is None else self.request(event.request),
            task=None if event.task is None else self.task(event.task),
            tags=self.tags(event.tags),
            lead_up=tuple(map(self.line, event.lead_up[-limits.LEAD_UP :])),
            process_name=self.name(event.process_name),
            thread=self.name(event.thread),
            location=self.text(event.location, limits.PATH_CHARS),
            fields=self.fields(event.fields),
            prepared=self.prepared(event.prepared),
        )

    def _exception(self, info: ExceptionInfo, frames: bool, depth: int) -> ExceptionInfo:
        def inner(part: ExceptionInfo | None) -> ExceptionInfo | None:
            return None if part is None or depth <= 0 else self._exception(part, frames, depth - 1)

        members = tuple(part for part in map(inner, info.members) if part is not None)
        return replace(
            info,
            type=self.name(info.type),
            message=self.text(info.message, limits.MESSAGE_CHARS),
            notes=tuple(self.text(note, limits.NOTE_CHARS) for note in info.notes),
            frames=tuple(map(self.frame, info.frames)) if frames else info.frames,
            cause=inner(info.cause),
            context=inner(info.context),
            members=members,
            members_omitted=info.members_omitted + len(info.members) - len(members),
            place=None if info.place is None else self.frame(info.place),
        )


def _is_hash(text: str | None) -> bool:
    return text is not None and _HASH.fullmatch(text) is not None
