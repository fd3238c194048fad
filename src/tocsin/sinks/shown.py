"""Sinks as people read of them: a configured table or all types go in; a line, or the reference's sections, leave."""

from __future__ import annotations

from tocsin.config.reference import SinkSection
from tocsin.config.show import MASKED, masked_url, table_shown
from tocsin.config.sink_table import SinkTable
from tocsin.event.errors import ConfigError
from tocsin.sinks.registry import SCHEMES, TYPES, from_url, load_type

__all__ = ["sections", "sink_shown"]


def sink_shown(table: SinkTable) -> str:
    """Return a sink as `tocsin config` shows it: in one line, with what its type calls secret masked."""
    try:
        options = from_url(table.url) if table.url else table.options
        secrets = {setting.name for setting in load_type(str(options.get("type"))).settings if setting.is_secret}
    except ConfigError:  # shown all the same, with what looks like a secret masked
        return masked_url(table.url) if table.url else table_shown(table.options)
    if not table.url:
        return table_shown(table.options, secrets)
    shown = masked_url(table.url, secrets)
    for value in (options[name] for name in secrets if name in options):
        for each in value if isinstance(value, list) else [value]:
            # A chat's URL is a secret as a whole, but for what says that it is a chat.
            rest = str(each).partition("://")[2]
            shown = shown.replace(rest, MASKED) if rest else shown
    return shown


def sections() -> list[SinkSection]:
    """Return what the reference page says of each type, sorted by type."""
    out = []
    for kind in sorted(TYPES):
        cls = load_type(kind)
        summary = (cls.__doc__ or "").strip().partition("\n")[0]
        schemes = [scheme for scheme, its_type in SCHEMES.items() if its_type == kind]
        out.append(SinkSection(kind, summary, cls.idempotency, cls.settings, schemes))
    return out
