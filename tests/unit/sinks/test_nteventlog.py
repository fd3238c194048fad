"""The NT event log sink on a strict stand-in for advapi32: what is logged, within which limits, and what fails how."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broken_shop import TASK
from fake_advapi import ACCESS_DENIED, INVALID_BOUND, INVALID_HANDLE, RPC_UNAVAILABLE, FakeAdvapi, FakeRegistry
from tocsin.config.sink_table import SinkTable
from tocsin.delivery.lines import loss_entry
from tocsin.event.errors import ConfigError
from tocsin.event.limits import EVENT_LOG_UNITS
from tocsin.event.model import Event
from tocsin.sinks.base import Accepted, Entry, Origin, Refused, SinkContext, Unavailable
from tocsin.sinks.nteventlog import NtEventLogSink
from tocsin.sinks.nteventlog.message import CATEGORIES, EVENT_IDS, fitted, record_of, units
from tocsin.sinks.nteventlog.options import Destination, destination_of
from tocsin.sinks.nteventlog.source import register
from tocsin.sinks.registry import faults_of, from_url
from tocsin.testing import SinkContract
from tocsin.testing.contract import entry_of
from tocsin.testing.hostile import ordinary_event as bare_event

CONTEXT = SinkContext("shop", "production", "web-1")
KEY = r"SYSTEM\CurrentControlSet\Services\EventLog\Application\shop"


def ordinary_event() -> Event:
    return replace(bare_event(), fingerprint=f"v1:{7:032x}", error_id="7K3QDM-24F2")


def sink_on(fake: FakeAdvapi, destination: Destination | None = None, standing: str = "registered") -> NtEventLogSink:
    return NtEventLogSink(destination or Destination("shop"), fake, lambda _: standing)


@pytest.fixture
def fake() -> FakeAdvapi:
    return FakeAdvapi()


@pytest.fixture
def sink(fake: FakeAdvapi) -> NtEventLogSink:
    return sink_on(fake)


class TestContract(SinkContract):
    """Every numbered case of the contract, the hostile events among them."""

    @pytest.fixture(autouse=True)
    def _log(self) -> None:
        self.fake = FakeAdvapi()

    def new_sink(self) -> NtEventLogSink:
        return sink_on(self.fake)

    def received(self) -> Sequence[str]:
        return [event.text for event in self.fake.logged]


# -- what is logged ----------------------------------------------------------------------------------------


def test_an_event_tells_what_where_and_its_traceback(sink: NtEventLogSink, fake: FakeAdvapi) -> None:
    event = ordinary_event()
    assert sink.deliver([entry_of(event)]) == Accepted("log Application; the source shop is registered")
    (logged,) = fake.logged
    assert (logged.source, logged.type, logged.category, logged.event_id) == ("shop", 1, 1, 101)
    lines = logged.text.split("\r\n")
    assert "\n" not in "".join(lines)
    assert event.exception is not None
    assert lines[0] == f"{event.exception.type}: {event.exception.message}"
    assert lines[2].split() == ["Where", "shop.orders.pay,", "shop/orders.py:41"]
    assert any(line.startswith("Error id") for line in lines)
    assert any(line.startswith("Origin") for line in lines)
    assert "Traceback (most recent call last):" in lines


def test_task_tags_and_lead_up_are_in_the_text(sink: NtEventLogSink, fake: FakeAdvapi) -> None:
    assert isinstance(sink.deliver([entry_of(TASK)]), Accepted)
    text = fake.logged[0].text
    assert "Task        shop.tasks.send (celery, id 1234)\r\nTags        tenant=acme" in text
    assert text.index("-1.204 s  INFO   shop.orders: stock looked up\r\n") < text.index("Traceback (most recent")


@pytest.mark.parametrize(
    ("levelno", "type_"), [(50, 1), (40, 1), (35, 2), (30, 2), (20, 4), (10, 4), (0, 4), (99_999, 1)]
)
def test_levels_are_types(levelno: int, type_: int) -> None:
    assert record_of(replace(entry_of(ordinary_event()), levelno=levelno)).type == type_


def test_ids_and_categories_by_kind() -> None:
    event = ordinary_event()
    found = {}
    for kind in ("traceback", "error", "warning"):
        record = record_of(entry_of(replace(event, kind=kind)))
        found[kind] = (record.event_id, record.category)
    counted, lost = record_of(entry_of(event, counted=7)), record_of(_loss())
    found["count"], found["loss"] = (counted.event_id, counted.category), (lost.event_id, lost.category)
    entry = entry_of(event)
    checked = record_of(replace(entry, line=json.dumps({**json.loads(entry.line), "check": True}).encode()))
    found["check"] = (checked.event_id, checked.category)
    assert found == {kind: (EVENT_IDS[kind], CATEGORIES[kind]) for kind in EVENT_IDS}
    assert all(1 <= number <= 1000 for number in EVENT_IDS.values()), "as the message file has them"
    assert lost.type == 2
    assert record_of(entry_of(event, is_torn=True)).event_id == EVENT_IDS["traceback"]


def _loss() -> Entry:
    about = {"application": "shop", "environment": "", "release": "1", "host": "web-1"}
    return loss_entry("spool_full", 17, Origin("p1", 1, slot=3, count=17), about, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_count_says_for_how_many_it_stands() -> None:
    text = record_of(entry_of(ordinary_event(), counted=2_500)).text
    assert "Stands for  2,500 occurrences" in text
    assert "17 lost: spool_full" in record_of(_loss()).text


@pytest.mark.parametrize("line", [b"", b"[]", b"nonsense\xff", b'{"kind": 7}', b"[" * 100_000])
def test_any_line_is_logged(sink: NtEventLogSink, fake: FakeAdvapi, line: bytes) -> None:
    assert isinstance(sink.deliver([replace(entry_of(ordinary_event()), line=line)]), Accepted)
    assert "v1:" in fake.logged[0].text


def test_what_a_drop_in_handler_prepared_is_logged_as_it_is() -> None:
    entry = entry_of(ordinary_event())
    own = {"text": "disk 90 % full\nsee 50%1", "event_id": 7, "category": 3, "type": 2}
    record = record_of(replace(entry, line=json.dumps({**json.loads(entry.line), "prepared": own}).encode()))
    assert (record.type, record.category, record.event_id) == (2, 3, 7)
    assert record.text == "disk 90 % full\r\nsee 50\uff051"
    wrong = {"text": 7, "event_id": -1, "category": 2**16, "type": True}
    record = record_of(replace(entry, line=json.dumps({**json.loads(entry.line), "prepared": wrong}).encode()))
    assert (record.type, record.category, record.event_id) == (1, 1, 101)


# -- limits ------------------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=()), max_size=200), st.integers(70, 300))
def test_a_text_of_any_characters_fits(text: str, limit: int) -> None:
    shown = fitted(text, limit)
    assert units(shown) <= limit
    assert "\0" not in shown
    shown.encode("utf-16-le")  # no half of a pair
    assert fitted(shown, limit) == shown


@pytest.mark.parametrize("extra", [0, 1, 2])
@pytest.mark.parametrize("prefix", ["", "x"])
def test_the_longest_text_counts_surrogate_pairs_as_two(extra: int, prefix: str) -> None:
    text = prefix + "\U0001f4a5" * ((EVENT_LOG_UNITS - len(prefix)) // 2)
    text += "e" * (EVENT_LOG_UNITS - units(text) + extra)
    shown = fitted(text)
    assert (shown == text) is (extra == 0)
    assert units(shown) <= EVENT_LOG_UNITS


def test_a_long_text_keeps_its_ends_and_says_that_it_was_cut() -> None:
    shown = fitted("KeyError\n" + "\U0001f4a5" * 40_000 + "\nthe end")
    assert EVENT_LOG_UNITS - 5 <= units(shown) <= EVENT_LOG_UNITS
    assert shown.startswith("KeyError\r\n")
    assert shown.endswith("\r\nthe end")
    assert "[of 80,019 characters the middle is left out here]" in shown


def test_a_percent_sign_before_a_digit_becomes_a_wide_one() -> None:
    assert fitted("GET /a%20b?c=%zz 100% %%1") == "GET /a\uff0520b?c=%zz 100% %\uff051"


def test_what_is_too_long_for_an_older_windows_is_shortened() -> None:
    fake = FakeAdvapi(longest=10_000)
    event = replace(ordinary_event(), message="x" * 8_000, fields={f"f{n}": "y" * 1_000 for n in range(20)})
    assert isinstance(sink_on(fake).deliver([entry_of(event)]), Accepted)
    assert units(fake.logged[0].text) <= 8_000


def test_what_windows_takes_in_no_length_is_refused(sink: NtEventLogSink, fake: FakeAdvapi) -> None:
    fake.fails_with = [0, INVALID_BOUND, INVALID_BOUND]
    assert isinstance(sink.deliver([entry_of(ordinary_event())]), Refused)


# -- failures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (ACCESS_DENIED, "may not be written"),
        (RPC_UNAVAILABLE, "can't be reached"),
        (1502, "Application is full"),
        (1115, "shut down"),
        (4_711, "error 4711"),
    ],
)
@pytest.mark.parametrize("calls_before", [0, 1])
def test_failures_are_told_in_words(
    sink: NtEventLogSink, fake: FakeAdvapi, code: int, said: str, calls_before: int
) -> None:
    fake.fails_with = [0] * calls_before + [code]
    outcome = sink.deliver([entry_of(ordinary_event())])
    assert isinstance(outcome, Unavailable)
    assert said in outcome.reason
    assert outcome.remedy
    assert not fake.handles, "the handle was given back"
    assert isinstance(sink.deliver([entry_of(ordinary_event())]), Accepted)


def test_after_a_failure_only_the_rest_is_logged(sink: NtEventLogSink, fake: FakeAdvapi) -> None:
    entries = [entry_of(ordinary_event()) for _ in range(4)]
    fake.fails_with = [0, 0, 0, RPC_UNAVAILABLE]
    assert isinstance(sink.deliver(entries), Unavailable)
    assert len(fake.logged) == 2
    assert isinstance(sink.deliver(entries), Accepted)
    assert len(fake.logged) == 4


def test_a_restarted_service_is_connected_to_anew(sink: NtEventLogSink, fake: FakeAdvapi) -> None:
    sink.deliver([entry_of(ordinary_event())])
    fake.restart()
    assert isinstance(sink.deliver([entry_of(ordinary_event())]), Accepted)
    assert fake.opened == 2


def test_a_handle_that_is_never_valid_is_no_endless_loop(sink: NtEventLogSink, fake: FakeAdvapi) -> None:
    sink.deliver([entry_of(ordinary_event())])
    fake.fails_with = [INVALID_HANDLE, 0, INVALID_HANDLE]
    assert isinstance(sink.deliver([entry_of(ordinary_event())]), Unavailable)


def test_a_server_is_named_as_windows_names_it(fake: FakeAdvapi) -> None:
    there = sink_on(FakeAdvapi(servers=frozenset({"web1"})), Destination("shop", server="web1"))
    assert there.identity == "nteventlog:web1/Application/shop"
    assert isinstance(there.deliver([entry_of(ordinary_event())]), Accepted)
    away = sink_on(fake, Destination("shop", server="web2")).deliver([entry_of(ordinary_event())])
    assert isinstance(away, Unavailable)
    assert "web2" in away.reason


def test_handles_are_given_back(sink: NtEventLogSink, fake: FakeAdvapi) -> None:
    sink.deliver([entry_of(ordinary_event())])
    assert len(fake.handles) == 1
    sink.close()
    sink.close()
    assert not fake.handles


# -- registration ------------------------------------------------------------------------------------------


def test_a_source_is_registered_once() -> None:
    registry = FakeRegistry()
    assert register(Destination("shop"), registry) == "registered just now"
    assert registry.keys[KEY] == {
        "EventMessageFile": (r"%SystemRoot%\System32\EventCreate.exe", FakeRegistry.REG_EXPAND_SZ),
        "TypesSupported": (7, FakeRegistry.REG_DWORD),
        "CustomSource": (1, FakeRegistry.REG_DWORD),
    }
    registry.keys[KEY]["EventMessageFile"] = ("theirs.dll", 2)
    assert register(Destination("shop"), registry) == "registered"
    assert registry.keys[KEY]["EventMessageFile"] == ("theirs.dll", 2)


def test_it_works_where_registering_is_not_allowed(fake: FakeAdvapi) -> None:
    registry = FakeRegistry(may_write=False)
    sink = NtEventLogSink(Destination("shop"), fake, lambda destination: register(destination, registry))
    outcome = sink.deliver([entry_of(ordinary_event())])
    assert outcome == Accepted("log Application; the source shop is not registered, since this user may not")
    assert len(fake.logged) == 1


@pytest.mark.parametrize("destination", [Destination("shop", server="web1"), Destination("shop", is_registered=False)])
def test_nothing_is_registered_elsewhere_or_unasked(destination: Destination) -> None:
    registry = FakeRegistry()
    assert register(destination, registry) == "not registered from here"
    assert not registry.keys


# -- configuration -----------------------------------------------------------------------------------------


def _options(**given: object) -> dict[str, object]:
    return {setting.name: setting.default for setting in NtEventLogSink.settings} | given


@pytest.mark.skipif(sys.platform == "win32", reason="this is Windows")
def test_off_windows_the_configuration_says_so() -> None:
    (fault,) = faults_of([SinkTable({}, "nteventlog:", "sinks[0]")])
    assert fault.startswith("sinks[0] (nteventlog): type 'nteventlog' needs Windows; ")


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("nteventlog:", {}),
        ("nteventlog:///My%20shop", {"source": "My shop"}),
        ("nteventlog:shop", {"source": "shop"}),
        ("nteventlog://Web1/shop?register=false", {"server": "Web1", "source": "shop", "register": "false"}),
    ],
)
def test_urls(url: str, options: dict[str, str]) -> None:
    assert from_url(url) == {**options, "type": "nteventlog"}


@pytest.mark.parametrize("url", ["nteventlog://user:secret@web1/shop", "nteventlog://web1:80/", "nteventlog:#x"])
def test_wrong_urls_are_not_quoted(url: str) -> None:
    with pytest.raises(ConfigError, match="must look like") as caught:
        from_url(url)
    assert "secret" not in str(caught.value)


def test_the_application_is_the_source_by_default() -> None:
    assert destination_of(_options(), "shop\\eu\n").source == "shop_eu_"
    assert destination_of(_options(source="web"), "shop").where == "Application/web"
    with pytest.raises(ConfigError, match="Security"):
        destination_of(_options(log="security"), "shop")


@pytest.mark.parametrize("value", ["a\\b", "", "x" * 201, "a\nb"])
def test_names_that_the_registry_does_not_take(value: str) -> None:
    parse: Callable[[object], object] = NtEventLogSink.settings[0].parse
    with pytest.raises(ValueError, match="must"):
        parse(value)
