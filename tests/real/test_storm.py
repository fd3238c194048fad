"""A storm with murder: on every server, workers and leaders are killed while faults rain; the counts stay exact.

20,000 requests on two kinds of server and 4,000 on the others; TOCSIN_STORM_REQUESTS=20000 asks so many of all. The
oracle are side files, the kernel and what the visitors got: see `storm_books`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from storm_books import Books
from storm_faults import FAULTS
from storm_servers import SERVERS, Server
from storm_visitors import Visitors

import seeds

_TOCSIN = Path(sys.executable).with_name("tocsin")
_ASKED = os.environ.pop("TOCSIN_STORM_REQUESTS", None)  # out of sight of tocsin, to which it is an unknown setting
_MANY = 20_000
_LONG = {"gunicorn-sync": _MANY, "uwsgi-eager": _MANY}
_REQUESTS = 4_000
_CONCURRENCY = 16
_BETWEEN_KILLS = (50, 500)  # answers
_LEADERS_SHARE = 0.5  # of the killed
_WAIT_S = 60.0


@pytest.mark.parametrize("name", SERVERS)
def test_counts_stay_exact_whoever_is_killed(name: str, tmp_path: Path) -> None:
    """Every occurrence that tocsin returned from is delivered once; of a killed thread one more may be."""
    dice = seeds.dice()
    requests = int(_ASKED or _LONG.get(name, _REQUESTS))
    server = Server(name, tmp_path)
    begun = time.monotonic()
    try:
        server.wait_until_up()
        calm = _in_the_calm(server)
        numbers = [dice.randrange(FAULTS) for _ in range(requests - FAULTS)]
        storm = Visitors(server.port, numbers, concurrency=_CONCURRENCY, keeps=server.kind.keeps)
        killed, leaders = _kill_while(storm, server, dice)
        server.end(gently=server.kind.is_preloaded)  # one way as good as the other: nothing is under way any more
    finally:
        server.end(gently=False)
    spool = ("--spool", str(server.spool))
    stormed_s = time.monotonic() - begun
    drain = [_TOCSIN, "deliver", "--drain", "--timeout", "300", "--config", server.config]
    subprocess.run(drain, check=True)

    answers = [*calm.answers, *storm.answers]
    books = Books.opened(server.side, server.events)
    books.answers, books.broken = [(number, error_id) for number, _, error_id in answers], storm.broken
    told = f"{leaders} of them led; {len(storm.broken)} requests broke; {stormed_s:.0f} s"
    print(f"{name}: {books.summary(len(killed))}; {told}")
    assert not storm.hung
    assert {status for _, status, _ in answers} == {500}
    assert len(answers) + len(storm.broken) == requests
    assert len(killed) >= requests // 1_000
    assert leaders
    assert not books.disagreements(dict.fromkeys(killed, server.kind.threads))
    _check_commands(spool, books, dice)


def _in_the_calm(server: Server) -> Visitors:
    """Have each fault happen once, and see that the workers deliver while they run."""
    calm = Visitors(server.port, range(FAULTS), concurrency=4, keeps=server.kind.keeps)
    calm.start()
    end = time.monotonic() + _WAIT_S
    while calm.are_busy or len(_told(server.events)) < FAULTS:
        assert time.monotonic() < end, f"not delivered by running workers:\n{server.said()[-3000:]}"
        time.sleep(0.1)
    return calm


def _told(events: Path) -> set[str]:
    """Return the fingerprints of the lines that are whole by now."""
    text = events.read_text() if events.exists() else ""
    return {json.loads(line)["fingerprint"] for line in text[: text.rfind("\n") + 1].splitlines()}


def _kill_while(storm: Visitors, server: Server, dice: random.Random) -> tuple[set[int], int]:
    """Kill workers and leaders until the visitors are through; return who was killed, and how many led."""
    killed: set[int] = set()
    leaders = 0
    storm.start()
    next_at = dice.randrange(*_BETWEEN_KILLS)
    while storm.are_busy:
        time.sleep(dice.uniform(0.0, 0.01))
        server.supervise()
        if storm.done < next_at:
            continue
        leader = server.leader()
        workers = [pid for pid in server.workers() if pid not in killed]
        if not workers:
            continue
        victim = dice.choice(workers) if leader is None or dice.random() > _LEADERS_SHARE else leader
        os.kill(victim, signal.SIGKILL)
        killed.add(victim)
        leaders += victim == leader
        next_at += dice.randrange(*_BETWEEN_KILLS)
    return killed, leaders


def _check_commands(spool: tuple[str, str], books: Books, dice: random.Random) -> None:
    """What the leaders counted for people is the same sum, and `tocsin show` finds what a visitor quotes."""
    listed = subprocess.run([_TOCSIN, "issues", "--json", *spool], check=True, capture_output=True, text=True).stdout
    issues = [json.loads(line) for line in listed.splitlines()]
    assert {issue["fingerprint"]: issue["count"] for issue in issues} == dict(books.by_fingerprint())
    for number, error_id in dice.sample(books.answers, 3):
        shown = subprocess.run([_TOCSIN, "show", error_id, *spool], check=True, capture_output=True, text=True).stdout
        assert f"break_{number}" in shown
