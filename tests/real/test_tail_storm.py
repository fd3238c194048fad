"""`tocsin tail` beside a storm on gunicorn: every report and every count is shown once, whoever is killed meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storm_faults import FAULTS
from storm_servers import Server
from storm_visitors import Visitors

import seeds
from tocsin.spool import format as segment_format
from tocsin.spool.folder import Folder

_TOCSIN = Path(sys.executable).with_name("tocsin")
_REQUESTS = 3_000
_WAIT_S = 60.0


def test_storm_is_followed_to_the_last_occurrence(tmp_path: Path) -> None:
    """Two of them follow: one for jq, one for people. Workers and leaders die, new ones come."""
    dice = seeds.dice()
    server = Server("gunicorn-sync", tmp_path)
    try:
        server.wait_until_up()
        first = Visitors(server.port, [0], concurrency=1, keeps=False)
        first.start()
        _until(lambda: not first.are_busy and any(Folder(server.spool).generations()))
        with (
            _following(tmp_path / "lines", server, "--json", "-n", "1000") as lines,
            _following(tmp_path / "text", server, "-n", "1000") as text,
        ):
            numbers = [dice.randrange(FAULTS) for _ in range(_REQUESTS)]
            storm = Visitors(server.port, numbers, concurrency=8, keeps=False)
            storm.start()
            _kill_leaders(storm, server)
            server.end(gently=True)
            counted = _counted(server.spool)
            _until(lambda: sum(_occurrences(lines).values()) >= sum(counted.values()))
            _until(lambda: sum(_shown(text)[1].values()) >= sum(counted.values()))
    finally:
        server.end(gently=False)

    shown = [tuple(each["origin"].values()) for each in _lines(lines)]
    assert len(shown) == len(set(shown))
    assert {each for each in shown if len(each) == 3} == _reports(server.spool)
    assert _occurrences(lines) == counted
    ids, by_prefix = _shown(text)
    assert max(Counter(ids).values()) == 1
    assert Counter(error_id[:6] for error_id in ids) + Counter() == Counter(
        each["error_id"][:6] for each in _lines(lines) if "offset" in each["origin"]
    )
    assert sum(by_prefix.values()) == sum(counted.values())
    assert "in the last minute: " in text.read_text()


@contextmanager
def _following(out: Path, server: Server, *options: str) -> Iterator[Path]:
    """Have `tocsin tail` write to a file; it ends by Ctrl-C, with nothing on stderr."""
    command = [_TOCSIN, "tail", "--spool", str(server.spool), *options]
    with out.open("wb") as stdout:
        process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE)
        try:
            _until(lambda: out.stat().st_size > 0)
            yield out
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=_WAIT_S)[1] == b""
            assert process.returncode == 0
        finally:
            process.kill()
            process.wait()


def _kill_leaders(storm: Visitors, server: Server) -> None:
    killed: set[int] = set()
    while storm.are_busy:
        time.sleep(0.01)
        leader = server.leader()
        if leader is not None and leader not in killed and storm.done > 400 * (len(killed) + 1):
            os.kill(leader, signal.SIGKILL)
            killed.add(leader)
    assert killed


def _counted(spool: Path) -> Counter[str]:
    listed = subprocess.run(
        [_TOCSIN, "issues", "--json", "--all", "-n", "10000", "--spool", str(spool)], check=True, capture_output=True
    ).stdout
    return Counter({each["fingerprint"]: each["count"] for each in map(json.loads, listed.splitlines())})


def _reports(spool: Path) -> set[tuple[Any, ...]]:
    found = set()
    for path in Folder(spool).generations():
        for record in segment_format.records(path.events.read_bytes(), 0, is_final=True):
            if record.header is not None and record.header.type == segment_format.EVENT:
                found.add((path.process, path.generation, record.offset))
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    whole = path.read_bytes().rpartition(b"\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def _occurrences(path: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for each in _lines(path):
        found[each["fingerprint"]] += each["occurrences"]
    return found


def _shown(path: Path) -> tuple[list[str], Counter[str]]:
    """The error ids of a text's lines, and the occurrences by issue."""
    ids, found = [], Counter[str]()
    for line in path.read_text().splitlines():
        report = re.match(r"\d\d:\d\d:\d\d ([0-9A-Z]{6}-[0-9A-Z]{4}) ", line)
        count = re.match(r"\d\d:\d\d:\d\d ([0-9A-Z]{6}) \+([\d,]+) ", line)
        if report:
            ids.append(report[1])
            found[report[1][:6]] += 1
        elif count:
            found[count[1]] += int(count[2].replace(",", ""))
    return ids, found


def _until(is_so: Any) -> None:
    end = time.monotonic() + _WAIT_S
    while not is_so():
        assert time.monotonic() < end, "not within a minute"
        time.sleep(0.1)
