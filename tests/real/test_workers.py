"""Real workers: each server's way of making processes and threads delivers while it runs, and counts exactly."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from storm_worker import FAULTS

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
REQUESTS = 400
CLIENTS = 4

GUNICORN = [sys.executable, "-m", "gunicorn", "--no-control-socket", "-w", "2", "storm_app:app", "--bind"]
UWSGI = [
    *(str(BIN / "uwsgi"), "--master", "--processes", "2", "--die-on-term", "--need-app", "--home", sys.prefix),
    *("--pythonpath", str(HERE), "--module", "storm_app:app", "--http-socket"),
]
SERVERS = {
    "gunicorn-sync": [*GUNICORN],
    "gunicorn-preload": [*GUNICORN[:-1], "--preload", "--bind"],
    "gunicorn-gthread": [*GUNICORN[:-1], "-k", "gthread", "--threads", "4", "--bind"],
    "gunicorn-gevent": [*GUNICORN[:-1], "-k", "gevent", "--bind"],
    "uwsgi-eager": [*UWSGI[:-1], "--enable-threads", "--threads", "2", "--http-socket"],
    "uwsgi-lazy": [*UWSGI[:-1], "--enable-threads", "--lazy-apps", "--http-socket"],
}


def skip_unless_there(name: str) -> None:
    if name.startswith("uwsgi") and shutil.which("uwsgi", path=str(BIN)) is None:
        pytest.skip("no uWSGI; apt-get install -y gcc python3-dev, then pip install uwsgi")
    for module in name.split("-")[0], name.split("-")[1]:
        if module in ("gunicorn", "gevent") and importlib.util.find_spec(module) is None:
            pytest.skip(f"no {module}; pip install {module}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("X-Error-Id", "")
    finally:
        connection.close()


def wait_until_up(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            if get(port, "/")[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the server does not come up:\n{log.read_text(errors='replace')[-3000:]}")


def visit(port: int, seen: list[tuple[int, str]], seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(REQUESTS // CLIENTS):
        seen.append(get(port, f"/break/{dice.randrange(FAULTS)}"))


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("name", SERVERS)
def test_a_servers_workers_deliver_while_they_run_and_count_exactly(name: str, tmp_path: Path) -> None:
    skip_unless_there(name)
    spool, events, side, log = (tmp_path / part for part in ("spool", "events.jsonl", "side", "log"))
    environ = {**os.environ, "STORM_SPOOL": str(spool), "STORM_EVENTS": str(events), "STORM_SIDE": str(side)}
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*SERVERS[name], f"127.0.0.1:{port}"], cwd=HERE, env=environ, stdout=output, stderr=output
        )
    seen: list[tuple[int, str]] = []
    try:
        wait_until_up(port, process, log)
        clients = [threading.Thread(target=visit, args=(port, seen, seed)) for seed in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        end = time.monotonic() + 15
        while len({line["fingerprint"] for line in lines(events)}) < FAULTS and time.monotonic() < end:
            time.sleep(0.1)
        delivered_meanwhile = {line["fingerprint"] for line in lines(events)}
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    drain = [BIN / "tocsin", "deliver", "--drain", "--spool", spool, "--sink", f"file:{events}"]
    subprocess.run(drain, check=True, timeout=120)

    told = lines(events)
    counts: Counter[str] = Counter()
    for line in told:
        counts[str(line["fingerprint"])] += int(str(line["occurrences"]))
    happened = Counter(side.read_text().split())
    assert len(seen) == REQUESTS == happened.total()
    assert {status for status, _ in seen} == {500}
    assert len({error_id for _, error_id in seen}) == REQUESTS
    assert len(delivered_meanwhile) == FAULTS, log.read_text(errors="replace")[-3000:]
    assert sorted(counts.values()) == sorted(happened.values())
