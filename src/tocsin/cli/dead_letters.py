"""`tocsin spool retry`: what destinations refused for good goes in; it is tried again, and what came of it leaves."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from tocsin.cli.books import holder
from tocsin.cli.console import Console
from tocsin.cli.deliver import crew_of, stopped_by_signals
from tocsin.cli.drain import drain, have_drained
from tocsin.cli.place import existing_place
from tocsin.cli.words import ago, number
from tocsin.delivery.dead_letters import DeadLetter, DeadLetters
from tocsin.render import harmless
from tocsin.spool.folder import Folder

__all__ = ["dead_letter_rows", "retry"]

_TIMEOUT_S: Final = 30.0


def dead_letter_rows(letters: Iterable[DeadLetter], now: datetime) -> list[list[str]]:
    """Return a row for each sink: how many of its reports lie there, since when, and why the latest does."""
    by_sink: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        by_sink.setdefault(letter.sink, []).append(letter)
    return [
        [
            harmless.line(sink),
            number(len(found), "report"),
            f"oldest {ago(found[0].at, now)}",
            harmless.line(f"{found[-1].reason}; {found[-1].remedy}".rstrip("; ")),
        ]
        for sink, found in by_sink.items()
    ]


def retry(options: argparse.Namespace, console: Console) -> int:
    """Have every dead letter tried again, or those of ``--sink``; with ``--drop``, forget them instead."""
    folder = existing_place(options, console).folder
    folder.require_owner()
    lying = DeadLetters(folder)
    letters = [letter for letter in lying.all() if options.sink in (None, letter.sink)]
    if not letters:
        console.say(_nothing(options.sink, lying))
        return 0 if options.sink is None else 1
    for letter in letters:
        if options.drop:
            lying.remove(letter)
        else:
            lying.want(letter)
    if options.drop:
        console.say(f"{number(len(letters), 'report')} dropped")
        return 0
    _deliver(options, folder, console)
    return _told(letters, DeadLetters(folder).all(), console)


def _nothing(sink: str | None, lying: DeadLetters) -> str:
    others = sorted({letter.sink for letter in lying.all()})
    if sink is None or not others:
        return "no report was refused; there is nothing to try again"
    return f"no report was refused by {sink}; there are some of {', '.join(map(harmless.line, others))}"


def _deliver(options: argparse.Namespace, folder: Folder, console: Console) -> None:
    """Have who leads deliver them, or lead here where nobody does and there is a configuration."""
    if holder(folder):
        have_drained(folder, lambda: False, _TIMEOUT_S)
        return
    if options.config is None and options.spool is not None:
        console.note(f"nobody delivers from {folder.path}, so they wait until somebody does; --config delivers now")
        return
    crew = crew_of(argparse.Namespace(**{**vars(options), "sink": None}), console)
    with stopped_by_signals() as is_stopping:
        try:
            if crew.take_over(is_stopping):
                for sentence in drain(crew, is_stopping, _TIMEOUT_S):
                    console.note(f"still waiting for {sentence}")
        finally:
            crew.finish(0.0)


def _told(asked: Iterable[DeadLetter], left: Iterable[DeadLetter], console: Console) -> int:
    """Say what became of each; return 0 when all were delivered."""
    still = {_name(letter.path): letter for letter in left}
    count: Counter[str] = Counter()
    for letter in asked:
        now = still.get(_name(letter.path))
        count["delivered" if now is None else "waiting" if now.is_wanted else "refused again"] += 1
    console.say(", ".join(_counted(count)))
    if count["waiting"]:
        console.note("what waits is delivered as its sink takes it; tocsin spool shows how far it is")
    for reason in sorted({letter.reason for letter in still.values() if not letter.is_wanted}):
        console.note(f"refused: {harmless.line(reason)}")
    return 0 if set(count) <= {"delivered"} else 1


def _counted(count: Counter[str]) -> Iterator[str]:
    yield from (f"{n:,} {what}" for what, n in count.items())


def _name(path: Path) -> str:
    return path.stem
