"""Query sets and rows of ORMs: whether they are evaluated, their key and what is loaded leave; no query ever runs.

Only what lies in an object's own dict is read. What is not loaded (deferred, expired) is not there, and stays so.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from tocsin.capture import anatomy
from tocsin.capture.describers.registry import Rule
from tocsin.event import limits
from tocsin.event.typename import type_name

if TYPE_CHECKING:
    from tocsin.capture.values import Values

__all__ = ["RULES", "is_mapped", "mapped"]


def _query_set(values: Values, value: Any, depth: int) -> str:
    known = anatomy.stored(value)
    model: Any = dict.get(known, "model")
    cache: Any = dict.get(known, "_result_cache")
    of = f" of {type_name(model)}" if issubclass(type(model), type) else ""
    number = f", {list.__len__(cache):,} in memory" if issubclass(type(cache), list) else ""
    return f"<{type_name(type(value))}{of} ({'evaluated' if number else 'not evaluated'}{number})>"


def _django_model(values: Values, value: Any, depth: int) -> str:
    known = anatomy.stored(value)
    state = anatomy.stored(dict.get(known, "_state"))
    adding = dict.get(state, "adding", anatomy.defined(_class_of(known, "_state"), "adding"))
    field = dict.get(anatomy.stored(anatomy.defined(type(value), "_meta")), "pk")
    kept = anatomy.stored(field)
    names = dict.get(kept, "field_names")  # of a key of several columns
    names = names if type(names) is tuple else (dict.get(kept, "attname"),)
    keys = [(name, dict.get(known, name)) for name in names if type(name) is str and name in known]
    return _row(values, value, keys, "new" if adding is True else "saved", _columns(known), depth)


def _class_of(known: dict[str, Any], name: str) -> type:
    return type(dict.get(known, name))


def _row(
    values: Values, value: Any, keys: list[tuple[str, Any]], state: str, columns: Iterator[tuple[str, Any]], depth: int
) -> str:
    name = type_name(type(value))
    if values.is_brief or depth <= 0 or values.left <= 0:
        key = "".join(f" {values.member(name, item, 0)}" for name, item in keys if item is not None)
        return f"<{name}{key} ({state})>"
    first = [pair for pair in keys if pair[1] is not None]
    others = ((name, item) for name, item in columns if name not in dict(keys))
    return f"{values.members(name, [*first, *others], depth)} ({state})"


def _columns(known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is loaded of a row; what begins with an underscore is the ORM's."""
    for name, item in islice(dict.items(known), limits.LOCAL_MEMBERS * 2):
        if type(name) is str and not name.startswith("_"):
            yield name, item


def mapped(values: Values, value: Any, depth: int) -> str:
    """Describe an instance of a class that SQLAlchemy maps."""
    known = anatomy.stored(value)
    state = anatomy.stored(dict.get(known, "_sa_instance_state"))
    if not state:
        return ""
    key, session = dict.get(state, "key"), dict.get(state, "session_id")
    says = _life(key, session, dict.get(state, "_deleted"))
    if dict.get(state, "expired") is True:
        says += ", expired"
    names = _key_names(type(value))
    found = key[1] if type(key) is tuple and len(key) > 1 and type(key[1]) is tuple else ()
    keys = list(zip(names, found, strict=False)) if len(names) == len(found) else []
    return _row(values, value, keys, says, _columns(known), depth)


def _life(key: object, session: object, is_deleted: object) -> str:
    """Return the state of an instance by SQLAlchemy's own words ("Quickie Intro to Object States")."""
    if key is None:
        return "transient" if session is None else "pending"
    if is_deleted is True:
        return "deleted"
    return "detached" if session is None else "persistent"


def _key_names(cls: type) -> list[str]:
    manager = anatomy.defined(cls, "_sa_class_manager")
    mapper = anatomy.member(manager, "mapper")
    columns: Any = dict.get(anatomy.stored(mapper), "primary_key")
    if not issubclass(type(columns), tuple):
        return []
    names = [dict.get(anatomy.stored(column), "key") for column in tuple.__iter__(columns)]
    return [str.__str__(name) for name in names if issubclass(type(name), str)]  # SQLAlchemy's are derived from str


def _unsent(values: Values, value: Any, depth: int) -> str:
    return f"<{type_name(type(value))} (not evaluated)>"


def _result(values: Values, value: Any, depth: int) -> str:
    is_closed = anatomy.member(value, "_soft_closed") is True or anatomy.member(value, "closed") is True
    return f"<{type_name(type(value))} ({'closed' if is_closed else 'open'})>"


def _loaded(values: Values, value: Any, depth: int) -> str:
    return f"<{type_name(type(value))} of {list.__len__(value):,}>" if issubclass(type(value), list) else ""


def is_mapped(cls: type) -> bool:
    """Return whether SQLAlchemy maps a class, by whatever style."""
    return anatomy.defined(cls, "_sa_class_manager") is not None


RULES: Final[dict[str, Rule]] = {
    "django.db.models.query.QuerySet": Rule(_query_set),
    "django.db.models.query.RawQuerySet": Rule(_query_set),
    "django.db.models.base.Model": Rule(_django_model),
    "sqlalchemy.orm.query.Query": Rule(_unsent),
    "sqlalchemy.sql.elements.ClauseElement": Rule(_unsent),
    "sqlalchemy.engine.result.Result": Rule(_result),
    "sqlalchemy.orm.collections.InstrumentedList": Rule(_loaded),
}
