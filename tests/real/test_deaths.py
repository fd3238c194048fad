"""Processes that die without an exception, on real servers: each death is reported once, with its request."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deaths_servers import BIN, CONFIG, KINDS, PATIENCE_S, SECRET, Kind, Server, gunicorn, serving


@pytest.mark.parametrize("name", KINDS)
def test_each_death_in_a_request_is_reported_once_with_it_and_an_idle_one_not_at_all(name: str, tmp_path: Path) -> None:
    """A segmentation fault, and a SIGKILL in the middle of a request; then idle workers die, and the server ends."""
    with serving(name, tmp_path) as server:
        server.awake()
        server.ask("/segfault/7")
        server.wait(server.events)
        pid, connection = server.begun(f"/hang/{SECRET}")
        assert SECRET.encode() not in b"".join(path.read_bytes() for path in server.spool.glob("*.flight"))
        os.kill(pid, signal.SIGKILL)
        connection.close()
        server.awake()  # nobody leads before a first request
        server.wait(lambda: len(server.events()) > 1)
        idle = server.awake()
        for each in idle:
            os.kill(each, signal.SIGKILL)
        server.wait(lambda: not idle & server.awake())
        server.wait(lambda: server.status()["deaths"]["idle_deaths"] >= 2)
        server.end()
        server.drain()
        assert server.told() == [
            ("SegmentationFault", "/segfault/7"),
            ("ProcessVanished", "/hang/[masked: GitHub token]"),
        ]
        assert server.left() == []
    crash, vanished = server.events()
    assert [frame["function"] for frame in crash["exception"]["frames"] if frame["in_app"]][-1] == "segfault"
    assert crash["exception"]["frames"][-1]["module"] == "ctypes"
    assert crash["request"]["method"] == vanished["request"]["method"] == "GET"
    assert (vanished["process"]["id"], vanished["application"]) == (pid, "mortal")
    assert (vanished["environment"], vanished["release"]) == ("test", "1.7")


def test_what_a_worker_was_stuck_in_is_reported_when_its_timeout_kills_it(tmp_path: Path) -> None:
    """Computing in C: the SIGABRT of the timeout writes the stacks, the SIGKILL after it ends the worker. One death."""
    with serving("sync", tmp_path, gunicorn("--timeout", "2")) as server:
        server.awake()
        server.ask("/stuck/9")
        server.awake()
        server.wait(server.events)
        server.end()
        server.drain()
        assert server.told() == [("Aborted", "/stuck/9")]
    [event] = server.events()
    assert event["exception"]["frames"][-1]["function"] == "stuck"
    assert "sum(range(10**13))" in event["exception"]["frames"][-1]["source"]


def test_a_timeout_that_a_handler_takes_stays_one_event(tmp_path: Path) -> None:
    """Waiting in Python: gunicorn's handler raises SystemExit in the view, which is reported as ever."""
    with serving("sync", tmp_path, gunicorn("--timeout", "2")) as server:
        server.awake()
        server.ask("/hang/9")
        server.wait(server.events)
        server.awake()
        server.end()
        server.drain()
        assert server.told() == [("SystemExit", "/hang/9")]
        assert server.left() == []


def test_an_abort_names_its_frames_and_memory_refused_is_an_exception_as_ever(tmp_path: Path) -> None:
    """os.abort() is a death; MemoryError is none."""
    with serving("sync", tmp_path) as server:
        server.awake()
        assert b" 500 " in server.ask("/limited/1").split(b"\r\n")[0]
        server.wait(server.events)
        server.ask("/abort/2")
        server.awake()
        server.wait(lambda: len(server.events()) > 1)
        assert server.told() == [("MemoryError", "/limited/1"), ("Aborted", "/abort/2")]
    assert server.events()[1]["exception"]["frames"][-1]["function"] == "abort"


def test_a_request_lasts_until_its_body_is_closed(tmp_path: Path) -> None:
    """A worker killed while it streams was in a request still."""
    with serving("sync", tmp_path) as server:
        server.awake()
        pid, connection = server.begun("/stream/3")
        os.kill(pid, signal.SIGKILL)
        connection.close()
        server.awake()
        server.wait(server.events)
        assert server.told() == [("ProcessVanished", "/stream/3")]


def test_tocsin_deliver_reports_deaths_too(tmp_path: Path) -> None:
    """Also where all workers die at once, and whoever comes next finds what is left."""
    with serving("sync", tmp_path, delivery="process") as server:
        server.awake()
        pid, connection = server.begun("/hang/4")
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        connection.close()
        assert server.told() == []
        server.drain()
        server.drain()
        assert server.told() == [("ProcessVanished", "/hang/4")]
        assert server.events()[0]["process"]["id"] == pid
        assert server.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_server_that_ends_as_it_should_reports_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """Workers that are replaced by max_requests and by HUP, then the whole server by each of its signals."""
    with serving("sync", tmp_path, gunicorn("--max-requests", "3")) as server:
        first = server.awake()
        server.wait(lambda: not first & server.awake())
        second = server.awake()
        server.process.send_signal(signal.SIGHUP)
        server.wait(lambda: not second & server.awake())
        server.end(number)
        server.drain()
        assert server.told() == []
        assert server.left() == []
        assert server.status()["deaths"]["idle_deaths"] == 0


def test_a_request_broken_off_by_a_quick_stop_is_no_death(tmp_path: Path) -> None:
    """SIGQUIT raises SystemExit in the view of a gunicorn worker, and the process ends by itself."""
    with serving("sync", tmp_path) as server:
        server.awake()
        _, connection = server.begun("/hang/5")
        server.end(signal.SIGQUIT)
        connection.close()
        server.drain()
        assert server.told() == []


