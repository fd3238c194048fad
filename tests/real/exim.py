"""Certificates go in; a real Exim leaves: STARTTLS and a login required, every mail delivered into a maildir.

It delivers for ops and dev. It is a second instance with a configuration, queue and log in a folder of its own; the
system's is not touched. Flag files tell it to defer, so a test decides when a grey list or a full disk ends.
"""

from __future__ import annotations

import email
import email.policy
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Final

import pytest
from certs import Certs
from ports import free_ports
from postgres import LEASH

__all__ = ["PASSWORD", "USER", "Exim", "running"]

USER: Final = "bot"
PASSWORD: Final = "of-the-test-run"  # no secret: the server ends with the run
_ACCOUNT: Final = "Debian-exim"
_STARTED_S: Final = 30.0
_DELIVERED_S: Final = 30.0
_CONFIGURATION: Final = """
primary_hostname = localhost
exim_user = {account}
exim_group = {account}
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
spool_directory = {folder}/queue
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
tls_advertise_hosts = *
tls_certificate = {folder}/server.pem
tls_privatekey = {folder}/server.key
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_rcpt = recipients
acl_smtp_data = content
keep_environment =
message_size_limit = {max_bytes}
queue_run_max = 1

begin acl
recipients:
  deny    local_parts = gone
          message = 550 5.1.1 no such user
  defer   condition = ${{if exists{{{folder}/flags/grey-$local_part}}}}
          message = 451 4.7.1 grey-listed, come back later
  accept  authenticated = *
  deny    message = 530 5.7.0 authentication required
content:
  defer   condition = ${{if exists{{{folder}/flags/busy}}}}
          message = 451 4.3.0 the scanner is busy
  accept

begin routers
mailboxes:
  driver = accept
  local_parts = ops : dev
  transport = maildir
bounces:
  driver = redirect
  data = :blackhole:

begin transports
maildir:
  driver = appendfile
  directory = {folder}/mail/$local_part_data
  maildir_format
  create_directory
  return_path_add
  user = {account}

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
"""


class Exim:
    """Be one server: ``start``, ``stop``, and read what lies in its maildirs."""

    def __init__(self, folder: Path, certs: Certs) -> None:
        self._folder = folder
        self._binary = _binary()
        self._process: subprocess.Popen[bytes] | None = None
        (self.port,) = free_ports(1)
        for name in ("queue", "log", "mail", "flags"):
            (folder / name).mkdir(parents=True)
        shutil.copy(certs.server, folder / "server.pem")
        shutil.copy(certs.key, folder / "server.key")
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, _ACCOUNT, _ACCOUNT)
        (folder / "server.key").chmod(0o600)

    @property
    def version(self) -> str:
        """Return the server's version, such as ``4.96``."""
        shown = subprocess.run([self._binary, "-bV"], capture_output=True, text=True, check=True)
        return shown.stdout.split()[2]

    def start(self, max_bytes: int = 50_000_000) -> None:
        """Start it, where it isn't running, and wait until it greets."""
        if self._process is not None:
            return
        configuration = self._folder / "exim.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                account=_ACCOUNT,
                port=self.port,
                folder=self._folder,
                max_bytes=max_bytes,
                user=USER,
                password=PASSWORD,
            )
        )
        command = [sys.executable, "-c", LEASH, "0:0", self._binary, "-C", str(configuration), "-bdf", "-q1s"]
        with (self._folder / "out.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + _STARTED_S
        while not self._greets():
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"Exim did not start: {self.log()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it with its children. What it has taken stays in its queue."""
        if self._process is None:
            return
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(30)
        self._process = None

    def defer(self, flag: str, *, is_on: bool = True) -> None:
        """Defer every mail (``busy``), or those to one local part (``grey-ops``), until that is turned off."""
        path = self._folder / "flags" / flag
        path.touch() if is_on else path.unlink()

    def mails(self, box: str = "ops", count: int = 1) -> list[EmailMessage]:
        """Return the mails of a mailbox, once there are ``count`` and nothing is on its way any more."""
        return [email.message_from_bytes(raw, policy=email.policy.default) for raw in self.raw_mails(box, count)]

    def raw_mails(self, box: str = "ops", count: int = 1) -> list[bytes]:
        """Return the bytes of a mailbox's mails, in the order of their delivery."""
        end = time.monotonic() + _DELIVERED_S
        while len(self._delivered(box)) < count and time.monotonic() < end:
            time.sleep(0.02)
        self._await_delivery()
        return [path.read_bytes() for path in self._delivered(box)]

    def empty(self) -> None:
        """Forget all mails and flags, those on their way included."""
        self._await_delivery()
        for path in (*(self._folder / "mail").iterdir(), *(self._folder / "flags").iterdir()):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def log(self) -> str:
        """Return the end of what it wrote."""
        logs = [self._folder / "out.log", *sorted((self._folder / "log").iterdir())]
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in logs if path.is_file())

    def _await_delivery(self) -> None:
        end = time.monotonic() + _DELIVERED_S
        while self._is_queued():
            if time.monotonic() > end:
                pytest.fail(f"Exim still has mail in its queue: {self.log()}")
            time.sleep(0.02)

    def _delivered(self, box: str) -> list[Path]:
        return sorted((self._folder / "mail" / box / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)

    def _is_queued(self) -> bool:
        return any((self._folder / "queue" / "input").glob("**/*-H"))

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                return sock.recv(100).startswith(b"220")
        except OSError:
            return False


def running(certs: Certs) -> Iterator[Exim]:
    """Run one Exim; skip where there is none, and say how to get it."""
    _binary()
    if os.geteuid() != 0:
        pytest.skip("an Exim of one's own is started by root only; sudo make test")
    # Not in pytest's folder, which only its owner may enter.
    with tempfile.TemporaryDirectory(prefix="tocsin-exim-") as folder:
        Path(folder).chmod(0o755)
        server = Exim(Path(folder), certs)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _binary() -> str:
    if not sys.platform.startswith("linux"):
        pytest.skip("the tests start Exim on Linux only")
    path = shutil.which("exim4") or shutil.which("exim4", path="/usr/sbin")
    if path is None:
        pytest.skip("no Exim; on Debian: apt-get install -y exim4-daemon-light")
    try:
        pwd.getpwnam(_ACCOUNT)
    except KeyError:
        pytest.skip(f"no account {_ACCOUNT}, which Debian's Exim has")
    return path
