"""What tells of a process's death: made per process at its first request; a clean end takes it away again.

`<process>.flight` says which requests it is in, `<process>.crash` is where `faulthandler` writes when it crashes. What
lies there without the flight file's lock is a death, which the leader reports.
"""

from __future__ import annotations

import atexit
import faulthandler
import io
import os
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tocsin import system
from tocsin.complaints import complain, say
from tocsin.event.errors import StoreError
from tocsin.spool import control_group
from tocsin.spool.in_flight import FlightLog
from tocsin.spool.ownership import require_own_application
from tocsin.spool.writer import Writer

__all__ = ["Deaths"]

_ABORTED = b"Fatal Python error: Aborted"
_FATAL = b"Fatal Python error: "


class Deaths:
    """Make and take away what tells of this process's death. A forked child begins anew.

    ``log`` is None until the process is awake, and where its files can't be made. It is a plain attribute because it
    is read on every request.
    """

    def __init__(self) -> None:
        self.log: FlightLog | None = None
        self._pid = 0
        self._claims: dict[int, object] = {}
        self._crash: Path | None = None
        self._dump: weakref.ref[io.FileIO] | None = None  # faulthandler alone keeps it: gone, it was replaced
        self._is_hooked = False

    def wake(self, writer: Writer) -> None:
        """Begin for this process, once. Never before a fork that is still to come. Raises nothing."""
        pid, claim = os.getpid(), object()
        if self._claims.setdefault(pid, claim) is not claim:
            return  # another thread's first request
        if self._pid != 0:
            self._forget()  # of a parent that forked behind Python's back
            self._claims[pid] = claim
        self._pid = pid
        self._hook()
        folder = writer.folder
        try:
            folder.prepare()
            require_own_application(folder, str(writer.about.get("application", "")))
            crash = folder.crash(writer.process)
            refusal = self._enable(crash)
            own = {"pid": writer.pid, "process": writer.process, "crashes": refusal, "kills": control_group.present()}
            on_thread = _nothing if refusal else system.let_faults_through
            self.log = FlightLog(folder.flight(writer.process), {**writer.about, **own}, on_thread)
        except (OSError, StoreError) as fault:
            complain("deaths", f"this process's death would not be noticed: {fault}")
            return
        if refusal:
            say(f"deaths: segmentation faults and aborts can't be reported with a traceback: {refusal}")

    def end(self) -> None:
        """Take everything away: this process ends as it should. In a forked child nothing happens."""
        if self._pid != os.getpid():
            return
        self._pid = 0
        log, self.log = self.log, None
        crash, self._crash = self._crash, None
        self._disable()
        try:
            if crash is not None and not (log is not None and _has_foreign_dump(crash)):
                system.remove(crash)
                crash = None
            if log is not None and crash is None:
                system.remove(log.path)
            elif log is not None:
                log.ended()
        except OSError as fault:
            complain("deaths", f"the end of this process will pass for a death: {fault}")

    def _enable(self, path: Path) -> str:
        """Have crashes written to a file of this process; return why not, "" where it is done."""
        if faulthandler.is_enabled():
            return "somebody else has enabled faulthandler (-X dev, PYTHONFAULTHANDLER or the application itself)"
        fd = system.open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | system.NOFOLLOW)
        self._crash = path
        file = io.FileIO(fd, "w")
        try:
            faulthandler.enable(file, all_threads=True)
        except (OSError, RuntimeError, ValueError) as fault:
            return f"faulthandler can't be enabled: {fault}"
        self._dump = weakref.ref(file)
        return ""

    def _disable(self) -> None:
        dump, self._dump = self._dump, None
        file = None if dump is None else dump()
        if file is not None:  # else somebody else has taken faulthandler over since
            faulthandler.disable()
            file.close()

    def _hook(self) -> None:
        if self._is_hooked:
            return
        self._is_hooked = True
        weak = weakref.ref(self)  # hooks of forks can't be taken back, and are not to keep us alive
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(_call, weak, Deaths._forget))
        atexit.register(_call, weak, Deaths.end)

    def _forget(self) -> None:
        """Leave to the parent what is its own: a forked child must not write into its files."""
        if self.log is not None:
            self.log.abandon()
        self.log = self._crash = None
        self._pid = 0
        self._claims.clear()
        self._disable()


def _nothing() -> None:
    return


def _call(weak: weakref.ref[Deaths], method: Callable[[Deaths], None]) -> None:
    deaths = weak()
    if deaths is not None:
        method(deaths)


def _has_foreign_dump(path: Path) -> bool:
    """Tell whether a crash was written that can't be this process's own, which lives: a child's, forked past Python.

    A SIGABRT it may have survived, as a gunicorn worker does that took too long.
    """
    data = path.read_bytes()
    return data.count(_FATAL) > data.count(_ABORTED)
