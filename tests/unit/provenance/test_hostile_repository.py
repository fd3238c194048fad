"""A repository whose configuration names programs: none of them is run when its lines are asked for or stamped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Frame
from tocsin.provenance.blame import Blame
from tocsin.provenance.history import stamp_of
from tocsin.provenance.tree import locate

sys.path.append(str(Path(__file__).parent))

from repositories import GIT, Repository, needs_git

pytestmark = [needs_git, pytest.mark.skipif(os.name == "nt", reason="shell scripts")]

LINES = ["def pay():", "    return 1 / 0"]


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """Return a program that leaves a file for each time it is run."""
    path = tmp_path / "trap"
    path.write_text(f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/ran\ncat "$1" 2>/dev/null\nexit 0\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def shop(tmp_path: Path, trap: Path) -> Repository:
    made = Repository(tmp_path / "shop")
    made.commit("Begin", app_py=LINES)
    made.write(".gitattributes", ["*.py diff=evil filter=evil merge=evil"])
    made.git("add", ".gitattributes")
    made.git("commit", "-q", "-m", "Attributes")
    for name in (
        *("core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.askPass", "core.gitProxy"),
        *("core.alternateRefsCommand", "diff.external", "diff.evil.textconv", "diff.evil.command"),
        *("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "merge.evil.driver", "credential.helper"),
        *("gpg.program", "pager.blame", "uploadpack.packObjectsHook", "sequence.editor", "trace2.eventTarget"),
    ):
        made.git("config", name, str(trap))
    made.git("config", "alias.blame", f"!{trap} alias")
    made.git("config", "alias.ls-tree", f"!{trap} alias")
    made.git("config", "core.hooksPath", str(tmp_path / "hooks"))
    made.git("config", "filter.evil.required", "true")
    made.git("config", "log.showSignature", "true")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "fsmonitor-watchman", "post-checkout", "reference-transaction", "pre-auto-gc"):
        (hooks / name).symlink_to(trap)
    os.utime(made.root / "app.py", (0, 0))  # so that the index takes it for changed
    return made


def ran(tmp_path: Path) -> str:
    path = tmp_path / "ran"
    return path.read_text() if path.exists() else ""


def test_a_plain_blame_would_run_programs(shop: Repository, tmp_path: Path) -> None:
    """Without this the tests below would prove nothing."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    arguments = [GIT, "blame", "--porcelain", "-L1,1", "app.py"]
    subprocess.run(arguments, cwd=shop.root, env=environ, capture_output=True, timeout=60, check=False)
    assert ran(tmp_path)


def test_asking_for_a_line_runs_nothing(shop: Repository, tmp_path: Path) -> None:
    shop.write("app.py", ["", *LINES])  # changed as well: filters are for what is in the work tree
    found = Blame(Scrubber(), has_git=True).of(Frame("app", "pay", str(shop.root / "app.py"), 2, LINES[1]), "")
    assert found is not None
    assert found.subject == "Begin"
    assert ran(tmp_path) == ""


def test_stamping_runs_nothing(shop: Repository, tmp_path: Path) -> None:
    assert stamp_of(str(shop.root), Scrubber(), os.environ).files == 1
    assert ran(tmp_path) == ""


def test_looking_for_the_commit_runs_nothing(shop: Repository, tmp_path: Path) -> None:
    tree = locate(str(shop.root / "app.py"))
    assert tree is not None
    assert ran(tmp_path) == ""


def test_variables_of_the_process_bring_nothing_along(
    shop: Repository, tmp_path: Path, trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a user's own configuration, nor a repository that GIT_DIR names."""
    (tmp_path / ".gitconfig").write_text(f'[core]\n\tfsmonitor = {trap}\n[diff "evil"]\n\ttextconv = {trap}\n')
    for name, value in {
        "HOME": str(tmp_path),
        "GIT_DIR": "/nonexistent",
        "GIT_WORK_TREE": "/nonexistent",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(trap),
        "GIT_EXTERNAL_DIFF": str(trap),
        "GIT_PAGER": str(trap),
        "GIT_TRACE": str(tmp_path / "ran"),
        "GIT_EXEC_PATH": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    frame = Frame("app", "pay", str(shop.root / "app.py"), 2, LINES[1])
    assert Blame(Scrubber(), has_git=True, environ=os.environ).of(frame, "") is not None
    assert ran(tmp_path) == ""


@pytest.mark.parametrize("remote", ["ext::{trap} %S", "ssh://example.invalid/shop", "evil::x", "vcs"])
def test_a_partial_clone_fetches_nothing(remote: str, tmp_path: Path, trap: Path) -> None:
    """Git fetches what such a clone lacks, by programs that its configuration names."""
    origin = Repository(tmp_path / "origin")
    origin.commit("Begin", app_py=LINES)
    origin.commit("Change", app_py=[*LINES, "pay()"])
    origin.git("config", "uploadpack.allowFilter", "true")
    origin.git("clone", "-q", "--filter=blob:none", f"file://{origin.root}", str(tmp_path / "partial"))
    partial = Repository(tmp_path / "partial")
    partial.git("config", "remote.origin.url", remote.format(trap=trap))
    for name in ("protocol", "protocol.ext", "protocol.ssh", "protocol.evil"):
        partial.git("config", f"{name}.allow", "always")
    partial.git("config", "core.sshCommand", str(trap))
    if remote == "vcs":
        partial.git("config", "remote.origin.vcs", "evil")
    (tmp_path / "git-remote-evil").symlink_to(trap)
    environ = {"PATH": f"{os.environ['PATH']}:{tmp_path}"}
    frame = Frame("app", "pay", str(partial.root / "app.py"), 1, LINES[0])
    assert Blame(Scrubber(), has_git=True, environ=environ).of(frame, "") is None
    assert ran(tmp_path) == ""
    arguments = [GIT, "blame", "-L1,1", "HEAD", "--", "app.py"]
    subprocess.run(arguments, cwd=partial.root, env=environ, capture_output=True, timeout=60, check=False)
    assert ran(tmp_path), "a plain blame runs them"
