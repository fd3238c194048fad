"""Under gevent a call to a sink still runs in a native thread, and leaves no descriptor behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
from gevent import monkey
monkey.patch_all()
import os, socket, time
import gevent
from tocsin.delivery.job import Job
from tocsin.sinks.base import Accepted

server = socket.create_server(("127.0.0.1", 0))

def serve():
    while True:
        connection, _ = server.accept()
        connection.send(b"x")
        connection.close()

def call():
    with socket.create_connection(server.getsockname()) as connection:
        return Accepted(repr(connection.recv(1)))

gevent.spawn(serve)
for number in range(41):
    job = Job(call, is_local=False)
    while job.outcome is None:
        time.sleep(0.002)
    assert job.outcome == Accepted("b'x'")
    if number % 20 == 0:
        gevent.sleep(0.1)
        print(len(os.listdir("/proc/self/fd")))
"""


def test_a_job_under_gevent_closes_the_hub_of_its_thread() -> None:
    pytest.importorskip("gevent", reason="no gevent; pip install gevent")
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    _, middle, end = ran.stdout.split()
    assert middle == end


ENDS_AT_ONCE = """
from gevent import monkey; monkey.patch_all()
import socket, time
from tocsin.delivery.job import Job
from tocsin.sinks.base import Accepted
listener = socket.create_server(("127.0.0.1", 0))
def call():
    socket.create_connection(listener.getsockname()).close()
    return Accepted()
job = Job(call, is_local=False)
while job.outcome is None:
    time.sleep(0.0005)
"""


def test_a_process_that_ends_as_soon_as_a_call_has_come_back_does_not_crash() -> None:
    """The call's thread cleans up after gevent first: an interpreter that ends in the middle of it dies by SIGSEGV."""
    for _ in range(8):
        run = subprocess.run([sys.executable, "-c", ENDS_AT_ONCE], capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
