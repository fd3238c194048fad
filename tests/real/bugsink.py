"""A Bugsink server: started in a folder with a project; its DSN, and the events that it digested, leave."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from ports import free_port

HOME: Final = Path(os.environ.get("TOCSIN_TEST_BUGSINK") or Path(__file__).parents[2] / ".venv-bugsink")
COMMAND: Final = "tools/venv-bugsink .venv-bugsink python3.11"

# Tasks run within the request, each event is held against the protocol's public schema, and quotas are out of the way.
SETTINGS: Final = """
SNAPPEA = {"TASK_ALWAYS_EAGER": True}
BUGSINK |= {
    "VALIDATE_ON_DIGEST": "strict",
    "MAX_EVENTS_PER_PROJECT_PER_5_MINUTES": 100_000,
    "MAX_EVENTS_PER_PROJECT_PER_HOUR": 100_000,
    "MAX_EVENTS_PER_5_MINUTES": 100_000,
    "MAX_EVENTS_PER_HOUR": 100_000,
}
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
"""
MAKE_PROJECT: Final = """
from projects.models import Project
from bsmain.models import AuthToken
project = Project.objects.create(name={name!r})
print("MADE", project.pk, project.sentry_key.hex)
"""
# Reads what is there in the same way as its own pages do.
READ_EVENTS: Final = """
import json
from events.models import Event
rows = [
    {"data": event.get_parsed_data(), "issue": str(event.issue_id), "title": event.title(),
     "level": event.level, "release": event.release, "environment": event.environment,
     "transaction": event.transaction, "logger": event.logger, "server_name": event.server_name,
     "tags": {tag.value.key.key: tag.value.value for tag in event.tags.select_related("value__key")}}
    for event in Event.objects.filter(project_id=PROJECT).order_by("digested_at")
]
print("ROWS" + json.dumps(rows))
"""


class Bugsink:
    """Run gunicorn with Bugsink in ``folder``; one server for several projects."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._environ = {
            "PATH": f"{HOME}/bin:/usr/bin:/bin",
            "PYTHONPATH": str(folder),
            "DJANGO_SETTINGS_MODULE": "bugsink_conf",
            "LANG": "C.UTF-8",
        }

    def prepare(self) -> None:
        """Make configuration and databases."""
        conf = self._folder / "bugsink_conf.py"
        self._run("bugsink-create-conf", "--template=local", f"--port={self.port}", f"--output-file={conf}")
        with conf.open("a", encoding="utf-8") as file:
            file.write(SETTINGS)
        self._run("bugsink-manage", "migrate")
        self._run("bugsink-manage", "migrate", "--database=snappea")

    def start(self) -> None:
        """Start the server, on the same port each time, and wait until it answers."""
        log = (self._folder / "gunicorn.log").open("ab")
        command = [str(HOME / "bin/gunicorn"), f"--bind=127.0.0.1:{self.port}", "--threads=4", "--graceful-timeout=1"]
        self._process = subprocess.Popen(
            [*command, "bugsink.wsgi"], cwd=self._folder, env=self._environ, stdout=log, stderr=log
        )
        log.close()
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=5).close()
            except urllib.error.HTTPError as answer:
                answer.close()
                return
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError((self._folder / "gunicorn.log").read_text(encoding="utf-8", errors="replace")[-2_000:])

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop the server; what it holds stays."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(30)

    def new_project(self, name: str) -> Project:
        """Make a project."""
        made = self._shell(MAKE_PROJECT.format(name=name), "MADE ")
        number, key = made.split()
        return Project(self, number, key)

    def events(self, number: str) -> list[dict[str, Any]]:
        """Return a project's events in the order in which they were digested."""
        return list(json.loads(self._shell(f"PROJECT = {number}\n{READ_EVENTS}", "ROWS")))

    def texts(self, number: str) -> list[str]:
        """Return the project's events as they lie in the database; faster, and behind the server's back."""
        with closing(sqlite3.connect(f"file:{self._folder / 'db.sqlite3'}?mode=ro", uri=True)) as connection:
            query = "SELECT data FROM events_event WHERE project_id = ? ORDER BY digested_at"
            return [json.dumps(json.loads(data)) for (data,) in connection.execute(query, (number,))]

    def _shell(self, code: str, mark: str) -> str:
        said = self._run("bugsink-manage", "shell", "--no-imports", "-c", code)
        return next(line.removeprefix(mark) for line in said.splitlines() if line.startswith(mark))

    def _run(self, command: str, *words: str) -> str:
        done = subprocess.run(
            [str(HOME / "bin" / command), *words],
            cwd=self._folder,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stdout[-1_000:]}{done.stderr[-2_000:]}")
        return done.stdout


class Project:
    """A project on it."""

    def __init__(self, server: Bugsink, number: str, key: str) -> None:
        self.server = server
        self.number = number
        self.key = key

    @property
    def dsn(self) -> str:
        return f"http://{self.key}@127.0.0.1:{self.server.port}/{self.number}"

    def texts(self) -> list[str]:
        return self.server.texts(self.number)

    def events(self) -> list[dict[str, Any]]:
        return self.server.events(self.number)


def require() -> None:
    """Skip where Bugsink isn't installed, and say how to get it."""
    if not (HOME / "complete").exists() or shutil.which(str(HOME / "bin/gunicorn")) is None:
        pytest.skip(f"no Bugsink; {COMMAND}")
