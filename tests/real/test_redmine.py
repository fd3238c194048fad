"""The Redmine sink against Redmine 5.0: one issue per fault, whatever happens to both of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from redmine import KEYS, RedmineServer, running

from tocsin.config.setting import parse_table
from tocsin.event.model import Event
from tocsin.event.notice import Commit, Reason
from tocsin.sinks.base import Accepted, SinkContext
from tocsin.sinks.tickets.redmine import RedmineSink
from tocsin.sinks.tickets.rest_sink import RestSink
from tocsin.sinks.tickets.ticket import keyword_of
from tocsin.testing import SinkContract
from tocsin.testing.contract import notice_of
from tocsin.testing.hostile import HOSTILE, _everywhere, ordinary_event
from tracker_cases import SAFE_URL, linked_event, new_event, reason_of, told

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("urllib3", reason="no urllib3; pip install 'urllib3>=2.2'")

CONTEXT = SinkContext("shop", "production", "web1")


@pytest.fixture(scope="session")
def redmine() -> Iterator[RedmineServer]:
    """Run one Redmine for all tests."""
    yield from running()


def sink_of(server: RedmineServer, *, user: str = "bot", **options: Any) -> RestSink:
    options = {"url": server.url, "project": "shop", "token": KEYS.get(user, user), "timeout": 30, **options}
    values, faults = parse_table(RedmineSink.settings, options, "sinks")
    assert not faults
    return RedmineSink.from_options(values, CONTEXT)


def issue_of(server: RedmineServer, event: Event) -> dict[str, Any]:
    """Return the one issue there is of a fault."""
    (found,) = server.issues(keyword_of(event.fingerprint))
    return found


class TestContract(SinkContract):
    """Every hostile event becomes an issue."""

    is_idempotent = True

    @pytest.fixture(autouse=True)
    def _server(self, redmine: RedmineServer) -> None:
        self.redmine = redmine
        self.before = max((each["id"] for each in redmine.issues()), default=0)

    def new_sink(self) -> RestSink:
        return sink_of(self.redmine)

    def received(self) -> Sequence[str]:
        texts = []
        for each in self.redmine.issues():
            if each["id"] > self.before:
                texts += [f"{each['subject']}\n{each['description']}", *each["comments"]]
        return texts


def test_a_fault_told_by_several_leaders_has_one_issue(redmine: RedmineServer) -> None:
    """Growing, quiet, back: one issue, a note for each, the exact count in its table."""
    event = new_event()
    reasons: list[Reason] = ["new", "update", "update", "quiet", "comeback"]
    for number, reason in enumerate(reasons):
        count = (1, 10, 100, 999, 1_000)[number]
        sink = sink_of(redmine)
        assert isinstance(sink.notify(told(reason, event, count=count, episode_count=count)), Accepted)
        sink.close()
    issue = issue_of(redmine, event)
    assert len(issue["comments"]) == 4
    assert "| 1,000 |" in issue["description"]
    assert "1,000 times" in issue["comments"][-1]
    assert not any("Traceback (most recent" in text for text in issue["comments"])


def test_an_issue_has_what_the_project_knows(redmine: RedmineServer) -> None:
    """Tracker, priority by level, category and assignee by their names; what isn't there is left out."""
    event = new_event(of=replace(ordinary_event(), level="CRITICAL"))
    sink = sink_of(redmine, tracker="Feature", category="web", assignee="Developer Robot")
    assert isinstance(sink.notify(told("new", event)), Accepted)
    issue = issue_of(redmine, event)
    names = [issue[name]["name"] for name in ("tracker", "priority", "category", "assigned_to", "author")]
    assert names == ["Feature", "Urgent", "web", "Developer Robot", "Bot Robot"]
    assert issue["subject"] == f"[shop] ZeroDivisionError in shop.orders.pay ({event.error_id[:6]})"
    event = new_event()
    sink = sink_of(redmine, tracker="Nothing", category="nowhere", assignee="Nobody", priorities={"ERROR": "now!"})
    assert isinstance(sink.notify(told("new", event)), Accepted)
    assert issue_of(redmine, event)["priority"]["name"] == "Normal"


