"""The Django integration: by Django's own test clients, sync and async, each in a process of its own (see below).

Django is configured once per process, so the cases run in `django_client.py` on the project in `django_site.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("django", reason="no Django; pip install Django")

HERE = Path(__file__).parent
KINDS = ("sync", "async")


class Ran(NamedTuple):
    """What came of the requests: answers in their order, all events, what was printed on stderr."""

    answers: list[dict[str, Any]]
    events: list[dict[str, Any]]
    stderr: str

    def of(self, path: str) -> list[dict[str, Any]]:
        return [event for event in self.events if (event["request"] or {}).get("path") == path]


def run(folder: Path, requests: list[tuple[str, dict[str, Any]]], *, handler: str = "", **site: Any) -> Ran:
    """Have a project of these settings answer the requests (kind of client, request)."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN", "DJANGO"))}
    environ |= {"SITE": json.dumps(site), "SITE_FOLDER": str(folder), "SITE_HANDLER": handler}
    done = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", str(HERE / "django_client.py")],
        input=json.dumps(requests), capture_output=True, text=True, env=environ, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return Ran(told["answers"], told["events"], done.stderr)


# -- what is a fault, and what isn't -----------------------------------------------------------------------------


class Case(NamedTuple):
    """A request, the status of its answer, and what is reported: (kind, a part of the message) each."""

    path: str
    status: int
    told: tuple[tuple[str, str], ...] = ()
    route: str = ""


CASES = (
    Case("/fine", 200),
    Case("/orders/0/", 500, (("traceback", "ZeroDivisionError: division by zero"),), "orders/<int:number>/"),
    Case("/breaks/view", 500, (("traceback", "division by zero"),), "breaks/view"),
    Case("/breaks/later", 500, (("traceback", "async view"),), "breaks/later"),
    Case("/breaks/class", 500, (("traceback", "by class"),), "breaks/class"),
    Case("/breaks/template", 500, (("traceback", "in the template"),), "breaks/template"),
    Case("/breaks/transaction", 500, (("traceback", "OperationalError: near"),), "breaks/transaction"),
    Case("/breaks/middleware", 500, (("traceback", "sync middleware"),)),
    Case("/breaks/both-middleware", 500, (("traceback", "middleware of both kinds"),)),
    Case("/breaks/logged", 500, (("error", "logged, and raised again"),), "breaks/logged"),
    Case("/breaks/stream", 200, (("traceback", "stream"),), "breaks/stream"),
    Case("/breaks/stream-later", 200, (("traceback", "async stream"),), "breaks/stream-later"),
    Case("/logged-500", 500, (("error", "the reason for the 500"),), "logged-500"),
    Case("/meant/500", 500, (("error", "answered 500 Internal Server Error"),), "meant/<int:status>"),
    Case("/meant/503", 503),
    Case("/meant/404", 404),
    Case("/timeout", 503),  # a process_exception took it
    Case("/warns", 200, (("warning", "fishy"),), "warns"),
    Case("/warns-later", 200, (("warning", "fishy, async"), ("warning", "fishy, in a thread")), "warns-later"),
    Case("/missing", 404),
    Case("/no-such-path", 404),
    Case("/denied", 403),
    Case("/suspicious", 400, (("warning", "tampered"),), "suspicious"),
    Case("/bad", 400, (("warning", "no such field"),), "bad"),
    Case("/bad-answer", 400, (("warning", "answered 400 Bad Request"),), "bad-answer"),
    Case("/bad-answer/7", 400, (("warning", "answered 400 Bad Request"),), "bad-answer/<int:number>"),
    Case("/file", 200),
)


@pytest.fixture(scope="module", params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp(f"django-{request.param}")
    ran = run(folder, [(request.param, {"path": case.path}) for case in CASES])
    return {"ran": ran, **{case.path: answer for case, answer in zip(CASES, ran.answers, strict=True)}}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path.strip("/"))
