"""The Trac sink against Trac 1.6 with its XML-RPC plugin: one ticket per fault, whatever happens to both of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from tracd import PASSWORDS, TracServer, no_reopening

from tocsin.config.setting import parse_table
from tocsin.event.model import Event
from tocsin.event.notice import Commit, Reason
from tocsin.sinks.base import Accepted, SinkContext
from tocsin.sinks.tickets.ticket import Ticket, keyword_of
from tocsin.sinks.tickets.trac import TracSink
from tocsin.testing import SinkContract
from tocsin.testing.contract import notice_of
from tocsin.testing.hostile import HOSTILE, _everywhere, ordinary_event
from tracker_cases import SAFE_URL, linked_event, new_event, reason_of, told

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("urllib3", reason="no urllib3; pip install 'urllib3>=2.2'")

CONTEXT = SinkContext("shop", "production", "web1")
LOWER_ENUMS = """
[ticket]
default_component = component1
default_priority = trivial
"""


@pytest.fixture(scope="session")
def trac(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracServer]:
    """Run one Trac with a project for each purpose."""
    server = TracServer(tmp_path_factory.mktemp("trac"))
    server.add_project("shop", ini=LOWER_ENUMS)
    server.add_project("bare", has_plugin=False)
    server.add_project("final", ini=no_reopening())
    server.add_project("strict", is_strict=True)
    server.start()
    yield server
    server.stop()


def sink_of(server: TracServer, project: str = "shop", *, user: str = "bot", **options: Any) -> TracSink:
    if user:
        options = {"user": user, "password": PASSWORDS[user], **options}
    values, faults = parse_table(TracSink.settings, {"url": server.url(project), **options}, "sinks")
    assert not faults
    return TracSink.from_options(values, CONTEXT)


def ticket_of(server: TracServer, event: Event, project: str = "shop") -> dict[str, Any]:
    """Return the one ticket there is of a fault."""
    (found,) = server.tickets(project, f"keywords~={keyword_of(event.fingerprint)}")
    return found


class TestContract(SinkContract):
    """Every hostile event becomes a ticket."""

    is_idempotent = True

    @pytest.fixture(autouse=True)
    def _server(self, trac: TracServer) -> None:
        self.trac = trac
        self.before = max(trac.call("shop", "ticket.query", "max=1&order=id&desc=1"), default=0)

    def new_sink(self) -> TracSink:
        return sink_of(self.trac)

    def received(self) -> Sequence[str]:
        return self.trac.texts("shop", f"id={self.before + 1}-999999")


def test_a_fault_seen_a_thousand_times_by_several_leaders_has_one_ticket(trac: TracServer) -> None:
    """Growing, quiet, back, told by one leader after another: one ticket, a comment for each, the exact count."""
    event = new_event()
    reasons: list[Reason] = ["new", "update", "update", "quiet", "comeback"]
    for number, reason in enumerate(reasons):
        count = (1, 10, 100, 999, 1_000)[number]
        sink = sink_of(trac)  # a leader of its own
        assert isinstance(sink.notify(told(reason, event, count=count, episode_count=count)), Accepted)
        sink.close()
    ticket = ticket_of(trac, event)
    assert len(ticket["comments"]) == 4
    assert "|| 1,000 ||" in ticket["description"]
    assert "1,000 times" in ticket["comments"][-1]
    assert not any("Traceback (most recent" in text for text in ticket["comments"])


def test_a_ticket_has_what_the_project_knows(trac: TracServer) -> None:
    """Type, priority by level, keywords, owner by component; what the project lacks is left to its default."""
    event = new_event(of=replace(ordinary_event(), level="CRITICAL"))
    options = {"component": "component2", "milestone": "milestone9", "keywords": ["web"], "cc": ["ops@example.org"]}
    assert isinstance(sink_of(trac, **options).notify(told("new", event)), Accepted)
    ticket = ticket_of(trac, event)
    names = ("type", "priority", "component", "milestone", "owner", "cc", "keywords", "reporter", "summary")
    assert tuple(ticket[name] for name in names) == (
        "defect",
        "blocker",
        "component2",
        "",
        "somebody",
        "ops@example.org",
        f"{keyword_of(event.fingerprint)} web",
        "bot",
        f"[shop] ZeroDivisionError in shop.orders.pay ({event.error_id[:6]})",
    )


def test_a_priority_that_the_project_lacks_is_its_default(trac: TracServer) -> None:
    """Projects change the names; a ticket of the default priority is better than none."""
    event = new_event()
    assert isinstance(sink_of(trac, priorities={"ERROR": "now!"}).notify(told("new", event)), Accepted)
    assert ticket_of(trac, event)["priority"] == "trivial"


@pytest.mark.parametrize("resolution", ["fixed", "worksforme"])
def test_a_fault_that_comes_back_reopens_its_ticket(trac: TracServer, resolution: str) -> None:
    """It has the traceback again, since the code has changed; a person's own words stay in the description."""
    event, sink = new_event(), sink_of(trac)
    sink.notify(told("new", event))
    number = ticket_of(trac, event)["id"]
    trac.close_as("shop", number, resolution)
    assert isinstance(sink.notify(told("comeback", event)), Accepted)
    ticket = ticket_of(trac, event)
    assert (ticket["status"], ticket["resolution"]) == ("reopened", "")
    assert ticket["comments"][-1].startswith("The fault came back after this ticket was closed.")
    assert "Traceback (most recent call last)" in ticket["comments"][-1]


