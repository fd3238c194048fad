"""Scripts with `watch`: reported, and for whoever runs them (exit status, stdout, stderr) as if it weren't there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from how_to import unpack

WITHOUT = "import contextlib; watch = lambda name: contextlib.nullcontext()"
WITH = "import tocsin; tocsin.setup({settings!r}); watch = tocsin.watch"
WORK = """
import os, signal, sys, threading
def work():
    print("begun", flush=True)
    {end}
    print("ended")
with watch("nightly"):
    work()
print("after it")
"""
ENDS = {
    "well": "pass",
    "an exception": "{}['missing']",
    "another one in its handling": "try: 1 / 0\n    except ZeroDivisionError: raise ValueError('worse') from None",
    "exit with a text": "raise SystemExit('sorry')",
    "exit 3": "sys.exit(3)",
    "exit 0": "sys.exit(0)",
    "raised interrupt": "raise KeyboardInterrupt",
    "interrupt": "signal.raise_signal(signal.SIGINT)",
    "a group": "raise ExceptionGroup('several', [KeyError('a'), ValueError('b')])",
    "a recursion without end": "work()",
    "a hard exit": "os._exit(5)",
}
REPORTED = {
    "an exception": "KeyError",
    "another one in its handling": "ValueError",
    "a group": "ExceptionGroup",
    "a recursion without end": "RecursionError",
}


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    sink = {"type": "file", "path": str(folder / "events.jsonl")}
    return {"application": "shop", "spool": str(folder / "spool"), "sinks": [sink], **more}


def run(code: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(code, encoding="utf-8")
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=folder)


def lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def told(folder: Path) -> list[tuple[str, str]]:
    return [
        ((line.get("exception") or {}).get("type") or line["message"], (line.get("task") or {}).get("name", ""))
        for line in lines(folder)
    ]


@pytest.mark.parametrize("more", [{"delivery": "inline"}, {"hooks": True}], ids=["inline", "thread and hooks"])
@pytest.mark.parametrize("end", ENDS)
def test_for_whoever_runs_it_a_script_ends_as_it_would_without(end: str, more: dict[str, Any], tmp_path: Path) -> None:
    work = WORK.replace("{end}", ENDS[end])
    bare = run(WITHOUT + work, tmp_path)
    watched = run(WITH.format(settings=settings(tmp_path, **more)) + work, tmp_path)
    assert (watched.returncode, watched.stdout, watched.stderr) == (bare.returncode, bare.stdout, bare.stderr)
    assert told(tmp_path) == ([(REPORTED[end], "nightly")] if end in REPORTED else [])


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to another process on Windows")
def test_ctrl_c_ends_it_at_once_and_is_no_fault(tmp_path: Path) -> None:
    code = WITH.format(settings=settings(tmp_path, delivery="inline")) + WORK.replace(
        "{end}", "import time; time.sleep(100)"
    )
    (tmp_path / "script.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, "script.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1]) == (-signal.SIGINT, "KeyboardInterrupt")
    assert told(tmp_path) == []


def test_the_page_works_as_it_says(tmp_path: Path) -> None:
    unpack("scripts-and-cron.md", tmp_path)
    command = [sys.executable, "nightly.py", "prices.csv"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (1, "ValueError: could not convert string to float: 'n/a'")
    assert told(tmp_path) == [("ValueError", "read prices")]
    assert lines(tmp_path)[0]["fields"] == {"path": "prices.csv"}
    (tmp_path / "prices.csv").write_text("article,price\nbulb,0\n")
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "imported prices.csv\n", "bulb costs nothing\n")
    assert told(tmp_path)[1:] == [("bulb costs nothing", "nightly import")]


PROCESSES = """
import multiprocessing, sys, tocsin

@tocsin.watch("part")
def part(number):
    return 1 / number

if __name__ in ("__main__", "__mp_main__"):
    tocsin.setup({settings!r})
if __name__ == "__main__":
    process = multiprocessing.get_context(sys.argv[1]).Process(target=part, args=(0,))
    process.start()
    process.join()
    print(process.exitcode)
"""


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
@pytest.mark.parametrize("delivery", ["inline", "thread"])
def test_a_child_of_multiprocessing_reports(method: str, delivery: str, tmp_path: Path) -> None:
    if method != "spawn" and not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    ran = run(PROCESSES.replace("{settings!r}", repr(settings(tmp_path, delivery=delivery))), tmp_path, method)
    assert (ran.returncode, ran.stdout) == (0, "1\n"), ran.stderr
    if delivery == "thread":  # spooled by then; the next process delivers it
        run(
            WITH.format(settings=settings(tmp_path))
            + "\nwith watch('next'): pass\ntocsin.reporter.current().close()\n",
            tmp_path,
        )
    assert told(tmp_path) == [("ZeroDivisionError", "part")]


GEVENT = """
from gevent import monkey; monkey.patch_all()
import gevent, threading, tocsin
tocsin.setup({settings!r})
@tocsin.watch("green")
def work(number):
    gevent.sleep(0.01)
    return 1 / number
greenlets = [gevent.spawn(work, number) for number in (1, 0, 1)]
gevent.joinall(greenlets)
print([greenlet.successful() for greenlet in greenlets])
thread = threading.Thread(target=lambda: [].pop()); thread.start(); thread.join()
"""


@pytest.mark.parametrize("delivery", ["inline", "thread"])
def test_under_gevent(delivery: str, tmp_path: Path) -> None:
    pytest.importorskip("gevent", reason="no gevent; pip install gevent")
    ran = run(GEVENT.replace("{settings!r}", repr(settings(tmp_path, delivery=delivery, hooks=True))), tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "[True, False, True]\n"), ran.stderr
    assert sorted(told(tmp_path)) == [("IndexError", ""), ("ZeroDivisionError", "green")]
