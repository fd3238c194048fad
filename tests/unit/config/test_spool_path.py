"""Rule 8: where the spool is, by setting, systemd, user and at last a temporary folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tocsin.config.spool_path import SpoolPlace, folder_name, is_served, private_fault, spool_place

UID = os.geteuid()


def place(environ: dict[str, str], home: Path = Path("/nonexistent"), spool: str = "") -> SpoolPlace:
    return spool_place(spool, "shop", environ, UID, str(home))


def test_the_setting_beats_all():
    """Wherever it points."""
    found = place({"STATE_DIRECTORY": "/var/lib/shop"}, spool="/srv/spool")
    assert (found.path, found.is_temporary, found.fault) == ("/srv/spool", False, "")


def test_systemd_gives_the_first_of_its_state_directories():
    """It may list several, with colons."""
    assert place({"STATE_DIRECTORY": "/var/lib/shop:/var/lib/b"}).path == "/var/lib/shop/tocsin/shop"


def test_the_users_state_directory_follows_and_nothing_is_created(tmp_path: Path):
    """XDG first, then the home by $HOME, then the recorded one."""
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    environ = {"HOME": str(home), "XDG_STATE_HOME": str(tmp_path / "xdg")}
    assert place(environ, other).path == str(tmp_path / "xdg" / "tocsin" / "shop")
    assert place({"HOME": str(home)}, other).path == str(home / ".local/state/tocsin/shop")
    assert place({"HOME": "/"}, other).path == str(other / ".local/state/tocsin/shop")
    assert place({}, other).path == str(other / ".local/state/tocsin/shop")
    assert list(home.iterdir()) == []


def test_a_served_home_is_passed_over(tmp_path: Path):
    """Crash reports would be a URL away."""
    home = tmp_path / "www" / "html"
    home.mkdir(parents=True)
    found = place({"HOME": str(home), "TMPDIR": str(tmp_path)}, home)
    assert found.is_temporary
    assert found.path == str(tmp_path / f"tocsin-{UID}-shop")


def test_what_looks_served(tmp_path: Path):
    """A folder of a web server in the path, or an index page at the home itself; ~/public_html is no sign."""
    plain = tmp_path / "home"
    (plain / "public_html").mkdir(parents=True)
    assert not is_served(str(plain))
    assert is_served(str(plain / "public_html" / "app"))
    (plain / "index.php").touch()
    assert is_served(str(plain))
    assert is_served("/var/www")


def test_a_home_that_can_not_be_written_to_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A server started by root keeps root's home, which then can't even be looked into."""
    locked = tmp_path / "root"
    locked.mkdir()
    access = os.access
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode: (not Path(path).is_relative_to(locked) or mode == os.F_OK) and access(path, mode),
    )
    assert place({"HOME": str(locked), "TMPDIR": str(tmp_path)}).is_temporary


def test_a_missing_home_ends_in_a_private_temporary_folder(tmp_path: Path):
    """Not there yet is no fault."""
    found = place({"HOME": str(tmp_path / "gone"), "TMPDIR": str(tmp_path)})
    assert (found.is_temporary, found.fault) == (True, "")


def test_a_temporary_folder_of_somebody_else_is_refused(tmp_path: Path):
    """A link, a file, another owner, and rights for others."""
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o700)
    assert private_fault(str(folder), UID) == ""
    assert "belongs to user" in private_fault(str(folder), UID + 1)
    folder.chmod(0o750)
    assert "is open to others (0750)" in private_fault(str(folder), UID)
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert "is no folder" in private_fault(str(link), UID)
    (tmp_path / f"tocsin-{UID}-shop").symlink_to(folder)
    assert "is no folder" in place({"TMPDIR": str(tmp_path)}).fault


def test_application_names_become_harmless_and_stay_different():
    """Neither a slash nor dots lead elsewhere."""
    assert folder_name("shop-2.0") == "shop-2.0"
    hostile = ["../../etc", "a/b", "a_b", "a b", "..", "", "café", "x" * 300]
    names = [folder_name(name) for name in hostile]
    assert len(set(names)) == len(names)
    assert all("/" not in name and not name.startswith(".") and 0 < len(name) < 80 for name in names)


def test_on_windows_the_spool_is_in_local_application_data(tmp_path: Path) -> None:
    """Paths are this system's own here; only which variables count is Windows'."""
    local, temporary = tmp_path / "Local", tmp_path / "Temp"
    local.mkdir()
    temporary.mkdir()
    environ = {"LOCALAPPDATA": str(local), "TEMP": str(temporary), "STATE_DIRECTORY": str(tmp_path), "HOME": "/"}
    found = spool_place("", "shop", environ, 0, is_windows=True)
    assert (found.path, found.is_temporary) == (str(local / "tocsin" / "shop"), False)
    found = spool_place("", "shop", {"TEMP": str(temporary)}, 0, is_windows=True)
    assert (found.path, found.is_temporary, found.fault) == (str(temporary / "tocsin-shop"), True, "")
    assert "set `spool`" in spool_place("", "shop", {}, 0, is_windows=True).fault
    assert spool_place("/srv/spool", "shop", environ, 0, is_windows=True).path == "/srv/spool"


@pytest.mark.parametrize("name", ["CON", "nul", "com1.shop", "shop."])
def test_names_that_windows_keeps_for_itself_are_changed(name: str) -> None:
    assert folder_name(name).startswith(name)
    assert folder_name(name) != name
    assert not folder_name(name).endswith(".")
