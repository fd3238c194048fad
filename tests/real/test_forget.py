"""`tocsin forget` beside who reports and who delivers, on a spool's own state and on PostgreSQL: no byte is left."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from postgres import Postgres

_WORKER = Path(__file__).with_name("forgetful_shop.py")
_TOCSIN = Path(sys.executable).with_name("tocsin")
_WAIT_S = 60.0
_SPELT = (b"Jane Roe", b"Jane%20Roe", b"12 Elm Street", "Jane Roe".encode("utf-16-le"))
_names = itertools.count()


@dataclass(frozen=True)
class Shop:
    """A configuration with its spool and its file sink."""

    folder: Path
    config: Path

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(_TOCSIN), *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=_WAIT_S)

    def count(self) -> int:
        listed = self.run("issues", "--json", "--all", "-n", "10000").stdout.splitlines()
        return sum(json.loads(line)["count"] for line in listed)

    def holding(self, spelt: tuple[bytes, ...] = _SPELT) -> list[str]:
        """The files of the spool and of the file sink that hold the customer, in any byte of them."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return [path.name for path in files if any(each in _bytes_of(path) for each in spelt)]


def _shop(folder: Path, state: str = "") -> Shop:
    config = folder / "tocsin.toml"
    shared = f'state = "{state}"\n' if state else ""
    config.write_text(
        f'application = "shop{next(_names)}"\nenvironment = "test"\nspool = "spool"\ndelivery = "process"\n{shared}'
        '[[sinks]]\ntype = "file"\npath = "events.jsonl"\nmax_mb = 0.05\nbackups = 900\n'
    )
    return Shop(folder, config)


@pytest.mark.parametrize("turn", range(3))
def test_customer_is_forgotten_while_workers_report_and_a_leader_delivers(turn: int, tmp_path: Path) -> None:
    """Whatever is told of other customers meanwhile arrives, once; all is counted."""
    shop = _shop(tmp_path)
    with _leading(shop), _working(shop, "a"), _working(shop, "b"):
        _until(lambda: shop.holding() and len(list(tmp_path.glob("events.jsonl*"))) > 1)
        done = shop.run("forget", "--containing", "12 Elm Street")
        assert "Traceback" not in done.stderr
        assert "forgotten" in done.stdout.lower()
    _drain(shop)
    raised = sum((tmp_path / name).stat().st_size for name in ("a", "b"))
    assert shop.run("forget", "--containing", "12 Elm Street").returncode == 0
    assert shop.run("forget", "--containing", "Jane Roe").returncode == 0
    assert shop.holding() == []
    assert shop.count() == raised
    lines = [json.loads(line) for path in tmp_path.glob("events.jsonl*") for line in path.read_bytes().splitlines()]
    origins = Counter(json.dumps(line["origin"]) for line in lines)
    assert max(origins.values()) == 1
    assert sum(line["occurrences"] for line in lines) == raised
    assert any("John Doe" in json.dumps(line) for line in lines)


def test_kill_in_the_middle_leaves_each_report_as_it_was_or_forgotten(tmp_path: Path) -> None:
    shop = _shop(tmp_path)
    with _leading(shop), _working(shop, "a"):
        _until(lambda: len(list(tmp_path.glob("events.jsonl*"))) > 2)
    _drain(shop)
    raised = (tmp_path / "a").stat().st_size
    for wait_s in (0.15, 0.2, 0.25, 0.3, 0.35, 0.4):
        process = subprocess.Popen(
            [_TOCSIN, "forget", "--containing", "Jane Roe", "--config", str(shop.config)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(wait_s)
        process.kill()
        process.wait()
        assert shop.count() == raised
        for line in shop.run("tail", "--no-follow", "--json", "-n", "100000").stdout.splitlines():
            each = json.loads(line)
            assert each.get("forgotten") or each["fields"]["customer"]
    assert shop.run("forget", "--containing", "Jane Roe").returncode == 0
    assert shop.holding() == []
    assert shop.count() == raised


def test_shared_state_forgets_in_rows_and_in_the_tables_files(tmp_path: Path, postgres: Postgres) -> None:
    shop = _shop(tmp_path, postgres.url)
    with _leading(shop), _working(shop, "a"):
        _until(lambda: _bodies(postgres, _SPELT))
        dry = shop.run("forget", "--containing", "Jane Roe", "--dry-run")
        assert "in the state" in dry.stdout
        assert _bodies(postgres, _SPELT)
        shop.run("forget", "--containing", "Jane Roe")
    _drain(shop)
    raised = (tmp_path / "a").stat().st_size
    done = shop.run("forget", "--containing", "Jane Roe")
    assert (done.returncode, done.stderr) == (0, "")
    assert "the state is shared: run the same on each host" in done.stdout.lower()
    assert not _bodies(postgres, _SPELT)
    assert shop.holding() == []
    assert shop.count() == raised


def test_title_of_a_shared_issue_is_gone_from_the_tables_files(tmp_path: Path, postgres: Postgres) -> None:
    """A log call whose text names the customer makes the issue's title, which the table has uncompressed."""
    shop = _shop(tmp_path, postgres.url)
    code = "import logging, tocsin; tocsin.setup('tocsin.toml'); logging.error('refused: Jane Roe, 12 Elm Street')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    _drain(shop)
    assert _in_files(postgres, _SPELT)
    done = shop.run("forget", "--containing", "Jane Roe, 12 Elm Street")
    assert (done.returncode, done.stderr) == (0, "")
    assert _in_files(postgres, _SPELT) == []
    assert shop.count() == 1


@contextmanager
def _leading(shop: Shop) -> Iterator[None]:
    process = subprocess.Popen(
        [_TOCSIN, "deliver", "--config", str(shop.config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(_WAIT_S)


@contextmanager
def _working(shop: Shop, side: str) -> Iterator[None]:
    command = [sys.executable, str(_WORKER), str(shop.config), str(shop.folder / side)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.communicate(timeout=_WAIT_S)


def _drain(shop: Shop) -> None:
    done = shop.run("deliver", "--drain", "--timeout", "50")
    assert done.returncode == 0, done.stderr


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""  # SQLite's journal comes and goes


def _bodies(postgres: Postgres, spelt: tuple[bytes, ...]) -> bool:
    """Whether any event that the database keeps holds the customer."""
    try:
        rows = postgres.execute("SELECT body FROM tocsin_state_bodies")
    except Exception as fault:
        assert "does not exist" in str(fault)
        return False
    return any(each in zlib.decompress(row[0]) for row in rows for each in spelt)


def _in_files(postgres: Postgres, spelt: tuple[bytes, ...]) -> list[str]:
    """The state's tables and indexes whose files hold the customer, in rows that are no more as well."""
    postgres.execute("CHECKPOINT")
    names = postgres.execute(
        "SELECT relname, pg_relation_filepath(oid) FROM pg_class"
        " WHERE relname LIKE 'tocsin_state%' AND relkind IN ('r', 'i')"
    )
    folder = Path(postgres.execute("SHOW data_directory")[0][0])
    return [name for name, path in names if any(each in (folder / path).read_bytes() for each in spelt)]


def _until(is_so: Any) -> None:
    end = time.monotonic() + _WAIT_S
    while not is_so():
        assert time.monotonic() < end, "not within a minute"
        time.sleep(0.1)
