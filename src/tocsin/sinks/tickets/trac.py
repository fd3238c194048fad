"""Notices go in; each fault's ticket leaves for a Trac project, by the calls of its XML-RPC plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import unquote, urlsplit

from tocsin.config.setting import Setting, boolean, pairs, text, texts
from tocsin.event.errors import ConfigError
from tocsin.sinks.base import SinkContext
from tocsin.sinks.endpoint import http_url
from tocsin.sinks.http import HTTP_SETTINGS, Http, require_urllib3
from tocsin.sinks.tickets.lifecycle import TICKET_SETTINGS, TicketSink, policy_of
from tocsin.sinks.tickets.trac_project import TracProject, authorization
from tocsin.sinks.url import bracketed, host_and_port, parameters, split

__all__ = ["TracSink"]


_PRIORITIES: Final = {"CRITICAL": "blocker", "ERROR": "critical", "WARNING": "major"}


def _priorities(value: Any) -> dict[str, str]:
    """Parse priorities by level; a level left out keeps its default."""
    return {**_PRIORITIES, **{level.upper(): name for level, name in pairs(value).items()}}


_SETTINGS: Final = (
    Setting("url", http_url, None, "the project, such as https://trac.example.org/shop", is_required=True),
    Setting("user", text, "", "the name to log in with; left out: as anybody may"),
    Setting("password", text, "", "its password; better kept in a file named by password_file", is_secret=True),
    Setting("token", text, "", "sent as a Bearer token, for servers that take one instead of a user", is_secret=True),
    Setting("ticket_type", text, "defect", "the type of new tickets"),
    Setting(
        "priorities",
        _priorities,
        _PRIORITIES,
        "level = priority; one the project does not have is left to its default",
        type_name="table",
    ),
    Setting("component", text, "", "the component of new tickets; left out: the project's default"),
    Setting("milestone", text, "", "their milestone; left out: the project's default"),
    Setting("owner", text, "", "who is to own them; left out: as the component says"),
    Setting("cc", texts, (), "who is told of changes", type_name="list"),
    Setting("keywords", texts, (), "further keywords of new tickets", type_name="list"),
    Setting("fields", pairs, {}, "name = value for further fields of new tickets", type_name="table"),
    Setting(
        "leave_closed",
        texts,
        ("wontfix", "invalid", "duplicate"),
        "resolutions by which a ticket stays closed, and silent; others are reopened",
        type_name="list",
    ),
    Setting("notify", boolean, True, "whether Trac tells its own subscribers", type_name="boolean"),
    *TICKET_SETTINGS,
    *HTTP_SETTINGS,
)


class TracSink(TicketSink):
    """Keep one ticket per fault in a Trac project, by its XML-RPC plugin."""

    type: ClassVar[str] = "trac"
    settings: ClassVar[tuple[Setting, ...]] = _SETTINGS

    def __init__(self, tracker: TracProject, policy: Mapping[str, Any], identity: str) -> None:
        super().__init__(tracker, policy)
        self._identity = identity

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> TracSink:
        """Build it from validated options. Raises ConfigError, as for a password that would travel in clear."""
        require_urllib3(cls.type)
        faults = []
        if bool(options["user"]) != bool(options["password"]):
            faults.append("user and password are given together; name a file that holds the password by password_file")
        if options["user"] and options["token"]:
            faults.append("user and token are both given; leave one out")
        if "?" in options["url"]:
            faults.append("url must be that of the project, without a query")
        if faults:
            raise ConfigError(faults)
        secrets = {name: options[name] for name in ("password", "token")}
        masked = tuple(value.partition(" ")[2] for value in authorization(options).values())
        http = Http(options["url"], options, context, secrets=secrets, masked=masked)
        parts = urlsplit(options["url"])
        place = f"{parts.netloc}{parts.path}" + (f"?component={options['component']}" if options["component"] else "")
        return cls(TracProject(http, options, context), policy_of(options), f"trac:{place}")

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``trac://user:password@host/project`` (HTTPS) or ``trac+http://…`` into options."""
        return _from_url(url)

    @property
    def identity(self) -> str:
        """Return ``trac:trac.example.org/shop``, with the component if there is one."""
        return self._identity


def _from_url(url: str) -> dict[str, Any]:
    form = "it must look like trac://user:password@trac.example.org/shop"
    parts = split(url)
    host, number = host_and_port(parts, form)
    if not host or parts.fragment:
        raise ConfigError(f"the Trac URL can't be read: {form}; within user and password, @ is written %40, / %2F")
    scheme = parts.scheme.lower().partition("+")[2] or "https"
    origin = f"{scheme}://{bracketed(host)}{f':{number}' if number else ''}"
    options = {**parameters(parts.query), "url": f"{origin}{parts.path}"}
    if parts.username:
        options["user"] = unquote(parts.username)
    if parts.password:
        options["password"] = unquote(parts.password)
    return options
