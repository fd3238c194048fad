"""`tocsin show`: what a visitor quotes leads to the event, or to the nearest report of the same fault."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tocsin.event import error_id as ids


def test_quoted_error_id_shows_its_event(spool: Any, call: Any, new_event: Any) -> None:
    error_id = spool.add(new_event(), 7, counted=2)
    answer = call("show", error_id.lower(), "--spool", spool.path)
    assert answer.code == 0
    assert f"ZeroDivisionError: division by zero ({error_id})" in answer.out
    assert "3 occurrences" in answer.out
    assert "return total / count" in answer.out
    assert "nearest" not in answer.out


def test_counted_occurrence_shows_the_nearest_report(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 100)
    near = spool.add(new_event(), 205)
    spool.add(new_event(), 400)
    wanted = ids.make(near[:6], 200)
    answer = call("show", wanted, "--spool", spool.path)
    assert answer.code == 0
    assert f"{wanted} itself was only counted" in answer.out
    assert f"{near}, 5 after it" in answer.out


def test_first_half_shows_the_latest_report(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(age_s=50), 1)
    latest = spool.add(new_event(age_s=5), 2)
    answer = call("show", latest[:6], "--spool", spool.path)
    assert "Its latest report:" in answer.out
    assert f"({latest})" in answer.out


def test_fingerprint_shows_its_issue(spool: Any, call: Any, new_event: Any) -> None:
    error_id = spool.add(new_event(), 1)
    issue = json.loads(call("issues", "--json", "--spool", spool.path).out)["fingerprint"]
    assert f"({error_id})" in call("show", issue, "--spool", spool.path).out
    assert f"({error_id})" in call("show", issue.partition(":")[2], "--spool", spool.path).out


def test_json_tells_whether_it_is_the_very_event(spool: Any, call: Any, new_event: Any) -> None:
    error_id = spool.add(new_event(), 7)
    exact = json.loads(call("show", error_id, "--json", "--spool", spool.path).out)
    assert exact["is_exact"] is True
    assert exact["event"]["error_id"] == error_id
    assert exact["issue"]["count"] == 1
    near = json.loads(call("show", ids.make(error_id[:6], 9), "--json", "--spool", spool.path).out)
    assert near["is_exact"] is False
    assert near["event"]["error_id"] == error_id


def test_event_that_no_leader_has_read_yet_is_found(spool: Any, call: Any, new_event: Any, hold: Any) -> None:
    with hold(spool.folder.leader_lock):
        error_id = spool.add(new_event(), 7)
        answer = call("show", error_id, "--spool", spool.path)
    assert answer.code == 0
    assert f"({error_id})" in answer.out


def test_damaged_state_does_not_hide_the_event(spool: Any, call: Any, new_event: Any) -> None:
    error_id = spool.add(new_event(), 7)
    spool.folder.state.write_bytes(b"no database at all " * 500)
    answer = call("show", error_id, "--spool", spool.path)
    assert answer.code == 0
    assert f"({error_id})" in answer.out
    assert "looking through the spool itself" in answer.err


def test_issue_whose_reports_are_gone_is_still_told(spool: Any, call: Any, new_event: Any) -> None:
    error_id = spool.add(new_event(), 7)
    call("issues", "--spool", spool.path)
    for path in spool.folder.path.glob("*.events"):
        path.unlink()
    answer = call("show", error_id, "--spool", spool.path)
    assert answer.code == 0
    assert "1 occurrence," in answer.out
    assert "No report of it is kept any more" in answer.out


@pytest.mark.parametrize(("wanted", "hint"), [("AAAAAA-2222", ""), ("0AAIAA-2222", "have no 0, I: misread?")])
def test_unknown_id_is_code_1_with_what_was_looked_for(
    wanted: str, hint: str, spool: Any, call: Any, new_event: Any
) -> None:
    spool.add(new_event(), 7)
    answer = call("show", wanted, "--spool", spool.path)
    assert answer.code == 1
    assert f"no error id {wanted}" in answer.err
    assert hint in answer.err
    assert answer.out == ""
