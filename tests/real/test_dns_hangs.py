"""A name server that never answers: only what needs it waits, and no longer than its timeout; nothing piles up.

The processes run in a mount namespace whose resolv.conf names a socket that is never read. The resolver would wait two
and a half minutes for it, longer than any process here is given.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from receiver import clean_environ, wait_for

ADDRESS: Final = "127.53.53.53"
PATIENCE_S: Final = 60.0  # for a process that must not wait for the resolver, far below what that waits
_SINKS: Final = """
application = "shop"
spool = "spool"
{more}
[[sinks]]
type = "file"
path = "events.jsonl"
[[sinks]]
type = "mail"
host = "mail.hangs.example"
to = "ops@example.org"
tls = "none"
timeout = "0.3s"
[[sinks]]
type = "webhook"
url = "https://hooks.hangs.example/"
timeout = "0.3s"
[[sinks]]
type = "socket"
host = "errors.hangs.example"
timeout = "0.3s"
[[sinks]]
type = "syslog"
host = "log.hangs.example"
timeout = "0.3s"
[[sinks]]
type = "database"
url = "postgresql+psycopg://shop@db.hangs.example/shop"
timeout = "0.3s"
"""
HANGING: Final = 5
_APPLICATION: Final = """
import json, os, sys, time, tocsin
reporter = tocsin.setup("shop.toml", root_handler=False)
threads = lambda: len(os.listdir("/proc/self/task"))
reporter.report(message="waits")
most = 0
for _ in range(int(sys.argv[1])):
    began = time.monotonic()
    is_flushed = reporter.flush(1.0)
    assert not is_flushed and time.monotonic() - began < 30, "a flush waits for its timeout, not for the resolver"
    most = max(most, threads())
print(json.dumps({"threads": most}), flush=True)
"""


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[str]]:
    """Return what begins a command whose names are asked of somebody who never answers."""
    if not sys.platform.startswith("linux"):
        pytest.skip("a mount namespace of its own is a matter of Linux")
    pytest.importorskip("psycopg", reason="no psycopg; pip install 'psycopg[binary]'")
    conf = tmp_path_factory.mktemp("dns") / "resolv.conf"
    conf.write_text(f"nameserver {ADDRESS}\noptions timeout:30 attempts:5\n", encoding="ascii")
    script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    prefix = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"]), "sh", "-c", script, str(conf)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        try:
            server.bind((ADDRESS, 53))
            tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
        except OSError as fault:
            pytest.skip(f"no socket on port 53 ({fault}): run as root")
        if tried.returncode:
            pytest.skip("no mount namespace: run as root, with util-linux's unshare")
        yield prefix


def _write(folder: Path, more: str = "") -> None:
    (folder / "shop.toml").write_text(_SINKS.format(more=more), encoding="utf-8")


def _run(silent: Sequence[str], folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*silent, sys.executable, *command],
        cwd=folder,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def _events(folder: Path) -> int:
    path = folder / "events.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def test_the_resolver_does_hang(silent: Sequence[str], tmp_path: Path) -> None:
    """Or nothing here would prove anything."""
    asking = subprocess.Popen([*silent, sys.executable, "-c", "import socket; socket.gethostbyname('a.hangs.example')"])
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            asking.wait(5)
    finally:
        asking.kill()
        asking.wait()


def test_a_worker_delivers_to_the_others_flushes_in_time_and_ends(silent: Sequence[str], tmp_path: Path) -> None:
    """Threads: the application's, the leader's, and of each sink that waits a call and a question, and no more."""
    _write(tmp_path)
    done = _run(silent, tmp_path, "-c", _APPLICATION, "4")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["threads"] <= 2 + 2 * HANGING
    assert _events(tmp_path) == 1
    for host in ("mail", "hooks", "errors", "log", "db"):
        assert f"{host}.hangs.example" in done.stderr
    assert done.stderr.count("can't be resolved") >= HANGING


def test_a_process_ends_though_a_question_is_under_way(silent: Sequence[str], tmp_path: Path) -> None:
    _write(tmp_path)
    report = "import tocsin; tocsin.setup('shop.toml', root_handler=False).report(message='waits')"
    done = _run(silent, tmp_path, "-c", report)
    assert done.returncode == 0, done.stderr
    _run(silent, tmp_path, "-m", "tocsin.cli", "deliver", "--drain", "--timeout", "2s", "--config", "shop.toml")
    assert _events(tmp_path) == 1


def test_leading_is_handed_over_and_ends_though_questions_are_under_way(silent: Sequence[str], tmp_path: Path) -> None:
    _write(tmp_path, 'delivery = "process"')
    report = "import tocsin; tocsin.setup('shop.toml', root_handler=False).report(message='waits')"
    command = [*silent, sys.executable, "-m", "tocsin.cli", "deliver", "--config", "shop.toml"]
    for number in (1, 2):
        with (tmp_path / "log").open("ab") as log:
            leader = subprocess.Popen(command, cwd=tmp_path, env=clean_environ(), stdout=log, stderr=log)
        try:
            assert _run(silent, tmp_path, "-c", report).returncode == 0
            wait_for(lambda number=number: _events(tmp_path) == number, "the file has what is reported")  # type: ignore[misc]
            leader.send_signal(signal.SIGTERM)
            assert leader.wait(PATIENCE_S) == 0
        finally:
            leader.kill()
            leader.wait()


def test_a_shared_state_that_can_not_be_found_is_told_in_time(silent: Sequence[str], tmp_path: Path) -> None:
    _write(tmp_path, 'state = "postgresql://shop@state.hangs.example/shop"')
    report = "import tocsin; tocsin.setup('shop.toml', root_handler=False).report(message='waits')"
    assert _run(silent, tmp_path, "-c", report).returncode == 0
    done = _run(silent, tmp_path, "-m", "tocsin.cli", "status", "--config", "shop.toml")
    assert "state.hangs.example" in done.stdout + done.stderr
