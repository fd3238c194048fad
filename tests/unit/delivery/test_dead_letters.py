"""What a destination refuses for good is kept with its reason, and tried again when people ask."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.delivery.test_delivery import People, Scene, run_dry

from tocsin.delivery.apart import deliver_apart
from tocsin.delivery.dead_letters import DeadLetters
from tocsin.delivery.dead_letters import _load as load
from tocsin.event import limits
from tocsin.event.notice import Notice
from tocsin.routing.sqlite import SqliteState
from tocsin.sinks.base import Accepted, Entry, Outcome, Refused, Unavailable
from tocsin.spool.folder import Folder
from tocsin.testing.contract import entry_of, notice_of
from tocsin.testing.hostile import HOSTILE, ordinary_event

NOW = ordinary_event().timestamp
EVENT = HOSTILE[0].make()


class Picky:
    """An entry sink that refuses what it is told to, by the event's message or by its origin."""

    type = "picky"
    settings = ()
    idempotency = "none"
    is_local = True
    identity = "picky:here"

    def __init__(self, *disliked: Any) -> None:
        self.disliked = list(disliked)
        self.taken: list[Any] = []
        self.calls = 0
        self.is_away = False

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        self.calls += 1
        if self.is_away:
            return Unavailable("away")
        for entry in entries:
            if entry.origin in self.disliked or json.loads(entry.line)["message"] in self.disliked:
                return Refused("not this one", "send something else")
        self.taken += entries
        return Accepted()

    def close(self) -> None:
        pass


def messages(sink: Picky) -> list[str]:
    return list(dict.fromkeys(json.loads(entry.line)["message"] for entry in sink.taken))


@pytest.fixture
def letters(tmp_path: Path) -> DeadLetters:
    folder = Folder(tmp_path / "spool")
    folder.prepare()
    return DeadLetters(folder)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_one_refused_entry_does_not_take_its_batch_with_it() -> None:
    """A batch is halved until what can't be taken stands alone; the others arrive, in order."""
    entries = [entry_of(case.make()) for case in HOSTILE]
    sink = Picky(entries[5].origin, entries[6].origin, entries[-1].origin)
    apart = deliver_apart(sink, entries)
    assert apart.outcome == Accepted()
    refused = [entries[5], entries[6], entries[-1]]
    assert [entry for entry, _ in apart.refused] == refused
    assert list(dict.fromkeys(sink.taken)) == [entry for entry in entries if entry not in refused]


def test_a_sink_that_goes_away_while_a_batch_is_halved_gets_all_of_it_again() -> None:
    """Nothing is a dead letter that may still be taken."""
    entries = [entry_of(case.make()) for case in HOSTILE[:4]]

    class Leaving(Picky):
        def deliver(self, entries: Sequence[Entry]) -> Outcome:
            outcome = super().deliver(entries)
            self.is_away = True
            return outcome

    assert deliver_apart(Leaving(entries[3].origin), entries).outcome == Unavailable("away")


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_any_entry_and_any_notice_come_back_as_they_were(letters: DeadLetters, case: Any) -> None:
    """Law: what was buried is what is delivered again, whatever the event holds."""
    event = case.make()
    reports: list[Entry | Notice] = [entry_of(event), notice_of("update", event), notice_of("over")]
    for report in reports:
        assert letters.bury("sink:a", report, Refused("why", "what to do"), NOW)
    found = letters.all()
    assert {repr(each.report) for each in found} == {repr(report) for report in reports}
    assert {(each.sink, each.reason, each.remedy, each.at) for each in found} == {("sink:a", "why", "what to do", NOW)}


