"""A wall clock that leaps, by hours or years, both ways: nothing is lost early, nothing storms, nothing starves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import seeds
from deaths import Fate, Inbox, People, Play, fingerprint_of, playing, require_entries, require_notices
from tocsin.delivery.dead_letters import DeadLetters
from tocsin.delivery.health import Health
from tocsin.event import limits
from tocsin.event.calendar import Calendar
from tocsin.sinks.base import Accepted, Refused, Unavailable

DAY_S = 86_400.0
YEAR_S = 365 * DAY_S
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    fate = Fate()
    with playing(tmp_path, fate, monkeypatch) as play:
        play.sinks = [Inbox(fate), People(fate)]
        yield play


def _sweep(play: Play) -> None:
    """Have the leader sweep at its next step, though no steady time has passed."""
    if play.leader is not None:
        play.leader._swept_at -= 3_600
    play.lead()


def _away(play: Play) -> None:
    for sink in play.sinks:
        sink.answer = lambda: Unavailable("away")


def _back(play: Play) -> None:
    for sink in play.sinks:
        sink.answer = Accepted


def _stamp(play: Play) -> None:
    """Give the files of the spool the times of the played clock."""
    for path in play.folder.path.glob("*.events"):
        os.utime(path, (play.time.timestamp(), play.time.timestamp()))


# -- expiry ----------------------------------------------------------------------------------------------------
def test_a_leap_of_a_year_and_back_gives_nothing_up(play: Play) -> None:
    _away(play)
    play.happen()
    _stamp(play)
    play.restart_application()
    play.lead()
    play.pass_time(YEAR_S)
    _sweep(play)
    play.die()  # the next leader doesn't know what the clock said before, but for what was kept
    play.lead()
    _sweep(play)
    play.pass_time(-YEAR_S)
    _back(play)
    play.drain()
    require_entries(play.sinks[0].lines, play, repeats_at_most=0)
    require_notices(play.sinks[1], play, repeats_at_most=0)
    with_losses = play.state()
    assert with_losses.losses() == {}
    with_losses.close()


def test_a_machine_that_starts_in_another_year_gives_nothing_up(play: Play) -> None:
    """Its clock says 1970 until the network is there; what was spooled before looks old from then on."""
    _away(play)
    play.time = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    play.happen()
    _stamp(play)
    play.restart_application()
    play.lead()
    play.time = NOW
    _sweep(play)
    _back(play)
    play.drain()
    require_entries(play.sinks[0].lines, play, repeats_at_most=0)
    require_notices(play.sinks[1], play, repeats_at_most=0)


def test_a_leap_that_stands_is_believed_and_what_expires_is_counted(play: Play) -> None:
    _away(play)
    play.happen()
    _stamp(play)
    play.restart_application()
    play.lead()
    play.pass_time(8 * DAY_S)
    _sweep(play)
    state = play.state()
    assert state.losses() == {}
    state.close()
    play.steady += limits.CLOCK_BELIEVED_S
    _sweep(play)
    state = play.state()
    assert state.losses() == {"expired": 1}
    state.close()


def test_refused_reports_outlive_a_leap(play: Play) -> None:
    play.sinks[0].answer = lambda: Refused("no")
    play.happen()
    play.lead()
    assert len(DeadLetters(play.folder).all()) == 1
    play.pass_time(YEAR_S)
    _sweep(play)
    assert len(DeadLetters(play.folder).all()) == 1


def test_a_segment_of_a_time_to_come_ages_from_now_on(play: Play) -> None:
    """Written while the clock was ahead by a year: it would lie there for a year and seven days."""
    play.happen()
    play.lead()
    play.pass_time(YEAR_S)
    _stamp(play)
    play.pass_time(-YEAR_S)
    play.restart_application()
    play.lead()
    _sweep(play)
    (path,) = play.folder.path.glob("*.events")
    assert path.stat().st_mtime == pytest.approx(play.time.timestamp())


def test_a_calendar_follows_the_clock_but_not_its_leaps() -> None:
    steady = [0.0]
    calendar = Calendar(steady=lambda: steady[0])
    assert calendar.now(NOW) == NOW
    steady[0] = 100.0
    assert calendar.now(NOW + timedelta(seconds=101)) == NOW + timedelta(seconds=101)  # drift
    far = NOW + timedelta(days=400)
    steady[0] = 200.0
    assert calendar.now(far) == NOW + timedelta(seconds=201)
    again = Calendar(calendar.to_note(), lambda: steady[0])  # another leader
    assert again.now(far) == NOW + timedelta(seconds=201)
    steady[0] += limits.CLOCK_BELIEVED_S
    assert again.now(far) == far
    assert again.now(NOW) == NOW  # back: at once


@pytest.mark.parametrize("note", [{}, {"trusted": "soon", "ahead_s": 1}, {"trusted": None, "ahead_s": "x"}])
def test_a_note_that_says_nothing_makes_a_calendar_that_believes(note: dict[str, object]) -> None:
    assert Calendar(note).now(NOW) == NOW


# -- being told ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("back_s", [3_600.0, DAY_S, YEAR_S])
def test_a_fault_of_tomorrow_is_told_today(play: Play, back_s: float) -> None:
    """Captured, and perhaps counted, while the clock was ahead; told within minutes of its being set right."""
    people = play.sinks[1] = People(play.fate, gather_s=0.0)
    play.happen(0)
    play.lead()  # the ledger has it, with a time that is still to come
    play.happen(1)  # this one has not been read when the clock is set right
    play.pass_time(-back_s)
    for _ in range(40):
        play.lead()
        play.pass_time(15)
    assert {report.fingerprint for notice in people.notices for report in notice.issues} == {
        fingerprint_of(0),
        fingerprint_of(1),
    }


def test_a_fault_that_goes_on_after_the_clock_was_set_back_is_told(play: Play) -> None:
    people = play.sinks[1]
    play.happen(0)
    for _ in range(30):
        play.lead()
        play.pass_time(20)
    assert len(people.notices) == 1
    play.pass_time(-DAY_S)
    for _ in range(200):
        play.count(0)
    for _ in range(30):  # five hours: growth, and then silence
        play.lead()
        play.pass_time(600)
    assert sum(report.untold for notice in people.notices for report in notice.issues) == 201


def test_growth_that_was_to_be_told_tomorrow_is_told_today(play: Play) -> None:
    """All of it happened before the clock was set back, so nothing new draws anybody's eyes to it."""
    people = play.sinks[1]
    play.happen(0)
    play.drain(hours=0.3)
    for _ in range(200):
        play.count(0)
    play.lead()
    assert len(people.notices) == 1
    play.pass_time(-DAY_S)
    play.drain(hours=3)
    assert sum(report.untold for notice in people.notices for report in notice.issues) == 201


