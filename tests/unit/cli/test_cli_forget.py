"""`tocsin forget`: nothing of a person, fault or text is left in any byte, and counts stay as they are."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import sqlite3
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.capture.requests import RequestPolicy, from_environ
from tocsin.cli.forgetting.blank import padded
from tocsin.cli.forgetting.whom import Whom, client_hash, user_hash
from tocsin.delivery.dead_letters import DeadLetters
from tocsin.event import wire
from tocsin.event.identity.fingerprint import former
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Event, ExceptionInfo, LogLine, Request, Task
from tocsin.event.notice import IssueReport, Notice
from tocsin.routing.opening import open_state
from tocsin.routing.state import Pending
from tocsin.sinks.base import Refused
from tocsin.spool import format as segment_format
from tocsin.spool.in_flight import FlightLog

SECRET = 'Jané "Roe" <jane@example.org>'
SPELT = (
    SECRET.encode(),
    json.dumps(SECRET)[1:-1].encode(),
    json.dumps(json.dumps(SECRET)[1:-1])[1:-1].encode(),
    b"Jan%C3%A9%20%22Roe%22",
    b"jane@example.org",
)
SALT = bytes(range(32))


def everywhere(event: Event) -> Event:
    """The event with the secret in each member that may hold text of the application."""
    frame = replace(event.exception.frames[0], source=f"greet({SECRET!r})", locals={"name": SECRET}) if (
        event.exception
    ) else None  # fmt: skip
    cause = ExceptionInfo("KeyError", SECRET, notes=(SECRET,))
    exception = ExceptionInfo("ValueError", f"no account for {SECRET}", (frame,) if frame else (), cause=cause)
    return replace(
        event,
        message=f"failed for {SECRET}",
        template=f"failed for {SECRET}",
        exception=exception if event.exception else None,
        request=Request(
            "GET", f"/u/{SECRET}", query="name=Jan%C3%A9%20%22Roe%22", headers={"Referer": SECRET, SECRET: "x"}
        ),
        task=Task("shop.tasks.send", "celery", SECRET),
        thread=SECRET,
        process_name=SECRET,
        fields={SECRET: [{"deep": SECRET}]},
        tags={"customer": SECRET},
        lead_up=(LogLine(event.timestamp, "INFO", "shop", SECRET),),
        prepared={"mail": {"subject": SECRET}},
    )


def holding(folder: Path, spelt: tuple[bytes, ...] = SPELT) -> list[str]:
    """The files below a folder whose bytes hold the secret in any spelling."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(each in _opened(path) for each in spelt)]


