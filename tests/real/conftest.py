"""What tests on real servers share: importable samples, certificates made for the run, a browser if there is one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

if TYPE_CHECKING:
    from certs import Certs
    from exim import Exim
    from mariadb import MariaDB
    from playwright.sync_api import Browser
    from postgres import Postgres


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tests in a browser to the end: its driver leaves an event loop running, which asyncio.run refuses."""
    items.sort(key=lambda item: "chromium" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Certs:
    """Return an authority and a server certificate for localhost and 127.0.0.1."""
    pytest.importorskip("cryptography", reason="no cryptography; pip install cryptography")
    from certs import make_certs

    return make_certs(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium; skip where it is missing, and say how to get it."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium; on Debian: apt-get install -y chromium")
    pytest.importorskip("playwright", reason="no Playwright; pip install playwright")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def exim_server(certs: Certs) -> Iterator[Exim]:
    """Run one Exim for all tests; `exim` is it, for one test."""
    from exim import running

    yield from running(certs)


@pytest.fixture
def exim(exim_server: Exim) -> Exim:
    """Return the running Exim with empty mailboxes, started again where a test before has stopped it."""
    exim_server.start()
    exim_server.empty()
    return exim_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """Run one PostgreSQL for all tests; `postgres` is it, for one test."""
    from postgres import running

    yield from running()


@pytest.fixture
def postgres(postgres_server: Postgres) -> Postgres:
    """Return the running PostgreSQL, started again where a test before has ended it."""
    postgres_server.resume()
    postgres_server.start()
    return postgres_server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDB]:
    """Run one MariaDB for all tests; `mariadb` is it, for one test."""
    from mariadb import running

    yield from running()


@pytest.fixture
def mariadb(mariadb_server: MariaDB) -> MariaDB:
    """Return the running MariaDB, started again where a test before has ended it."""
    mariadb_server.resume()
    mariadb_server.start()
    return mariadb_server
