"""`tocsin explain`: an error id goes in; what makes it the fault it is leaves, or what makes two of them one or not."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tocsin.cli.command import Command, with_place
from tocsin.cli.console import BOLD, DIM, GREEN, RED, Console
from tocsin.cli.fault import Wanted, wanted
from tocsin.cli.lookup import LookedUp, look_up
from tocsin.cli.place import Place, existing_place
from tocsin.cli.words import issue_name, number
from tocsin.config.fingerprint_rules import function_name
from tocsin.event import error_id
from tocsin.event.identity.fingerprint import Part, explain, fingerprint, former
from tocsin.event.identity.own_rules import FingerprintRules, seen_in
from tocsin.event.model import Event, ExceptionInfo
from tocsin.render import harmless
from tocsin.render.facts import innermost, occasion
from tocsin.render.facts import what as what_happened
from tocsin.routing.issues import Issue

__all__ = ["COMMAND"]

_VALUE_CHARS: Final = 300
_EXCEPTIONS: Final = 64  # of a chain and its groups


@dataclass(frozen=True, slots=True)
class _Case:
    """Hold one event with what its fingerprint is made of. ``now`` is what the present rules make of it."""

    event: Event
    parts: tuple[Part, ...]
    now: str
    older: tuple[str, ...]
    issues: tuple[Issue, ...]
    decided: str  # who named the fault, "" where the usual rules did
    asked: Wanted
    is_asked: bool  # it is the very event that was named, or any of the fault that was

    @property
    def is_current(self) -> bool:
        return self.event.fingerprint == self.now


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "id", metavar="ID", help="an error id, its first half, or a fingerprint: then its latest report"
    )
    parser.add_argument("other", metavar="[OTHER]", nargs="?", help="another, to say whether both are one fault")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    with_place(parser)


def _run(options: argparse.Namespace, console: Console) -> int:
    asked = [wanted(text) for text in (options.id, options.other) if text is not None]
    where = existing_place(options, console, is_state_enough=True)
    cases = [case for what in asked if (case := _case(where, what, console)) is not None]
    if len(cases) < len(asked):
        return 1
    if options.json:
        console.say_json(_members(cases))
    elif len(cases) == 1:
        _say_one(cases[0], console)
    else:
        _say_two(cases[0], cases[1], console)
    return 0


def _case(where: Place, what: Wanted, console: Console) -> _Case | None:
    known = look_up(where, what, console)
    if known.found is None:
        why = "; they are gone, and only they say why" if known.issues else f"{what.hint}; tocsin issues lists all"
        console.note(f"no report of {what} in {where.folder.path}{why}")
        return None
    return _made(known, known.found.event, _decided(known.found.event, where), is_asked=not known.found.away)


def _made(known: LookedUp, event: Event, decided: str, *, is_asked: bool) -> _Case:
    older = tuple(key for key in former(event) if key != event.fingerprint)
    return _Case(event, explain(event), fingerprint(event), older, known.issues, decided, known.what, is_asked)


def _decided(event: Event, where: Place) -> str:
    """Return who named the fault: a report does not say, so the configuration's rules are tried on it."""
    settings, bare = where.settings, replace(event, custom_fingerprint="")
    seen, usual = seen_in(event), lambda: fingerprint(bare)
    for index, rule in enumerate(settings.fingerprints if settings is not None else (), 1):
        name = FingerprintRules([rule]).name(seen, usual)
        if not name:
            continue
        told = (
            f"[[fingerprints]] table {index} ({', '.join(f'{key} = {value}' for key, value in rule.table().items())})"
        )
        if name == event.custom_fingerprint:
            return told
        if not event.custom_fingerprint:
            return f"nobody then; by the present configuration {told} would name it {name!r}"
        break
    if not event.custom_fingerprint:
        return ""
    function = function_name(settings.fingerprint) if settings is not None and settings.fingerprint else ""
    return " or ".join(filter(None, ("report(fingerprint=…)", f"the function {function}" if function else "")))


# -- one event ---------------------------------------------------------------------------------------------


def _say_one(case: _Case, console: Console) -> None:
    _say_head(case, console)
    console.say()
    console.say(console.paint(BOLD, "Made of"))
    for part in case.parts:
        _say_part(part, console)
    console.say()
    console.say(console.paint(BOLD, "Left out, since it may differ though the fault is the same"))
    for name, value in _left_out(case):
        console.say(f"  {name}: {value}")
    if case.older:
        console.say()
        console.say(console.paint(BOLD, "Older keys, under which an open issue or ticket goes on"))
        for key in case.older:
            console.say(f"  {key}  (issue {error_id.prefix(key)})")


def _say_head(case: _Case, console: Console) -> None:
    event = case.event
    console.say(f"{console.paint(BOLD, harmless.line(event.error_id))}  {what_happened(event)}")
    if not case.is_asked:
        console.say(console.paint(DIM, f"  the nearest report of the fault: {case.asked} was only counted, or is gone"))
    console.say(f"  fingerprint  {harmless.line(event.fingerprint)}")
    console.say(f"  rules        {_rules(case)}")
    if case.decided:
        console.say(f"  named by     {harmless.line(case.decided)}")
    for issue in case.issues:
        merged = "" if issue.fingerprint == event.fingerprint else f", by its older key {issue.fingerprint}"
        console.say(f"  issue        {issue.prefix}, {number(issue.count, 'occurrence')}: {issue_name(issue)}{merged}")


