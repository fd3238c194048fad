"""Code or arguments go in; a Windows Python runs them under Wine, and what it printed leaves.

It is what tools/unpack-windows-python has unpacked into .venv-wine. No real Windows: what Wine does is a good sign.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ["Running", "Windows"]

_FOLDER: Final = Path(__file__).parents[2] / ".venv-wine"
_PYTHON: Final = r"Z:" + str(_FOLDER / "python" / "python.exe").replace("/", "\\")
_LONGEST_S: Final = 120.0
# What the event log is handed is only seen in Wine's own trace.
_TRACE: Final = "-all,+advapi,+eventlog"


class Running(subprocess.Popen[str]):
    """Be a Windows program that runs; ``first_line`` is what it printed first."""

    first_line = ""


class Windows:
    """Run Windows' Python. ``folder`` is the working folder, whose names are the same on both sides."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("wine") is None:
            pytest.skip("no Wine; on Debian: apt-get install -y wine wine64")
        if not (_FOLDER / "complete").exists():
            pytest.skip("no Windows Python; tools/unpack-windows-python .venv-wine .venv/bin/python")
        self._folder = folder
        self._started: list[Running] = []

    def result(self, code: str, *arguments: str) -> Any:
        """Run code; return what it printed last, which is JSON."""
        printed = self.run("-c", textwrap.dedent(code), *arguments)
        return json.loads(printed.strip().splitlines()[-1])

    def run(self, *arguments: str, status: int = 0, is_traced: bool = False, **environment: str) -> str:
        """Run Python with arguments to its end; return all that it printed."""
        done = subprocess.run(
            self._command(arguments),
            **self._surroundings(environment, is_traced),
            stdout=subprocess.PIPE,
            timeout=_LONGEST_S,
            check=False,
        )
        assert done.returncode == status, done.stdout
        return str(done.stdout)

    def start(self, code: str, *arguments: str) -> Running:
        """Start code and wait for its first line; killed by `close` at the latest."""
        command = self._command(("-u", "-c", textwrap.dedent(code), *arguments))
        process = Running(command, **self._surroundings({}, False), stdout=subprocess.PIPE)
        self._started.append(process)
        assert process.stdout is not None
        process.first_line = process.stdout.readline().strip()
        return process

    def close(self) -> None:
        """Kill what was started."""
        for process in self._started:
            process.kill()
            process.communicate()

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return ["wine", _PYTHON, "-X", "utf8", "-B", *arguments]

    def _surroundings(self, environment: dict[str, str], is_traced: bool) -> dict[str, Any]:
        own = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        own["LC_ALL"] = "C.UTF-8"  # else Wine makes question marks of what an argument holds beyond ASCII
        own |= {
            "WINEPREFIX": str(_FOLDER / "prefix"),
            "WINEDEBUG": _TRACE if is_traced else "-all",
            "WINEDLLOVERRIDES": "mscoree=;mshtml=",
            "DISPLAY": "",
        }
        return {
            "env": own | environment,
            "cwd": self._folder,
            "stdin": subprocess.DEVNULL,
            "stderr": subprocess.STDOUT,
            "text": True,
            "encoding": "utf-8",
            "errors": "replace",
        }
