"""The pages of docs/how-to as code: a page goes in; the files that it shows leave, as a reader would save them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

__all__ = ["PAGES", "files_of", "unpack"]

PAGES = Path(__file__).parents[1] / "docs" / "how-to"

# A file is a fenced block whose text before it ends with its name and a colon: "`shop.py`, with a factory:".
_FILE = re.compile(
    r"`(?P<name>[\w./@-]+\.\w+)`[^`\n]*:\n+(?P<indent> *)```[a-z-]*\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


def files_of(page: str) -> Mapping[str, str]:
    """Return name → content of the files that a page shows; where it shows one twice, the last."""
    text = (PAGES / page).read_text(encoding="utf-8")
    return {match["name"]: textwrap.dedent(match["code"]) for match in _FILE.finditer(text)}


def unpack(page: str, folder: Path) -> Path:
    """Write the files of a page into a folder, and return the folder."""
    for name, code in files_of(page).items():
        path = folder / name.lstrip("/")  # /etc/systemd/system/… too
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")
    return folder
