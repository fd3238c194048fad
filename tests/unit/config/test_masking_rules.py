"""The setting `masking_rules`: what it takes, and how it says all that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.config.load import load
from tocsin.config.masking_rules import masking_rules
from tocsin.config.show import rows
from tocsin.event.errors import ConfigError
from tocsin.event.limits import MASKING_RULES
from tocsin.event.masking.own_rules import MaskingRule


def test_tables_become_rules() -> None:
    """As they stand in a file, or in code."""
    tables = [
        {"name": "customer number", "pattern": r"KD-\d{8}"},
        {"name": "pin", "keys": ["pin", "tan"]},
        {"keep": ["pass_rate"]},
    ]
    rules = (
        MaskingRule("customer number", r"KD-\d{8}"),
        MaskingRule("pin", keys=("pin", "tan")),
        MaskingRule(keep=("pass_rate",)),
    )
    assert masking_rules(tables) == rules == masking_rules(rules)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x", "must be a list"),
        ([5], "must be a list"),
        ([{}] * (MASKING_RULES + 1), "at most"),
        ([{"name": "a", "regex": "x"}], "unknown key 'regex'; known here: name, pattern, keys, keep"),
        ([{"name": "a]b", "pattern": "x"}], "name must be"),
        ([{"name": "a", "pattern": 5}], "pattern must be a text"),
        ([{"name": "a", "pattern": r"\d+"}], "pattern may match more than"),
        ([{"name": "a", "keys": 5}], "keys must be a list of texts"),
        ([{"name": "a", "keep": ["x"] * 1_000}], "keep must be at most"),
        ([{"name": "a"}], "does nothing"),
        ([{"pattern": "x"}], "needs a name"),
    ],
)
def test_what_is_wrong_is_said(value: object, said: str) -> None:
    """With the table it is in."""
    with pytest.raises(ValueError, match=r".") as caught:
        masking_rules(value)
    assert said in str(caught.value)


def test_all_faults_are_told_at_once_and_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text('application = "shop"\n[[masking_rules]]\nname = "a"\npattern = "("\n[[masking_rules]]\nkeep = 5\n')
    with pytest.raises(ConfigError) as caught:
        load(str(file), {}, {})
    assert "masking_rules [0]: pattern is no regular expression" in str(caught.value)
    assert "[1]: keep must be a list of texts" in str(caught.value)


def test_they_are_shown_as_they_were_written() -> None:
    settings = load({"application": "shop", "masking_rules": [{"name": "pin", "keys": ["pin"]}]}, {}, {})
    [row] = [row for row in rows(settings) if row.name == "masking_rules"]
    assert row.value == '[{"name" = "pin", "keys" = ["pin"]}]'
