"""Interrupted at any moment: signal handlers, garbage collection and tracers report while tocsin is in the middle."""

from __future__ import annotations

from pathlib import Path

import life
import pytest

import seeds

SIGNALS = """
import random, signal, threading, time, tocsin
folder, seed = sys.argv[1], int(sys.argv[2])
dice = random.Random(seed)
reporter = tocsin.setup(life.settings(folder))
interruptions, is_within = 0, False
def handler(number, frame):
    global interruptions, is_within
    interruptions += 1
    if not is_within:  # what interrupts this one is counted by the next
        is_within = True
        life.fall(folder, dice.randrange(60))
        is_within = False
for number in range(60): life.breaker(number)
signal.signal(signal.SIGALRM, handler)
is_over = False
def work():
    while not is_over:
        life.fall(folder, 70)
        time.sleep(0.001)
thread = threading.Thread(target=work)
thread.start()
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0007)
while interruptions < 4000:
    life.fall(folder, dice.randrange(60))
signal.setitimer(signal.ITIMER_REAL, 0)
is_over = True
thread.join()
print(interruptions)
"""


def test_signal_handlers_that_report_lose_no_count(tmp_path: Path) -> None:
    """Thousands of interruptions, of reports and of each other, wherever a signal may come through."""
    ran = life.run(SIGNALS, tmp_path, str(seeds.dice().randrange(2**32)))
    assert life.free_of_trouble(ran)
    assert int(ran.stdout) >= 4_000
    assert life.books(tmp_path).agree()


INTERRUPTED = """
import os, random, signal, time, tocsin
folder, seed = sys.argv[1], int(sys.argv[2])
dice = random.Random(seed)
class Interruption(BaseException): pass
def handler(number, frame): raise Interruption
signal.signal(signal.SIGPROF, handler)
def interrupted():
    os.mkdir(own := f"{folder}/{os.getpid()}")
    reporter = tocsin.setup(life.settings(own, delivery="process"))
    try:
        signal.setitimer(signal.ITIMER_PROF, dice.uniform(0.0001, 0.006))
        life.fall(own, 1)
    except Interruption:
        pass
    signal.setitimer(signal.ITIMER_PROF, 0)
    reporter.intake.processes.current().writer._retry_at = 0.0  # what failed is tried again without the pause
    for number in range(2, 5): life.fall(own, number)
    if reporter.stats()["pending"]:
        print("stuck", own, flush=True)
        os._exit(1)
    os._exit(0)
stuck = 0
for _ in range(80):
    dice.random()
    pid = os.fork()
    if pid == 0:
        try: interrupted()
        except BaseException as fault:
            print(f"{type(fault).__name__}: {fault}", flush=True)
            os._exit(2)
    stuck += os.waitpid(pid, 0)[1] != 0
print(stuck)
"""


def test_a_report_that_was_interrupted_anywhere_is_not_the_last(tmp_path: Path) -> None:
    """A handler that raises, as for a timeout, may end the opening of the spool between any two of its steps."""
    ran = life.run(INTERRUPTED, tmp_path, str(seeds.dice().randrange(2**32)))
    assert ran.returncode == 0
    assert ran.stdout == "0\n", ran.stdout


AT_EVERY_STEP = """
import os, sys, tocsin
from tocsin import spool
folder = sys.argv[1]
class Interruption(BaseException): pass
inside = os.path.dirname(spool.__file__)
def interrupt(at):
    steps = 0
    def trace(frame, event, argument):
        nonlocal steps
        if not frame.f_code.co_filename.startswith(inside): return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            steps += 1
            if steps == at:
                sys.settrace(None)
                raise Interruption
        return trace
    return trace
def interrupted(at):
    os.mkdir(own := f"{folder}/{at}")
    reporter = tocsin.setup(life.settings(own, delivery="process"))
    was_interrupted = False
    sys.settrace(interrupt(at))
    try: reporter.report(message="first")
    except Interruption: was_interrupted = True
    sys.settrace(None)
    process = reporter.intake.processes.current()
    process.writer._retry_at = 0.0
    reporter.report(message="second")
    if process.writer.generation is None or process.writer.pending():
        print("stuck after", at, process.writer.pending(), flush=True)
    os._exit(0 if was_interrupted else 9)
at, step = int(sys.argv[2]), int(sys.argv[3])
while True:
    pid = os.fork()
    if pid == 0: interrupted(at)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code: break
    at += step
print("steps", code if at > 100 else "unseen")
"""


