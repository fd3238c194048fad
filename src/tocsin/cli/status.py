"""`tocsin status`: a spool goes in; what is wrong with tocsin itself, and an exit code for monitoring, leave."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin import system
from tocsin.cli.command import Command, with_place
from tocsin.cli.console import GREEN, RED, YELLOW, Console
from tocsin.cli.place import Place, place, require_readable
from tocsin.cli.survey import Consumer, Survey, survey
from tocsin.cli.words import number, size
from tocsin.event import limits
from tocsin.event.errors import StoreError
from tocsin.render import when
from tocsin.spool.tallies import LOSSES

__all__ = ["COMMAND", "Problem", "problems"]

_WARNING: Final = 1
_CRITICAL: Final = 2
_WORDS: Final = {0: "OK", _WARNING: "WARNING", _CRITICAL: "CRITICAL"}
_STYLES: Final = {0: GREEN, _WARNING: YELLOW, _CRITICAL: RED}

BACKLOG_S: Final = 300.0  # what waits longer is a backlog
UNLED_S: Final = 30.0  # a worker that starts leads within a second; a deploy takes some
FAILING_S: Final = 60.0  # one failed attempt is no news
FREE_BYTES: Final = 104_857_600


@dataclass(frozen=True, slots=True)
class Problem:
    """Be one thing that is wrong; ``code`` is 1 for a warning, 2 where reports don't get through."""

    code: int
    text: str


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")
    with_place(parser)


def _run(options: argparse.Namespace, console: Console) -> int:
    where = place(options, console)
    now = console.now()
    seen: Survey | None = None
    found: list[Problem]
    try:
        if not os.access(where.folder.path, os.F_OK):
            found = [_missing(where)]
        else:
            require_readable(where.folder)
            seen = survey(where, now)
            found = sorted(problems(seen, now), key=lambda problem: -problem.code)
    except StoreError as fault:
        found = [Problem(_CRITICAL, str(fault))]
    except OSError as fault:
        found = [Problem(_CRITICAL, f"{fault.filename or where.folder.path}: {fault.strerror}")]
    if where.settings is not None and where.settings.mode != "production":
        found.append(Problem(_WARNING, f"mode is {where.settings.mode}: nothing is reported"))
    code = max((problem.code for problem in found), default=0)
    if options.json:
        console.say_json(_members(where, seen, found, code))
    else:
        _say(where, seen, found, code, console)
        if seen is not None and (words := seen.mortality.words(now)):
            console.say(f"  {words}")
    return code


def problems(seen: Survey, now: datetime) -> Iterator[Problem]:
    """Yield what is wrong with a spool and its delivery."""
    if seen.state_fault:
        yield Problem(_CRITICAL, seen.state_fault)
    yield from _disk(seen)
    is_unled = False
    for consumer in seen.consumers:
        yield from _failing(consumer, now)
        is_unled = is_unled or (not seen.leader and _age_s(consumer, now) > UNLED_S)
    if is_unled:
        most = max(consumer.occurrences for consumer in seen.consumers)
        text = f"nobody delivers while {number(most, 'occurrence')} wait{'s' if most == 1 else ''}"
        yield Problem(_CRITICAL, f"{text}; start tocsin deliver, or see why no worker leads")
    for consumer in seen.consumers:
        age_s = _age_s(consumer, now)
        if seen.leader and age_s > BACKLOG_S and consumer.health.failing_since is None:
            yield Problem(_WARNING, f"{consumer.name} is {_span(age_s)} behind")
    if seen.dead_letters:
        sinks = ", ".join(sorted({letter.sink for letter in seen.dead_letters}))
        text = f"{number(len(seen.dead_letters), 'report')} refused for good by {sinks}"
        yield Problem(_WARNING, f"{text}; tocsin spool tells why, tocsin spool retry tries again")
    for why in seen.unread:
        yield Problem(_WARNING, why)
    for why in seen.mortality.refusals:
        yield Problem(_WARNING, f"segmentation faults and aborts can't be reported with a traceback: {why}")
    yield from _lost(seen.recent)


def _lost(recent: Mapping[str, int]) -> Iterator[Problem]:
    """Yield what the segments that are still there tell of losses; so a warning ends with `keep_days`."""
    for reason in sorted(LOSSES):
        if recent.get(reason):
            yield Problem(_WARNING, f"{recent[reason]:,} lost of late ({reason}); tocsin spool tells more")
    unwritten = recent.get("unwritable", 0) - recent.get("recovered", 0) - recent.get("pending_overflow", 0)
    if unwritten > 0:
        yield Problem(_WARNING, f"{unwritten:,} could not be spooled when they happened, and were not since")


