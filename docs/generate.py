"""Write the reference pages that are made from the code: `python docs/generate.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tocsin.cli.manual import manual
from tocsin.config.reference import reference
from tocsin.event import limits
from tocsin.sinks.registry import sections

REFERENCE: Final = Path(__file__).parent / "reference"

_LIMITS_OPENING: Final = """\
# Limits

<!-- Generated from the code by `python docs/generate.py`; change `src/tocsin/event/limits.py` instead. -->

Every bound of tocsin. Nothing in an event or in a process grows past these; what is cut says so, what is dropped is
counted. A name's ending is its unit: `_S` seconds, `_BYTES`, `_CHARS`; the others are numbers of things. They are not
settings; where a setting exists, the bound here is its default.
"""
_SECTION: Final = re.compile(r"# -- (?P<title>.+?) -+")
_BOUND: Final = re.compile(r"(?P<name>[A-Z_]+): Final = [^#]+(?:# (?P<comment>.+))?")


def limits_page() -> str:
    """Return the page of bounds: name, value and comment, by the sections of the source."""
    return "".join([_LIMITS_OPENING, *_limit_rows(Path(limits.__file__).read_text(encoding="utf-8"))])


def _limit_rows(source: str) -> Iterator[str]:
    for line in source.splitlines():
        if section := _SECTION.fullmatch(line):
            yield f"\n## {section['title'].capitalize()}\n\n| name | value | what it bounds |\n| --- | --- | --- |\n"
        elif bound := _BOUND.fullmatch(line):
            name = bound["name"]
            yield f"| `{name}` | {getattr(limits, name):,} | {bound['comment'] or ''} |\n".replace("|  |", "| |")


def settings_page() -> str:
    """Return the page of settings."""
    return reference(sections())


PAGES: Final[Mapping[Path, Callable[[], str]]] = {
    REFERENCE / "settings.md": settings_page,
    REFERENCE / "limits.md": limits_page,
    REFERENCE / "commands.md": manual,
}

if __name__ == "__main__":
    for page, text in PAGES.items():
        page.write_text(text(), encoding="utf-8")