def test_an_exception_at_any_step_of_the_spools_opening_leaves_it_usable(tmp_path: Path) -> None:
    """The same by a tracer: one step of the interpreter in eleven, each in a process of its own."""
    first = seeds.dice().randrange(1, 12)
    ran = life.run(AT_EVERY_STEP, tmp_path, str(first), "11")
    assert life.free_of_trouble(ran)
    if ran.stdout == "steps unseen\n":
        pytest.skip("tracers of this Python see no single steps; run it by Python 3.11 or 3.13")
    assert ran.stdout == "steps 9\n"


GARBAGE = """
import gc, random, threading, tocsin, weakref
folder, seed = sys.argv[1], int(sys.argv[2])
dice = random.Random(seed)
reporter = tocsin.setup(life.settings(folder))
for number in range(60): life.breaker(number)
is_within = threading.local()
def fall(number):
    if not getattr(is_within, "yes", False):
        is_within.yes = True
        life.fall(folder, number)
        is_within.yes = False
class Falling:
    def __del__(self): fall(1)
class Watched: pass
def rubbish():
    one = Falling(); one.self = one
    other = Watched(); other.self = other
    weakref.finalize(other, fall, 2)
    third = Watched(); third.self = third; kept.append(weakref.ref(third, lambda _: fall(3)))
kept = []
def collecting(phase, info): fall(4 if phase == "start" else 5)
gc.callbacks.append(collecting)
gc.set_threshold(20, 2, 2)
def work():
    for round in range(300):
        rubbish()
        life.fall(folder, 10 + round % 7)
        if round % 10 == 0: gc.collect()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
work()
for thread in threads: thread.join()
gc.set_threshold(700, 10, 10)
gc.callbacks.remove(collecting)
print(len(kept))
"""


def test_what_garbage_collection_runs_may_report(tmp_path: Path) -> None:
    """`__del__`, weak references' callbacks, finalizers and `gc.callbacks`, in the middle of other reports."""
    ran = life.run(GARBAGE, tmp_path, str(seeds.dice().randrange(2**32)))
    assert life.free_of_trouble(ran)
    books = life.books(tmp_path)
    assert books.agree()
    assert all(books.before[number] for number in (1, 2, 3, 4, 5))


TRACED = """
import random, sys, threading, tocsin
folder, seed, way = sys.argv[1], int(sys.argv[2]), sys.argv[3]
dice = random.Random(seed)
reporter = tocsin.setup(life.settings(folder))
for number in range(60): life.breaker(number)
is_within, reports = False, 0
def trace(frame, event, argument):
    global is_within, reports
    if is_within or "tocsin" not in frame.f_code.co_filename: return trace
    if dice.random() < 0.02:
        is_within = True
        life.fall(folder, dice.randrange(60))
        reports += 1
        is_within = False
    return trace
getattr(sys, way)(trace)
for _ in range(400): life.fall(folder, dice.randrange(60))
getattr(sys, way)(None)
print(reports)
"""


@pytest.mark.parametrize("way", ["settrace", "setprofile"])
def test_tracers_that_report_lose_no_count(way: str, tmp_path: Path) -> None:
    """At every line, or call, within tocsin it may be called again."""
    ran = life.run(TRACED, tmp_path, str(seeds.dice().randrange(2**32)), way)
    assert life.free_of_trouble(ran)
    assert int(ran.stdout) > 100
    assert life.books(tmp_path).agree()


REENTRANT = """
import logging, tocsin
folder = sys.argv[1]
logger = logging.getLogger("shop")
class Nested(logging.Handler):
    depth = 0
    def emit(self, record):
        if self.depth < 3:
            self.depth += 1
            life.fall(folder, self.depth)
            logger.error("within %s", self.depth)
            self.depth -= 1
class Formatter(logging.Formatter):
    def format(self, record):
        if record.levelno < logging.ERROR: return super().format(record)
        life.fall(folder, 9)
        logger.warning("while formatting")
        return super().format(record)
def before_spool(event):
    logger.error("within the hook")
    return event
reporter = tocsin.setup(life.settings(folder), before_spool=before_spool)
logger.addHandler(Nested())
own = tocsin.LogHandler()
stream = logging.StreamHandler()
stream.setFormatter(Formatter())
logger.addHandler(own)
logger.addHandler(stream)
logging.raiseExceptions = True
for number in range(30):
    try: life.breaker(20)()
    except KeyError: logger.exception("a fault")
"""


def test_handlers_formatters_and_hooks_that_report_within_a_report(tmp_path: Path) -> None:
    """Each of them logs and reports while `logging` is within it; nothing goes round, nothing is lost."""
    ran = life.run(REENTRANT, tmp_path)
    assert ran.returncode == 0
    assert "Logging error" not in ran.stderr
    assert "tocsin:" not in ran.stderr, ran.stderr[-3000:]
    assert life.books(tmp_path).agree()
