"""Write the reference pages that are made from the code: `python docs/generate.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tocsin.cli.manual import manual
from tocsin.config.reference import reference
from tocsin.event import limits
from tocsin.sinks.shown import sections
from tocsin.testing import HOSTILE, SinkContract

REFERENCE: Final = Path(__file__).parent / "reference"

_LIMITS_OPENING: Final = """\
# Limits

<!-- Generated from the code by `python docs/generate.py`; change `src/tocsin/event/limits.py` instead. -->

Every bound of tocsin. Nothing in an event or in a process grows past these; what is cut says so, what is dropped is
counted. A name's ending is its unit: `_S` seconds, `_BYTES`, `_CHARS`; the others are numbers of things. They are not
settings; where a setting exists, the bound here is its default.
"""
_CONTRACT_OPENING: Final = """\
# The contract of sinks

<!-- Generated from the code by `python docs/generate.py`; change `src/tocsin/testing/` instead. -->

`tocsin.testing.SinkContract` runs these cases on a sink and its real destination. Each number means one case for
ever; a sink that can't keep one says so, with the reason, in `skips` and in its documentation. How to run it on a sink
of your own: [own sinks](../how-to/own-sink.md).

## Hostile events

What is handed over has to be accepted, and has to arrive.

| number | name | what it is |
| --- | --- | --- |
"""
_CONTRACT_BEHAVIOUR: Final = """
## Behaviour

| number | name | what has to hold |
| --- | --- | --- |
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


def contract_page() -> str:
    """Return the page of the cases that every sink has to pass."""
    events = (f"| {case.number} | {case.name.replace('_', ' ')} | {case.why} |\n" for case in HOSTILE)
    return "".join([_CONTRACT_OPENING, *events, _CONTRACT_BEHAVIOUR, *_behaviour_rows()])


def _behaviour_rows() -> Iterator[str]:
    for name, test in sorted(vars(SinkContract).items()):
        number = re.match(r"test_(5\d)_(.+)", name)
        if number:
            yield f"| {number[1]} | {number[2].replace('_', ' ')} | {test.__doc__} |\n"


def settings_page() -> str:
    """Return the page of settings."""
    return reference(sections())


PAGES: Final[Mapping[Path, Callable[[], str]]] = {
    REFERENCE / "settings.md": settings_page,
    REFERENCE / "limits.md": limits_page,
    REFERENCE / "sink-contract.md": contract_page,
    REFERENCE / "commands.md": manual,
}

if __name__ == "__main__":
    for page, text in PAGES.items():
        page.write_text(text(), encoding="utf-8")
