"""The commands' own help goes in; the reference page `docs/reference/commands.md` leaves as Markdown."""

from __future__ import annotations

from typing import Final

from tocsin.cli.program import COMMANDS, command, overview

__all__ = ["manual"]

_OPENING: Final = """\
# Commands

<!-- Generated from the code by `python docs/generate.py`; change the commands' help there. -->

`tocsin` runs on the machine of the application, as the application's user. Every command takes `--config FILE`;
without it `TOCSIN_CONFIG` names the file, and `TOCSIN_*` variables count in any case. Commands that only read also
take `--spool DIR` alone.

| exit code | meaning |
| --- | --- |
| 0 | fine |
| 1 | something is wrong; each command says what it means by that |
| 2 | usage or configuration; for `tocsin status`: critical |

Errors are a few lines on stderr that begin with `tocsin:`. Colours appear on terminals only, and never where
`NO_COLOR` is set. `--json` gives lines of JSON, whose members are only ever added to.
"""


def manual() -> str:
    """Return the whole page, ending in a newline; the same commands always yield the same text."""
    parts = [_OPENING, f"\n```text\n{overview()}```\n"]
    parts += [f"\n## {name}\n\n```text\n{command(name).parser().format_help()}```\n" for name in COMMANDS]
    return "".join(parts)
