"""The reference page is made from the code, and is that of this code."""

from __future__ import annotations

from pathlib import Path

from tocsin.config.reference import reference
from tocsin.config.settings import SETTINGS
from tocsin.config.sink_table import SINK_SETTINGS
from tocsin.sinks.registry import TYPES
from tocsin.sinks.shown import sections

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


def test_the_page_is_up_to_date():
    """`python docs/generate.py` writes it."""
    assert PAGE.read_text(encoding="utf-8") == reference(sections())


def test_the_page_has_every_setting_and_type():
    """Rows of the common tables and of each type's own."""
    page = reference(sections())
    names = [setting.name for setting in (*SETTINGS, *SINK_SETTINGS)]
    names += [setting.name for section in sections() for setting in section.settings]
    assert all(f"| `{name}` |" in page for name in names)
    assert all(f'### `type = "{kind}"`' in page for kind in TYPES)
