"""A repository and a question go in; git's answer leaves, asked so that nothing of the repository's own is run.

A repository's configuration may name programs: filters, text converters, a file system monitor, hooks, helpers for
remotes. Whoever can write it is trusted no further than `checkout.checkout_at` says, so all of that is switched off:

- always by a revision, never by the work tree's files, for which filters (``filter.*.clean``) would be run;
- ``--no-textconv``, ``core.fsmonitor=false``, no hooks, no pager, no system's and no user's configuration;
- no transport is allowed: a partial clone would fetch what it lacks, by programs that its configuration names;
- the repository is named (``--git-dir``), not searched for, so ``safe.directory`` is not asked: files are often
  checked out by another user than the server's, and whose they may be has been looked at. From within the work tree
  git would take paths from its own working directory on, so it goes to the root first.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

from tocsin.provenance.checkout import Checkout
from tocsin.provenance.program import output_of, path_of

__all__ = ["Git", "git_found"]

_OVERRIDES: Final = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    f"core.attributesFile={os.devnull}",
    "core.pager=cat",
    "blame.ignoreRevsFile=",
    "protocol.allow=never",
    "diff.external=",
    "gc.auto=0",
    "maintenance.auto=false",
)
_ENVIRON: Final = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "GIT_ASKPASS": "",
    "HOME": os.devnull,  # git before 2.32 knows no GIT_CONFIG_GLOBAL
    "XDG_CONFIG_HOME": os.devnull,
    "LC_ALL": "C",
}
_PASSED_ON: Final = ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP")


class Git:
    """Ask git of one repository. Thread-safe."""

    def __init__(self, program: str, checkout: Checkout, root: str, environ: Mapping[str, str]) -> None:
        """``program`` is git's absolute path; ``root`` the work tree's."""
        place = root or "/"
        self._begin: tuple[str, ...] = (program, "-C", place, "--no-pager", f"--git-dir={checkout.git_folder}")
        self._begin += (f"--work-tree={place}", *(part for each in _OVERRIDES for part in ("-c", each)))
        self._environ = {name: environ[name] for name in _PASSED_ON if name in environ} | _ENVIRON

    def ask(self, arguments: Sequence[str], *, timeout_s: float, max_bytes: int) -> bytes | None:
        """Return what git answers, None where it fails or takes too long."""
        return output_of((*self._begin, *arguments), self._environ, timeout_s=timeout_s, max_bytes=max_bytes)


def git_found(environ: Mapping[str, str]) -> str:
    """Return where git is, "" where there is none."""
    return path_of("git", environ)
