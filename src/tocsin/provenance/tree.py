"""A path goes in; the source tree that it lies in leaves: its root, the commit, and what tells which commit wrote what.

A tree is known by its `.git`, or by the stamp that `tocsin stamp` left at build time where no `.git` is shipped.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from tocsin.complaints import complain
from tocsin.provenance.checkout import Checkout, checkout_at
from tocsin.provenance.stamp import STAMP_FILE, head_of
from tocsin.system.interrupts import let_through

__all__ = ["Tree", "locate", "path_within"]

_LEVELS: Final = 40
_INSTALLED: Final = ("site-packages", "dist-packages")


class Tree(NamedTuple):
    """Hold where a source tree begins and which commit it is of. ``prefix`` leads from the repository's root to it.

    ``stamp`` is the stamp's path, "" without one; ``checkout`` None without a `.git`. ``remote`` may hold a password
    where it comes from a `.git`: it is for `address.address_of` only.
    """

    root: str
    commit: str
    prefix: str = ""
    remote: str = ""
    stamp: str = ""
    checkout: Checkout | None = None

    @property
    def told_by(self) -> str:
        """Return what names the commit: a path."""
        return f"{self.root}/.git" if self.checkout is not None else self.stamp


def locate(path: str) -> Tree | None:
    """Return the innermost tree that a file or a folder lies in, None where it lies in none. Never raises."""
    try:
        return _located(os.path.abspath(path)) or _located(os.path.realpath(path))  # noqa: PTH100
    except (OSError, ValueError):
        return None
    except Exception as fault:  # noqa: BLE001 - a report without its commit is better than none
        let_through(fault)
        complain("provenance", f"commit: it can't be found out, so set it: {type(fault).__name__}", fault)
        return None


def path_within(tree_root: str, path: str) -> str:
    """Return a path from a tree's root on, with slashes; "" for what lies elsewhere, and for installed packages."""
    named = (os.path.abspath(tree_root), os.path.abspath(path))  # noqa: PTH100
    for root, found in (named, (os.path.realpath(tree_root), os.path.realpath(path))):
        start = root.replace(os.sep, "/").rstrip("/") + "/"
        text = found.replace(os.sep, "/")
        if text.startswith(start):
            rest = text[len(start) :]
            return "" if any(part in _INSTALLED for part in rest.split("/")) else rest
    return ""


def _located(path: str) -> Tree | None:
    """Walk up to a `.git`, past a stamp: one left behind in the work tree that it was made of may be out of date."""
    folder = path if os.path.isdir(path) else os.path.dirname(path)  # noqa: PTH112, PTH120
    stamped: Tree | None = None
    for _ in range(_LEVELS):
        root = folder.rstrip("/")
        stamp = f"{root}/{STAMP_FILE}"
        head = head_of(stamp) if stamped is None else None
        if head is not None:
            stamped = Tree(root, head.commit, head.prefix, head.remote, stamp)
        checkout = checkout_at(root)
        if checkout is not None:
            return _chosen(root, checkout, stamped)
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder:
            break
        folder = above
    return stamped


def _chosen(root: str, checkout: Checkout, stamped: Tree | None) -> Tree:
    own = Tree(root, checkout.commit, "", checkout.origin(), "", checkout)
    if stamped is None:
        return own
    if f"{stamped.root[len(root) + 1 :]}/".lstrip("/") != stamped.prefix:
        return stamped  # what was shipped lies within some other repository, such as that of a home folder
    if stamped.commit != checkout.commit:
        return own
    return own._replace(stamp=stamped.stamp) if stamped.root == root else stamped
