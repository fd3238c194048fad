"""The page about privacy: its example says and forgets what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from how_to import PAGES, unpack

_PAGE = "privacy.md"
_BIN = Path(sys.executable).parent


def test_the_example_forgets_what_the_page_says(tmp_path: Path) -> None:
    """Each command of the page is run; but for ids, times and the place it says what the page has."""
    folder = unpack(_PAGE, tmp_path)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    environ |= {"PATH": f"{_BIN}:{environ['PATH']}", "TOCSIN_CONFIG": "tocsin.toml"}
    page = (PAGES / _PAGE).read_text(encoding="utf-8")
    (session,) = (each for each in re.findall(r"```console\n(.*?)```", page, re.DOTALL) if "$ tocsin forget" in each)
    quoted = re.search(r"[0-9A-Z]{6}-[0-9A-Z]{4}", session)
    assert quoted is not None
    error_id = ""
    for command, told in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", session, re.MULTILINE):
        if command.startswith("export"):
            continue
        run = command.replace(quoted[0], error_id)
        done = subprocess.run(run, shell=True, cwd=folder, env=environ, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        said = done.stdout.replace(str(folder), "/srv/shop")
        error_id = error_id or (re.search(r"[0-9A-Z]{6}-[0-9A-Z]{4}", said) or quoted)[0]
        assert _bare(said) == _bare(told)
    left = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("shop.py",)]
    assert not any(b"Jane" in path.read_bytes() for path in left)
    assert any(b"John" in path.read_bytes() for path in left)


def _bare(text: str) -> str:
    """Return a text without what differs between runs."""
    for pattern in (
        r"[0-9A-Z]{6}-[0-9A-Z]{4}", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d", r"last .*",
        r"Host +.*", r"Release +.*\n", r"\d+(?= bytes)",
    ):  # fmt: skip
        text = re.sub(pattern, "", text)
    return " ".join(text.split())  # lines are folded by the length of paths
