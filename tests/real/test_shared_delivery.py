"""Many pods with one state in a real PostgreSQL, as real processes: one mail, exact counts, whoever is killed."""

from __future__ import annotations

import email
import email.policy
import itertools
import json
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from postgres import Postgres

pytest.importorskip("sqlalchemy", reason="no SQLAlchemy; pip install SQLAlchemy")
pytest.importorskip("aiosmtpd", reason="no aiosmtpd; pip install aiosmtpd")
from aiosmtpd.controller import Controller
from ports import free_port

WORKER = Path(__file__).with_name("shared_worker.py")
TOCSIN = Path(sys.executable).with_name("tocsin")
_names = itertools.count()


class Mailbox:
    """Take mails; while ``is_holding``, a mail that was sent whole is not answered."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.seen: list[str] = []  # Message-IDs, answered or not
        self.is_holding = threading.Event()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        import asyncio

        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.seen.append(mail["Message-ID"])
        while self.is_holding.is_set():
            await asyncio.sleep(0.05)
        self.mails.append(mail)
        return "250 OK"

    def serve(self) -> Controller:
        port = free_port()
        controller = Controller(self, hostname="127.0.0.1", port=port)
        controller.start()
        return controller


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture
def port(box: Mailbox) -> Iterator[int]:
    controller = box.serve()
    yield controller.port
    box.is_holding.clear()
    controller.stop()


@pytest.fixture
def state(postgres: Postgres) -> str:
    """An empty database."""
    return postgres.new_database(f"shared{next(_names)}").replace("postgresql+psycopg:", "postgresql:")


class Pods:
    """Workers of many pods; each pod has a spool of its own."""

    def __init__(self, folder: Path, state: str, port: int) -> None:
        self.folder, self.state, self.port = folder, state, port
        self.workers: list[subprocess.Popen[str]] = []

    def spool(self, pod: int) -> Path:
        return self.folder / f"spool{pod}"

    def start(self, pod: int, *, faults: int = 1, reports: int = 10, pause_s: float = 0.0) -> subprocess.Popen[str]:
        side = self.folder / f"side{pod}"
        command = [sys.executable, str(WORKER), str(self.spool(pod)), self.state, str(self.port), str(side)]
        command += [str(faults), str(reports), str(pause_s)]
        with (self.folder / f"err{pod}").open("ab") as err:
            worker = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True, start_new_session=True
            )
        self.workers.append(worker)
        return worker

    def await_reports(self) -> None:
        for worker in self.workers:
            assert worker.stdout is not None
            if worker.poll() is None:
                assert worker.stdout.readline() == "reported\n", self.said()

    def noted(self) -> Counter[str]:
        """How often each fault was reported, as the workers noted it."""
        found: Counter[str] = Counter()
        for side in self.folder.glob("side*"):
            if side.suffix != ".jsonl":
                found.update(side.read_text().split())
        return found

    def issues(self, pod: int = 0) -> dict[str, int]:
        """The counts that `tocsin issues` tells on a pod, by fault."""
        done = self.command("issues", "--json", pod=pod)
        found = {}
        for line in done.splitlines():
            issue = json.loads(line)
            match = re.search(r"break_(\d+)", issue["culprit"])
            assert match, issue
            found[match[1]] = issue["count"]
        return found

    def command(self, *arguments: str, pod: int = 0) -> str:
        config = self.folder / f"pod{pod}.toml"
        state = "" if self.state == "-" else f'state = "{self.state}"\n'
        config.write_text(f'application = "shop"\nenvironment = "test"\nspool = "{self.spool(pod)}"\n{state}')
        done = subprocess.run(
            [TOCSIN, *arguments, "--config", str(config)], capture_output=True, text=True, timeout=60, check=False
        )
        assert "Traceback (most" not in done.stderr, done.stderr
        return done.stdout

    def said(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("err*")))

    def end(self) -> None:
        for worker in self.workers:
            if worker.poll() is None and worker.stdin is not None:
                worker.stdin.close()
        for worker in self.workers:
            worker.wait(60)

    def kill(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    pipe.close()


@contextmanager
def running(folder: Path, state: str, port: int) -> Iterator[Pods]:
    pods = Pods(folder, state, port)
    try:
        yield pods
    finally:
        pods.kill()


def wait_for(is_so: Callable[[], object], pods: Pods, within_s: float = 90.0) -> None:
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end, f"it did not happen\n{pods.said()}"
        time.sleep(0.1)


def test_a_fault_on_eight_pods_is_one_mail_and_counted_exactly(
    tmp_path: Path, state: str, port: int, box: Mailbox
) -> None:
    """Twelve workers at once; every file sink has what happened on its own pod and nothing else."""
    with running(tmp_path, state, port) as pods:
        for number in range(12):
            pods.start(number % 8, reports=100, pause_s=0.01)
        pods.await_reports()
        wait_for(lambda: box.mails, pods)
        wait_for(lambda: pods.issues(0) == {"0": 1200}, pods)
        assert pods.issues(5) == {"0": 1200}
        assert pods.issues(99) == {"0": 1200}  # a pod that has reported nothing yet, so has no spool
        shown = pods.command("show", box.mails[0]["X-Error-Id"], "--json", pod=7)
        pods.end()
    assert len(box.mails) == 1
    assert box.mails[0]["Subject"].startswith("[shop/test] KeyError in")
    assert "Traceback" in box.mails[0].get_body(("plain",)).get_content()
    assert json.loads(shown)["event"]["error_id"] == box.mails[0]["X-Error-Id"]
    for pod in range(8):
        lines = [json.loads(line) for line in (tmp_path / f"side{pod}.jsonl").read_text().splitlines()]
        origins = [json.dumps(line["origin"]) for line in lines]
        assert len(set(origins)) == len(origins)
        assert sum(line["occurrences"] for line in lines) == (200 if pod < 4 else 100)


def test_a_leader_killed_before_the_answer_leaves_its_notice_to_another(
    tmp_path: Path, state: str, port: int, box: Mailbox
) -> None:
    """The mail that it sends is the same: one Message-ID, which a mailbox recognises."""
    box.is_holding.set()
    with running(tmp_path, state, port) as pods:
        for pod in range(3):
            pods.start(pod, reports=5)
        pods.await_reports()
        wait_for(lambda: box.seen, pods)
        (first,) = box.seen
        holder = sending(state)
        victim = next(worker for pod, worker in enumerate(pods.workers) if holder.startswith(spool_id(pods, pod)))
        victim.kill()
        victim.wait()
        box.is_holding.clear()
        wait_for(lambda: len(box.seen) > 1, pods)
        wait_for(lambda: pods.issues(1) == {"0": 15}, pods)
        wait_for(lambda: not sending(state), pods)
    assert set(box.seen) == {first}
    assert len(box.seen) == 2


def test_a_database_that_is_killed_and_comes_back_costs_nothing_and_doubles_nothing(
    tmp_path: Path, state: str, port: int, box: Mailbox, postgres: Postgres
) -> None:
    """Reports go on while it is away; status says what is wrong; the mail under way meanwhile is not sent again."""
    with running(tmp_path, state, port) as pods:
        for pod in range(3):
            pods.start(pod, faults=6, reports=400, pause_s=0.02)
        wait_for(lambda: box.mails, pods)
        box.is_holding.set()
        before = len(box.seen)
        wait_for(lambda: len(box.seen) > before, pods)
        postgres.kill()
        status = pods.command("status")
        box.is_holding.clear()
        pods.await_reports()
        postgres.start()
        noted = pods.noted()
        wait_for(lambda: pods.issues(0) == noted, pods)
        wait_for(lambda: len(box.mails) >= 6, pods)
        pods.end()
        said = pods.said()
    assert "CRITICAL" in status
    assert "can't be reached" in status or "refused" in status
    assert "nothing is lost" in said
    fingerprints = Counter(mail["X-Tocsin-Fingerprint"] for mail in box.mails if mail["X-Tocsin-Reason"] == "new")
    assert len(fingerprints) == 6
    assert set(fingerprints.values()) == {1}
    assert len(set(box.seen)) == len(box.seen)
    assert sum(noted.values()) == 3 * 6 * 400


def test_without_a_shared_state_the_mails_of_two_pods_make_one_thread(tmp_path: Path, port: int, box: Mailbox) -> None:
    """Each pod tells its own; both mails name the same parent, which was never sent itself."""
    with running(tmp_path, "-", port) as pods:
        for pod in range(2):
            pods.start(pod, reports=3)
        wait_for(lambda: len(box.mails) == 2, pods)
        pods.end()
    one, two = box.mails
    told_by = {
        str(number) for mail in (one, two) for number in re.findall(r"/spool(\d)", mail.get_body().get_content())
    }
    assert told_by == {"0", "1"}, pods.said()  # not one pod twice
    assert one["Message-ID"] != two["Message-ID"]
    assert one["References"] == two["References"] == one["In-Reply-To"] == two["In-Reply-To"]
    assert one["References"].startswith("<")


def sending(state: str) -> str:
    """Who holds the claim on the mail sink, "" for nobody."""
    import psycopg

    with psycopg.connect(state) as connection:
        row = connection.execute("SELECT holder FROM tocsin_state_sinks WHERE pending IS NOT NULL").fetchone()
    return str(row[0]) if row else ""


def spool_id(pods: Pods, pod: int) -> str:
    return (pods.spool(pod) / "spool.id").read_text()


def test_counts_survive_the_killing_of_workers_leaders_and_the_database(
    tmp_path: Path, state: str, port: int, box: Mailbox, postgres: Postgres
) -> None:
    """SIGKILL at random, on four pods; at most one occurrence of a killed worker is reported and not yet noted."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    with running(tmp_path, state, port) as pods:
        living = [pods.start(pod, faults=5, reports=100_000, pause_s=0.005) for pod in range(4)]
        killed = 0
        end = time.monotonic() + 8.0
        while time.monotonic() < end:
            time.sleep(dice.uniform(0.2, 1.0))
            pod = dice.randrange(4)
            living[pod].kill()
            living[pod].wait()
            killed += 1
            living[pod] = pods.start(pod, faults=5, reports=100_000, pause_s=0.005)
            if killed == 5:
                postgres.kill()
                postgres.start()
        for worker in living:
            worker.kill()
            worker.wait()
            killed += 1
        noted = pods.noted()
        for pod in range(4):
            counted = pods.issues(pod)  # reads what this pod's leaders had not
        said = pods.said()
    assert sum(noted.values()) > 1_000
    assert all(counted[fault] >= noted[fault] for fault in noted), said
    assert sum(counted.values()) - sum(noted.values()) <= killed
    print(f"{sum(noted.values())} occurrences, {killed} killed, {sum(counted.values()) - sum(noted.values())} between")
    by_fault: dict[str, set[str]] = {}
    for mail in box.mails:
        if mail["X-Tocsin-Reason"] == "new":
            by_fault.setdefault(mail["X-Tocsin-Fingerprint"], set()).add(mail["Message-ID"])
    assert all(len(ids) == 1 for ids in by_fault.values())
