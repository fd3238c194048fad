"""Which installed packages are the application's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tocsin.capture.installed import Installed


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "lib" / "python3.11" / "site-packages"
    folder.mkdir(parents=True)
    return folder


def install(site: Path, name: str, *tops: str, url: str = "", record: str = "RECORD") -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    lines = [f"{top}/__init__.py,sha256=x,3\n" for top in tops] if record == "RECORD" else [f"{top}\n" for top in tops]
    (info / record).write_text("".join(lines), encoding="utf-8")
    if url:
        (info / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {}}), encoding="utf-8")


def is_own(site: Path, path: str) -> bool | None:
    return Installed().is_own(f"{site.as_posix()}/{path}")


def test_what_came_from_a_folder_is_the_applications(site: Path) -> None:
    """`pip install .` says so (PEP 610), whatever the distribution is called."""
    install(site, "my_shop", "shop", url="file:///build/shop")
    install(site, "other-shop", "other_shop", url="file:///build/other")
    assert is_own(site, "shop/orders.py") is True
    assert is_own(site, "other_shop/orders.py") is True


def test_what_came_from_an_index_or_a_forge_is_a_library(site: Path) -> None:
    """A fork that is installed from its repository is a library still."""
    install(site, "Flask", "flask")
    install(site, "PyYAML", "yaml", record="top_level.txt")
    install(site, "forked", "forked", url="https://git.example.org/forked.git")
    assert is_own(site, "flask/app.py") is False
    assert is_own(site, "yaml/reader.py") is False
    assert is_own(site, "forked/a.py") is False


def test_what_nobody_lays_claim_to_was_copied_there(site: Path) -> None:
    """A module of one file as well."""
    install(site, "six", "six.py")
    (site / "shop.py").touch()
    assert is_own(site, "shop.py") is True
    assert is_own(site, "six.py") is False


def test_modules_of_a_linux_distribution_are_libraries(tmp_path: Path) -> None:
    """Debian's `debconf.py` lies in `dist-packages`, and no record tells of it."""
    folder = tmp_path / "dist-packages"
    folder.mkdir()
    assert is_own(folder, "debconf.py") is False


def test_what_is_not_installed_is_another_question(tmp_path: Path) -> None:
    """The application's folder, the standard library."""
    assert Installed().is_own("/srv/shop/shop.py") is None


@pytest.mark.parametrize("told", ["", "[]", '{"url": 5}', "\x00", "{" * 5_000])
def test_records_that_are_none_make_a_library(site: Path, told: str) -> None:
    """Anything may lie there."""
    install(site, "shop", "shop", url="file:///x")
    (site / "shop-1.0.dist-info" / "direct_url.json").write_text(told, encoding="utf-8")
    assert is_own(site, "shop/a.py") is False
    assert Installed().is_own("/nowhere/site-packages/shop/a.py") is False
