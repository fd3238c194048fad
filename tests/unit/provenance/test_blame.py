"""Which commit brought a line: by git, by a stamp, and not at all where it can't be said for sure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Frame
from tocsin.event.notice import Commit
from tocsin.provenance.blame import Blame
from tocsin.provenance.history import Stamped, runs_of_blame, stamp_of
from tocsin.provenance.stamp import STAMP_FILE
from tocsin.provenance.tree import locate

sys.path.append(str(Path(__file__).parent))

from repositories import GIT, Repository, needs_git

pytestmark = needs_git

ONE = ["def pay(order):", "    total = order.total", "    return 1 / total"]
TWO = ["def pay(order):", "    total = order.net", "    return 1 / total"]


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "shop")
    made.commit("Begin", app_py=ONE)
    made.commit("Charge the net amount", app_py=TWO)
    made.git("remote", "add", "origin", "https://ada:hunter2secret@github.com/acme/shop.git")
    return made


def frame(path: Path, line: int, source: str | None = None) -> Frame:
    shown = path.read_text(encoding="utf-8").split("\n")[line - 1] if source is None else source
    return Frame("app", "pay", str(path), line, source=shown)


def asked(repository: Repository, line: int, name: str = "app.py", *, commit: str = "") -> Commit | None:
    return Blame(Scrubber(), has_git=True, source_url="auto").of(frame(repository.root / name, line), commit)


def stamped(folder: Path, *, environ: Mapping[str, str] = os.environ) -> Stamped:
    found = stamp_of(str(folder), Scrubber(), environ)
    (folder / STAMP_FILE).write_text(found.text, encoding="ascii")
    return found


def shipped(repository: Repository, to: Path, inner: str = ".") -> Path:
    """Move a folder to where there is no `.git`, as an image has it."""
    (repository.root / inner).rename(to)
    for left in (to / ".git",):
        if left.exists():
            left.rename(to.with_name("was.git"))
    return to


def test_git_names_the_commit_its_time_its_subject_and_its_page(shop: Repository) -> None:
    found = asked(shop, 2)
    assert found == Commit(
        shop.head,
        datetime(2026, 1, 1, 13, tzinfo=UTC),
        "Charge the net amount",
        f"https://github.com/acme/shop/commit/{shop.head}",
    )
    first = asked(shop, 1)
    assert first is not None
    assert first.subject == "Begin"


def test_the_stamp_says_the_same_as_git(shop: Repository, tmp_path: Path) -> None:
    by_git = [asked(shop, line) for line in (1, 2, 3)]
    made = stamped(shop.root)
    assert (made.files, made.commits, made.changed, made.is_shallow) == (1, 2, (), False)
    folder = shipped(shop, tmp_path / "image")
    blame = Blame(Scrubber(), has_git=False, source_url="auto")
    assert [blame.of(frame(folder / "app.py", line), made.commit) for line in (1, 2, 3)] == by_git


def test_a_stamp_beside_git_saves_running_it(shop: Repository) -> None:
    stamped(shop.root)
    blame = Blame(Scrubber(), has_git=False)
    assert blame.of(frame(shop.root / "app.py", 2), shop.head) is not None
    shop.commit("Later", other_py=["x"])
    assert Blame(Scrubber(), has_git=False).of(frame(shop.root / "app.py", 2), "") is None, "it is out of date"
    assert asked(shop, 2) is not None


def test_neither_names_a_person(shop: Repository) -> None:
    assert "Ada" not in str(asked(shop, 2)) + stamped(shop.root).text
    assert "ada@" not in str(asked(shop, 2)) + stamped(shop.root).text


def test_no_secret_leaves_by_a_subject_or_by_the_remote(shop: Repository) -> None:
    head = shop.commit("Set password=Tr0ub4dor&3 for the mailer", app_py=[*TWO, "x = 1"])
    made = stamped(shop.root)
    told = str(asked(shop, 4)) + made.text
    assert head in told
    assert "Tr0ub4dor" not in told
    assert "hunter2secret" not in told
    assert "password=[masked" in told


def test_a_secret_in_a_stamp_that_somebody_else_wrote_does_not_leave(shop: Repository, tmp_path: Path) -> None:
    made = stamped(shop.root)
    text = made.text.replace("Charge the net amount", "password=Tr0ub4dor&3").replace(
        "https://github.com/acme/shop", "https://ada:hunter2secret@github.com/acme/shop"
    )
    folder = shipped(shop, tmp_path / "image")
    (folder / STAMP_FILE).write_text(text)
    found = Blame(Scrubber(), has_git=False, source_url="auto").of(frame(folder / "app.py", 2), "")
    assert found is not None
    assert "Tr0ub4dor" not in found.subject
    assert found.url == f"https://github.com/acme/shop/commit/{found.id}"


def test_a_line_that_nobody_committed_is_nobodys(shop: Repository) -> None:
    shop.write("app.py", [*TWO, "boom()"])
    assert asked(shop, 4) is None
    shop.write("app.py", [TWO[0], "    total = order.gross", TWO[2]])
    assert asked(shop, 2) is None
    assert asked(shop, 1) is not None


def test_a_file_that_nobody_committed_is_nobodys(shop: Repository) -> None:
    shop.write("new.py", ["x"])
    assert asked(shop, 1, "new.py") is None


def test_the_commit_that_ran_is_asked_not_the_one_that_is_there_now(shop: Repository) -> None:
    """Between failing and telling somebody has deployed."""
    ran, then = shop.head, frame(shop.root / "app.py", 2)
    shop.commit("Move it down", app_py=["", "", *TWO])
    found = Blame(Scrubber(), has_git=True).of(then, ran)
    assert found is not None
    assert found.id == ran
    assert Blame(Scrubber(), has_git=True).of(then, "") is None, "the line is another one now"
    assert Blame(Scrubber(), has_git=True).of(then, "f" * 40) is None, "of a commit that isn't there"


def test_the_beginning_of_the_commit_is_enough(shop: Repository) -> None:
    assert asked(shop, 2, commit=shop.head[:12]) is not None
    assert asked(shop, 2, commit="0123456") is None


def test_a_masked_line_is_known_again(shop: Repository) -> None:
    head = shop.commit("Log in", app_py=['connect(password="hunter2hunter2")'])
    shown = Scrubber().frame(frame(shop.root / "app.py", 1))
    assert "hunter2" not in shown.source
    found = Blame(Scrubber(), has_git=True).of(shown, head)
    assert found is not None
    assert found.id == head


def test_paths_are_taken_from_the_root_wherever_the_process_runs(
    shop: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = shop.commit("Deep", **{"web/pay_py": ["x = 1"]})
    monkeypatch.chdir(shop.root / "web")
    found = asked(shop, 1, "web/pay.py")
    assert found is not None
    assert found.id == head
    assert stamped(shop.root / "web").files == 1


def test_work_trees_and_submodules_have_their_own_history(shop: Repository, tmp_path: Path) -> None:
    shop.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    linked = Repository(tmp_path / "linked")
    head = linked.commit("Elsewhere", app_py=["three"])
    found = asked(linked, 1)
    assert found is not None
    assert found.id == head
    lib = Repository(tmp_path / "lib")
    head = lib.commit("Library", lib_py=["x"])
    shop.git("submodule", "add", "-q", str(lib.root), "vendor/lib")
    found = asked(shop, 1, "vendor/lib/lib.py")
    assert found is not None
    assert found.id == head


def test_a_shallow_clone_does_not_put_old_lines_down_to_its_oldest_commit(shop: Repository, tmp_path: Path) -> None:
    shop.commit("Newest", app_py=[*TWO, "last()"])
    shop.commit("Newest of all", app_py=[*TWO, "last()", "more()"])
    shop.git("clone", "-q", "--depth", "2", f"file://{shop.root}", str(tmp_path / "shallow"))
    clone = Repository(tmp_path / "shallow")
    found = asked(clone, 5)
    assert found is not None
    assert found.subject == "Newest of all"
    assert asked(clone, 1) is None
    made = stamped(clone.root)
    assert made.is_shallow
    assert made.commits == 1
    image = shipped(clone, tmp_path / "image")
    blame = Blame(Scrubber(), has_git=False)
    assert blame.of(frame(image / "app.py", 1), made.commit) is None
    assert blame.of(frame(image / "app.py", 5), made.commit) is not None


def test_repositories_of_sha256_work(tmp_path: Path) -> None:
    other = Repository(tmp_path / "other", "--object-format=sha256")
    head = other.commit("Begin", app_py=["one"])
    by_git = asked(other, 1)
    assert by_git is not None
    assert by_git.id == head
    stamped(other.root)
    folder = shipped(other, tmp_path / "image")
    assert Blame(Scrubber(), has_git=False, source_url="auto").of(frame(folder / "app.py", 1), head) == by_git


def test_commits_that_only_reformat_are_looked_through(shop: Repository) -> None:
    """By the file that GitHub and GitLab know; one that names what isn't there is passed over."""
    brought = shop.head
    head = shop.commit("Reformat", app_py=[TWO[0], TWO[1].replace(" = ", "=  "), TWO[2]])
    found = asked(shop, 2)
    assert found is not None
    assert found.id == head
    shop.write(".git-blame-ignore-revs", [head])
    found = asked(shop, 2)
    assert found is not None
    assert found.id == brought
    shop.write(".git-blame-ignore-revs", ["not a commit"])
    found = asked(shop, 2)
    assert found is not None
    assert found.id == head


