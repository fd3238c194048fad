"""What trackers with REST share: options and URL forms, what a status means, times; no server is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tocsin.config.sink_table import SinkTable
from tocsin.event.errors import ConfigError
from tocsin.render.markup import code
from tocsin.sinks import registry
from tocsin.sinks.base import Failed, SinkContext, Unavailable
from tocsin.sinks.http import Http, Reply
from tocsin.sinks.tickets.rest import Rest, moment

pytest.importorskip("urllib3", reason="no urllib3; pip install 'urllib3>=2.2'")

CONTEXT = SinkContext("shop", "production", "web-1")
SECRET = "geheim-17"
MINIMAL: dict[str, dict[str, Any]] = {
    "gitea": {"url": "https://git.example.org", "repository": "acme/shop", "token": SECRET},
    "github": {"repository": "acme/shop", "token": SECRET},
    "gitlab": {"project": "acme/web/shop", "token": SECRET},
    "jira": {"url": "https://acme.atlassian.net", "project": "SHOP", "token": SECRET},
    "redmine": {"url": "https://redmine.example.org", "project": "shop", "token": SECRET},
}


def build(kind: str, **options: Any) -> tuple[Any, list[str]]:
    return registry.build([SinkTable({"type": kind, **MINIMAL[kind], **options})], CONTEXT)


@pytest.mark.parametrize(
    ("kind", "identity"),
    [
        ("gitea", "gitea:git.example.org/acme/shop"),
        ("github", "github:api.github.com/acme/shop"),
        ("gitlab", "gitlab:gitlab.com/acme/web/shop"),
        ("jira", "jira:acme.atlassian.net/SHOP"),
        ("redmine", "redmine:redmine.example.org/shop"),
    ],
)
def test_a_minimal_table_is_enough(kind: str, identity: str) -> None:
    """Identity names server and project, and no secret; warnings get no tickets unless asked for."""
    built, faults = build(kind)
    assert faults == []
    assert built[0].identity == identity
    assert built[0].kinds == {"traceback", "error"}
    assert SECRET not in repr(built[0].sink)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("github://t0k@/acme/shop", {"url": "https://api.github.com", "repository": "acme/shop", "token": "t0k"}),
        (
            "github://t0k@github.com/acme/shop?labels=bug,web",
            {"url": "https://api.github.com", "repository": "acme/shop", "token": "t0k", "labels": "bug,web"},
        ),
        (
            "github://t0k@ghe.example.org:8443/acme/shop",
            {"url": "https://ghe.example.org:8443/api/v3", "repository": "acme/shop", "token": "t0k"},
        ),
        (
            "github+http://[::1]:8000/acme/shop?token=t0k",
            {"url": "http://[::1]:8000/api/v3", "repository": "acme/shop", "token": "t0k"},
        ),
        ("gitlab://t0k@/acme/shop", {"url": "https://gitlab.com", "project": "acme/shop", "token": "t0k"}),
        (
            "gitlab://t%40k@gitlab.example.org/acme/web/shop",
            {"url": "https://gitlab.example.org", "project": "acme/web/shop", "token": "t@k"},
        ),
        (
            "gitea://t0k@git.example.org/code/acme/shop",
            {"url": "https://git.example.org/code", "repository": "acme/shop", "token": "t0k"},
        ),
        (
            "jira://bot%40example.org:t0k@acme.atlassian.net/SHOP",
            {"url": "https://acme.atlassian.net", "project": "SHOP", "user": "bot@example.org", "token": "t0k"},
        ),
        (
            "jira+https://t0k@jira.example.org/jira/SHOP?issue_type=Incident",
            {"url": "https://jira.example.org/jira", "project": "SHOP", "token": "t0k", "issue_type": "Incident"},
        ),
        (
            "redmine://key@redmine.example.org/shop?new_per_hour=2",
            {"url": "https://redmine.example.org", "project": "shop", "token": "key", "new_per_hour": "2"},
        ),
    ],
)
def test_a_url_stands_for_a_table(url: str, options: dict[str, str]) -> None:
    """The token stands before the @, the project is the end of the path, all else in the query."""
    assert registry.from_url(url) == {**options, "type": url.partition(":")[0].partition("+")[0]}
    assert registry.build([SinkTable({}, url)], CONTEXT)[1] == []


@pytest.mark.parametrize(
    "url",
    [
        "github:",
        "github://geheim@/shop",
        "github://geheim@host:x/acme/shop",
        "gitlab://geheim@gitlab.example.org",
        "gitea://geheim@/acme/shop",
        "jira://geheim@/SHOP",
        "redmine://geheim@h/shop#a",
        "redmine://geheim@[/shop",
    ],
)
def test_a_bad_url_is_told_without_quoting_it(url: str) -> None:
    """It may hold a token."""
    with pytest.raises(ConfigError) as fault:
        registry.from_url(url)
    assert "geheim" not in str(fault.value)


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("github", {"repository": "shop"}, "must be owner/name"),
        ("github", {"repository": "../.."}, "must be owner/name"),
        ("github", {"url": "http://ghe.example.org/api/v3"}, "would travel in clear"),
        ("gitlab", {"project": "shop"}, "must be a project's number, or its path"),
        ("gitlab", {"project": "a/../b"}, "must be a project's number, or its path"),
        ("gitlab", {"token": ""}, "token must be a text that is not empty"),
        ("jira", {"project": "no key"}, "must be the project's key"),
        ("jira", {"fields": "[1]"}, "must be a table, or JSON"),
        ("jira", {"priorities": {"ERROR": 1}}, "must be a table of texts"),
        ("redmine", {"project": "Shop & more"}, "must be the project's identifier"),
        ("redmine", {"text_formatting": "html"}, "must be one of textile, markdown"),
        ("gitea", {"user": "x"}, "unknown setting 'user'"),
    ],
)
def test_faulty_options_are_told(kind: str, options: dict[str, Any], told: str) -> None:
    """At start, without a secret."""
    built, faults = build(kind, **options)
    assert built == ()
    assert len(faults) == 1
    assert told in faults[0]
    assert SECRET not in faults[0]


def test_numbers_and_json_are_taken_as_they_come() -> None:
    """A project's number from TOML; a table from a URL."""
    assert build("gitlab", project=17)[0][0].identity == "gitlab:gitlab.com/17"
    assert build("jira", fields='{"customfield_10042": {"value": "web"}}')[1] == []


