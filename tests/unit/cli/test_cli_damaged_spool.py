"""`tocsin status` and `tocsin spool` on a spool that somebody had his hands in."""

from __future__ import annotations

import shutil
from typing import Any

import pytest


@pytest.mark.complaints
def test_a_copied_segment_is_told_and_its_counts_are_not_taken_twice(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(age_s=5), 1, counted=4)
    for path in list(spool.folder.path.glob("*-000000.*")):
        shutil.copy(path, path.with_name("0" * 18 + path.name[18:]))
    answer = call("status", "--spool", spool.path)
    assert answer.code == 1
    assert "is a copy of a segment of" in answer.out
    assert "5 occurrences" not in call("spool", "--spool", spool.path).out.replace("10 ", "")
    assert '"occurrences": 5' in call("spool", "--spool", spool.path, "--json").out


def test_a_process_that_says_it_began_after_the_calendar_s_end_is_listed(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(age_s=5), 1)
    for path in list(spool.folder.path.glob("*-000000.*")):
        path.rename(path.with_name("f" * 18 + path.name[18:]))
        if path.suffix == ".events":
            moved = path.with_name("f" * 18 + path.name[18:])
            moved.write_bytes(moved.read_bytes()[:56])  # a process's record that can't be read says no other name
    assert call("spool", "--spool", spool.path).code == 0
