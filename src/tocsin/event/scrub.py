"""Masking: texts, values, requests, exceptions and whole events go in; the same leave without their secrets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import islice
from typing import Any, Final
from urllib.parse import unquote, unquote_plus
from uuid import UUID

from tocsin.event import limits
from tocsin.event.assignments import mask_assignments
from tocsin.event.model import Event, ExceptionInfo, Frame, Json, LogLine, Request, Task
from tocsin.event.patterns import MASK, has_shape, mask_shapes
from tocsin.event.phrases import has_phrase, mask_phrases
from tocsin.event.sensitive import DEFAULT_KEYS, SensitiveKeys
from tocsin.event.sourcelines import calls_a_door, mask_code, mask_lines, mask_traced
from tocsin.event.typename import describe_value

__all__ = ["DEFAULT_KEYS", "MASK", "Scrubber", "clip", "strict"]

_PASSES: Final = 4  # until nothing changes; one is enough for all but contrived texts
_ENCODED_DEPTH: Final = 4
_ENCODED_RUN: Final = re.compile(r"""[^\s"'<>]++""")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_PLUS: Final = re.compile(r"=[^\s&=]{0,300}?[\w\-]\+")  # a form's blank
# & ' + < = > " @, as writers for web pages escape them
_JSON_SIGN: Final = re.compile(r"\\+u00(2[67bB]|3[c-eC-E]|22|40)")
_HASH: Final = re.compile(r"[0-9a-f]{1,64}")
_COMMIT: Final = re.compile(r"(?:[0-9a-f]{7,64})?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_COMMANDS: Final = re.compile(r"curl|mysql|mariadb|sshpass|redis-cli")
_CUT_MASK: Final = re.compile(r"\[(?:m(?:a(?:s(?:k(?:e(?:d)?)?)?)?)?)?\Z")
_OVERLAP_CHARS: Final = 512  # looked at past a cut, so that what marks a secret is not cut off it
# By id: to look a class up by itself runs its metaclass's `__hash__` and `__eq__`.
_CONTAINERS: Final = frozenset(map(id, (dict, list, tuple, set, frozenset)))
_WORDY: Final = frozenset(map(id, (date, time, timedelta, Decimal, UUID)))  # their str() is code of the library alone
_JSON_INT_BITS: Final = 64
_NO_SECRETS: Final = frozenset({"None", "True", "False", "''"})  # texts of variables: that one is empty is told


def strict(text: str) -> str:
    """Return ``text`` without lone surrogates, which strict JSON decoders refuse."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def clip(text: str, limit: int) -> str:
    """Return at most ``limit`` characters, the last one ``…`` where something is missing."""
    if len(text) <= limit:
        return text
    return _CUT_MASK.sub("", text[: limit - 1]) + "…"


class Scrubber:
    """Mask secrets by name and by shape, in everything an event holds.

    Law: ``scrub(scrub(x)) == scrub(x)``. Masked text shows as ``[masked]``. No method runs foreign code, and
    none raises on what an application hands it. With ``is_on`` false nothing is masked, but texts are made
    strict and bounded all the same. Thread-safe.
    """

    def __init__(self, extra_keys: Iterable[str] = (), *, is_on: bool = True) -> None:
        self._keys = SensitiveKeys(extra_keys)
        self._names: dict[str, str] = {}
        self.is_on: Final = is_on

    def covers(self, name: str) -> bool:
        """Return whether a value of this name is masked."""
        return self.is_on and self._keys.covers(name)

    def text(self, text: str, limit: int | None = None) -> str:
        """Mask a text by value; with ``limit``, return that many characters at most."""
        if type(text) is not str:
            # A slice of one derived from str is exact, and no copy of the whole.
            bound = slice(None if limit is None else limit + _OVERLAP_CHARS + 1)
            text = str.__getitem__(text, bound) if issubclass(type(text), str) else describe_value(text)
        if not text:
            return text
        if limit is not None and len(text) > limit + _OVERLAP_CHARS:
            text = text[: limit + _OVERLAP_CHARS]
        text = self._masked(strict(text))
        if limit is None or len(text) <= limit:
            return text
        for _ in range(_PASSES):  # a cut may leave half a quotation, which reads differently
            cut = clip(text, limit)
            text = self._masked(cut)
            if text == cut:
                break
        return clip(text, limit)

    def is_clean(self, text: str) -> bool:
        """Return quickly whether `text` would leave this text, and every line of it, as they are."""
        return (text.isascii() or strict(text) == text) and not (self.is_on and self._is_suspect(text))

    def name(self, text: str) -> str:
        """Mask what names something: `text` with the limit `NAME_CHARS`, looked up where it came by before.

        Most of what an event holds (application, host, logger, type, thread) is the same each time, and to look for
        secrets in it takes 5 µs a word. Short texts only, at most `CACHED_NAMES` of them.
        """
        known = self._names.get(text) if type(text) is str else None
        if known is not None:
            return known
        masked = self.text(text, limits.NAME_CHARS)
        if type(text) is str and len(text) <= limits.NAME_CHARS:
            if len(self._names) >= limits.CACHED_NAMES:
                self._names.clear()
            self._names[text] = masked
        return masked

    def value(self, key: str, value: object) -> Json:
        """Return ``value`` as masked JSON: exact builtin types within bounds, all else as ``<module.Type>``."""
        return self._value(key, value, limits.FIELD_DEPTH, [limits.FIELD_NODES])

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Json]:
        """Mask a mapping of extra fields, by name and by value."""
        shown = islice(dict.items(fields) if type(fields) is dict else fields.items(), limits.FIELDS)
        table: dict[str, Json] = {}
        for name, value in shown:
            if type(name) is str:
                told = self.name(name)  # decoded, if it was encoded: then that name decides
                table[told] = self.value(told if self.covers(told) else name, value)
        return table

    def tags(self, tags: Mapping[str, Any]) -> dict[str, str]:
        """Mask tags, by name and by value; a value that is no text, number or boolean is described by its type."""
        shown = islice(dict.items(tags) if type(tags) is dict else tags.items(), limits.TAGS)
        table: dict[str, str] = {}
        for name, value in shown:
            if type(name) is str:
                told = self.name(name)
                # Of a huge number the interpreter refuses to make a text.
                is_small = type(value) is int and value.bit_length() <= _JSON_INT_BITS
                text = str(value) if is_small or type(value) in (float, bool) else value
                table[told] = MASK if self.covers(told) or self.covers(name) else self.name(text)
        return table

    def task(self, task: Task) -> Task:
        """Mask what names work in the background."""
        return Task(self.name(task.name), self.name(task.by), self.name(task.id))

    def line(self, line: LogLine) -> LogLine:
        """Mask one line of a lead-up."""
        message = self.text(line.message, limits.LEAD_UP_CHARS)
        return LogLine(line.timestamp, self.name(line.level), self.name(line.logger), message)

    def prepared(self, prepared: Mapping[str, Any]) -> dict[str, Any]:
        """Mask what a drop-in handler prepared: whole numbers, texts by value, tables of texts also by name."""
        return {name: self._prepared(value) for name, value in prepared.items()}

    def query(self, query: str) -> str:
        """Mask a query string: sensitive parameters by name, the others by value."""
        query = strict(query[: limits.QUERY_CHARS + _OVERLAP_CHARS])
        if not self.is_on or not query:
            return clip(query, limits.QUERY_CHARS)
        for _ in range(_PASSES):  # also a cut may leave what reads differently
            masked = clip(self.text("&".join(map(self._parameter, query.split("&")))), limits.QUERY_CHARS)
            if masked == query:
                break
            query = masked
        return query

    def url(self, url: str, limit: int = limits.QUERY_CHARS) -> str:
        """Mask a URL: its user information, its query, its fragment."""
        url = url[: limits.QUERY_CHARS]
        for _ in range(_PASSES):
            rest, hash_sign, fragment = url.partition("#")
            base, mark, query = rest.partition("?")
            parts = f"{self.text(base)}{mark}{self.query(query)}{hash_sign}{self.query(fragment)}"
            masked = clip(self.text(parts), limit)
            if masked == url:
                break
            url = masked
        return url

    def headers(self, items: Iterable[tuple[str, str]], allowed: frozenset[str]) -> dict[str, str]:
        """Return the headers whose lower-case names are in ``allowed``, in Title-Case and masked."""
        shown: dict[str, str] = {}
        for name, value in items:
            lowered = name.lower()
            if lowered not in allowed or len(shown) >= limits.HEADERS:
                continue
            if self.covers(name):
                masked = MASK
            elif lowered == "referer":
                masked = self.url(value, limits.HEADER_CHARS)
            else:
                masked = self.text(value, limits.HEADER_CHARS)
            shown["-".join(word.capitalize() for word in lowered.split("-"))] = masked
        return shown

    def source(self, line: str) -> str:
        """Mask one line of Python source."""
        line = strict(line[: limits.SOURCE_LINE_CHARS + _OVERLAP_CHARS]).rstrip()
        if self.is_on and (self._is_suspect(line) or calls_a_door(line)):
            for _ in range(_PASSES):
                masked = self._mask_encoded(mask_code(mask_shapes(line), self._keys), _ENCODED_DEPTH)
                masked = clip(masked, limits.SOURCE_LINE_CHARS)
                if masked == line:
                    break
                line = masked
        return clip(line, limits.SOURCE_LINE_CHARS)

    def frame(self, frame: Frame) -> Frame:
        """Mask a frame's source lines and locals; columns behind a masked text are dropped."""
        bound = limits.SOURCE_LINE_CHARS + _OVERLAP_CHARS  # a minified file is one line of megabytes
        lines = [line[:bound] for line in (*frame.before, frame.source, *frame.after)]
        if self.is_on:
            masked = [clip(line, limits.SOURCE_LINE_CHARS) for line in mask_lines(lines, self.source, self._keys)]
        else:
            masked = [self.source(line) for line in lines]
        at = len(frame.before)
        ends_here = frame.end_line in (None, frame.line)
        shown = frame.end_column if ends_here else len(frame.source)
        is_aligned = shown is not None and masked[at][:shown] == frame.source[:shown]
        return replace(
            frame,
            module=self.name(frame.module),
            function=self.name(frame.function),
            file=self.text(frame.file, limits.PATH_CHARS),
            source=masked[at],
            before=tuple(masked[:at]),
            after=tuple(masked[at + 1 :]),
            column=frame.column if is_aligned else None,
            end_column=frame.end_column if is_aligned else None,
            locals=None if frame.locals is None else self._locals(frame.locals),
            url=self.url(frame.url) if frame.url else "",
            operation=self.name(frame.operation) if frame.operation else "",
        )

    def exception(self, info: ExceptionInfo, frames: bool = False) -> ExceptionInfo:
        """Mask an exception, its chain and its group; ``frames`` says whether frames are masked again."""
        return self._exception(info, frames, limits.CHAIN + limits.GROUP_DEPTH)

    def request(self, request: Request) -> Request:
        """Mask a request."""

        def name(text: str | None) -> str | None:
            return None if text is None else self.name(text)

        return replace(
            request,
            method=self.name(request.method),
            scheme=self.name(request.scheme),
            endpoint=name(request.endpoint),
            client=name(request.client),
            user=request.user if _is_hash(request.user) else name(request.user),
            # Sixteen digits of a hash may pass for a card's; ours is left as it is.
            client_hash=request.client_hash if _is_hash(request.client_hash) else name(request.client_hash),
            path=self.text(request.path, limits.PATH_CHARS),
            query=self.query(request.query),
            host=self.name(request.host),
            route=None if request.route is None else self.text(request.route, limits.PATH_CHARS),
            headers=self.headers(request.headers.items(), frozenset(map(str.lower, request.headers))),
        )

    def event(self, event: Event, *, frames: bool = False) -> Event:
        """Mask an event, all but its cached frames; with ``frames``, those too."""
        return replace(
            event,
            level=self.name(event.level),
            application=self.name(event.application),
            environment=self.name(event.environment),
            release=self.name(event.release),
            commit=event.commit if _COMMIT.fullmatch(event.commit) else self.name(event.commit),
            host=self.name(event.host),
            custom_fingerprint=self.name(event.custom_fingerprint),
            logger=self.name(event.logger),
            message=self.text(event.message, limits.MESSAGE_CHARS),
            template=self.text(event.template, limits.MESSAGE_CHARS),
            exception=None if event.exception is None else self.exception(event.exception, frames),
            request=None if event.request is None else self.request(event.request),
            task=None if event.task is None else self.task(event.task),
            tags=self.tags(event.tags),
            lead_up=tuple(map(self.line, event.lead_up[-limits.LEAD_UP :])),
            process_name=self.name(event.process_name),
            thread=self.name(event.thread),
            location=self.text(event.location, limits.PATH_CHARS),
            fields=self.fields(event.fields),
            prepared=self.prepared(event.prepared),
        )

    def _parameter(self, part: str) -> str:
        name, sign, value = part.partition("=")
        is_secret = value not in ("", "…") and self._keys.covers(unquote_plus(name))
        return f"{name}={MASK}" if sign and is_secret else self.text(part)

    def _is_suspect(self, text: str) -> bool:
        lowered = text.lower()
        if has_shape(text, lowered) or ("%" in text and _ESCAPE.search(text)):
            return True
        if ("+" in text and _PLUS.search(text)) or ("\\u00" in text and _JSON_SIGN.search(text)):
            return True
        is_told = "=" in text or ":" in text or "--" in text or "," in text or "</" in text or has_phrase(text, lowered)
        if is_told and self._keys.occurs_in(lowered):
            return True
        return "identified " in lowered or ("-" in text and _COMMANDS.search(text) is not None)

    def _masked(self, text: str) -> str:
        if not self.is_on:
            return text
        if 'File "' in text and "\n" in text:
            text = mask_traced(text, self.source)
        return self._mask(text, _ENCODED_DEPTH) if self._is_suspect(text) else text

    def _mask(self, text: str, depth: int) -> str:
        for _ in range(_PASSES):
            masked = self._mask_escaped(text, depth)  # first: `password \\u003d` reads as a word that is told
            masked = mask_phrases(mask_assignments(mask_shapes(masked), self._keys), self._keys)
            masked = self._mask_encoded(masked, depth)
            if masked == text:
                break
            text = masked
        return text

    def _mask_escaped(self, text: str, depth: int) -> str:
        """Mask what JSON's escapes hide; a text that holds a secret is left unescaped."""
        if "\\u00" not in text or not depth:
            return text
        decoded = _JSON_SIGN.sub(lambda match: chr(int(match[1], 16)), text)
        if decoded == text or not self._is_suspect(decoded):
            return text
        masked = self._mask(decoded, depth - 1)
        return text if masked == decoded else masked

    def _mask_encoded(self, text: str, depth: int) -> str:
        """Mask what percent-encoding hides; a run that holds a secret is left decoded."""
        is_form = "+" in text and _PLUS.search(text) is not None
        if not is_form and ("%" not in text or _ESCAPE.search(text) is None):
            return text
        return _ENCODED_RUN.sub(lambda match: self._masked_run(match[0], depth), text)

    def _masked_run(self, run: str, depth: int) -> str:
        is_form = "+" in run and _PLUS.search(run) is not None
        if not is_form and ("%" not in run or _ESCAPE.search(run) is None):
            return run
        if depth == 0:
            return MASK if "%" in run else run  # nobody encodes five times but to hide something
        for decode in (unquote_plus, unquote) if is_form else (unquote,):
            decoded = decode(run)
            if decoded != run and self._is_suspect(decoded):
                masked = self._mask(decoded, depth - 1)
                if masked != decoded:
                    return _CONTROL.sub(" ", masked)
        return run

    def _prepared(self, value: object) -> Any:
        if isinstance(value, int):
            return value
        if not isinstance(value, Mapping):
            return self.text(value, limits.PREPARED_CHARS)  # type: ignore[arg-type]  # what is no text is described
        shown = islice(value.items(), limits.PREPARED_ITEMS)
        table = {}
        for name, text in shown:
            told = self.name(name)
            is_secret = text and (self.covers(name) or self.covers(told))
            table[told] = MASK if is_secret else self.text(text, limits.PREPARED_CHARS)
        return table

    def _value(self, key: str, value: object, depth: int, nodes: list[int]) -> Json:
        cls = type(value)
        if value is None or cls is bool:
            return value  # type: ignore[return-value]  # narrowed by type(), not by isinstance()
        if self.covers(key) and not (cls is str and not value):
            return MASK
        nodes[0] -= 1
        if nodes[0] < 0:
            return "…"
        if id(cls) in _CONTAINERS:
            return self._container(key, value, depth, nodes)
        return self._scalar(value)

    def _scalar(self, value: Any) -> Json:
        cls = type(value)
        if cls is str:
            return self.text(value, limits.FIELD_CHARS)
        if cls is int:
            return self._number(value)
        if cls is float:
            return value if math.isfinite(value) else str(value)
        if cls is bytes or cls is bytearray:
            return self.text(bytes(value[: limits.FIELD_CHARS * 2]).decode("utf-8", "replace"), limits.FIELD_CHARS)
        if id(cls) in _WORDY and getattr(value, "tzinfo", None) is None:
            return self.text(str(value), limits.FIELD_CHARS)
        if cls is datetime and (value.tzinfo is None or type(value.tzinfo) is timezone):
            return str(value.isoformat())
        return describe_value(value)

    def _number(self, value: int) -> Json:
        if value.bit_length() > _JSON_INT_BITS:
            return f"<int of {value.bit_length()} bits>"
        if not self.is_on or value < 10**12:
            return value
        return MASK if mask_shapes(str(value)) == MASK else value

    def _container(self, key: str, value: Any, depth: int, nodes: list[int]) -> Json:
        if depth <= 0:
            return describe_value(value)
        try:
            # In C, without running code of the elements; only another thread can disturb it.
            items = list(islice(value.items() if type(value) is dict else value, limits.FIELD_ITEMS))
        except RuntimeError:
            return describe_value(value)
        is_cut = len(value) > len(items)
        if type(value) is not dict:
            shown = [self._value(key, item, depth - 1, nodes) for item in items]
            return [*shown, "…"] if is_cut else shown
        table: dict[str, Json] = {}
        for name, item in items:
            # A name derived from str (an enum, a header of aiohttp) is still a name; a copy runs none of its code.
            word = self._scalar(str.__str__(name) if issubclass(type(name), str) else name)
            word = word if type(word) is str else str(word)
            table[clip(word, limits.NAME_CHARS)] = self._value(word, item, depth - 1, nodes)
        if is_cut:
            table["…"] = f"{len(value) - len(items)} more"
        return table

    def _locals(self, values: Mapping[str, str]) -> dict[str, str]:
        return {
            name: MASK if self.covers(name) and value not in _NO_SECRETS else self.text(value, limits.FIELD_CHARS)
            for name, value in islice(values.items(), limits.FIELD_ITEMS)
        }

    def _exception(self, info: ExceptionInfo, frames: bool, depth: int) -> ExceptionInfo:
        def inner(part: ExceptionInfo | None) -> ExceptionInfo | None:
            return None if part is None or depth <= 0 else self._exception(part, frames, depth - 1)

        members = tuple(part for part in map(inner, info.members) if part is not None)
        return replace(
            info,
            type=self.name(info.type),
            message=self.text(info.message, limits.MESSAGE_CHARS),
            notes=tuple(self.text(note, limits.NOTE_CHARS) for note in info.notes),
            frames=tuple(map(self.frame, info.frames)) if frames else info.frames,
            cause=inner(info.cause),
            context=inner(info.context),
            members=members,
            members_omitted=info.members_omitted + len(info.members) - len(members),
            place=None if info.place is None else self.frame(info.place),
        )


def _is_hash(text: str | None) -> bool:
    return text is not None and _HASH.fullmatch(text) is not None