def test_what_was_not_seen_since_its_ticket_was_closed_is_silent(trac: TracServer) -> None:
    """A notice may be late: the fault it tells of may be the one that was fixed."""
    event, sink = new_event(), sink_of(trac)
    sink.notify(told("new", event))
    trac.close_as("shop", ticket_of(trac, event)["id"], "fixed")
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    assert isinstance(sink.notify(told("update", event, last_seen=long_ago)), Accepted)
    ticket = ticket_of(trac, event)
    assert (ticket["status"], len(ticket["comments"])) == ("closed", 1)


@pytest.mark.parametrize("resolution", ["wontfix", "invalid", "duplicate"])
def test_a_ticket_that_was_declined_stays_closed_and_silent(trac: TracServer, resolution: str) -> None:
    """Somebody decided; the fault is only counted."""
    event, sink = new_event(), sink_of(trac)
    sink.notify(told("new", event))
    trac.close_as("shop", ticket_of(trac, event)["id"], resolution)
    before = ticket_of(trac, event)
    for reason in ("update", "comeback", "quiet"):
        assert isinstance(sink.notify(told(reason, event)), Accepted)  # type: ignore[arg-type]
    assert ticket_of(trac, event) == before


@pytest.mark.parametrize("reason", ["new", "update", "comeback"])
def test_a_leader_killed_after_acceptance_doubles_nothing(trac: TracServer, reason: Reason) -> None:
    """The next leader hands over the very same notice: no second ticket, no second comment, nothing reopened twice."""
    event = new_event()
    if reason != "new":
        sink_of(trac).notify(told("new", event))
    if reason == "comeback":
        trac.close_as("shop", ticket_of(trac, event)["id"], "fixed")
    notice = told(reason, event)
    assert isinstance(sink_of(trac).notify(notice), Accepted)
    before = ticket_of(trac, event)
    assert isinstance(sink_of(trac).notify(notice), Accepted)
    assert ticket_of(trac, event) == before


def test_an_open_ticket_comes_before_a_later_closed_one(trac: TracServer) -> None:
    """People split and copy tickets; a keyword of another fault, or part of one, is not taken for it."""
    event, sink = new_event(), sink_of(trac)
    sink.notify(told("new", event))
    number = ticket_of(trac, event)["id"]
    keyword = keyword_of(event.fingerprint)
    copy = trac.call("shop", "ticket.create", "a copy", "", {"keywords": f"x,{keyword}"}, False)
    trac.close_as("shop", copy, "fixed")
    trac.call("shop", "ticket.create", "another", "", {"keywords": f"{keyword}0"}, False)
    sink.notify(told("comeback", event))
    assert trac.call("shop", "ticket.get", copy)[3]["status"] == "closed"
    comments = {each["id"]: len(each["comments"]) for each in trac.tickets("shop", f"keywords~={keyword}")}
    assert comments == {number: 1, copy: 1, copy + 1: 0}


