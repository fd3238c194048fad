"""Forks at any moment: a child reports, delivers, closes and ends, whatever the threads of its parent were doing."""

from __future__ import annotations

import os
from pathlib import Path

import life
import pytest

import seeds

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

AT_RANDOM = """
import os, random, threading, time, tocsin
folder, seed = sys.argv[1], int(sys.argv[2])
dice = random.Random(seed)
reporter = tocsin.setup(life.settings(folder))
is_over = False
def work(seed):
    dice = random.Random(seed)
    while not is_over:
        life.fall(folder, dice.randrange(30))
        time.sleep(dice.random() * 0.002)
threads = [threading.Thread(target=work, args=(dice.random(),)) for _ in range(3)]
for thread in threads: thread.start()
children = []
for _ in range(50):
    time.sleep(dice.random() * 0.03)
    numbers, ending = [dice.randrange(40) for _ in range(8)], dice.randrange(4)
    pid = os.fork()
    if pid == 0:
        life.watch_child()
        for number in numbers:
            life.fall(folder, number)
        if ending == 0: os._exit(0)
        if ending == 1:
            reporter.flush(0.2)
            os._exit(0)
        if ending == 2: reporter.close(0.2)
        import atexit
        atexit._run_exitfuncs()
        os._exit(0)
    children.append(pid)
codes = {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children}
is_over = True
for thread in threads: thread.join()
assert codes == {0}, codes
"""


def test_children_forked_at_any_moment_count_exactly(tmp_path: Path) -> None:
    """Three threads report and one delivers while the process forks; children end in every way there is."""
    ran = life.run(AT_RANDOM, tmp_path, str(seeds.dice().randrange(2**32)))
    assert life.free_of_trouble(ran)
    assert life.books(tmp_path).agree()


HELD = """
import logging, os, threading, time, tocsin
folder, lock = sys.argv[1], sys.argv[2]
logging.basicConfig(filename=folder + "/log")
reporter = tocsin.setup(life.settings(folder))
life.fall(folder, 0)
process = reporter.intake.processes.known()
writer = process.writer
is_held, is_never = threading.Event(), threading.Event()

class Stuck(logging.Handler):
    def emit(self, record):
        is_held.set()
        is_never.wait()

def opening():
    writer._lock.acquire(); is_held.set(); is_never.wait()
def memory():
    writer._memory._lock.acquire(); is_held.set(); is_never.wait()
def counters():
    lock = writer.generation.counters._lock  # only where there is no GIL
    if lock is not None: lock.acquire()
    is_held.set(); is_never.wait()
def record_handler():
    handler = Stuck(); logging.getLogger("stuck").addHandler(handler)
    logging.getLogger("stuck").warning("in the handler, whose lock is held")
def stderr():
    r, w = os.pipe()
    os.dup2(w, 2)
    is_held.set()
    sys.stderr.write("x" * 10_000_000)  # nobody reads: it waits within the buffer's lock
def complaint():
    logging.getLogger("tocsin.internal").addHandler(Stuck())
    from tocsin.complaints import complain
    complain("test", "held")

threading.Thread(target=globals()[lock], daemon=True).start()
assert is_held.wait(10)
time.sleep(0.1)
if os.fork():
    os._exit(0)  # the child is alone now: what is delivered, it delivers
life.watch_child()
for number in range(20):
    life.fall(folder, number % 4)
if lock == "stderr":
    from tocsin.complaints import complain
    complain("test", "said into a stderr whose lock is held")
is_flushed = reporter.flush(30)
reporter.close(5)
print("flushed" if is_flushed else "not flushed", flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("lock", ["opening", "memory", "counters", "record_handler", "stderr", "complaint"])
def test_a_child_forked_while_a_lock_is_held_reports_delivers_and_ends(lock: str, tmp_path: Path) -> None:
    """Every lock of tocsin's, and those of `logging` and stderr that it takes, held by a thread the child lacks."""
    ran = life.run(HELD, tmp_path, lock)
    assert life.free_of_trouble(ran)
    assert ran.stdout == "flushed\n"
    books = life.books(tmp_path, drain=False)
    assert books.agree()
    assert books.delivered.total() == 21


IN_THE_HOOK = """
import os, threading, tocsin
folder = sys.argv[1]
is_held, is_never = threading.Event(), threading.Event()
asked, threads = [], []
def before_spool(event):
    asked.append(event.message)
    if event.message == "held":
        threads.append(threading.get_ident())
        is_held.set()
        is_never.wait()
    return event
reporter = tocsin.setup(life.settings(folder, delivery="process"), before_spool=before_spool)
threading.Thread(target=lambda: tocsin.report(message="held"), daemon=True).start()
assert is_held.wait(10)
if os.fork():
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
life.watch_child()
def again():
    threads.append(threading.get_ident())
    tocsin.report(message="again")
for _ in range(3):
    thread = threading.Thread(target=again)
    thread.start()
    thread.join()
print(threads[0] in threads[1:], asked.count("again"), flush=True)
os._exit(0)
"""


