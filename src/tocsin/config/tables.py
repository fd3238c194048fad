"""Lists of tables, such as ``[[fingerprints]]``: the raw value goes in; rules leave, or all that is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

__all__ = ["rules_of"]


class _Rule(Protocol):
    def table(self) -> dict[str, Any]: ...


_AnyRule = TypeVar("_AnyRule", bound=_Rule)


def rules_of(
    value: Any,
    cls: type[_AnyRule],
    parse: Callable[[Mapping[Any, Any]], tuple[_AnyRule, list[str]]],
    *,
    name: str,
    most: int,
) -> tuple[_AnyRule, ...]:
    """Return a rule for each table of a list; what is a rule already, given in code, is checked by its table.

    ``parse`` returns the rule and what is wrong with it. Raises ValueError for all of that at once, by the tables'
    places in the list.
    """
    is_list = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
    if not is_list or not all(isinstance(table, (Mapping, cls)) for table in value):
        raise ValueError(f"must be a list: one [[{name}]] table each, in a file or in code")
    if len(value) > most:
        raise ValueError(f"must be at most {most} tables")
    rules, faults = [], []
    for index, table in enumerate(value):
        rule, wrong = parse(table.table() if isinstance(table, cls) else table)
        rules.append(rule)
        faults += [f"[{index}]: {fault}" for fault in wrong]
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(rules)
