"""Secrets whose name is told apart from their value: XML, forms, lists of headers; a text goes in, it leaves masked."""

from __future__ import annotations

import re
from re import Match
from typing import Final

from tocsin.event.entropy import holds_random
from tocsin.event.marks import is_mask
from tocsin.event.quotes import quote_end
from tocsin.event.sensitive import Grade, SensitiveKeys

__all__ = ["mask_named"]

_ELEMENT: Final = re.compile(r"<(?P<name>[\w.:\-]++)[^<>]{0,200}+>(?P<value>[^<]++)<")
# A form's field, or an entry of a list of headers: <input name="csrf" value="…">, {"name": "X-Key", "value": "…"}.
_FIELD_QUOTE: Final = r"(?:\\{0,4}[\"']|&quot;|&\#34;)"
_NAMED: Final = re.compile(
    rf"\b(?:name|key|id){_FIELD_QUOTE}?\s?[=:]\s?{_FIELD_QUOTE}(?P<name>[\w.\-\[\]]{{1,100}}+){_FIELD_QUOTE}"
    rf"[^<>{{}}\n]{{0,200}}?\bvalue{_FIELD_QUOTE}?\s?[=:]\s?(?P<quote>{_FIELD_QUOTE})"
)
_VALUED: Final = re.compile(
    rf"\bvalue{_FIELD_QUOTE}?\s?[=:]\s?(?:(?<=[=:\s])(?P<mark>[\"'])(?P<plain>(?:(?!(?P=mark))[^\\\n]|\\.){{1,1000}}+)(?P=mark)"
    rf"|{_FIELD_QUOTE}(?P<value>[^\"'<>&\\\n]{{1,1000}}+){_FIELD_QUOTE})"
    rf"[^<>{{}}\n]{{0,200}}?\b(?:name|key|id){_FIELD_QUOTE}?\s?[=:]\s?{_FIELD_QUOTE}(?P<name>[\w.\-\[\]]{{1,100}}+)"
    rf"{_FIELD_QUOTE}"
)
_NAMED_VALUE_CHARS: Final = 1_000
# A part of a form with files: its name in one line, its value below an empty one; also as repr() shows it.
_BREAK: Final = r"(?:\r?\n|(?:\\{1,4}r)?\\{1,4}n)"
_FORM_PART: Final = re.compile(
    rf"form-data;[^\n]{{0,100}}?\bname={_FIELD_QUOTE}(?P<name>[\w.\-\[\]]{{1,100}}+){_FIELD_QUOTE}[^\n]{{0,200}}?"
    rf"{_BREAK}(?:[\w\-]{{1,40}}+:[^\n]{{0,200}}?{_BREAK}){{0,4}}{_BREAK}(?P<value>.*?)(?={_BREAK}--|\Z)",
    re.DOTALL,
)


def mask_named(text: str, keys: SensitiveKeys) -> str:
    """Mask elements of XML, fields of forms, and entries that tell name and value apart."""
    if "</" in text:
        text = _ELEMENT.sub(lambda match: _masked_value(match, keys), text)
    if "form-data" in text:
        text = _FORM_PART.sub(lambda match: _masked_value(match, keys), text)
    if "value" in text:
        text = _VALUED.sub(lambda match: _masked_value(match, keys, "plain" if match["plain"] else "value"), text)
        text = _mask_fields(text, keys)
    return text


def _mask_fields(text: str, keys: SensitiveKeys) -> str:
    """Mask the values behind names of fields: each ends where its own quote does."""
    out: list[str] = []
    last = 0
    for match in _NAMED.finditer(text):
        start = match.end()
        if start < last:
            continue
        limit = min(len(text), start + _NAMED_VALUE_CHARS)
        end = quote_end(text, start, match["quote"], limit)
        mask = _mask_under(match["name"], text[start:end], keys)
        if mask:
            out += [text[last:start], mask]
            last = end
    return "".join([*out, text[last:]]) if out else text


def _masked_value(match: Match[str], keys: SensitiveKeys, group: str = "value") -> str:
    value = match[group]
    mask = _mask_under(match["name"].rpartition(":")[2], value, keys)
    start = match.start(group) - match.start()
    return match[0][:start] + mask + match[0][start + len(value) :] if mask else match[0]


def _mask_under(name: str, value: str, keys: SensitiveKeys) -> str:
    """Return what stands for a value of structured data, "" where it stays."""
    held = value.strip(" \t\r\n…")
    grade = keys.structured(name)
    if not held or not grade or is_mask(held) or (grade is Grade.MASKED_IF_RANDOM and not holds_random(held)):
        return ""
    return keys.mask(name)