def _opened(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.fixture
def full(spool: Any, new_event: Any, call: Any, tmp_path: Path) -> Any:
    """A spool, a state, dead letters and a file sink's files that hold the secret wherever they can."""
    other = spool.add(new_event("KeyError"), 5, counted=3)
    secret = spool.add(everywhere(new_event()), 6, counted=4)
    logged = spool.add(replace(everywhere(new_event()), exception=None, kind="error"), 7)
    call("issues", "--spool", spool.path)
    lines = call("tail", "--no-follow", "--json", "--spool", spool.path).out.encode()
    (tmp_path / "events.jsonl").write_bytes(lines)
    (tmp_path / "events.jsonl.1").write_bytes(lines)
    (tmp_path / "events.jsonl.2.gz").write_bytes(gzip.compress(lines))
    return {"spool": spool, "other": other, "secret": secret, "logged": logged}


def test_text_is_gone_from_every_byte_and_counts_stay(
    full: Any, call: Any, configuration: Path, tmp_path: Path
) -> None:
    before = {each["issue"]: each["count"] for each in _issues(call, configuration)}
    assert len(holding(tmp_path)) >= 5
    answer = call("forget", "--containing", SECRET, "--config", str(configuration))
    assert (answer.code, answer.err) == (0, "")
    assert holding(tmp_path) == []
    assert "No file of these holds it any more" in answer.out
    assert {each["issue"]: each["count"] for each in _issues(call, configuration)} == before
    shown = call("show", full["secret"], "--config", str(configuration)).out
    assert "ValueError" in shown
    assert "shop.orders.pay" in shown
    assert "[forgotten]" in shown


def test_what_was_not_meant_stays_to_the_letter(full: Any, call: Any, configuration: Path, tmp_path: Path) -> None:
    def others() -> list[Any]:
        lines = call("tail", "--no-follow", "--json", "--spool", full["spool"].path).out.splitlines()
        return [line for line in lines if full["other"] in line]

    before, sizes = others(), _sizes(tmp_path)
    call("forget", "--containing", SECRET, "--config", str(configuration))
    assert others() == before
    assert _sizes(tmp_path) == sizes  # whoever reads or appends goes on where he was
    assert _opened(tmp_path / "events.jsonl.2.gz").count(b"\n") == 3


def test_dry_run_changes_nothing_and_tells_where(full: Any, call: Any, configuration: Path, tmp_path: Path) -> None:
    def contents() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    before = contents()
    answer = call("forget", "--containing", SECRET, "--dry-run", "--config", str(configuration))
    assert answer.code == 0
    assert contents() == before
    for part in ("2 reports in 1 segment", "events.jsonl", "events.jsonl.1", "events.jsonl.2.gz", full["secret"]):
        assert part in answer.out


def test_once_more_finds_nothing(full: Any, call: Any, configuration: Path) -> None:
    call("forget", "--containing", SECRET, "--config", str(configuration))
    answer = call("forget", "--containing", SECRET, "--config", str(configuration), "--json")
    assert all(not each["reports"] for each in json.loads(answer.out)["places"])


@pytest.mark.parametrize(
    "spelt", ["Jan%C3%A9%20%22Roe%22%20%3Cjane%40example.org%3E", "Jan%C3%A9+%22Roe%22+%3Cjane%40example.org%3E",
              "jan%c3%a9%20%22roe%22%20%3Cjane@example.org%3E", "Jané &quot;Roe&quot; &lt;jane@example.org&gt;",
              json.dumps(SECRET), repr(SECRET.encode()), ascii(SECRET).upper()]
)  # fmt: skip
def test_text_is_found_as_urls_html_and_python_write_it(spelt: str, spool: Any, call: Any, new_event: Any) -> None:
    spool.add(replace(new_event(), request=Request("GET", "/", query=f"q={spelt}")), 1)
    spool.add(new_event("KeyError"), 2)
    answer = call("forget", "--containing", SECRET, "--spool", spool.path)
    assert "1 report in 1 segment" in answer.out
    assert answer.code == 0


def test_fault_is_forgotten_by_error_id_half_of_it_or_fingerprint(full: Any, call: Any, configuration: Path) -> None:
    def forgotten() -> set[str]:
        lines = call("tail", "--no-follow", "--json", "--config", str(configuration)).out.splitlines()
        return {json.loads(line)["error_id"] for line in lines if json.loads(line).get("forgotten")}

    spool = full["spool"]
    more = spool.add(replace(everywhere(_of(full["secret"], call, configuration)), fingerprint=""), 8)
    assert call("forget", full["secret"].lower(), "--config", str(configuration)).code == 0
    assert forgotten() == {full["secret"]}
    assert call("forget", full["logged"][:6], "--config", str(configuration)).code == 0
    assert forgotten() == {full["secret"], full["logged"]}
    issue = next(each for each in _issues(call, configuration) if each["issue"] == full["secret"][:6])
    assert call("forget", issue["fingerprint"], "--config", str(configuration)).code == 0
    assert more[:6] != full["secret"][:6] or more in forgotten()
    again = call("forget", issue["fingerprint"], "--config", str(configuration))
    assert again.code == 1
    assert "not forgotten already" in again.err


@pytest.mark.parametrize("asked", [0, 1])
def test_fault_is_forgotten_under_every_name_that_its_issue_has(
    full: Any, call: Any, new_event: Any, configuration: Path, asked: int
) -> None:
    """The rules of fingerprints changed while it was open: error ids of before and after are of one issue."""
    spool, event = full["spool"], everywhere(new_event("OverflowError"))
    older = spool.add(replace(event, fingerprint=former(event)[0]), 11)
    call("issues", "--config", str(configuration))
    names = (older, spool.add(event, 12))
    call("issues", "--config", str(configuration))
    assert names[0][:6] != names[1][:6]
    for command in (
        ("tail", "--no-follow", "--json", "--fault", names[asked][:6]),
        ("forget", names[asked][:6], "--json"),
    ):
        answer = call(*command, "--config", str(configuration))
        assert answer.code == 0
        assert all(name in answer.out for name in names)


def test_user_is_forgotten_by_id_and_by_its_hash(spool: Any, call: Any, new_event: Any) -> None:
    (spool.folder.path / "salt").write_bytes(SALT)
    own = [spool.add(_by(new_event(), user=user), number) for number, user in enumerate(("4711", _hash_of("4711")))]
    other = spool.add(_by(new_event(), user="47110"), 9)
    assert call("forget", "--user", "4711", "--spool", spool.path).code == 0
    assert _users(call, spool) == {own[0]: None, own[1]: None, other: "47110"}
    assert holding(spool.folder.path, (b'"user":"4711"', _hash_of("4711").encode())) == []


def test_client_is_forgotten_by_address_and_by_each_days_hash(spool: Any, call: Any, new_event: Any) -> None:
    (spool.folder.path / "salt").write_bytes(SALT)
    day = datetime.now(UTC).date()
    mine = client_hash(SALT, day, "203.0.113.7")
    event = new_event(age_s=0)
    shown = spool.add(_by(event, client="203.0.113.7", client_hash=mine), 1)
    hashed = spool.add(_by(event, client_hash=mine), 2)
    other = spool.add(_by(event, client="203.0.113.8", client_hash="0123456789abcdef"), 3)
    call("issues", "--spool", spool.path)
    assert mine in {row[0] for row in _rows(spool, "SELECT hash FROM clients")}
    answer = call("forget", "--client", "203.0.113.7", "--spool", spool.path)
    assert answer.code == 0
    assert "1 client hash" in answer.out
    assert "distinct clients are fewer" in answer.out
    assert _rows(spool, "SELECT hash FROM clients") == [("0123456789abcdef",)]
    assert holding(spool.folder.path, (mine.encode(), b'"203.0.113.7"')) == []
    assert set(_users(call, spool)) == {shown, hashed, other}


def test_hashes_are_those_that_reports_have() -> None:
    policy = RequestPolicy("hashed", "hashed", hash_key=lambda: SALT, today=lambda: "2026-11-22")
    environ = {"REMOTE_ADDR": "2001:DB8::7", "tocsin.user": "4711", "REQUEST_METHOD": "GET"}
    found = from_environ(environ, Scrubber(), policy)
    assert found.client_hash == client_hash(SALT, datetime(2026, 11, 22, tzinfo=UTC).date(), "2001:db8::7")
    assert found.user == user_hash(SALT, "4711")


def test_all_that_is_given_has_to_hold(spool: Any, call: Any, new_event: Any) -> None:
    old = spool.add(_by(new_event(age_s=9_000), user="4711"), 1)
    new = spool.add(_by(new_event(age_s=5), user="4711"), 2)
    call("forget", "--user", "4711", "--older-than", "1h", "--spool", spool.path)
    assert _users(call, spool) == {old: None, new: "4711"}


def test_letters_notices_titles_and_reasons_are_forgotten(spool: Any, call: Any, new_event: Any) -> None:
    event = everywhere(new_event(age_s=0))
    error_id = spool.add(replace(event, exception=None, kind="error", template=f"no {SECRET}"), 6)
    call("issues", "--spool", spool.path)
    state = open_state(spool.folder)
    issue = state.issues(now=datetime.now(UTC))[0]
    assert SECRET in issue.title
    known = ("fingerprint", "prefix", "kind", "level", "title", "culprit", "count", "episode_count", "first_seen")
    report = IssueReport(
        **{name: getattr(issue, name) for name in known}, untold=1, last_seen=issue.last_seen,
        episode_started=issue.episode_started, sample=event,
    )  # fmt: skip
    notice = Notice("n1", "new", issue.last_seen, "shop", "test", (report,))
    state.save_pending("mail:x", Pending(replace(notice, issues=(replace(report, sample=None),)), ()))
    state.save_note("mail:x", {"health": {"reason": f"550 {SECRET} unknown"}, "position": 5})
    state.close()
    assert DeadLetters(spool.folder).bury("mail:x", notice, Refused(f"no {SECRET}"), datetime.now(UTC))
    answer = call("forget", "--containing", SECRET, "--spool", spool.path)
    assert (answer.code, answer.err) == (0, "")
    assert holding(spool.folder.path) == []
    (letter,) = DeadLetters(spool.folder).all()
    assert letter.occurrences == 1
    assert call("show", error_id, "--spool", spool.path).code == 0


def test_beside_a_leader_it_is_forgotten_at_once(full: Any, call: Any, hold: Any) -> None:
    """Another process leads and has the state open, as `tocsin deliver` does; it goes on with what is left."""
    spool = full["spool"]
    with hold(spool.folder.leader_lock):
        leader = open_state(spool.folder)
        try:
            revision = leader.revision()
            assert call("forget", "--containing", SECRET, "--spool", spool.path).code == 0
            assert holding(spool.folder.path) == []
            assert leader.revision() >= revision
            leader.save_note("x", {"still": "at work"})
        finally:
            leader.close()


def test_writer_goes_on_in_the_segment_that_was_written_over(full: Any, call: Any, new_event: Any) -> None:
    spool = full["spool"]
    call("forget", "--containing", SECRET, "--spool", spool.path)
    later = spool.add(new_event("OSError"), 9, counted=2)
    assert f"({later})" in call("show", later, "--spool", spool.path).out
    assert len({path.name for path in spool.folder.path.glob("*.events")}) == 1


def test_age_of_segments_and_files_stays_that_of_their_reports(
    full: Any, call: Any, configuration: Path, tmp_path: Path
) -> None:
    paths = [*full["spool"].folder.path.glob("*.events"), *tmp_path.glob("events.jsonl*")]
    for path in paths:
        os.utime(path, (1_700_000_000, 1_700_000_000))
    call("forget", "--containing", SECRET, "--config", str(configuration))
    assert {path.stat().st_mtime for path in paths} == {1_700_000_000.0}


def test_kill_in_the_middle_of_a_write_is_mended_by_the_next_run(full: Any, call: Any) -> None:
    """Half of the new body is on the disk: the report is torn, and its rest still holds the secret."""
    spool = full["spool"]
    (path,) = spool.folder.path.glob("*.events")
    data = path.read_bytes()
    record = next(each for each in segment_format.records(data, 0, is_final=True) if each.body and b"Roe" in each.body)
    members = json.loads(record.body or b"")
    new = padded(members, Whom(text=SECRET).without, len(record.body or b""))
    at = record.offset + segment_format.HEADER_BYTES
    cut = at + data[at:].index(b"Roe")  # behind what the old and the new have in common
    path.write_bytes(data[:at] + new[: cut - at] + data[cut:])
    assert b"jane@example.org" in path.read_bytes()
    assert call("forget", "--containing", SECRET, "--spool", spool.path).code == 0
    assert holding(spool.folder.path) == []
    counts = {each["issue"]: each["count"] for each in _issues(call, None, spool.path)}
    assert sorted(counts.values()) == [1, 4, 5]


def test_requests_that_are_over_are_forgotten_and_those_under_way_told(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    flights = FlightLog(spool.folder.flight("0" * 18), {"application": "shop"})
    over = flights.begin("request", "GET", f"/u/{SECRET}", "main")
    flights.begin("request", "GET", f"/v/{SECRET}", "main")
    flights.end(over)
    answer = call("forget", "--containing", SECRET, "--spool", spool.path)
    assert answer.code == 1
    assert "1 request with it still under way" in answer.err
    data = flights.path.read_bytes()
    assert b"/u/Jan" not in data
    assert b"/v/Jan" in data


def test_what_can_not_be_written_is_told_and_the_rest_done(
    full: Any, call: Any, configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **named: Any) -> None:
        raise PermissionError(13, "Permission denied", "letters")

    monkeypatch.setattr("tocsin.cli.forget.forget_in_letters", refuse)
    answer = call("forget", "--containing", SECRET, "--config", str(configuration))
    assert answer.code == 1
    assert "letters: Permission denied; what it holds stays" in answer.err
    assert holding(tmp_path) == []


def test_out_of_reach_is_said_for_each_sort_of_sink(full: Any, call: Any, tmp_path: Path) -> None:
    (tmp_path / "all.toml").write_text(
        'application = "shop"\nspool = "spool"\n[[sinks]]\ntype = "syslog"\n[[sinks]]\ntype = "mail"\n'
    )
    out = call("forget", "--containing", SECRET, "--dry-run", "--config", "all.toml").out
    for part in ("syslog ", "mail ", "backups and snapshots"):
        assert f"  {part}" in out
    assert "events.jsonl" not in out
    bare = call("forget", "--containing", SECRET, "--dry-run", "--spool", full["spool"].path).out
    assert "only a configuration names them" in bare


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say what to forget"),
        (("--user", ""), "--user is empty"),
        (("--containing", "ab"), "is too short"),
        (("--client", "example.org"), "is no IP address"),
        (("--older-than", "soon"), "'soon'"),
        (("nonsense",), "is not an error id"),
    ],
)
def test_wrong_use_says_what_to_give(arguments: tuple[str, ...], said: str, spool: Any, call: Any) -> None:
    answer = call("forget", *arguments, "--spool", spool.path)
    assert answer.code == 2
    assert said in answer.err


