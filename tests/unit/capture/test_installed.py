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


def wheel(site: Path, name: str) -> None:
    install(site, name, name)
    told = {"url": f"file:///wheels/{name}-1.0-py3-none-any.whl", "archive_info": {}}
    (site / f"{name}-1.0.dist-info" / "direct_url.json").write_text(json.dumps(told), encoding="utf-8")


def test_a_wheel_that_was_copied_there_is_the_applications(site: Path) -> None:
    """`pip install dist/shop-1.0-py3-none-any.whl`, and its requirements from an index."""
    wheel(site, "shop")
    install(site, "Flask", "flask")
    assert is_own(site, "shop/orders.py") is True


def test_a_folder_of_wheels_makes_libraries(site: Path) -> None:
    """`pip install /wheels/*`, as images are built in stages; nothing tells the application's wheel from them."""
    for name in ("flask", "jinja2", "werkzeug", "click", "shop"):
        wheel(site, name)
    install(site, "my_app", "my_app", url="file:///src")
    install(site, "idna", "idna")
    assert is_own(site, "flask/app.py") is False
    assert is_own(site, "my_app/orders.py") is True


def test_what_conda_installed_is_a_library(site: Path) -> None:
    """Each of its packages was built in a folder, and says so; what pip installed beside them was not."""
    install(site, "numpy", "numpy", url="file:///croot/numpy_1/work")
    install(site, "shop", "shop", url="file:///src/shop")
    (site / "numpy-1.0.dist-info" / "INSTALLER").write_text("conda\n", encoding="utf-8")
    (site / "shop-1.0.dist-info" / "INSTALLER").write_text("pip\n", encoding="utf-8")
    assert is_own(site, "numpy/core.py") is False
    assert is_own(site, "shop/orders.py") is True


def test_an_egg_is_a_library(site: Path) -> None:
    """It lies in a folder of its own, of which nothing is written down."""
    assert is_own(site, "Mako-1.0-py3.11.egg/mako/template.py") is False


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


def test_folder_that_was_installed_into_has_libraries_beside_the_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As AWS Lambda's: `pip install --target`, and the application copied to it."""
    install(tmp_path, "Flask", "flask")
    install(tmp_path, "PyYAML", "yaml")
    monkeypatch.setattr("sys.path", [str(tmp_path), "", "/nowhere", 5])
    assert is_own(tmp_path, "flask/app.py") is False
    assert is_own(tmp_path, "yaml/reader.py") is False
    assert is_own(tmp_path, "shop/orders.py") is True
    assert is_own(tmp_path, "handler.py") is True
    monkeypatch.setattr("sys.path", ["/nowhere"])
    assert is_own(tmp_path, "flask/app.py") is None


def test_folder_of_a_checkout_is_none_of_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`pip install -e .` by setuptools leaves an egg-info in it."""
    (tmp_path / "shop.egg-info").mkdir()
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert is_own(tmp_path, "shop/orders.py") is None
