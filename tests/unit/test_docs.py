"""The documentation: its generated pages are those of this code, its links lead somewhere, its examples parse."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MANUAL = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[a-z-]*)\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (?P<text>.+)$", re.MULTILINE)
PARSERS: Mapping[str, Callable[[str], object]] = {"python": ast.parse, "toml": tomllib.loads, "json": json.loads}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def generated() -> Mapping[Path, Callable[[], str]]:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pages: Mapping[Path, Callable[[], str]] = module.PAGES
    return pages


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        yield match["language"], textwrap.dedent(match["code"])


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return what headings are linked by: lower case, without punctuation, blanks as hyphens."""
    return {re.sub(r"[^\w\- ]", "", match["text"].lower()).replace(" ", "-") for match in HEADING.finditer(prose(page))}


@pytest.mark.parametrize("page", generated(), ids=name)
def test_a_generated_page_is_that_of_this_code(page: Path) -> None:
    """`python docs/generate.py` writes them."""
    assert page.read_text(encoding="utf-8") == generated()[page]()


@pytest.mark.parametrize("page", MANUAL, ids=name)
def test_every_relative_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    """Links to other sites are left to their owners."""
    broken = []
    for match in LINK.finditer(prose(page)):
        path, _, anchor = match["target"].partition("#")
        if path.startswith(("http://", "https://", "mailto:")):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(match["target"])
    assert not broken


@pytest.mark.parametrize("page", MANUAL, ids=name)
def test_every_block_of_code_parses(page: Path) -> None:
    """Python, TOML and JSON; what a terminal shows is text."""
    for language, code in blocks(page):
        parse = PARSERS.get(language)
        if parse is not None:
            parse(code)


@pytest.mark.parametrize("page", MANUAL, ids=name)
def test_every_page_can_be_reached_from_the_index(page: Path) -> None:
    """A page that nothing links to is not read."""
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / match["target"].partition("#")[0]).resolve() for match in LINK.finditer(prose(index))}
    assert page in {index, ROOT / "README.md"} or page.resolve() in linked
