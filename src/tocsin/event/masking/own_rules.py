"""Rules of masking that an application adds: names, patterns and harmless names go in; checked rules leave.

A pattern of one's own runs on texts that strangers write. So that no text makes it slow, every repeat in it has an
upper bound, and the ways in which all of them may be divided are few (`limits.MASKING_RULE_STEPS`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from re import Pattern
from typing import Any, Final

from tocsin.event import limits
from tocsin.event.masking.marks import MASKED, is_mask, mask_for

__all__ = ["MaskingRule", "OwnPatterns", "fault_of"]

_GLUED: Final = re.compile(r"[+/=.~\-]?\w")
_GLUED_BEFORE: Final = re.compile(r"\w[+/.~\-]?\Z")
_HIDDEN: Final = "secret"  # the name of the group that is hidden, where there are several


@dataclass(frozen=True, slots=True)
class MaskingRule:
    """Say what else is masked, or what is not.

    ``name`` is what the mask says. ``pattern`` is a regular expression: what its group holds is masked (the one named
    ``secret``, else the only one; without groups, all it matches). ``keys`` are names as in the setting ``mask_keys``,
    ``keep`` whole names that are harmless here: their values are masked by shape only.
    """

    name: str = ""
    pattern: str = ""
    keys: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    def table(self) -> dict[str, Any]:
        """Return what TOML would have of it."""
        parts = {"name": self.name, "pattern": self.pattern, "keys": self.keys, "keep": self.keep}
        return {name: value for name, value in parts.items() if value}


class OwnPatterns:
    """Mask what the patterns of an application's rules match. Thread-safe."""

    def __init__(self, rules: Iterable[MaskingRule] = ()) -> None:
        """``rules`` are those of which `fault_of` has nothing to say."""
        self._patterns = tuple((re.compile(rule.pattern), mask_for(rule.name)) for rule in rules if rule.pattern)

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def occurs_in(self, text: str) -> bool:
        """Return whether there is anything to mask."""
        return any(pattern.search(text) is not None for pattern, _ in self._patterns)

    def mask(self, text: str, *, within_words: bool = True) -> str:
        """Return ``text`` masked; what is masked already is left alone, whatever a pattern takes it for.

        Without ``within_words`` what is a part of a longer word stays: four digits of a password are masked once the
        password has been looked for, else its rest would be no password any more.
        """
        for pattern, mask in self._patterns:
            text = _masked(text, pattern, mask, within_words)
        return text


def _masked(text: str, pattern: Pattern[str], mask: str, within_words: bool) -> str:
    group = _group(pattern)
    out: list[str] = []
    last = 0
    masks = [match.span() for match in MASKED.finditer(text)] if "[masked" in text else []
    for match in pattern.finditer(text):
        start, end = match.span(group) if match.start(group) >= 0 else match.span()
        is_masked = any(begin < end and start < stop for begin, stop in masks)
        if start < last or start == end or is_masked or is_mask(text[start:end]):
            continue
        if not within_words and (_GLUED_BEFORE.search(text[max(0, start - 2) : start]) or _GLUED.match(text, end)):
            continue
        out += [text[last:start], mask]
        last = end
    return "".join([*out, text[last:]]) if out else text


def _group(pattern: Pattern[str]) -> int:
    return pattern.groupindex.get(_HIDDEN, 1 if pattern.groups else 0)


def fault_of(pattern: str) -> str:
    """Return what is wrong with a rule's pattern, as a phrase that completes "it …"; "" if nothing is."""
    if len(pattern) > limits.MASKING_RULE_CHARS:
        return f"is longer than {limits.MASKING_RULE_CHARS} characters"
    try:
        compiled = re.compile(pattern)
        parsed = _parser().parse(pattern)
    except (re.error, OverflowError, RecursionError) as fault:
        return f"is no regular expression: {fault}"
    if compiled.groups > 1 and _HIDDEN not in compiled.groupindex:
        return f"has {compiled.groups} groups: call the one to be masked (?P<{_HIDDEN}>…), make the others (?:…)"
    least, most = parsed.getwidth()
    if least == 0:
        return "may match an empty text: make it match at least one character"
    if most > limits.MASKING_RULE_WIDTH:
        return (
            f"may match more than {limits.MASKING_RULE_WIDTH} characters: give every repeat an upper bound, such as "
            "{1,50} for + and {0,50} for *"
        )
    if not _is_any_hidden(parsed, _group(compiled)):
        return f"would mask nothing: what is in (?P<{_HIDDEN}>…) is always empty"
    if _steps(parsed) > limits.MASKING_RULE_STEPS:
        return (
            f"can be matched in more than {limits.MASKING_RULE_STEPS} ways at one place, which a text could be made "
            "to try: use fewer or shorter repeats, or possessive ones such as {1,50}+"
        )
    return ""


def _is_any_hidden(parsed: Any, group: int) -> bool:
    """Return whether the group that is masked can hold anything."""
    for operator, value in parsed:
        name = str(operator)
        if name == "SUBPATTERN":
            if value[0] == group:
                return bool(value[3].getwidth()[1])
            parts = [value[3]]
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            parts = [value[2]]
        elif name == "BRANCH":
            parts = value[1]
        else:
            continue
        if not all(_is_any_hidden(part, group) for part in parts):
            return False
    return True


def _parser() -> Any:
    from re import _parser  # type: ignore[attr-defined]  # only for those who have rules

    return _parser


def _steps(parsed: Any) -> int:
    """Return in how many ways a parsed expression may be tried at one place of a text, at most."""
    total = 1
    for operator, value in parsed:
        total *= _steps_of(str(operator), value)
        if total > limits.MASKING_RULE_STEPS:
            break  # numbers of thousands of digits are no use
    return total


def _steps_of(operator: str, value: Any) -> int:
    if operator in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = value
        if operator == "POSSESSIVE_REPEAT":
            return _steps(inner)
        # 2 to the power of a thousand is too many as well, and quickly known.
        return int((most - least + 1) * _steps(inner) ** min(most, 64))
    if operator == "SUBPATTERN":
        return _steps(value[3])
    if operator == "ATOMIC_GROUP":
        return _steps(value)
    if operator in ("ASSERT", "ASSERT_NOT"):
        return _steps(value[1])
    if operator == "BRANCH":
        return sum(map(_steps, value[1]))
    if operator == "GROUPREF_EXISTS":
        return sum(_steps(part) for part in value[1:] if part is not None)
    return 1
