"""Nothing goes in; a real Redmine with projects, accounts and REST runs on a free port, and what it holds leaves.

Its code is Debian's, which tools/unpack-redmine has unpacked; its database is SQLite, in a folder of its own. The gems
are found by Bundler where Debian has them: nothing is installed by it, which fails on some machines.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from ports import free_ports
from postgres import LEASH

__all__ = ["KEYS", "RedmineServer", "running"]

_UNPACKED: Final = Path(__file__).parents[2] / ".venv-redmine"
_STARTED_S: Final = 60.0
# bot may do all with issues; developer may not reopen what is closed; onlooker may only look; no secrets: they end
# with the run.
KEYS: Final = {name: f"{number:x}" * 40 for number, name in enumerate(("admin", "bot", "developer", "onlooker"), 10)}
_DATABASE: Final = "production:\n  adapter: sqlite3\n  database: {path}\n  timeout: 10000\n"
_OWN_DATABASE: Final = ("Dir['/usr/share/redmine/{config,instances/*/config}/database.yml']", "Dir['{path}']")


def _unpacked() -> Path:
    """Return the folder of Redmine's code; skip where it is missing, and say how to get it."""
    if not (_UNPACKED / "complete").exists():
        pytest.skip("no Redmine; to have it on Debian: sudo tools/unpack-redmine .venv-redmine")
    for program in ("ruby", "rake", "puma"):
        if shutil.which(program, path="/usr/bin:/bin") is None:
            pytest.skip(f"no {program}; on Debian: rm -r .venv-redmine; sudo tools/unpack-redmine .venv-redmine")
    return _UNPACKED / "usr" / "share" / "redmine"


