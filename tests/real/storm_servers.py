"""The servers of the storm: a name and a folder go in; a server with four workers runs, whose pids the kernel tells."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ports import free_port

__all__ = ["SERVERS", "Kind", "Server"]

_HERE = Path(__file__).parent
_BIN = Path(sys.executable).parent
_WORKERS = 4
_START_S = 60.0
_STOP_S = 40.0

_GUNICORN = (
    *(sys.executable, "-m", "gunicorn", "--no-control-socket", "-w", str(_WORKERS)),
    *("--graceful-timeout", "5", "--bind"),  # a worker that is just being started misses gunicorn's SIGTERM
)
_RETIRE = ("--max-requests", "300")  # workers also end by themselves, with all that an exit does
_WSGI, _ASGI = "storm_app:app", "storm_asgi_app:app"
_UWSGI = (
    *(str(_BIN / "uwsgi"), "--master", "--processes", str(_WORKERS), "--die-on-term", "--need-app"),
    *("--home", sys.prefix, "--pythonpath", str(_HERE), "--module", _WSGI, "--enable-threads"),
    *("--worker-reload-mercy", "5", "--http-socket"),  # its workers call exit() in a signal handler, and may hang in it
)


@dataclass(frozen=True, slots=True)
class Kind:
    """Say how a server is started, what it needs, and how many threads of a worker can be in the application.

    Under gevent and asyncio that is one, too: between a `raise` and its count nothing lets another greenlet or task
    run; if it did, more than one occurrence could be lost with the worker, and the storm would show it.
    """

    before: tuple[str, ...]
    after: tuple[str, ...] = ()
    needs: tuple[str, ...] = ("gunicorn",)
    threads: int = 1
    is_preloaded: bool = False
    keeps: bool = True  # connections
    has_deliver: bool = False  # `tocsin deliver` stands beside it, and is started again when it dies


def _gunicorn(worker: str, *, threads: int = 1, app: str = _WSGI, needs: tuple[str, ...] = ()) -> dict[bool, Kind]:
    options = ("-k", worker, *(("--threads", str(threads)) if threads > 1 else ()), app)
    kind = Kind(_GUNICORN, options, ("gunicorn", *needs), threads)
    preload = (*options, "--preload", *_RETIRE)
    return {False: kind, True: Kind(_GUNICORN, preload, kind.needs, threads, is_preloaded=True)}


_OF_GUNICORN = {
    "sync": _gunicorn("sync"),
    "gthread": _gunicorn("gthread", threads=4),
    "gevent": _gunicorn("gevent", needs=("gevent",)),
    "uvicorn": _gunicorn("uvicorn_worker.UvicornWorker", app=_ASGI, needs=("uvicorn_worker",)),
}
_CONFIG = """
application = "storm"
spool = "spool"
delivery = "{delivery}"

[[sinks]]
type = "file"
path = "events.jsonl"
max_mb = 2
backups = 999
"""
SERVERS = {
    **{
        f"gunicorn-{name}{'-preload' if is_preloaded else ''}": kind
        for name, kinds in _OF_GUNICORN.items()
        for is_preloaded, kind in kinds.items()
    },
    "gunicorn-sync-deliver": replace(_OF_GUNICORN["sync"][False], has_deliver=True),
    "uwsgi-eager": Kind(_UWSGI, ("--threads", "2", *_RETIRE), ("uwsgi",), threads=2, is_preloaded=True, keeps=False),
    "uwsgi-lazy": Kind(_UWSGI, ("--lazy-apps",), ("uwsgi",), keeps=False),
}


class Server:
    """Run one server in a session of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.kind = SERVERS[name]
        self._skip_unless_there()
        self.spool, self.events, self.side = folder / "spool", folder / "events.jsonl", folder / "side"
        self.config, self.log = folder / "tocsin.toml", folder / "log"
        self.config.write_text(_CONFIG.format(delivery="process" if self.kind.has_deliver else "thread"))
        self.port = free_port()
        self._deliver: subprocess.Popen[bytes] | None = None
        self._process = self._started(*self.kind.before, f"127.0.0.1:{self.port}", *self.kind.after)
        self.supervise()

    def _started(self, *command: str) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "STORM_CONFIG": str(self.config), "STORM_SIDE": str(self.side)}
        with self.log.open("ab") as log:
            return subprocess.Popen(command, cwd=_HERE, env=environ, stdout=log, stderr=log, start_new_session=True)

    def supervise(self) -> None:
        """Start `tocsin deliver` where it should run and doesn't, as systemd would."""
        if self.kind.has_deliver and (self._deliver is None or self._deliver.poll() is not None):
            self._deliver = self._started(str(_BIN / "tocsin"), "deliver", "--config", str(self.config))

    def wait_until_up(self) -> None:
        """Return when it has answered."""
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), _START_S) as connection:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: storm\r\nConnection: close\r\n\r\n")
                    if connection.recv(12) == b"HTTP/1.1 200":
                        return
            except OSError:
                time.sleep(0.05)
        pytest.fail(f"the server does not come up:\n{self.said()[-3000:]}")

    def workers(self) -> list[int]:
        """Return the children of the server's master, as the kernel lists them."""
        master = self._process.pid
        try:
            children = Path(f"/proc/{master}/task/{master}/children").read_text()
        except FileNotFoundError:
            return []
        return [int(pid) for pid in children.split()]

    def leader(self) -> int | None:
        """Return the process that holds the lock on the spool's `leader.lock`, as the kernel tells."""
        pids = self.workers() if self._deliver is None else [self._deliver.pid]
        return next((pid for pid in pids if _holds(pid, self.spool / "leader.lock")), None)

    def end(self, *, gently: bool) -> None:
        """End master and workers: by SIGTERM as an operator does, or all at once by SIGKILL."""
        if gently and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                # uWSGI may have a worker made anew after SIGTERM, which its master then waits for without end.
                if "Respawned uWSGI worker" not in self.said().rpartition("killing workers")[2]:
                    pytest.fail(f"the server does not end by SIGTERM:\n{self.said()[-3000:]}")
        for process in (self._process, self._deliver):
            if process is not None:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()

    def said(self) -> str:
        """Return what the server and its workers wrote on stdout and stderr."""
        return self.log.read_text(errors="replace")

    def _skip_unless_there(self) -> None:
        if "uwsgi" in self.kind.needs:
            if shutil.which("uwsgi", path=str(_BIN)) is None:
                pytest.skip("no uWSGI; apt-get install -y gcc python3-dev, then pip install uwsgi")
            return
        for module in self.kind.needs:
            if importlib.util.find_spec(module) is None:
                pytest.skip(f"no {module}; pip install {module.replace('_', '-')}")


def _holds(pid: int, path: Path) -> bool:
    """Tell whether a process holds a lock on a file: /proc/PID/fdinfo lists the locks of each descriptor."""
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            if str(link.readlink()) == str(path):
                return "lock:" in Path(f"/proc/{pid}/fdinfo/{link.name}").read_text()
    except OSError:  # it, or the descriptor, has just gone
        pass
    return False
