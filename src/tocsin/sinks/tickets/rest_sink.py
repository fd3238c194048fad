"""A tracker's options or URL go in; a sink that keeps tickets there leaves. What all trackers with REST share."""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import unquote, urlsplit

from tocsin.config.setting import Setting, text, texts
from tocsin.event.errors import ConfigError
from tocsin.event.notice import Notice
from tocsin.sinks.base import Outcome, SinkContext, Unavailable
from tocsin.sinks.http import Http, require_urllib3
from tocsin.sinks.tickets.lifecycle import TicketSink, policy_of
from tocsin.sinks.tickets.ticket import Tracker
from tocsin.sinks.url import bracketed, host_and_port, parameters, split

__all__ = ["ASSIGNEES", "LABELS", "LEAVE_CLOSED", "TOKEN", "RestSink", "repository", "table"]

TOKEN: Final = Setting(
    "token",
    text,
    "",
    "the account's token; better kept in a file named by token_file",
    is_required=True,
    is_secret=True,
)
LABELS: Final = Setting("labels", texts, (), "further labels of new tickets", type_name="list")
ASSIGNEES: Final = Setting("assignees", texts, (), "names of the accounts that new tickets go to", type_name="list")
LEAVE_CLOSED: Final = Setting(
    "leave_closed",
    texts,
    ("wontfix", "invalid", "duplicate"),
    "labels with which a closed issue stays closed, and silent; others are reopened",
    type_name="list",
)
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}")


def repository(value: Any) -> str:
    """Parse ``owner/name``."""
    name = text(value).strip().strip("/")
    if not _REPOSITORY.fullmatch(name) or {".", ".."} & set(name.split("/")):
        raise ValueError("must be owner/name")
    return name


def table(value: Any) -> dict[str, Any]:
    """Parse a table of anything JSON has, or JSON in a text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, Mapping):
        raise ValueError('must be a table, or JSON such as {"customfield_10042": {"value": "web"}}')
    return dict(value)


class RestSink(TicketSink):
    """Keep one ticket per fault on a tracker with a REST API. An adapter's sink derives from it.

    It sets ``type``, ``settings``, ``place`` (the option that names the project), ``place_parts`` (how many parts of a
    URL's path belong to it, 0: all) and ``form`` (what its URL looks like), and has ``new_tracker``.
    """

    type: ClassVar[str]
    settings: ClassVar[tuple[Setting, ...]]
    place: ClassVar[str] = "project"
    place_parts: ClassVar[int] = 1
    form: ClassVar[str]

    def __init__(self, tracker: Tracker, policy: Mapping[str, Any], identity: str) -> None:
        super().__init__(tracker, policy)
        self._identity = identity

    def notify(self, notice: Notice) -> Outcome:
        """Make, comment, reopen or leave alone the ticket of each issue."""
        try:
            return super().notify(notice)
        except (AttributeError, KeyError, TypeError) as fault:
            # JSON, but of another form than the tracker's own: some other service answers at the url.
            return Unavailable(f"{self._identity} answered with something else ({type(fault).__name__})", "check url")

    @classmethod
    @abstractmethod
    def new_tracker(cls, http: Http, options: Mapping[str, Any]) -> Tracker:
        """Return the adapter's tracker."""

    @classmethod
    def api(cls, url: str) -> str:
        """Return where the API is on the server of a URL."""
        return url

    @classmethod
    def url_of(cls, origin: str, path: str) -> str:
        """Return the option ``url`` for a URL's origin (``""``: it names no host) and its path before the place."""
        if not origin:
            raise ConfigError(f"the URL must name a host: it must look like {cls.form}")
        return origin + path

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> RestSink:
        """Build it from validated options. Raises ConfigError, as for a token that would travel in clear."""
        require_urllib3(cls.type)
        http = Http(cls.api(options["url"]), options, context, secrets={"token": options["token"]})
        parts = urlsplit(options["url"])
        identity = f"{cls.type}:{parts.netloc}{parts.path}/{options[cls.place]}"
        return cls(cls.new_tracker(http, options), policy_of(options), identity)

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn the URL form into options; it means HTTPS, unless its scheme ends in ``+http``."""
        parts = split(url)
        host, number = host_and_port(parts, f"it must look like {cls.form}")
        steps = [unquote(step) for step in parts.path.split("/") if step]
        if parts.fragment or len(steps) < max(cls.place_parts, 1) or (number and not host):
            raise ConfigError(
                f"the URL can't be read: it must look like {cls.form}; within a token, @ is %40, / is %2F"
            )
        at = len(steps) - cls.place_parts if cls.place_parts else 0
        scheme = parts.scheme.lower().partition("+")[2] or "https"
        origin = f"{scheme}://{bracketed(host)}{f':{number}' if number else ''}" if host else ""
        path = "".join(f"/{step}" for step in steps[:at])
        options = {**parameters(parts.query), "url": cls.url_of(origin, path), cls.place: "/".join(steps[at:])}
        return {**options, **cls.credentials(unquote(parts.username or ""), unquote(parts.password or ""))}

    @classmethod
    def credentials(cls, user: str, password: str) -> dict[str, str]:
        """Return the options for what stands before the @: a token, alone or behind a colon."""
        token = password or user
        return {"token": token} if token else {}

    @property
    def identity(self) -> str:
        """Return type, server and project, such as ``github:api.github.com/acme/shop``."""
        return self._identity