def test_git_is_run_only_so_often(shop: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BLAMES_PER_HOUR", 2)
    blame = Blame(Scrubber(), has_git=True)
    found = [blame.of(frame(shop.root / "app.py", line), "") for line in (1, 1, 1, 2, 3)]
    assert [each is not None for each in found] == [True, True, True, True, False], "one that is known is not asked"


def test_without_git_or_without_leave_nothing_is_run(shop: Repository, tmp_path: Path) -> None:
    line = frame(shop.root / "app.py", 2)
    assert Blame(Scrubber(), has_git=False).of(line, "") is None
    assert Blame(Scrubber(), has_git=True, environ={"PATH": str(tmp_path)}).of(line, "") is None


def test_a_git_that_hangs_is_given_up(shop: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "bin/git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\necho $$ > " + str(tmp_path / "pid") + "\nexec sleep 300\n")
    slow.chmod(0o755)
    monkeypatch.setattr(limits, "BLAME_S", 1.0)
    environ = {"PATH": f"{slow.parent}:{os.environ['PATH']}"}
    assert Blame(Scrubber(), has_git=True, environ=environ).of(frame(shop.root / "app.py", 2), "") is None
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_git_that_answers_nonsense_is_passed_over(shop: Repository, tmp_path: Path) -> None:
    mad = tmp_path / "bin/git"
    mad.parent.mkdir()
    for answer in ("", "x", f"{'0' * 40} 2 2 1\\n\\t{TWO[1]}", f"{'a' * 40} 2 2 1\\ncommitter-time 99e99\\n\\tother"):
        mad.write_text(f"#!/bin/sh\nprintf '{answer}'\n")
        mad.chmod(0o755)
        blame = Blame(Scrubber(), has_git=True, environ={"PATH": f"{mad.parent}:{os.environ['PATH']}"})
        assert blame.of(frame(shop.root / "app.py", 2), "") is None


@pytest.mark.skipif(not hasattr(os, "chown") or os.geteuid() != 0, reason="needs root, to give files away")
def test_a_tree_that_another_user_has_checked_out_is_read(shop: Repository) -> None:
    """As most are that a server runs; git by itself refuses to look into them."""
    for path in (shop.root, *shop.root.rglob("*")):
        os.chown(path, 4711, 4711)
    plain = subprocess.run([GIT, "blame", "app.py"], cwd=shop.root, env={"PATH": os.environ["PATH"]}, check=False,
                           capture_output=True, text=True, timeout=60)  # fmt: skip
    assert "dubious ownership" in plain.stderr
    assert asked(shop, 2) is not None
    assert stamp_of(str(shop.root), Scrubber(), os.environ).files == 1


# -- stamps ------------------------------------------------------------------------------------------------------


def test_a_part_of_a_repository_is_stamped_by_its_own_paths(tmp_path: Path) -> None:
    shop = Repository(tmp_path / "mono")
    shop.commit("Begin", **{"services/shop/app_py": ONE, "other_py": ["x"]})
    made = stamped(shop.root / "services/shop")
    assert made.files == 1
    assert json.loads(made.text)["prefix"] == "services/shop/"
    folder = shipped(shop, tmp_path / "app", "services/shop")
    assert Blame(Scrubber(), has_git=False).of(frame(folder / "app.py", 1), made.commit) is not None


def test_a_stamped_folder_within_another_repository_is_its_own(shop: Repository, tmp_path: Path) -> None:
    """Such as that of a home folder's configuration."""
    made = stamped(shop.root)
    home = Repository(tmp_path / "home")
    home.commit("Dotfiles", bashrc_py=["x"])
    folder = shipped(shop, home.root / "shop")
    tree = locate(str(folder / "app.py"))
    assert tree is not None
    assert (tree.commit, tree.root) == (made.commit, str(folder))
    assert Blame(Scrubber(), has_git=False).of(frame(folder / "app.py", 1), made.commit) is not None


def test_a_file_that_differs_from_the_committed_one_is_left_out_and_told(shop: Repository) -> None:
    shop.write("app.py", [*TWO, "debug()"])
    assert stamped(shop.root).changed == ("app.py",)
    assert stamped(shop.root).files == 0


def test_other_ends_of_lines_are_no_difference(shop: Repository, tmp_path: Path) -> None:
    (shop.root / "app.py").write_bytes("\r\n".join([*TWO, ""]).encode())
    made = stamped(shop.root)
    assert made.files == 1
    folder = shipped(shop, tmp_path / "image")
    line = frame(folder / "app.py", 2, source=TWO[1])
    assert Blame(Scrubber(), has_git=False).of(line, made.commit) is not None


def test_a_file_that_was_changed_after_the_stamp_is_nobodys(shop: Repository, tmp_path: Path) -> None:
    made = stamped(shop.root)
    folder = shipped(shop, tmp_path / "image")
    (folder / "app.py").write_text("\n".join(["import os", *TWO]))
    blame = Blame(Scrubber(), has_git=False)
    assert [blame.of(frame(folder / "app.py", line), made.commit) for line in (1, 2, 3)] == [None, None, None]


def test_an_event_of_another_commit_than_the_stamps_is_nobodys(shop: Repository, tmp_path: Path) -> None:
    stamped(shop.root)
    folder = shipped(shop, tmp_path / "image")
    assert Blame(Scrubber(), has_git=False).of(frame(folder / "app.py", 1), "f" * 40) is None


def test_a_stamp_is_the_same_whenever_it_is_made(shop: Repository) -> None:
    """So that a layer of an image stays as it is."""
    assert stamped(shop.root).text == stamped(shop.root).text


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "null", "x" * 100, '{"schema": 2, "commit": "a"}', '{"schema": 1, "commit": 7}',
        '{"schema": 1, "commit": "HEAD"}', '{"schema": 1, "commit": "%s", "prefix": "../../"}' % ("a" * 40),
        '{"schema": 1, "commit": "%s",\n' % ("a" * 40), "[" * 100_000,
    ],
)  # fmt: skip
def test_a_bad_stamp_is_told_once_and_passed_over(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / STAMP_FILE).write_text(text)
    (tmp_path / "app.py").write_text("x\n")
    for _ in range(3):
        assert Blame(Scrubber(), has_git=False).of(frame(tmp_path / "app.py", 1), "") is None
    said = capsys.readouterr().err
    if text.endswith(",\n"):
        return  # its first line is whole; what it lacks shows when a line is asked for
    assert said.count(f"{tmp_path / STAMP_FILE} is passed over") == 1


