"""A notice goes in; the HTML part of a mail leaves: one file, no remote content, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from html import escape
from typing import Final

from tocsin.event.model import Event
from tocsin.event.notice import Notice, Reason
from tocsin.render import harmless
from tocsin.render.facts import Fact, innermost, source_lines
from tocsin.render.lead_up import lead_up, lead_up_heading
from tocsin.render.story import ERROR_ID, Item, Section, story
from tocsin.render.subject import subject
from tocsin.render.traceback import Line, traceback_lines

__all__ = ["notice_html"]

# Readers that drop the style block (some do in forwarded mail) still get headings, lists and preformatted text.
# Preformatted text wraps: scrolling sideways inside a box doesn't work in several mail readers on telephones.
# Contrasts are at least 4.5:1 in both schemes; tests/real/test_pages.py measures them in a browser.
_TONES: Final[dict[Reason, str]] = {
    "new": "alarm",
    "comeback": "alarm",
    "summary": "alarm",
    "update": "going",
    "digest": "going",
    "quiet": "calm",
    "over": "calm",
    "alive": "calm",
    "check": "calm",
}
_STYLE: Final = """
:root{color-scheme:light dark}
body{margin:0;padding:12px 16px 24px;background:#fff;color:#1b1f23;
font:16px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
main{max-width:50rem;margin:0 auto;border-top:4px solid #57606a;padding-top:12px}
.alarm{border-color:#c8102e}.going{border-color:#b06a00}.calm{border-color:#1a7f37}
h1{font-size:1.3rem;line-height:1.25;margin:0 0 4px}
h2{font-size:1.1rem;line-height:1.3;margin:32px 0 4px;padding-top:16px;border-top:1px solid #d0d7de}
p{margin:0 0 12px}.dim,dt,.folded,.heading,.frame{color:#57606a}
.error{color:#a40e26;font-weight:600}p.error{white-space:pre-wrap}
ul{list-style:none;margin:16px 0;padding:0}li{margin:0;padding:10px 0;border-top:1px solid #d0d7de}
li strong{font-size:1.1rem}li .dim{font-size:.9rem}
dl{margin:12px 0;display:grid;grid-template-columns:4.75rem minmax(0,1fr);gap:4px 10px}
dt{font-size:.85rem;padding-top:2px}dd{margin:0;white-space:pre-wrap}
pre,code{font:13px/1.5 ui-monospace,Menlo,Consolas,monospace}
pre{margin:16px 0;padding:10px 12px;background:#f3f4f6;border-radius:6px;white-space:pre-wrap}
p code{color:#1b1f23}.commands{display:block}.commands dt{margin-top:8px}
u{text-decoration:underline 2px #a40e26;text-underline-offset:3px}
@media (min-width:600px){dl{grid-template-columns:6rem minmax(0,1fr);gap:4px 16px}}
@media (prefers-color-scheme:dark){
body{background:#14171a;color:#e6e8ea}h2,li{border-color:#3a4148}
main{border-color:#a9b1ba}.alarm{border-color:#ff6b64}.going{border-color:#e3a034}.calm{border-color:#4cc26a}
.dim,dt,.folded,.heading,.frame{color:#a9b1ba}.error{color:#ff9a94}p code{color:#e6e8ea}pre{background:#1f2429}
u{text-decoration-color:#ff9a94}}
"""


def notice_html(notice: Notice, zone: tzinfo | None = None) -> str:
    """Return a whole HTML document; times in ``zone``, else in the system's own.

    The first screen says what, where and how often. It reads at a width of 360 pixels and in dark mode.
    """
    told = story(notice, zone)
    is_of_one = bool(told.sections) and not told.items
    error_id = f" · <code>{escape(told.sections[0].error_id)}</code>" if is_of_one else ""
    parts = [f'<h1>{escape(told.headline)}</h1><p class="dim">{escape(told.place)}{error_id}</p>']
    lead = escape(" ".join(told.lead))
    parts.append(f"<p><strong>{lead}</strong></p>" if is_of_one else f"<p>{lead}</p>")
    if told.opening:  # not first, as in the text part: a long traceback would fill a telephone's first screen
        parts.append(f"<pre>{escape(told.opening)}</pre>")
    parts.append(_rows(told.rows) if told.rows else "")
    if told.items:
        parts.append("".join(_items(told.items, told.items_omitted)))
    for section in told.sections:
        if not is_of_one:
            code = f"<code>{escape(section.error_id)}</code>"
            parts.append(f'<h2>{escape(section.headline)}</h2><p class="dim">{code}</p>')
        parts.extend(_section(section))
    parts.append(_commands(told.commands) if told.commands else "")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">'
        f"<title>{escape(subject(notice, zone))}</title><style>{_STYLE}</style></head>\n"
        f'<body><main class="{_tone(notice)}">\n' + "\n".join(filter(None, parts)) + "\n</main></body></html>\n"
    )


def _tone(notice: Notice) -> str:
    if notice.activity is not None and notice.activity.lost:
        return "alarm"
    return _TONES[notice.reason]


def _items(items: Iterable[Item], omitted: int) -> Iterator[str]:
    yield "<ul>"
    for item in items:
        lines = "".join(f'<br><span class="dim">{escape(text)}</span>' for text in item.lines)
        # Where the lines have an error id, its first part need not be repeated.
        prefix = "" if any(item.prefix in text for text in item.lines) else f" <code>{escape(item.prefix)}</code>"
        yield f"<li><strong>{item.count:,}×</strong> {escape(item.name)}{prefix}{lines}</li>"
    yield f'<li class="dim">and {omitted:,} more</li></ul>' if omitted else "</ul>"


def _section(section: Section) -> Iterator[str]:
    yield f'<p class="error">{escape(section.message)}</p>'
    yield _rows(row for row in section.rows if row[0] != ERROR_ID)  # it stands below the headline
    if section.lead_up is not None:
        yield from _lead_up(section.lead_up)
    if section.trace is not None:
        yield from _trace(section.trace)
    yield _commands(section.commands)


def _rows(rows: Iterable[Fact]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in rows) + "</dl>"


def _commands(rows: Iterable[Fact]) -> str:
    # Below their labels: in a column beside them a telephone breaks them at hyphens.
    cells = (f"<dt>{escape(label)}</dt><dd><code>{escape(value)}</code></dd>" for label, value in rows)
    return '<dl class="commands">' + "".join(cells) + "</dl>"


def _lead_up(event: Event) -> Iterator[str]:
    said = lead_up(event)
    if not said:
        return
    yield f'<p class="dim">{escape(lead_up_heading(event))}</p>'
    # Without columns: on a telephone they would leave the message half a line.
    lines = (f'<span class="folded">{escape(f"{line.away} {line.level}")}</span> {escape(line.text)}' for line in said)
    yield "<pre>" + "\n".join(lines) + "</pre>"


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
    if item.style in ("error", "folded", "heading", "frame") and item.text:
        text = f'<span class="{item.style}">{text}</span>'
    return escape(item.margin) + text
