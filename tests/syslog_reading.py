"""Bytes of a syslog server go in; RFC 5424 messages leave, read as strictly as the grammar (§6) says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Message", "octet_counted", "parse"]

_HEADER = re.compile(
    rb"<(?P<pri>0|[1-9]\d{0,2})>1 (?P<timestamp>-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d))"
    rb" (?P<hostname>[!-~]{1,255}) (?P<app_name>[!-~]{1,48}) (?P<procid>[!-~]{1,128}) (?P<msgid>[!-~]{1,32}) "
)
_SD_ID = re.compile(rb"\[([!#-<>-\\^-~]{1,32})(?=[ \]])")  # no blank, quote, = or ]
_PARAM = re.compile(rb' ([!#-<>-\\^-~]{1,32})="((?:[^"\\\]]|\\["\\\]])*)"')
_LENGTH = re.compile(rb"([1-9]\d*) ")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Message:
    """Hold the parts of a message."""

    facility: int
    severity: int
    timestamp: str
    hostname: str
    app_name: str
    procid: str
    msgid: str
    data: dict[str, dict[str, str]]
    text: str
    has_bom: bool


def parse(raw: bytes) -> Message:
    """Return the parts of one message. Raises ValueError for whatever the grammar forbids, or a control character."""
    header = _HEADER.match(raw)
    if header is None:
        raise ValueError(f"no header: {raw[:80]!r}")
    priority = int(header["pri"])
    if priority > 191:
        raise ValueError("no such priority")
    parts = {name: value.decode("ascii") for name, value in header.groupdict().items()}
    if parts["timestamp"] != "-":
        datetime.fromisoformat(parts["timestamp"])
    data, rest = _structured_data(raw[header.end() :])
    if rest and not rest.startswith(b" "):
        raise ValueError(f"no blank behind structured data: {rest[:20]!r}")
    has_bom = rest.startswith(b" \xef\xbb\xbf")
    text = rest[1:].decode("utf-8-sig" if has_bom else "utf-8")
    if _CONTROL.search(text) or any(_CONTROL.search(value) for params in data.values() for value in params.values()):
        raise ValueError("a control character")
    del parts["pri"]
    return Message(priority // 8, priority % 8, **parts, data=data, text=text, has_bom=has_bom)


def octet_counted(stream: bytes) -> list[bytes]:
    """Return the messages of a stream by RFC 6587 §3.4.1. Raises ValueError for anything between or behind them."""
    out = []
    while stream:
        length = _LENGTH.match(stream)
        if length is None:
            raise ValueError(f"no length: {stream[:20]!r}")
        end = length.end() + int(length[1])
        if end > len(stream):
            raise ValueError("the stream ends within a message")
        out.append(stream[length.end() : end])
        stream = stream[end:]
    return out


def _structured_data(raw: bytes) -> tuple[dict[str, dict[str, str]], bytes]:
    if raw.startswith(b"-"):
        return {}, raw[1:]
    data: dict[str, dict[str, str]] = {}
    while raw.startswith(b"["):
        element = _SD_ID.match(raw)
        if element is None:
            raise ValueError(f"no structured data: {raw[:40]!r}")
        params: dict[str, str] = {}
        at = element.end()
        while param := _PARAM.match(raw, at):
            value = re.sub(rb'\\(["\\\]])', rb"\1", param[2])
            params[param[1].decode("ascii")] = value.decode("utf-8")
            at = param.end()
        if raw[at : at + 1] != b"]":
            raise ValueError(f"structured data is not closed: {raw[at : at + 40]!r}")
        data[element[1].decode("ascii")] = params
        raw = raw[at + 1 :]
    if not data:
        raise ValueError("no structured data")
    return data, raw
