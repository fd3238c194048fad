"""Write the reference pages that are made from the code: `python docs/generate.py`."""

from __future__ import annotations

from pathlib import Path

from tocsin.config.reference import reference
from tocsin.sinks.registry import sections

PAGE = Path(__file__).parent / "reference" / "settings.md"

if __name__ == "__main__":
    PAGE.write_text(reference(sections()), encoding="utf-8")
