"""`tocsin stamp`: what it writes, what it says, and how it fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "provenance"))

from repositories import Repository, needs_git

pytestmark = needs_git


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "shop")
    made.commit("Begin", app_py=["one", "two"], **{"web/pay_py": ["three"]})
    return made


def test_it_stamps_the_working_directory(shop: Repository, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.root)
    answer = call("stamp")
    size = (shop.root / "tocsin-stamp.json").stat().st_size
    assert answer.out == f"tocsin-stamp.json: commit {shop.head[:12]}, 2 files, 1 commit, {size:,} bytes\n"
    assert (answer.code, answer.err) == (0, "")
    stamp = json.loads((shop.root / "tocsin-stamp.json").read_text())
    assert stamp["commit"] == shop.head
    assert set(stamp["files"]) == {"app.py", "web/pay.py"}
    assert sorted(path.name for path in shop.root.iterdir()) == [".git", "app.py", "tocsin-stamp.json", "web"]


def test_it_stamps_a_folder_by_its_own_paths(shop: Repository, call: Any) -> None:
    assert call("stamp", str(shop.root / "web")).code == 0
    stamp = json.loads((shop.root / "web/tocsin-stamp.json").read_text())
    assert (stamp["prefix"], set(stamp["files"])) == ("web/", {"pay.py"})


def test_what_is_left_out_is_told(shop: Repository, call: Any, tmp_path: Path) -> None:
    shop.write("app.py", ["changed"])
    answer = call("stamp", str(shop.root))
    assert answer.code == 0
    assert answer.err == "tocsin: left out, since they differ from what is committed: app.py\n"
    shop.git("checkout", "-q", "app.py")
    shop.commit("More", app_py=["one", "two", "three"])
    shop.git("clone", "-q", "--depth", "1", f"file://{shop.root}", str(tmp_path / "shallow"))
    answer = call("stamp", str(tmp_path / "shallow"))
    assert "the clone is shallow" in answer.err
    assert "fetch-depth: 0" in answer.err


def test_without_a_repository_or_git_it_fails_with_a_sentence(
    shop: Repository, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").mkdir()
    answer = call("stamp", str(tmp_path / "plain"))
    assert answer.code == 1
    assert "lies in no git repository" in answer.err
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = call("stamp", str(shop.root))
    assert answer.code == 1
    assert "git is not installed here" in answer.err


def test_a_folder_that_may_not_be_written_or_is_not_there_is_told(call: Any, tmp_path: Path) -> None:
    answer = call("stamp", str(tmp_path / "nowhere"))
    assert answer.code == 1
    assert answer.err.startswith("tocsin: ")
    assert "Traceback" not in answer.err
