"""Secrets whose name is told apart from their value: XML, forms, lists of headers; a text goes in, it leaves masked."""

from __future__ import annotations

import re
from re import Match
from typing import Final

from tocsin.event.masking.entropy import holds_random
from tocsin.event.masking.marks import is_mask
from tocsin.event.masking.quotes import quote_end
from tocsin.event.masking.sensitive import Grade, SensitiveKeys

__all__ = ["mask_named"]

# A line's end, also as repr() shows it.
_BREAK: Final = r"(?:\r?\n|(?:\\{1,4}r)?\\{1,4}n)"
_ELEMENT: Final = re.compile(
    r"<(?P<name>[\w.:\-]++)[^<>]{0,200}+>\s{0,80}+(?:<(?:value|string|text)[^<>]{0,100}+>|<!\[CDATA\[)?"
    r"(?P<value>(?:[^<\]]|\](?!\]>))++)(?:\]\]>\s{0,80}+)?<"
)
# XML-RPC's and a property list's: <name>password</name><value><string>…
_MEMBER: Final = re.compile(
    r"<(?P<tag>name|key)>\s?(?P<name>[\w.\-]{1,100}+)\s?</(?P=tag)>\s{0,80}+(?:<(?!/)[\w ]{1,20}+>\s{0,80}+){1,2}+"
    r"(?P<value>[^<]++)<"
)
# Entries of YAML: `- name: PASSWORD`, and its value in the line below.
_ENTRY: Final = re.compile(
    r"\bname:[ \t]{0,4}[\"']?(?P<name>[\w.\-]{1,100}+)[\"']?[ \t]{0,4}\r?\n[ \t]{0,80}+value:[ \t]{0,4}"
    r"(?P<mark>[\"']?)(?P<value>[^\r\n]{1,1000}?)(?P=mark)[ \t]{0,4}(?=\r?\n|\Z)"
)
# What a validator refused: pydantic's line of the field, with the input below; botocore's parameters.
_REFUSED: Final = re.compile(
    rf"(?:\A|{_BREAK})(?P<name>[\w.\-\[\]]{{1,200}}+){_BREAK}[ ]{{2}}[^\n]{{0,400}}?"
    r"input_value=(?P<value>[^\n]{1,1000}?)(?=, input_type=)"
)
_PARAMETER: Final = re.compile(
    r"\bparameter (?P<name>[\w.\-\[\]]{1,200}+), value: (?P<value>[^\n]{1,1000}?)(?=, type: <class )"
)
# A form's field, or an entry of a list of headers: <input name="csrf" value="…">, {"name": "X-Key", "value": "…"}.
_FIELD_QUOTE: Final = r"(?:\\{0,4}[\"']|&quot;|&\#34;)"
_NAME_OF: Final = "(?:[nN]ame|[kK]ey|[iI]d|ParameterKey|ParameterName|OptionName)"
_VALUE_OF: Final = "(?:[vV]alue|ParameterValue)"
_NAMED: Final = re.compile(
    rf"\b{_NAME_OF}{_FIELD_QUOTE}?\s?[=:]\s?{_FIELD_QUOTE}(?P<name>[\w.\-\[\]/:]{{1,100}}+){_FIELD_QUOTE}"
    rf"[^<>{{}}\n]{{0,200}}?\b{_VALUE_OF}{_FIELD_QUOTE}?\s?[=:]\s?(?P<quote>{_FIELD_QUOTE})"
)
_VALUED: Final = re.compile(
    rf"\b{_VALUE_OF}{_FIELD_QUOTE}?\s?[=:]\s?(?:(?<=[=:\s])(?P<mark>[\"'])(?P<plain>(?:(?!(?P=mark))[^\\\n]|\\.){{1,1000}}+)(?P=mark)"
    rf"|{_FIELD_QUOTE}(?P<value>[^\"'<>&\\\n]{{1,1000}}+){_FIELD_QUOTE})"
    rf"[^<>{{}}\n]{{0,200}}?\b{_NAME_OF}{_FIELD_QUOTE}?\s?[=:]\s?{_FIELD_QUOTE}"
    rf"(?P<name>[\w.\-\[\]/:]{{1,100}}+){_FIELD_QUOTE}"
)
_NAMED_VALUE_CHARS: Final = 1_000
# A part of a form with files: its name in one line, its value below an empty one; also as repr() shows it.
_FORM_PART: Final = re.compile(
    rf"form-data;[^\n]{{0,100}}?\bname={_FIELD_QUOTE}(?P<name>[\w.\-\[\]]{{1,100}}+){_FIELD_QUOTE}[^\n]{{0,200}}?"
    rf"{_BREAK}(?:[\w\-]{{1,40}}+:[^\n]{{0,200}}?{_BREAK}){{0,4}}{_BREAK}(?P<value>.*?)(?={_BREAK}--|\Z)",
    re.DOTALL,
)


def mask_named(text: str, keys: SensitiveKeys) -> str:
    """Mask elements of XML, fields of forms, and entries that tell name and value apart."""
    if "</" in text:
        text = _MEMBER.sub(lambda match: _masked_value(match, keys), text)
        text = _ELEMENT.sub(lambda match: _masked_value(match, keys), text)
    if "form-data" in text:
        text = _FORM_PART.sub(lambda match: _masked_value(match, keys), text)
    if "input_value=" in text:
        text = _REFUSED.sub(lambda match: _masked_value(match, keys), text)
    if ", type: <class " in text:
        text = _PARAMETER.sub(lambda match: _masked_value(match, keys), text)
    if "alue" in text:
        if "value:" in text and "\n" in text:
            text = _ENTRY.sub(lambda match: _masked_value(match, keys), text)
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