@pytest.mark.parametrize("status", ["Closed"])
def test_a_fault_that_comes_back_reopens_its_issue(redmine: RedmineServer, status: str) -> None:
    """It has the traceback again; the first open status of the workflow is taken, unless one is wished for."""
    for options, expected in (({}, "New"), ({"reopen_status": "In Progress"}, "In Progress")):
        event, sink = new_event(), sink_of(redmine, **options)  # type: ignore[arg-type]
        sink.notify(told("new", event))
        redmine.set_status(issue_of(redmine, event)["id"], status)
        assert isinstance(sink.notify(told("comeback", event)), Accepted)
        issue = issue_of(redmine, event)
        assert issue["status"]["name"] == expected
        assert issue["comments"][-1].startswith("The fault came back after this ticket was closed.")
        assert "Traceback (most recent call last)" in issue["comments"][-1]


def test_a_workflow_without_a_way_back_is_commented(redmine: RedmineServer) -> None:
    """An account whose role may not open it again says so, and the issue stays closed."""
    event, sink = new_event(), sink_of(redmine, user="developer")
    sink.notify(told("new", event))
    redmine.set_status(issue_of(redmine, event)["id"], "Closed")
    assert isinstance(sink.notify(told("comeback", event)), Accepted)
    issue = issue_of(redmine, event)
    assert issue["status"]["name"] == "Closed"
    assert issue["comments"][-1].startswith("It stays closed: its workflow has no open status")


def test_what_was_not_seen_since_its_issue_was_closed_is_silent(redmine: RedmineServer) -> None:
    """A notice may be late: the fault it tells of may be the one that was fixed."""
    event, sink = new_event(), sink_of(redmine)
    sink.notify(told("new", event))
    redmine.set_status(issue_of(redmine, event)["id"], "Closed")
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    assert isinstance(sink.notify(told("update", event, last_seen=long_ago)), Accepted)
    issue = issue_of(redmine, event)
    assert (issue["status"]["name"], issue["comments"]) == ("Closed", [])


def test_an_issue_that_was_rejected_stays_closed_and_silent(redmine: RedmineServer) -> None:
    """Somebody decided; the fault is only counted."""
    event, sink = new_event(), sink_of(redmine)
    sink.notify(told("new", event))
    redmine.set_status(issue_of(redmine, event)["id"], "Rejected")
    before = issue_of(redmine, event)
    for reason in ("update", "comeback", "quiet"):
        assert isinstance(sink.notify(told(reason, event)), Accepted)  # type: ignore[arg-type]
    assert issue_of(redmine, event) == before


@pytest.mark.parametrize("reason", ["new", "update", "comeback"])
def test_a_leader_killed_after_acceptance_doubles_nothing(redmine: RedmineServer, reason: Reason) -> None:
    """The next leader hands over the very same notice: no second issue, no second note."""
    event = new_event()
    if reason != "new":
        sink_of(redmine).notify(told("new", event))
    if reason == "comeback":
        redmine.set_status(issue_of(redmine, event)["id"], "Closed")
    notice = told(reason, event)
    assert isinstance(sink_of(redmine).notify(notice), Accepted)
    before = issue_of(redmine, event)
    assert isinstance(sink_of(redmine).notify(notice), Accepted)
    assert issue_of(redmine, event) == before


def test_an_issue_that_quotes_a_keyword_is_not_taken_for_its_own(redmine: RedmineServer) -> None:
    """Only where tocsin writes it, in a line of its own, and only in this project."""
    event = new_event()
    keyword = keyword_of(event.fingerprint)
    for project in ("shop", "other"):
        quoting = {"project_id": project, "subject": "see there", "description": f"Is it the same as @{keyword}@?"}
        redmine.call("POST", "/issues.json", {"issue": quoting})
    assert isinstance(sink_of(redmine).notify(told("new", event)), Accepted)
    assert next(each["subject"] for each in redmine.issues(keyword)) == "see there"
    assert len(redmine.issues(keyword)) == 2
    assert len(redmine.issues(keyword, "other")) == 1


def test_an_open_issue_comes_before_a_later_closed_one(redmine: RedmineServer) -> None:
    """People copy issues."""
    event, sink = new_event(), sink_of(redmine)
    sink.notify(told("new", event))
    first = issue_of(redmine, event)
    copy = {"project_id": "shop", "subject": "a copy", "description": first["description"]}
    number = redmine.call("POST", "/issues.json", {"issue": copy})["issue"]["id"]
    redmine.set_status(number, "Closed")
    assert isinstance(sink.notify(told("update", event)), Accepted)
    comments = [len(each["comments"]) for each in redmine.issues(keyword_of(event.fingerprint))]
    assert comments == [1, 0]