@pytest.mark.parametrize(
    ("part", "by"),
    [
        ('"commits":[', '"commits":[7,'),
        ('"1 0 1 1 1 0"', '"1 9 1 9 1 9"'),
        ('"1 0 1 1 1 0"', '"1 0 1"'),
        ('"1 0 1 1 1 0"', '"x"'),
        ('"1 0 1 1 1 0"', "7"),
        ('"files":{', '"files":[],"x":{'),
        ("1767268800", "1e99"),
        ("1767268800", '"x"'),
        ("]}\n", ""),
    ],
)
def test_a_stamp_with_a_bad_part_is_passed_over(
    part: str, by: str, shop: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = stamped(shop.root)
    assert part in made.text
    folder = shipped(shop, tmp_path / "image")
    (folder / STAMP_FILE).write_text(made.text.replace(part, by))
    found = Blame(Scrubber(), has_git=False).of(frame(folder / "app.py", 1), made.commit)
    assert found is None or isinstance(found.id, str)
    assert capsys.readouterr().err.count("is passed over") <= 1


def test_a_stamp_that_was_formatted_anew_is_read(shop: Repository, tmp_path: Path) -> None:
    made = stamped(shop.root)
    folder = shipped(shop, tmp_path / "image")
    (folder / STAMP_FILE).write_text(json.dumps(json.loads(made.text), indent=2))
    assert Blame(Scrubber(), has_git=False).of(frame(folder / "app.py", 1), made.commit) is not None


def test_compiled_files_alone_are_taken_as_stamped(shop: Repository, tmp_path: Path) -> None:
    made = stamped(shop.root)
    folder = shipped(shop, tmp_path / "image")
    line = replace(frame(folder / "app.py", 2), source="")
    (folder / "app.py").unlink()
    assert Blame(Scrubber(), has_git=False).of(line, made.commit) is not None


def test_runs_of_an_incremental_blame_are_sorted_by_line() -> None:
    a, b = "a" * 40, "b" * 40
    answer = (
        f"{b} 1 3 1\nsummary two\ncommitter-time 7\nfilename x\n{a} 1 1 2\nsummary one\ncommitter-time x\nfilename x\n"
    )
    found = runs_of_blame(answer.encode())
    assert [(first, number, each.subject) for first, number, each in found] == [(1, 2, "one"), (3, 1, "two")]
