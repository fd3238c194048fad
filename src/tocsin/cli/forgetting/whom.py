"""What is to be forgotten goes in; which events tell of it leaves, and what of a text or of bytes does."""

from __future__ import annotations

import hmac
import html
import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, quote_plus

from tocsin.cli.choice import texts
from tocsin.cli.fault import Wanted
from tocsin.cli.forgetting.blank import IDENTITY
from tocsin.event.errors import ConfigError

__all__ = ["Whom", "canonical_address", "client_hash", "user_hash"]

LEAST_CHARS: Final = 3
_HASH_CHARS: Final = 16
_DAYS: Final = (0, -1, 1)  # a hash is of the day it was made on, which may not be the event's


@dataclass(frozen=True, slots=True)
class Whom:
    """Know what is to be forgotten; of what is given, all has to hold. ``salt`` is the spool's, "" where it has none.

    Text is looked for in any case, and as URLs, HTML and JSON write it.
    """

    fault: Wanted | None = None
    user: str = ""
    client: str = ""
    text: str = ""
    before: datetime | None = None
    salt: bytes = b""
    _pattern: re.Pattern[str] | None = field(init=False, default=None)
    _bytes: re.Pattern[bytes] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.text:
            spelt = sorted(_spelt(self.text), key=len, reverse=True)
            object.__setattr__(self, "_pattern", re.compile("|".join(map(re.escape, spelt)), re.IGNORECASE))
        stored = sorted({each for term in self._terms() for each in _stored(term)}, key=len, reverse=True)
        if stored:
            object.__setattr__(self, "_bytes", re.compile(b"|".join(map(re.escape, stored)), re.IGNORECASE))

    def takes(self, members: Mapping[str, Any]) -> bool:
        """Tell whether an event, or a line of a file sink, is to be forgotten and has not been already."""
        if members.get("forgotten") is True:
            return False
        return (
            self._has_fault(members)
            and self._is_before(members)
            and self._has_user(members)
            and self._has_client(members)
            and (self._pattern is None or self.has_text(members))
        )

    def has_text(self, members: Mapping[str, Any]) -> bool:
        """Tell whether the text stands anywhere in an event, but in what it is known and counted by."""
        pattern = self._pattern
        own = {name: value for name, value in members.items() if name not in IDENTITY}
        return pattern is not None and any(pattern.search(each) is not None for each in texts(own))

    def without(self, text: str) -> str:
        """Return a text without what is to be forgotten by its text; never longer."""
        return text if self._pattern is None else self._pattern.sub("", text)

    def is_in(self, data: bytes) -> bool:
        """Tell whether bytes hold the text, user or address, as a spool, a state or a file sink writes it."""
        return self._bytes is not None and self._bytes.search(data) is not None

    @property
    def has_bytes(self) -> bool:
        """Tell whether there is anything that bytes can be searched for."""
        return self._bytes is not None

    def has_client_hash(self, fingerprint: str, day: int, found: str) -> bool:
        """Tell whether a client's hash that is kept for an issue and a day (as ``date.toordinal``) is to go.

        That is where it follows without the event: nothing tells a user's or a text's, or one occurrence's.
        """
        if self.user or self.text or (self.fault is not None and self.fault.suffix):
            return False
        if self.fault is not None and not self.fault.fits(fingerprint):
            return False
        if self.before is not None and day >= self.before.toordinal():
            return False
        return not self.client or found in self._client_hashes(date.fromordinal(day))

    def _has_fault(self, members: Mapping[str, Any]) -> bool:
        fault = self.fault
        if fault is None:
            return True
        if not fault.fits(str(members.get("fingerprint", ""))):
            return False
        return fault.suffix in ("", str(members.get("error_id", "")).rpartition("-")[2])

    def _is_before(self, members: Mapping[str, Any]) -> bool:
        at = _time_of(members)
        return self.before is None or (at is not None and at < self.before)

    def _has_user(self, members: Mapping[str, Any]) -> bool:
        return not self.user or _request(members).get("user") in (self.user, user_hash(self.salt, self.user))

    def _has_client(self, members: Mapping[str, Any]) -> bool:
        if not self.client:
            return True
        request, at = _request(members), _time_of(members)
        hashes = self._client_hashes(at.date()) if at is not None else set()
        return request.get("client") in {self.client, *hashes} or request.get("client_hash") in hashes

    def _client_hashes(self, day: date) -> set[str]:
        if not self.salt:
            return set()
        return {client_hash(self.salt, day + timedelta(days=each), self.client) for each in _DAYS}

    def _terms(self) -> Iterator[str]:
        """Yield what must stand nowhere any more. Parts of an event that have to hold together can't be told so."""
        if self.fault is not None or self.before is not None or sum(map(bool, (self.user, self.client, self.text))) > 1:
            return
        if self.text:
            yield from _spelt(self.text)
        if self.user:
            for each in (self.user, user_hash(self.salt, self.user)):
                yield from (f'"user":{json.dumps(each)}',) if each else ()
        if self.client:
            yield f'"client":{json.dumps(self.client)}'


def client_hash(salt: bytes, day: date, address: str) -> str:
    """Return what a report has for a client's address on a day (UTC); ``address`` is canonical."""
    return hmac.new(salt, f"{day.isoformat()}|{address}".encode(), "sha256").hexdigest()[:_HASH_CHARS]


def user_hash(salt: bytes, user: str) -> str:
    """Return what a report has for a user with ``user_id = "hashed"``; "" without a salt."""
    return hmac.new(salt, f"user|{user}".encode(), "sha256").hexdigest()[:_HASH_CHARS] if salt else ""


def canonical_address(text: str) -> str:
    """Return an address as reports have it. Raises ConfigError where it is none."""
    try:
        return str(ipaddress.ip_address(text.strip().strip("[]")))
    except ValueError:
        raise ConfigError(f"--client {text!r} is no IP address; one is 203.0.113.7 or 2001:db8::7") from None


def _request(members: Mapping[str, Any]) -> Mapping[str, Any]:
    request = members.get("request")
    return request if isinstance(request, dict) else {}


def _time_of(members: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(members.get("timestamp"))).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _spelt(text: str) -> set[str]:
    """Return a text as it stands in messages, URLs, HTML and quoted JSON."""
    quoted = (quote(text, safe=""), quote(text), quote(text, safe="@/:"), quote_plus(text), html.escape(text))
    escaped = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    return {text, *quoted, *escaped, ascii(text)[1:-1], str(text.encode("utf-8", "replace"))[2:-1]}


def _stored(text: str) -> set[bytes]:
    """Return the bytes of a text: in UTF-8, in JSON, and in JSON within JSON, as dead letters have it."""
    once = json.dumps(text)[1:-1]
    twice = json.dumps(once)[1:-1]
    return {text.encode("utf-8", "replace"), once.encode("ascii"), twice.encode("ascii")}
