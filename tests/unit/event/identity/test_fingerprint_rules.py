"""Rules of an application's own: the first that fits names the fault, by what the event is seen to be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tocsin.config.fingerprint_rules import fingerprint_function, fingerprint_rules, rules_digest
from tocsin.event import limits
from tocsin.event.identity.own_rules import FingerprintRules, fault_of, seen_in
from tocsin.event.model import Event, ExceptionInfo, Frame, Request, Task

FRAMES = (
    Frame("shop.views", "show", "shop/views.py", 3),
    Frame("shop.payment.cards", "Card.charge", "shop/payment/cards.py", 9),
    Frame("requests.api", "post", "requests/api.py", 5, in_app=False),
)
EVENT = Event(
    "traceback",
    "ERROR",
    40,
    datetime(2026, 3, 2, tzinfo=UTC),
    "shop",
    logger="shop.web",
    message="Exception on /pay/7",
    exception=ExceptionInfo("requests.exceptions.ReadTimeout", "no answer from 10.0.0.7 in 30 s", FRAMES),
    request=Request("POST", "/pay/7", route="/pay/<int:order>", endpoint="pay"),
    task=Task("shop.tasks.settle"),
)


def named(*tables: dict[str, object], event: Event = EVENT) -> str:
    return FingerprintRules(fingerprint_rules(tables)).name(seen_in(event), lambda: "usual")


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ({"type": "requests.exceptions.ReadTimeout"}, True),
        ({"type": "*Timeout"}, True),
        ({"type": "ReadTimeout"}, False),
        ({"type": ["KeyError", "requests.*"]}, True),
        ({"module": "shop.payment"}, True),
        ({"module": "shop.pay"}, False),
        ({"module": "requests"}, False),
        ({"function": "Card.charge"}, True),
        ({"function": "Card"}, False),
        ({"function": "Card.*"}, True),
        ({"message": "^no answer from .* in [0-9]+ s"}, True),
        ({"message": "Exception on"}, False),
        ({"logger": "shop"}, True),
        ({"route": "/pay/<int:order>"}, True),
        ({"route": "/pay/*"}, True),
        ({"endpoint": "pay"}, True),
        ({"task": "shop.tasks.*"}, True),
        ({"kind": ["error", "traceback"]}, True),
        ({"type": "*Timeout", "endpoint": "show"}, False),
    ],
)
def test_all_members_of_a_rule_must_fit(when, fits):
    assert named({**when, "fingerprint": "it"}) == ("it" if fits else "")


def test_the_first_rule_that_fits_counts():
    rules = ({"type": "KeyError", "fingerprint": "1"}, {"type": "*", "fingerprint": "2"}, {"type": "*", "by": ["type"]})
    assert named(*rules) == "2"


def test_a_name_is_filled_with_what_is_seen_and_a_message_without_what_varies():
    assert named({"type": "*", "fingerprint": "{endpoint}: {message}"}) == "pay: no answer from <addr> in <n> s"
    assert named({"type": "*", "by": ["task", "route"]}) == "task=shop.tasks.settle route=/pay/<int:order>"
    assert named({"type": "*", "by": ["default", "kind"]}) == "default=usual kind=traceback"


def test_two_long_names_stay_two():
    long = replace(EVENT, exception=replace(EVENT.exception, message="word " * 200))
    other = replace(EVENT, exception=replace(EVENT.exception, message="word " * 200 + "x"))
    names = [named({"type": "*", "fingerprint": "{message}"}, event=event) for event in (long, other)]
    assert names[0] != names[1]
    assert {len(name) for name in names} == {limits.NAME_CHARS}


def test_an_event_without_an_exception_is_seen_where_it_was_logged():
    event = Event("error", "ERROR", 40, EVENT.timestamp, "shop", message="7 late", location="shop.jobs.check:12")
    seen = seen_in(event)
    assert (seen["module"], seen["function"], seen["message"], seen["type"]) == ("shop.jobs", "check", "7 late", "")


def test_a_group_of_one_is_seen_as_what_it_holds():
    group = ExceptionInfo("ExceptionGroup", "many", FRAMES[:1], members=(EVENT.exception,))
    assert seen_in(replace(EVENT, exception=group)) == seen_in(EVENT)


def test_what_varies_is_what_rules_that_may_fit_look_at():
    rules = FingerprintRules(
        fingerprint_rules(
            (
                {"type": "KeyError", "message": "x", "fingerprint": "it"},
                {"module": "shop.payment", "fingerprint": "payment {route}"},
                {"logger": "shop", "fingerprint": "rest"},
            )
        )
    )
    fixed = {name: seen_in(EVENT)[name] for name in ("type", "module", "function")}
    assert rules.varying(fixed) == {"route"}  # the second one fits whatever the message is, and counts first
    assert rules.varying({**fixed, "module": "shop"}) == {"logger"}
    assert rules.varying({**fixed, "module": "shop", "type": "KeyError"}) == {"message", "logger"}


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a|aa)*b",
        "(?:a?b)*c",
        "(a",
        "a" * 201,
        r"(a)\1",
        ".*.*.*x",
        "(?:[a-z]{2,9}x){3,}",
        "((a*)b)*",
        "a{0,63}a{0,63}a{0,63}b",
        "a?" * 40 + "b",
        "(?:a|aa)" * 20,
        ".*(?:a?b){9}",
    ],
)
def test_a_pattern_that_a_text_could_make_slow_is_refused(pattern):
    assert fault_of(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "card .* declined",
        "(?i)timed? ?out|deadlock",
        r"^\d{3} from \w+",
        "(?:ab){2,9}c",
        ".*(?:refused|timed out|reset).*late",
        "a{0,20}b{0,20}c{0,20}",
    ],
)
def test_an_ordinary_pattern_is_taken(pattern):
    assert fault_of(pattern) == ""


def test_all_faults_of_rules_are_told_at_once_with_their_places():
    with pytest.raises(ValueError, match=r"^\[0\]") as told:
        fingerprint_rules(
            [
                {"typ": "KeyError", "fingerprint": "x"},
                {"type": "KeyError", "fingerprint": "x", "by": ["type"]},
                {"kind": "fault", "message": "(", "fingerprint": "{rout}"},
                {"type": [], "by": ["view"]},
            ]
        )
    text = str(told.value)
    for part in (
        "[0]: unknown 'typ'; did you mean 'type'?",
        "[0]: needs something that must fit",
        "[1]: needs either fingerprint",
        "[2]: kind must be some of traceback, error, warning",
        "[2]: message is no regular expression",
        "[2]: fingerprint: unknown 'rout'; did you mean 'route'?",
        "[3]: type must be a text or a list of texts",
        "[3]: by: unknown 'view'",
    ):
        assert part in text


@pytest.mark.parametrize("value", [7, "no path", "shop:a:b", ".x"])
def test_a_function_is_a_callable_or_a_path(value):
    with pytest.raises(ValueError, match=r"shop\.errors:name"):
        fingerprint_function(value)
    assert fingerprint_function("shop.errors:name") == "shop.errors:name"
    assert fingerprint_function(len) is len


def test_other_rules_have_another_digest():
    rules = fingerprint_rules([{"type": "KeyError", "fingerprint": "x"}])
    digests = {
        rules_digest("", rules),
        rules_digest("shop:name", rules),
        rules_digest(lambda event: "a", rules),
        rules_digest(lambda event: "b", rules),
        rules_digest("", fingerprint_rules([{"type": "KeyError", "fingerprint": "y"}])),
    }
    assert len(digests) == 5
    assert rules_digest("", ()) == ""
    assert fingerprint_rules(rules) == rules
