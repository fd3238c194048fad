"""The composition root: Settings go in, a Reporter leaves, with intake, spool, sinks and delivery joined.

Making a Reporter starts no thread, opens no file and touches no socket; that happens at the first request or event.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from tocsin import integrations, system
from tocsin.complaints import complain, say
from tocsin.config.settings import Settings
from tocsin.config.spool_path import spool_place
from tocsin.delivery.courier import Courier
from tocsin.delivery.host import is_before_fork
from tocsin.event.errors import ConfigError
from tocsin.event.masking.scrub import Scrubber
from tocsin.intake import BeforeSpool, Intake
from tocsin.intake.by_hand import REPORTED, by_hand
from tocsin.integrations.watch import Station, Watch
from tocsin.integrations.wsgi import wsgi
from tocsin.sinks.base import SinkContext
from tocsin.sinks.registry import BuiltSink, build
from tocsin.spool.folder import Folder
from tocsin.spool.salt import read_salt

if TYPE_CHECKING:
    from tocsin.delivery.leader import Leader
    from tocsin.spool.writer import Writer

__all__ = ["Reporter"]

_T = TypeVar("_T")


class Reporter:
    """Be tocsin in one process: integrate applications, report by hand, flush, close.

    Made by `tocsin.setup`; there is one per process, besides those of drop-in handlers. Every method may be called
    from any thread.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        before_spool: BeforeSpool | None = None,
        sinks: Sequence[BuiltSink] | None = None,
        tell: Callable[[str, str], None] | None = None,
        channel: str = "",
    ) -> None:
        """Join the parts. Raises ConfigError with every fault of the sinks' tables.

        A drop-in handler's Reporter, one of several in a process, has ``sinks`` made already, ``tell`` to report by
        when its own sink fails, and a ``channel`` for the intake.
        """
        self.settings = settings
        self.asked = settings  # as they were given, before `establish` found out which commit runs
        self.before_spool = before_spool
        self._is_delivering = settings.mode == "production"
        self._where = spool_place(settings.spool, settings.application, os.environ, system.user_id())
        self._folder = Folder(self._where.path)
        built, faults = _build_sinks(settings) if sinks is None else (tuple(sinks), [])
        if self._where.fault and self._is_delivering:
            faults.append(self._where.fault)
        if faults:
            raise ConfigError(faults)
        self.sinks: tuple[BuiltSink, ...] = built
        self.intake = Intake(
            settings,
            self._folder,
            sink_identities=[sink.identity for sink in built],
            before_spool=before_spool,
            on_wake=self._wake,
            hash_key=self._hash_key,
            channel=channel,
        )
        if settings.deaths and self._is_delivering and not channel:
            from tocsin.integrations.in_flight import watch  # only for those who asked for it

            watch(self.intake)
        self.tell = tell or self._tell_by_event  # (text, template) of a failing sink
        self._courier = Courier(
            self._folder,
            settings.delivery if self._is_delivering else "",
            new_leader=self._new_leader,
            writer=self._own_writer,
            figures=self._figures,
        )
        self.intake.capturer.on_capture = self._courier.captured
        self._undo: list[Callable[[], None]] = []
        self._looks: list[Callable[[], None]] = []
        self._is_closed = False
        self._is_exit_hooked = False
        self._salt = b""
        self.when_closed: Callable[[Reporter], None] = _nothing
        self.is_substitute = False  # it stands in for whatever `setup` would make: `tocsin.testing`

    # -- ways in -------------------------------------------------------------------------------------------

    def wsgi(self, app: Callable[..., Any]) -> Callable[..., Any]:
        """Return a WSGI callable (PEP 3333) that reports what ``app`` raises and answers with the 500 page.

        In debug mode nothing is caught: ``app`` itself is returned, or, with the setting ``debugger``, Werkzeug's
        interactive debugger around it.
        """
        return wsgi(app, self.intake)

    def asgi(self, app: Callable[..., Any]) -> Callable[..., Any]:
        """Return an ASGI application (version 3) that reports what ``app`` raises and answers with the 500 page.

        Outside production nothing is caught: ``app`` itself is returned.
        """
        from tocsin.integrations.asgi import asgi  # a WSGI application has no use for it

        return asgi(app, self.intake)

    def install(self, app: _T) -> _T:
        """Integrate an application object of a known framework; return the same object. Idempotent.

        Raises ConfigError for an object that no integration knows; the message says what to write instead.
        """
        return integrations.install(app, self.intake)

    def report(
        self,
        exc: BaseException | None = None,
        *,
        message: str | None = None,
        level: int | str | None = None,
        fingerprint: str | None = None,
        **fields: Any,
    ) -> str:
        """Report an exception (by default the one being handled) or a message; return the error id.

        ``level`` is a number or name of logging's, ERROR by default. ``fingerprint`` replaces the computed identity.
        ``fields`` travel with the event, masked. Never raises; returns "" where nothing is reported (mode off or
        debug, an ignored exception).
        """
        if exc is None and message is None:
            exc = sys.exc_info()[1]
        try:
            piece, exc = by_hand(exc, message, level, fingerprint, fields)
            if self.settings.mode == "debug":
                logging.getLogger(REPORTED).log(piece.levelno, "%s", piece.message or "reported", exc_info=exc)
                return ""
            return self.intake.take(piece, exc, via="report") or ""
        except Exception as fault:  # noqa: BLE001 - promise 1: reporting never raises, whatever it is given
            try:
                complain("report", f"a report could not be made: {type(fault).__name__}", fault)
            except RecursionError:  # at this depth of the stack no call is left
                return ""
            return ""

    def watch(self, name: str, /, *, tags: Mapping[str, Any] | None = None, **fields: Any) -> Watch:
        """Report what leaves a block (``with``) or a function (as a decorator) as an exception, which goes on as it is.

        Everything reported within it, log records too, names the task ``name`` and carries ``tags`` and ``fields``.
        Raises ConfigError where ``name`` is no text.
        """
        return Watch(name, lambda: self.station, tags, fields)

    # -- life ----------------------------------------------------------------------------------------------

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything spooled so far is delivered, by whatever process leads; return whether it is.

        First notices are sent without waiting for their time. False when a sink is down, or nobody delivers.
        """
        return self._courier.flush(timeout_s)

    async def aflush(self, timeout_s: float = 5.0) -> bool:
        """Flush without holding up the running event loop of asyncio; see `flush`."""
        from tocsin.delivery.beside import beside_loop  # brings asyncio

        return await beside_loop(lambda: self._courier.flush(timeout_s))

    def close(self, timeout_s: float = 5.0) -> None:
        """Deliver what can be delivered within ``timeout_s``, stop the thread, undo what `setup` did.

        What is left stays in the spool. May be called twice. Events after it are not reported.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._courier.end(timeout_s)
        self.intake.close()
        for undo in reversed(self._undo):
            undo()
        self._courier.stay()
        self.when_closed(self)

    def on_wake(self, look: Callable[[], None]) -> None:
        """Have ``look`` called at the first event or request of each process."""
        self._looks.append(look)

    def on_close(self, undo: Callable[[], None]) -> None:
        """Have ``undo`` called by `close`, last registered first."""
        self._undo.append(undo)

    @property
    def station(self) -> Station:
        """Say where a watch reports to."""
        return Station(self.intake, self._courier.settle)

    @property
    def is_hosting(self) -> bool:
        """Tell whether a thread of this process delivers, or would where no other leads."""
        return self._courier.is_running

    @property
    def is_closed(self) -> bool:
        """Tell whether `close` was called."""
        return self._is_closed

    def stats(self) -> dict[str, Any]:
        """Return this process's figures: captured, counted, pending, tallies by reason, whether it leads."""
        process = self.intake.processes.known()
        return {
            "mode": self.settings.mode,
            "spool": str(self._folder.path),
            "captured": self.intake.capturer.captured,
            "counted": self.intake.capturer.counted,
            "pending": process.writer.pending() if process else 0,
            "tallies": process.writer.tallies() if process else {},
            "is_leader": self._courier.is_leading,
        }

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- what happens at the first event or request of a process -------------------------------------------

    def _wake(self) -> None:
        if self._is_closed:
            return
        if not self._is_exit_hooked:
            self._is_exit_hooked = True
            self._courier.leave_later()
            if self._where.is_temporary:
                say(f"reports are spooled in {self._folder.path}; set `spool` to a folder that outlives a reboot")
        for look in self._looks:
            look()
        if self.intake.deaths is not None:
            if is_before_fork():
                self.intake.is_asleep = True
            else:
                self.intake.deaths.wake(self.intake.processes.current().writer)
        if not self._courier.start():
            self.intake.is_asleep = True  # to be asked again: without workers, this process becomes one

    def _own_writer(self) -> Writer | None:
        process = self.intake.processes.known()
        return None if process is None else process.writer

    def _figures(self) -> tuple[object, ...]:
        """Return what differs once this process has reported anything more."""
        capturer, writer = self.intake.capturer, self._own_writer()
        return os.getpid(), capturer.captured, capturer.counted, None if writer is None else writer.tallies()

    def _new_leader(self, pause: Callable[[], None]) -> Leader:
        from tocsin.delivery.introduced import Introducer, blame_of
        from tocsin.delivery.leader import Leader  # brings sqlite3, which only a leader needs
        from tocsin.routing.opening import state_place

        settings = self.settings
        return Leader(
            self._folder,
            self.sinks,
            application=settings.application,
            environment=settings.environment,
            keep_days=settings.keep_days,
            max_bytes=int(settings.spool_max_mb * 1_048_576),
            state=state_place(settings),
            pause=pause,
            tell=self.tell,
            scrubber=self.intake.scrubber,
            app_modules=settings.app_modules,
            introducer=Introducer(blame_of(settings, self.intake.scrubber)),
        )

    def _tell_by_event(self, text: str, template: str) -> None:
        self.intake.message(text, kind="error", level=logging.ERROR, template=template, logger="tocsin.delivery")

    def _hash_key(self) -> bytes:
        """Return the spool's own key for client hashes, made at first use and then kept."""
        if not self._salt:
            self._salt = read_salt(self._folder)
        return self._salt


def _nothing(closed: Reporter) -> None:
    """Do nothing: it is not the process's own."""


def _build_sinks(settings: Settings) -> tuple[tuple[BuiltSink, ...], list[str]]:
    if settings.mode != "production":
        return (), []
    mask = Scrubber(settings.mask_keys, settings.masking_rules, is_on=settings.masking).text
    context = SinkContext(settings.application, settings.environment, settings.host, mask)
    built, faults = build(settings.sinks, context)
    return tuple(built), list(faults)