def test_people_s_own_words_stay(redmine: RedmineServer) -> None:
    """Subject and description are theirs; only the table of occurrences is kept up."""
    event, sink = new_event(), sink_of(redmine)
    sink.notify(told("new", event))
    issue = issue_of(redmine, event)
    change = {"subject": "Orders without parts", "description": f"Mine.\r\n\r\n{issue['description']}"}
    redmine.call("PUT", f"/issues/{issue['id']}.json", {"issue": change})
    assert isinstance(sink.notify(told("update", event, episode_count=4_711)), Accepted)
    now = issue_of(redmine, event)
    assert now["subject"] == "Orders without parts"
    assert now["description"].startswith("Mine.")
    assert "| 4,711 |" in now["description"]


# -- hostile texts -------------------------------------------------------------------------------------
BREAKOUT = """</pre>
!http://evil.example/x.png!
<pre><code class="evil">broken</code></pre></pre >
< /pre><notextile><b class=evil>broken</b></notextile></PRE>
```
# Evil heading
![evil](http://evil.example/x.png) [evil](http://evil.example) <b class=evil>broken</b>
~~~
````
~~~~ ~~~
h1. Evil heading

@everyone #1 r1 commit:1 user:admin [[EvilWiki]] {{evil_macro}} attachment:evil source:evil
http://evil.example "evil":http://evil.example |a|b| `code` *bold* _it_ {{toc}}
tb_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa \x00\ufffe\ud800"""
OUTSIDE_CODE = (
    "e => { const c = e.cloneNode(true); c.querySelectorAll('pre').forEach(p => p.remove()); return c.innerText }"
)


@pytest.mark.parametrize("formatting", ["textile", "markdown", "common_mark"])
def test_nothing_in_an_event_leaves_its_code_block(redmine: RedmineServer, chromium: Browser, formatting: str) -> None:
    """The page as a browser has it: no link, image, heading or markup but ours, in description, note and title."""
    redmine.set("text_formatting", formatting)
    time.sleep(1.1)  # Redmine sees changed settings from the next second on
    ours = "textile" if formatting == "textile" else "markdown"
    event, sink = new_event(of=_everywhere(ordinary_event(), BREAKOUT)), sink_of(redmine, text_formatting=ours)
    for reason in ("new", "update"):
        assert isinstance(sink.notify(told(reason, event)), Accepted)  # type: ignore[arg-type]
    number = issue_of(redmine, event)["id"]
    page = chromium.new_page()
    page.goto(f"{redmine.url}/issues/{number}")
    for part, blocks in (("div.issue .description .wiki", 5), ("#history .has-notes .wiki", 2)):
        area = page.locator(part)
        assert area.count() == 1
        assert area.locator("a, img, h1, h2, b, i, strong, em, .evil").count() == 0
        assert area.locator("pre").count() == blocks
        assert "evil" not in area.evaluate(OUTSIDE_CODE).lower().replace("evil.example?x", "")
    assert page.locator("div.issue .description .wiki table td").first.inner_text().startswith("20")
    assert page.locator("div.issue .subject a, .evil").count() == 0
    page.close()
    redmine.set("text_formatting", "textile")
    time.sleep(1.1)


def test_every_hostile_event_has_a_page(redmine: RedmineServer, chromium: Browser) -> None:
    """Redmine shows each of them, with the blocks that were written and nothing broken out."""
    sink, page = sink_of(redmine), chromium.new_page()
    for case in HOSTILE:
        event = case.make(uuid4().hex)
        assert isinstance(sink.notify(told("new", event)), Accepted), case.name
        issue = issue_of(redmine, event)
        page.goto(f"{redmine.url}/issues/{issue['id']}")
        area = page.locator("div.issue .description .wiki")
        written = len(re.findall(r"^<pre>\r?$", issue["description"], re.MULTILINE))
        assert area.locator("pre").count() == written >= 2, case.name
        assert area.locator("a, img, script, iframe").count() == 0, case.name
        assert event.error_id in area.inner_text(), case.name
    page.close()


