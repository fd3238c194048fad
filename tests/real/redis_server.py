"""Nothing goes in; a real Redis server leaves, on a free port of this machine, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from ports import free_port

__all__ = ["running"]

_STARTED_S: Final = 30.0
# Dies with its parent, so that no server is left of a run that was killed.
_LEASH: Final = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGKILL); os.execv(sys.argv[1], sys.argv[1:])"
)


@contextmanager
def running() -> Iterator[str]:
    """Run one, kept in memory only, and give its URL; skip where there is none, and say how to get it."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the tests start Redis on Linux only")
    pytest.importorskip("redis", reason="no redis; pip install redis")
    found = shutil.which("redis-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")
    if found is None:
        pytest.skip("no Redis; on Debian: apt-get install -y redis-server")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="tocsin-redis-") as folder:
        command = [found, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        with (Path(folder) / "out.log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-c", _LEASH, *command], stdout=log, stderr=log)
        try:
            _wait(port, process, Path(folder) / "out.log")
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(_STARTED_S)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _STARTED_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as link:
            link.sendall(b"PING\r\n")
            if link.recv(16).startswith(b"+PONG"):
                return
        time.sleep(0.05)
    pytest.fail(f"Redis did not start: {log.read_text(errors='replace')[-2000:]}")
