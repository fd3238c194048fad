"""Programs are run in bounded time and size, inherit nothing, and are gone afterwards."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tocsin.provenance.program import is_startable, output_of, path_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX only")

PYTHON = sys.executable


def run(code: str, *, timeout_s: float = 30.0, max_bytes: int = 1_000_000) -> bytes | None:
    environ = {"PATH": os.defpath}
    return output_of((PYTHON, "-I", "-c", code), environ, timeout_s=timeout_s, max_bytes=max_bytes)


def has_ended(pid: int) -> bool:
    """Wait for the end of a process that is not our child: its group was killed."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":  # killed; whoever adopted it has yet to reap it
            return True
        time.sleep(0.01)
    return False


def test_what_it_writes_is_returned() -> None:
    assert run("print('a' * 200_000)") == b"a" * 200_000 + b"\n"


def test_a_program_that_fails_or_is_not_there_returns_nothing() -> None:
    assert run("print(1); raise SystemExit(3)") is None
    assert output_of(("/nowhere/git",), {}, timeout_s=5, max_bytes=10) is None


def test_one_that_writes_too_much_is_killed() -> None:
    assert run("import sys\nwhile True: sys.stdout.write('x' * 65536)", max_bytes=100_000) is None


def test_one_that_hangs_is_killed_with_its_children_and_reaped(tmp_path: Path) -> None:
    """Also where it has closed its stdout, or ignores what it is asked to do."""
    pids = tmp_path / "pids"
    code = f"""
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(300)"])
open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
os.close(1)
time.sleep(300)
"""
    assert run(code, timeout_s=3.0) is None
    own, child = map(int, pids.read_text().split())
    with pytest.raises(ChildProcessError):
        os.waitpid(own, os.WNOHANG)
    assert has_ended(child)


def test_it_inherits_nothing_but_its_three_descriptors() -> None:
    """A listening socket that outlives its server would keep the port."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        found = run("import os; print(*sorted(int(n) for n in os.listdir('/proc/self/fd')))")
    finally:
        os.close(read)
        os.close(write)
    assert found is not None
    assert set(found.split()) <= {b"0", b"1", b"2", b"3"}, "the fourth is the folder that is listed"


def test_it_has_only_the_environment_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    assert run("import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))") == b"['PATH']\n"


def test_hooks_of_a_fork_are_not_run() -> None:
    called: list[int] = []
    os.register_at_fork(before=lambda: called.append(1))
    assert run("print(1)") == b"1\n"
    assert not called


def test_many_threads_may_run_some_at_once() -> None:
    found: list[bytes | None] = []
    threads = [threading.Thread(target=lambda n=n: found.append(run(f"print({n})"))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(filter(None, found)) == [b"%d\n" % n for n in range(8)]


def test_a_closed_stdin_and_stdout_are_no_hindrance() -> None:
    """Daemons close them, and the next pipe has their numbers."""
    code = f"""
import os, sys
sys.path[:0] = {sys.path!r}
from tocsin.provenance.program import output_of
keep = os.dup(1)
os.close(0); os.close(1)
found = output_of(({PYTHON!r}, "-I", "-c", "print('heard')"), {{}}, timeout_s=30, max_bytes=100)
os.write(keep, repr(found).encode())
"""
    assert run(code) == b"b'heard\\n'"


@pytest.fixture
def reaper() -> Iterator[list[int]]:
    reaped: list[int] = []

    def reap(number: int, frame: object) -> None:
        try:
            reaped.append(os.waitpid(-1, os.WNOHANG)[0])
        except ChildProcessError:
            pass

    before = signal.signal(signal.SIGCHLD, reap)
    yield reaped
    signal.signal(signal.SIGCHLD, before)


def test_where_the_application_reaps_its_children_none_is_started(reaper: list[int]) -> None:
    """One that it doesn't know could confuse it."""
    assert not is_startable()


def test_one_that_was_reaped_by_somebody_else_has_still_said_what_it_said(reaper: list[int]) -> None:
    """libev does so under gevent."""
    assert run("print('heard')") == b"heard\n"


def test_where_sigchld_is_ignored_it_works_as_well() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert is_startable()
        assert run("print('heard')") == b"heard\n"
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_program_is_looked_for_in_absolute_folders_of_the_path_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `git` in the working directory, which may be anybody's, is none."""
    planted = tmp_path / "git"
    planted.write_text("#!/bin/sh\n")
    planted.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert path_of("git", {"PATH": f".:{os.curdir}::bin"}) == ""
    assert path_of("git", {"PATH": str(tmp_path)}) == str(planted)
    planted.chmod(0o644)
    assert path_of("git", {"PATH": str(tmp_path)}) == ""


def test_it_works_under_gevent_in_its_main_greenlet_and_in_threads() -> None:
    """Its `close` waits for the hub, and its `subprocess` for the main one."""
    pytest.importorskip("gevent", reason="no gevent; pip install gevent")
    code = f"""
from gevent import monkey
monkey.patch_all()
import sys, gevent
sys.path[:0] = {sys.path!r}
from tocsin.delivery.job import Job
from tocsin.provenance.program import output_of
from tocsin.sinks.base import Accepted
found = []
def run():
    found.append(output_of(({PYTHON!r}, "-I", "-c", "print('heard')"), {{}}, timeout_s=30, max_bytes=100))
    return Accepted()
gevent.sleep(0.01)
run()
job = Job(run, is_local=False)
while job.outcome is None:
    gevent.sleep(0.01)
run()
print(found)
"""
    assert run(code, timeout_s=120.0) == b"[b'heard\\n', b'heard\\n', b'heard\\n']\n"