def test_a_ticket_changed_in_between_is_commented_all_the_same(
    trac: TracServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person edits description and fields between our reading and writing: both stay, and the comment comes."""
    event, sink = new_event(), sink_of(trac)
    sink.notify(told("new", event))
    number = ticket_of(trac, event)["id"]
    asked = type(sink._tracker).has_said

    def has_said(tracker: Any, ticket: Ticket, mark: str) -> bool:
        trac.act("shop", number, "leave", "I look at it", description="Mine now.", cc="me")
        return asked(tracker, ticket, mark)

    monkeypatch.setattr(type(sink._tracker), "has_said", has_said)
    assert isinstance(sink.notify(told("update", event)), Accepted)
    ticket = ticket_of(trac, event)
    assert (ticket["description"], ticket["cc"]) == ("Mine now.", "me")
    assert [text.partition("\n")[0][:12] for text in ticket["comments"]] == ["I look at it", "It goes on: "]


def test_one_that_was_opened_by_hand_meanwhile_is_not_reopened(
    trac: TracServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workflow has no such step then; the comment is what matters."""
    event, sink = new_event(), sink_of(trac)
    sink.notify(told("new", event))
    number = ticket_of(trac, event)["id"]
    trac.close_as("shop", number, "fixed")
    update = type(sink._tracker)._update

    def late(tracker: Any, *args: Any) -> None:
        trac.act("shop", number, "reopen", "by hand")
        update(tracker, *args)

    monkeypatch.setattr(type(sink._tracker), "_update", late)
    assert isinstance(sink.notify(told("comeback", event)), Accepted)
    ticket = ticket_of(trac, event)
    assert (ticket["status"], len(ticket["comments"])) == ("reopened", 3)


def test_a_workflow_without_reopening_is_told_in_the_ticket(trac: TracServer) -> None:
    """Custom workflows may have no such action: the ticket stays closed, and its comment says so."""
    event, sink = new_event(), sink_of(trac, "final")
    sink.notify(told("new", event))
    trac.close_as("final", ticket_of(trac, event, "final")["id"], "fixed")
    assert isinstance(sink.notify(told("comeback", event)), Accepted)
    ticket = ticket_of(trac, event, "final")
    assert ticket["status"] == "closed"
    assert "no action “reopen”" in ticket["comments"][-1]


def test_an_account_that_may_not_edit_descriptions_comments(trac: TracServer) -> None:
    """Another reporter's ticket: the table stays as it is, the comment comes."""
    event = new_event()
    sink_of(trac, user="admin").notify(told("new", event))
    assert isinstance(sink_of(trac).notify(told("update", event, episode_count=4_711)), Accepted)
    ticket = ticket_of(trac, event)
    assert "4,711" not in ticket["description"]
    assert "4,711 times" in ticket["comments"][-1]


def test_a_comment_that_a_plugin_refuses_comes_without_its_details(trac: TracServer) -> None:
    """A spam filter minds what an attacker sent: the fault is told all the same, and later ones aren't held up."""
    event, sink = new_event(of=replace(ordinary_event(), fields={"q": "viagra"})), sink_of(trac, "strict")
    sink.notify(told("new", event))
    notice = told("update", event, episode_count=4_711)
    assert isinstance(sink.notify(notice), Accepted)
    assert isinstance(sink.notify(notice), Accepted)
    (comment,) = ticket_of(trac, event, "strict")["comments"]
    assert comment.startswith("It goes on: 4,711 times")
    assert "The tracker refused this comment with its details; tocsin show has them." in comment
    assert "{{{" not in comment


def test_a_history_too_long_to_be_read_holds_nothing_up(trac: TracServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ticket is commented; only what is repeated after a crash may be said twice."""
    event, sink = new_event(), sink_of(trac)
    sink.notify(told("new", event))
    number = ticket_of(trac, event)["id"]
    for _ in range(3):
        trac.act("shop", number, "leave", "long " * 10_000)
    monkeypatch.setattr("tocsin.event.limits.ANSWER_BYTES", 100_000)
    monkeypatch.setattr("tocsin.sinks.tickets.trac_project.ANSWER_BYTES", 100_000)
    assert isinstance(sink.notify(told("update", event)), Accepted)
    assert len(ticket_of(trac, event)["comments"]) == 4


# -- hostile texts -------------------------------------------------------------------------------------
BREAKOUT = """}}}
[[Image(http://evil.example/x.png)]]
{{{#!html
<b class=evil>broken</b>
}}}
{{{
#!html
<b class=evil>broken</b>
}}}
= Evil heading =
@everyone fixes #1 r1 [1] wiki:WikiStart EvilCamel ticket:1
http://evil.example ||a||b|| `code` [[Macro]] ''' {{{inline}}}
tb_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa \x00\ufffe\ud800"""
OUTSIDE_CODE = (
    "e => { const c = e.cloneNode(true); c.querySelectorAll('pre').forEach(p => p.remove()); return c.innerText }"
)


def test_nothing_in_an_event_leaves_its_code_block(trac: TracServer, chromium: Browser) -> None:
    """The page as a browser has it: no link, image, heading or markup but ours, in description, comment and title."""
    event, sink = new_event(of=_everywhere(ordinary_event(), BREAKOUT)), sink_of(trac)
    for reason in ("new", "update"):
        assert isinstance(sink.notify(told(reason, event)), Accepted)  # type: ignore[arg-type]
    number = ticket_of(trac, event)["id"]
    page = chromium.new_page()
    page.goto(f"{trac.url('shop')}/ticket/{number}")
    for part in ("#ticket .description .searchable", "#changelog .comment.searchable"):
        area = page.locator(part)
        assert area.count() == 1
        assert area.locator("a, img, h1, h2, b, i, strong, .evil, .system-message").count() == 0
        blocks = area.locator("pre.wiki")
        assert blocks.count() == (5 if "description" in part else 2)
        outside = area.evaluate(OUTSIDE_CODE)
        assert "evil" not in re.sub(r"release|\S*evil\.example\?x\S*", "", outside.lower())
    assert page.locator("#ticket h2 .summary a, #trac-ticket-title a.ext-link").count() == 0
    assert page.locator(".evil").count() == 0
    for path in ("timeline?ticket=on&ticket_details=on", "query?status=!closed&max=999", "search?q=evil&ticket=on"):
        page.goto(f"{trac.url('shop')}/{path}")
        assert page.get_by_text(f"#{number}").count() > 0
        links = [str(link) for link in page.locator("#content a").evaluate_all("all => all.map(a => a.href)")]
        assert not [link for link in links if "evil.example" in link or "/wiki/Evil" in link]
        assert page.locator(".evil, #content img[src*=evil]").count() == 0
    page.close()


def test_links_lead_to_the_lines_and_to_the_commit(trac: TracServer, chromium: Browser) -> None:
    """As they were written, whatever a file is called; what is no link of a forge is none."""
    event, sink = new_event(of=linked_event(ordinary_event())), sink_of(trac)
    commit = Commit("3f2a", None, "", "https://forge.example/commit/3f2a")
    assert isinstance(sink.notify(told("new", event, introduced=commit)), Accepted)
    page = chromium.new_page()
    page.goto(f"{trac.url('shop')}/ticket/{ticket_of(trac, event)['id']}")
    links = page.locator("#ticket .description .searchable a")
    assert [link.get_attribute("href") for link in links.all()] == [SAFE_URL, commit.url]
    assert [link.inner_text().strip("\u200b ") for link in links.all()] == [
        "the line that failed",
        "the commit that brought the line",
    ]
    assert page.locator("#ticket .description .searchable img").count() == 0
    page.close()


# -- what can go wrong ---------------------------------------------------------------------------------
def test_a_check_proves_what_can_be_proved_and_makes_no_ticket(trac: TracServer) -> None:
    """Login, search and the right to make tickets; it says what it does not prove, and what the project lacks."""
    before = trac.call("shop", "ticket.query", "max=0")
    outcome = sink_of(trac, component="nowhere").notify(notice_of("check"))
    assert isinstance(outcome, Accepted)
    assert outcome.detail.startswith("XML-RPC 1.2.0: search works; tickets may be made")
    assert "the project has no component 'nowhere', so its default is taken" in outcome.detail
    assert "not proved without a ticket: the rights to comment and to reopen" in outcome.detail
    assert trac.call("shop", "ticket.query", "max=0") == before


def test_wrong_credentials_are_told_without_them(trac: TracServer) -> None:
    """Mended later, the notice is still there: Unavailable."""
    reason, remedy = reason_of(sink_of(trac, password="geheim-17").notify(told("new", new_event())))
    assert reason.endswith("answered 401 while searching")
    assert remedy == "check the credentials"
    assert "geheim" not in reason


@pytest.mark.parametrize(
    ("user", "reason", "missing"),
    [
        ("outsider", "check", "XML_RPC"),
        ("outsider", "new", "XML_RPC"),
        ("onlooker", "check", "TICKET_CREATE"),
        ("onlooker", "new", "TICKET_CREATE"),
        ("", "new", "XML_RPC"),
    ],
)
def test_a_missing_right_is_named(trac: TracServer, user: str, reason: Reason, missing: str) -> None:
    """What Trac says of it, and the rights the account needs."""
    notice = notice_of("check") if reason == "check" else told(reason, new_event())
    words, remedy = reason_of(sink_of(trac, user=user).notify(notice))
    assert f"{missing} privileges are required" in words
    assert missing in remedy


def test_a_missing_right_to_comment_is_named(trac: TracServer) -> None:
    """It is found when there is something to comment."""
    event = new_event()
    sink_of(trac).notify(told("new", event))
    words, remedy = reason_of(sink_of(trac, user="onlooker").notify(told("update", event)))
    assert "No permissions to add a comment" in words
    assert "TICKET_APPEND" in remedy


@pytest.mark.parametrize("project", ["bare", "nowhere"])
def test_a_missing_plugin_or_project_is_told(trac: TracServer, project: str) -> None:
    """Trac answers 404 for both."""
    words, remedy = reason_of(sink_of(trac, project).notify(told("new", new_event())))
    assert words.endswith("answered 404 while searching: there is no XML-RPC at this url")
    assert "plugin" in remedy


def test_a_project_that_has_moved_is_told(trac: TracServer) -> None:
    """No redirect is followed: it could lead the password elsewhere."""

    class Moved(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(301)
            self.send_header("Location", trac.url("shop") + "/login/rpc")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Moved) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            sink = sink_of(trac, url=f"http://127.0.0.1:{server.server_port}/shop")
            words, remedy = reason_of(sink.notify(told("new", new_event())))
            sink.close()
        finally:
            server.shutdown()
    assert f"sends on to {trac.url('shop')}/login/rpc" in words
    assert remedy == "set url to where it is now"


def test_a_server_that_was_away_gets_the_notice_once(trac: TracServer) -> None:
    """Told as Unavailable while it is away; the connection kept from before is no obstacle."""
    event, sink = new_event(), sink_of(trac)
    sink.notify(told("new", event))
    notice = told("update", event)
    trac.stop()
    try:
        words, _ = reason_of(sink.notify(notice))
        assert "127.0.0.1" in words
    finally:
        trac.start()
    # The first call after it may find that the old connection is gone.
    assert any(isinstance(sink.notify(notice), Accepted) for _ in range(2))
    assert isinstance(sink.notify(notice), Accepted)
    assert len(ticket_of(trac, event)["comments"]) == 1


def test_every_hostile_event_has_a_page(trac: TracServer) -> None:
    """Trac shows each of them, whatever is in it."""
    sink = sink_of(trac)
    for case in HOSTILE:
        event = case.make(uuid4().hex)
        assert isinstance(sink.notify(told("new", event)), Accepted), case.name
        page = trac.page("shop", ticket_of(trac, event)["id"])
        assert event.error_id in page
        assert "system-message" not in page, case.name
    sink.close()


# -- by a leader ---------------------------------------------------------------------------------------
WORKER = """
import sys, time, tocsin
reporter = tocsin.setup({"application": "shop", "spool": sys.argv[1], "sinks": [sys.argv[2]]})
def pay(number):
    raise ZeroDivisionError(f"order {number}")
for number in range(250):
    try:
        pay(number)
    except ZeroDivisionError as fault:
        reporter.report(fault)
print("done", flush=True)
time.sleep(60)
"""


def test_a_thousand_occurrences_and_killed_leaders_make_one_ticket(trac: TracServer, tmp_path: Path) -> None:
    """Four processes of an application, each of them killed as it leads and talks to Trac: one ticket, all counted."""
    spool = str(tmp_path / "spool")
    url = f"trac+http://bot:{PASSWORDS['bot']}@127.0.0.1:{trac.port}/shop?component=component1&first_within=0"
    for pause_s in (0.0, 0.3, 0.6, 0.9):
        worker = subprocess.Popen([sys.executable, "-c", WORKER, spool, url], stdout=subprocess.PIPE)
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"done\n"
        time.sleep(pause_s)
        worker.kill()
        worker.communicate()
    tocsin = str(Path(sys.executable).with_name("tocsin"))
    subprocess.run([tocsin, "deliver", "--drain", "--spool", spool, "--sink", url], check=True, timeout=60)
    done = subprocess.run([tocsin, "issues", "--json", "--spool", spool], check=True, capture_output=True, text=True)
    (issue,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert issue["count"] == 1_000
    (ticket,) = trac.tickets("shop", f"keywords~={keyword_of(issue['fingerprint'])}")
    assert ticket["priority"] == "critical"
    marks = re.findall(r"tn_[0-9a-f]{32}", "".join([ticket["description"], *ticket["comments"]]))
    assert len(marks) == len(set(marks)) == 1 + len(ticket["comments"])
