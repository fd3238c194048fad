"""The commit that runs: found at set-up, by the setting, a stamp, `.git` or the platform; the release follows it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tocsin
from tocsin import reporter as reporters
from tocsin.config.load import load
from tocsin.config.revision import PLATFORM_VARIABLES, identified, links_of
from tocsin.config.settings import Settings
from tocsin.event import wire
from tocsin.event.model import Event
from tocsin.spool.folder import Folder
from tocsin.spool.reader import SpoolReader

sys.path.append(str(Path(__file__).parents[1] / "provenance"))

from repositories import Repository, needs_git

ID = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder that is in no repository."""
    folder = tmp_path / "away"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in PLATFORM_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def shop(tmp_path: Path, away: Path) -> Repository:
    made = Repository(tmp_path / "shop")
    made.commit("Begin", wsgi_py=["import shop"])
    made.git("remote", "add", "origin", "https://ada:hunter2secret@github.com/acme/shop.git")
    return made


def settings(**values: Any) -> Settings:
    return load({"application": "shop", **values}, {}, {})


@needs_git
def test_the_tree_of_the_file_that_sets_up_tells(shop: Repository) -> None:
    found = identified(settings(), str(shop.root / "wsgi.py"), {})
    assert (found.commit, found.release, found.source_root) == (shop.head, shop.head[:12], str(shop.root))
    assert found.sources["commit"] == f"{shop.root}/.git"
    assert found.sources["release"] == "commit"


@needs_git
def test_else_that_of_the_working_directory(shop: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.root)
    assert identified(settings(), "", {}).commit == shop.head
    assert identified(settings(), "/usr/lib/python3/os.py", {}).commit == shop.head


@needs_git
def test_what_is_set_stays(shop: Repository) -> None:
    found = identified(settings(commit=ID, release="1.4"), str(shop.root / "wsgi.py"), {})
    assert (found.commit, found.release) == (ID, "1.4")
    assert found.sources["release"] == "mapping"


@needs_git
def test_a_package_of_a_virtual_environment_within_the_tree_is_not_of_it(shop: Repository) -> None:
    assert identified(settings(), str(shop.root / ".venv/lib/site-packages/factory.py"), {}).commit == ""


@pytest.mark.parametrize("name", PLATFORM_VARIABLES)
def test_a_platform_tells_where_nothing_else_does(name: str, away: Path) -> None:
    found = identified(settings(), "", {name: ID.upper()})
    assert (found.commit, found.sources["commit"], found.source_root) == (ID, name, str(away))
    assert identified(settings(), "", {name: "main"}).commit == ""


def test_nothing_is_known_and_nothing_is_changed(away: Path) -> None:
    given = settings()
    assert identified(given, "", {}) is given
    assert identified(given, "", {}).release == ""


@needs_git
@pytest.mark.parametrize("mode", ["debug", "off"])
def test_only_production_looks(mode: str, shop: Repository) -> None:
    assert identified(settings(mode=mode), str(shop.root / "wsgi.py"), {}).commit == ""


