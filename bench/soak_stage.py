"""The stage of the soak: a folder goes in; gunicorn with two workers, `tocsin deliver` and a mail server run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from aiosmtpd.controller import Controller

__all__ = ["SINK_MB", "SPOOL_MAX_MB", "Stage"]

SPOOL_MAX_MB: Final = 5
SINK_MB: Final = 1.0  # its file and three backups
_HERE: Final = Path(__file__).parent
_BIN: Final = Path(sys.executable).parent
_START_S: Final = 60.0
_STOP_S: Final = 60.0
_CONFIG: Final = """
application = "soak"
spool = "spool"
spool_max_mb = {spool_max_mb}
delivery = "process"

[[sinks]]
type = "file"
path = "sink/events.jsonl"
max_mb = 0.25
backups = 3

[[sinks]]
type = "mail"
host = "127.0.0.1"
port = {mail_port}
to = ["ops@example.org"]
sender = "soak@example.org"
first_within = 2
gather = 5
update_interval = 30
cap_per_hour = 10000
timeout = 5
"""


class Stage:
    """Run everything that a soak needs, each a process of its own but for the mail server."""

    def __init__(self, folder: Path, faults: int) -> None:
        self.spool, self.sink = folder / "spool", folder / "sink"
        self.port, self._mail_port = _free_port(), _free_port()
        self.mails = 0
        self._faults = faults
        self.folder = folder
        self._config = folder / "tocsin.toml"
        self._controller: Controller | None = None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def open(self) -> None:
        """Start it; return when the application answers."""
        self.sink.mkdir(parents=True)
        self._config.write_text(_CONFIG.format(spool_max_mb=SPOOL_MAX_MB, mail_port=self._mail_port))
        self.let_mail_come()
        self._start(
            *("gunicorn", sys.executable, "-m", "gunicorn", "soak_shop:app", "--no-control-socket"),
            *("--workers", "2", "--threads", "4", "--bind", f"127.0.0.1:{self.port}", "--chdir", str(_HERE)),
        )
        self._start("deliver", str(_BIN / "tocsin"), "deliver", "--config", str(self._config))
        end = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise SystemExit(f"gunicorn does not come up, see {self.folder}/gunicorn.log") from None
                time.sleep(0.1)

    def pids(self) -> dict[int, str]:
        """Return the role of each process: master, worker, deliver."""
        master = self._processes["gunicorn"].pid
        try:
            children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        except OSError:
            children = []
        return {self._processes["deliver"].pid: "deliver", master: "master", **{int(pid): "worker" for pid in children}}

    def release(self) -> None:
        """Have gunicorn replace its workers, as after a deploy."""
        self._processes["gunicorn"].send_signal(signal.SIGHUP)

    def keep_mail_away(self) -> None:
        """Stop the mail server: connections are refused."""
        controller, self._controller = self._controller, None
        if controller is not None:
            controller.stop()

    def let_mail_come(self) -> None:
        """Start the mail server."""
        if self._controller is None:
            self._controller = Controller(self, hostname="127.0.0.1", port=self._mail_port)
            self._controller.start()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Count a mail (aiosmtpd calls this)."""
        self.mails += 1
        return "250 OK"

    def close(self) -> None:
        """End everything, as an operator does."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.keep_mail_away()

    def counted(self) -> int:
        """Deliver what waits, and return how many occurrences the issues hold."""
        self.let_mail_come()
        self._tocsin("deliver", "--drain")
        self.keep_mail_away()
        listed = self._tocsin("issues", "--all", "--limit", "10000", "--json")
        return sum(json.loads(line)["count"] for line in listed.splitlines())

    def losses(self) -> dict[str, Any]:
        """Return what `tocsin spool` says was lost, by reason."""
        losses: dict[str, Any] = json.loads(self._tocsin("spool", "--json"))["losses"]
        return losses

    def _start(self, name: str, *command: str) -> None:
        environ = {**os.environ, "SOAK_CONFIG": str(self._config), "SOAK_FAULTS": str(self._faults)}
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(command, env=environ, stdout=log, stderr=log)

    def _tocsin(self, *words: str) -> str:
        command = [str(_BIN / "tocsin"), *words, "--config", str(self._config)]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
