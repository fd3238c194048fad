"""`tocsin show`: what a visitor quotes leads to the event, or to the nearest report of the same fault."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli.console import Console
from tocsin.cli.pager import say_paged
from tocsin.event import error_id as ids
from tocsin.event.model import ExceptionInfo


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


@pytest.mark.parametrize("digits", [4, 12, 20, 31])
def test_beginning_of_a_fingerprint_is_enough(digits: int, spool: Any, call: Any, new_event: Any) -> None:
    error_id = spool.add(new_event(), 1)
    version, _, issue = json.loads(call("issues", "--json", "--spool", spool.path).out)["fingerprint"].partition(":")
    assert f"({error_id})" in call("show", f"{version}:{issue[:digits]}", "--spool", spool.path).out
    if digits >= 12:
        assert f"({error_id})" in call("show", issue[:digits].upper(), "--spool", spool.path).out
    assert call("show", f"v9:{issue[:digits]}", "--spool", spool.path).code == 1


def test_reports_that_are_kept_are_listed_and_shown_by_number(spool: Any, call: Any, new_event: Any) -> None:
    ids = [spool.add(new_event(age_s=50 - number), number) for number in range(4)]
    listed = call("show", ids[0][:6], "--list", "--spool", spool.path)
    rows = [line.split()[:2] for line in listed.out.splitlines() if line[:3].rstrip().isdigit()]
    assert rows == [[str(index), error_id] for index, error_id in enumerate(reversed(ids), 1)]
    assert f"({ids[1]})" in call("show", ids[0][:6], "--occurrence", "3", "--spool", spool.path).out
    beyond = call("show", ids[0][:6], "--occurrence", "5", "--spool", spool.path)
    assert beyond.code == 1
    assert "4 reports are kept; --list shows them" in beyond.err


def test_reports_are_listed_without_a_state(spool: Any, call: Any, new_event: Any) -> None:
    ids = [spool.add(new_event(age_s=50 - number), number) for number in range(2)]
    spool.folder.state.write_bytes(b"no database at all " * 500)
    assert f"({ids[0]})" in call("show", ids[0][:6], "--occurrence", "2", "--spool", spool.path).out


@pytest.mark.parametrize("value", ["0", "-1", "x"])
def test_number_of_no_report_is_wrong_usage(value: str, spool: Any, call: Any) -> None:
    answer = call("show", "7K3QDM", f"--occurrence={value}", "--spool", spool.path)
    assert answer.code == 2
    assert "must be a whole number from 1" in answer.err


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.3", "events.jsonl-20261120", "events.jsonl.2.gz"])
def test_event_that_only_a_file_sink_still_has_is_found(
    name: str, spool: Any, call: Any, new_event: Any, configuration: Path, tmp_path: Path
) -> None:
    error_id = spool.add(new_event(), 7)
    line = call("tail", "--no-follow", "--json", "--spool", spool.path).out.encode()
    (tmp_path / name).write_bytes(gzip.compress(line) if name.endswith(".gz") else line)
    for path in spool.folder.path.glob("*.events"):
        path.unlink()
    answer = call("show", error_id, "--config", str(configuration))
    assert answer.code == 0
    assert f"The spool has it no more; {tmp_path / name} has:" in answer.out
    assert f"({error_id})" in answer.out
    assert json.loads(call("show", error_id, "--json", "--config", str(configuration)).out)["file"].endswith(name)


def test_library_frames_are_folded_but_for_all(spool: Any, call: Any, new_event: Any) -> None:
    own = new_event().exception.frames[0]
    library = [replace(own, module=f"lib.part{number}", in_app=False, file=f"/lib/{number}.py") for number in range(5)]
    event = replace(new_event(), exception=ExceptionInfo("ValueError", "x", (own, *library)))
    error_id = spool.add(event, 7)
    assert "/lib/1.py" not in call("show", error_id, "--spool", spool.path).out
    assert "/lib/1.py" in call("show", error_id, "--all", "--spool", spool.path).out


def test_long_report_on_a_terminal_goes_to_the_pager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = tmp_path / "taken"
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {taken}\necho $LESS >> {taken}\n")
    pager.chmod(0o700)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((80, 24)))
    out = _Terminal()
    console = Console({"PAGER": f"{pager} -x", "PATH": os.environ["PATH"]}, out, _Terminal())
    say_paged("line\n" * 30, console)
    assert taken.read_text() == "line\n" * 30 + "\nFRX\n"
    assert out.getvalue() == ""
    say_paged("short", console)
    say_paged("line\n" * 30, console, is_wanted=False)
    say_paged("line\n" * 30, Console({"PAGER": ""}, out, _Terminal()))
    say_paged("line\n" * 30, Console({"PAGER": "no-such-pager"}, out, _Terminal()))
    assert out.getvalue().count("line\n") == 90


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_commit_that_brought_the_line_is_told(
    spool: Any, call: Any, new_event: Any, configuration: Path, tmp_path: Path
) -> None:
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(work), "-c", "user.name=a", "-c", "user.email=a@b.example", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout

    work = tmp_path / "work"
    work.mkdir()
    source = work / "orders.py"
    source.write_text("def pay(total, count):\n    return total / count\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "Share what is to be paid")
    commit = git("rev-parse", "HEAD").strip()
    frame = replace(new_event().exception.frames[0], file=str(source), line=2, source="    return total / count")
    event = replace(new_event(), exception=ExceptionInfo("ZeroDivisionError", "x", (frame,)), commit=commit)
    error_id = spool.add(event, 1)
    answer = call("show", error_id, "--config", str(configuration))
    assert f"The line that failed came with {commit[:12]}" in answer.out
    assert "Share what is to be paid" in answer.out
    found = json.loads(call("show", error_id, "--json", "--config", str(configuration)).out)
    assert found["introduced"]["id"] == commit
    assert "came with" not in call("show", error_id, "--spool", spool.path).out
