"""Threads of every sort report: ones that exit, ones that outlive the main one, daemons, greenlets, native ones."""

from __future__ import annotations

import sys
from pathlib import Path

import life
import pytest

import seeds

ONE_FAULT = """
import sys, threading, tocsin
folder = sys.argv[1]
sys.setswitchinterval(1e-6)
reporter = tocsin.setup(life.settings(folder))
def work(number):
    for turn in range(400):
        life.fall(folder, turn % 2)
        if turn % 100 == number: life.fall(folder, 100 + turn)
threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_that_meet_the_same_faults_lose_no_count(tmp_path: Path) -> None:
    """Eight threads that change places as often as the interpreter can; the spool is opened by all at once."""
    assert life.free_of_trouble(life.run(ONE_FAULT, tmp_path))
    books = life.books(tmp_path)
    assert books.agree()
    assert books.delivered[0] == books.delivered[1] == 1_600


ENDINGS = """
import sys, threading, time, tocsin
folder = sys.argv[1]
reporter = tocsin.setup(life.settings(folder))
def exits():
    life.fall(folder, 1)
    sys.exit(7)
def raises_within():
    try: sys.exit("within")
    except SystemExit as fault:
        life.note(folder, "before", 2)
        life.breaker(50)  # as long as it is being handled
        tocsin.report(fault, number=2)
        life.note(folder, "after", 2)
        raise
def outlives():
    threading.main_thread().join()
    time.sleep(0.1)
    for _ in range(20): life.fall(folder, 3)
for target in (exits, raises_within, outlives) * 2:
    threading.Thread(target=target).start()
if "nothing" not in sys.argv: life.fall(folder, 4)
"""


@pytest.mark.parametrize("main", ["something", "nothing"])
def test_threads_that_exit_and_threads_that_outlive_the_main_one(main: str, tmp_path: Path) -> None:
    """`sys.exit` ends a thread only; what happens after the main one has ended is spooled all the same."""
    ran = life.run(ENDINGS, tmp_path, main)
    assert life.free_of_trouble(ran)
    assert life.books(tmp_path).agree()


DAEMONS = """
import random, sys, threading, time, tocsin
folder, seed = sys.argv[1], int(sys.argv[2])
dice = random.Random(seed)
reporter = tocsin.setup(life.settings(folder))
def work(number):
    while True:
        life.fall(folder, number)
        time.sleep(0.001)
for number in range(4):
    life.breaker(number)
    threading.Thread(target=work, args=(number,), daemon=True).start()
time.sleep(dice.random() * 0.2)
sys.exit(3)
"""


def test_daemon_threads_that_report_while_the_interpreter_ends(tmp_path: Path) -> None:
    """They are cut off wherever they are: each has at most one occurrence between its raise and its count."""
    dice = seeds.dice()
    for turn in range(5):
        folder = tmp_path / str(turn)
        folder.mkdir()
        ran = life.run(DAEMONS, folder, str(dice.randrange(2**32)))
        assert (ran.returncode, ran.stderr) == (3, ""), (ran.returncode, ran.stderr[-3000:])
        assert life.books(folder).agree(between=4)


GEVENT = """
import os, random, sys
folder, seed, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def patch():
    from gevent import monkey
    monkey.patch_all()
if when == "before": patch()
import tocsin
if when == "after import": patch()
reporter = tocsin.setup(life.settings(folder, sinks=[
    {"type": "file", "path": folder + "/events.jsonl"}, {"type": "busy_sinks:Socket"}]))
if when == "after setup": patch()
import gevent
from gevent import monkey
dice = random.Random(seed)
def green(seed):
    dice = random.Random(seed)
    for _ in range(60):
        life.fall(folder, dice.randrange(20))
        gevent.sleep(dice.random() * 0.004)
def natively(seed):
    dice = random.Random(seed)
    sleep = monkey.get_original("time", "sleep")
    for _ in range(60):
        life.fall(folder, dice.randrange(20))
        sleep(dice.random() * 0.004)
def work():
    greens = [gevent.spawn(green, dice.random()) for _ in range(5)]
    natives = [gevent.get_hub().threadpool.spawn(natively, dice.random()) for _ in range(3)]
    gevent.joinall(greens)
    for native in natives: native.get()
work()
children = []
for _ in range(4):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        life.watch_child()
        work()
        reporter.flush(0.5)
        os._exit(0)
    children.append(pid)
work()
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
assert codes == [0] * 4, codes
print("flushed" if reporter.flush(20) else "not flushed")
"""


@pytest.mark.parametrize("when", ["before", "after import", "after setup"])
def test_gevent_patched_at_any_time_with_greenlets_native_threads_and_forks(when: str, tmp_path: Path) -> None:
    """Greenlets and the native threads of gevent's own pool report at once, in the process and in its forks."""
    pytest.importorskip("gevent", reason="no gevent; pip install gevent")
    ran = life.run(GEVENT, tmp_path, str(seeds.dice().randrange(2**32)), when)
    assert life.free_of_trouble(ran)
    assert ran.stdout == "flushed\n"
    assert life.books(tmp_path).agree()


LATE = """
import sys, threading, time, tocsin
folder = sys.argv[1]
reporter = tocsin.setup(life.settings(folder))
def late():
    threading.main_thread().join()
    time.sleep(0.1)
    life.fall(folder, 1)
    print(reporter.is_hosting)
threading.Thread(target=late).start()
"""


@pytest.mark.skipif((3, 12, 0) <= sys.version_info < (3, 12, 3), reason="Python 3.12.0 to 3.12.2 start no thread then")
def test_a_first_report_after_the_main_thread_has_ended_is_delivered_by_the_exit(tmp_path: Path) -> None:
    """A server that runs in a thread of its own may be all there is."""
    ran = life.run(LATE, tmp_path)
    assert life.free_of_trouble(ran)
    assert ran.stdout == "True\n"
    assert life.books(tmp_path, drain=False).agree()
