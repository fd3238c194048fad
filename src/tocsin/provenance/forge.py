"""A forge's name or a URL template goes in; links to lines and commits leave.

The forms of the forges are those that their documentation gives for permanent links; where a forge is not listed, its
template is written out (docs/how-to/source-links.md).
"""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple
from urllib.parse import quote

from tocsin.event import limits
from tocsin.provenance.tree import path_within

__all__ = ["FORGES", "Links", "commit_template", "parse_commit_url", "parse_source_url", "source_template"]


class _Forge(NamedTuple):
    source: str
    commit: str


FORGES: Final = {
    "github": _Forge("/blob/{commit}/{path}#L{line}", "/commit/{commit}"),
    "gitlab": _Forge("/-/blob/{commit}/{path}#L{line}", "/-/commit/{commit}"),
    "gitea": _Forge("/src/commit/{commit}/{path}#L{line}", "/commit/{commit}"),
    "forgejo": _Forge("/src/commit/{commit}/{path}#L{line}", "/commit/{commit}"),
    "bitbucket": _Forge("/src/{commit}/{path}#lines-{line}", "/commits/{commit}"),
}
_HOSTS: Final = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "codeberg.org": "forgejo",
    "gitea.com": "gitea",
    "bitbucket.org": "bitbucket",
}
AUTO: Final = "auto"
_SOURCE_NAMES: Final = ("commit", "path", "line", "end_line", "release")
_COMMIT_NAMES: Final = ("commit", "release")
# Compiled when they are used first: most applications have no links, and all of them start.
_PLACE: Final = r"\{([^{}]*)\}"
_START: Final = r"https?://(?P<place>[^/?#]+)"


def parse_source_url(value: object) -> str:
    """Parse where links to lines lead: a template, a forge's name, ``auto``, or nothing. Raises ValueError."""
    if isinstance(value, str) and value.strip().lower() in ("", AUTO, *FORGES):
        return value.strip().lower()
    return _template(value, _SOURCE_NAMES, f"or one of {', '.join((AUTO, *FORGES))}", ("path",))


def parse_commit_url(value: object) -> str:
    """Parse where links to commits lead: a template, or nothing. Raises ValueError."""
    if isinstance(value, str) and not value.strip():
        return ""
    return _template(value, _COMMIT_NAMES, "with {commit}", ("commit",))


def source_template(chosen: str, remote: str) -> str:
    """Return the template of links to lines; "" where the forge can't be told from the remote's address."""
    return chosen if "://" in chosen else _derived(chosen, remote, is_commit=False)


def commit_template(chosen: str, source_url: str, remote: str) -> str:
    """Return the template of links to commits: the one chosen, else that of the forge of ``source_url``."""
    return chosen or ("" if "://" in source_url else _derived(source_url, remote, is_commit=True))


class Links:
    """Make links to the lines of one source tree. Thread-safe: it only adds to a bounded table of folders.

    Law: a link is made for files within the tree only, and for none of a tree within it (a submodule, a vendored
    checkout) or of installed packages.
    """

    def __init__(self, template: str, root: str, *, commit: str, prefix: str = "", release: str = "") -> None:
        """``template`` is one that `source_template` returns; without the commit that it wants there are no links.

        ``root`` is the tree's folder, ``prefix`` what leads to it from the repository's root.
        """
        self._root = root.rstrip("/")
        known = {"commit": commit, "release": quote(release, safe="")}
        needed = {name for name in re.findall(_PLACE, template) if name in known}
        self._template = template if all(known[name] for name in needed) else ""
        for name in needed:
            self._template = self._template.replace(f"{{{name}}}", known[name])
        self._prefix = prefix
        self._folders: dict[str, str | None] = {}

    def to(self, file: str, line: int, end_line: int | None = None) -> str:
        """Return the link to a line, "" where there is none."""
        if not self._template or file.startswith("<") or len(file) > limits.PATH_CHARS * 4:
            return ""
        if not os.path.isabs(file) and not os.path.exists(file):  # noqa: PTH110, PTH117 - a template's name is no path
            return ""
        folder, name = os.path.split(file)
        within = self._folders.get(folder, "?")
        if within == "?":
            within = self._within(folder)
            if len(self._folders) >= limits.CACHED_FOLDERS:
                self._folders.clear()
            self._folders[folder] = within
        if within is None:
            return ""
        parts = {"path": quoted_path(f"{within}{name}"), "line": str(line), "end_line": str(end_line or line)}
        return re.sub(_PLACE, lambda match: parts.get(match[1], match[0]), self._template)

    def _within(self, folder: str) -> str | None:
        """Return what leads to a folder from the repository's root, with a slash at its end; None for one elsewhere."""
        inner = path_within(self._root or "/", os.path.join(folder, "."))  # noqa: PTH118
        absolute = os.path.abspath(folder or ".")  # noqa: PTH100
        is_root = os.path.realpath(absolute) == os.path.realpath(self._root or "/")
        if not inner and not is_root:
            return None
        parts = inner.split("/") if inner else []
        for number in range(1, len(parts) + 1):
            if os.path.exists("/".join((self._root, *parts[:number], ".git"))):  # noqa: PTH110
                return None
        return self._prefix + "".join(f"{part}/" for part in parts)


def quoted_path(path: str) -> str:
    """Return a path percent-encoded (RFC 3986), by the bytes that its file system has for it."""
    return quote(os.fsencode(path))


def _derived(name: str, remote: str, *, is_commit: bool) -> str:
    if not name:
        return ""
    from tocsin.provenance.address import address_of  # only for those who asked for it

    address = address_of(remote)
    if address is None:
        return ""
    forge = FORGES.get(_HOSTS.get(address.host, "") if name == AUTO else name)
    if forge is None:
        return ""
    # What a base says is no placeholder: `address_of` lets no brace through.
    return address.base + (forge.commit if is_commit else forge.source)


def _template(value: object, names: tuple[str, ...], other: str, needed: tuple[str, ...]) -> str:
    example = "must be a URL such as https://git.example.org/shop/blob/{commit}/{path}#L{line}"
    if "path" not in names:
        example = "must be a URL such as https://git.example.org/shop/commit/{commit}"
    text = value.strip() if isinstance(value, str) else ""
    start = re.match(_START, text)
    if start is None or len(text) > limits.PATH_CHARS or not text.isprintable() or " " in text:
        raise ValueError(f"{example}, {other}")
    if "@" in start["place"]:
        raise ValueError("must hold no user and no password: whoever gets a report reads its links")
    if "{" in start["place"] or "}" in start["place"]:
        raise ValueError("must have no placeholder for its host")
    found = re.findall(_PLACE, text)
    if unknown := [name for name in found if name not in names]:
        raise ValueError(f"has no value for {{{unknown[0]}}}; known are {', '.join(f'{{{name}}}' for name in names)}")
    if missing := [name for name in needed if name not in found]:
        raise ValueError(
            f"must hold {{{missing[0]}}}, or every link is the same; known are "
            f"{', '.join(f'{{{name}}}' for name in names)}"
        )
    return text
