"""Validated options or a URL go in; which log, source and server they mean leaves, or every fault of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from tocsin.config.setting import Setting, boolean, text
from tocsin.event.errors import ConfigError
from tocsin.sinks.endpoint import host_name
from tocsin.sinks.url import parameters, split

__all__ = ["SETTINGS", "Destination", "destination_of", "from_url"]

# Of the program `eventcreate`, a part of every Windows: each of its messages from 1 to 1000 is nothing but the text.
_MESSAGE_FILE: Final = r"%SystemRoot%\System32\EventCreate.exe"
_NAME_CHARS: Final = 200  # a registry key's name has at most 255


@dataclass(frozen=True, slots=True)
class Destination:
    """Say where events go: a source of a log, on this machine where ``server`` is ``""``."""

    source: str
    log: str = "Application"
    server: str = ""
    message_dll: str = _MESSAGE_FILE
    is_registered: bool = True  # by the sink, if it may

    @property
    def where(self) -> str:
        """Return ``Application/shop`` or ``web1/Application/shop``."""
        return "/".join(filter(None, (self.server, self.log, self.source)))


def _name(value: Any) -> str:
    """Parse the name of a log or a source, which are keys of the registry."""
    name = text(value).strip()
    if len(name) > _NAME_CHARS or "\\" in name or not name.isprintable():
        raise ValueError(f"must have at most {_NAME_CHARS} printable characters, and no backslash")
    return name


def _server(value: Any) -> str:
    return host_name(text(value).strip().lstrip("\\"))


SETTINGS: Final = (
    Setting("source", _name, "", "the source that events are shown under; left out: the application"),
    Setting("log", _name, "Application", "the log that the source is registered in"),
    Setting("server", _server, "", "another machine's event log; left out: this machine's"),
    Setting(
        "register",
        boolean,
        True,
        "whether to register the source, where this user may (an administrator may)",
        type_name="boolean",
    ),
    Setting(
        "message_dll",
        text,
        _MESSAGE_FILE,
        "the file with the source's messages, each of which has to be `%1`; %VARIABLES% are expanded",
        type_name="path",
    ),
)


def destination_of(options: Mapping[str, Any], application: str) -> Destination:
    """Return what validated options mean. Raises ConfigError with all that only the whole can show."""
    if options["log"].lower() == "security":
        raise ConfigError("log must not be Security: Windows lets no application write there")
    # An application's name may have characters that a key of the registry can't.
    own = "".join(c if c.isprintable() and c != "\\" else "_" for c in application)[:_NAME_CHARS].strip()
    return Destination(
        options["source"] or own or "python",
        options["log"],
        options["server"],
        options["message_dll"],
        options["register"],
    )


def from_url(url: str) -> dict[str, Any]:
    """Turn ``nteventlog:``, ``nteventlog:///Source`` or ``nteventlog://server/Source?register=false`` into options.

    Raises ConfigError.
    """
    form = "it must look like nteventlog:, nteventlog:///Source or nteventlog://server/Source"
    parts = split(url)
    source = unquote(parts.path).strip("/")
    if "@" in parts.netloc or ":" in parts.netloc or parts.fragment:
        raise ConfigError(f"the nteventlog URL can't be read: {form}")
    options = parameters(parts.query)
    if parts.netloc:
        options["server"] = parts.netloc
    if source:
        options["source"] = source
    return options
