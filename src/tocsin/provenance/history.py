"""A folder of a work tree goes in; the text of its build stamp leaves: which commit brought each line that is shipped.

Run at build time, where `.git` and git are at hand. Only what is committed is described, and only where the file on
disk is the committed one. Subjects are masked; no name and no mail address of a person is read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tocsin.event import limits
from tocsin.event.errors import StoreError
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.notice import Commit
from tocsin.provenance.address import address_of
from tocsin.provenance.blame import IGNORED_REVISIONS
from tocsin.provenance.blob import SHOWN, blob_ids
from tocsin.provenance.checkout import Checkout, checkout_at, is_commit, shallow_commits
from tocsin.provenance.files import read_bounded
from tocsin.provenance.git import Git, git_found
from tocsin.provenance.stamp import Head
from tocsin.provenance.stamp_text import StampedFile, dump_stamp

__all__ = ["Stamped", "runs_of_blame", "stamp_of"]

_SUFFIXES: Final = frozenset(
    [
        ".py",
        ".pyw",
        ".pyx",
        ".html",
        ".htm",
        ".jinja",
        ".jinja2",
        ".j2",
        ".tmpl",
        ".tpl",
        ".mako",
        ".pt",
        ".txt",
        ".xml",
    ]
)
_TIMEOUT_S: Final = 60.0
_ANSWER_BYTES: Final = 67_108_864
_WORKERS: Final = 4
_REGULAR: Final = ("100644", "100755")
_COMMITTER: Final = re.compile(rb"^committer .*> (\d+) [+-]\d{4}$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Stamped:
    """Hold a stamp's text and what is to be said of it. ``changed`` are files that differ from the committed ones."""

    text: str
    commit: str
    files: int
    commits: int
    changed: tuple[str, ...]
    is_shallow: bool


@dataclass(frozen=True, slots=True)
class _Listed:
    """One committed file: its path from the repository's root on, and its blob's id."""

    path: str
    blob: str


def stamp_of(folder: str, scrubber: Scrubber, environ: Mapping[str, str]) -> Stamped:
    """Return the stamp of a folder. Raises StoreError where there is no repository or no git, or git fails."""
    root, checkout = _checkout_above(os.path.abspath(folder))  # noqa: PTH100
    program = git_found(environ)
    if not program:
        raise StoreError("git is not installed here, or not in PATH; run `tocsin stamp` where the image is built")
    prefix = os.path.relpath(folder, root or "/").replace(os.sep, "/") + "/"
    prefix = "" if prefix == "./" else prefix
    git = Git(program, checkout, root or "/", environ)
    listed = _listed(git, checkout.commit, prefix)
    contents, changed = _contents(root, listed)
    blames = _blames(git, root, checkout.commit, [each.path for each in listed if each.path in contents])
    commits: dict[str, int] = {}
    told: list[Commit] = []
    unknown = shallow_commits(checkout)
    files = {}
    for path, runs in blames.items():
        numbered = _numbered(runs, commits, told, unknown, scrubber)
        blob = blob_ids(contents[path])[SHOWN[len(checkout.commit)]]
        files[path[len(prefix) :]] = StampedFile(blob, numbered)
    address = address_of(checkout.origin())
    remote = "" if address is None else scrubber.url(address.base)
    text = dump_stamp(Head(checkout.commit, prefix, remote), _time(git, checkout.commit), files, told)
    if len(text) > limits.STAMP_BYTES:
        raise StoreError(f"the stamp would have {len(text):,} bytes, at most {limits.STAMP_BYTES:,}; stamp a subfolder")
    return Stamped(text, checkout.commit, len(files), len(told), tuple(changed), bool(unknown))


def runs_of_blame(answer: bytes) -> list[tuple[int, int, Commit]]:
    """Return (first line, number of lines, commit) by line, of what ``git blame --incremental`` says; git-blame(1)."""
    found = []
    known: dict[str, dict[str, str]] = {}
    commit, first, number = "", 0, 0
    for row in answer.decode("utf-8", "replace").split("\n"):
        word, _, rest = row.partition(" ")
        if is_commit(word) and rest.count(" ") == 2:
            _, first, number = map(int, rest.split(" "))
            commit = word
            known.setdefault(commit, {})
        elif word == "filename" and commit:
            found.append((first, number, commit))
        elif commit:
            known[commit].setdefault(word, rest)
    runs = [(first, number, _commit(each, known[each])) for first, number, each in found]
    return sorted(runs, key=lambda run: run[0])


