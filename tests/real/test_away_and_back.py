"""Destinations away for any pattern of minutes, leaders that die at any step: all arrives, and repeats are known."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import seeds
from deaths import Death, Fate, Inbox, People, Play, fingerprint_of, playing, require_entries, require_notices
from tocsin.delivery.dead_letters import DeadLetters
from tocsin.sinks.base import Accepted, Entry, Outcome, Refused, SinkContext, Unavailable
from tocsin.sinks.database import DatabaseSink
from tocsin.sinks.file import FileSink

pytestmark = pytest.mark.complaints  # a death inside of a call is one that Job tells


def _scenario(play: Play) -> None:
    """Let two faults happen in two processes, one with counts, and a destination be away in between."""
    inbox, people = play.sinks[0], play.sinks[1]
    play.happen(0)
    play.count(0)
    play.lead(6)
    play.pass_time(20)
    play.lead()
    inbox.answer = people.answer = lambda: Unavailable("away")
    play.happen(1)
    play.count(0)
    play.lead()
    play.restart_application()
    play.happen(0)
    play.count(0)
    play.pass_time(3_600)
    play.lead()
    inbox.answer = people.answer = Accepted
    play.drain(hours=3)


def _points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    fate = Fate()
    with playing(tmp_path / "whole", fate, monkeypatch) as play:
        play.sinks = [Inbox(fate), People(fate)]
        _scenario(play)
        require_entries(play.sinks[0].lines, play, repeats_at_most=0)
        require_notices(play.sinks[1], play, repeats_at_most=0)
    return fate.passed


def test_a_leader_may_die_at_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every point of a small scenario, one death at each: all arrives; a repetition has the key of the first."""
    points = _points(tmp_path, monkeypatch)
    assert points > 100
    repeated = 0
    for number in range(1, points + 1):
        fate = Fate([number])
        with playing(tmp_path / str(number), fate, monkeypatch) as play:
            inbox, people = play.sinks = [Inbox(fate), People(fate)]
            _scenario(play)
            assert len(fate.deaths) == 1
            require_entries(inbox.lines, play, repeats_at_most=fate.repeats[inbox.identity])
            require_notices(people, play, repeats_at_most=fate.repeats[people.identity])
            repeated += len({notice.id for notice in people.notices}) < len(people.notices)
    assert repeated, "no death lay between acceptance and commit, so nothing was tried here"


