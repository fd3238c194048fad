"""A version with other fingerprint rules takes over open issues: no second mail, no second ticket, counts that go on.

The older version is a copy of this one that makes fingerprints by the rules of before, in segments of before.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from mailbox import Mailbox, serving
from pathlib import Path
from typing import Any

import pytest
from ports import free_ports
from receiver import clean_environ

import tocsin
from tracker_servers.base import TOKEN, running
from tracker_servers.gitea import GiteaServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")

_numbers = itertools.count()
_REPORT = """
import sys, tocsin

def pay(card):
    raise ValueError(f"card {card} is refused")

def ship(parcel):
    return {}[parcel]

reporter = tocsin.setup("shop.toml", root_handler=False)
for number in range(int(sys.argv[2])):
    try:
        globals()[sys.argv[1]](number)
    except Exception as fault:
        print(reporter.report(fault))
"""
# Dies by SIGKILL at a moment of taking the new key over: `python -c … MOMENT`.
_KILLED = """
import os, signal, sys
from tocsin.cli.program import main
from tocsin.delivery.ledger import Ledger
from tocsin.routing.postgresql.aliases import AliasTables as Shared
from tocsin.routing.sqlite.aliases import AliasTables as Own

def dying(cls, name, is_before):
    kept = getattr(cls, name)
    def called(self, *args, **named):
        if not is_before:
            kept(self, *args, **named)
        if name != "_keep" or args[0].made:
            os.kill(os.getpid(), signal.SIGKILL)
    setattr(cls, name, called)

moment = sys.argv.pop(1)
if moment == "alias":
    dying(Own, "_keep", False), dying(Shared, "_keep", False)
else:
    dying(Ledger, moment, moment == "_save")
