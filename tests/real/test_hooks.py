"""Hooks in whole processes: what is printed and how they end stays as it was, also while the interpreter ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from how_to import unpack

ADDRESS = re.compile(r"0x[0-9a-f]+")
WITHOUT = "pass"
WITH = "import tocsin; tocsin.setup({settings!r})"

SCRIPTS = {
    "chained before": """
def before(*arguments): print("before", arguments[0].__name__, flush=True)
{setup}
1 / 0
""",
    "chained after, with a handler that fails": """
{setup}
import sys
inner = sys.excepthook
def after(*arguments):
    inner(*arguments)
    print("after", arguments[0].__name__, flush=True)
    raise RuntimeError("no screen")
sys.excepthook = after
1 / 0
""",
    "a thread that ends with an exit": """
{setup}
import threading, sys
thread = threading.Thread(target=sys.exit, args=(3,)); thread.start(); thread.join()
""",
    "daemon threads while the interpreter ends": """
{setup}
import threading, time
def spin():
    while True: time.sleep(0.001)
for _ in range(5): threading.Thread(target=spin, daemon=True).start()
""",
    "finalizers while the interpreter ends": """
{setup}
class Broken:
    def __del__(self): raise ValueError("too late")
kept = Broken()
kept.itself = kept
import builtins
builtins.kept = kept
""",
    "a finalizer at exit time": """
{setup}
import atexit
class Broken:
    def __del__(self): raise ValueError("in a finalizer")
atexit.register(lambda: Broken())
""",
    "a broken exit handler": """
{setup}
import atexit
atexit.register(lambda: [].pop())
""",
    "no stderr": """
{setup}
import sys
sys.stderr = None
1 / 0
""",
    "a syntax error": """
{setup}
exec("1 +")
""",
}
REPORTED = {
    "chained before": ["ZeroDivisionError"],
    "chained after, with a handler that fails": ["ZeroDivisionError"],
    "a finalizer at exit time": ["ValueError"],
    "a broken exit handler": ["IndexError"],
    "no stderr": ["ZeroDivisionError"],
    "a syntax error": ["SyntaxError"],
}


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    sink = {"type": "file", "path": str(folder / "events.jsonl")}
    return {"application": "shop", "spool": str(folder / "spool"), "sinks": [sink], "hooks": True, **more}


def run(code: str, folder: Path) -> tuple[int, str, str]:
    script = folder / "script.py"
    script.write_text(code, encoding="utf-8")
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120)
    return ran.returncode, ran.stdout, ADDRESS.sub("0x", ran.stderr)


def types(folder: Path) -> list[str]:
    path = folder / "events.jsonl"
    return [json.loads(line)["exception"]["type"] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("delivery", ["inline", "thread"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_printed_and_how_it_ends_is_as_without(name: str, delivery: str, tmp_path: Path) -> None:
    bare = run(SCRIPTS[name].replace("{setup}", WITHOUT), tmp_path)
    hooked = run(
        SCRIPTS[name].replace("{setup}", WITH.format(settings=settings(tmp_path, delivery=delivery))), tmp_path
    )
    if "a handler that fails" in name:  # our frame stands between
        assert hooked[:2] == bare[:2]
        assert hooked[2].splitlines()[-1] == bare[2].splitlines()[-1]
    else:
        assert hooked == bare
    if name != "finalizers while the interpreter ends":  # told or not, by when it happens to be collected
        late = name in ("a finalizer at exit time", "a broken exit handler") and delivery == "thread"
        if late:  # those ran after delivery had ended: the next process tells it
            run(
                WITH.format(settings=settings(tmp_path))
                + "\nwith tocsin.watch('next'): pass\ntocsin.reporter.current().close()",
                tmp_path,
            )
        assert types(tmp_path) == REPORTED.get(name, [])


def test_the_page_works_as_it_says(tmp_path: Path) -> None:
    unpack("excepthooks.md", tmp_path)
    ran = subprocess.run(
        [sys.executable, "feed.py"], capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path
    )
    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (
        1,
        "ValueError: invalid literal for int() with base 10: 'three'",
    )
    assert "Exception in thread listener:" in ran.stderr
    assert "Exception ignored in: <function Connection.__del__" in ran.stderr
    assert types(tmp_path) == ["AttributeError", "ConnectionError", "ValueError"]


def test_the_page_on_threads_and_asyncio_works_as_it_says(tmp_path: Path) -> None:
    unpack("threads-and-asyncio.md", tmp_path)
    ran = subprocess.run(
        [sys.executable, "feeds.py"], capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path
    )
    assert ran.returncode == 0
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    found = {(line["exception"] or {}).get("type", line["message"]): line["fields"] for line in lines}
    assert found == {
        "TimeoutError": {
            "asyncio": "Task exception was never retrieved",
            "task": "refresh prices",
            "coroutine": "refresh",
        },
        "parsing 8 characters": {"feed": "stock"},
        "ValueError": {"feed": "stock"},
    }