class RedmineServer:
    """Be one Redmine. Made by `running`, which has it filled; stopped and started again by tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._app = folder / "redmine"
        self._database = folder / "redmine.sqlite3"
        self._process: subprocess.Popen[bytes] | None = None
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self._copy(_unpacked())

    def fill(self) -> None:
        """Make the tables, the default data, accounts with their keys, and projects."""
        self._rake("db:migrate")
        self._rake("redmine:load_default_data")
        self._sql("UPDATE users SET must_change_passwd=0 WHERE login='admin'")
        self.set("rest_api_enabled", "1")
        self._give_key("admin", 1)
        self.start()
        for identifier in ("shop", "other"):
            project = {"name": identifier, "identifier": identifier, "tracker_ids": [1, 2], "is_public": True}
            self.call("POST", "/projects.json", {"project": project})
        roles = {each["name"]: each["id"] for each in self.call("GET", "/roles.json")["roles"]}
        for login, role in (("bot", "Manager"), ("developer", "Developer")):
            number = self._add_user(login)
            membership = {"user_id": number, "role_ids": [roles[role]]}
            self.call("POST", "/projects/shop/memberships.json", {"membership": membership})
        self._add_user("onlooker")
        # Non-members of a new Redmine may make issues and notes in public projects.
        self._sql("UPDATE roles SET permissions='---\n- :view_issues\n' WHERE builtin > 0")
        category = {"issue_category": {"name": "web"}}
        self.call("POST", "/projects/shop/issue_categories.json", category)

    def set(self, name: str, value: str) -> None:
        """Change a setting of the server; it is seen from the next second on."""
        self._sql("DELETE FROM settings WHERE name=?", name)
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 1))
        self._sql("INSERT INTO settings(name, value, updated_on) VALUES (?, ?, ?)", name, value, now)

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = ["/usr/bin/puma", "-e", "production", "-b", f"tcp://127.0.0.1:{self.port}", "-t", "1:4"]
        with (self._folder / "puma.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._leashed(command), cwd=self._app, env=self._environment(), stdout=log, stderr=log
            )
        end = time.monotonic() + _STARTED_S
        while True:
            try:
                with urlopen(f"{self.url}/login"):
                    return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"puma did not start: {(self._folder / 'puma.log').read_text()[-2000:]}")
                time.sleep(0.1)

    def stop(self) -> None:
        """End it; it can be started again on the same port."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)
            self._process = None

    def call(self, method: str, path: str, value: Any = None, *, user: str = "admin") -> Any:
        """Call the API as a person's script would."""
        headers = {"X-Redmine-API-Key": KEYS[user], "Content-Type": "application/json"}
        body = None if value is None else json.dumps(value).encode()
        try:
            with urlopen(Request(self.url + path, body, headers, method=method)) as answer:
                found = answer.read()
        except HTTPError as fault:
            with fault:
                pytest.fail(f"{method} {path}: {fault.code} {fault.read()[:500]!r}")
        return json.loads(found) if found.strip() else None

    def issues(self, text: str = "", project: str = "shop") -> list[dict[str, Any]]:
        """Return all issues whose description holds ``text``, by number, each with its ``comments``."""
        out: list[dict[str, Any]] = []
        while True:
            path = f"/projects/{project}/issues.json?status_id=*&sort=id&limit=100&offset={len(out)}"
            found = self.call("GET", path)["issues"]
            if not found:
                return [self.issue(each["id"]) for each in out if text in each["description"]]
            out += found

    def issue(self, number: int) -> dict[str, Any]:
        """Return one issue with its ``comments``."""
        found: dict[str, Any] = self.call("GET", f"/issues/{number}.json?include=journals")["issue"]
        return {**found, "comments": [each["notes"] for each in found["journals"] if each.get("notes")]}

    def set_status(self, number: int, name: str) -> None:
        """Give an issue a status as a person would."""
        known = self.call("GET", "/issue_statuses.json")["issue_statuses"]
        (status,) = [each["id"] for each in known if each["name"] == name]
        self.call("PUT", f"/issues/{number}.json", {"issue": {"status_id": status}})
        assert self.issue(number)["status"]["name"] == name

    # -- the folder ------------------------------------------------------------------------------------
    def _copy(self, code: Path) -> None:
        shutil.copytree(code, self._app, symlinks=True, ignore=shutil.ignore_patterns("Gemfile.lock", "instances"))
        (self._app / "config" / "database.yml").unlink()
        own = self._app / "instances" / "default"
        for name in ("config", "files", "log", "tmp", "plugins", "public/plugin_assets"):
            (own / name).mkdir(parents=True)
        (self._app / "tmp").mkdir()
        (self._app / "log").mkdir()
        for config in (self._app / "config", own / "config"):
            (config / "database.yml").write_text(_DATABASE.format(path=self._database), encoding="utf-8")
        (own / "config" / "secret_key.txt").write_text("of-the-test-run" * 8, encoding="utf-8")
        gemfile = self._app / "Gemfile"
        theirs, ours = _OWN_DATABASE
        ours = ours.format(path=self._app / "config" / "database.yml")
        gemfile.write_text(gemfile.read_text(encoding="utf-8").replace(theirs, ours), encoding="utf-8")
        if os.getuid() == 0:
            for path in (self._folder, *self._folder.rglob("*")):
                os.chown(path, *_owner(), follow_symlinks=False)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "RAILS_ENV": "production",
            "REDMINE_LANG": "en",
            "SCHEMA": "/dev/null",
            "BUNDLE_GEMFILE": str(self._app / "Gemfile"),
        }

    def _leashed(self, command: list[str]) -> list[str]:
        return [sys.executable, "-c", LEASH, ":".join(map(str, _owner())), *command]

    def _rake(self, task: str) -> None:
        command = self._leashed(["/usr/bin/rake", task])
        done = subprocess.run(
            command, cwd=self._app, env=self._environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.fail(f"rake {task}: {done.stdout[-1000:]}{done.stderr[-1000:]}")

    def _sql(self, statement: str, *values: Any) -> None:
        connection = sqlite3.connect(self._database, timeout=10)
        with connection:
            connection.execute(statement, values)
        connection.close()

    def _give_key(self, login: str, number: int) -> None:
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        columns = "(user_id, action, value, created_on, updated_on)"
        self._sql("DELETE FROM tokens WHERE user_id=? AND action='api'", number)
        self._sql(f"INSERT INTO tokens{columns} VALUES (?, 'api', ?, ?, ?)", number, KEYS[login], now, now)

    def _add_user(self, login: str) -> int:
        user = {"login": login, "firstname": login.title(), "lastname": "Robot", "mail": f"{login}@example.org"}
        user = {**user, "password": "of-the-test-run"}
        number: int = self.call("POST", "/users.json", {"user": user})["user"]["id"]
        self._give_key(login, number)
        return number


def running() -> Iterator[RedmineServer]:
    """Run one Redmine until the end of the tests."""
    _unpacked()
    folder = Path(tempfile.mkdtemp(prefix="tocsin-redmine-"))  # pytest's own folders are closed to other users
    folder.chmod(0o755)
    server = RedmineServer(folder)
    try:
        server.fill()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _owner() -> tuple[int, int]:
    if os.getuid():
        return os.getuid(), os.getgid()
    found = pwd.getpwnam("www-data")
    return found.pw_uid, found.pw_gid
