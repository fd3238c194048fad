"""The page on grouping: its files run as they stand there, and what it shows is what comes of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from receiver import clean_environ

from how_to import PAGES, files_of, unpack

PAGE = "group-differently.md"
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**clean_environ(), "TOCSIN_CONFIG": "tocsin.toml"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def shown(number: int) -> list[str]:
    """Return the lines of a console of the page, without what was typed."""
    block = CONSOLE.findall((PAGES / PAGE).read_text(encoding="utf-8"))[number]
    return [line for line in block.splitlines() if not line.startswith("$ ")]


def test_the_page_groups_as_it_says(tmp_path: Path) -> None:
    unpack(PAGE, tmp_path)
    done = run(tmp_path, "shop.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert run(tmp_path, "-m", "tocsin", "deliver", "--drain").returncode == 0
    times: Counter[str] = Counter()
    names: dict[str, str] = {}
    for text in (tmp_path / "events.jsonl").read_text().splitlines():
        line = json.loads(text)
        times[line["fingerprint"]] += line["occurrences"]
        if name := line.get("custom_fingerprint"):
            names.setdefault(line["fingerprint"], name)
    assert sorted(f"{n} {names[key]}" for key, n in times.items()) == shown(0)


def test_the_page_shows_what_is_said_of_wrong_tables(tmp_path: Path) -> None:
    unpack(PAGE, tmp_path)
    assert "wrong.toml" in files_of(PAGE)
    done = run(tmp_path, "-m", "tocsin", "config", "--config", "wrong.toml")
    assert done.returncode == 2
    assert done.stderr.splitlines() == shown(1)


def test_the_rules_are_shown_by_the_configuration(tmp_path: Path) -> None:
    unpack(PAGE, tmp_path)
    text = run(tmp_path, "-m", "tocsin", "config").stdout
    assert '"message" = "^card declined", "fingerprint" = "card declined"' in text
    assert '"errors:name"' in text