def _commit(commit: str, members: Mapping[str, str]) -> Commit:
    at = members.get("committer-time", "")
    return Commit(commit, datetime.fromtimestamp(int(at), UTC) if at.isdecimal() else None, members.get("summary", ""))


def _checkout_above(folder: str) -> tuple[str, Checkout]:
    root = folder.rstrip("/")
    while True:
        found = checkout_at(root)
        if found is not None:
            return root, found
        above = os.path.dirname(root or "/").rstrip("/")  # noqa: PTH120
        if above == root:
            raise StoreError(f"{folder} lies in no git repository; run `tocsin stamp` where `.git` is at hand")
        root = above


def _listed(git: Git, commit: str, prefix: str) -> list[_Listed]:
    place = ("--", prefix) if prefix else ()
    answer = _require(git.ask(("ls-tree", "-r", "-z", commit, *place), timeout_s=_TIMEOUT_S, max_bytes=_ANSWER_BYTES))
    listed = []
    for row in answer.split(b"\0"):
        head, _, name = row.partition(b"\t")
        mode, _, blob = head.decode("ascii", "replace").partition(" blob ")
        path = os.fsdecode(name)
        if mode in _REGULAR and os.path.splitext(path)[1].lower() in _SUFFIXES:  # noqa: PTH122
            listed.append(_Listed(path, blob.strip()))
    if len(listed) > limits.STAMP_FILES:
        raise StoreError(f"there are {len(listed):,} files, more than {limits.STAMP_FILES:,}; stamp a subfolder")
    return listed


def _contents(root: str, listed: list[_Listed]) -> tuple[dict[str, bytes], list[str]]:
    """Return the files that are on disk as they were committed, but for the ends of their lines, and the others."""
    same, changed = {}, []
    for each in listed:
        data = read_bounded(f"{root}/{each.path}", limits.SOURCE_FILE_BYTES)
        if data is None or b"\0" in data:
            continue  # left out of the build, or nothing with lines
        ids = (blob_ids(found).values() for found in (data, data.replace(b"\r\n", b"\n")))
        if any(each.blob.startswith(one) for both in ids for one in both):
            same[each.path] = data
        else:
            changed.append(each.path)
    return same, changed


def _blames(git: Git, root: str, commit: str, paths: list[str]) -> dict[str, list[tuple[int, int, Commit]]]:
    ignored = f"{root}/{IGNORED_REVISIONS}"
    asides = [("--ignore-revs-file", ignored)] if os.path.isfile(ignored) else []  # noqa: PTH113

    def blamed(path: str) -> list[tuple[int, int, Commit]]:
        for aside in (*asides, ()):
            options = ("blame", "--incremental", "--no-textconv", "--root", "--encoding=UTF-8", *aside)
            asked = git.ask((*options, commit, "--", path), timeout_s=_TIMEOUT_S, max_bytes=_ANSWER_BYTES)
            if asked is not None:
                return runs_of_blame(asked)
        raise StoreError(f"git can't say which commits brought the lines of {path}")

    with ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1)) as pool:
        return dict(zip(paths, pool.map(blamed, paths), strict=True))


def _numbered(
    runs: list[tuple[int, int, Commit]],
    commits: dict[str, int],
    told: list[Commit],
    unknown: frozenset[str],
    scrubber: Scrubber,
) -> list[tuple[int, int]]:
    """Return (number of lines, commit's index) without gaps; neighbours of one commit are one run."""
    numbered: list[tuple[int, int]] = []
    for _, number, commit in runs:
        index = -1
        if commit.id not in unknown:
            index = commits.setdefault(commit.id, len(told))
            if index == len(told):
                subject = scrubber.text(commit.subject.strip(), limits.SUBJECT_CHARS)
                told.append(Commit(commit.id, commit.at, subject))
        if numbered and numbered[-1][1] == index:
            numbered[-1] = (numbered[-1][0] + number, index)
        else:
            numbered.append((number, index))
    return numbered


def _time(git: Git, commit: str) -> datetime:
    """Return when a commit was made; not the time of the build, so that the same commit has the same stamp."""
    answer = _require(git.ask(("cat-file", "commit", commit), timeout_s=_TIMEOUT_S, max_bytes=_ANSWER_BYTES))
    match = _COMMITTER.search(answer)
    return datetime.fromtimestamp(int(match[1]) if match else 0, UTC)


def _require(answer: bytes | None) -> bytes:
    if answer is None:
        raise StoreError("git failed, or took longer than a minute; `git status` there may say why")
    return answer
