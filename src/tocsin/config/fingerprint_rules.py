"""The settings ``fingerprint`` and ``fingerprints``: raw values go in; checked rules, a callable or its path leave."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any, Final, get_args

from tocsin.config.setting import closest, texts
from tocsin.config.tables import rules_of
from tocsin.event import limits
from tocsin.event.identity.digest import digest
from tocsin.event.identity.own_rules import DEFAULT, MEMBERS, FingerprintRule, fault_of, placeholders
from tocsin.event.model import Kind
from tocsin.event.typename import type_name

__all__ = ["fingerprint_function", "fingerprint_rules", "function_name", "rules_digest"]

_EFFECTS: Final = ("fingerprint", "by")
_KEYS: Final = (*MEMBERS, *_EFFECTS)
_NAMED: Final = (*MEMBERS, DEFAULT)
_PATH: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*[.:][^\W\d]\w*")


def fingerprint_function(value: Any) -> Any:
    """Parse a callable given in code, or the path of one, such as ``shop.errors:name``; it is imported later."""
    if callable(value) or value == "":
        return value
    if not isinstance(value, str) or not _PATH.fullmatch(value.strip()):
        raise ValueError("must be a callable, or the path of one such as shop.errors:name")
    return value.strip()


def fingerprint_rules(value: Any) -> tuple[FingerprintRule, ...]:
    """Parse a list of tables: members that must fit, and ``fingerprint`` or ``by``; see `FingerprintRule`."""
    return rules_of(value, FingerprintRule, _rule, name="fingerprints", most=limits.FINGERPRINT_RULES)


def function_name(function: Any) -> str:
    """Return the path of a callable that was given in code; "" for none."""
    if type(function) is str:
        return function
    if type(function) is FunctionType:
        return f"{function.__module__}:{function.__qualname__}"
    return type_name(type(function))


def rules_digest(function: Any, rules: Sequence[FingerprintRule]) -> str:
    """Return what tells these rules from others, "" where there are none. That a function says something else, too."""
    if not function and not rules:
        return ""
    parts = [function_name(function)]
    if type(function) is FunctionType:
        code = function.__code__
        parts += [code.co_code.hex(), *(each for each in code.co_consts if type(each) is str)]
    for rule in rules:
        parts += [rule.name, *(text for member, texts in rule.when for text in (member, *texts)), ""]
    return digest(parts)


def _rule(table: Mapping[Any, Any]) -> tuple[FingerprintRule, list[str]]:
    faults = [_unknown(name, _KEYS) for name in table if name not in _KEYS]
    when = tuple((member, _fitting(member, table[member], faults)) for member in MEMBERS if member in table)
    given = [effect for effect in _EFFECTS if effect in table]
    if len(given) != 1:
        faults.append(
            "needs either fingerprint, a text such as 'payment {route}', or by, a list such as ['type', 'route']"
        )
    if not when:
        faults.append(f"needs something that must fit: {', '.join(MEMBERS)}")
    name = "".join(_name(effect, table[effect], faults) for effect in given[:1])
    return FingerprintRule(when, name), faults


def _fitting(member: str, value: Any, faults: list[str]) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) and value else value  # a comma is no separator in a pattern
    is_list = isinstance(found, (list, tuple)) and found and all(isinstance(text, str) and text for text in found)
    if not is_list:
        faults.append(f"{member} must be a text or a list of texts, none of them empty")
        return ()
    if member == "kind" and not set(found) <= set(get_args(Kind)):
        faults.append(f"kind must be some of {', '.join(get_args(Kind))}")
    if member == "message":
        faults.extend(f"message {wrong} ({text!r})" for text in found if (wrong := fault_of(text)))
    if any(len(text) > limits.FINGERPRINT_RULE_CHARS for text in found):
        faults.append(f"{member} must be at most {limits.FINGERPRINT_RULE_CHARS} characters")
    return tuple(found)


def _name(effect: str, value: Any, faults: list[str]) -> str:
    if effect == "by":
        try:
            members = texts(value)
        except ValueError as fault:
            faults.append(f"by {fault}")
            return ""
        if not members:
            faults.append("by must name something")
        faults.extend(f"by: {_unknown(each, _NAMED)}" for each in members if each not in _NAMED)
        return " ".join(f"{each}={{{each}}}" for each in members)
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > limits.NAME_CHARS:
        faults.append(f"fingerprint must be one line of printable text, at most {limits.NAME_CHARS} characters")
        return ""
    faults.extend(f"fingerprint: {_unknown(each, _NAMED)}" for each in placeholders(value) if each not in _NAMED)
    return value.strip()


def _unknown(name: Any, known: Sequence[str]) -> str:
    close = closest(str(name), known)
    return f"unknown {name!r}; " + (f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}")
