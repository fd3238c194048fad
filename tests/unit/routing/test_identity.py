"""Whose issue an occurrence is: whatever comes in which order, nothing is lost, and placed again it is the same."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from state_contract import make_sample, make_seen
from tocsin.routing.identity import candidates, place
from tocsin.routing.issues import Occurrences
from tocsin.routing.sqlite import SqliteState

KEYS = st.sampled_from([f"v{version}:{letter}{version}" for version in (1, 2, 3) for letter in "abc"])
DAYS = st.integers(0, 60)


@st.composite
def arrivals(draw: st.DrawFn) -> list[Occurrences]:
    """Return occurrences in any order, of which some have reports and so are known by other keys."""
    found = []
    for number in range(draw(st.integers(1, 25))):
        key, is_full, at_s = draw(KEYS), draw(st.booleans()), draw(DAYS) * 86_400.0 + number
        former = tuple(each for each in draw(st.lists(KEYS, max_size=3, unique=True)) if each != key)
        sample = make_sample(number, at_s, f"{number:06}-2222") if is_full else None
        found.append(
            make_seen("f", at_s, fingerprint=key, former=former if is_full else (), sample=sample, n=number + 1)
        )
    return found


@settings(max_examples=150, deadline=None)
@given(arrivals())
def test_every_occurrence_is_counted_once_and_no_alias_leads_to_an_alias(seen: list[Occurrences]) -> None:
    state = SqliteState(":memory:")
    for each in seen:
        state.add_occurrences(each)
    issues = state.issues(now=seen[0].at + timedelta(days=99), include_muted=True)
    assert sum(issue.count for issue in issues) == sum(each.n for each in seen)
    keys = {key for each in seen for key in (each.fingerprint, *each.former)}
    identities = state.identities(keys)
    own = {issue.fingerprint for issue in issues}
    assert set(identities.values()) <= own
    assert not own & identities.keys()
    state.close()


@settings(max_examples=100, deadline=None)
@given(arrivals())
def test_placed_again_it_is_the_same_issue(seen: list[Occurrences]) -> None:
    """As after a crash between what the state keeps and what is remembered of it."""
    state = SqliteState(":memory:")
    for each in seen:
        state.add_occurrences(each)
        before = state.issue(each.fingerprint)
        state.add_occurrences(each)
        after = state.issue(each.fingerprint)
        assert before is not None
        assert after is not None
        assert after.fingerprint == before.fingerprint
    state.close()


def test_what_is_known_to_nobody_is_its_own_and_older_processes_are_expected() -> None:
    seen = make_seen(fingerprint="v2:a2", former=("v1:a1",), sample=make_sample())
    placing = place(seen, {}, {})
    assert placing.fingerprint == "v2:a2"
    assert [(each.fingerprint, each.issue, each.sort) for each in placing.made] == [("v1:a1", "v2:a2", "back")]
    assert candidates([seen]) == ["v1:a1", "v2:a2"]
