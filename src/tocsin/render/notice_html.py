"""A notice goes in; the HTML part of a mail leaves: one file, no remote content, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from html import escape
from typing import Final

from tocsin.event.model import Event
from tocsin.event.notice import Notice
from tocsin.render import harmless
from tocsin.render.facts import Fact, innermost, source_lines
from tocsin.render.story import Item, Section, story
from tocsin.render.subject import subject
from tocsin.render.traceback import Line, traceback_lines

__all__ = ["notice_html"]

# Readers that drop the style block (some do in forwarded mail) still get headings, lists and preformatted text.
# Preformatted text wraps: scrolling sideways inside a box doesn't work in several mail readers on telephones.
# Contrasts are at least 4.5:1 in both schemes; tests/real/test_pages.py measures them in a browser.
_STYLE: Final = """
:root{color-scheme:light dark}
body{margin:0;padding:16px;background:#fff;color:#1b1f23;font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;
overflow-wrap:anywhere}
main{max-width:50rem;margin:0 auto}
h1,h2{font-size:1.25rem;line-height:1.3;margin:0 0 4px}
h2{font-size:1.1rem;margin-top:32px;padding-top:16px;border-top:1px solid #d0d7de}
p{margin:0 0 12px}.dim,dt,.folded,.heading{color:#57606a}.error{color:#a40e26;font-weight:600}
p.error{white-space:pre-wrap}
ul{list-style:none;margin:16px 0;padding:0}li{margin:0 0 12px}
dl{margin:16px 0}dt{font-size:.85rem}dd{margin:0 0 8px;white-space:pre-wrap}
pre,code{font:13px/1.5 ui-monospace,Menlo,Consolas,monospace}
pre{margin:16px 0;padding:12px;background:#f3f4f6;border-radius:6px;white-space:pre-wrap}
u{text-decoration:underline 2px #a40e26;text-underline-offset:3px}
@media (min-width:600px){dl{display:grid;grid-template-columns:6rem 1fr;gap:4px 16px}dt{padding-top:2px}dd{margin:0}}
@media (prefers-color-scheme:dark){
body{background:#14171a;color:#e6e8ea}h2{border-color:#3a4148}
.dim,dt,.folded,.heading{color:#a9b1ba}.error{color:#ff9a94}pre{background:#1f2429}
u{text-decoration-color:#ff9a94}}
"""


def notice_html(notice: Notice, zone: tzinfo | None = None) -> str:
    """Return a whole HTML document; times in ``zone``, else in the system's own.

    The first screen says what, where and how often. It reads at a width of 360 pixels and in dark mode.
    """
    told = story(notice, zone)
    parts = [f'<h1>{escape(told.headline)}</h1><p class="dim">{escape(told.place)}</p>']
    parts.append(f"<p>{escape(' '.join(told.lead))}</p>")
    if told.items:
        parts.append("".join(_items(told.items, told.items_omitted)))
    for section in told.sections:
        if told.items:
            parts.append(f"<h2>{escape(section.headline)}</h2>")
        parts.extend(_section(section))
    parts.append(_rows(told.commands, "code") if told.commands else "")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">'
        f"<title>{escape(subject(notice, zone))}</title><style>{_STYLE}</style></head>\n"
        "<body><main>\n" + "\n".join(filter(None, parts)) + "\n</main></body></html>\n"
    )


def _items(items: Iterable[Item], omitted: int) -> Iterator[str]:
    yield "<ul>"
    for item in items:
        lines = "".join(f'<br><span class="dim">{escape(text)}</span>' for text in item.lines)
        yield f"<li><strong>{item.count:,}×</strong> {escape(item.name)} <code>{escape(item.prefix)}</code>{lines}</li>"
    yield f'<li class="dim">and {omitted:,} more</li></ul>' if omitted else "</ul>"


def _section(section: Section) -> Iterator[str]:
    yield f'<p class="error">{escape(section.message)}</p>'
    yield _rows(section.rows)
    if section.trace is not None:
        yield from _trace(section.trace)
    yield _rows(section.commands, "code")


def _rows(rows: Iterable[Fact], tag: str = "span") -> str:
    cells = (f"<dt>{escape(label)}</dt><dd><{tag}>{escape(value)}</{tag}></dd>" for label, value in rows)
    return "<dl>" + "".join(cells) + "</dl>"


def _trace(event: Event) -> Iterator[str]:
    if event.exception is None:
        return
    yield "<pre>" + "\n".join(_line(item) for item in traceback_lines(event.exception)) + "</pre>"
    frame = innermost(event.exception)
    around = source_lines(frame) if frame is not None else []
    if frame is not None and around:
        yield f'<p class="dim">{escape(harmless.line(frame.file))}, around line {frame.line}:</p>'
        columns = len(str(around[-1][0]))
        lines = (_source(f"{number:>{columns}}  {text}", is_failing=hit) for number, text, hit in around)
        yield "<pre>" + "\n".join(lines) + "</pre>"


def _source(text: str, *, is_failing: bool) -> str:
    return f"<strong>{escape(text)}</strong>" if is_failing else escape(text)


def _line(item: Line) -> str:
    """Return one line of a traceback; what PEP 657 points at is underlined, as carets would part when it wraps."""
    text = escape(item.text)
    if item.mark is not None:
        start, end = item.mark
        text = f"{escape(item.text[:start])}<u>{escape(item.text[start:end])}</u>{escape(item.text[end:])}"
    if item.style in ("error", "folded", "heading") and item.text:
        text = f'<span class="{item.style}">{text}</span>'
    return escape(item.margin) + text
