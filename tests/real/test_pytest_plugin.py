"""The pytest plugin for a stranger: installed from a built wheel, found by its entry point, used as its page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from how_to import PAGES, unpack

ROOT = Path(__file__).parents[2]


class Venv:
    """A fresh environment with tocsin from a wheel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)

    def install(self, *names: str | Path) -> None:
        pip = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *names], check=True, capture_output=True)

    def run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run([self.python, *arguments], capture_output=True, text=True, env=environ, cwd=folder)


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Venv:
    folder = tmp_path_factory.mktemp("plugin")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder / "wheels", ROOT]
    subprocess.run(wheel, check=True, capture_output=True)
    made = Venv(folder / "venv")
    made.install(*(folder / "wheels").glob("tocsin-*.whl"), "flask", "pytest", "pytest-xdist")
    return made


def test_the_page_works_from_a_wheel(venv: Venv, tmp_path: Path) -> None:
    """Warnings are errors, so one of tocsin's own at pytest's start would fail it."""
    unpack("test-your-application.md", tmp_path)
    found = venv.run(tmp_path, "-m", "pytest", "-q", "-W", "error", "--strict-markers")
    assert found.returncode == 0, found.stdout
    assert "4 passed" in found.stdout
    assert venv.run(tmp_path, "-m", "unittest", "-q", "test_log").returncode == 0


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_failing_test_shows_what_the_page_shows(venv: Venv, tmp_path: Path, workers: str) -> None:
    unpack("test-your-application.md", tmp_path)
    test = (tmp_path / "test_shop.py").read_text()
    failing = '    assert client.get("/orders/0").status_code == 200\n'
    (tmp_path / "test_shop.py").write_text(
        test.replace('    assert client.get("/orders/4").status_code == 200\n', failing)
    )
    found = venv.run(tmp_path, "-m", "pytest", "-q", "-n", workers)
    assert found.returncode == 1
    shown = re.search(r"^```console\n\$ python -m pytest -q\n…\n>(.*?)^```", page(), re.DOTALL | re.MULTILINE)
    assert shown is not None
    rest = same(found.stdout.replace(str(tmp_path), "/srv/shop")).partition("Captured log call")[0]
    for line in filter(None, same(">" + shown[1]).splitlines()):
        if line != "…":
            assert line in rest, f"{line!r} is not in\n{found.stdout}"
            rest = rest[rest.index(line) + len(line) :]


def test_strict_as_the_page_configures_it(venv: Venv, tmp_path: Path) -> None:
    unpack("test-your-application.md", tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntocsin_strict = "errors"\n')
    (tmp_path / "test_careless.py").write_text(
        "from shop import create_app\n\n\n"
        "def test_careless():\n    assert create_app().test_client().get('/orders/0').status_code == 500\n"
    )
    found = venv.run(tmp_path, "-m", "pytest", "-q", "-W", "error")
    assert "1 failed, 4 passed" in found.stdout
    assert "a report that nothing expects (tocsin_strict)" in found.stdout
    assert "ZeroDivisionError: division by zero" in found.stdout


def test_nothing_is_loaded_and_nothing_attached_until_it_is_used(venv: Venv, tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\n\n\ndef test_other():\n"
        "    loaded = sorted(name for name in sys.modules if name.partition('.')[0] == 'tocsin')\n"
        "    assert loaded == ['tocsin', 'tocsin.testing', 'tocsin.testing.plugin']\n"
    )
    found = venv.run(tmp_path, "-m", "pytest", "-q", "-W", "error")
    assert found.returncode == 0, found.stdout
    assert venv.run(tmp_path, "-m", "pytest", "-q", "-p", "no:tocsin").returncode == 1  # not even these


def page() -> str:
    return (PAGES / "test-your-application.md").read_text(encoding="utf-8")


def same(text: str) -> str:
    """Return a text without what differs from run to run."""
    return re.sub(r"[0-9A-Z]{6}-[0-9A-Z]{4}", "ID", text)


DJANGO = """
import django, pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import path

def order(request, number):
    return HttpResponse(100 / number)

urlpatterns = [path("orders/<int:number>", order)]
settings.configure(
    SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], INSTALLED_APPS=["tocsin.integrations.django"],
    TOCSIN={"application": "shop", "spool": "spool"},
)
django.setup()

@pytest.mark.parametrize("turn", [1, 2])
def test_order(tocsin_events, turn):
    assert Client(raise_request_exception=False).get("/orders/0").status_code == 500
    event = tocsin_events.assert_one(ZeroDivisionError, kind="traceback")
    assert event.request.route == "orders/<int:number>"
    tocsin_events.assert_times(1)

def test_log(tocsin_events):
    import logging
    logging.getLogger("shop").error("no stock entry")
    tocsin_events.assert_one(match="no stock entry", kind="error")
"""


def test_an_integration_that_is_there_before_all_tests_reports_into_each(tmp_path: Path) -> None:
    """Django's is connected once per process, long before the fixture."""
    pytest.importorskip("django", reason="no Django; pip install django")
    (tmp_path / "test_site.py").write_text(DJANGO)
    plugin = ["-p", "no:tocsin", "-p", "tocsin.testing.plugin", "-p", "no:cacheprovider"]
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin], capture_output=True, text=True, cwd=tmp_path
    )
    assert found.returncode == 0, found.stdout
    assert "3 passed" in found.stdout
    assert not list((tmp_path / "spool").glob("*.events"))  # nothing went the way of production
