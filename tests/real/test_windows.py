"""The spool, its locks and the commands on a Windows Python under Wine: processes write, die, lock and deliver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from wine import Windows

WRITER = """
    import sys, time
    from tocsin.spool.folder import Folder
    from tocsin.spool.memory import Occurrence
    from tocsin.spool.writer import Writer

    spool = Writer(Folder("spool"), about={"application": "shop", "sinks": []})
    place = spool.append(Occurrence("traceback", 40, 1, "v1:" + "ab" * 16, time.time(), b'{"x":\\n1}'))
    for _ in range(1_000):
        assert spool.count(place)
    print(spool.process)
    time.sleep(600)
"""
READER = """
    import json
    from pathlib import Path
    from tocsin.spool.folder import Folder
    from tocsin.spool.locks import FileLock, is_held
    from tocsin.spool.reader import SpoolReader

    folder = Folder("spool")
    (generation,) = SpoolReader(folder).generations()
    live = folder.live(generation.path.process)
    print(json.dumps({
        "process": generation.path.process,
        "is_dead": generation.is_dead,
        "is_held": is_held(live),
        "can_be_taken": FileLock(live).acquire(),
        "bodies": [record.body.decode() for record in generation.records(0)[1:]],
        "cells": generation.cells(),
    }))
"""
APPLICATION = """
    import json, logging, sys
    import tocsin
    from tocsin.reporter import current

    tocsin.setup("tocsin.toml", root_handler=False)
    logging.getLogger().addHandler(tocsin.LogHandler())
    for number in range(30):
        try:
            {}["price"]
        except KeyError:
            logging.getLogger("shop").exception("no price of %s", number)
    is_flushed = "--flush" not in sys.argv or current().flush(20.0)
    print(json.dumps(is_flushed))
"""
LIVING = """
    import time
    while True:
        logging.getLogger("shop").error("it still runs")
        time.sleep(0.05)
