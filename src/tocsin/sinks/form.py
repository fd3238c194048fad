"""Entries of an `HTTPHandler` go in; a GET or POST request with form data leaves for each. Needs the extra ``http``.

No type of the registry: what it sends is what that handler's `mapLogRecord` returned, which other entries have not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import urlencode, urlsplit

from tocsin.config.setting import Setting, choice, text
from tocsin.event.errors import ConfigError
from tocsin.event.masking.scrub import strict
from tocsin.sinks.base import Accepted, Entry, Failed, Outcome, SinkContext, Unavailable
from tocsin.sinks.endpoint import exact_http_url
from tocsin.sinks.http import HTTP_SETTINGS, Http, basic_authorization, require_urllib3
from tocsin.sinks.network import STEPS
from tocsin.sinks.taken import Taken

__all__ = ["FormSink"]

_GET_BYTES: Final = 8_000  # of a request's line, which servers bound (RFC 9112 §3 asks them for this much)
_POST_BYTES: Final = 262_144
_LEAST_CHARS: Final = 16
_CUT: Final = "…"


class FormSink:
    """Send each event and count of an HTTPHandler as form data."""

    type: ClassVar[str] = "form"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("url", exact_http_url, None, "where to, with scheme and host", is_required=True),
        Setting("method", choice("get", "post"), "get", "get or post"),
        Setting("user", text, "", "the name for Basic authentication"),
        Setting("password", text, "", "its password", is_secret=True),
        Setting("ssl_context", lambda value: value, None, "an ssl.SSLContext to use as it is", type_name="object"),
        *HTTP_SETTINGS,
    )
    idempotency: ClassVar[str] = "possible after a crash; each request has its `tocsin_origin`, which no other has."
    is_local: ClassVar[bool] = False
    needs: ClassVar[str] = "urllib3>=2.2"

    def __init__(
        self, options: Mapping[str, Any], context: SinkContext, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        parts = urlsplit(options["url"])
        self._base = f"{parts.scheme}://{parts.netloc}"
        self._path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        self._method = options["method"].upper()
        self._headers: dict[str, str] = {}
        if options["user"]:
            self._headers["Authorization"] = basic_authorization(options["user"], options["password"])
        self._http = Http(self._base, options, context, secrets={"the password": options["password"]})
        self._most_s = options["timeout"] * STEPS
        self._monotonic = monotonic
        self._taken = Taken()

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> FormSink:
        """Build it from validated options; opens nothing. Raises ConfigError, also where urllib3 is missing."""
        require_urllib3("HTTPHandler")
        return cls(options, context)

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Raise ConfigError: no URL of a configuration means this sink."""
        raise ConfigError("only an HTTPHandler sends form data")

    @property
    def identity(self) -> str:
        """Return ``form:https://errors.example.org/log``."""
        return f"form:{self._base}{self._path.partition('?')[0]}"

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Send the entries in order; what was taken of a batch that fails isn't sent again."""
        waiting = self._taken.waiting(entries)
        end = self._monotonic() + self._most_s
        try:
            for number, entry in enumerate(waiting):
                if number and self._monotonic() > end:
                    slow = f"{self._http.where} is slow: it took {number} of {len(waiting)} in {self._most_s:g} s"
                    raise Failed(Unavailable(slow, "see the server's load; the rest follows"))
                self._send(entry)
                self._taken.add([entry])
        except Failed as fault:
            return fault.outcome
        self._taken.forget(entries)
        return Accepted(f"taken by {self._http.where}")

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _send(self, entry: Entry) -> None:
        form = _form(entry)
        if self._method == "GET":
            sign = "&" if "?" in self._path else "?"
            room = _GET_BYTES - len(self._path)
            self._http.call("GET", f"{self._path}{sign}{_encoded(form, room)}", headers=self._headers)
            return
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
        body = _encoded(form, _POST_BYTES).encode("ascii")
        self._http.call("POST", self._path, body=body, headers=headers)


def _form(entry: Entry) -> dict[str, str]:
    """Return the parameters: the handler's own, and below names of ours what it can't know."""
    members = entry.members()
    prepared = members.get("prepared")
    form = prepared.get("form") if isinstance(prepared, dict) else None
    if not isinstance(form, dict):
        form = {"message": members.get("message", ""), "levelname": members.get("level", "")}
    return {
        **{str(name): str(value) for name, value in form.items()},
        "tocsin_error_id": str(members.get("error_id", "")),
        "tocsin_fingerprint": entry.fingerprint,
        "tocsin_occurrences": str(entry.occurrences),
        "tocsin_origin": json.dumps(members.get("origin"), separators=(",", ":")),
    }


def _encoded(form: Mapping[str, str], room_bytes: int) -> str:
    """Return the form percent-encoded; the longest values are cut until all fits, and end in an ellipsis."""
    values = {name: strict(value) for name, value in form.items()}
    encoded = urlencode(values)
    while len(encoded) > room_bytes:
        longest = max(values, key=lambda name: len(values[name]))
        if len(values[longest]) <= _LEAST_CHARS:
            return encoded
        values[longest] = values[longest][: len(values[longest]) // 2].removesuffix(_CUT) + _CUT
        encoded = urlencode(values)
    return encoded
