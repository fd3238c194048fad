"""The setting ``masking_rules``: tables of TOML go in, checked rules leave, or a ValueError says all that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tocsin.config.setting import texts
from tocsin.config.tables import rules_of
from tocsin.event import limits
from tocsin.event.masking.marks import is_sort
from tocsin.event.masking.own_rules import MaskingRule, fault_of

__all__ = ["masking_rules"]

_PARTS: Final = ("name", "pattern", "keys", "keep")


def masking_rules(value: Any) -> tuple[MaskingRule, ...]:
    """Parse a list of tables: ``name`` and ``pattern`` or ``keys``, or ``keep``; see `MaskingRule`."""
    return rules_of(value, MaskingRule, _rule, name="masking_rules", most=limits.MASKING_RULES)


def _rule(table: Mapping[Any, Any]) -> tuple[MaskingRule, list[str]]:
    faults = [f"unknown key {name!r}; known here: {', '.join(_PARTS)}" for name in table if name not in _PARTS]
    name, pattern = table.get("name", ""), table.get("pattern", "")
    if not isinstance(name, str) or (name and not is_sort(name)):
        faults.append("name must be at most 40 letters, digits, blanks, dots, dashes: masks show it")
        name = ""
    if not isinstance(pattern, str):
        faults.append("pattern must be a text")
        pattern = ""
    elif wrong := fault_of(pattern) if pattern else "":
        faults.append(f"pattern {wrong}")
    keys, keep = (_names(table, part, faults) for part in ("keys", "keep"))
    if not faults and not (pattern or keys or keep):
        faults.append("does nothing: give it a pattern, keys or keep")
    if not faults and (pattern or keys) and not name:
        faults.append("needs a name, which the masks show")
    return MaskingRule(name, pattern, keys, keep), faults


def _names(table: Mapping[Any, Any], part: str, faults: list[str]) -> tuple[str, ...]:
    try:
        found = texts(table.get(part, ()))
    except ValueError as fault:
        faults.append(f"{part} {fault}")
        return ()
    if len(found) > limits.MASKING_RULE_NAMES:
        faults.append(f"{part} must be at most {limits.MASKING_RULE_NAMES} names")
    return found