class _MortalFile(FileSink):
    """Be the file sink, which may be killed before, in the middle of and after an append."""

    fate: Fate

    def _append(self, fd: int, batch: bytes) -> None:
        self.fate.point("before the append")
        try:
            self.fate.point("half way through the append")
        except Death:
            os.write(fd, batch[: len(batch) // 2])
            raise
        super()._append(fd, batch)
        self.fate.point("after the append")

    def killed(self) -> None:
        self.close()


def _file_sink(fate: Fate, path: Path) -> _MortalFile:
    sink = _MortalFile(str(path), max_bytes=3_000, backups=50)  # small enough to be rotated on the way
    sink.fate = fate
    return sink


def _lines(path: Path) -> list[dict[str, Any]]:
    files = sorted(path.parent.glob(f"{path.name}*"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def _around(names: Sequence[str], begins: str) -> list[int]:
    """Return the points from each of that name to after the commit of the cursor."""
    asked = [number for number, name in enumerate(names, 1) if name == begins]
    assert len(asked) > 2
    return sorted({point for number in asked for point in range(number, number + 8)})


def test_a_file_has_everything_exactly_once_wherever_a_leader_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried at each point from before an append to after the commit of the cursor."""

    def played(dies_at: Sequence[int]) -> Fate:
        fate = Fate(dies_at)
        path = tmp_path / str(dies_at) / "events.jsonl"
        with playing(path.parent, fate, monkeypatch) as play:
            play.sinks = [Inbox(Fate(), "quiet"), People(Fate(), "quiet"), _file_sink(fate, path)]
            _scenario(play)
            require_entries(_lines(path), play, repeats_at_most=0)
        return fate

    for point in _around(played(()).names, "before the append"):
        assert played([point]).deaths


class _MortalDatabase(DatabaseSink):
    """Be the database sink, which may be killed before a batch and after its commit."""

    is_local = True
    fate: Fate

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        self.fate.point("before the transaction")
        outcome = super().deliver(entries)
        self.fate.point("after the transaction")
        return outcome


def _database_sink(fate: Fate, path: Path) -> _MortalDatabase:
    options = {setting.name: setting.default for setting in DatabaseSink.settings}
    options |= {"path": str(path), "store": "both"}
    sink = _MortalDatabase.from_options(options, SinkContext("shop", "test", "web-1"))
    sink.fate = fate
    return sink


def test_a_database_counts_everything_exactly_once_wherever_a_leader_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried at each point from before its transaction to after the commit of the cursor."""

    def played(dies_at: Sequence[int]) -> Fate:
        fate = Fate(dies_at)
        path = tmp_path / f"{dies_at}.db"
        with playing(tmp_path / str(dies_at), fate, monkeypatch) as play:
            play.sinks = [Inbox(Fate(), "quiet"), People(Fate(), "quiet"), _database_sink(fate, path)]
            _scenario(play)
            with contextlib.closing(sqlite3.connect(path)) as connection:
                found = dict(connection.execute("SELECT fingerprint, occurrences FROM tocsin_issues"))
            assert found == play.occurrences
        return fate

    for point in _around(played(()).names, "before the transaction"):
        assert played([point]).deaths


# -- any pattern -----------------------------------------------------------------------------------------------
def _random_hours(play: Play, dice: random.Random, fate: Fate, sinks: Sequence[Any]) -> None:
    away = (Accepted, Accepted, lambda: Unavailable("away"), lambda: Unavailable("busy", "", 1_800.0), _raising)
    for _ in range(50):
        match dice.randrange(9):
            case 0 | 1:
                play.happen(dice.randrange(4))
            case 2 | 3:
                for _ in range(dice.choice((1, 1, 30))):
                    play.count(dice.randrange(4))
            case 4:
                play.pass_time(dice.choice((1, 20, 60, 600, 4_000)))
            case 5:
                sink = dice.choice(sinks)
                sink.answer = dice.choice(away)
                if isinstance(sink, Inbox):
                    sink.takes_half = dice.random() < 0.2
            case 6:
                fate.die_soon(dice.randrange(1, 40))
            case 7:
                play.die()  # a reboot, if nothing else: whoever leads next finds the spool and nothing more
            case 8:
                play.restart_application()
        play.lead(dice.choice((0, 1, 3, 200)))
    for sink in sinks:
        sink.answer = Accepted
        if isinstance(sink, Inbox):
            sink.takes_half = False


def _raising() -> Outcome:
    raise OSError("a fault of the sink itself")


def test_any_pattern_of_outages_deaths_and_reboots_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = seeds.dice()
    for round_ in range(12):
        fate = Fate()
        path = tmp_path / str(round_) / "events.jsonl"
        with playing(tmp_path / str(round_), fate, monkeypatch) as play:
            inbox, people, eager = Inbox(fate), People(fate), People(fate, "eager", gather_s=0.0, is_single=True)
            play.sinks = [inbox, people, eager, _file_sink(fate, path)]
            _random_hours(play, dice, fate, [inbox, people, eager])
            play.drain()
            require_entries(inbox.lines, play, repeats_at_most=fate.repeats[inbox.identity] + inbox.unsure)
            require_entries(_lines(path), play, repeats_at_most=0)
            for each in (people, eager):
                require_notices(each, play, repeats_at_most=fate.repeats[each.identity])
            state = play.state()
            assert state.losses() == {}
            state.close()


def test_what_is_refused_for_good_is_told_or_lies_with_the_dead_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delivered or buried, wherever a leader dies; buried twice at most where it died between burial and commit."""
    points = 0
    number = 0
    while number <= points:
        fate = Fate([number])
        with playing(tmp_path / str(number), fate, monkeypatch) as play:
            inbox = Inbox(fate)
            inbox.answer = lambda: Refused("unacceptable")
            play.sinks = [inbox]
            play.happen(0)
            play.happen(1)
            play.lead()
            inbox.answer = Accepted
            play.happen(2)
            play.drain(hours=1)
            letters = [json.loads(letter.report.line)["message"] for letter in DeadLetters(play.folder).all()]
            arrived = [line["message"] for line in inbox.lines]
            assert {*letters, *arrived} == set(play.messages)
            assert len(letters) <= 2 + 2 * len(fate.deaths)
        points = points or fate.passed
        number += 1


def test_a_new_destination_hears_nothing_of_the_past_wherever_a_leader_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(120):
        fate = Fate()
        with playing(tmp_path / str(number), fate, monkeypatch) as play:
            play.sinks = [Inbox(fate)]
            play.happen(0)
            play.drain(hours=1)
            play.die()
            late, people = Inbox(fate, "late"), People(fate, "late")
            play.sinks += [late, people]
            if number:
                fate.die_soon(number)
            play.lead()
            play.happen(1)
            play.count(1)
            play.drain(hours=2)
            assert [line["message"] for line in late.lines if "offset" in line["origin"]][:1] == ["m2"]
            assert {line["fingerprint"] for line in late.lines} == {fingerprint_of(1)}
            assert {each.fingerprint for notice in people.notices for each in notice.issues} == {fingerprint_of(1)}
            if number and not fate.deaths:
                return
