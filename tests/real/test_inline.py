"""`delivery = "inline"` where a process is frozen or gone right after its work: it was all delivered before."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

from how_to import unpack

pytest.importorskip("aiosmtpd", reason="no aiosmtpd; pip install aiosmtpd")
from mailbox import Mailbox, serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP on Windows")

# As the runtime of a cloud's functions does: the module is loaded once, the handler called, the process frozen.
RUNTIME = """
import os, signal, sys, traceback
from types import SimpleNamespace
import handler
event = {"key": "cats/1.jpg", "size": [3, 0]}
try:
    handler.handler(event, SimpleNamespace(function_name="thumbnail"))
except ZeroDivisionError:
    traceback.print_exc()
os.kill(os.getpid(), getattr(signal, sys.argv[1]))
event["size"] = [3, 2]
print(handler.handler(event, SimpleNamespace(function_name="thumbnail")))
"""


def function(folder: Path, port: int) -> Path:
    """Write the page's function, with a mail server and a folder of this test's."""
    unpack("serverless.md", folder)
    code = (folder / "handler.py").read_text()
    for written, here in (
        ("smtp://mail.example.org?", f"smtp://127.0.0.1:{port}?tls=none&"),
        ('"stderr:"', '"stderr:", "file:events.jsonl"'),
        ("/tmp/tocsin", f"{folder}/spool"),
    ):
        assert written in code
        code = code.replace(written, here)
    (folder / "handler.py").write_text(code)
    (folder / "runtime.py").write_text(RUNTIME)
    return folder


def lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def start(folder: Path, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "runtime.py", how]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_function_that_is_killed_when_it_returns_has_delivered_a_mail_and_a_line(tmp_path: Path) -> None:
    box, port = Mailbox(), free_port()
    with serving(box, port):
        process = start(function(tmp_path, port), "SIGKILL")
        _, err = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert len(box.mails) == 1  # not waited for: it has arrived
    assert "ZeroDivisionError" in box.mails[0]["Subject"]
    (line,) = lines(tmp_path)
    assert (line["exception"]["type"], line["task"]["name"]) == ("ZeroDivisionError", "thumbnail")
    assert (line["fields"], line["tags"]) == ({"object": "cats/1.jpg"}, {"function": "thumbnail"})
    assert err.count("ERROR thumbnails") == 1


def test_a_function_that_is_frozen_holds_no_lock_and_goes_on_when_it_is_thawed(tmp_path: Path) -> None:
    box, port = Mailbox(), free_port()
    with serving(box, port):
        first = start(function(tmp_path, port), "SIGSTOP")
        os.waitpid(first.pid, os.WUNTRACED)
        assert len(box.mails) == 1
        second = start(tmp_path, "SIGKILL")  # another one with the same spool is not kept from delivering
        second.communicate(timeout=60)
        assert sum(line["occurrences"] for line in lines(tmp_path)) == 2
        first.send_signal(signal.SIGCONT)
        out, _ = first.communicate(timeout=60)
        assert (first.returncode, out) == (0, "{'ratio': 1.5}\n")
    assert len(box.mails) == 1  # one fault, told once


def test_a_mail_server_that_hangs_holds_a_function_up_for_a_bounded_time_and_the_next_one_tells(tmp_path: Path) -> None:
    """Nothing is lost: what the hanging server did not take is taken by the one that comes after it."""
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        process = start(function(tmp_path, port), "SIGKILL")
        process.communicate(timeout=60)  # the server never says a word
        assert process.returncode == -signal.SIGKILL
        assert len(lines(tmp_path)) == 1  # the file has it all the same
    with serving(box, port):
        start(tmp_path, "SIGKILL").communicate(timeout=60)
        assert len(box.mails) == 1


SCRIPT = """
import sys, tocsin
settings = {{"application": "job", "spool": "spool", "sinks": ["file:events.jsonl"], "delivery": "inline"}}
reporter = tocsin.setup(settings)
for _ in range(9):
    reporter.report(message="again")
{end}
"""


@pytest.mark.parametrize(
    ("end", "status"), [("", 0), ("sys.exit(3)", 3), ("1 / 0", 1), ("import atexit; atexit.register(int)", 0)]
)
def test_what_was_only_counted_goes_out_at_the_exit(end: str, status: int, tmp_path: Path) -> None:
    """Also where the interpreter, which ends, starts no thread any more."""
    (tmp_path / "script.py").write_text(SCRIPT.format(end=end))
    command = [sys.executable, "script.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == status
    assert "tocsin" not in ran.stderr
    assert sum(line["occurrences"] for line in lines(tmp_path)) == 9
