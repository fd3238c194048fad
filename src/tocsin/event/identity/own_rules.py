"""Rules of an application's own go in, with what an occurrence is seen to be; the name they give its fault leaves.

Pure. What is seen is a mapping of `MEMBERS` to texts, "" where there is no such thing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from re import Pattern
from typing import Any, Final

from tocsin.event import limits
from tocsin.event.identity.digest import digest
from tocsin.event.identity.wording import normalise
from tocsin.event.model import Event, ExceptionInfo

__all__ = ["DEFAULT", "MEMBERS", "FingerprintRule", "FingerprintRules", "fault_of", "placeholders", "seen_in"]

MEMBERS: Final = ("type", "module", "function", "message", "logger", "route", "endpoint", "task", "kind")
DEFAULT: Final = "default"  # the placeholder for what the fingerprint would be without a rule
_BELOW: Final = frozenset({"module", "logger"})  # a name of these covers what is below it
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_DIGITS: Final = 16
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class FingerprintRule:
    """Say which occurrences are meant and what their fault is called.

    ``when`` are members with the texts of which one must fit: ``*`` stands for anything, a module or logger covers what
    is below it, a message is searched by regular expressions. All members must fit. ``name`` is a text with members in
    braces.
    """

    when: tuple[tuple[str, tuple[str, ...]], ...]
    name: str

    def table(self) -> dict[str, Any]:
        """Return what TOML would have of it."""
        given = {member: texts[0] if len(texts) == 1 else texts for member, texts in self.when}
        return {**given, "fingerprint": self.name}


class FingerprintRules:
    """Answer by the first rule that fits. Immutable, so threads may share it."""

    def __init__(self, rules: Iterable[FingerprintRule] = ()) -> None:
        """``rules`` are those whose patterns of messages `fault_of` has nothing to say against."""
        self._rules: Final = tuple(
            (rule, [(each, _compiled(each, texts)) for each, texts in rule.when]) for rule in rules
        )

    def __bool__(self) -> bool:
        return bool(self._rules)

    @property
    def members(self) -> frozenset[str]:
        """Return all members that any rule looks at."""
        return frozenset().union(*(_looked_at(rule) for rule, _ in self._rules))

    def name(self, seen: Mapping[str, str], default: Callable[[], str]) -> str:
        """Return what the fault is called, "" where no rule fits; ``default`` is asked for where a name has it."""
        for rule, tests in self._rules:
            if all(test(seen[member]) for member, test in tests):
                return _bounded(_filled(rule.name, seen, default))
        return ""

    def varying(self, fixed: Mapping[str, str]) -> frozenset[str]:
        """Return the members that the answer depends on, of what has these ``fixed`` ones in common."""
        found: set[str] = set()
        for rule, tests in self._rules:
            if any(member in fixed and not test(fixed[member]) for member, test in tests):
                continue
            varying = _looked_at(rule) - fixed.keys()
            found |= varying
            if not any(member not in fixed for member, _ in tests):
                break  # it fits whatever the others are
        return frozenset(found)


def seen_in(event: Event) -> dict[str, str]:
    """Return what an event is seen to be. The place is the innermost of the application's, else of all."""
    info = _alone(event.exception)
    frames = () if info is None else info.frames
    frame = next((each for each in reversed(frames) if each.in_app), frames[-1] if frames else None)
    module, _, function = event.location.rpartition(":")[0].rpartition(".")
    request = event.request
    return {
        "type": "" if info is None else info.type,
        "module": module if frame is None else frame.module,
        "function": function if frame is None else frame.function,
        "message": event.message if info is None else info.message,
        "logger": event.logger,
        "route": (request.route or "") if request is not None else "",
        "endpoint": (request.endpoint or "") if request is not None else "",
        "task": event.task.name if event.task is not None else "",
        "kind": event.kind,
    }


def placeholders(name: str) -> list[str]:
    """Return the words in braces."""
    return _PLACEHOLDER.findall(name)


