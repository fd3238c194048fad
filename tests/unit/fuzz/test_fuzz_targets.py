"""The fuzzing targets without coverage: each input that once broke a law, and what hypothesis makes of them."""

from __future__ import annotations

from base64 import b64decode
from importlib import import_module
from pathlib import Path

import fuzzing
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

TARGETS = sorted(path.stem for path in Path(fuzzing.__file__).parent.glob("fuzz_*.py"))

# What each of these showed is told behind it.
ONCE_BROKEN = [
    ("fuzz_segment", "BSgAAQIDBAUGBwgJCgsMDQ4PEBESExQVIhYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7"),  # no JSON
    ("fuzz_event", "AQABAQIBAQ=="),  # an error id that is no text
    ("fuzz_lines", "AQAAAQsCAQE="),  # a line that every leader would have broken off at, for ever
    ("fuzz_config", "AgsBAgMBBQcBCwME"),  # half a character in a path
    ("fuzz_config", "AAEAGAEHBQEDGAECAwQ="),  # a NUL in a path
    ("fuzz_masking", "HicnJycnJycnJycnJycn"),  # a query that reads differently once it is cut
    ("fuzz_masking", "HgEJGxwdHiYqI2QdYCUcJ/8nHgEJAA=="),  # a source line likewise
    ("fuzz_environ", "BwMB/xYmiSYtJiZAAC4AAAAAAAAAOnBhc3N3b3JkPVNtYT1bbWFza2VkXQBMRA=="),  # a Referer likewise
]


@pytest.mark.parametrize(("target", "data"), ONCE_BROKEN)
def test_what_once_broke_a_law_does_no_more(target: str, data: str) -> None:
    import_module(target).try_one(b64decode(data))


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_hold_the_laws(target: str) -> None:
    module = import_module(target)
    for seed in module.seeds():
        module.try_one(seed)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TARGETS), st.binary(max_size=80))
def test_any_input_holds_the_laws(target: str, data: bytes) -> None:
    import_module(target).try_one(data)
