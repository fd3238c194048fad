"""`tocsin receive`: what it can't do is told before it listens; then it stores, shows, passes on, and ends in order."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli.arrivals import Arrivals
from tocsin.cli.console import Console
from tocsin.event import wire
from tocsin.receiver.arrival import Arrival
from tocsin.sinks.base import Origin


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "--listen is missing"),
        (("--listen", "http://x"), "must look like"),
        (("--listen", "tls://127.0.0.1:0"), "tls needs --cert"),
        (("--listen", "tcp://127.0.0.1:0", "--cert", "c.pem"), "are for --listen tls"),
        (("--listen", "tcp://0.0.0.0:0", "--token-file", "token"), "would travel in clear"),
        (("--listen", "udp://127.0.0.1:0", "--token-file", "token"), "would travel in clear"),
        (("--listen", "tcp://127.0.0.1:0", "--token-file", "missing"), "--token-file can't be read"),
        (("--listen", "tcp://127.0.0.1:0", "--token-file", "empty"), "--token-file is empty"),
        (("--listen", "tcp://127.0.0.1:0", "--to", "fil:x"), "did you mean file:?"),
        (("--listen", "tcp://127.0.0.1:0", "--to", "fil:x"), "--to 1: must be"),
        (("--listen", "tls://127.0.0.1:0", "--cert", "empty", "--spool", "s"), "--cert 'empty' can't be used"),
    ],
)
def test_what_can_not_be_done_is_told_before_anything_is_taken(
    call: Callable[..., Any], tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "token").write_text("secret")
    answer = call("receive", *options)
    assert answer.code == 2
    assert told in answer.err
    assert "listening" not in answer.out


def test_a_port_that_is_taken_is_a_failure(call: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = call("receive", "--listen", f"tcp://127.0.0.1:{port}", "--spool", "received")
    assert answer.code == 1
    assert f"tcp://127.0.0.1:{port} can't be listened on" in answer.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_netcat_sends_is_stored_shown_and_passed_on(
    tmp_path: Path, new_event: Callable[..., Any], number: int
) -> None:
    """No hello, no answers; a signal ends it in good order."""
    command = [sys.executable, "-m", "tocsin.cli", "receive", "--listen", "tcp://127.0.0.1:0", "--show"]
    command += ["--spool", "received", "--to", "file:all.jsonl"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        assert process.stdout.readline() == f"to           file:{tmp_path / 'all.jsonl'}\n"
        assert str(tmp_path / "received") in process.stdout.readline()
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.sendall(_line(new_event()) + b"\n")
        shown = process.stdout.readline()
        assert "shop@web1" in shown and "ABCDEF-2345 ZeroDivisionError: division by zero · POST /pay" in shown
        process.send_signal(number)
        assert process.stdout.read().endswith("stopped; 1 stored, 0 were there already\n")
        assert process.wait(20) == 0
    asked = subprocess.run(
        [sys.executable, "-m", "tocsin.cli", "issues", "--spool", "received"],
        capture_output=True,
        text=True,
        env=environ,
    )
    assert (
        f"is a receiver's: each application has a spool of its own there; give one by --spool: {tmp_path}"
        in asked.stderr
    )
    (room,) = (tmp_path / "received").glob("*/*")
    assert room == tmp_path / "received" / "shop" / "test"


def _line(event: Any) -> bytes:
    members = json.loads(wire.encode(event)) | {
        "host": "web1",
        "error_id": "ABCDEF-2345",
        "fingerprint": "v1:" + "0" * 32,
    }
    members |= {"origin": {"process": "p1", "generation": 0, "offset": 1}, "occurrences": 1}
    return json.dumps(members).encode()


# -- what is shown -----------------------------------------------------------------------------------------


def shown(*arrivals: Arrival) -> list[str]:
    out = io.StringIO()
    held = Arrivals(Console({}, out=out), is_shown=True)
    for arrival in arrivals:
        held.add(arrival)
    held.show()
    return out.getvalue().splitlines()


def arrival(**members: Any) -> Arrival:
    names = {"application": "shop", "environment": "test", "release": "1", "host": members.pop("host", "web1")}
    return Arrival("error", 40, 0, "v1:" + "0" * 32, 0.0, Origin("p", 0, offset=1), 37, **names, members=members)


def test_a_count_shows_how_many_and_of_what() -> None:
    (line,) = shown(arrival(error_id="ABCDEF", exception={"type": "ValueError", "message": "x"}))
    assert line.startswith("shop@web1 ")
    assert line.endswith(" error ABCDEF +37 ValueError")


@pytest.mark.parametrize("text", ["\x1b[31mred\x1b]0;title\x07", "two\nlines\r", "\u202egnp.exe", "\x9b2J"])
def test_nothing_that_arrives_can_do_anything_to_a_terminal(text: str) -> None:
    (line,) = shown(arrival(host=text, message=text, error_id=text, exception={"type": text}))
    assert line.isprintable()
    assert len(shown(arrival(host=text, message=text, exception=[text]))) == 1


def test_more_than_can_be_shown_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(*[arrival(message="x")] * 1_200)
    assert len(lines) == 1_001
    assert lines[-1] == "… and 200 more, too many to be shown"


def test_a_time_that_is_none_in_this_zone_is_shown_as_that_of_the_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first day of all, of a clock that was never set, is before the first one west of Greenwich."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert len(shown(arrival(timestamp="0001-01-01T00:00:00+00:00"))) == 1
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_complaint_is_said_once(tmp_path: Path) -> None:
    """It is on stderr already; a program without handlers would have logging's last resort say it again."""
    code = "import sys; from tocsin.cli.program import main; main(['--version']); "
    code += "from tocsin.complaints import complain; complain('a', 'only once')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("only once") == 1


def test_a_system_that_cannot_store_is_told_before_anything_listens(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows."""
    monkeypatch.delattr("os.pwrite")
    answer = call("receive", "--listen", "tcp://127.0.0.1:0")
    assert answer.code == 2
    assert "needs a POSIX system" in answer.err