def test_letters_are_private_and_bounded(letters: DeadLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold what events hold; past the bound a refused report is a counted loss."""
    monkeypatch.setattr(limits, "DEAD_LETTERS", 2)
    entry = entry_of(EVENT)
    assert [letters.bury("sink:a", entry, Refused("no"), NOW) for _ in range(3)] == [True, True, False]
    [one, _] = letters.all()
    assert one.path.stat().st_mode & 0o777 == 0o600
    assert one.path.parent.stat().st_mode & 0o777 == 0o700


def test_only_what_people_asked_for_is_tried_again_and_by_its_own_sink(letters: DeadLetters) -> None:
    letters.bury("sink:a", entry_of(EVENT), Refused("no"), NOW)
    letters.bury("sink:b", entry_of(EVENT), Refused("no"), NOW)
    assert letters.wanted("sink:a") is None
    first = next(letter for letter in letters.all() if letter.sink == "sink:a")
    letters.want(first)
    wanted = letters.wanted("sink:a")
    assert wanted is not None
    assert wanted.is_wanted
    assert letters.wanted("sink:b") is None
    letters.lay_back(wanted, Refused("still no"), NOW)
    assert letters.wanted("sink:a") is None
    assert {each.sink: each.reason for each in letters.all()} == {"sink:a": "still no", "sink:b": "no"}


def test_expired_letters_are_losses_by_sink(letters: DeadLetters) -> None:
    letters.bury("sink:a", entry_of(EVENT, counted=41), Refused("no"), NOW)
    letters.bury("sink:a", entry_of(EVENT), Refused("no"), NOW + timedelta(days=10))
    assert not letters.expire(NOW + timedelta(days=limits.DEAD_LETTER_DAYS - 1))
    assert letters.expire(NOW + timedelta(days=limits.DEAD_LETTER_DAYS + 1)) == {"sink:a": 41}
    assert len(letters.all()) == 1


@pytest.mark.complaints
def test_a_letter_that_cannot_be_read_is_left_and_complained_of(letters: DeadLetters) -> None:
    letters.bury("sink:a", entry_of(EVENT), Refused("no"), NOW)
    [letter] = letters.all()
    letter.path.write_text("{")
    assert letters.all() == []
    assert letter.path.exists()


def _without(name: str) -> Any:
    return lambda members: members.pop(name)


def _entry_with(**wrong: Any) -> Any:
    return lambda members: members["entry"].update(wrong)


@pytest.mark.complaints
@pytest.mark.parametrize(
    "edit",
    [
        _without("entry"),
        lambda members: members.update(sink=["sink:a"]),
        lambda members: members.update(reason={"a": 1}),
        lambda members: members.update(at="0001-01-01T00:00:00+23:59"),
        _entry_with(line=5),
        _entry_with(line="no JSON"),
        _entry_with(occurrences="many"),
        _entry_with(kind="odd"),
        _entry_with(origin=7),
        _entry_with(origin={"process": "p", "generation": "x"}),
    ],
)
def test_a_letter_edited_by_hand_stops_no_other(letters: DeadLetters, edit: Any) -> None:
    """Whatever is in it, it is left and complained of, and the others are tried again."""
    for sink in ("sink:a", "sink:b"):
        letters.bury(sink, entry_of(EVENT), Refused("no"), NOW)
    for letter in letters.all():
        letters.want(letter)
        if letter.sink == "sink:a":
            path = letter.path.with_suffix(".retry")
    members = json.loads(path.read_text())
    edit(members)
    path.write_text(json.dumps(members))
    assert letters.wanted("sink:a") is None
    assert letters.wanted("sink:b") is not None
    assert [letter.sink for letter in letters.all()] == ["sink:b"]
    assert sum(letters.expire(NOW + timedelta(days=99)).values()) == 2


@pytest.mark.complaints
def test_a_letter_nested_deep_is_complained_of(letters: DeadLetters) -> None:
    letters.bury("sink:a", entry_of(EVENT), Refused("no"), NOW)
    letters.all()[0].path.write_text("[" * 200_000)
    assert letters.all() == []


def test_what_is_no_file_is_no_letter(letters: DeadLetters, tmp_path: Path) -> None:
    """Links, folders and pipes are passed over: nothing is lost for them, and nothing waits for them."""
    letters.bury("sink:a", entry_of(EVENT), Refused("no"), NOW)
    folder = letters.all()[0].path.parent
    (folder / "20200101T000000000000-00000001.json").symlink_to(tmp_path / "nowhere")
    (folder / "20200101T000000000000-00000002.retry").mkdir()
    os.mkfifo(folder / "20200101T000000000000-00000003.retry")
    assert letters.wanted("sink:a") is None
    assert letters.bury("sink:a", entry_of(EVENT), Refused("no"), NOW)
    assert len(letters.all()) == 2
    assert not letters.expire(NOW)


def test_only_wanted_letters_are_read(letters: DeadLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be 64 MB of them, and the folder changes with each that is buried or delivered."""
    for _ in range(5):
        letters.bury("sink:a", entry_of(EVENT), Refused("no"), NOW)
    for letter in letters.all()[:3]:
        letters.want(letter)
    read: list[Path] = []
    monkeypatch.setattr("tocsin.delivery.dead_letters._load", lambda path: read.append(path) or load(path))
    while (wanted := letters.wanted("sink:a")) is not None:
        assert letters.wanted("sink:a") == wanted
        letters.remove(wanted)
    assert len(read) == 3


def test_a_refused_event_is_delivered_after_a_retry_and_nothing_else_twice(scene: Scene) -> None:
    """The whole way: refused, kept, the others delivered, asked for, delivered; no loss anywhere."""
    for _ in range(3):
        scene.happen()
    sink = Picky("m2")
    scene.run(sink)
    assert messages(sink) == ["m1", "m3"]
    letters = DeadLetters(scene.folder)
    [letter] = letters.all()
    letters.want(letter)
    sink.disliked, sink.taken = [], []
    scene.run(sink)
    assert messages(sink) == ["m2"]
    assert letters.all() == []
    state = SqliteState(scene.folder.state, read_only=True)
    assert state.losses() == {}
    state.close()


def test_what_is_refused_again_lies_there_again(scene: Scene) -> None:
    scene.happen()
    sink = Picky("m1")
    scene.run(sink)
    letters = DeadLetters(scene.folder)
    letters.want(letters.all()[0])
    scene.run(sink)
    assert [letter.is_wanted for letter in letters.all()] == [False]


def test_a_retry_waits_while_the_sink_is_away(scene: Scene) -> None:
    scene.happen()
    sink = Picky("m1")
    scene.run(sink)
    letters = DeadLetters(scene.folder)
    letters.want(letters.all()[0])
    sink.is_away = True
    leader = scene.lead(sink)
    run_dry(leader)
    assert [letter.is_wanted for letter in letters.all()] == [True]
    sink.is_away, sink.disliked = False, []
    scene.time += timedelta(hours=1)
    run_dry(leader)
    leader.close()
    assert letters.all() == []


def test_a_refused_notice_comes_back_with_its_event(scene: Scene) -> None:
    people = People()
    people.outcome = Refused("no such project")
    scene.happen()
    leader = scene.lead(people)
    scene.time += timedelta(seconds=20)
    run_dry(leader)
    letters = DeadLetters(scene.folder)
    [letter] = letters.all()
    letters.want(letter)
    people.outcome = Accepted()
    run_dry(leader)
    leader.close()
    [notice] = people.notices
    assert notice.issues[0].sample is not None
    assert replace(notice, at=NOW).reason == "new"
    assert letters.all() == []


def test_a_destination_that_refuses_everything_is_said_once_a_minute(
    scene: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(30):
        scene.happen()
        scene.run(Picky(*(f"m{n}" for n in range(1, 31))))
    assert capfd.readouterr().err.count("for good") == 30  # thirty leaders, one line each
    leader = scene.lead(Picky(*(f"m{n}" for n in range(1, 61))))
    for _ in range(30):
        scene.happen()
        run_dry(leader)
    leader.close()
    assert capfd.readouterr().err.count("for good") == 1