main(["deliver", "--drain", "--timeout", "60s", "--config", "shop.toml"])
"""


class Shop:
    """One application, its tracker and its mailbox, worked on by two versions of tocsin."""

    def __init__(self, folder: Path, state: str, mail_port: int, tracker: str) -> None:
        self.folder = folder
        self.older = folder / "older"
        package = self.older / "tocsin"
        shutil.copytree(Path(tocsin.__file__).parent, package, ignore=shutil.ignore_patterns("*.pyc"))
        rules = package / "event/identity/fingerprint.py"
        rules.write_text(
            f"{rules.read_text()}\n\nfrom tocsin.event.identity.fingerprint_v1 import fingerprints\n\n"
            'VERSION = "v1"\nfingerprint = lambda event: fingerprints(event)[0]\nformer = lambda event: ()\n'
        )
        segments = package / "spool/format.py"
        segments.write_text(segments.read_text().replace("\nFORMAT: Final = 2", "\nFORMAT: Final = 1"))
        (folder / "shop.py").write_text(_REPORT)
        (folder / "shop.toml").write_text(
            f'application = "shop{next(_numbers)}"\nspool = "spool"\ndelivery = "process"\n{state}'
            f'[[sinks]]\ntype = "mail"\nhost = "127.0.0.1"\nport = {mail_port}\nto = "ops@example.org"\n'
            f'[[sinks]]\ntype = "gitea"\nurl = "{tracker}"\nrepository = "acme/shop"\ntoken = "{TOKEN}"\n'
            f'[[sinks]]\ntype = "file"\npath = "events.jsonl"\n'
        )

    def run(self, *command: str, is_old: bool = False) -> subprocess.CompletedProcess[str]:
        paths = [*([str(self.older)] if is_old else []), *filter(None, [os.environ.get("PYTHONPATH")])]
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env={**clean_environ(), "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def report(self, what: str, number: int, *, is_old: bool = False) -> list[str]:
        """Have a worker report; return the error ids."""
        done = self.run("shop.py", what, str(number), is_old=is_old)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def deliver(self, *, is_old: bool = False) -> None:
        done = self.run("-m", "tocsin", "deliver", "--drain", "--config", "shop.toml", is_old=is_old)
        assert done.returncode == 0, done.stderr

    def issues(self) -> list[dict[str, Any]]:
        done = self.run("-m", "tocsin", "issues", "--json", "--config", "shop.toml")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def show(self, error_id: str) -> str:
        done = self.run("-m", "tocsin", "show", error_id, "--config", "shop.toml")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "events.jsonl").read_text().splitlines()]


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture
def tracker() -> GiteaServer:
    return GiteaServer()


@pytest.fixture(params=["own", "shared"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, box: Mailbox, tracker: GiteaServer) -> Iterator[Shop]:
    state = ""
    if request.param == "shared":
        pytest.importorskip("sqlalchemy", reason="no SQLAlchemy; pip install SQLAlchemy")
        state = f'state = "{request.getfixturevalue("postgres").url}"\n'
    (port,) = free_ports(1)
    with ExitStack() as stack:
        stack.enter_context(serving(box, port))
        _, receiver = stack.enter_context(running(tracker))
        yield Shop(tmp_path, state, port, receiver.url)


@pytest.mark.parametrize("moment", ["alias", "_save", "read"])
def test_an_open_issue_goes_on_through_an_upgrade_whenever_the_leader_dies(
    moment: str, shop: Shop, box: Mailbox, tracker: GiteaServer
) -> None:
    """It dies with the alias written and not committed, before the cursor is, and just after all is committed."""
    (old_id, _) = shop.report("pay", 2, is_old=True)
    shop.deliver(is_old=True)
    assert (len(box.mails), len(tracker.tickets)) == (1, 1)
    (before,) = shop.issues()
    (new_id, *_) = shop.report("pay", 3)
    assert new_id.partition("-")[0] != old_id.partition("-")[0]
    killed = shop.run("-c", _KILLED, moment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    shop.deliver()
    shop.report("pay", 1, is_old=True)  # of a worker that was not restarted yet
    shop.deliver()
    assert (len(box.mails), len(tracker.tickets)) == (1, 1)
    (after,) = shop.issues()
    assert (before["count"], after["count"]) == (2, 6)
    assert after["fingerprint"] == before["fingerprint"]
    assert {line["fingerprint"] for line in shop.lines()} == {before["fingerprint"]}
    assert sum(line["occurrences"] for line in shop.lines()) == 6
    for error_id in (new_id, new_id.partition("-")[0], old_id):
        assert "ValueError" in shop.show(error_id)
    shop.report("ship", 1)  # what is new is told as ever
    shop.deliver()
    assert (len(box.mails), len(tracker.tickets)) == (2, 2)


def test_workers_of_both_versions_make_one_issue_of_what_neither_knew(
    shop: Shop, box: Mailbox, tracker: GiteaServer
) -> None:
    """In a rolling deploy: the newer ones came first, and the older ones call it by what it would have been."""
    shop.report("pay", 2)
    shop.deliver()
    shop.report("pay", 5, is_old=True)
    shop.deliver()
    assert [issue["count"] for issue in shop.issues()] == [7]
    assert (len(box.mails), len(tracker.tickets)) == (1, 1)


def test_what_a_new_rule_names_goes_on_with_the_open_issue(shop: Shop, box: Mailbox, tracker: GiteaServer) -> None:
    """Also where several were open, of which the rule makes one."""
    shop.report("pay", 2)
    shop.report("ship", 3)
    shop.deliver()
    told = len(box.mails), len(tracker.tickets)
    assert told[1] == 2
    with (shop.folder / "shop.toml").open("a") as file:
        file.write('[[fingerprints]]\ntype = ["ValueError", "KeyError"]\nfingerprint = "an order"\n')
    (new_id,) = shop.report("pay", 1)
    shop.report("ship", 1)
    shop.deliver()
    assert (len(box.mails), len(tracker.tickets)) == told
    assert sorted(issue["count"] for issue in shop.issues()) in ([2, 5], [3, 4])
    assert "ValueError" in shop.show(new_id)
