"""Parsers of settings: what TOML, a variable or a URL gives goes in; a value, or words for a fault, leave."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.config.setting import between, pairs


@pytest.mark.parametrize("given", [480, "480", 65_000, 65_000.0])
def test_a_number_within_its_bounds_is_taken(given: Any) -> None:
    """Both bounds are within; a text may come from a URL."""
    assert between(480, 65_000)(given) == int(given)


@pytest.mark.parametrize("given", [479, 65_001, 500.5, "many", True, None])
def test_a_number_beyond_its_bounds_is_told_with_both(given: Any) -> None:
    """The words complete "max_bytes …"."""
    with pytest.raises(ValueError, match="must be a whole number from 480 to 65000"):
        between(480, 65_000)(given)


@pytest.mark.parametrize("given", [{"a": "1", " b ": " 2 "}, "a=1,b=2", ["a=1", "b=2"]])
def test_pairs_come_as_a_table_a_list_or_a_text(given: Any) -> None:
    """Spaces around names and values don't count."""
    assert pairs(given) == {"a": "1", "b": "2"}


@pytest.mark.parametrize("given", ["a", "a=", "=1", {"a": 1}, {"a": "1", "b": 2}, 7])
def test_pairs_that_are_not_whole_are_a_fault(given: Any) -> None:
    """A number among the values is not dropped silently."""
    with pytest.raises(ValueError, match="must be a"):
        pairs(given)
