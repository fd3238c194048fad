"""Any text goes in; a tracker's markup leaves, with foreign text within code only, where it can do nothing.

Foreign text is never escaped into prose: each tracker has links, mentions, macros and commands of its own, and plugins
add to them. Within a code block there is but one thing to prevent: its end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from tocsin.render import harmless
from tocsin.render.links import safe_url

__all__ = ["Markup", "code", "link", "row", "word"]

Markup: TypeAlias = Literal["wiki", "markdown", "textile", "jira"]

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.:_+-]")
# Our own keys, quoted by whoever causes the error, must not make this ticket that of another fault.
_OWN_KEY: Final = re.compile(r"\bt([bn])_(?=[0-9a-f]{32})")
_WIKI_FENCE: Final = re.compile(r"^(\s*)(\{\{\{|\}\}\})", re.MULTILINE)
_WIKI_PROCESSOR: Final = re.compile(r"\A(\s*)#!")
_FENCE: Final = re.compile(r"^(\s*)(```+|~~~+)", re.MULTILINE)  # Redcarpet ends a block at any, however it began
_COMMAND: Final = re.compile(r"^(?=/)", re.MULTILINE)  # GitLab's quick actions, such as /close
_TEXTILE_TAG: Final = re.compile(r"<(?=[/!\s]*(?:pre|code|notextile|redpre|kbd|script))", re.IGNORECASE)
_JIRA_MACRO: Final = re.compile(r"\{(?=\s*(?:noformat|code|panel|quote|color))|\[(?=~)", re.IGNORECASE)
_BACKTICKS: Final = re.compile(r"`+")


def code(text: str, markup: Markup) -> str:
    """Return ``text`` as a block of code of its own lines, which nothing in it ends.

    Law: what is between the block's first and last line has no line that the tracker takes for either.
    """
    shown = _OWN_KEY.sub(r"t\1-", harmless.block(text)).strip("\n")
    if markup == "wiki":
        shown = _WIKI_FENCE.sub(lambda match: match[1] + " ".join(match[2]), shown)
        shown = _WIKI_PROCESSOR.sub(r"\1# !", shown)
        return f"{{{{{{\n{shown}\n}}}}}}"
    if markup == "markdown":
        shown = _FENCE.sub(lambda match: match[1] + " ".join(match[2]), shown)
        fence = "`" * max(3, 1 + max((len(run) for run in _BACKTICKS.findall(shown)), default=0))
        return f"{fence}text\n{_COMMAND.sub(' ', shown)}\n{fence}"
    if markup == "textile":
        return f"<pre>\n{_TEXTILE_TAG.sub('< ', shown)}\n</pre>"
    shown = _JIRA_MACRO.sub(r"\g<0> ", shown)
    return f"{{noformat}}\n{shown}\n{{noformat}}"


def word(text: str, markup: Markup) -> str:
    """Return a short text as code within a line; all but ASCII letters, digits and ``.:_+-`` become ``?``."""
    safe = _UNSAFE.sub("?", text)
    marks = {"wiki": ("`", "`"), "markdown": ("`", "`"), "textile": ("@", "@"), "jira": ("{{", "}}")}
    before, after = marks[markup]
    return f"{before}{safe}{after}" if safe else ""


def link(words: str, url: str, markup: Markup) -> str:
    """Return a link of our own ``words``; "" where ``url`` is not one that is safe (see `render.links`).

    Such a URL has nothing that ends a link in any markup: no space, bracket, quote, bar or angle.
    """
    safe = safe_url(url)
    if not safe:
        return ""
    if markup == "markdown":
        return f"[{words}]({safe})"
    if markup == "textile":
        return f'"{words}":{safe.rstrip(".,:;?")}'  # what ends a sentence isn't part of a link there
    return f"[{words}|{safe}]" if markup == "jira" else f"[{safe} {words}]"


def row(cells: Sequence[str], markup: Markup, *, is_heading: bool = False) -> str:
    """Return a table's row; Markdown's heading is two lines. The cells are markup already, without a ``|``."""
    if markup == "wiki":
        return f"||= {' =||= '.join(cells)} =||" if is_heading else f"|| {' || '.join(cells)} ||"
    if markup == "textile":
        return f"|_. {' |_. '.join(cells)} |" if is_heading else f"| {' | '.join(cells)} |"
    if markup == "jira":
        return f"|| {' || '.join(cells)} ||" if is_heading else f"| {' | '.join(cells)} |"
    line = f"| {' | '.join(cells)} |"
    return f"{line}\n|{' --- |' * len(cells)}" if is_heading else line