def test_a_child_asks_the_hook_though_a_thread_of_its_number_was_within_it(tmp_path: Path) -> None:
    """The hook may remove what must not be written; a child's first thread has the number of one that it lacks."""
    ran = life.run(IN_THE_HOOK, tmp_path)
    assert life.free_of_trouble(ran)
    assert ran.stdout in ("True 3\n", "False 3\n")


IN_SQLITE = """
import os, random, signal, sqlite3, threading, time, tocsin
folder, seed = sys.argv[1], int(sys.argv[2])
dice = random.Random(seed)
reporter = tocsin.setup(life.settings(folder, sinks=[{"type": "busy_sinks:SQLite"}]))
is_over = False
def work():
    number = 0
    while not is_over:
        number += 1
        reporter.report(message="x", fingerprint=str(number % 500))
        time.sleep(0.002)
thread = threading.Thread(target=work)
thread.start()
import busy_sinks
while not busy_sinks.SQLite.calls: time.sleep(0.01)
hung = 0
for _ in range(120):
    time.sleep(dice.random() * 0.01)
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        signal.alarm(8)
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE t (a)")
        os._exit(0)
    waited_in_vain = time.monotonic() - begun > 0.9  # for a second at most, as promised: a disk may take longer
    hung += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0 and not waited_in_vain
    if hung: break
is_over = True
thread.join()
print("hung", hung, "calls", busy_sinks.SQLite.calls, flush=True)
os._exit(0)
"""


def test_a_child_can_use_sqlite_though_delivery_used_it_at_the_fork(tmp_path: Path) -> None:
    """SQLite's own locks are not made anew in a child: without care one fork in a thousand would leave it hanging."""
    ran = life.run(IN_SQLITE, tmp_path, str(seeds.dice().randrange(2**32)))
    assert life.free_of_trouble(ran)
    assert ran.stdout.startswith("hung 0 ")


IMPORTING = """
import os, signal, time, tocsin
folder, sink = sys.argv[1:]
sys.path.insert(0, folder)
reporter = tocsin.setup(life.settings(folder, sinks=[{"type": f"busy_sinks:{sink}"}]))
reporter.report(message="x")
while not os.path.exists(folder + "/begun"): time.sleep(0.001)
pid = os.fork()
if pid == 0:
    signal.alarm(15)
    import slow_to_import
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("sink", ["ImportsHere", "ImportsAway"])
def test_a_child_can_import_what_delivery_was_importing_at_the_fork(sink: str, tmp_path: Path) -> None:
    """The lock of a module that a lost thread was importing stays held: sinks load their libraries when called."""
    (tmp_path / "slow_to_import.py").write_text(
        f"import time\nopen({str(tmp_path / 'begun')!r}, 'w').close()\ntime.sleep(0.3)\n"
    )
    ran = life.run(IMPORTING, tmp_path, sink)
    assert life.free_of_trouble(ran)
    assert ran.stdout == "0\n"


SAME_PID = """
import ctypes, os, tocsin
folder = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
reporter = tocsin.setup(life.settings(folder, delivery="process"))
def in_a_namespace_of_its_own(live):
    if libc.unshare(0x20000000): os._exit(77)
    pid = os.fork()
    if pid == 0:
        life.watch_child()
        live()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code: os._exit(code)
def outer():
    assert os.getpid() == 1
    for number in range(20): life.fall(folder, number % 3)
    in_a_namespace_of_its_own(inner)
    for number in range(20): life.fall(folder, number % 3)
def inner():
    assert os.getpid() == 1
    for number in range(20): life.fall(folder, number % 3)
    print(reporter.intake.processes.known().writer.process, flush=True)
in_a_namespace_of_its_own(outer)
"""


def test_a_child_with_the_pid_of_its_parent_keeps_its_own_books(tmp_path: Path) -> None:
    """In a namespace of its own a process is 1, and so is the one it makes in another: pids tell nothing then."""
    ran = life.run(SAME_PID, tmp_path)
    if ran.returncode == 77:
        pytest.skip("no namespaces of pids; to have it: run as root, or with --cap-add SYS_ADMIN")
    assert life.free_of_trouble(ran)
    assert len(list((tmp_path / "spool").glob("*.events"))) == 2
    assert life.books(tmp_path).agree()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("kind", ["Process", "Pool", "ProcessPoolExecutor"])
def test_multiprocessing_counts_exactly(method: str, kind: str, tmp_path: Path) -> None:
    """Children of multiprocessing end by `os._exit`: no exit handler runs, and nothing may wait for one."""
    ran = life.run(life.HERE / "pool_life.py", tmp_path, method, kind)
    assert life.free_of_trouble(ran)
    assert life.books(tmp_path).agree()
