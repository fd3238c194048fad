"""Settings go in; name, effective value and source of each leave as lines, with every secret masked."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tocsin.config.fingerprint_rules import function_name
from tocsin.config.settings import SETTINGS, Settings
from tocsin.config.sink_table import SinkTable
from tocsin.config.values import level_name
from tocsin.event.masking.patterns import MASK

__all__ = ["MASKED", "Row", "lines", "masked_url", "rows", "shown", "table_shown"]

MASKED: Final = MASK

# By name as well as by the sink's own table: a misspelled `passwrod` is no known secret, but one all the same.
_SECRET_WORDS: Final = ("pass", "pwd", "secret", "token", "auth", "credential", "private", "api", "key")
_PARAMETER: Final = re.compile(r"(?P<start>[?&])(?P<name>[^=&#]+)=(?P<value>[^&#]*)")


@dataclass(frozen=True, slots=True)
class Row:
    """Show one setting, or one sink as ``sinks[0]``; ``value`` is ready to print."""

    name: str
    value: str
    source: str


def rows(settings: Settings, sink_shown: Callable[[SinkTable], str] | None = None) -> list[Row]:
    """Return a row for every setting, in the order of the table, and one for every sink.

    ``sink_shown`` knows what each type of sink calls secret; without it, what looks like a secret is masked.
    """
    show = sink_shown or _sink_shown
    out = []
    for setting in SETTINGS:
        source = settings.sources.get(setting.name, "")
        if setting.name != "sinks":
            out.append(Row(setting.name, _setting_shown(setting.name, settings), source))
        elif not settings.sinks:
            out.append(Row("sinks", "none", source))
        else:
            sinks = enumerate(settings.sinks)
            out.extend(Row(f"sinks[{index}]", show(table), source) for index, table in sinks)
    return out


def lines(table: Sequence[Row]) -> list[str]:
    """Return rows as aligned text, one line each."""
    name_width = max((len(row.name) for row in table), default=0)
    value_width = min(max((len(row.value) for row in table), default=0), 48)
    return [f"{row.name:<{name_width}}  {row.value:<{value_width}}  ({row.source})" for row in table]


def shown(value: Any) -> str:
    """Return a value as TOML would have it, near enough to be copied."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{name}" = {shown(item)}' for name, item in value.items()) + "}"
    if isinstance(value, (set, frozenset)):
        return shown(sorted(value))
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(shown(item) for item in value) + "]"
    return f'"{value}"'


def masked_url(url: str, secrets: Collection[str] = ()) -> str:
    """Return a URL without its user, its password and the parameters that are secret.

    It errs towards masking too much: a password that should have been percent-encoded must not show either.
    """
    head, mark, query = url.partition("?")
    scheme, slashes, rest = head.partition("//")
    if slashes and "@" in rest:
        head = f"{scheme}//{MASKED}@{rest.rpartition('@')[2]}"
    elif slashes and "@" in query and re.search(r":(?!\d+/?$)", rest.rpartition("]")[2]):
        return f"{scheme}//{MASKED}"  # a ? within the password: where it ends can't be told
    return head + _PARAMETER.sub(lambda match: _parameter(match, secrets), mark + query)


def table_shown(options: Mapping[str, Any], secrets: Collection[str] = ()) -> str:
    """Return a sink's table in one line; ``secrets`` names options that are masked, besides those that look like it."""
    return ", ".join(f"{name} = {_option_shown(name, value, secrets)}" for name, value in options.items())


def _setting_shown(name: str, settings: Settings) -> str:
    value = getattr(settings, name)
    if name == "level":
        return shown(level_name(value))
    if name == "state":
        return shown(masked_url(value))
    if name == "loggers":
        return shown({logger: level_name(number) for logger, number in value.items()})
    if name == "fingerprint":
        return shown(function_name(value))
    if name in ("masking_rules", "fingerprints"):
        return shown([rule.table() for rule in value])
    return shown(value)


def _sink_shown(table: SinkTable) -> str:
    return masked_url(table.url) if table.url else table_shown(table.options)


def _option_shown(name: str, value: Any, secrets: Collection[str]) -> str:
    if _is_secret(name, secrets):
        return MASKED
    return shown(masked_url(value, secrets) if isinstance(value, str) and "://" in value else value)


def _parameter(match: re.Match[str], secrets: Collection[str]) -> str:
    value = MASKED if _is_secret(match["name"], secrets) else match["value"]
    return f"{match['start']}{match['name']}={value}"


def _is_secret(name: str, secrets: Collection[str]) -> bool:
    word = name.lower()
    if word.endswith("_file"):
        return False  # the path of the file that holds the secret, which is what one has to see
    return word in secrets or any(part in word for part in _SECRET_WORDS)
