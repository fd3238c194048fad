"""`tocsin spool`: a spool goes in; what waits for whom, who lives and leads, disk use and losses leave."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from tocsin.cli.command import Command, with_place
from tocsin.cli.console import BOLD, RED, Console
from tocsin.cli.dead_letters import dead_letter_rows, retry
from tocsin.cli.place import existing_place
from tocsin.cli.survey import Consumer, ProcessSight, Survey, survey
from tocsin.cli.words import ago, number, size, table
from tocsin.config.show import masked_url
from tocsin.delivery.dead_letters import DeadLetter
from tocsin.event.errors import ConfigError
from tocsin.render import harmless, when

__all__ = ["COMMAND"]

_REASONS: Final = {
    "pending_overflow": "the spool could not be written, and memory was full",
    "internal": "tocsin itself failed; see stderr of the application",
    "spool_full": "spool_max_mb was reached: counted without a report",
    "spool_max_mb": "spool_max_mb was reached: the oldest went undelivered",
    "expired": "not delivered within keep_days",
    "torn": "stretches of a segment that are no record: a crash while writing, or a damaged disk",
    "truncated": "segments that somebody truncated; nobody knows what had not been delivered from them",
    "orphaned": "counts of faults whose record was destroyed, so that nobody knows whose they are",
    "issues_forgotten": "of issues that went because there were too many",
    "unwritable": "the spool could not be written when it happened",
    "recovered": "of these: spooled later",
    "hook_dropped": "before_spool returned None",
    "ignored": "by the setting `ignore`",
    "disconnects": "clients that went away",
    "bad_hosts": "requests with a Host that the application refuses",
    "cut": "reports shortened to the largest size of an event",
}


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        metavar="[retry]",
        nargs="?",
        choices=("retry",),
        help="have what destinations refused for good tried again, after mending the cause",
    )
    parser.add_argument("--sink", metavar="NAME", help="for retry: only what this sink refused, named as shown here")
    parser.add_argument("--drop", action="store_true", help="for retry: forget these reports instead")
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")
    with_place(parser)


def _run(options: argparse.Namespace, console: Console) -> int:
    if options.action == "retry":
        return retry(options, console)
    if options.sink or options.drop:
        raise ConfigError("--sink and --drop are for tocsin spool retry")
    where = existing_place(options, console)
    now = console.now()
    seen = survey(where, now)
    if options.json:
        console.say_json(_members(seen))
        return 1 if seen.state_fault else 0
    bound = f" of at most {where.settings.spool_max_mb:g} MB" if where.settings is not None else ""
    console.say(f"Spool      {where.folder.path}")
    console.say(f"Owner      {seen.owner}")
    console.say(f"Size       {size(seen.size_bytes)}{bound}, {size(seen.free_bytes)} free on its disk")
    console.say(f"Leader     {seen.leader or 'nobody; tocsin deliver, or a worker of the application, would'}")
    if where.settings is not None and where.settings.state:
        console.say(f"Shared     issues and what was told, in {masked_url(where.settings.state)}")
    if seen.state_fault:
        console.say(f"State      {console.paint(RED, seen.state_fault)}")
    for title, rows, right in (
        ("Waiting", _waiting(seen, now), (1,)),
        ("Refused for good, kept for tocsin spool retry", dead_letter_rows(seen.dead_letters, now), ()),
        ("Processes", _processes(seen, now), (2, 3)),
        ("Lost", _counts(seen.losses), (0,)),
        ("Counted and not reported", _counts(seen.left_out), (0,)),
    ):
        if rows:
            console.say()
            console.say(console.paint(BOLD, title))
            for line in table(rows, right=right):
                console.say(f"  {harmless.shorten(line, console.width - 2) if console.width else line}")
    if not seen.losses:
        console.say()
        console.say("Nothing was lost.")
    return 1 if seen.state_fault else 0


def _waiting(seen: Survey, now: datetime) -> list[list[str]]:
    return [[_name(consumer), *_what(consumer), _how(consumer, now)] for consumer in seen.consumers]


def _name(consumer: Consumer) -> str:
    return "the list of issues" if consumer.is_ledger else harmless.line(consumer.name)


def _what(consumer: Consumer) -> Iterator[str]:
    yield f"{consumer.occurrences:,}"
    if consumer.is_told:
        yield "not told" + (", 1 notice on its way" if consumer.notice_at is not None else "")
    else:
        yield "waiting" + (f", {size(consumer.size_bytes)}" if consumer.size_bytes else "")


def _how(consumer: Consumer, now: datetime) -> str:
    health = consumer.health
    if health.failing_since is None:
        return "" if consumer.oldest is None else f"oldest {ago(consumer.oldest, now)}"
    soon = f", tried again in {when.span(health.next_try - now)}" if health.next_try and health.next_try > now else ""
    remedy = f"; {health.remedy}" if health.remedy else ""
    return f"fails for {when.span(now - health.failing_since)}{soon}: {harmless.line(health.reason + remedy)}"


def _processes(seen: Survey, now: datetime) -> list[list[str]]:
    return [
        [
            f"pid {process.pid}",
            "alive" if process.is_alive else "dead",
            number(process.generations, "segment"),
            size(process.size_bytes),
            f"since {when.stamp(process.started)} ({ago(process.started, now)})",
        ]
        for process in seen.processes
    ]


def _counts(counts: Any) -> list[list[str]]:
    return [[f"{count:,}", harmless.line(reason), _REASONS.get(reason, "")] for reason, count in counts.items()]


def _members(seen: Survey) -> dict[str, Any]:
    return {
        "spool": str(seen.folder.path),
        "owner": seen.owner,
        "size_bytes": seen.size_bytes,
        "free_bytes": seen.free_bytes,
        "leader": seen.leader or None,
        "state_fault": seen.state_fault or None,
        "consumers": [_consumer(each) for each in seen.consumers],
        "processes": [_process(each) for each in seen.processes],
        "dead_letters": [_dead_letter(each) for each in seen.dead_letters],
        "losses": dict(seen.losses),
        "left_out": dict(seen.left_out),
    }


def _consumer(consumer: Consumer) -> dict[str, Any]:
    return {
        "name": consumer.name,
        "occurrences": consumer.occurrences,
        "bytes": consumer.size_bytes,
        "oldest": consumer.oldest and consumer.oldest.isoformat(),
        "notice_at": consumer.notice_at and consumer.notice_at.isoformat(),
        **consumer.health.to_note(),
    }


def _process(process: ProcessSight) -> dict[str, Any]:
    return {
        "pid": process.pid,
        "is_alive": process.is_alive,
        "segments": process.generations,
        "bytes": process.size_bytes,
        "started": process.started.isoformat(),
    }


def _dead_letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "sink": letter.sink,
        "at": letter.at.isoformat(),
        "reason": letter.reason,
        "occurrences": letter.occurrences,
        "is_wanted": letter.is_wanted,
    }


COMMAND: Final = Command(
    name="spool",
    summary="what waits for whom, and what was lost; try refused reports again",
    description="Show what waits for each sink, which processes live, who delivers, the disk's use and every loss.",
    exits="0 shown, or all delivered; 1 there is no spool, its state is damaged, or some was refused again or waits",
    examples=("tocsin spool --spool /var/lib/tocsin/shop", "tocsin spool retry --config tocsin.toml"),
    add_options=_add_options,
    run=_run,
)
