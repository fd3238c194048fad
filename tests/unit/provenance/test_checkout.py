"""The commit is read from `.git` by reading files: every form of it that git itself makes, and what is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tocsin import system
from tocsin.event import limits
from tocsin.provenance.checkout import checkout_at, shallow_commits
from tocsin.provenance.tree import locate, path_within

sys.path.append(str(Path(__file__).parent))

from repositories import Repository, needs_git

pytestmark = needs_git


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "shop")
    made.commit("Begin", app_py=["one", "two"])
    return made


def found(folder: Path) -> str:
    checkout = checkout_at(str(folder))
    return "" if checkout is None else checkout.commit


def test_a_branch_is_followed_to_its_commit(shop: Repository) -> None:
    assert found(shop.root) == shop.head


def test_a_branch_with_slashes_and_letters_of_other_scripts_is_followed(shop: Repository) -> None:
    shop.git("checkout", "-q", "-b", "feature/größe")
    shop.commit("More", app_py=["one"])
    assert found(shop.root) == shop.head


def test_packed_refs_are_read(shop: Repository) -> None:
    shop.git("tag", "-a", "v1", "-m", "one")
    shop.git("pack-refs", "--all")
    assert not (shop.root / ".git/refs/heads/main").exists()
    assert found(shop.root) == shop.head


def test_a_loose_ref_is_newer_than_a_packed_one(shop: Repository) -> None:
    shop.git("pack-refs", "--all")
    shop.commit("More", app_py=["one"])
    assert found(shop.root) == shop.head


def test_a_detached_head_is_read(shop: Repository) -> None:
    first = shop.head
    shop.commit("More", app_py=["one"])
    shop.git("checkout", "-q", first)
    assert found(shop.root) == first


def test_a_linked_work_tree_has_a_head_of_its_own(shop: Repository, tmp_path: Path) -> None:
    shop.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    linked = Repository(tmp_path / "linked")
    head = linked.commit("Elsewhere", app_py=["three"])
    assert found(linked.root) == head != shop.head
    shop.git("pack-refs", "--all")
    assert found(linked.root) == head


def test_a_submodule_is_a_tree_of_its_own(shop: Repository, tmp_path: Path) -> None:
    lib = Repository(tmp_path / "lib")
    head = lib.commit("Library", lib_py=["x"])
    shop.git("submodule", "add", "-q", str(lib.root), "vendor/lib")
    shop.commit("Add the library")
    inner = locate(str(shop.root / "vendor/lib/lib.py"))
    assert inner is not None
    assert (inner.commit, inner.root) == (head, str(shop.root / "vendor/lib"))


def test_a_shallow_clone_names_where_it_ends(shop: Repository, tmp_path: Path) -> None:
    shop.commit("More", app_py=["one"])
    shop.git("clone", "-q", "--depth", "1", f"file://{shop.root}", str(tmp_path / "shallow"))
    checkout = checkout_at(str(tmp_path / "shallow"))
    assert checkout is not None
    assert checkout.commit == shop.head
    assert shallow_commits(checkout) == {shop.head}
    whole = checkout_at(str(shop.root))
    assert whole is not None
    assert not shallow_commits(whole)


def test_ids_of_sha256_are_read(tmp_path: Path) -> None:
    other = Repository(tmp_path / "other", "--object-format=sha256")
    head = other.commit("Begin", app_py=["one"])
    assert len(head) == 64
    assert found(other.root) == head


def test_an_empty_repository_and_a_folder_without_one_have_no_commit(tmp_path: Path) -> None:
    Repository(tmp_path / "empty")
    assert found(tmp_path / "empty") == ""
    assert found(tmp_path) == ""


@pytest.mark.parametrize(
    "head",
    [
        "ref: ../../../etc/passwd",
        "ref: refs/../../secret",
        "ref: refs/heads/\0",
        "",
        "x" * 10_000,
        "ref: HEAD",
        "f" * 41,
    ],
)
def test_a_head_that_says_nonsense_is_no_commit(shop: Repository, head: str) -> None:
    (shop.root / ".git/HEAD").write_text(head)
    assert found(shop.root) == ""


def test_refs_that_name_each_other_end(shop: Repository) -> None:
    (shop.root / ".git/refs/heads/main").write_text("ref: refs/heads/other\n")
    (shop.root / ".git/refs/heads/other").write_text("ref: refs/heads/main\n")
    assert found(shop.root) == ""


@pytest.mark.skipif(os.name == "nt", reason="no named pipes")
def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(shop: Repository) -> None:
    (shop.root / ".git/HEAD").unlink()
    os.mkfifo(shop.root / ".git/HEAD")
    assert found(shop.root) == ""


def test_a_huge_file_is_not_read(shop: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.git("pack-refs", "--all")
    monkeypatch.setattr(limits, "PACKED_REFS_BYTES", 10)
    assert found(shop.root) == ""


def test_a_repository_that_a_third_user_put_there_is_left_aside(
    shop: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder like /tmp anybody can make a `.git`, above the application of somebody else."""
    from tocsin.provenance import checkout as module

    owners = {str(shop.root / ".git"): 4711, str(shop.root): 1000}
    monkeypatch.setattr(module, "owner_of", owners.get)
    monkeypatch.setattr(system, "user_id", lambda: 1000)
    assert found(shop.root) == ""
    owners[str(shop.root)] = 4711  # whose folder it is could change the application itself
    assert found(shop.root) == shop.head
    owners[str(shop.root)], owners[str(shop.root / ".git")] = 1000, 0
    assert found(shop.root) == shop.head


def test_the_origin_is_read_from_its_section_only(shop: Repository) -> None:
    shop.git("remote", "add", "fork", "https://git.example.org/fork.git")
    shop.git("remote", "add", "origin", "git@git.example.org:team/shop.git")
    shop.git("config", "branch.main.url", "https://wrong.example.org/x")
    checkout = checkout_at(str(shop.root))
    assert checkout is not None
    assert checkout.origin() == "git@git.example.org:team/shop.git"


def test_a_file_is_located_through_links_and_from_below(shop: Repository, tmp_path: Path) -> None:
    shop.commit("Deep", **{"a/b/c_py": ["x"]})
    (tmp_path / "current").symlink_to(shop.root)
    (tmp_path / "elsewhere.py").symlink_to(shop.root / "app.py")
    for path in (shop.root / "a/b/c.py", tmp_path / "current/a/b/c.py", tmp_path / "elsewhere.py"):
        tree = locate(str(path))
        assert tree is not None
        assert tree.commit == shop.head
    assert path_within(str(tmp_path / "current"), str(tmp_path / "current/a/b/c.py")) == "a/b/c.py"
    assert path_within(str(shop.root), str(shop.root / ".venv/lib/site-packages/x.py")) == ""
    assert path_within(str(shop.root), "/etc/passwd") == ""


def test_what_is_no_path_is_located_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("\0", "", "x" * 100_000, "\udc80"):
        assert locate(path) is None
