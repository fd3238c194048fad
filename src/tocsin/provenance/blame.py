"""A line of a file goes in; the commit that brought it leaves, from a build stamp or from git, or None.

It is asked when a notice is made, by the thread that sends it, never by the one that failed. What can't be said for
sure is not said: a line that reads otherwise than it did when it failed, one that nobody has committed, one that a
shallow clone has no history of.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from tocsin.complaints import complain
from tocsin.event import limits
from tocsin.event.masking.marks import MASK
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Frame
from tocsin.event.notice import Commit
from tocsin.provenance.blob import blob_ids
from tocsin.provenance.checkout import is_commit, shallow_commits
from tocsin.provenance.files import read_bounded
from tocsin.provenance.forge import commit_template
from tocsin.provenance.git import Git, git_found
from tocsin.provenance.program import is_startable
from tocsin.provenance.stamp import commit_in
from tocsin.provenance.tree import Tree, locate, path_within
from tocsin.system.interrupts import let_through

__all__ = ["IGNORED_REVISIONS", "Blame", "line_of_blame"]

_HOUR_S: Final = 3_600.0
_ANSWER_BYTES: Final = 1_048_576
IGNORED_REVISIONS: Final = ".git-blame-ignore-revs"  # the name that GitHub, GitLab and Gitea know
_IGNORED_BYTES: Final = 262_144
_MASK_START: Final = MASK.rstrip("]")  # what follows says of which sort it was


class Blame:
    """Say which commit brought the line of a frame. Thread-safe without a lock: its tables change by single steps."""

    def __init__(
        self,
        scrubber: Scrubber,
        *,
        has_git: bool,
        commit_url: str = "",
        source_url: str = "",
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """``has_git``: git may be run where no stamp tells. The two URLs are those of the settings."""
        self._scrubber = scrubber
        self._has_git = has_git
        self._commit_url = commit_url
        self._source_url = source_url
        self._environ = environ
        self._known: dict[tuple[str, int, str, str], Commit | None] = {}
        self._asked_at: list[float] = []

    def of(self, frame: Frame, commit: str) -> Commit | None:
        """Return which commit brought the line that a frame of ``commit`` (as the event has it) is at. Never raises."""
        key = (frame.file, frame.line, commit, frame.source)
        if key in self._known:
            return self._known[key]
        try:
            found = self._found(frame, commit)
        except Exception as fault:  # noqa: BLE001 - a notice without it is better than none
            let_through(fault)
            complain("provenance", f"blame: a line's commit can't be found out: {type(fault).__name__}", fault)
            found = None
        if len(self._known) >= limits.BLAMED_LINES:
            self._known.clear()
        self._known[key] = found
        return found

    def _found(self, frame: Frame, commit: str) -> Commit | None:
        if not frame.file or frame.file.startswith("<") or frame.line < 1:
            return None
        tree = locate(frame.file)
        path = "" if tree is None else path_within(tree.root or "/", frame.file)
        if tree is None or not path:
            return None
        found = None
        is_of_tree = tree.commit.startswith(commit)  # the setting may have its beginning only
        if tree.stamp and is_of_tree:
            found = self._stamped(tree, path, frame)
        if found is None and tree.checkout is not None and (is_of_tree or is_commit(commit)) and self._may_ask():
            found = self._asked(tree, path, frame, tree.commit if is_of_tree else commit)
        return None if found is None else self._told(found, tree)

    def _stamped(self, tree: Tree, path: str, frame: Frame) -> Commit | None:
        data = read_bounded(frame.file, limits.SOURCE_FILE_BYTES)
        if data is not None:
            lines = data.decode("utf-8", "replace").split("\n")
            if frame.line > len(lines) or not self._is_same(lines[frame.line - 1], frame.source):
                return None
        # Where the source was left out of the image, as compiled files allow, there is nothing to compare.
        return commit_in(tree.stamp, path, frame.line, {} if data is None else blob_ids(data))

    def _may_ask(self) -> bool:
        now = time.monotonic()
        self._asked_at = [at for at in self._asked_at if now - at < _HOUR_S]
        if not self._has_git or len(self._asked_at) >= limits.BLAMES_PER_HOUR or not is_startable():
            return False
        self._asked_at.append(now)
        return True

    def _asked(self, tree: Tree, path: str, frame: Frame, revision: str) -> Commit | None:
        program = git_found(self._environ)
        if not program or tree.checkout is None:
            return None
        git = Git(program, tree.checkout, tree.root, self._environ)
        end = time.monotonic() + limits.BLAME_S
        ignored = f"{tree.root}/{IGNORED_REVISIONS}"
        asides = [("--ignore-revs-file", ignored)] if read_bounded(ignored, _IGNORED_BYTES) is not None else []
        for aside in (*asides, ()):  # one that names a commit which isn't there makes git fail
            options = ("blame", "--porcelain", "--no-textconv", "--root", "--encoding=UTF-8", *aside)
            place = (f"-L{frame.line},{frame.line}", revision, "--", path)
            answer = git.ask((*options, *place), timeout_s=end - time.monotonic(), max_bytes=_ANSWER_BYTES)
            if answer is not None:
                break
        found, source = line_of_blame(answer or b"")
        if found is None or not self._is_same(source, frame.source) or found.id in shallow_commits(tree.checkout):
            return None
        return found

    def _is_same(self, line: str, shown: str) -> bool:
        """Tell whether a line is the one that a report shows, masked and cut; one without its source could be any."""
        if not shown:
            return False
        start, mask, _ = shown.partition(_MASK_START)
        masked = self._scrubber.source(line.rstrip())
        return masked == shown or bool(mask and start.strip() and masked.startswith(start))

    def _told(self, found: Commit, tree: Tree) -> Commit:
        subject = self._scrubber.text(found.subject.partition("\n")[0].strip(), limits.SUBJECT_CHARS)
        url = commit_template(self._commit_url, self._source_url, tree.remote).replace("{commit}", found.id)
        return replace(found, subject=subject, url=self._scrubber.url(url) if url else "")


def line_of_blame(answer: bytes) -> tuple[Commit | None, str]:
    """Return (commit, the line's text) of what ``git blame --porcelain`` says of one line; see git-blame(1)."""
    head, tab, text = answer.decode("utf-8", "replace").partition("\n\t")
    rows = head.split("\n")
    commit = rows[0].partition(" ")[0]
    if not tab or not is_commit(commit) or not commit.strip("0"):  # all zeros: not committed yet
        return None, ""
    members = dict(row.partition(" ")[::2] for row in rows[1:])
    try:
        at = datetime.fromtimestamp(int(members.get("committer-time", "")), UTC)
    except (ValueError, OverflowError, OSError):
        at = None
    return Commit(commit, at, members.get("summary", "")), text.partition("\n")[0]
