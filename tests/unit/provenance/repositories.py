"""Real git repositories for tests: a folder goes in; a repository with commits, or what hostile hands made of one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

__all__ = ["GIT", "Repository", "needs_git"]

GIT = shutil.which("git") or ""
needs_git = pytest.mark.skipif(not GIT, reason="no git; apt install git")

_ENVIRON = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada Example",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada Example",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


class Repository:
    """Be one repository. Its commits are made an hour apart, the first at 2026-01-01 12:00 UTC."""

    def __init__(self, root: Path, *init: str) -> None:
        self.root = root
        self._hours = 12
        root.mkdir(parents=True, exist_ok=True)
        if not (root / ".git").exists():
            self.git("init", "-q", "-b", "main", *init)

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        at = f"2026-01-01T{self._hours:02}:00:00+0000"
        environ = {**_ENVIRON, "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
        done = subprocess.run(
            [GIT, "-c", "protocol.file.allow=always", *arguments],
            cwd=cwd or self.root, env=environ, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, name: str, lines: Sequence[str]) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def commit(self, subject: str, **files: Sequence[str]) -> str:
        """Commit files by names in which ``_py`` stands for ``.py``; return the commit's id."""
        for name, lines in files.items():
            self.write(name.replace("_py", ".py"), lines)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        self._hours += 1
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")