@needs_git
def test_a_removed_working_directory_is_no_fault(
    shop: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    given = settings()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert identified(given, "", {}) is given


@needs_git
def test_links_are_made_of_the_remote_without_its_password(shop: Repository) -> None:
    found = identified(settings(source_url="auto"), str(shop.root / "wsgi.py"), {})
    to = links_of(found)
    assert to is not None
    link = to(str(shop.root / "wsgi.py"), 1, None)
    assert link == f"https://github.com/acme/shop/blob/{shop.head}/wsgi.py#L1"
    assert "hunter2secret" not in str(found)


@needs_git
def test_a_root_within_the_tree_has_its_way_from_the_repositorys_root(shop: Repository) -> None:
    shop.commit("More", **{"web/app_py": ["x"]})
    found = identified(settings(source_url="github", source_root=str(shop.root / "web")), "", {})
    to = links_of(found)
    assert to is not None
    assert to(str(shop.root / "web/app.py"), 1, None).endswith(f"/blob/{shop.head}/web/app.py#L1")
    assert to(str(shop.root / "wsgi.py"), 1, None) == ""


def test_a_forge_that_cant_be_told_is_a_complaint_not_a_fault(away: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert links_of(identified(settings(source_url="auto", commit=ID), "", {})) is None
    assert "no links: source_url is auto" in capsys.readouterr().err
    assert links_of(settings()) is None


# -- in a process ------------------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path, away: Path) -> Iterator[dict[str, Any]]:
    yield {"application": "shop", "spool": str(tmp_path / "spool"), "delivery": "process"}
    reporter = reporters.current()
    if reporter is not None:
        reporter.close()


def events(config: dict[str, Any]) -> list[Event]:
    found = []
    for reader in SpoolReader(Folder(Path(config["spool"]))).generations():
        found += [wire.decode(record.body) for record in reader.records(0, 10**7)[1:] if record.body]
    return found


def run(path: Path, **names: Any) -> None:
    exec(compile(path.read_text(), str(path), "exec"), {"__name__": "shop", **names})


@needs_git
def test_an_event_names_commit_and_release_and_links_its_own_frames(shop: Repository, config: dict[str, Any]) -> None:
    code = shop.write(
        "shop.py",
        [
            "import json, tocsin",
            "tocsin.setup(config)",
            "try:",
            "    json.loads('{')",
            "except ValueError as fault:",
            "    tocsin.report(fault)",
        ],
    )
    shop.commit("Shop")
    config["source_url"] = "auto"
    run(code, config=config)
    (event,) = events(config)
    assert (event.commit, event.release) == (shop.head, shop.head[:12])
    assert event.exception is not None
    own = [frame for frame in event.exception.frames if frame.url]
    assert [frame.file for frame in own] == [str(code)]
    assert own[0].url == f"https://github.com/acme/shop/blob/{shop.head}/shop.py#L4"
    assert len(event.exception.frames) > 1
    about = next(iter(SpoolReader(Folder(Path(config["spool"]))).generations())).about()
    assert about["release"] == shop.head[:12]


@needs_git
def test_lines_of_templates_and_of_what_cant_be_compiled_are_linked(shop: Repository, config: dict[str, Any]) -> None:
    flask = pytest.importorskip("flask", reason="no Flask; pip install flask")
    shop.write("templates/pay.html", ["<b>", "{{ 1 // order }}", "</b>"])
    bad = shop.write("bad.py", ["", "def pay(:"])
    shop.commit("Templates")
    config["source_url"] = "auto"
    start = shop.write("wsgi.py", ["import tocsin", "found.append(tocsin.setup(config))"])
    found: list[tocsin.Reporter] = []
    run(start, config=config, found=found)
    app = flask.Flask("shop", root_path=str(shop.root))
    with app.test_request_context():
        for fail in (
            lambda: flask.render_template("pay.html", order=0),
            lambda: compile(bad.read_text(), str(bad), "exec"),
            lambda: flask.render_template_string("{{ 1 // 0 }}"),
        ):
            try:
                fail()
            except Exception as fault:
                found[0].report(fault)
    links = []
    for event in events(config):
        assert event.exception is not None
        shown = (*event.exception.frames, event.exception.place)
        links.append([frame.url.rpartition("/blob/")[2][41:] for frame in shown if frame is not None and frame.url])
    assert links == [["templates/pay.html#L2"], ["bad.py#L2"], []]


@needs_git
def test_where_tocsin_calls_setup_itself_the_tree_is_the_application_s(
    shop: Repository, tmp_path: Path, config: dict[str, Any], away: Path
) -> None:
    """Django's settings and Pyramid's have tocsin call it, which may lie in a checkout of its own."""
    other = Repository(tmp_path / "tocsin")
    apps = other.write("apps.py", ["import tocsin", "def ready(config):", "    return tocsin.setup(config)"])
    other.commit("Ours")
    names: dict[str, Any] = {"__name__": "tocsin.integrations.django.apps"}
    exec(compile(apps.read_text(), str(apps), "exec"), names)
    start = shop.write("wsgi.py", ["found.append(ready(config))"])
    found: list[tocsin.Reporter] = []
    run(start, config=config, found=found, ready=names["ready"])
    assert found[0].settings.commit == shop.head
    found[0].close()
    outside = away / "wsgi.py"
    outside.write_text("found.append(ready(config))")
    run(outside, config=config, found=found, ready=names["ready"])
    assert found[1].settings.commit == ""


@needs_git
def test_a_second_setup_after_a_deploy_is_the_same_one(shop: Repository, config: dict[str, Any]) -> None:
    """The process runs what it has loaded, whatever is checked out beneath it."""
    code = shop.write("shop.py", ["import tocsin", "found.append(tocsin.setup(config))"])
    found: list[tocsin.Reporter] = []
    run(code, config=config, found=found)
    before = found[0].settings.commit
    shop.commit("Deployed")
    run(code, config=dict(config), found=found)
    assert found[0] is found[1]
    assert found[1].settings.commit == before != shop.head
    with pytest.raises(tocsin.ConfigError, match="release"):
        tocsin.setup(config, release="2")


@pytest.mark.parametrize("commit", ["4111111111111111" + "0" * 24, "5500000000000004" * 2 + "12345678", ID])
def test_a_commit_is_taken_for_no_secret(commit: str, config: dict[str, Any]) -> None:
    """Digits that would be a card number elsewhere."""
    reporter = tocsin.setup(config, commit=commit)
    reporter.report(message="x")
    (event,) = events(config)
    assert (event.commit, event.release) == (commit, commit[:12])