def test_what_is_reported_and_what_is_not(site: dict[str, Any], case: Case) -> None:
    """Each fault once, though Django logs it too; answers that are meant are none."""
    answer, events = site[case.path], site["ran"].of(case.path)
    assert answer["status"] == case.status
    assert [event["kind"] for event in events] == [kind for kind, _ in case.told]
    assert all(part in event["message"] for event, (_, part) in zip(events, case.told, strict=True))
    assert all(event["occurrences"] == 1 for event in events)
    assert [event["request"]["route"] or "" for event in events] == [case.route] * len(events)
    ids = [event["error_id"] for event in events]
    assert answer["headers"].get("x-error-id") == (ids[0] if ids and case.status >= 500 else None)


def test_nothing_is_reported_besides(site: dict[str, Any]) -> None:
    assert len(site["ran"].events) == sum(len(case.told) for case in CASES)


def test_endpoint_is_the_view(site: dict[str, Any]) -> None:
    [event] = site["ran"].of("/orders/0/")
    assert event["request"]["endpoint"] == "django_site.failing"
    [event] = site["ran"].of("/breaks/class")
    assert event["request"]["endpoint"] == "django_site.ByClass"


def test_answers_of_different_routes_are_different_issues(site: dict[str, Any]) -> None:
    """Django logs them all by one template."""
    issues = {path: site["ran"].of(path)[0]["fingerprint"] for path in ("/bad-answer", "/bad-answer/7")}
    assert len(set(issues.values())) == 2


def test_async_views_stay_in_the_servers_own_task(tmp_path: Path) -> None:
    """A middleware that were sync only would put each request into a thread, and its view into another task."""
    ran = run(tmp_path, [("async", {"path": "/task"})], MIDDLEWARE=["tocsin.integrations.django.Middleware"])
    assert ran.answers[0]["body"] == "ask.<locals>.later"


def test_default_page_becomes_ours(site: dict[str, Any]) -> None:
    answer = site["/orders/0/"]
    assert answer["headers"]["x-error-id"] in answer["body"]
    assert "Server Error (500)" not in answer["body"]
    assert int(answer["headers"]["content-length"]) == len(answer["body"].encode())
    assert answer["headers"]["x-content-type-options"] == "nosniff"  # the project's other middleware has its say


def test_own_answer_stays_to_the_byte(site: dict[str, Any]) -> None:
    assert site["/logged-500"]["body"] == "<h1>own page</h1>"
    assert site["/meant/500"]["body"] == "meant"
    assert site["/breaks/stream"]["body"] in ("", "first ")


def test_streams_break_for_the_server_too(site: dict[str, Any]) -> None:
    assert site["/breaks/stream-later"]["fault"] == "async stream" or site["/breaks/stream"]["fault"] == "stream"


