"""`tocsin explain`: every part of a fingerprint is told with its reason, and what two events share."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tocsin.event.identity.fingerprint import explain, fingerprint, former
from tocsin.event.model import ExceptionInfo, Frame

CART = Frame("shop.cart", "add", "/srv/shop/cart.py", 30, "    item = cart[number]", ())


def test_every_part_is_told_with_its_value_and_reason(spool: Any, call: Any, new_event: Any) -> None:
    event = new_event()
    error_id = spool.add(event, 7)
    answer = call("explain", error_id.lower(), "--spool", spool.path)
    assert answer.code == 0
    assert f"fingerprint  {fingerprint(event)}" in answer.out
    for part in explain(event):
        assert f"  {part.name}: {part.value or '(nothing)'}" in answer.out
        assert part.reason in answer.out


def test_what_was_left_out_and_older_keys_are_told(spool: Any, call: Any, new_event: Any) -> None:
    event = replace(new_event(), release="2.4.1")
    out = call("explain", spool.add(event, 7), "--spool", spool.path).out
    assert "the exception's message: division by zero" in out
    assert "file and line: /srv/shop/orders.py:12" in out
    assert "release: 2.4.1" in out
    assert all(key in out for key in former(event))


def test_two_reports_of_one_fault_are_one(spool: Any, call: Any, new_event: Any) -> None:
    first = spool.add(new_event(), 7)
    moved = Frame("shop.orders", "pay", "/opt/other/orders.py", 99, "    return total / count", ("def pay():",))
    second = spool.add(replace(new_event(), exception=ExceptionInfo("ZeroDivisionError", "other", (moved,))), 8)
    out = call("explain", first, second, "--spool", spool.path).out
    assert "One fault." in out
    assert "They share" in out
    assert "They differ" not in out


def test_two_faults_are_told_apart_by_the_parts_that_differ(spool: Any, call: Any, new_event: Any) -> None:
    first = spool.add(new_event(), 7)
    second = spool.add(replace(new_event(), exception=ExceptionInfo("KeyError", "17", (CART,))), 8)
    answer = call("explain", first, second, "--json", "--spool", spool.path)
    found = json.loads(answer.out)
    assert found["is_one_fault"] is False
    assert ("type", "ZeroDivisionError") in {(part["name"], part["value"]) for part in found["only_first"]}
    assert ("type", "KeyError") in {(part["name"], part["value"]) for part in found["only_second"]}
    text = call("explain", first, second, "--spool", spool.path).out
    assert "Two faults." in text
    assert "- type: ZeroDivisionError" in text
    assert "+ type: KeyError" in text


def test_fingerprint_of_other_rules_is_said_to_be_so(spool: Any, call: Any, new_event: Any) -> None:
    event = new_event()
    old = former(event)[0]
    out = call("explain", spool.add(replace(event, fingerprint=old), 7), "--spool", spool.path).out
    assert "v1, of an older tocsin" in out
    assert fingerprint(event) in out


def test_name_that_the_application_gave_is_told(spool: Any, call: Any, new_event: Any) -> None:
    event = replace(new_event(), custom_fingerprint="payment provider is down")
    out = call("explain", spool.add(event, 7), "--spool", spool.path).out
    assert "payment provider is down" in out


@pytest.mark.parametrize("wanted", ["AAAAAA-2222", "v2:00000000"])
def test_unknown_report_is_code_1(wanted: str, spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 7)
    answer = call("explain", wanted, "--spool", spool.path)
    assert answer.code == 1
    assert "no report of" in answer.err


def test_report_that_retention_took_is_said_to_be_gone(spool: Any, call: Any, new_event: Any) -> None:
    error_id = spool.add(new_event(), 7)
    call("issues", "--spool", spool.path)
    for path in spool.folder.path.glob("*.events"):
        path.unlink()
    assert "they are gone" in call("explain", error_id, "--spool", spool.path).err


def test_table_that_named_a_fault_is_told(spool: Any, call: Any, new_event: Any, tmp_path: Path) -> None:
    """A report says what its fault was called, and not by whom: the configuration's tables are tried on it."""
    (tmp_path / "rules.toml").write_text(
        'application = "shop"\nspool = "spool"\n[[fingerprints]]\ntype = "Other"\nfingerprint = "x"\n'
        '[[fingerprints]]\ntype = "Zero*"\nfingerprint = "payment"\n'
    )
    named = spool.add(replace(new_event(), custom_fingerprint="payment"), 1)
    other = spool.add(replace(new_event(), custom_fingerprint="price list"), 2)
    plain = spool.add(new_event(), 3)
    out = call("explain", named, "--config", "rules.toml").out
    assert "named by     [[fingerprints]] table 2 (type = Zero*, fingerprint = payment)" in out
    assert "named by     report(fingerprint=…)" in call("explain", other, "--config", "rules.toml").out
    assert "table 2" in call("explain", plain, "--config", "rules.toml").out
    assert "named by" not in call("explain", plain, "--spool", spool.path).out
