"""A notice goes in; the HTML part of a mail leaves: one file, no remote content, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import tzinfo
from html import escape
from typing import Final

from tocsin.event.limits import DETAILED_ISSUES, MAIL_HTML_BYTES
from tocsin.event.model import Event
from tocsin.event.notice import Notice, Reason
from tocsin.render.facts import Fact
from tocsin.render.lead_up import lead_up, lead_up_heading
from tocsin.render.story import ERROR_ID, INTRODUCED, Item, Section, Story, story
from tocsin.render.subject import subject
from tocsin.render.trace_html import anchor, spot_html, trace_html

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
p code,dd code{color:#1b1f23}a{color:#0550ae}dd code{white-space:pre-wrap}
.trace{margin:16px 0;padding:10px 12px;background:#f3f4f6;border-radius:6px}
.trace pre{margin:0;padding:0;background:none;border-radius:0}
summary{font:13px/1.5 ui-monospace,Menlo,Consolas,monospace;color:#57606a;cursor:pointer}
.commands{display:block}.commands dt{margin-top:8px}
u{text-decoration:underline 2px #a40e26;text-underline-offset:3px}
@media (min-width:600px){dl{grid-template-columns:6rem minmax(0,1fr);gap:4px 16px}}
@media (prefers-color-scheme:dark){
body{background:#14171a;color:#e6e8ea}h2,li{border-color:#3a4148}
main{border-color:#a9b1ba}.alarm{border-color:#ff6b64}.going{border-color:#e3a034}.calm{border-color:#4cc26a}
.dim,dt,.folded,.heading,.frame,summary{color:#a9b1ba}.error{color:#ff9a94}p code,dd code{color:#e6e8ea}
pre,.trace{background:#1f2429}a{color:#8ab8ff}
u{text-decoration-color:#ff9a94}}
"""
# How a document is made shorter, step by step: whether folded frames are only counted, how many have a traceback.
_LENGTHS: Final = ((False, DETAILED_ISSUES), (True, DETAILED_ISSUES), (True, 4), (True, 2), (True, 1), (True, 0))
_LEFT_OUT: Final = (
    '<p class="dim">Lead-up and traceback are left out here, since mail readers clip long mails; the text part and '
    "tocsin show have them.</p>"
)


def notice_html(notice: Notice, zone: tzinfo | None = None) -> str:
    """Return a whole HTML document; times in ``zone``, else in the system's own.

    The first screen says what, where and how often. It reads at a width of 360 pixels and in dark mode. Where it would
    be longer than readers show, library frames are only counted, and then tracebacks left out, the last ones first.
    """
    told = story(notice, zone)
    document = ""
    has_traces = any(section.trace is not None for section in told.sections)
    for is_brief, traces in _LENGTHS if has_traces else _LENGTHS[:1]:
        cut = [replace(section, trace=None, lead_up=None) for section in told.sections[traces:]]
        shown = replace(told, sections=(*told.sections[:traces], *cut))
        document = _document(notice, shown, subject(notice, zone), is_brief=is_brief, traces=traces)
        if len(document.encode()) <= MAIL_HTML_BYTES:
            break
    return document


def _document(notice: Notice, told: Story, title: str, *, is_brief: bool, traces: int) -> str:
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
    for number, section in enumerate(told.sections):
        if not is_of_one:
            code = f"<code>{escape(section.error_id)}</code>"
            parts.append(f'<h2>{escape(section.headline)}</h2><p class="dim">{code}</p>')
        parts.extend(_section(section, is_brief=is_brief))
        parts.append(_LEFT_OUT if number >= traces else "")
        parts.append(_commands(section.commands))
    parts.append(_commands(told.commands) if told.commands else "")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
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


def _section(section: Section, *, is_brief: bool) -> Iterator[str]:
    yield f'<p class="error">{escape(section.message)}</p>'
    links = {INTRODUCED: section.introduced_url}
    cells = [spot_html(spot) for spot in section.spots]
    cells += [_row(row, links.get(row[0], "")) for row in section.rows if row[0] != ERROR_ID]  # it is told above
    yield f"<dl>{''.join(cells)}</dl>"
    if section.lead_up is not None:
        yield from _lead_up(section.lead_up)
    if section.trace is not None:
        yield from trace_html(section.trace, is_brief=is_brief)


def _rows(rows: Iterable[Fact]) -> str:
    return "<dl>" + "".join(map(_row, rows)) + "</dl>"


def _row(row: Fact, url: str = "") -> str:
    return f"<dt>{escape(row[0])}</dt><dd>{anchor(escape(row[1]), url)}</dd>"


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
