"""Masking of structured values: fields, tags, headers and variables go in; the same leave as masked JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import islice
from typing import Any, Final
from uuid import UUID

from tocsin.event import limits
from tocsin.event.masking.marks import is_mask, mask_for
from tocsin.event.masking.patterns import mask_card, mask_shapes, names_card
from tocsin.event.masking.texts import TextScrubber, clip
from tocsin.event.model import Json
from tocsin.event.typename import describe_value

__all__ = ["StructureScrubber"]

# By id: to look a class up by itself runs its metaclass's `__hash__` and `__eq__`.
_CONTAINERS: Final = frozenset(map(id, (dict, list, tuple, set, frozenset)))
_WORDY: Final = frozenset(map(id, (date, time, timedelta, Decimal, UUID)))  # their str() is code of the library alone
_JSON_INT_BITS: Final = 64
# Members of a table that tell of another one: {"name": "X-Api-Key", "value": "…"}.
_NAMES: Final = ("name", "key")
_VALUES: Final = ("value",)
_WORD_CHARS: Final = 8  # more than the longest of them, and no copy of a name of megabytes
_NAME: Final = re.compile(r"[\w.\-/:]{1,100}")
_STATEMENTS: Final = frozenset({"statement", "sql", "query"})
_PARAMETERS: Final = frozenset({"parameters", "params", "args"})
_ROW: Final = mask_for("parameters")
_NO_SECRETS: Final = frozenset(
    {"None", "True", "False", "''", "()", "[]", "{}"}
)  # texts of variables: that one is empty is told


class StructureScrubber(TextScrubber):
    """Mask values that have a name: by their name, and by their texts. No method runs foreign code."""

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
                table[told] = self.hides(told, text) or self.hides(name, text) or self.name(text)
        return table

    def prepared(self, prepared: Mapping[str, Any]) -> dict[str, Any]:
        """Mask what a drop-in handler prepared: whole numbers, texts by value, tables of texts also by name."""
        return {name: self._prepared(value) for name, value in prepared.items()}

    def headers(self, items: Iterable[tuple[str, str]], allowed: frozenset[str]) -> dict[str, str]:
        """Return the headers whose lower-case names are in ``allowed``, in Title-Case and masked."""
        shown: dict[str, str] = {}
        for name, value in items:
            lowered = name.lower()
            if lowered not in allowed or len(shown) >= limits.HEADERS:
                continue
            mask = self.hides(name, value)
            if mask:
                masked = mask
            elif lowered == "referer":
                masked = self.url(value, limits.HEADER_CHARS)
            else:
                masked = self.text(value, limits.HEADER_CHARS)
            shown["-".join(word.capitalize() for word in lowered.split("-"))] = masked
        return shown

    def _prepared(self, value: object) -> Any:
        if isinstance(value, int):
            return value
        if not isinstance(value, Mapping):
            return self.text(value, limits.PREPARED_CHARS)  # type: ignore[arg-type]  # what is no text is described
        shown = islice(value.items(), limits.PREPARED_ITEMS)
        table = {}
        for name, text in shown:
            told = self.name(name)
            mask = (self.hides(name, text) or self.hides(told, text)) if text else ""
            table[told] = mask or self.text(text, limits.PREPARED_CHARS)
        return table

    def _value(self, key: str, value: object, depth: int, nodes: list[int]) -> Json:
        cls = type(value)
        if value is None or cls is bool:
            return value  # type: ignore[return-value]  # narrowed by type(), not by isinstance()
        mask = "" if cls is str and not value else self.hides(key, value)
        if mask:
            return mask
        nodes[0] -= 1
        if nodes[0] < 0:
            return "…"
        if id(cls) in _CONTAINERS:
            return self._container(key, value, depth, nodes)
        return self._card(value) if names_card(key) else self._scalar(value)

    def _card(self, value: Any) -> Json:
        is_number = type(value) is int and value.bit_length() <= _JSON_INT_BITS
        if self.is_on and (is_number or type(value) is str):
            card = mask_card(str(value)[: limits.NAME_CHARS])
            if is_mask(card):
                return card
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
        masked = mask_shapes(str(value))
        return masked if is_mask(masked) else value

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
            if len(items) == 2 and (mask := self._hidden_by(items[0], items[1])):
                return [self._value(key, items[0], depth - 1, nodes), mask]
            shown = [self._value(key, item, depth - 1, nodes) for item in items]
            return [*shown, "…"] if is_cut else shown
        table: dict[str, Json] = {}
        mask = self._hidden_by(_member(items, _NAMES), _member(items, _VALUES))
        for name, item in items:
            # A name derived from str (an enum, a header of aiohttp) is still a name; a copy runs none of its code.
            word = self._scalar(str.__str__(name) if issubclass(type(name), str) else name)
            word = word if type(word) is str else str(word)
            is_hidden = mask and word.lower() in _VALUES
            table[clip(word, limits.NAME_CHARS)] = mask if is_hidden else self._value(word, item, depth - 1, nodes)
        if is_cut:
            table["…"] = f"{len(value) - len(items)} more"
        return table

    def _hidden_by(self, name: object, value: object) -> str:
        """Return what stands for a value whose name a pair tells, ``("X-Api-Key", "…")``; "" where it is shown."""
        kinds = (type(name), type(value))  # by identity: to compare classes runs their metaclass's code
        if not all(kind is str or kind is bytes for kind in kinds) or not value:
            return ""
        told = name if type(name) is str else name[: limits.NAME_CHARS].decode("latin-1")  # type: ignore[index]
        is_list_of_names = type(value) is str and value.isidentifier() and self.covers(value)
        return self.hides(told, value) if _NAME.fullmatch(told) and not is_list_of_names else ""

    def _locals(self, values: Mapping[str, str]) -> dict[str, str]:
        return {
            name: (self.hides(name, value) if value not in _NO_SECRETS and not is_mask(value) else "")
            or self.text(value, limits.FIELD_CHARS)
            for name, value in islice(self.without_rows(values).items(), limits.FIELD_ITEMS)
        }

    def without_rows(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a frame without what a database's driver puts into a statement's places.

        That is a row's, as in ``[parameters: …]`` of a message.
        """
        if not self.is_on or _STATEMENTS.isdisjoint(values):
            return values if type(values) is dict else dict(values)
        hidden = {name for name in _PARAMETERS.intersection(values) if _is_row(values[name])}
        return {name: _ROW if name in hidden else value for name, value in values.items()}


def _is_row(text: str) -> bool:
    return text[:1] in ("(", "[", "{") and text not in _NO_SECRETS and not is_mask(text)


def _member(items: Sequence[Any], words: tuple[str, ...]) -> object:
    """Return the value of the first name of these, in any case, None if there is none."""
    return next((item for name, item in items if type(name) is str and name[:_WORD_CHARS].lower() in words), None)
