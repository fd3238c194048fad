"""Objects with named members: dataclasses, attrs, pydantic, named tuples; their members leave, each masked by name.

Members are read from the dict or the slots that hold them, so no property and no default that is made late runs. What
a class keeps out of its own text (``field(repr=False)``) is kept out here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from tocsin.capture import anatomy
from tocsin.capture.describers.registry import Rule
from tocsin.event import limits
from tocsin.event.typename import type_name

if TYPE_CHECKING:
    from tocsin.capture.describers.registry import Describe
    from tocsin.capture.values import Values

__all__ = ["RULES", "structure_of"]

_MISSING: Final = object()
_SECRET: Final = "[masked: secret]"


def structure_of(cls: type) -> Describe | None:
    """Return the describer of a class that lists its members itself, None of any other."""
    if type(anatomy.defined(cls, "__dataclass_fields__")) is dict:
        return _dataclass
    if issubclass(type(anatomy.defined(cls, "__attrs_attrs__")), tuple):
        return _attrs
    if type(anatomy.defined(cls, "__struct_fields__")) is tuple:
        return _struct
    if issubclass(cls, tuple) and type(anatomy.defined(cls, "_fields")) is tuple:
        return _named_tuple
    return None


def _members_of(value: object, names: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for name in names:
        if type(name) is str:
            found = anatomy.member(value, name, _MISSING)
            if found is not _MISSING:
                yield name, found


def _shown(fields: Iterable[tuple[Any, object]]) -> list[Any]:
    """Return the names of fields that their class shows in its own text."""
    return [name for name, field in fields if anatomy.member(field, "repr") is not False]


def _dataclass(values: Values, value: Any, depth: int) -> str:
    fields = anatomy.defined(type(value), "__dataclass_fields__")
    names = _shown(islice(dict.items(fields), limits.LOCAL_MEMBERS * 2))
    return _with(values, value, names, depth)


def _attrs(values: Values, value: Any, depth: int) -> str:
    fields = anatomy.defined(type(value), "__attrs_attrs__")
    known = [(anatomy.member(field, "name"), field) for field in tuple.__getitem__(fields, _FIRST)]
    return _with(values, value, _shown(known), depth)


def _struct(values: Values, value: Any, depth: int) -> str:
    return _with(values, value, anatomy.defined(type(value), "__struct_fields__")[_FIRST], depth)


def _pydantic(values: Values, value: Any, depth: int) -> str:
    fields = anatomy.defined(type(value), "__pydantic_fields__")
    hidden = set()
    if type(fields) is dict:
        known = list(islice(fields.items(), limits.LOCAL_MEMBERS * 2))
        hidden = {name for name, _ in known if type(name) is str} - set(_shown(known))
    names = (name for name in islice(dict.keys(anatomy.stored(value)), limits.LOCAL_MEMBERS * 2))
    return _with(values, value, [name for name in names if type(name) is str and name not in hidden], depth)


def _with(values: Values, value: Any, names: Iterable[Any], depth: int) -> str:
    if depth <= 0 or values.left <= 0:
        return ""
    return values.members(type_name(type(value)), _members_of(value, names), depth)


def _named_tuple(values: Values, value: Any, depth: int) -> str:
    names = anatomy.defined(type(value), "_fields")
    if depth <= 0 or not all(type(name) is str for name in names[_FIRST]):
        return ""
    items = tuple.__getitem__(value, _FIRST)
    return values.members(type_name(type(value)), list(zip(names, items, strict=False)), depth)


def _secret(values: Values, value: Any, depth: int) -> str:
    return _SECRET


_FIRST: Final = slice(limits.LOCAL_MEMBERS * 2)

RULES: Final[dict[str, Rule]] = {
    "tocsin.event.secret.Secret": Rule(_secret),
    "pydantic.main.BaseModel": Rule(_pydantic),
    "pydantic.types.SecretStr": Rule(_secret),
    "pydantic.types.SecretBytes": Rule(_secret),
    "pydantic.types.Secret": Rule(_secret),
    "pydantic.types._SecretBase": Rule(_secret),
    "starlette.datastructures.Secret": Rule(_secret),
}