def test_a_destination_added_tomorrow_is_told_today(play: Play) -> None:
    play.happen(0)
    play.drain(hours=2)
    play.die()
    late = People(play.fate, "late")
    play.sinks.append(late)
    play.lead()  # it is added, by a clock that is a day ahead
    play.pass_time(-DAY_S)
    play.happen(1)
    for _ in range(40):
        play.lead()
        play.pass_time(15)
    assert {report.fingerprint for notice in late.notices for report in notice.issues} == {fingerprint_of(1)}


def test_a_cap_that_was_reached_tomorrow_does_not_hold_all_day(play: Play) -> None:
    eager = People(play.fate, "eager", gather_s=0.0, cap_per_hour=2)
    play.sinks = [eager]
    for fault in range(2):
        play.happen(fault)
    play.pass_time(10)
    play.lead()
    assert [notice.reason for notice in eager.notices] == ["new", "new"]
    play.pass_time(-DAY_S)
    play.lead()
    play.pass_time(3_700)
    play.happen(5)
    play.lead()
    play.pass_time(10)
    play.lead()
    assert eager.notices[-1].reason == "new"
    assert {report.fingerprint for report in eager.notices[-1].issues} == {fingerprint_of(5)}


def test_a_failing_destination_is_tried_again_though_the_clock_was_set_back(play: Play) -> None:
    """By less than the longest pause, which nobody asked for here."""
    _away(play)
    play.happen()
    play.lead()
    play.pass_time(-3_000)
    _back(play)
    play.lead()
    assert [line["message"] for line in play.sinks[0].lines] == ["m1"]


def test_an_outage_that_began_tomorrow_is_told_today(play: Play) -> None:
    _away(play)
    play.happen()
    play.lead()
    play.pass_time(-DAY_S)
    for _ in range(30):
        play.pass_time(60)
        play.lead()
    assert any("inbox:a has failed since" in text for text in play.told_failing)


def test_a_note_of_health_without_a_pause_is_read() -> None:
    """As older versions wrote it."""
    note = Health(next_try=NOW + timedelta(seconds=60)).to_note()
    del note["pause_s"]
    assert Health.from_note(note).is_waiting(NOW)


@pytest.mark.complaints  # a death inside of a call is one that Job tells
def test_any_leaps_lose_nothing_repeat_nothing_and_do_not_storm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of minutes to years, both ways, with faults, outages and deaths between them."""
    dice = seeds.dice()
    for round_ in range(6):
        fate = Fate()
        with playing(tmp_path / str(round_), fate, monkeypatch) as play:
            inbox, people = play.sinks = [Inbox(fate), People(fate)]
            leaps = 0
            for _ in range(40):
                match dice.randrange(6):
                    case 0 | 1:
                        play.happen(dice.randrange(3))
                    case 2:
                        play.count(dice.randrange(3))
                    case 3:
                        play.pass_time(dice.choice((1, 60, 900)))
                        play.steady += 60
                    case 4:
                        leaps += 1
                        play.pass_time(dice.choice((-1, 1)) * dice.choice((50.0, 1_800.0, 7_200.0, 9 * DAY_S, YEAR_S)))
                    case 5:
                        sink = dice.choice(play.sinks)
                        sink.answer = dice.choice((Accepted, lambda: Unavailable("away")))
                        if dice.random() < 0.3:
                            play.restart_application()
                if dice.random() < 0.2:
                    fate.die_soon(dice.randrange(1, 30))
                _sweep(play)
            _back(play)
            play.drain()
            require_entries(inbox.lines, play, repeats_at_most=fate.repeats[inbox.identity])
            require_notices(people, play, repeats_at_most=fate.repeats[people.identity])
            assert len(people.notices) <= 10 * (leaps + 1) + 30  # the cap of an hour more, at most, for each leap
