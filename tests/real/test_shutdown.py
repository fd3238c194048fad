"""The end of a process: it is not held up by a destination that hangs, keeps its exit status, and says nothing odd."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import life
import pytest

GENEROUS_S = 10.0  # the promise is 2 s of waiting; what a busy machine adds is not the promise's

BEGIN = """
import atexit, os, sys, time, tocsin
folder, port = sys.argv[1], sys.argv[2]
ended = []
atexit.register(lambda: print("waited", time.monotonic() - ended[0], flush=True))  # the first one runs last
def end(code):
    ended.append(time.monotonic())
    sys.exit(code)
"""

HANGING = (
    BEGIN
    + """
reporter = tocsin.setup(life.settings(folder, sinks=[{"type": "webhook", "url": f"http://127.0.0.1:{port}/"}]))
life.fall(folder, 1)
if "settled" in sys.argv: time.sleep(1.0)
end(3)
"""
)

MANY_HANDLERS = (
    BEGIN
    + """
import logging
from tocsin.handlers import HTTPHandler
os.environ["TOCSIN_SPOOL"] = folder + "/spool"
for number in range(40):
    handler = HTTPHandler(f"127.0.0.1:{port}", f"/{number}", method="POST")
    logging.getLogger("shop").addHandler(handler)
logging.getLogger("shop").error("something")
end(3)
"""
)


class Silent:
    """A server that accepts, reads and never answers; it remembers who went while it still held on."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = str(self.listener.getsockname()[1])
        self.held: list[socket.socket] = []
        self.gone = threading.Event()
        self.heard: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.held.append(connection)
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        try:
            while received := connection.recv(65_536):
                self.heard.append(received)
        except OSError:
            pass
        self.gone.set()

    @property
    def said(self) -> bytes:
        return b"\n".join(self.heard)

    def close(self) -> None:
        self.listener.close()
        for connection in self.held:
            connection.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent()
    yield server
    server.close()


def waited_s(ran: subprocess.CompletedProcess[str]) -> float:
    """Return how long a program was held up after its last statement, by its own clock."""
    return float(ran.stdout.rpartition("waited ")[2])


@pytest.mark.parametrize("when", ["at once", "settled"])
def test_a_sink_that_hangs_holds_an_exit_up_for_a_moment_only(when: str, silent: Silent, tmp_path: Path) -> None:
    """The server sees the process go while it still holds the connection, on which it never said a word."""
    ran = life.run(HANGING, tmp_path, silent.port, when)
    assert (ran.returncode, ran.stderr.count("Traceback")) == (3, 0), ran.stderr
    assert silent.gone.wait(10)
    assert b"POST / HTTP" in silent.said
    assert waited_s(ran) < 2 + GENEROUS_S
    assert life.books(tmp_path).agree()


def test_an_exit_waits_two_seconds_in_all_however_many_handlers_hang(silent: Silent, tmp_path: Path) -> None:
    """Each drop-in handler has a delivery of its own; they share the time that an exit may take."""
    ran = life.run(MANY_HANDLERS, tmp_path, silent.port)
    assert (ran.returncode, ran.stderr.count("Traceback")) == (3, 0), ran.stderr
    assert "forced" not in ran.stderr
    assert waited_s(ran) < 2 + GENEROUS_S
    assert {line.split()[1] for line in silent.said.decode().splitlines() if line.startswith("POST")} == {
        f"/{number}" for number in range(40)
    }


SIGTERM = """
import os, signal, sys, time, tocsin
folder, port, way = sys.argv[1:]
reporter = tocsin.setup(life.settings(folder, sinks=[{"type": "webhook", "url": f"http://127.0.0.1:{port}/"}]))
if way == "exits": signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
if way == "raises":
    def interrupt(*_): raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupt)
life.fall(folder, 1)
print("ready", flush=True)
while True: time.sleep(0.01)
"""


@pytest.mark.parametrize(("way", "status"), [("default", -signal.SIGTERM), ("exits", 7), ("raises", -signal.SIGINT)])
def test_sigterm_during_delivery_keeps_the_applications_status(
    way: str, status: int, silent: Silent, tmp_path: Path
) -> None:
    """Whatever the application does with the signal, that is how it ends; the report goes out by whoever is next."""
    command = [sys.executable, "-c", life.PREAMBLE + SIGTERM, str(tmp_path), silent.port, way]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        while not silent.said:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert "Fatal" not in err
    assert silent.gone.wait(10)
    assert life.books(tmp_path).agree()