def _failing(consumer: Consumer, now: datetime) -> Iterator[Problem]:
    health = consumer.health
    if health.failing_since is None:
        return
    seconds = (now - health.failing_since).total_seconds()
    if seconds < FAILING_S:
        return
    code = _CRITICAL if seconds >= limits.SINK_DOWN_TOLD_S else _WARNING
    remedy = f"; {health.remedy}" if health.remedy else ""
    yield Problem(code, f"{consumer.name} has failed for {_span(seconds)}: {health.reason}{remedy}")


def _disk(seen: Survey) -> Iterator[Problem]:
    path = seen.folder.path
    if system.is_read_only(path):
        yield Problem(_CRITICAL, f"the spool {path} is on a disk that is read-only")
    elif path.stat().st_uid == system.user_id() and not os.access(path, os.W_OK | os.X_OK):
        yield Problem(_CRITICAL, f"the spool {path} can't be written; chmod 700 it")
    if seen.free_bytes < FREE_BYTES:
        yield Problem(_WARNING, f"only {size(seen.free_bytes)} are free on the spool's disk")


def _age_s(consumer: Consumer, now: datetime) -> float:
    """Return how long the oldest thing waits that should be out by now; 0 where nothing does."""
    since = consumer.notice_at if consumer.is_told else consumer.oldest
    return (now - since).total_seconds() if since is not None and consumer.is_waiting else 0.0


def _missing(where: Place) -> Problem:
    why = "nothing was reported yet, or the application has another user or `spool`" if where.settings else "check it"
    return Problem(_WARNING, f"there is no spool at {where.folder.path}: {why}")


def _say(where: Place, seen: Survey | None, found: list[Problem], code: int, console: Console) -> None:
    head = console.paint(_STYLES[code], f"tocsin {_WORDS[code]}")
    console.say(f"{head}: {found[0].text if found else _fine(seen)}")
    for problem in found[1:]:
        console.say(f"  {_WORDS[problem.code].lower()}: {problem.text}")
    if found and seen is not None:
        console.say(f"  {_fine(seen)}")
    console.say(f"  spool {where.folder.path}")


def _fine(seen: Survey | None) -> str:
    if seen is None:
        return ""
    most = max((c.occurrences for c in seen.consumers if c.is_waiting), default=0)
    waiting = (
        "what waits can't be told"
        if seen.state_fault
        else f"{number(most, 'occurrence')} on the way"
        if most
        else "nothing waits"
    )
    alive = sum(process.is_alive for process in seen.processes)
    return f"{waiting}, {seen.leader or 'nobody'} leads, {alive} live process{'' if alive == 1 else 'es'}"


def _members(where: Place, seen: Survey | None, found: list[Problem], code: int) -> dict[str, Any]:
    members: dict[str, Any] = {
        "status": _WORDS[code].lower(),
        "code": code,
        "spool": str(where.folder.path),
        "problems": [{"status": _WORDS[problem.code].lower(), "text": problem.text} for problem in found],
    }
    if seen is not None:
        members |= {
            "leader": seen.leader or None,
            "processes_alive": sum(process.is_alive for process in seen.processes),
            "spool_bytes": seen.size_bytes,
            "free_bytes": seen.free_bytes,
            "consumers": [
                {
                    "name": consumer.name,
                    "waiting": consumer.occurrences,
                    "failing_since": consumer.health.failing_since and consumer.health.failing_since.isoformat(),
                    "reason": consumer.health.reason,
                }
                for consumer in seen.consumers
            ],
            "losses": dict(seen.losses),
            "left_out": dict(seen.left_out),
            "deaths": seen.mortality.members(),
        }
    return members


def _span(seconds: float) -> str:
    return when.span(timedelta(seconds=seconds))


COMMAND: Final = Command(
    name="status",
    summary="whether reports get through, for monitoring",
    description=(
        "Tell in one line whether tocsin itself works; further lines say more. It asks nothing of the network and "
        "writes nothing."
    ),
    exits=(
        "0 fine, 1 warning (a sink fails for a minute, a backlog of 5 minutes, losses, little disk, no spool), "
        "2 critical (a sink fails for 15 minutes, nobody delivers, the spool or its state is unusable) or usage"
    ),
    examples=("tocsin status --config tocsin.toml",),
    add_options=_add_options,
    run=_run,
)