def test_faults_are_the_same_issue_under_both_interfaces(tmp_path: Path) -> None:
    ran = run(tmp_path, [(kind, {"path": "/breaks/later"}) for kind in KINDS])
    assert len({event["fingerprint"] for event in ran.of("/breaks/later")}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_failed_csrf_check_is_an_answer(tmp_path: Path, kind: str) -> None:
    strict = {"enforce_csrf_checks": True}
    request = {"path": "/fine", "method": "post", "data": {}, "client": strict}
    ran = run(tmp_path, [(kind, request)], MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"])
    assert ([answer["status"] for answer in ran.answers], ran.events) == ([403], [])


@pytest.mark.parametrize("kind", KINDS)
def test_page_is_what_the_client_accepts(tmp_path: Path, kind: str) -> None:
    accept = {"headers": {"accept": "application/json"}}
    ran = run(tmp_path, [(kind, {"path": "/user/nobody", "more": accept, "enter": True})])
    [answer] = ran.answers
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert json.loads(answer["body"])["error_id"] == answer["headers"]["x-error-id"]
    assert {part.strip() for part in answer["headers"]["vary"].split(",")} >= {"Accept"}


# -- pages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_template_of_the_project_stays_and_gets_the_header(tmp_path: Path, kind: str) -> None:
    ran = run(tmp_path, [(kind, {"path": "/orders/0/"})], templates={"500.html": "<h1>Oh no</h1>"})
    [answer], [event] = ran.answers, ran.events
    assert (answer["body"], answer["headers"]["x-error-id"]) == ("<h1>Oh no</h1>", event["error_id"])


@pytest.mark.parametrize("kind", KINDS)
def test_handler500_of_the_project_stays_and_can_show_the_id(tmp_path: Path, kind: str) -> None:
    ran = run(tmp_path, [(kind, {"path": "/orders/0/"})], handler="fine")
    [answer], [event] = ran.answers, ran.events
    assert answer["body"] == f"quote {event['error_id']}"
    assert answer["headers"]["x-error-id"] == event["error_id"]


@pytest.mark.parametrize("kind", KINDS)
def test_handler500_has_the_id_without_the_middleware(tmp_path: Path, kind: str) -> None:
    """A line in INSTALLED_APPS is enough for reports; only header and page are the middleware's."""
    ran = run(
        tmp_path, [(kind, {"path": path}) for path in ("/orders/0/", "/bad-answer")], handler="fine", MIDDLEWARE=[]
    )
    fault, warning = ran.events
    assert ran.answers[0]["body"] == f"quote {fault['error_id']}"
    assert "x-error-id" not in ran.answers[0]["headers"]
    assert fault["request"]["route"] == "orders/<int:number>/"
    assert warning["message"] == "answered 400 Bad Request: GET /bad-answer"


def test_record_finds_its_request_without_the_middleware(tmp_path: Path) -> None:
    """By the frame of Django's own handler, under WSGI."""
    ran = run(tmp_path, [("sync", {"path": "/warns"})], MIDDLEWARE=[])
    [event] = ran.events
    assert (event["request"]["path"], event["request"]["route"]) == ("/warns", "warns")


def test_middleware_without_the_app_says_what_to_write(tmp_path: Path) -> None:
    apps = ("auth", "contenttypes", "sessions")
    ran = run(tmp_path, [("sync", {"path": "/fine"})], INSTALLED_APPS=[f"django.contrib.{app}" for app in apps])
    assert '"tocsin.integrations.django" in INSTALLED_APPS' in ran.answers[0]["raised"]


@pytest.mark.parametrize("kind", KINDS)
def test_handler500_that_fails_is_reported_once(tmp_path: Path, kind: str) -> None:
    """Django asks it again in each middleware that its exception passes."""
    ran = run(tmp_path, [(kind, {"path": "/orders/0/"})], handler="broken")
    assert ran.answers == [{"raised": "NotImplementedError: handler500"}]
    assert [event["message"] for event in ran.events] == [
        "ZeroDivisionError: division by zero",
        "NotImplementedError: handler500",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_debug_shows_the_page_of_django_and_reports_nothing(tmp_path: Path, kind: str) -> None:
    ran = run(tmp_path, [(kind, {"path": "/orders/0/", "more": {}})], DEBUG=True)
    [answer] = ran.answers
    assert "ZeroDivisionError" in answer["body"]
    assert "x-error-id" not in answer["headers"]
    assert ran.events == []
    assert not (tmp_path / "spool").exists()


# -- tests of projects -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_client_raises_as_ever(tmp_path: Path, kind: str) -> None:
    requests = [(kind, {"path": "/orders/0/", "raises": raises}) for raises in (True, False)]
    ran = run(tmp_path, requests)
    assert ran.answers[0] == {"raised": "ZeroDivisionError: division by zero"}
    assert ran.answers[1]["status"] == 500
    assert [event["kind"] for event in ran.events] == ["traceback"] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_propagated_exception_is_reported_once(tmp_path: Path, kind: str) -> None:
    ran = run(tmp_path, [(kind, {"path": "/orders/0/"})], DEBUG_PROPAGATE_EXCEPTIONS=True)
    assert ran.answers == [{"raised": "ZeroDivisionError: division by zero"}]
    assert [event["kind"] for event in ran.events] == ["traceback"]


# -- transactions, hosts, users ----------------------------------------------------------------------------------


def test_error_at_the_end_of_a_requests_transaction_is_reported(tmp_path: Path) -> None:
    ran = run(tmp_path, [("sync", {"path": "/breaks/commit"}), ("sync", {"path": "/orders/0/"})], atomic=True)
    assert [answer["status"] for answer in ran.answers] == [500, 500]
    assert [event["exception"]["type"] for event in ran.events] == [
        "django.db.utils.IntegrityError",
        "ZeroDivisionError",
    ]
    assert ran.events[0]["request"]["route"] == "breaks/commit"


@pytest.mark.parametrize("kind", KINDS)
def test_bad_host_is_counted_only(tmp_path: Path, kind: str) -> None:
    more = {"headers": {"host": "evil.example"}}
    ran = run(tmp_path, [(kind, {"path": "/host", "more": more}), (kind, {"path": "/orders/0/"})])
    assert ran.answers[0]["status"] == 400
    assert [event["request"]["path"] for event in ran.events] == ["/orders/0/"]


USERS = {
    "/user/known": "1",
    "/user/known-later": "1",
    "/user/nobody": None,  # logged in, but nobody asked: to find out would take a query
    "/orders/0/": None,  # not logged in
}


@pytest.mark.parametrize("kind", KINDS)
def test_user_is_told_if_the_application_knows_it_already(tmp_path: Path, kind: str) -> None:
    ran = run(tmp_path, [(kind, {"path": path, "enter": path.startswith("/user")}) for path in USERS])
    assert {event["request"]["path"]: event["request"].get("user") for event in ran.events} == USERS


def test_user_is_not_told_by_default(tmp_path: Path) -> None:
    ran = run(tmp_path, [("sync", {"path": "/user/known", "enter": True})], tocsin={"user_id": "off"})
    assert ran.events[0]["request"].get("user") is None


@pytest.mark.parametrize("hook", ["django_site.silence", "no.such.module"])
def test_hook_can_be_named_in_the_settings(tmp_path: Path, hook: str) -> None:
    requests = [("sync", {"path": path}) for path in ("/orders/0/", "/breaks/class")]
    if hook == "no.such.module":
        with pytest.raises(AssertionError, match="No module named 'no'"):
            run(tmp_path, requests, tocsin={"before_spool": hook})
        return
    ran = run(tmp_path, requests, tocsin={"before_spool": hook})
    assert [event["message"] for event in ran.events] == ["KeyError: 'by class'"]


def test_reports_make_no_query(tmp_path: Path) -> None:
    ran = run(tmp_path, [("sync", {"path": "/user/queries", "enter": True})])
    assert json.loads(ran.answers[0]["body"]) == {"queries": 0}
    assert ran.of("/user/queries")[0]["message"] == "before anybody asked who it is"


# -- variables that are hidden -----------------------------------------------------------------------------------

HIDING = (
    *("one", "all", "stacked", "stacked-later", "nested-later", "caught"),
    *("posted", "all-posted", "posted-later", "sign-in"),
)


@pytest.fixture(scope="module", params=KINDS)
def hiding(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp(f"hiding-{request.param}")
    post = {"method": "post", "data": {"iban": "honey-posted"}}
    return run(
        folder,
        [(request.param, {"path": f"/hide/{name}", **post}) for name in HIDING],
        AUTHENTICATION_BACKENDS=["django_site.Backend"],
    )


@pytest.mark.parametrize("name", HIDING)
def test_hidden_variables_stay_hidden(hiding: Ran, name: str) -> None:
    """Whatever other decorators are nested in or around the one that hides them, sync or async."""
    [event] = hiding.of(f"/hide/{name}")
    assert "honey" not in json.dumps(event).lower()
    shown = [frame["locals"] for frame in event["exception"]["frames"] if frame.get("locals")]
    assert any("[masked]" in variables.values() for variables in shown)


def test_other_variables_are_shown(hiding: Ran) -> None:
    [event] = hiding.of("/hide/one")
    assert {"amount": "3", "recipe": "[masked]"}.items() <= event["exception"]["frames"][-1]["locals"].items()
    for name in ("posted", "posted-later"):
        [event] = hiding.of(f"/hide/{name}")
        variables = event["exception"]["frames"][-1]["locals"]
        assert (variables["iban"], variables["data"]) == ("[masked]", "{'iban': [masked]}")