@pytest.mark.parametrize("formatting", ["textile", "markdown", "common_mark"])
def test_links_lead_to_the_lines_and_to_the_commit(redmine: RedmineServer, chromium: Browser, formatting: str) -> None:
    """As they were written, whatever a file is called; what is no link of a forge is none."""
    redmine.set("text_formatting", formatting)
    time.sleep(1.1)  # Redmine sees changed settings from the next second on
    ours = "textile" if formatting == "textile" else "markdown"
    event, sink = new_event(of=linked_event(ordinary_event())), sink_of(redmine, text_formatting=ours)
    commit = Commit("3f2a", None, "", "https://forge.example/commit/3f2a")
    assert isinstance(sink.notify(told("new", event, introduced=commit)), Accepted)
    page = chromium.new_page()
    page.goto(f"{redmine.url}/issues/{issue_of(redmine, event)['id']}")
    links = page.locator("div.issue .description .wiki a")
    assert [link.get_attribute("href") for link in links.all()] == [SAFE_URL, commit.url]
    assert links.first.inner_text() == "the line that failed"
    assert page.locator("div.issue .description .wiki").locator("img, b, strong, em").count() == 0
    page.close()
    redmine.set("text_formatting", "textile")
    time.sleep(1.1)


# -- what can go wrong ---------------------------------------------------------------------------------
def test_a_check_makes_no_issue(redmine: RedmineServer) -> None:
    """Login, project and search are proved; it says what is not, and what the project lacks."""
    before = len(redmine.issues())
    outcome = sink_of(redmine, category="nowhere").notify(notice_of("check"))
    assert isinstance(outcome, Accepted)
    assert outcome.detail == (
        "search works in shop; the project has no category 'nowhere', so its default is taken; "
        "not proved without an issue: the rights to make, to note and to reopen"
    )
    assert len(redmine.issues()) == before


def test_a_wrong_key_is_told_without_it(redmine: RedmineServer) -> None:
    """Mended later, the notice is still there: Unavailable."""
    for notice in (notice_of("check"), told("new", new_event())):
        reason, remedy = reason_of(sink_of(redmine, user="geheim-17").notify(notice))
        assert "answered 401" in reason
        assert remedy == "check the credentials"
        assert "geheim" not in reason


@pytest.mark.parametrize("reason", ["new", "update"])
def test_a_missing_right_is_told(redmine: RedmineServer, reason: Reason) -> None:
    """An account that may only look."""
    event = new_event()
    if reason == "update":
        sink_of(redmine).notify(told("new", event))
    words, remedy = reason_of(sink_of(redmine, user="onlooker").notify(told(reason, event)))
    assert "answered 403" in words
    assert "give the role" in remedy


def test_a_missing_project_is_told(redmine: RedmineServer) -> None:
    """It may not be there yet, or be private."""
    for notice in (notice_of("check"), told("new", new_event())):
        words, remedy = reason_of(sink_of(redmine, project="nowhere").notify(notice))
        assert "answered 404" in words
        assert remedy.startswith("check url and project")


def test_rest_that_is_switched_off_is_told(redmine: RedmineServer) -> None:
    """Redmine ignores the key then."""
    redmine.set("rest_api_enabled", "0")
    time.sleep(1.1)
    try:
        words, remedy = reason_of(sink_of(redmine).notify(notice_of("check")))
        assert "answered 40" in words
        assert remedy
    finally:
        redmine.set("rest_api_enabled", "1")
        time.sleep(1.1)
    assert isinstance(sink_of(redmine).notify(notice_of("check")), Accepted)


def test_a_server_that_was_away_gets_the_notice_once(redmine: RedmineServer) -> None:
    """Told as Unavailable while it is away; the connection kept from before is no obstacle."""
    event, sink = new_event(), sink_of(redmine)
    sink.notify(told("new", event))
    notice = told("update", event)
    redmine.stop()
    try:
        words, _ = reason_of(sink.notify(notice))
        assert "127.0.0.1" in words
    finally:
        redmine.start()
    assert any(isinstance(sink.notify(notice), Accepted) for _ in range(2))
    assert isinstance(sink.notify(notice), Accepted)
    assert len(issue_of(redmine, event)["comments"]) == 1
