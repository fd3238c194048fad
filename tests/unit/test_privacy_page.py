"""The privacy page: its inventory is what sinks really send, its settings and bounds are those of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

import inventory
from tocsin.cli.forgetting.out_of_reach import _WORDS
from tocsin.config.settings import SETTINGS
from tocsin.event import limits
from tocsin.event.model import Event
from tocsin.sinks.registry import TYPES

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "privacy.md"


def test_inventory_is_what_every_sink_sends() -> None:
    assert inventory.table() in PAGE.read_text(encoding="utf-8"), "python tests/inventory.py gives the table"


@pytest.mark.parametrize("of", inventory.OF_NOBODY, ids=lambda of: of.__name__)
def test_every_member_is_in_the_inventory_or_of_nobody(of: type) -> None:
    """A member that is added must be looked at: does it tell of a person?"""
    told = {name.rpartition(".")[2] for name in inventory.ROWS}
    missing = {field.name for field in fields(of)} - told - inventory.OF_NOBODY[of]
    assert not missing
    assert isinstance(inventory.event(), Event)


def test_every_sort_of_sink_is_said_to_be_in_reach_or_out_of_it() -> None:
    assert set(_WORDS) | {"file"} == set(TYPES)


def test_settings_and_defaults_are_those_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    known = {setting.name: setting.default for setting in SETTINGS}
    named = re.findall(r"`(\w+)` \(default `([^`]*)`\)", page)
    assert {name for name, _ in named} >= {"client_address", "user_id", "locals", "lead_up", "keep_days"}
    for name, default in named:
        shown = known[name]
        assert default == (str(shown).lower() if isinstance(shown, bool) else f"{shown:g}" if isinstance(
            shown, float
        ) else str(shown))  # fmt: skip


def test_bounds_are_those_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"`([A-Z_]+)`, ([\d,]+)", page)
    assert named
    for name, value in named:
        assert getattr(limits, name) == int(value.replace(",", ""))