def fault_of(pattern: str) -> str:
    """Return what is wrong with a regular expression, as a phrase that completes "it …"; "" if nothing is.

    It runs on messages that strangers may have written: no text may make it slow.
    """
    if len(pattern) > limits.FINGERPRINT_RULE_CHARS:
        return f"is longer than {limits.FINGERPRINT_RULE_CHARS} characters"
    try:
        re.compile(pattern)
        ways = _ways(_parser().parse(pattern), is_within=False)
    except (re.error, OverflowError, RecursionError) as fault:
        return f"is no regular expression: {fault}"
    except ValueError as fault:
        return str(fault)
    if ways <= limits.FINGERPRINT_RULE_WAYS:
        return ""
    return "can be tried in too many ways: at most two repeats without an end, {0,20} and the like, or fewer of them"


def _ways(parsed: Any, *, is_within: bool) -> int:
    """Return in how many ways a text may be divided among the parts of a pattern, at most.

    Raises ValueError for what could be divided in more ways than its length tells.
    """
    ways = 1
    for operator, value in parsed:
        name = str(operator)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, inner = value
            if is_within:
                raise ValueError("has a repeat within a repeat, which a text could be made to try in endless ways")
            ways *= max(min(most, limits.FINGERPRINT_SEARCHED_CHARS) - least, 0) + 1
            ways *= _ways(inner, is_within=most > 1 or least != most)
        elif name == "BRANCH":
            if is_within:
                raise ValueError("has | within a repeat, which a text could be made to try in endless ways")
            each = [_ways(branch, is_within=is_within) for branch in value[1]]
            ways *= max(each) if _is_decided(value[1]) else sum(each)
        elif name == "SUBPATTERN":
            ways *= _ways(value[3], is_within=is_within)
        elif name in ("ASSERT", "ASSERT_NOT"):
            ways *= _ways(value[1], is_within=is_within)
        elif name == "ATOMIC_GROUP":
            ways *= _ways(value, is_within=is_within)
        elif name in ("GROUPREF", "GROUPREF_EXISTS"):
            raise ValueError("refers back to a group: leave that out")
    return ways


def _is_decided(branches: list[Any]) -> bool:
    """Return whether one character tells which of several alternatives it can be, as of `refused|timed out`."""
    heads = [next(iter(branch), (None, None)) for branch in branches]
    return all(str(head[0]) == "LITERAL" for head in heads) and len({head[1] for head in heads}) == len(heads)


def _parser() -> Any:
    from re import _parser  # type: ignore[attr-defined]  # only for those who have rules

    return _parser


def _alone(info: ExceptionInfo | None) -> ExceptionInfo | None:
    for _ in range(_DEEPEST):
        if info is None or len(info.members) != 1 or info.members_omitted:
            break
        info = info.members[0]
    return info


def _looked_at(rule: FingerprintRule) -> set[str]:
    return {*(member for member, _ in rule.when), *placeholders(rule.name)} - {DEFAULT}


def _compiled(member: str, texts: tuple[str, ...]) -> Callable[[str], bool]:
    if member == "message":
        patterns = [re.compile(text) for text in texts]
        return lambda message: any(_occurs(each, message) for each in patterns)
    below = r"(?:\..*)?" if member in _BELOW else ""
    words = [".*".join(map(re.escape, text.split("*"))) + below for text in texts]
    whole = re.compile("|".join(words), re.DOTALL)
    return lambda text: whole.fullmatch(text) is not None


def _occurs(pattern: Pattern[str], message: str) -> bool:
    return pattern.search(message[: limits.FINGERPRINT_SEARCHED_CHARS]) is not None


def _filled(name: str, seen: Mapping[str, str], default: Callable[[], str]) -> str:
    def filled(match: re.Match[str]) -> str:
        if match[1] == DEFAULT:
            return default()
        return normalise(seen[match[1]]) if match[1] == "message" else seen[match[1]]

    return _PLACEHOLDER.sub(filled, name).strip() or "-"


def _bounded(name: str) -> str:
    """Return a name of at most NAME_CHARS, as events have them; two long ones stay two."""
    if len(name) <= limits.NAME_CHARS:
        return name
    return f"{name[: limits.NAME_CHARS - _DIGITS - 1]} {digest((name,))[:_DIGITS]}"
