"""Nothing goes in; a real MariaDB server leaves, on a free port of this machine, in a folder of its own.

It is made by mariadb-install-db and started as a user that is not root; a run as root takes `mysql`.
"""

from __future__ import annotations

import os
import pwd
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
from postgres import LEASH

__all__ = ["MariaDB", "running"]

PASSWORD: Final = "of-the-test-run"  # no secret: the server ends with the run
SUPERUSER: Final = "admin"
DATABASE: Final = "errors"
_STARTED_S: Final = 60.0


class MariaDB:
    """Be one server. ``url`` is SQLAlchemy's form, of a user with every right and one empty database."""

    def __init__(self, folder: Path) -> None:
        self._program = _program("mariadbd", "mysqld")
        self._folder = folder
        self._owner = _owner()
        self._process: subprocess.Popen[bytes] | None = None
        (self.port,) = free_ports(1)
        self.host = "127.0.0.1"
        self.url = self.url_of(SUPERUSER, PASSWORD, DATABASE)
        self._initialise()

    def url_of(self, user: str, password: str = PASSWORD, database: str = DATABASE) -> str:
        """Return SQLAlchemy's URL of a user."""
        return f"mysql+pymysql://{user}:{password}@{self.host}:{self.port}/{database}"

    @property
    def version(self) -> str:
        """Return the server's version, such as ``10.11.6-MariaDB-0+deb12u1``."""
        return str(self.execute("SELECT version()")[0][0])

    def start(self) -> None:
        """Start it, where it isn't running, and wait until it answers."""
        if self._process is not None:
            return
        command = [self._program, *self._places(), f"--init-file={self._folder / 'init.sql'}"]
        command += [f"--port={self.port}", f"--bind-address={self.host}", "--skip-name-resolve"]
        command += ["--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=32M", "--max-connections=40"]
        with (self._folder / "out.log").open("ab") as log:
            self._process = subprocess.Popen(self._leashed(command), stdout=log, stderr=log)
        end = time.monotonic() + _STARTED_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"MariaDB did not start: {(self._folder / 'out.log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a loss of power would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it and start it again, on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let it hang: connections stay, nothing is answered until `resume`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a `pause`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def execute(self, sql: str, database: str = DATABASE) -> list[Any]:
        """Execute one statement with every right, committed at once; return its rows."""
        import pymysql

        connection = pymysql.connect(
            host=self.host, port=self.port, user=SUPERUSER, password=PASSWORD, database=database, autocommit=True
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def new_database(self, name: str, charset: str = "utf8mb4") -> str:
        """Make an empty database, instead of one of that name; return SQLAlchemy's URL of it."""
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")
        self.execute(f"CREATE DATABASE `{name}` CHARACTER SET {charset}")
        return self.url_of(SUPERUSER, PASSWORD, name)

    def _initialise(self) -> None:
        uid, gid = self._owner
        (self._folder / "init.sql").write_text(
            f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4;\n"
            f"CREATE USER IF NOT EXISTS {SUPERUSER}@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO {SUPERUSER}@'%' WITH GRANT OPTION;\n",
            encoding="utf-8",
        )
        for path in (self._folder, self._folder / "init.sql"):
            if os.getuid() == 0:
                os.chown(path, uid, gid)
        install = _program("mariadb-install-db", "mysql_install_db")
        command = [install, *self._places(), "--auth-root-authentication-method=normal", "--skip-test-db"]
        done = subprocess.run(self._leashed(command), capture_output=True, cwd="/", check=False)
        if done.returncode:
            pytest.fail(f"mariadb-install-db failed: {done.stdout.decode(errors='replace')[-2000:]}")
        self.start()

    def _places(self) -> list[str]:
        return [
            "--no-defaults",  # the machine's own server, if there is one, has nothing to say here
            f"--datadir={self._folder / 'data'}",
            f"--socket={self._folder / 'sock'}",
            f"--pid-file={self._folder / 'pid'}",
        ]

    def _leashed(self, command: list[str]) -> list[str]:
        uid, gid = self._owner
        return [sys.executable, "-c", LEASH, f"{uid}:{gid}", *command]

    def _answers(self) -> bool:
        import pymysql

        try:
            self.execute("SELECT 1")
        except pymysql.OperationalError:
            return False
        return True

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        if number != signal.SIGKILL:
            process.send_signal(signal.SIGCONT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def _program(*names: str) -> str:
    """Return the path of the first of some programs; skip where there is none, and say how to get it."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the tests start MariaDB on Linux only")
    pytest.importorskip("pymysql", reason="no PyMySQL; pip install PyMySQL")
    for name in names:
        path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec")
        if path is not None:
            return path
    pytest.skip("no MariaDB; on Debian: apt-get install -y mariadb-server")


def _owner() -> tuple[int, int]:
    if os.getuid():
        return os.getuid(), os.getgid()
    for name in ("mysql", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    pytest.skip("MariaDB doesn't run as root, and there is neither a user mysql nor nobody")


def running() -> Iterator[MariaDB]:
    """Give a running server, and remove it in the end: the body of a session fixture."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-my-"))  # not pytest's: that is closed to other users
    try:
        server = MariaDB(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