def _rules(case: _Case) -> str:
    version = harmless.line(case.event.fingerprint.partition(":")[0])
    if case.is_current:
        return version
    if case.event.message == "[forgotten]":
        return f"{version}; what it was made of was forgotten in part, so the parts below are not all of it"
    present = case.now.partition(":")[0]
    if version != present:
        return f"{version}, of an older tocsin; by the present ones, {present}, below, it is {case.now}"
    return f"{version}, of other rules than the parts below, which give {case.now}"


def _say_part(part: Part, console: Console, mark: str = " ") -> None:
    shown = harmless.shorten(harmless.line(part.value), _VALUE_CHARS) or "(nothing)"
    console.say(f"{mark} {console.paint(BOLD, harmless.line(part.name))}: {shown}")
    console.say(console.paint(DIM, f"      {harmless.line(part.reason)}"))


def _left_out(case: _Case) -> Iterator[tuple[str, str]]:
    """Yield what an event tells that no fingerprint is made of, as it is in this one."""
    event = case.event
    if event.exception is not None:
        if event.exception.message:
            yield "the exception's message", harmless.shorten(harmless.line(event.exception.message), _VALUE_CHARS)
        frame = innermost(event.exception)
        if frame is not None:
            yield "file and line", f"{harmless.line(frame.file)}:{frame.line}"
        others = _other_functions(event.exception, {part.value for part in case.parts})
        if others:
            yield "other functions of the traceback", harmless.shorten(harmless.line(", ".join(others)), _VALUE_CHARS)
    for name, value in (
        ("request or task", occasion(event)),
        ("release", event.release),
        ("host", event.host),
        ("thread", event.thread),
    ):
        if value:
            yield name, harmless.line(value)
    yield "always", "values of variables, fields, tags, headers, who it happened to, and what was logged before"


def _other_functions(exception: ExceptionInfo, named: Collection[str]) -> list[str]:
    """Return the functions of all tracebacks that no part names, outermost first."""
    found: dict[str, None] = {}
    waiting = [exception]
    for _ in range(_EXCEPTIONS):
        if not waiting:
            break
        info = waiting.pop(0)
        found |= dict.fromkeys(f"{frame.module}.{frame.function}" for frame in info.frames)
        waiting += [each for each in (info.cause, info.context, *info.members) if each is not None]
    return [function for function in found if function not in named]


# -- two of them -------------------------------------------------------------------------------------------


def _say_two(one: _Case, other: _Case, console: Console) -> None:
    for case in (one, other):
        _say_head(case, console)
    console.say()
    if _is_one(one, other):
        is_merged = one.event.fingerprint != other.event.fingerprint
        why = ", as one goes on under the older key of the other" if is_merged else ""
        console.say(console.paint(GREEN, f"One fault{why}."))
    else:
        is_other = one.now != other.now and sorted(one.parts) == sorted(other.parts)
        why = ", since they have the same parts in another order" if is_other else ""
        console.say(console.paint(RED, f"Two faults{why}."))
    for title, marked in _compared(one.parts, other.parts):
        if marked:
            console.say()
            console.say(console.paint(BOLD, title))
            for mark, part in marked:
                _say_part(part, console, mark)


def _is_one(one: _Case, other: _Case) -> bool:
    if one.event.fingerprint == other.event.fingerprint:
        return True
    issues = {issue.fingerprint for issue in one.issues}
    return bool(issues.intersection(issue.fingerprint for issue in other.issues))


def _compared(one: Sequence[Part], other: Sequence[Part]) -> list[tuple[str, list[tuple[str, Part]]]]:
    """Return the parts that both have, and those that only one has, marked ``-`` and ``+`` as in a diff."""
    both = [(" ", part) for part in one if _has(other, part)]
    differ = [("-", part) for part in one if not _has(other, part)]
    differ += [("+", part) for part in other if not _has(one, part)]
    return [("They share", both), ("They differ in (- the first, + the second)", differ)]


def _has(parts: Sequence[Part], wanted_part: Part) -> bool:
    return any((part.name, part.value) == (wanted_part.name, wanted_part.value) for part in parts)


# -- JSON --------------------------------------------------------------------------------------------------


def _members(cases: Sequence[_Case]) -> dict[str, Any]:
    if len(cases) == 1:
        return _case_members(cases[0])
    one, other = cases
    both, differ = _compared(one.parts, other.parts)
    return {
        "is_one_fault": _is_one(one, other),
        "shared": [_part_members(part) for _, part in both[1]],
        "only_first": [_part_members(part) for mark, part in differ[1] if mark == "-"],
        "only_second": [_part_members(part) for mark, part in differ[1] if mark == "+"],
        "events": [_case_members(case) for case in cases],
    }


def _case_members(case: _Case) -> dict[str, Any]:
    return {
        "error_id": case.event.error_id,
        "is_exact": case.is_asked,
        "fingerprint": case.event.fingerprint,
        "by_present_rules": case.now,
        "named_by": case.decided or None,
        "issues": [issue.fingerprint for issue in case.issues],
        "parts": [_part_members(part) for part in case.parts],
        "left_out": dict(_left_out(case)),
        "older_keys": list(case.older),
    }


def _part_members(part: Part) -> dict[str, str]:
    return {"name": part.name, "value": part.value, "reason": part.reason}


COMMAND: Final = Command(
    name="explain",
    summary="why a report is the fault it is, or two of them are one or not",
    description=(
        "Say what the fingerprint of a report is made of, each part with its reason, what was left out, and its older "
        "keys. Of two, say which parts they share and in which they differ."
    ),
    exits="0 said, 1 there is no report of it",
    examples=("tocsin explain 7K3QDM-24F2", "tocsin explain 7K3QDM-24F2 HR8Y3M-9KXA"),
    add_options=_add_options,
    run=_run,
)
