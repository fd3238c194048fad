"""The stage: a folder and settings go in; the shop under gunicorn with tocsin, and a mail server beside it, run."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mailserver import Mail, Mailbox
from planted import Planted
from shop.store import create

__all__ = ["Kill", "Request", "Stage", "StageError", "claim", "fresh"]

_HERE = Path(__file__).parent
_START_S = 20
_STOP_S = 20
# Who asked, for what (without the query), what came of it. Gunicorn writes it when the answer has left.
_ACCESS_FORMAT = "%({x-request-id}i)s %(m)s %(U)s %(s)s %({x-error-id}o)s"


class StageError(Exception):
    """Say that a part of the demo can't be set up, and what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """Hold one line of gunicorn's access log."""

    request_id: str
    method: str
    path: str
    status: int
    error_id: str


@dataclass(frozen=True, slots=True)
class Kill:
    """Say which worker was killed, and when by the monotonic clock."""

    worker_id: int
    at_s: float


def claim(folder: Path) -> Path:
    """Return the folder for this process alone. Raises StageError while another demo works in it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder.with_name(f"{folder.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held, and the descriptor with it, until the process ends
    except BlockingIOError:
        raise StageError(f"another demo works in {folder}; end it, or give this one --folder") from None
    return folder


def fresh(folder: Path) -> Path:
    """Return the folder, empty. Only what an earlier run of the demo made is removed."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, parents=True)
    return folder


class Stage:
    """Run one shop. ``seen`` is called for each request that was answered, ``arrived`` for each mail."""

    def __init__(
        self,
        folder: Path,
        planted: Planted,
        *,
        is_masking: bool = True,
        update_interval: str = "1h",
        silence: str = "1h",
        port: int = 0,
        seen: Callable[[Request], None] = lambda request: None,
        arrived: Callable[[Mail], None] = lambda mail: None,
    ) -> None:
        self.folder = folder
        self._mail_port = _free_port()
        self.mailbox = Mailbox(folder / "mails", self._mail_port, arrived)
        self.port = port or _free_port()
        self.spool = folder / "spool"
        self.side_file = folder / "faults.txt"
        self.events = folder / "events.jsonl"
        self.log = folder / "gunicorn.log"
        self.config = folder / "tocsin.toml"
        self._seen = seen
        self._planted = planted
        self._filling = {
            "masking": "true" if is_masking else "false",
            "update_interval": update_interval,
            "silence": silence,
        }
        self._gunicorn: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    # -- up and down ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start the mail server, then the shop; return when it answers. Raises StageError."""
        self.mailbox.start()
        template = (_HERE / "tocsin.toml").read_text(encoding="utf-8")
        self.config.write_text(template.format(mail_port=self._mail_port, **self._filling), encoding="utf-8")
        create(self.folder / "shop.sqlite")
        command = [
            *(sys.executable, "-m", "gunicorn", "shop:create_app()", "--chdir", str(_HERE)),
            *("--bind", f"127.0.0.1:{self.port}", "--workers", "2", "--threads", "4"),
            *("--access-logfile", "-", "--access-logformat", _ACCESS_FORMAT, "--log-level", "warning"),
        ]
        with self.log.open("w") as log:
            self._gunicorn = subprocess.Popen(
                command, env=self._environment(), stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )
        self._reader = threading.Thread(target=self._read_access_log, daemon=True)
        self._reader.start()
        self._wait_until_it_answers()

    def stop_shop(self) -> None:
        """Stop gunicorn as an operator would, and wait for its end."""
        if self._gunicorn is None:
            return
        self._gunicorn.terminate()
        try:
            self._gunicorn.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._gunicorn.pid, signal.SIGKILL)
            self._gunicorn.wait()
        if self._reader is not None:
            self._reader.join(_STOP_S)
        self._gunicorn = None

    def close(self) -> None:
        """Stop everything."""
        self.stop_shop()
        self.mailbox.stop()

    # -- what happens to it --------------------------------------------------------------------------------

    def kill_a_worker(self) -> Kill:
        """SIGKILL one worker, the one that delivers if that can be told. Raises StageError if there is none."""
        worker_id = self._leader_id() or next(iter(self._worker_ids()), None)
        if worker_id is None:
            raise StageError("no worker to kill: the side file names none that lives")
        kill = Kill(worker_id, time.monotonic())
        os.kill(worker_id, signal.SIGKILL)
        return kill

    def tocsin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of tocsin's commands on this configuration, as a person would."""
        command = [str(Path(sys.executable).with_name("tocsin")), *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def _leader_id(self) -> int | None:
        try:
            first = (self.spool / "leader.lock").read_text().split()[0]
        except (OSError, IndexError):
            return None
        worker_id = int(first)
        return worker_id if worker_id in self._worker_ids() else None

    def _worker_ids(self) -> set[int]:
        """Return the workers that live, by the shop's side file, which names who wrote."""
        named = {int(line.split()[1]) for line in self.side_file.read_text().splitlines()}
        return {process_id for process_id in named if _lives(process_id)}

    # -- how -----------------------------------------------------------------------------------------------

    def _environment(self) -> Mapping[str, str]:
        planted = self._planted
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        return {
            **clean,
            "TOCSIN_CONFIG": str(self.config),
            "SHOP_FOLDER": str(self.folder),
            "SHOP_DSN": f"postgresql://shop:{quote(planted.dsn_password)}@database.example/shop",
            "SHOP_RATES_KEY": planted.api_key,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            if self._gunicorn is not None and self._gunicorn.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        last = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        raise StageError("the shop does not start; its log ends:\n" + "\n".join(last))

    def _read_access_log(self) -> None:
        gunicorn = self._gunicorn
        if gunicorn is None or gunicorn.stdout is None:
            return
        for line in gunicorn.stdout:
            parts = line.split()
            if len(parts) == 5 and parts[3].isdigit():
                request_id, method, path, status, error_id = parts
                self._seen(Request(request_id, method, path, int(status), "" if error_id == "-" else error_id))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _lives(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except OSError:
        return False
    return True