@given(st.text(min_size=3, max_size=40).filter(str.strip), st.text(max_size=60), st.text(max_size=60))
def test_what_is_left_is_as_long_and_holds_no_text(text: str, before: str, after: str) -> None:
    """Law: an event of any text is blanked to as many bytes, still an event, which the text is no part of."""
    whom = Whom(text=text)
    event = everywhere(
        Event("error", "ERROR", 40, datetime(2026, 11, 22, tzinfo=UTC), "shop", message=before + text + after)
    )
    event = replace(event, message=before + text + after, logger=before + text, exception=ExceptionInfo("E", text))
    data = wire.encode(event)
    members = json.loads(data)
    assert whom.takes(members)
    left = padded(members, whom.without, len(data))
    assert len(left) == len(data)
    kept = json.loads(left)
    wire.decode(left)
    assert kept["fingerprint"] == members["fingerprint"]
    assert not whom.has_text({name: value for name, value in kept.items() if name != "message"})
    assert zlib.crc32(left) == zlib.crc32(bytes(left))


# -- what the tests share ----------------------------------------------------------------------------------


def _issues(call: Callable[..., Any], configuration: Path | None, spool: str = "") -> list[Any]:
    place = ("--config", str(configuration)) if configuration else ("--spool", spool)
    return [json.loads(line) for line in call("issues", "--json", *place).out.splitlines()]


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in [*folder.glob("spool/*.events"), *folder.glob("*.jsonl*")]
            if path.suffix != ".gz"}  # fmt: skip


def _of(error_id: str, call: Callable[..., Any], configuration: Path) -> Event:
    answer = call("show", error_id, "--json", "--config", str(configuration))
    return wire.event_from(json.loads(answer.out)["event"])


def _by(event: Event, **named: Any) -> Event:
    assert event.request is not None
    return replace(event, request=replace(event.request, **named))


def _hash_of(user: str) -> str:
    return user_hash(SALT, user)


def _users(call: Callable[..., Any], spool: Any) -> dict[str, Any]:
    lines = call("tail", "--no-follow", "--json", "--spool", spool.path).out.splitlines()
    return {line["error_id"]: line["request"].get("user") for line in map(json.loads, lines)}


def _rows(spool: Any, select: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(spool.folder.state)) as database:
        return database.execute(select).fetchall()
