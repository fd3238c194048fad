"""What a handler prepared, on its way: masked once and for all, the same after the wire, told again by counts."""

from __future__ import annotations

import json
from dataclasses import replace

from broken_shop import HOSTILE, issue
from tocsin.delivery.lines import sighting_entry
from tocsin.delivery.sightings import Sighting
from tocsin.event import wire
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Event
from tocsin.sinks.base import Origin, SinkContext
from tocsin.sinks.syslog.message import Style, message
from tocsin.spool import format as segment_format

PREPARED = {
    "text": "token=abc123 in /pay",
    "subject": f"for smith@example.org {HOSTILE}",
    "priority": 11,
    "form": {"password": "hunter2", "msg": "amqp://shop:hunter3@queue/", "plain": "x"},
}


def event() -> Event:
    sample = issue().sample
    assert sample is not None
    return replace(sample, prepared=PREPARED)


def test_texts_are_masked_by_value_and_tables_by_name() -> None:
    masked = Scrubber().event(event())
    assert masked.prepared["text"] == "token=[masked: token] in /pay"
    assert "smith@example.org" not in masked.prepared["subject"]
    assert masked.prepared["priority"] == 11
    assert masked.prepared["form"] == {
        "password": "[masked: password]",
        "msg": "amqp://shop:[masked: password]@queue/",
        "plain": "x",
    }


def test_masked_and_decoded_it_is_the_same() -> None:
    masked = Scrubber().event(event())
    assert Scrubber().event(masked) == masked
    assert wire.decode(wire.encode(masked)) == masked


def test_event_without_it_has_no_such_member() -> None:
    assert b"prepared" not in wire.encode(replace(event(), prepared={}))


def test_count_has_the_text_of_the_first_report_and_its_number() -> None:
    body = wire.encode(Scrubber().event(event()))
    data = segment_format.pack(segment_format.EVENT, body, kind="error", levelno=40, fingerprint=event().fingerprint)
    header = next(iter(segment_format.records(data, 0, is_final=False))).header
    assert header is not None
    entry = sighting_entry(Sighting(header, Origin("p1", 0, slot=3, count=37), 37, body), {}, event().timestamp)
    assert json.loads(entry.line)["prepared"]["text"] == "token=[masked: token] in /pay"
    sent = message(entry, SinkContext("shop", "production", "web1"), Style(facility=1, max_bytes=1_400)).decode()
    assert sent.startswith("<11>1 ")
    assert sent.endswith("] token=[masked: token] in /pay ×37")
