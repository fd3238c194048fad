"""Nothing goes in; a real PostgreSQL server leaves, on a free port of this machine, in a folder of its own.

It is made by initdb and started as a user that is not root, as PostgreSQL demands; a run as root takes `postgres`.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from ports import free_ports

__all__ = ["LEASH", "Postgres", "binaries", "running"]

PASSWORD: Final = "of-the-test-run"  # no secret: the server ends with the run
SUPERUSER: Final = "admin"
DATABASE: Final = "errors"

# Becomes the user, then dies with its parent (the order matters: prctl(PR_SET_PDEATHSIG) is undone by setuid).
LEASH: Final = (
    "import ctypes, os, signal, sys; uid, gid = map(int, sys.argv[1].split(':'));"
    "os.getuid() or (os.setgroups([]), os.setgid(gid), os.setuid(uid));"
    "ctypes.CDLL(None).prctl(1, signal.SIGKILL); os.execv(sys.argv[2], sys.argv[2:])"
)
_STARTED_S: Final = 30.0


def binaries() -> Path:
    """Return the folder of the newest PostgreSQL's programs; skip where there is none, and say how to get it."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the tests start PostgreSQL on Linux only")
    pytest.importorskip("psycopg", reason="no psycopg; pip install 'psycopg[binary]'")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        pytest.skip("no PostgreSQL; on Debian: apt-get install -y postgresql")
    return Path(on_path).resolve().parent


class Postgres:
    """Be one server. ``url`` is SQLAlchemy's form, ``dsn`` libpq's, both of a superuser and one empty database."""

    def __init__(self, folder: Path) -> None:
        self._bin = binaries()
        self._folder = folder
        self._owner = _owner()
        self._process: subprocess.Popen[bytes] | None = None
        (self.port,) = free_ports(1)
        self.host = "127.0.0.1"
        self.dsn = self.dsn_of(SUPERUSER, PASSWORD, DATABASE)
        self.url = self.url_of(SUPERUSER, PASSWORD, DATABASE)
        self._initialise()

    def dsn_of(self, user: str, password: str = PASSWORD, database: str = DATABASE) -> str:
        """Return libpq's URL of a role."""
        return f"postgresql://{user}:{password}@{self.host}:{self.port}/{database}"

    def url_of(self, user: str, password: str = PASSWORD, database: str = DATABASE) -> str:
        """Return SQLAlchemy's URL of a role."""
        return self.dsn_of(user, password, database).replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def version(self) -> str:
        """Return the server's version, such as ``15.8``."""
        return str(self.execute("SHOW server_version")[0][0]).partition(" ")[0]

    def start(self) -> None:
        """Start it, where it isn't running, and wait until it answers."""
        if self._process is not None:
            return
        data = self._folder / "data"
        command = [str(self._bin / "postgres"), "-D", str(data), "-p", str(self.port), "-k", str(self._folder)]
        command += ["-h", self.host, "-c", "fsync=off", "-c", "max_connections=60"]
        with (self._folder / "out.log").open("ab") as log:
            self._process = subprocess.Popen(self._leashed(command), stdout=log, stderr=log)
        end = time.monotonic() + _STARTED_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"PostgreSQL did not start: {(self._folder / 'out.log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in good order; sessions are cut ("fast")."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it, and all its sessions, at once, as a loss of power would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it and start it again, on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let it hang: connections stay, nothing is answered until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a `pause`."""
        self._signal(signal.SIGCONT)

    def execute(self, sql: str, database: str = DATABASE) -> list[Any]:
        """Execute one statement as the superuser, committed at once; return its rows."""
        import psycopg

        with psycopg.connect(self.dsn_of(SUPERUSER, PASSWORD, database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def use_tls(self, chain: Path, key: Path) -> None:
        """Let it offer TLS with a certificate from now on."""
        uid, gid = self._owner
        for name, source in (("server.pem", chain), ("server.key", key)):
            target = self._folder / "data" / name
            target.write_bytes(source.read_bytes())
            target.chmod(0o600)
            if os.getuid() == 0:
                os.chown(target, uid, gid)
        for setting in ("ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.key'", "ssl = on"):
            self.execute(f"ALTER SYSTEM SET {setting}")
        self.restart()

    def new_database(self, name: str) -> str:
        """Make an empty database, instead of one of that name; return SQLAlchemy's URL of it."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.execute(f'CREATE DATABASE "{name}"')
        return self.url_of(SUPERUSER, PASSWORD, name)

    def _initialise(self) -> None:
        uid, gid = self._owner
        secret = self._folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        if os.getuid() == 0:
            os.chown(self._folder, uid, gid)
            os.chown(secret, uid, gid)
        command = [str(self._bin / "initdb"), "-D", str(self._folder / "data"), "-U", SUPERUSER, "--no-sync"]
        command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"]
        done = subprocess.run(self._leashed(command), capture_output=True, cwd="/", check=False)
        if done.returncode:
            pytest.fail(f"initdb failed: {done.stderr.decode(errors='replace')[-2000:]}")
        self.start()
        self.execute(f'CREATE DATABASE "{DATABASE}"', "postgres")

    def _leashed(self, command: list[str]) -> list[str]:
        uid, gid = self._owner
        return [sys.executable, "-c", LEASH, f"{uid}:{gid}", *command]

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.dsn_of(SUPERUSER, PASSWORD, "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _processes(self) -> list[int]:
        """Return the server's own process and those of its sessions, each of which leads a session of its own."""
        if self._process is None:
            return []
        pid = self._process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        except OSError:
            children = ""
        return [pid, *map(int, re.findall(r"\d+", children))]

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._processes():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if number == signal.SIGKILL:
            self._signal(number)
        else:
            self._signal(signal.SIGCONT)
            process.send_signal(number)
        self._process = None
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def _owner() -> tuple[int, int]:
    if os.getuid():
        return os.getuid(), os.getgid()
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    pytest.skip("PostgreSQL doesn't run as root, and there is neither a user postgres nor nobody")


def running() -> Iterator[Postgres]:
    """Give a running server, and remove it in the end: the body of a session fixture."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-pg-"))  # not pytest's: that is closed to other users
    try:
        server = Postgres(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