class OneReply:
    """Stand for the server: give the one reply."""

    where = "tracker.example.org"
    base = "https://tracker.example.org"

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        real = Http(self.base, {"timeout": 1.0, "ca_file": "", "cert_file": "", "key_file": "", "proxy": ""}, CONTEXT)
        self.judged = real.judged

    def call(self, method: str, path: str, **_keywords: Any) -> Reply:
        return self._reply


@pytest.mark.parametrize(
    ("status", "headers", "remedy", "is_waiting"),
    [
        (400, {}, "mend there what it says; the same is tried again", False),
        (401, {}, "check the credentials", False),
        (403, {}, "rights", False),
        (403, {"retry-after": "60"}, "it takes no more calls for now; it is tried again", True),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, "rights", False),
        (403, {"x-ratelimit-remaining": "17", "x-ratelimit-reset": "9999999999"}, "rights", False),
        (404, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9999999999"}, "place", False),
        (410, {}, "place", False),
        (422, {}, "mend there what it says; the same is tried again", False),
        (429, {}, "it takes no more calls for now; it is tried again", True),
        (429, {"ratelimit-remaining": "0", "ratelimit-reset": "9999999999"}, "it takes no more", True),
        (302, {"location": "https://login.example.org/"}, "place", False),
    ],
)
def test_what_a_status_means(status: int, headers: dict[str, str], remedy: str, is_waiting: bool) -> None:
    """Nothing is refused for good: rights, fields, workflows and limits are mended there. Waiting has a bound."""
    rest = Rest(cast("Http", OneReply(Reply(status, headers, b"{}"))), {}, rights="rights", place="place")
    with pytest.raises(Failed) as failed:
        rest.get("/x", dict, step="testing")
    outcome = failed.value.outcome
    assert outcome.remedy.startswith(remedy)
    assert (getattr(outcome, "retry_after_s", None) is not None) == is_waiting
    assert (getattr(outcome, "retry_after_s", None) or 0) <= 3600


def test_a_limit_that_says_not_for_how_long_is_waited_out() -> None:
    """GitHub's secondary limit may come as a bare 403: then a minute, and no word of missing rights."""
    body = b'{"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}'
    rest = Rest(cast("Http", OneReply(Reply(403, {}, body))), {}, rights="rights", place="place")
    with pytest.raises(Failed) as failed:
        rest.get("/x", dict, step="testing")
    assert isinstance(failed.value.outcome, Unavailable)
    assert failed.value.outcome.retry_after_s == 60
    assert failed.value.outcome.remedy.startswith("it takes no more calls")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"7"])
def test_an_answer_of_another_form_is_told(body: bytes) -> None:
    """A login page, or some other service."""
    rest = Rest(cast("Http", OneReply(Reply(200, {}, body))), {}, rights="rights", place="place")
    with pytest.raises(Failed):
        rest.get("/x", dict, step="testing")


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-29T02:00:59Z",
        "2026-03-29T04:00:59+02:00",
        "2026-03-29T02:00:59.000+0000",
        "2026-03-29T02:00:59",
    ],
)
def test_times_of_all_trackers_are_read(text: str) -> None:
    """One without a zone is UTC."""
    assert moment(text) == datetime(2026, 3, 29, 2, 0, 59, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, 7, "", "yesterday", [], "1700000000.5"])
def test_what_is_no_time_is_none(value: Any) -> None:
    """Then when it was closed isn't known."""
    assert moment(value) is None


@pytest.mark.parametrize("line", ["```", "  ````", "~~~", "\t~~~~ ", "``` text", "\u2003```"])
def test_no_line_in_a_block_of_markdown_is_a_fence(line: str) -> None:
    """Redcarpet, of Redmine's Markdown, ends a block at any fence, however the block began."""
    block = code(f"a\n{line}\n# heading", "markdown").split("\n")
    assert not [each for each in block[1:-1] if each.lstrip().startswith(("```", "~~~"))]
