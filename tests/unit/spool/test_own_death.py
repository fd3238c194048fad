"""What a process makes to tell of its death, and takes away at its end: in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.delivery.crash_dump import read_dumps
from tocsin.spool.in_flight import read_flight

BEGIN = """
import ctypes, faulthandler, os, signal, sys, threading
from tocsin.spool.deaths import Deaths
from tocsin.spool.folder import Folder
from tocsin.spool.writer import Writer

folder = Folder(sys.argv[1])
deaths = Deaths()

def wake():
    deaths.wake(Writer(folder, about={"application": "shop"}))
"""


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BEGIN + code, str(folder / "spool")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def left(folder: Path, suffix: str) -> list[Path]:
    return sorted((folder / "spool").glob(f"*{suffix}"))


@pytest.mark.parametrize(
    "end", ["", "sys.exit(3)", "raise KeyError", "deaths.end()", "os.kill(os.getpid(), signal.SIGINT)"]
)
def test_a_process_that_ends_by_itself_leaves_nothing(tmp_path: Path, end: str) -> None:
    """Whatever its exit status."""
    run(tmp_path, f"wake()\ndeaths.log.begin('request', 'GET', '/a', '')\n{end}")
    assert left(tmp_path, ".flight") == left(tmp_path, ".crash") == []


def test_a_process_that_ends_without_its_exit_handlers_leaves_both(tmp_path: Path) -> None:
    """From outside that is a death like any other; in no request, it is none worth a report."""
    run(tmp_path, "wake()\nos._exit(0)")
    assert [len(left(tmp_path, suffix)) for suffix in (".flight", ".crash")] == [1, 1]


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        ("ctypes.string_at(0)", "SegmentationFault"),
        ("os.abort()", "Aborted"),
        ("os.kill(os.getpid(), signal.SIGBUS)", "BusError"),
        ("os.kill(os.getpid(), signal.SIGILL)", "IllegalInstruction"),
        ("os.kill(os.getpid(), signal.SIGFPE)", "FloatingPointException"),
    ],
)
def test_a_crash_leaves_its_stacks_and_what_it_was_in(tmp_path: Path, end: str, kind: str) -> None:
    """By whichever signal."""
    run(tmp_path, f"wake()\ndeaths.log.begin('request', 'GET', '/a', '')\ndef view():\n    {end}\nview()")
    [crash], [flight] = left(tmp_path, ".crash"), left(tmp_path, ".flight")
    [dump] = read_dumps(crash.read_text())
    assert dump.type == kind
    assert dump.current is not None
    assert [frame[2] for frame in dump.current.frames][-2:] == ["view", "<module>"]
    found = read_flight(flight)
    assert found is not None
    assert [note.thread for note in found.notes] == [dump.current.thread]
    assert found.about["crashes"] == ""


@pytest.mark.parametrize("before", ["faulthandler.enable()\nwake()", "wake()\nfaulthandler.enable()"])
def test_faulthandler_of_somebody_else_is_left_to_him(tmp_path: Path, before: str) -> None:
    """Enabled before, ours is refused and says so; enabled after, it has replaced ours, and stays at our end."""
    done = run(tmp_path, f"{before}\ndeaths.end()\nassert faulthandler.is_enabled()\nctypes.string_at(0)")
    assert "Fatal Python error: Segmentation fault" in done.stderr
    assert ("somebody else has enabled faulthandler" in done.stderr) == before.startswith("faulthandler")
    assert left(tmp_path, ".crash") == []


def test_at_our_end_crashes_go_where_they_went_before(tmp_path: Path) -> None:
    """faulthandler is turned off again, so that it does not write to a file that is closed."""
    done = run(tmp_path, "wake()\ndeaths.end()\nassert not faulthandler.is_enabled()\nprint('fine')")
    assert done.stdout == "fine\n"


def test_a_forked_child_writes_into_its_own_file_or_none(tmp_path: Path) -> None:
    """None before it is awake itself."""
    code = """
wake()
for is_awake in (False, True):
    if not os.fork():
        if is_awake:
            wake()
        ctypes.string_at(0)
    os.wait()
os.kill(os.getpid(), signal.SIGKILL)
"""
    run(tmp_path, code)
    parent, child = left(tmp_path, ".crash")
    assert parent.read_text() == ""
    assert "Segmentation fault" in child.read_text()
    pids = [flight.about["pid"] for flight in map(read_flight, left(tmp_path, ".flight")) if flight]
    assert len(set(pids)) == 2


def test_a_crash_of_a_child_forked_past_python_is_kept_and_told_from_ones_own(tmp_path: Path) -> None:
    """It wrote into the file of its parent, which then ended as it should."""
    code = """
wake()
libc = ctypes.PyDLL(None)
if not libc.fork():
    ctypes.string_at(0)
libc.wait(None)
"""
    run(tmp_path, code)
    [crash], [flight] = left(tmp_path, ".crash"), left(tmp_path, ".flight")
    assert "Segmentation fault" in crash.read_text()
    found = read_flight(flight)
    assert found is not None
    assert found.is_ended


def test_an_abort_that_was_survived_leaves_nothing(tmp_path: Path) -> None:
    """As gunicorn's workers survive the first signal of their timeout."""
    code = "signal.signal(signal.SIGABRT, lambda *_: None)\nwake()\nos.kill(os.getpid(), signal.SIGABRT)\nprint('fine')"
    assert run(tmp_path, code).stdout == "fine\n"
    assert left(tmp_path, ".crash") == left(tmp_path, ".flight") == []


def test_a_spool_that_cannot_be_made_is_said_and_costs_nothing_else(tmp_path: Path) -> None:
    """The process goes on."""
    (tmp_path / "spool").write_text("no folder")
    done = run(tmp_path, "wake()\nassert deaths.log is None\nprint('fine')")
    assert done.stdout == "fine\n"
    assert "death would not be noticed" in done.stderr


def test_no_program_that_is_started_inherits_the_files(tmp_path: Path) -> None:
    """Nor their lock."""
    code = """
import subprocess
wake()
look = "import os; print([os.readlink(entry.path) for entry in os.scandir('/proc/self/fd')][:-1])"
print(subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, close_fds=False).stdout)
"""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc: open files are looked up there")
    said = run(tmp_path, code).stdout
    assert said.startswith("['")
    assert "/spool/" not in said


@pytest.mark.parametrize("begin", ["deaths.log.begin('request', 'GET', '/a', '')", ""])
def test_a_thread_in_which_faults_are_blocked_can_tell_of_one_once_a_request_has_begun_in_it(
    tmp_path: Path, begin: str
) -> None:
    """As uWSGI's threads are: the kernel kills where a handler may not run."""
    code = f"""
wake()
deaths.log.begin('request', 'GET', '/of another thread', '')
def view():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    {begin}
    ctypes.string_at(0)
worker = threading.Thread(target=view)
worker.start()
worker.join()
"""
    run(tmp_path, code)
    [crash] = left(tmp_path, ".crash")
    assert ("Segmentation fault" in crash.read_text()) == bool(begin)