"""
CONFIGURATION = """
application = "shop"
spool = "spool"
[[sinks]]
type = "file"
path = "events.jsonl"
max_mb = {max_mb}
"""


@pytest.fixture
def windows(tmp_path: Path) -> Iterator[Windows]:
    found = Windows(tmp_path)
    yield found
    found.close()


def test_every_module_can_be_imported(windows: Windows) -> None:
    """But for the POSIX half of `tocsin.system`, and what needs a package that is not there."""
    failed = windows.result("""
        import importlib, json, pkgutil, sys
        import tocsin

        failed = {}
        for module in pkgutil.walk_packages(tocsin.__path__, "tocsin."):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as fault:
                if fault.name.partition(".")[0] == "tocsin" or fault.name.partition(".")[0] in sys.stdlib_module_names:
                    failed[module.name] = str(fault)
            except ImportError as fault:
                failed[module.name] = str(fault)
        print(json.dumps(failed))
    """)
    assert failed == {"tocsin.system.posix": "for POSIX systems only"}


def test_what_was_spooled_outlives_a_kill(windows: Windows) -> None:
    writer = windows.start(WRITER)
    told = {"process": writer.first_line, "bodies": ['{"x":\n1}'], "cells": {"32": 1_000}, "can_be_taken": False}
    assert windows.result(READER) == told | {"is_dead": False, "is_held": True}
    writer.kill()
    writer.wait()
    dead = windows.result(READER)
    assert dead == told | {"is_dead": True, "is_held": False, "can_be_taken": True}


def test_a_look_at_a_lock_keeps_nobody_from_taking_it(windows: Windows) -> None:
    code = """
        import json
        from pathlib import Path
        from tocsin.spool.locks import FileLock, is_held
    """
    windows.start(code + "\n    print('looking', flush=True)\n    while True:\n        is_held(Path('leader.lock'))\n")
    lost = windows.result(
        code
        + """
        lost = 0
        for _ in range(500):
            lock = FileLock(Path("leader.lock"))
            lock.acquire()
            lost += not lock.is_held or not is_held(lock.path) or FileLock(lock.path).acquire()
            lock.release()
            lost += is_held(lock.path)
        print(json.dumps(lost))
    """
    )
    assert lost == 0


def test_a_lock_that_another_process_holds_is_not_given(windows: Windows) -> None:
    take = """
        import json, time
        from pathlib import Path
        from tocsin.spool.locks import FileLock, is_held

        lock = FileLock(Path("leader.lock"))
        is_free = not is_held(lock.path)
        is_taken = lock.acquire()
        if is_taken:
            lock.write("pid 7\\n")
        print(json.dumps([is_free, is_taken, lock.is_in_place, lock.path.read_text()]), flush=True)
    """
    holder = windows.start(take + "    time.sleep(600)\n")
    assert json.loads(holder.first_line) == [True, True, True, "pid 7\n"]
    assert windows.result(take) == [False, False, False, "pid 7\n"]
    holder.kill()
    holder.wait()
    assert windows.result(take)[:2] == [True, True]


def test_an_application_delivers_into_a_file_that_rotates(windows: Windows, tmp_path: Path) -> None:
    (tmp_path / "tocsin.toml").write_text(CONFIGURATION.format(max_mb=0.004))
    assert windows.result(APPLICATION, "--flush") is True
    files = [tmp_path / "events.jsonl", *tmp_path.glob("events.jsonl.*")]
    assert len(files) > 1
    lines = [json.loads(line) for path in files for line in path.read_bytes().splitlines()]
    assert sum(line["occurrences"] for line in lines) == 30
    assert b"\r" not in files[0].read_bytes()


def test_commands_deliver_and_show_what_a_dead_process_left(windows: Windows, tmp_path: Path) -> None:
    (tmp_path / "tocsin.toml").write_text(CONFIGURATION.format(max_mb=10))
    assert windows.result(APPLICATION.replace("is_flushed =", "import os; print('true', flush=True); os._exit(0);"))
    assert not (tmp_path / "events.jsonl").exists()
    tocsin = ("-m", "tocsin")
    windows.run(*tocsin, "deliver", "--drain", "--config", "tocsin.toml")
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert sum(line["occurrences"] for line in lines) == 30
    windows.run(*tocsin, "deliver", "--drain", "--config", "tocsin.toml")
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == len(lines), "read back, nothing is there twice"
    assert "tocsin OK: nothing waits" in windows.run(*tocsin, "status", "--config", "tocsin.toml")
    issues = windows.run(*tocsin, "issues", "--config", "tocsin.toml")
    assert "KeyError" in issues
    prefix = lines[0]["error_id"].partition("-")[0]
    assert "Traceback (most recent call last):" in windows.run(*tocsin, "show", prefix, "--config", "tocsin.toml")
    checked = windows.run(*tocsin, "check", "--config", "tocsin.toml")
    assert "ok      file:Z:" in checked
    assert "ok      spool Z:" in checked
    windows.run(*tocsin, "mute", prefix, "--for", "1h", "--config", "tocsin.toml")
    windows.run(*tocsin, "spool", "--config", "tocsin.toml")


def test_a_worker_that_leads_makes_room_for_a_process_that_delivers(windows: Windows, tmp_path: Path) -> None:
    (tmp_path / "tocsin.toml").write_text(CONFIGURATION.format(max_mb=10))
    worker = windows.start(APPLICATION + LIVING, "--flush")
    command = ("-m", "tocsin", "deliver", "--drain", "--config", "tocsin.toml")
    windows.run(*command)
    windows.run(*command)
    worker.kill()
    worker.wait()
    windows.run(*command)
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    first = {line["fingerprint"] for line in lines if "KeyError" in json.dumps(line)}
    assert sum(line["occurrences"] for line in lines if line["fingerprint"] in first) == 30
    origins = [json.dumps(line["origin"]) for line in lines]
    assert len(origins) == len(set(origins))


def test_the_spool_is_in_the_users_local_data(windows: Windows) -> None:
    place = windows.result("""
        import json, os
        from tocsin.config.spool_path import spool_place
        from tocsin.spool.folder import Folder
        from tocsin.spool.salt import read_salt

        found = spool_place("", "test of tocsin", os.environ, 0)
        folder = Folder(found.path)
        folder.prepare()
        folder.prepare()
        is_lasting = read_salt(folder) == read_salt(folder)
        for path in folder.path.iterdir():
            path.unlink()
        folder.path.rmdir()
        print(json.dumps([found.path, found.reason, found.is_temporary, is_lasting]))
    """)
    path, *rest = place
    assert rest == ["%LOCALAPPDATA%", False, True]
    assert r"\AppData\Local\tocsin\test_of_tocsin-" in path


def test_retention_leaves_alone_what_somebody_holds_open(windows: Windows) -> None:
    writer = windows.start(WRITER)
    writer.kill()
    writer.wait()
    left = windows.result("""
        import json, os, time
        from datetime import UTC, datetime
        from tocsin.delivery.retention import Retention
        from tocsin.routing.sqlite import SqliteState
        from tocsin.spool.folder import Folder
        from tocsin.spool.reader import SpoolReader

        folder = Folder("spool")
        reader = SpoolReader(folder)
        state = SqliteState(str(folder.state))
        retention = Retention(folder, state, keep_days=0, max_bytes=1 << 30)

        def sweep():
            now = datetime.now(UTC)
            gone = retention.sweep(reader.generations(), lambda generation: 0, now, now)
            return len(gone), sorted(path.suffix for path in folder.path.glob("*-*.*"))

        time.sleep(0.1)
        (generation,) = reader.generations()
        with generation.path.events.open("rb"):
            held = sweep()
        print(json.dumps([held, sweep()]))
    """)
    assert left == [[0, [".counts", ".events"]], [1, []]]


def test_a_file_may_be_named_by_a_url_with_a_drive(windows: Windows) -> None:
    found = windows.result("""
        import json
        from tocsin.sinks.registry import from_url

        print(json.dumps([from_url(url)["path"] for url in ("file:///C:/logs/a%20b.jsonl", "file:a.jsonl")]))
    """)
    assert found == ["C:/logs/a b.jsonl", "a.jsonl"]


def test_files_that_others_have_open_can_be_renamed_and_removed(windows: Windows) -> None:
    done = windows.result("""
        import json, os
        from pathlib import Path
        from tocsin import system

        path, moved = Path("a"), Path("b")
        fd = system.open_file(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.write(fd, b"x\\n")
        path.rename(moved)
        is_elsewhere = not system.is_in_place(fd, path) and system.is_in_place(fd, moved)
        can_go = system.is_removable(moved)
        with moved.open("rb"):
            is_kept = not system.is_removable(moved)
        system.remove(moved)
        os.close(fd)
        print(json.dumps([is_elsewhere, can_go, is_kept, moved.exists()]))
    """)
    assert done == [True, True, True, False]
