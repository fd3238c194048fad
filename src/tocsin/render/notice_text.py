"""A notice goes in; the plain text of a mail leaves."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import tzinfo
from typing import Final

from tocsin.event.notice import Notice
from tocsin.render.facts import table
from tocsin.render.lead_up import lead_up_text
from tocsin.render.spots import spot_rows
from tocsin.render.story import Item, Section, linked_rows, story
from tocsin.render.subject import subject
from tocsin.render.text import trace_text

__all__ = ["notice_text", "subject"]

_COLUMNS: Final = 100


def notice_text(notice: Notice, zone: tzinfo | None = None) -> str:
    """Return the body in full, ending in a newline; times in ``zone``, else in the system's own.

    What, where and how often stand in the first lines. It encodes to UTF-8 whatever the notice holds.
    """
    told = story(notice, zone)
    blocks = [f"{told.headline}\n{told.place}", textwrap.fill(" ".join(told.lead), _COLUMNS)]
    if told.rows:
        blocks.append("\n".join(table(told.rows)))
    if told.items:
        blocks.append("\n".join(_items(told.items, told.items_omitted)))
    if told.opening:
        blocks.insert(0, f"{told.opening}\n\n{'-' * 72}")
    for section in told.sections:
        if told.items:
            blocks.append("-" * 72 + "\n" + section.headline)
        blocks.extend(_section(section))
    if told.commands:
        blocks.append("\n".join(table(told.commands)))
    return "\n\n".join(blocks) + "\n"


def _items(items: tuple[Item, ...], omitted: int) -> Iterator[str]:
    columns = max(len(f"{item.count:,}") for item in items)
    for item in items:
        yield f"{item.count:>{columns},}×  {item.prefix}  {item.name}"
        yield from (" " * (columns + 3) + text for text in item.lines)
    if omitted:
        yield f"{'':{columns}}   and {omitted:,} more"


def _section(section: Section) -> Iterator[str]:
    yield section.message
    yield "\n".join(table([*spot_rows(section.spots), *linked_rows(section)]))
    if section.lead_up is not None:
        yield from lead_up_text(section.lead_up)
    if section.trace is not None:
        yield from trace_text(section.trace)
    yield "\n".join(table(section.commands))
