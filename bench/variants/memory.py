"""Resident memory: a Flask application on gunicorn, two workers, without a reporter and with one.

Measured after the same requests and errors, in the worker that leads and in the one that doesn't.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from measure import Figures, Measure, Skipped
from resident import resident_kb
from sink import Sink

__all__ = ["MEASURE", "make_app"]

_WORKERS: Final = 2
_UP_S: Final = 60.0


# -- in the workers ----------------------------------------------------------------------------------------


def make_app() -> Any:
    """Return the application, with the reporter that the environment names."""
    import flask

    app = flask.Flask("shop")
    _report_by(os.environ["BENCH_REPORTER"], app)

    @app.get("/pid")
    def pid() -> str:
        return str(os.getpid())

    @app.get("/fail/<int:number>")
    def fail(number: int) -> str:
        raise LookupError(f"order {number:06d} is gone")

    return app


def _report_by(reporter: str, app: Any) -> None:
    if reporter == "tocsin":
        import tocsin

        sinks = [{"type": "file", "path": os.environ["BENCH_FILE"]}]
        tocsin.setup({"application": "bench", "spool": os.environ["BENCH_SPOOL"], "sinks": sinks})
        tocsin.install(app)
    elif reporter == "sentry-sdk":
        import sentry_sdk

        sentry_sdk.init(dsn=os.environ["BENCH_DSN"], environment="production")


# -- who measures ------------------------------------------------------------------------------------------


def _measured(reporter: str, module: str, steps: int) -> Figures:
    for needed in ("flask", "gunicorn", module):
        if find_spec(needed) is None:
            raise Skipped(f"{needed} isn't installed: make bench installs it in .venv-bench")
    folder = Path(tempfile.mkdtemp())
    with Sink() as sink:
        environ = {
            **os.environ,
            "BENCH_REPORTER": reporter,
            "BENCH_SPOOL": str(folder / "spool"),
            "BENCH_FILE": str(folder / "events.jsonl"),
            "BENCH_DSN": f"http://0123456789abcdef0123456789abcdef@127.0.0.1:{sink.http_port}/1",
        }
        port = _free_port()
        server = _gunicorn(port, environ)
        try:
            return _looked_at(port, folder, steps)
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _gunicorn(port: int, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gunicorn", "-w", str(_WORKERS), "-b", f"127.0.0.1:{port}"]
    options = ["--log-level", "critical", "--chdir", str(Path(__file__).parents[1]), "variants.memory:make_app()"]
    return subprocess.Popen([*command, *options], env=environ, stderr=subprocess.DEVNULL)


def _looked_at(port: int, folder: Path, steps: int) -> Figures:
    pids = _pids(port)
    for number in range(steps):
        _get(port, f"/fail/{number}")
        _get(port, "/pid")
    leader = _leader(folder) if (folder / "spool").is_dir() else None
    worker = next(pid for pid in sorted(pids) if pid != leader)
    figures = {f"worker_{name}": value for name, value in resident_kb(worker).items()}
    if leader is not None:
        figures |= {f"leader_{name}": value for name, value in resident_kb(leader).items()}
    return figures


def _pids(port: int) -> set[int]:
    pids: set[int] = set()
    end = time.monotonic() + _UP_S
    while len(pids) < _WORKERS and time.monotonic() < end:
        answer = _get(port, "/pid")
        pids |= {int(answer)} if answer.isdigit() else set()
    if len(pids) < _WORKERS:
        raise RuntimeError("the server didn't come up")
    return pids


def _leader(folder: Path) -> int:
    """Return the pid of the worker that delivers, once it does."""
    end = time.monotonic() + _UP_S
    while time.monotonic() < end:
        for lock in (folder / "spool").rglob("leader.lock"):
            said = lock.read_text(encoding="ascii").split()
            if said and (folder / "events.jsonl").exists():
                return int(said[0])
        time.sleep(0.1)
    raise RuntimeError("nobody leads")


def _get(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError:
        return ""  # as it should
    except OSError:
        time.sleep(0.05)  # not up yet
        return ""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _variants() -> dict[str, Callable[[int], Figures]]:
    return {
        "without": partial(_measured, "none", "flask"),
        "tocsin": partial(_measured, "tocsin", "tocsin"),
        "sentry-sdk": partial(_measured, "sentry-sdk", "sentry_sdk"),
    }


MEASURE = Measure("memory", steps=100, few=3, variants=_variants(), rounds=3)