LAST_WORDS = """
import atexit, gc, logging, sys, threading, weakref
folder, when = sys.argv[1:]
class Falling:
    def __init__(self, number): self.number = number
    def __del__(self):
        if "tocsin" in sys.modules and sys.meta_path is not None: life.fall(folder, self.number)
        else: unheard(self.number)
    def __call__(self, *_): life.fall(folder, self.number)
def unheard(number, tocsin=__import__("tocsin")):
    tocsin.report(message="nobody hears this")
atexit.register(Falling(1))
import tocsin
atexit.register(Falling(2))
reporter = tocsin.setup(life.settings(folder))
atexit.register(Falling(3))
if when == "woken": life.fall(folder, 4)
atexit.register(Falling(5))
last = Falling(6)
last.self = last
kept = Falling(7)
sys.modules["somewhere"] = Falling(8)
logging.getLogger().kept = Falling(9)
named = threading.Thread(target=Falling(10))
named.start()
subject = Falling(11)
weakref.finalize(subject, Falling(12))
sys.exit(3)
"""


@pytest.mark.parametrize("when", ["woken", "asleep"])
def test_what_is_reported_by_the_last_words_of_a_process_is_counted(when: str, tmp_path: Path) -> None:
    """Exit handlers before and after ours, `__del__` of what modules held, while the interpreter takes itself apart."""
    ran = life.run(LAST_WORDS, tmp_path, when)
    said = [line for line in ran.stderr.splitlines() if "no thread for delivery" not in line]  # from Python 3.12 on
    assert (ran.returncode, said) == (3, []), ran.stderr
    books = life.books(tmp_path)
    assert books.agree()
    assert books.delivered.total() > 8


STUCK_STDERR = """
import os, sys, time, tocsin
folder = sys.argv[1]
reporter = tocsin.setup(life.settings(folder, sinks=[{"type": "stderr", "format": "text"}]))
for number in range(60):
    reporter.report(message="x" * 3000 + str(number), fingerprint=str(number))
open(folder + "/spool/in-the-way", "w").close()
from tocsin.complaints import say
for _ in range(40): say("y" * 5000)
time.sleep(0.5)
print("through", flush=True)
sys.exit(3)
"""


def test_a_stderr_that_nobody_reads_holds_up_neither_reports_nor_the_exit(tmp_path: Path) -> None:
    """A pipe whose reader has stopped: what tocsin says is dropped, and the sink's thread is left where it is."""
    reader, writer = os.pipe()
    command = [sys.executable, "-c", life.PREAMBLE + STUCK_STDERR, str(tmp_path)]
    try:
        ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=writer, timeout=life.WATCH_S, check=False)
    finally:
        os.close(reader)
        os.close(writer)
    assert (ran.returncode, ran.stdout) == (3, b"through\n")


NO_THREADS = """
import _thread, sys, time, tocsin
folder = sys.argv[1]
start = _thread.start_new_thread
def refuse(*_): raise RuntimeError("can't start new thread")
reporter = tocsin.setup(life.settings(folder, sinks=[
    {"type": "file", "path": folder + "/events.jsonl"}, {"type": "busy_sinks:Socket"}]))
_thread.start_new_thread = refuse
life.fall(folder, 1)
assert not reporter.is_hosting
_thread.start_new_thread = start
reporter.intake.wake()
_thread.start_new_thread = refuse
life.fall(folder, 2)
print(reporter.flush(20))
sys.exit(3)
"""


def test_without_any_thread_to_be_had_reports_are_spooled_and_go_out_later(tmp_path: Path) -> None:
    """As at the interpreter's end, or at the limit of the host: said once, and no call is lost with its thread."""
    ran = life.run(NO_THREADS, tmp_path)
    assert ran.returncode == 3, ran.stderr
    assert ran.stdout == "True\n"
    assert ran.stderr.count("no thread for delivery") == 1
    assert life.books(tmp_path, drain=False).agree()
    assert json.loads((tmp_path / "events.jsonl").read_text().splitlines()[0])["fields"] == {"number": 1}
