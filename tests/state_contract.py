"""The contract of State: every implementation passes every test here, in a class of its own with a `state` fixture."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.event import error_id, limits
from tocsin.event.notice import Activity, IssueReport, Notice
from tocsin.routing.issues import Occurrences, SampleRef
from tocsin.routing.state import Cursor, Pace, Pending, Purged, State, Tally, Told

__all__ = ["START", "StateContract", "make_sample", "make_seen"]

KEYS = tuple(f"v{number}:{number}" + "0f" * 15 + "7" for number in (1, 2))
START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def make_seen(name: str = "a", after_s: float = 0.0, n: int = 1, **changes: Any) -> Occurrences:
    at = START + timedelta(seconds=after_s)
    values: dict[str, Any] = {
        "fingerprint": f"v1:{name}",
        "prefix": name.upper()[:6].ljust(6, "2"),
        "kind": "traceback",
        "level": "ERROR",
        "levelno": 40,
        "logger": "shop",
        "title": "ValueError",
        "culprit": "shop.pay",
        "application": "shop",
        "environment": "test",
        "release": "1.0",
        "at": at,
        "n": n,
    }
    values.update(changes)
    if values["kind"] == "warning" and "level" not in changes:
        values.update(level="WARNING", levelno=30)
    return Occurrences(**values)


def make_sample(offset: int = 0, after_s: float = 0.0, error_id: str = "AAAAAA-2222") -> SampleRef:
    return SampleRef("p1", 1, offset, error_id, START + timedelta(seconds=after_s))


class StateContract:
    """Be subclassed with a fixture `state`: a new, empty state for each test."""

    @pytest.fixture
    def start(self) -> datetime:
        return START

    @pytest.fixture
    def seen(self) -> Callable[..., Occurrences]:
        return make_seen

    @pytest.fixture
    def sample(self) -> Callable[..., SampleRef]:
        return make_sample

    def test_it_is_a_state(self, state):
        assert isinstance(state, State)

    # -- transactions --------------------------------------------------------------------------------------
    def test_a_transaction_that_raises_leaves_nothing_behind(self, state, seen):
        with pytest.raises(KeyError), state.transaction():
            state.add_occurrences(seen())
            state.save_cursor("issues", "p1", 1, Cursor(10))
            raise KeyError
        assert state.issue("v1:a") is None
        assert state.cursor("issues", "p1", 1) is None

    def test_a_nested_transaction_joins_the_outer_one(self, state, seen):
        with pytest.raises(KeyError), state.transaction():
            with state.transaction():
                state.add_occurrences(seen())
            raise KeyError
        assert state.issue("v1:a") is None

    def test_after_a_transaction_that_raised_the_next_one_works(self, state, seen):
        with pytest.raises(KeyError), state.transaction():
            raise KeyError
        state.add_occurrences(seen())
        assert state.issue("v1:a").count == 1

    # -- its own identity ----------------------------------------------------------------------------------
    def test_its_own_identity_is_kept_and_goes_with_no_consumer(self, state, seen, start):
        own = state.own_identity()
        assert len(bytes.fromhex(own)) == 16
        state.add_consumer("mail:ops", start)
        state.add_occurrences(seen())
        state.forget_consumer("mail:ops")
        state.forget_generation("p1", 1)
        state.purge(start + timedelta(days=99))
        assert state.own_identity() == own
        assert state.consumers() == ()

    def test_an_identity_drawn_in_a_transaction_that_raised_is_drawn_anew_and_then_kept(self, state):
        with pytest.raises(KeyError), state.transaction():
            state.own_identity()
            raise KeyError
        with state.transaction():
            own = state.own_identity()
        assert state.own_identity() == own

    # -- consumers -----------------------------------------------------------------------------------------
    def test_a_known_consumer_keeps_the_time_it_was_added(self, state, start):
        state.add_consumer("mail:ops", start)
        state.add_consumer("file:x", start)
        state.add_consumer("mail:ops", start + timedelta(days=1))
        assert state.consumers() == ("file:x", "mail:ops")
        assert state.consumer_since("mail:ops") == start
        assert state.consumer_since("other") is None

    def test_a_cursor_comes_back_as_it_was_saved(self, state):
        assert state.cursor("file:x", "p1", 1) is None
        state.save_cursor("file:x", "p1", 1, Cursor(10))
        state.save_cursor("file:x", "p1", 1, Cursor(4096, {0: 7, 4095: 2**40}))
        assert state.cursor("file:x", "p1", 1) == Cursor(4096, {0: 7, 4095: 2**40})
        assert state.cursor("file:x", "p1", 2) is None

    def test_a_forgotten_consumer_leaves_nothing_and_the_others_stay(self, state, seen, start):
        state.add_occurrences(seen())
        for name in ("one", "two"):
            state.add_consumer(name, start)
            state.save_cursor(name, "p1", 1, Cursor(10))
            state.save_note(name, {"position": 3})
            state.save_told(name, Told("v1:a", 1, 1, 1, start))
            state.save_pace(name, Pace(flood_stage=2))
            state.save_pending(name, _pending(start))
        state.forget_consumer("one")
        assert state.consumers() == ("two",)
        assert state.cursor("one", "p1", 1) is None
        assert state.note("one") == {}
        assert state.told("one", "v1:a") is None
        assert state.pace("one") == Pace()
        assert state.pending("one") is None
        assert state.cursor("two", "p1", 1) == Cursor(10)
        assert state.note("two") == {"position": 3}
        assert state.told("two", "v1:a") is not None

    def test_a_note_in_no_consumers_name_is_kept_and_makes_none(self, state, start):
        """What the leader knows of generations is in one."""
        state.add_consumer("one", start)
        state.save_note("issues finished", {"of": {"p1": [1, 2]}})
        assert state.consumers() == ("one",)
        state.forget_consumer("one")
        state.forget_generation("p1", 1)
        state.purge(start)
        assert state.note("issues finished") == {"of": {"p1": [1, 2]}}

    def test_a_forgotten_generation_takes_its_cursors_and_samples_but_not_its_losses(self, state, seen, sample):
        state.add_occurrences(seen(sample=sample()))
        state.save_cursor("issues", "p1", 1, Cursor(10))
        state.save_cursor("issues", "p1", 2, Cursor(20))
        state.save_losses("p1", 1, {"full": 3})
        state.forget_generation("p1", 1)
        assert state.cursor("issues", "p1", 1) is None
        assert state.cursor("issues", "p1", 2) == Cursor(20)
        assert state.sample("AAAAAA-2222") is None
        assert state.losses() == {"full": 3}

    def test_losses_are_cumulative_per_generation_and_never_go_down(self, state):
        state.save_losses("p1", 1, {"full": 3, "torn": 1})
        state.save_losses("p1", 1, {"full": 5})
        state.save_losses("p1", 1, {"full": 4})
        state.save_losses("p2", 1, {"full": 2})
        state.add_loss("expired", 4)
        state.add_loss("full", 1)
        assert state.losses() == {"expired": 4, "full": 8, "torn": 1}
        state.forget_generation("p1", 1)
        state.forget_generation("p2", 1)
        assert state.losses() == {"expired": 4, "full": 8, "torn": 1}

    # -- issues --------------------------------------------------------------------------------------------
    def test_counts_add_up_and_releases_follow_first_and_last(self, state, seen, start):
        state.add_occurrences(seen(after_s=60, n=3, release="2"))
        state.add_occurrences(seen(after_s=0, n=4, release="1"))
        state.add_occurrences(seen(after_s=90, n=5, release="3"))
        issue = state.issue("v1:a")
        assert (issue.count, issue.episode, issue.episode_count) == (12, 1, 12)
        assert (issue.first_seen, issue.last_seen) == (start, start + timedelta(seconds=90))
        assert (issue.first_release, issue.last_release) == ("1", "3")
        assert issue.episode_started == start

    def test_an_hour_of_silence_begins_a_new_episode(self, state, seen, start):
        state.add_occurrences(seen(n=3))
        state.add_occurrences(seen(after_s=3599, n=1))
        state.add_occurrences(seen(after_s=2 * 3600, n=2))
        issue = state.issue("v1:a")
        assert (issue.count, issue.episode, issue.episode_count) == (6, 2, 2)
        assert issue.previous_seen == start + timedelta(seconds=3599)

    def test_issues_are_listed_latest_first_without_the_muted_ones(self, state, seen, start):
        for number, name in enumerate("abcd"):
            state.add_occurrences(seen(name, after_s=number))
        state.mute("v1:d", start + timedelta(days=7))
        assert [i.fingerprint for i in state.issues(now=start)] == ["v1:c", "v1:b", "v1:a"]
        assert [i.fingerprint for i in state.issues(now=start, include_muted=True, limit=2)] == ["v1:d", "v1:c"]
        later = start + timedelta(days=7)
        assert len(state.issues(now=later)) == 4
        assert len(state.issues(now=later, since=start + timedelta(seconds=2))) == 2

    def test_an_issue_is_found_by_the_prefix_of_its_error_ids(self, state, seen):
        state.add_occurrences(seen("abc", prefix="7K3QDM"))
        assert [i.fingerprint for i in state.issues_by_prefix("7K3QDM")] == ["v1:abc"]
        assert state.issues_by_prefix("222222") == ()

    def test_a_muted_issue_goes_on_counting_until_it_is_unmuted(self, state, seen, start):
        state.add_occurrences(seen())
        state.mute("v1:a", start + timedelta(days=1))
        state.add_occurrences(seen(after_s=5, n=2))
        assert state.issue("v1:a").count == 3
        assert state.issue("v1:a").muted_until == start + timedelta(days=1)
        state.unmute("v1:a")
        assert state.issue("v1:a").muted_until is None
        state.mute("v1:unknown", start)
        assert state.issue("v1:unknown") is None

    def test_samples_are_found_by_error_id_and_by_issue(self, state, seen, sample, start):
        refs = [sample(offset=n, after_s=n, error_id=f"AAAAAA-222{n}") for n in range(2, 6)]
        for ref in refs:
            state.add_occurrences(seen(after_s=ref.offset, sample=ref))
        state.add_occurrences(seen(after_s=5, sample=refs[-1]))
        assert state.sample("AAAAAA-2223") == refs[1]
        assert state.sample("AAAAAA-9999") is None
        assert state.samples("v1:a", 2) == (refs[3], refs[2])
        assert state.samples("v1:a", 1, since=start + timedelta(seconds=3), is_oldest_first=True) == (refs[1],)

    def test_distinct_clients_are_counted_by_day_and_bounded(self, state, seen, start, monkeypatch):
        monkeypatch.setattr(limits, "CLIENTS_PER_DAY", 3)
        state.add_occurrences(seen())
        assert state.clients("v1:a", start) is None
        for client in ("x", "y", "x"):
            state.add_occurrences(seen(client_hash=client))
        assert state.clients("v1:a", start) == 2
        for number in range(10):
            state.add_occurrences(seen(client_hash=f"z{number}"))
        assert state.clients("v1:a", start) == 3
        assert state.clients("v1:a", start + timedelta(days=1)) is None

    def test_purge_drops_old_samples_and_keeps_issues(self, state, seen, sample, start):
        state.add_occurrences(seen(sample=sample(offset=1), client_hash="x"))
        state.add_occurrences(seen(after_s=86400, sample=sample(offset=2, after_s=86400, error_id="AAAAAA-2223")))
        assert state.purge(start + timedelta(hours=1)) == Purged(samples=1, issues=0)
        assert state.sample("AAAAAA-2222") is None
        assert state.sample("AAAAAA-2223") is not None
        assert state.issue("v1:a").count == 2

    def test_purge_bounds_issues_and_samples_and_counts_what_was_not_told(
        self, state, seen, sample, start, monkeypatch
    ):
        monkeypatch.setattr(limits, "ISSUES", 2)
        monkeypatch.setattr(limits, "SAMPLES", 3)
        for number, name in enumerate("abcd"):
            state.add_occurrences(
                seen(name, after_s=number, n=number + 1, sample=sample(offset=number, after_s=number))
            )
        state.save_pace("mail:ops", Pace())
        state.save_told("mail:ops", Told("v1:b", 2, 1, 2, start))
        assert state.purge(start - timedelta(days=7)) == Purged(samples=1, issues=2)
        assert [i.fingerprint for i in state.issues(now=start)] == ["v1:d", "v1:c"]
        assert state.told("mail:ops", "v1:b") is None
        assert state.losses() == {"issues_forgotten": 1}

    # -- what was told -------------------------------------------------------------------------------------
    def test_untold_gives_what_a_sink_has_not_heard(self, state, seen, start):
        state.add_occurrences(seen("a", n=3))
        state.add_occurrences(seen("b", n=3))
        assert len(state.untold("mail:ops", since=start)) == 2
        told = Told("v1:a", 3, 1, 3, start, start)
        state.save_told("mail:ops", told)
        assert [issue.fingerprint for issue, _ in state.untold("mail:ops", since=start)] == ["v1:b"]
        assert len(state.untold("mail:other", since=start)) == 2
        state.add_occurrences(seen("a", after_s=5))
        untold = {issue.fingerprint: before for issue, before in state.untold("mail:ops", since=start)}
        assert untold == {"v1:a": told, "v1:b": None}

    def test_untold_gives_open_episodes_too_if_they_are_asked_for(self, state, seen, start):
        for name in ("open", "closed", "never"):
            state.add_occurrences(seen(name))
        between = state.revision()
        state.save_told("mail:ops", Told("v1:open", 1, 1, 1, start, closed_episode=0))
        state.save_told("mail:ops", Told("v1:closed", 1, 1, 1, start, closed_episode=1))
        assert [issue.fingerprint for issue, _ in state.untold("mail:ops", since=start)] == ["v1:never"]
        found = {issue.fingerprint: told for issue, told in state.untold("mail:ops", since=start, with_open=True)}
        assert found == {"v1:open": Told("v1:open", 1, 1, 1, start, closed_episode=0), "v1:never": None}
        assert state.untold("mail:ops", since=start, after_revision=between, with_open=True) == ()
        assert state.told("mail:ops", "v1:closed").closed_episode == 1

    def test_untold_leaves_out_what_ended_before_the_sink_was_added(self, state, seen, start):
        state.add_occurrences(seen("old"))
        state.add_occurrences(seen("young", after_s=20))
        since = start + timedelta(seconds=10)
        assert [issue.fingerprint for issue, _ in state.untold("mail:ops", since=since)] == ["v1:young"]
        state.add_occurrences(seen("old", after_s=30))
        assert len(state.untold("mail:ops", since=since)) == 2

    def test_the_revision_grows_with_every_change_of_an_issue(self, state, seen, start):
        before = state.revision()
        state.add_occurrences(seen("a"))
        between = state.revision()
        assert between > before
        state.add_occurrences(seen("b"))
        untold = state.untold("mail:ops", since=start, after_revision=between)
        assert [issue.fingerprint for issue, _ in untold] == ["v1:b"]
        between = state.revision()
        state.mute("v1:a", start)
        untold = state.untold("mail:ops", since=start, after_revision=between)
        assert [issue.fingerprint for issue, _ in untold] == ["v1:a"]
        between = state.revision()
        state.save_cursor("issues", "p1", 1, Cursor())
        assert state.revision() == between

    def test_revisions_of_a_transaction_that_raised_are_not_used_again(self, state, seen):
        with pytest.raises(KeyError), state.transaction():
            state.add_occurrences(seen("a"))
            looked_at = state.revision()
            raise KeyError
        state.add_occurrences(seen("b"))
        assert state.issue("v1:b").revision > looked_at

    def test_times_that_are_still_to_come_are_brought_back_in_their_order(self, state, seen, start):
        """As a clock set back leaves them; what was before it stays, and so do counts."""
        ahead = datetime.now(UTC) + timedelta(days=36_500)
        state.add_occurrences(seen("past"))
        state.add_consumer("early", ahead)
        state.add_occurrences(seen("a", at=ahead + timedelta(hours=1), n=3))
        state.add_occurrences(seen("b", at=ahead + timedelta(hours=2), kind="warning"))
        state.add_consumer("late", ahead + timedelta(hours=3))
        state.save_told("early", Told("v1:a", 2, 1, 2, ahead + timedelta(hours=2)))
        state.save_pace("early", Pace(sent=(start, ahead), gather_until=ahead, flood_stage=1, flood_at=ahead))
        before, revision = state.issue("v1:past"), state.revision()
        assert state.heal(datetime.now(UTC)) == 2
        latest = datetime.now(UTC) + timedelta(seconds=60)
        a, b = state.issue("v1:a"), state.issue("v1:b")
        assert a.first_seen == a.episode_started == a.last_seen < b.last_seen < latest
        assert (a.count, a.episode, b.count, sum(n for _, n in b.recent)) == (3, 1, 1, 1)
        assert state.consumer_since("early") < a.last_seen
        assert b.last_seen < state.consumer_since("late") < latest
        assert a.last_seen < state.told("early", "v1:a").at < latest
        pace = state.pace("early")
        assert pace.sent[0] == start
        assert pace.sent[1] < latest
        assert pace.flood_at < latest
        assert pace.gather_until < latest + timedelta(seconds=limits.CLOCK_BACK_GATHER_S)
        assert state.issue("v1:past") == before
        assert state.revision() > revision
        assert [issue.fingerprint for issue, _ in state.untold("early", since=start)] != []
        assert state.heal(datetime.now(UTC)) == 0

    def test_pace_and_pending_come_back_as_they_were_saved(self, state, start):
        pace = Pace((start, start + timedelta(seconds=1)), start, 3, start, None, start, Tally(1, 2, 3, 4, 5))
        state.save_pace("mail:ops", pace)
        assert state.pace("mail:ops") == pace
        assert state.pending("mail:ops") is None
        pending = _pending(start)
        state.save_pending("mail:ops", pending)
        assert state.pending("mail:ops") == pending
        state.save_pending("mail:ops", None)
        assert state.pending("mail:ops") is None

    # -- keys of other rules ---------------------------------------------------------------------------
    def test_an_open_issue_goes_on_under_its_own_key_when_the_rules_change(self, state, seen, sample, start):
        """Counts, samples, what was told, and the mute: all is found by the key of before."""
        state.add_consumer("mail:ops", start)
        state.add_occurrences(seen("a1", n=3))
        state.save_told("mail:ops", Told("v1:a1", 3, 1, 3, start))
        full = seen("a2", 60, fingerprint="v2:a2", former=("v1:a1",), sample=sample(0, 60, "A2A2A2-2222"))
        state.add_occurrences(full)
        state.add_occurrences(seen("a2", 61, n=4, fingerprint="v2:a2"))
        issue = state.issue("v1:a1")
        assert (issue.count, issue.prefix) == (8, "A12222")
        assert state.issue("v2:a2") == issue
        assert state.issues(now=start) == (issue,)
        assert [each.error_id for each in state.samples("v1:a1", 5)] == ["A2A2A2-2222"]
        assert state.untold("mail:ops", since=start) == ((issue, state.told("mail:ops", "v1:a1")),)
        assert state.identities(["v2:a2", "v1:a1", "v2:b"]) == {"v2:a2": "v1:a1"}
        assert state.called("v2:a2") == state.called("v1:a1") == {"v1:a1", "v2:a2"}
        assert state.called("v2:b") == {"v2:b"}
        state.mute("v2:a2", start + timedelta(days=1))
        assert state.issue("v1:a1").muted_until == start + timedelta(days=1)

    def test_an_issue_is_found_by_the_error_ids_of_both_keys(self, state, seen, sample):
        old, new = map(error_id.prefix, KEYS)
        state.add_occurrences(seen(fingerprint=KEYS[0], prefix=old))
        named = {"fingerprint": KEYS[1], "prefix": new, "former": KEYS[:1]}
        state.add_occurrences(seen("a", 5, sample=sample(0, 5, f"{new}-2222"), **named))
        assert old != new
        assert state.issues_by_prefix(new) == state.issues_by_prefix(old) == (state.issue(KEYS[0]),)

    def test_of_several_issues_that_rules_make_one_the_latest_goes_on(self, state, seen, sample):
        state.add_occurrences(seen("a1"))
        state.add_occurrences(seen("b1", 10))
        state.add_occurrences(seen("c2", 20, fingerprint="v2:c2", former=("v1:a1",), sample=sample(0, 20)))
        state.add_occurrences(seen("c2", 30, fingerprint="v2:c2", former=("v1:b1",), sample=sample(1, 30)))
        assert (state.issue("v1:a1").count, state.issue("v1:b1").count) == (3, 1)
        state.add_occurrences(seen("d2", 40, fingerprint="v2:d2", former=("v1:b1", "v1:a1"), sample=sample(2, 40)))
        assert (state.issue("v1:a1").count, state.issue("v1:b1").count) == (4, 1)

    def test_what_rules_tell_apart_stays_one_issue_while_it_is_open(self, state, seen, sample):
        week_s = limits.KEY_OPEN_DAYS * 86_400.0
        former = {"former": ("v1:a1",)}
        state.add_occurrences(seen("a1"))
        state.add_occurrences(seen("b2", 10, fingerprint="v2:b2", sample=sample(0, 10), **former))
        state.add_occurrences(seen("c2", 20, fingerprint="v2:c2", sample=sample(1, 20), **former))
        state.add_occurrences(seen("c2", week_s, fingerprint="v2:c2", sample=sample(2, week_s), **former))
        assert state.issue("v1:a1").count == 4
        later_s = 2 * week_s
        state.add_occurrences(seen("c2", later_s, fingerprint="v2:c2"))  # a count goes where its report went
        assert state.issue("v1:a1").count == 5
        later_s = 3 * week_s
        state.add_occurrences(seen("c2", later_s, fingerprint="v2:c2", sample=sample(3, later_s), **former))
        state.add_occurrences(seen("c2", later_s, fingerprint="v2:c2"))
        state.add_occurrences(seen("b2", later_s, fingerprint="v2:b2", sample=sample(4, later_s), **former))
        assert (state.issue("v2:c2").fingerprint, state.issue("v2:c2").count) == ("v2:c2", 2)
        assert (state.issue("v1:a1").count, state.issue("v2:b2").fingerprint) == (6, "v1:a1")

    def test_a_muted_issue_is_open_as_long_as_it_is_muted(self, state, seen, sample, start):
        week_s = limits.KEY_OPEN_DAYS * 86_400.0
        state.add_occurrences(seen("a1"))
        state.mute("v1:a1", start + timedelta(days=100))
        for number, name in enumerate("bc"):
            at = 2 * week_s * number
            state.add_occurrences(
                seen(name, at, fingerprint=f"v2:{name}", former=("v1:a1",), sample=sample(number, at))
            )
        assert state.issue("v1:a1").count == 3

    def test_a_key_that_comes_first_when_the_transition_is_over_has_an_issue_of_its_own(self, state, seen, sample):
        """The issue is open all the time, by what else was one with it under the old rules."""
        month_s = limits.KEY_TRANSITION_DAYS * 86_400.0
        state.add_occurrences(seen("a1"))
        state.add_occurrences(seen("b2", 5, fingerprint="v2:b2", former=("v1:a1",), sample=sample(0, 5)))
        state.add_occurrences(seen("b2", month_s, fingerprint="v2:b2", former=("v1:a1",), sample=sample(1, month_s)))
        late = seen("c2", month_s + 9, fingerprint="v2:c2", former=("v1:a1",), sample=sample(2, month_s + 9))
        state.add_occurrences(late)
        assert (state.issue("v1:a1").count, state.issue("v2:c2").count) == (3, 1)

    def test_workers_of_both_versions_make_one_issue_whoever_comes_first(self, state, seen, sample):
        """In a rolling deploy: the older ones call it by the older key, without a report too."""
        state.add_occurrences(seen("b2", fingerprint="v2:b2", former=("v1:a1",), sample=sample(0)))
        # Their reports may lack what the newer rules look at.
        state.add_occurrences(seen("a1", 5, former=("v2:d2",), sample=sample(1, 5)))
        state.add_occurrences(seen("a1", 6, n=2))
        assert state.issue("v1:a1") == state.issue("v2:b2")
        assert (state.issue("v2:b2").fingerprint, state.issue("v2:b2").count) == ("v2:b2", 4)
        # What the old rules took for the same is no reason to make one of two faults that never were one issue.
        state.add_occurrences(seen("c2", 7, fingerprint="v2:c2", former=("v1:a1",), sample=sample(2, 7)))
        assert state.issue("v2:c2").count == 1

    def test_what_an_older_worker_reports_is_known_by_the_key_of_newer_ones(self, state, seen, sample):
        state.add_occurrences(seen("b2", fingerprint="v2:b2", sample=sample(0)))
        state.add_occurrences(seen("a1", 5, former=("v2:b2",), sample=sample(1, 5)))
        assert state.issue("v1:a1") == state.issue("v2:b2")

    def test_what_a_rule_names_joins_its_open_issue_until_that_goes_on_by_itself(self, state, seen, sample):
        day_s = 86_400.0
        state.add_occurrences(seen("a2", fingerprint="v2:a2"))
        ruled = {"fingerprint": "v2:b2", "former": ("v2:a2",)}
        state.add_occurrences(seen("b", 5, sample=sample(0, 5), **ruled))
        state.add_occurrences(seen("a", 6, fingerprint="v2:a2", sample=sample(1, 6)))  # of a process without the rule
        assert state.issue("v2:a2").count == 3
        state.add_occurrences(seen("b", 2 * day_s, sample=sample(2, 2 * day_s), **ruled))
        assert state.issue("v2:a2").count == 4
        state.add_occurrences(seen("a", 3 * day_s, fingerprint="v2:a2", sample=sample(3, 3 * day_s)))
        state.add_occurrences(seen("b", 3 * day_s, fingerprint="v2:b2", sample=sample(4, 3 * day_s)))
        assert (state.issue("v2:a2").count, state.issue("v2:b2").count) == (5, 1)

    def test_rules_are_as_old_as_they_were_first_seen(self, state, start):
        later = start + timedelta(days=9)
        assert state.rules_since("some", start) == start
        assert state.rules_since("others", later) == later
        assert state.rules_since("some", later) == start
        for number in range(40):
            state.rules_since(f"more {number}", later + timedelta(seconds=number))
        assert state.rules_since("some", later) == later  # so many sets of rules are remembered, and no more
        assert state.consumers() == ()

    def test_an_issue_has_so_many_aliases_and_no_more(self, state, seen, sample, monkeypatch):
        """A rule may name each of them after what a visitor wrote."""
        monkeypatch.setattr(limits, "KEY_ALIASES", 3)
        state.add_occurrences(seen("a1"))
        for number in range(5):
            key = {"fingerprint": f"v2:b{number}", "former": ("v1:a1",)}
            state.add_occurrences(seen("b", number, sample=sample(number, number), **key))
        assert state.issue("v1:a1").count == 4
        assert len(state.identities([f"v2:b{number}" for number in range(5)])) == 3

    def test_aliases_go_with_their_issue(self, state, seen, sample, start, monkeypatch):
        monkeypatch.setattr(limits, "ISSUES", 1)
        state.add_occurrences(seen("a1"))
        state.add_occurrences(seen("b2", 1, fingerprint="v2:b2", former=("v1:a1",), sample=sample(0, 1)))
        state.add_occurrences(seen("c1", 9))
        assert state.purge(start - timedelta(days=9)).issues == 1
        assert state.identities(["v2:b2"]) == {}
        state.add_occurrences(seen("b2", 10, fingerprint="v2:b2"))
        assert state.issue("v2:b2").count == 1

    def test_an_alias_of_a_transaction_that_raised_is_forgotten(self, state, seen, sample):
        state.add_occurrences(seen("a1"))
        with pytest.raises(ZeroDivisionError), state.transaction():
            state.add_occurrences(seen("b2", 1, fingerprint="v2:b2", former=("v1:a1",), sample=sample(0, 1)))
            assert state.issue("v1:a1").count == 2
            raise ZeroDivisionError
        assert state.identities(["v2:b2"]) == {}
        assert state.issue("v1:a1").count == 1


def _pending(start):
    report = IssueReport(
        "v1:a", "AAAAAA", "warning", "WARNING", "täglich", "shop.pay", 3, 3, 3, start, start, start, clients=2
    )
    return Pending(
        Notice("1f", "new", start, "shop", "test", (report,), held_back=1, activity=Activity(start, 9, 8, 7, 6, 5)),
        told=(Told("v1:a", 3, 2, 3, start, start, closed_episode=1), Told("v1:b", 3, 1, 3, start)),
        samples={"v1:a": SampleRef("p1", 1, 0, "AAAAAA-2222", start)},
        comebacks=frozenset({"v1:a"}),
        is_gathered=True,
        has_digest=True,
    )
