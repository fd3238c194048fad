"""Notices name the commit that brought the line; asking for it harms nobody, whatever git does."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tocsin.delivery.introduced import Introducer, commit_of, failing_frame
from tocsin.delivery.leader import Leader
from tocsin.delivery.wish import Wish
from tocsin.event import limits, wire
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Event, ExceptionInfo, Frame
from tocsin.event.notice import Commit, IssueReport, Notice, Reason
from tocsin.provenance.blame import Blame
from tocsin.routing.state import Pending
from tocsin.routing.stored import dump_pending, load_pending
from tocsin.sinks.base import Accepted, Outcome, Refused, Unavailable
from tocsin.sinks.registry import BuiltSink
from tocsin.spool.folder import Folder
from tocsin.spool.memory import Occurrence
from tocsin.spool.writer import Writer

sys.path.append(str(Path(__file__).parents[1] / "provenance"))

from repositories import Repository, needs_git

NOW = datetime(2026, 1, 2, tzinfo=UTC)
FAULT = "v1:" + "0f" * 16
FOUND = Commit("a" * 40, NOW, "Charge the net amount", "https://git.example.org/commit/a")


class Oracle(Blame):
    """Answers at once, or after as long as it is told."""

    def __init__(self, answer: Commit | None = FOUND) -> None:
        super().__init__(Scrubber(), has_git=False)
        self.answer = answer
        self.asked: list[tuple[Frame, str]] = []

    def of(self, frame: Frame, commit: str) -> Commit | None:
        self.asked.append((frame, commit))
        return self.answer


def frame(name: str, *, in_app: bool = True) -> Frame:
    return Frame("shop", name, f"/srv/{name}.py", 3, source="x", in_app=in_app)


def event(info: ExceptionInfo | None, **more: Any) -> Event:
    return Event("traceback", "ERROR", 40, NOW, "shop", exception=info, fingerprint=FAULT, commit="b" * 40, **more)


def raised(*frames: Frame, **more: Any) -> ExceptionInfo:
    return ExceptionInfo("ValueError", "x", frames, **more)


def notice(reason: Reason, *samples: Event | None) -> Notice:
    issues = [
        IssueReport(FAULT, "7K3QDM", "traceback", "ERROR", "x", "shop", 1, 1, 1, NOW, NOW, NOW, sample=sample)
        for sample in samples
    ]
    return Notice("id", reason, NOW, "shop", "test", tuple(issues))


# -- which line ------------------------------------------------------------------------------------------------------


def test_the_innermost_application_frame_of_the_root_cause_is_meant() -> None:
    root = raised(frame("view"), frame("pay"), frame("library", in_app=False))
    assert failing_frame(raised(frame("outer"), cause=root)) == frame("pay")
    assert failing_frame(raised(frame("outer"))) == frame("outer")


def test_an_error_of_the_handler_is_the_handlers_as_for_the_fingerprint() -> None:
    handled = raised(frame("pay"))
    assert failing_frame(raised(frame("handler"), context=handled)) == frame("handler")
    assert failing_frame(raised(frame("library", in_app=False), context=handled)) == frame("pay")


def test_a_cause_within_libraries_only_leaves_it_to_what_it_caused() -> None:
    root = raised(frame("library", in_app=False))
    assert failing_frame(raised(frame("outer"), cause=root)) == frame("outer")
    assert failing_frame(raised(frame("library", in_app=False))) is None
    assert failing_frame(None) is None


def test_a_group_of_one_is_its_member_and_one_of_several_is_itself() -> None:
    one = raised(frame("pay"))
    assert failing_frame(raised(frame("outer"), members=(one,))) == frame("pay")
    assert failing_frame(raised(frame("outer"), members=(one, one))) == frame("outer")


def test_the_place_that_an_exception_names_counts_before_its_frames() -> None:
    assert failing_frame(raised(frame("render"), place=frame("template"))) == frame("template")
    assert failing_frame(raised(frame("render"), place=frame("template", in_app=False))) == frame("render")


# -- which notices ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["new", "comeback"])
def test_first_notices_and_comebacks_are_filled_in(reason: Reason) -> None:
    oracle = Oracle()
    sample = event(raised(frame("pay")))
    found = Introducer(oracle).fill(notice(reason, sample, None))
    assert [issue.introduced for issue in found.issues] == [FOUND, None]
    assert oracle.asked == [(frame("pay"), "b" * 40)]
    assert replace(found, issues=()) == replace(notice(reason), issues=())


@pytest.mark.parametrize("reason", ["update", "quiet", "summary", "over", "digest", "alive", "check"])
def test_others_are_left_alone(reason: Reason) -> None:
    oracle = Oracle()
    given = notice(reason, event(raised(frame("pay"))))
    assert Introducer(oracle).fill(given) is given
    assert not oracle.asked


def test_a_notice_of_many_faults_takes_no_longer_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BLAMES_S", -1.0)
    oracle = Oracle()
    found = Introducer(oracle).fill(notice("new", event(raised(frame("pay")))))
    assert found.issues[0].introduced is None
    assert not oracle.asked


def test_an_event_without_an_exception_has_no_line() -> None:
    assert commit_of(event(None), Oracle()) is None


@pytest.mark.parametrize("commit", [FOUND, Commit("a" * 40), None])
def test_a_notice_that_is_kept_keeps_its_commits(commit: Commit | None) -> None:
    given = notice("new", None)
    given = replace(given, issues=(replace(given.issues[0], introduced=commit),))
    assert load_pending(dump_pending(Pending(given, ()))).notice == given


def test_a_notice_kept_by_an_older_version_has_none() -> None:
    text = dump_pending(Pending(notice("new", None), ())).replace(',"introduced":null', "")
    assert "introduced" not in text
    assert load_pending(text).notice == notice("new", None)


# -- with a leader ---------------------------------------------------------------------------------------------------


class People:
    """A notice sink that keeps what it gets."""

    type = "people"
    settings = ()
    idempotency = "none"
    is_local = False
    policy = {"gather_s": 0.0}  # noqa: RUF012
    identity = "people:here"

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.outcomes: list[Outcome] = []

    def notify(self, notice: Notice) -> Outcome:
        self.notices.append(notice)
        return self.outcomes.pop(0) if self.outcomes else Accepted()

    def close(self) -> None:
        pass


class LocalPeople(People):
    is_local = True


@pytest.fixture
def spooled(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path / "spool")
    writer = Writer(folder, about={"application": "shop", "sinks": []})
    body = wire.encode(event(raised(frame("pay"))))
    at = datetime.now(UTC).timestamp()
    assert writer.append(Occurrence("traceback", 40, 1, FAULT, at, body)) is not None
    yield folder
    writer.close()


def lead(folder: Folder, sink: People, blame: Blame) -> Leader:
    built = BuiltSink(sink, sink.identity, 0, frozenset({"traceback", "error", "warning"}), "now", ())
    return Leader(folder, [built], application="shop", environment="test", introducer=Introducer(blame))


def until(leader: Leader, is_so: Any) -> None:
    """Step until something is so, in a hurry: first notices wait for nothing to be gathered."""
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        with Wish(leader.folder):
            if not leader.step():
                time.sleep(0.002)


def test_a_leader_fills_in_what_it_sends(spooled: Folder) -> None:
    people = People()
    leader = lead(spooled, people, Oracle())
    until(leader, lambda: people.notices and not leader.is_busy)
    leader.close()
    assert people.notices[0].issues[0].introduced == FOUND


def test_what_is_sent_again_is_the_same(spooled: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver drops the repetition by its id."""
    monkeypatch.setattr(limits, "RETRY_FIRST_S", 0.0)
    people = People()
    people.outcomes = [Unavailable("down", "wait")]
    leader = lead(spooled, people, Oracle())
    until(leader, lambda: len(people.notices) > 1 and not leader.is_busy)
    leader.close()
    assert people.notices[0] == people.notices[1]