def test_a_child_that_crashes_is_not_taken_for_its_parent(tmp_path: Path) -> None:
    """A forked child does not write into its parent's file."""
    with serving("sync", tmp_path) as server:
        server.awake()
        assert b" 200 " in server.ask("/child/1").split(b"\r\n")[0]
        assert all(path.stat().st_size == 0 for path in server.spool.glob("*.crash"))
        server.end()
        server.drain()
        assert server.told() == []


def test_a_crash_in_a_thread_of_ones_own_is_not_blamed_on_the_request_that_waits_for_it(tmp_path: Path) -> None:
    """Its frames are the thread's; the request is told as what was under way besides."""
    with serving("sync", tmp_path) as server:
        server.awake()
        server.ask("/thread/1")
        server.awake()
        server.wait(server.events)
        assert server.told() == [("SegmentationFault", "")]
    fields = server.events()[0]["fields"]
    assert fields["also_in_flight"][0].startswith("GET /thread/1 since ")
    assert any("in thread" in stack for stack in fields["other_threads"])


def test_where_faulthandler_is_somebody_elses_that_is_said_and_kills_are_reported_still(tmp_path: Path) -> None:
    """Its file is left alone: the crash is seen as a death without frames."""
    with serving("sync", tmp_path, more="--faulthandler") as server:
        server.awake()
        assert any("somebody else has enabled faulthandler" in each["text"] for each in server.status()["problems"])
        server.ask("/segfault/7")
        server.awake()
        server.wait(server.events)
        assert server.told() == [("ProcessVanished", "/segfault/7")]
        said = server.log.read_text()
        assert "Fatal Python error: Segmentation fault" in said
        assert said.count("segmentation faults and aborts can't be reported") <= 4  # once a process


@contextmanager
def _cramped(limit_bytes: int) -> Iterator[Path]:
    """Make a control group of so much memory; skip where that can't be."""
    root = Path("/sys/fs/cgroup")
    is_first = (root / "memory").is_dir()
    group = root / ("memory" if is_first else "") / f"tocsin-test-{os.getpid()}"
    limit = group / ("memory.limit_in_bytes" if is_first else "memory.max")
    try:
        group.mkdir()
        limit.write_text(str(limit_bytes))
    except OSError as fault:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"no control group for memory can be made here: {fault}")
    try:
        yield group
    finally:
        end = time.monotonic() + PATIENCE_S
        while group.is_dir() and time.monotonic() < end:
            try:
                group.rmdir()
            except OSError:  # its last process is still ending
                time.sleep(0.1)


def test_a_worker_that_the_kernel_kills_for_want_of_memory_is_reported_as_that(tmp_path: Path) -> None:
    """The kernel counts such kills for each control group."""
    with _cramped(300_000_000) as group, serving("sync", tmp_path) as server:
        (group / "cgroup.procs").write_text(str(server.process.pid))
        first = server.awake()
        for pid in first:  # they were forked before; those that come now are within
            os.kill(pid, signal.SIGTERM)
        server.wait(lambda: not first & server.awake())
        server.ask("/eat/6")
        server.awake()
        server.wait(server.events)
        assert server.told() == [("OutOfMemory", "/eat/6")]
        server.end()


def test_the_page_of_the_documentation_does_what_it_says(tmp_path: Path) -> None:
    """Its application, by its own command."""
    pytest.importorskip("flask")
    kind = Kind((sys.executable, "-m", "gunicorn", "--no-control-socket", "--workers", "1", "--bind"), ("shop:app",))
    with serving("", tmp_path, kind, page="deaths.md") as server:
        server.wait(lambda: _answers(server, "/"))
        server.ask("/images/7/small")
        server.wait(lambda: _answers(server, "/"))
        server.wait(server.events)
        assert server.told() == [("SegmentationFault", "/images/7/small")]
        [flight] = server.spool.glob("*.flight")
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as connection:
            connection.sendall(b"GET /report HTTP/1.1\r\nHost: mortal\r\n\r\n")
            server.wait(lambda: b"/report" in flight.read_bytes())
            [pid] = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
            os.kill(int(pid), signal.SIGKILL)
        server.wait(lambda: _answers(server, "/"))
        server.wait(lambda: len(server.events()) > 1)
        assert server.told()[1] == ("ProcessVanished", "/report")
    first = server.events()[0]["exception"]["frames"]
    assert [frame["function"] for frame in first if frame["in_app"]] == ["small"]


def _answers(server: Server, path: str) -> bool:
    try:
        return b" 200 " in server.ask(path).split(b"\r\n")[0]
    except OSError:
        return False


def test_a_script_that_is_killed_in_its_work_is_reported_by_who_comes_next(tmp_path: Path) -> None:
    """As a cron job may be; the task's name tells which."""
    config = tmp_path / "tocsin.toml"
    config.write_text(CONFIG.format(delivery="thread"))
    script = "import os, signal, sys, tocsin\ntocsin.setup(sys.argv[1])\nwith tocsin.watch('nightly import'):\n    {}\n"
    for what in ("pass", "os.kill(os.getpid(), signal.SIGKILL)", "pass"):
        subprocess.run([sys.executable, "-c", script.format(what), str(config)], check=False, timeout=PATIENCE_S)
    subprocess.run(
        [str(BIN / "tocsin"), "deliver", "--drain", "--config", str(config)], check=True, capture_output=True
    )
    [event] = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert event["exception"]["type"] == "ProcessVanished"
    assert (event["task"]["name"], event["task"]["by"]) == ("nightly import", "watch")
    assert not [path for path in (tmp_path / "spool").iterdir() if path.suffix in (".flight", ".crash")]
