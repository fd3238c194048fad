"""The tables of settings go in; the reference page `docs/reference/settings.md` leaves as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tocsin.config.setting import Setting
from tocsin.config.settings import SETTINGS
from tocsin.config.show import shown
from tocsin.config.sink_table import SINK_SETTINGS
from tocsin.config.values import level_name

__all__ = ["SinkSection", "reference"]

_OPENING: Final = """\
# Settings

<!-- Generated from the code by `python docs/generate.py`; change the tables there. -->

A setting's value is, in this order: what `setup()` or `dictConfig` gets as a keyword, the variable
`TOCSIN_<SETTING>`, what the configuration file or mapping says, the default. `tocsin config` shows each
effective value and where it came from. Every fault of a configuration is told at once, at start.

```toml
application = "shop"
release = "2026.11.1"
ignore = ["werkzeug.exceptions.NotFound", "noisy.logger"]

[loggers]
"audit.trail" = "INFO"

[[sinks]]
type = "file"
path = "events.jsonl"
level = "ERROR"
kinds = ["traceback", "error"]
```

The file is named by path, `tocsin.setup("tocsin.toml")`, or by the variable `TOCSIN_CONFIG`. `./tocsin.toml` is
read unasked in debug mode only. A relative path starts at the folder of the file it is written in; one in a
variable, keyword or mapping starts at the working directory.

| setting | type | default | what it is for |
| --- | --- | --- | --- |
"""

_VARIABLES: Final = """
## Variables

`TOCSIN_CONFIG` names the file; every setting has `TOCSIN_` and its name in capitals. An empty variable is as good as
none, an unknown one is a fault (but for those that Kubernetes makes for a service called `tocsin`:
`TOCSIN_SERVICE_*`, `TOCSIN_PORT`, `TOCSIN_PORT_*`).

| form | example |
| --- | --- |
| list: commas | `TOCSIN_IGNORE=KeyError,noisy.logger` |
| boolean: true, yes, on, 1, false, no, off, 0 | `TOCSIN_FSYNC=on` |
| levels: name=LEVEL | `TOCSIN_LOGGERS=noisy=ERROR,audit.trail=INFO` |
| sinks: URLs between blanks | `TOCSIN_SINKS="smtp://mail.example.org?to=ops@example.org file:events.jsonl stderr:"` |

## Where the spool is

The first of these that applies:

1. the setting `spool`;
2. `$STATE_DIRECTORY/tocsin/<application>`, the first folder of it, where systemd gives one (`StateDirectory=`);
3. `$XDG_STATE_HOME/tocsin/<application>`, or `~/.local/state/tocsin/<application>`, unless that home can't be
   written to or looks as if it was served to the web: its path has a folder `www`, `public_html`, `htdocs`,
   `httpdocs`, `wwwroot` or `webroot`, or it holds an index page or a `.htaccess` itself;
4. a private temporary folder, `tocsin-<user number>-<application>` in `$TMPDIR`, `/var/tmp` or `/tmp`. It must be
   a real folder of this user that nobody else may enter; tocsin says once that it is used.

## Sinks

A sink is a `[[sinks]]` table or a URL, whose parameters are the same keys. Every sink has these:

| setting | type | default | what it is for |
| --- | --- | --- | --- |
"""

_SECRET_NOTE: Final = "Secret: never shown; `{name}_file` names a file to read it from instead."


@dataclass(frozen=True, slots=True)
class SinkSection:
    """Describe one sink type for the page: what it does, what makes it idempotent, its own table."""

    type: str
    summary: str
    idempotency: str
    settings: Sequence[Setting]
    schemes: Sequence[str] = ()


def reference(sections: Sequence[SinkSection]) -> str:
    """Return the whole page, ending in a newline; the same tables always yield the same text."""
    parts = [_OPENING, *map(_row, SETTINGS), _VARIABLES, *map(_row, SINK_SETTINGS)]
    for section in sections:
        parts.append(f'\n### `type = "{section.type}"`\n\n{section.summary}\n')
        if section.schemes:
            parts.append(f"\nAs a URL: {', '.join(f'`{scheme}:`' for scheme in section.schemes)}.\n")
        parts.append(f"\nDelivered twice: {section.idempotency}\n")
        parts.append("\n| setting | type | default | what it is for |\n| --- | --- | --- | --- |\n")
        parts.extend(_row(setting, is_sink=True) for setting in section.settings)
    return "".join(parts)


def _row(setting: Setting, *, is_sink: bool = False) -> str:
    unit = f" ({setting.unit})" if setting.unit else ""
    default = "required" if setting.is_required else f"`{_default_shown(setting)}`"
    note = f" {_SECRET_NOTE.format(name=setting.name)}" if is_sink and setting.is_secret else ""
    cells = (f"`{setting.name}`", setting.type_name + unit, default, setting.help + "." + note)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default_shown(setting: Setting) -> str:
    default: Any = setting.default
    if isinstance(default, int) and setting.type_name == "level":
        return shown(level_name(default))
    if isinstance(default, int) and setting.type_name.startswith("octal"):
        return shown(f"{default:04o}")
    return shown(default) if default is not None else "none"