def test_a_refused_notice_is_kept_as_it_was_sent(spooled: Folder) -> None:
    from tocsin.delivery.dead_letters import DeadLetters

    people = People()
    people.outcomes = [Refused("no")]
    leader = lead(spooled, people, Oracle())
    until(leader, lambda: DeadLetters(spooled).all())
    leader.close()
    [letter] = DeadLetters(spooled).all()
    assert isinstance(letter.report, Notice)
    assert letter.report.issues[0].introduced == FOUND


def test_a_sink_that_the_leader_calls_itself_goes_without(spooled: Folder) -> None:
    people, oracle = LocalPeople(), Oracle()
    leader = lead(spooled, people, oracle)
    until(leader, lambda: people.notices)
    leader.close()
    assert people.notices[0].issues[0].introduced is None
    assert not oracle.asked


@needs_git
@pytest.mark.skipif(os.name == "nt", reason="shell scripts")
def test_while_git_hangs_the_leader_goes_on(tmp_path: Path) -> None:
    """And the notice goes out without it in the end."""
    shop = Repository(tmp_path / "shop")
    shop.commit("Begin", app_py=["boom()"])
    slow = tmp_path / "bin/git"
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.02; done\n")
    slow.chmod(0o755)
    folder = Folder(tmp_path / "spool")
    writer = Writer(folder, about={"application": "shop", "sinks": []})
    place = Frame("shop", "pay", str(shop.root / "app.py"), 1, source="boom()")
    told = replace(event(raised(place)), commit=shop.head)
    at = datetime.now(UTC).timestamp()
    assert writer.append(Occurrence("traceback", 40, 1, FAULT, at, wire.encode(told))) is not None
    people = People()
    environ = {"PATH": f"{slow.parent}:{os.environ['PATH']}"}
    leader = lead(folder, people, Blame(Scrubber(), has_git=True, environ=environ))
    until(leader, (tmp_path / "asked").exists)
    assert not people.notices
    assert leader.is_busy
    leader.step()  # returns while git still hangs
    assert not people.notices
    (tmp_path / "go").touch()
    until(leader, lambda: people.notices)
    leader.close()
    writer.close()
    assert people.notices[0].issues[0].introduced is None
