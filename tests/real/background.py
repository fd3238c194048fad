"""Workers of background work: a command and a folder go in; a running process, and the events it reports, leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

__all__ = ["PATIENCE_S", "Worker", "delivering", "finish", "running", "settings"]

PATIENCE_S: Final = 60.0
HERE: Final = Path(__file__).parent


class Worker:
    """Be one running process, in a session of its own, that reports into a folder's ``events.jsonl``."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process

    @property
    def log(self) -> str:
        """Return what it has printed so far."""
        return (self.folder / "worker.log").read_text("utf-8", "replace")

    def wait_for(self, text: str) -> None:
        """Wait until it prints a text."""
        end = time.monotonic() + PATIENCE_S
        while text not in self.log:
            assert self.process.poll() is None, f"it ended:\n{self.log}"
            assert time.monotonic() < end, f"no {text!r} in:\n{self.log}"
            time.sleep(0.05)

    def events(self, number: int, is_wanted: Callable[[dict[str, Any]], bool] = bool) -> list[dict[str, Any]]:
        """Return the events that are wanted, once there are that many."""
        path = self.folder / "events.jsonl"
        end = time.monotonic() + PATIENCE_S
        while True:
            lines = path.read_text("utf-8").splitlines() if path.exists() else []
            found = [event for event in map(json.loads, lines) if is_wanted(event)]
            if len(found) >= number:
                return found
            assert time.monotonic() < end, f"{len(found)} of {number} events; all:\n{chr(10).join(lines)}\n{self.log}"
            time.sleep(0.05)

    def of_task(self, name: str, number: int = 1) -> list[dict[str, Any]]:
        """Return the events of a task or job, once there are that many."""
        return self.events(number, lambda event: (event.get("task") or {}).get("name") == name)


def settings(folder: Path, more: str = "") -> Path:
    """Write a configuration that reports into a folder; return its path."""
    path = folder / "tocsin.toml"
    path.write_text(
        f'application = "shop"\nspool = "{folder}/spool"\nsinks = ["file:{folder}/events.jsonl"]\n{more}\n', "utf-8"
    )
    return path


@contextmanager
def running(folder: Path, command: list[str], env: Mapping[str, str], cwd: Path = HERE) -> Iterator[Worker]:
    """Run a command by this Python, configured by the folder's ``tocsin.toml``, and end it in good order."""
    paths = [path for path in (env.get("PYTHONPATH"), os.environ.get("PYTHONPATH")) if path]
    own = {"TOCSIN_CONFIG": str(folder / "tocsin.toml"), "PYTHONUNBUFFERED": "1"}
    whole = {**os.environ, **own, **env, "PYTHONPATH": os.pathsep.join(paths)}
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=cwd, env=whole, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield Worker(folder, process)
    finally:
        finish(process)


def finish(process: subprocess.Popen[bytes]) -> int:
    """Have a process end as its supervisor would, and return its exit status."""
    process.terminate()
    try:
        return process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait(PATIENCE_S)


def delivering(folder: Path) -> None:
    """Deliver what waits in a folder's spool, by ``tocsin deliver --drain``."""
    command = [sys.executable, "-m", "tocsin", "deliver", "--drain", "--config", str(folder / "tocsin.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
