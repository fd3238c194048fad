"""A folder goes in; a real tracd with its XML-RPC plugin runs there, and what its projects hold leaves.

It is the one that tools/unpack-trac has made in .venv-trac.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import pytest
from ports import free_port

__all__ = ["PASSWORDS", "TracServer", "require_trac"]

_UNPACKED: Final = Path(__file__).parents[2] / ".venv-trac"
_LEASH: Final = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGKILL); os.execv(sys.argv[1], sys.argv[1:])"
)
_STARTED_S: Final = 30.0
# bot is tocsin's account; onlooker may call but make nothing; outsider may not even call.
PASSWORDS: Final = {"bot": "s3cret-of-bot", "admin": "admin", "onlooker": "look", "outsider": "out"}
_RIGHTS: Final = {
    "bot": ("XML_RPC", "TICKET_VIEW", "TICKET_CREATE", "TICKET_APPEND", "TICKET_MODIFY"),
    "admin": ("TRAC_ADMIN",),
    "onlooker": ("XML_RPC", "TICKET_VIEW"),
}
_NO_REOPENING: Final = """
[ticket-workflow]
create = <none> -> new
create.default = 1
leave = * -> *
leave.operations = leave_status
leave.default = 1
resolve = new -> closed
resolve.operations = set_resolution
"""


# A plugin such as a spam filter: it minds a word in a comment.
_STRICT: Final = """
from trac.core import Component, implements
from trac.ticket.api import ITicketManipulator

class Strict(Component):
    implements(ITicketManipulator)

    def prepare_ticket(self, req, ticket, fields, actions):
        pass

    def validate_ticket(self, req, ticket):
        return []

    def validate_comment(self, req, comment):
        return ["such words are not welcome"] if "viagra" in (comment or "") else []
"""


def require_trac() -> Path:
    """Return the folder of Trac's own environment; skip where it is missing, and say how to get it."""
    if not (_UNPACKED / "complete").exists():
        pytest.skip("no Trac with its XML-RPC plugin; to have it: tools/unpack-trac .venv-trac")
    return _UNPACKED


class TracServer:
    """Be one tracd with projects below it. Made by `add_project`, started by `start`, ended by `stop`."""

    def __init__(self, folder: Path) -> None:
        self._bin = require_trac() / "bin"
        self._folder = folder
        self._projects: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        lines = [
            f"{user}:{{SHA}}{base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()}\n"
            for user, password in PASSWORDS.items()
        ]
        (folder / "htpasswd").write_text("".join(lines), encoding="utf-8")

    def url(self, project: str) -> str:
        """Return a project's address."""
        return f"http://127.0.0.1:{self.port}/{project}"

    def add_project(self, name: str, *, has_plugin: bool = True, is_strict: bool = False, ini: str = "") -> None:
        """Make a project; the sections in ``ini`` replace those of its trac.ini. ``is_strict``: it refuses a word."""
        path = str(self._folder / name)
        self._admin(path, "initenv", name, "sqlite:db/trac.db")
        self._admin(path, "permission", "remove", "authenticated", "TICKET_CREATE", "TICKET_MODIFY")
        if has_plugin:
            ini += "\n[components]\ntracrpc.* = enabled\n"
        if is_strict:
            Path(path, "plugins", "strict.py").write_text(_STRICT, encoding="utf-8")
        config = Path(path, "conf", "trac.ini")
        old = re.split(r"(?m)^(?=\[)", config.read_text(encoding="utf-8"))
        kept = [section for section in old if section.partition("\n")[0] not in ini.split("\n")]
        config.write_text("".join([*kept, ini]), encoding="utf-8")
        for user, rights in _RIGHTS.items():
            known = [right for right in rights if has_plugin or right != "XML_RPC"]
            self._admin(path, "permission", "add", user, *known)
        self._projects.append(name)

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-c", _LEASH, str(self._bin / "tracd"), "--hostname", "127.0.0.1"]
        command += ["-p", str(self.port), f"--basic-auth=*,{self._folder / 'htpasswd'},trac"]
        command += [str(self._folder / name) for name in self._projects]
        with (self._folder / "tracd.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "LANG": "C.UTF-8"})
        end = time.monotonic() + _STARTED_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"tracd did not start: {(self._folder / 'tracd.log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; it can be started again on the same port."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)
            self._process = None

    def call(self, project: str, method: str, *params: Any, user: str = "admin") -> Any:
        """Call a method as a person would, by the standard library's own client."""
        address = f"http://{user}:{PASSWORDS[user]}@127.0.0.1:{self.port}/{project}/login/rpc"
        with xmlrpc.client.ServerProxy(address) as server:
            found = server
            for name in method.split("."):
                found = getattr(found, name)
            return found(*params)  # type: ignore[operator]

    def tickets(self, project: str, query: str = "") -> list[dict[str, Any]]:
        """Return the fields of all tickets that a query finds, with ``id`` and ``comments``, by id."""
        numbers = self.call(project, "ticket.query", f"{query}&max=0&order=id".lstrip("&"))
        out = []
        for number in numbers:
            fields = self.call(project, "ticket.get", number)[3]
            log = self.call(project, "ticket.changeLog", number)
            out.append({**fields, "id": number, "comments": [entry[4] for entry in log if entry[2] == "comment"]})
        return out

    def texts(self, project: str, query: str = "") -> list[str]:
        """Return each ticket's title with its description, and each comment that says anything."""
        out = []
        for ticket in self.tickets(project, query):
            out.append(f"{ticket['summary']}\n{ticket['description']}")
            out += [text for text in ticket["comments"] if text]
        return out

    def act(self, project: str, number: int, action: str, comment: str = "", **fields: str) -> None:
        """Do an action of the workflow as a person would, such as ``resolve``."""
        version = self.call(project, "ticket.get", number)[3]["_ts"]
        self.call(project, "ticket.update", number, comment, {"action": action, "_ts": version, **fields}, False)

    def close_as(self, project: str, number: int, resolution: str) -> None:
        """Close a ticket."""
        self.act(project, number, "resolve", action_resolve_resolve_resolution=resolution)

    def page(self, project: str, number: int) -> str:
        """Return a ticket's page as a browser gets it."""
        pair = base64.b64encode(f"admin:{PASSWORDS['admin']}".encode()).decode()
        request = Request(f"{self.url(project)}/login", headers={"Authorization": f"Basic {pair}"})
        with urlopen(request) as answer:
            answer.read()
        with urlopen(Request(f"{self.url(project)}/ticket/{number}")) as answer:
            return str(answer.read().decode("utf-8"))

    def _admin(self, path: str, *words: str) -> None:
        done = subprocess.run([self._bin / "trac-admin", path, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"trac-admin {' '.join(words)}: {done.stdout[-1000:]}{done.stderr[-1000:]}")


def no_reopening() -> str:
    """Return settings of a project whose workflow can't reopen a ticket."""
    return _NO_REOPENING
