"""Spools that belong to somebody else, or are none: the application goes on, and stderr says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from disks import FLUSHED, App

_AS_NOBODY = """
import os, sys, tocsin
# What is imported late, nobody may perhaps not read.
warm = tocsin.setup({"application": "warm", "spool": sys.argv[3], "sinks": ["stderr:"]})
warm.report(message="warm"), warm.flush(20), warm.close()
os.setgroups([]); os.setgid(65534); os.setuid(65534); os.umask(int(sys.argv[2], 8))
reporter = tocsin.setup({"application": "shop", "spool": sys.argv[1], "sinks": ["stderr:"]})
print(bool(reporter.report(message="broken")), reporter.stats()["pending"])
"""


def as_nobody(spool: Path, umask: str = "022") -> subprocess.CompletedProcess[str]:
    """Report once as the user nobody."""
    if os.geteuid() != 0:
        pytest.skip("another user can be made by root only; sudo make test")
    command = [sys.executable, "-c", _AS_NOBODY, str(spool), umask, str(spool.parent.parent / "warm")]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd="/")


def test_a_spool_that_root_has_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    """The classic: a command as root first, then the application as its own user."""
    open_to_all(tmp_path)
    app = App(tmp_path, tmp_path)
    app.run("happen,1,1")
    ran = as_nobody(app.spool)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["True", "1"]
    assert "belongs to root, this process runs as nobody" in ran.stderr
    assert f"chown -R nobody {app.spool}" in ran.stderr


def open_to_all(folder: Path) -> None:
    """Let other users reach a folder below pytest's own."""
    for each in (folder, *folder.parents):
        if each.stat().st_uid == os.geteuid() and each not in (Path("/"), Path("/tmp")):
            each.chmod(0o755)


@pytest.mark.parametrize("umask", ["000", "022", "077"])
def test_an_own_spool_is_private_whatever_the_umask(tmp_path: Path, umask: str) -> None:
    open_to_all(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    if os.geteuid() == 0:
        os.chown(home, 65534, 65534)
    ran = as_nobody(home / "spool", umask)
    assert (ran.returncode, ran.stdout.split()) == (0, ["True", "0"]), ran.stderr
    assert (home / "spool").stat().st_mode & 0o777 == 0o700


def a_file(path: Path) -> None:
    """Make the spool's path a file."""
    path.write_text("not a spool")


def a_link(path: Path) -> None:
    """Make it a link to a folder."""
    (path.parent / "real").mkdir()
    path.symlink_to(path.parent / "real")


def a_dangling_link(path: Path) -> None:
    """Make it a link to nothing."""
    path.symlink_to(path.parent / "nowhere")


def below_a_file(path: Path) -> None:
    """Make the folder that is to hold it a file."""
    path.parent.rmdir()
    path.parent.write_text("no folder")


@pytest.mark.parametrize("make", [a_file, a_link, a_dangling_link, below_a_file])
def test_what_can_be_no_spool_is_told_and_the_application_goes_on(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "disk").mkdir()
    app = App(tmp_path / "disk", tmp_path)
    make(app.spool)
    app.run("happen,2,3")
    assert f"the spool {app.spool}" in app.stderr()
    assert "set `spool` elsewhere" in app.stderr() or "name the folder itself" in app.stderr()
    assert "Traceback" not in app.stderr()


def test_a_path_that_is_too_long_is_told_and_the_application_goes_on(tmp_path: Path) -> None:
    app = App(tmp_path / ("x" * 300), tmp_path)
    app.run("happen,2,3")
    assert "File name too long" in app.stderr()
    assert "Traceback" not in app.stderr()


def test_two_applications_on_one_spool_by_mistake_are_told_and_nothing_mixes(tmp_path: Path) -> None:
    """The second one keeps its reports in memory, shows them, and leads nothing; the first one doesn't notice."""
    for name in ("shop", "blog"):
        (tmp_path / name).mkdir()
    shop, intruder = App(tmp_path / "shop", tmp_path / "shop"), App(tmp_path / "shop", tmp_path / "blog")
    with shop.running("happen,2,5", "flush", "say", "happen,2,5,later", "flush") as first:
        assert [first.line(), first.line()] == [FLUSHED, "reached"]
        with intruder.running("happen,2,5,alien", "say", application="blog") as second:
            assert second.line() == "reached"
            first.go_on()
            assert first.end() == (0, [FLUSHED])
            second.go_on()
            assert second.end() == (0, [])
    assert shop.told() == {"broken": 10, "later": 10}
    assert "is in use by the application 'shop'; set `spool` of 'blog' to a folder of its own" in intruder.stderr()
    assert set(intruder.told()) <= {"alien"}  # not one of the first one's
