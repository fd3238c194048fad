"""Settings and the application's own file go in; the settings leave with the commit that runs, and where it begins.

The first that is there counts: the setting, the build stamp or `.git` that the file lies beneath, then those of the
working directory, then what a platform says in a variable of its own. A handful of small files is read; no program is
run. What a process is told at its start holds for its whole life, as its code does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tocsin.complaints import complain
from tocsin.config.settings import Settings
from tocsin.provenance.checkout import is_commit
from tocsin.provenance.forge import Links, source_template
from tocsin.provenance.tree import Tree, locate, path_within

__all__ = ["PLATFORM_VARIABLES", "RELEASE_DIGITS", "identified", "links_of"]

RELEASE_DIGITS: Final = 12

#: Variables that platforms document to hold the deployed commit while an application runs.
PLATFORM_VARIABLES: Final = (
    "HEROKU_BUILD_COMMIT",
    "HEROKU_SLUG_COMMIT",
    "RENDER_GIT_COMMIT",
    "RAILWAY_GIT_COMMIT_SHA",
    "VERCEL_GIT_COMMIT_SHA",
)


def identified(settings: Settings, start: str, environ: Mapping[str, str]) -> Settings:
    """Return the settings with ``commit``, ``release`` and ``source_root`` filled in, where they can be known.

    ``start`` is a file of the application's, "" where none is known. A release that is not set is the commit's first
    digits. Never raises.
    """
    if settings.mode != "production":
        return settings
    tree = _tree(settings.source_root, start)
    commit, told_by = settings.commit, settings.sources.get("commit", "")
    if not commit and tree is not None:
        commit, told_by = tree.commit, tree.told_by
    if not commit:
        commit, told_by = _of_platform(environ)
    if not commit:
        return settings
    root, root_by = (_cwd(), "working directory") if tree is None else (tree.root or "/", tree.told_by)
    if settings.source_root:
        root, root_by = settings.source_root, settings.sources.get("source_root", "")
    release, release_by = settings.release, settings.sources.get("release", "")
    if not release:
        release, release_by = commit[:RELEASE_DIGITS], "commit"
    sources = {**settings.sources, "commit": told_by, "release": release_by, "source_root": root_by}
    return replace(settings, commit=commit, release=release, source_root=root, sources=MappingProxyType(sources))


def links_of(settings: Settings) -> Callable[[str, int, int | None], str] | None:
    """Return what makes a link of a file and its line; None where there are none to be."""
    if not settings.source_url or not settings.source_root:
        return None
    tree = locate(settings.source_root)
    template = source_template(settings.source_url, "" if tree is None else tree.remote)
    if not template:
        complain("source_url", f"no links: {_why_none(settings.source_url)}")
        return None
    prefix = ""
    if tree is not None:
        prefix = tree.prefix if tree.root == settings.source_root else _between(tree, settings.source_root)
    links = Links(template, settings.source_root, commit=settings.commit, prefix=prefix, release=settings.release)
    return links.to


def _between(tree: Tree, folder: str) -> str:
    inner = path_within(tree.root or "/", folder)
    return f"{tree.prefix}{inner}/" if inner else tree.prefix


def _why_none(chosen: str) -> str:
    where = f"source_url is {chosen}, and where the repository was cloned from"
    return (
        f"{where} is not known, or is no forge of that name; write the URL out, with {{commit}}, {{path}} and {{line}}"
    )


def _tree(root: str, start: str) -> Tree | None:
    if root:
        return locate(root)
    found = locate(start) if start else None
    # A package of a virtual environment within the work tree is no part of it.
    if found is not None and path_within(found.root or "/", start):
        return found
    return locate(_cwd() or "/")


def _of_platform(environ: Mapping[str, str]) -> tuple[str, str]:
    for name in PLATFORM_VARIABLES:
        value = environ.get(name, "").strip().lower()
        if is_commit(value):
            return value, name
    return "", ""


def _cwd() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed
        return ""
