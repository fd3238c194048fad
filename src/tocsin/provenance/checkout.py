"""A folder goes in; what its `.git` says leaves: the commit that is checked out, and where it was cloned from.

Files are read, git is never run. A work tree's `.git` is a folder, or a file that names one (a linked work tree, a
submodule): gitrepository-layout(5). Nothing here raises.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from tocsin import system
from tocsin.event import limits
from tocsin.provenance.files import owner_of, read_bounded, text_of

__all__ = ["Checkout", "checkout_at", "is_commit", "shallow_commits"]

_HEX: Final = "0123456789abcdef"
_LENGTHS: Final = (40, 64)  # of ids by SHA-1 and by SHA-256
_HEAD_BYTES: Final = 4_096
_SYMBOLIC_DEPTH: Final = 5  # of a ref that names a ref, as git itself has it


class Checkout(NamedTuple):
    """Hold what a `.git` says. ``git_folder`` is the work tree's own, ``common_folder`` what linked ones share."""

    commit: str
    git_folder: str
    common_folder: str

    def origin(self) -> str:
        """Return the address that the remote `origin` has, as it is written there: it may hold a password."""
        return _origin(f"{self.common_folder}/config")


def checkout_at(folder: str) -> Checkout | None:
    """Return what the `.git` of just this folder says, None where there is none or it says nothing that is understood.

    One that belongs to somebody else than root, this user and the folder's owner is left aside: in a folder that
    everybody may write to, anybody could have put it there.
    """
    path = f"{folder}/.git"
    owner = owner_of(path)
    if owner is None and not os.path.exists(path):  # noqa: PTH110 - plain texts, as all paths here
        return None
    if owner is not None and owner not in (0, system.user_id(), owner_of(folder)):
        return None
    git_folder = path if os.path.isdir(path) else _named_by(path, folder)  # noqa: PTH112
    if not git_folder:
        return None
    shared = text_of(f"{git_folder}/commondir", _HEAD_BYTES)
    common = os.path.normpath(os.path.join(git_folder, shared)) if shared else git_folder  # noqa: PTH118
    commit = _resolved("HEAD", git_folder, common)
    return Checkout(commit, git_folder, common) if commit else None


def is_commit(text: str) -> bool:
    """Tell whether a text is a whole commit id, in lower case."""
    return len(text) in _LENGTHS and not text.strip(_HEX)


def shallow_commits(checkout: Checkout) -> frozenset[str]:
    """Return the commits at which a shallow clone ends: a line is not theirs only because nothing older is there."""
    return frozenset(text_of(f"{checkout.common_folder}/shallow", limits.SHALLOW_BYTES).split())


def _named_by(file: str, folder: str) -> str:
    word, _, path = text_of(file, _HEAD_BYTES).partition(":")
    if word != "gitdir" or not path.strip():
        return ""
    return os.path.normpath(os.path.join(folder, path.strip()))  # noqa: PTH118


def _resolved(name: str, git_folder: str, common: str) -> str:
    for _ in range(_SYMBOLIC_DEPTH):
        text = text_of(f"{git_folder}/{name}", _HEAD_BYTES)
        if not text and git_folder != common:
            text = text_of(f"{common}/{name}", _HEAD_BYTES)
        if not text:
            return _packed(name, common)
        if is_commit(text):
            return text
        word, _, name = text.partition(":")
        name = name.strip()
        if word != "ref" or not _is_ref(name):
            return ""
    return ""


def _is_ref(name: str) -> bool:
    """Tell whether a name leads to no other folder than that of refs; see git-check-ref-format(1)."""
    return name.startswith("refs/") and ".." not in name and not any(sign < "!" or sign in "\x7f\\" for sign in name)


def _packed(name: str, common: str) -> str:
    """Return what `packed-refs` says: a line each, the commit's id, a space and the name."""
    data = b"\n" + (read_bounded(f"{common}/packed-refs", limits.PACKED_REFS_BYTES) or b"")
    at = data.find(b" " + os.fsencode(name) + b"\n")
    if at < 0:
        return ""
    found = data[data.rfind(b"\n", 0, at) + 1 : at].decode("ascii", "replace")
    return found if is_commit(found) else ""


def _origin(config: str) -> str:
    """Return the first ``url`` of the section ``[remote "origin"]``; see git-config(1)."""
    is_within = False
    for line in os.fsdecode(read_bounded(config, limits.GIT_CONFIG_BYTES) or b"").splitlines():
        text = line.strip()
        if text.startswith("["):
            is_within = text.removeprefix("[").removesuffix("]").split() == ["remote", '"origin"']
            continue
        name, sign, value = text.partition("=")
        if is_within and sign and name.strip().lower() == "url":
            return value.strip().strip('"')
    return ""
