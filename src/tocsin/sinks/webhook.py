"""Notices go in; each leaves as one JSON request, signed as Standard Webhooks says: libraries can verify it."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlsplit

from tocsin.config.setting import Setting, text
from tocsin.event import limits
from tocsin.event.errors import ConfigError
from tocsin.event.masking.sensitive import SensitiveKeys
from tocsin.event.notice import Notice
from tocsin.render.notice_json import notice_members
from tocsin.sinks.base import Accepted, Failed, Outcome, SinkContext
from tocsin.sinks.endpoint import exact_http_url, http_headers
from tocsin.sinks.http import HTTP_SETTINGS, Http, Reply, encode_json, require_urllib3
from tocsin.sinks.telling import TELLING, policy_of
from tocsin.sinks.url import parameters

__all__ = ["WebhookSink", "signature"]

_SECRET_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 16  # fewer can be guessed
_STEP: Final = "sending a notice"
_LEAST_CHARS: Final = 4  # a shorter path is no secret, and would be masked within every word
_TOKEN_CHARS: Final = 8


class WebhookSink:
    """Send each notice as JSON to a URL, signed with a shared secret.

    The signature covers id, time and body (Standard Webhooks 1.0), so a receiver can drop what is forged, repeated or
    old. The URL may be a secret itself, as those of chats are, and is shown by its host only.
    """

    type: ClassVar[str] = "webhook"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "url", exact_http_url, "", "where requests go; shown by its host only", is_required=True, is_secret=True
        ),
        Setting(
            "secret",
            text,
            "",
            "the shared secret that requests are signed with: a text of 16 bytes or more, or whsec_ and base64; "
            "left out: they are not signed",
            is_secret=True,
        ),
        Setting(
            "headers",
            http_headers,
            {},
            "headers to send along, such as Authorization",
            type_name="table",
            is_secret=True,
        ),
        *TELLING,
        *HTTP_SETTINGS,
    )
    idempotency: ClassVar[str] = "`webhook-id` is the notice's id: the same when one is sent again after a crash."
    is_local: ClassVar[bool] = False
    needs: ClassVar[str] = "urllib3>=2.2"

    def __init__(
        self, url: str, secret: bytes, headers: Mapping[str, str], http: Http, policy: Mapping[str, Any]
    ) -> None:
        self.policy: Mapping[str, Any] = policy
        self._url = url
        self._secret = secret
        self._headers = headers
        self._http = http

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> WebhookSink:
        """Build it from validated options. Raises ConfigError."""
        require_urllib3(cls.type)
        secret = _key(options["secret"])
        sensitive = SensitiveKeys()
        sent = {f"headers: {name}": value for name, value in options["headers"].items() if sensitive.covers(name)}
        values = [value for value in options["headers"].values() if len(value) >= _LEAST_CHARS]
        masked = (options["secret"], *_tokens(options["url"]), *values)
        http = Http(options["url"], options, context, secrets=sent, masked=masked)
        return cls(options["url"], secret, options["headers"], http, policy_of(options))

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``webhook+https://host/path`` into options; the query stays the receiver's. Raises ConfigError."""
        scheme, _, rest = url.partition("://")
        if not rest:
            raise ConfigError("it must look like webhook+https://hooks.example.org/errors")
        base, _, fragment = rest.partition("#")
        return {"url": f"{scheme.partition('+')[2] or 'https'}://{base}", **parameters(fragment)}

    @property
    def identity(self) -> str:
        """Return ``webhook:hooks.example.org/3f2a9c``: the host, and a digest for the rest."""
        return f"webhook:{self._http.where}/{blake2b(self._url.encode(), digest_size=6).hexdigest()}"

    def notify(self, notice: Notice) -> Outcome:
        """Send one request. A notice that is too long, for it or for the receiver, goes without its events."""
        members = notice_members(notice)
        bare = {**members, "issues": [{**each, "event": None} for each in members["issues"]]}
        body = encode_json(members)
        if len(body) > limits.WEBHOOK_BYTES:
            body = encode_json(bare)
        try:
            reply = self._post(notice, body)
            if reply.status == 413:
                reply = self._post(notice, encode_json(bare))
        except Failed as fault:
            return fault.outcome
        if reply.status == 413:
            return self._http.judged(reply, _STEP)
        return Accepted(f"answered {reply.status}" + (", signed" if self._secret else ", not signed: no secret is set"))

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _post(self, notice: Notice, body: bytes) -> Reply:
        """Send one request; return a reply of 2xx or 413. Raises Failed."""
        headers = {"Content-Type": "application/json", **self._headers, **self._signed(notice, body)}
        return self._http.call("POST", body=body, headers=headers, step=_STEP, allow=(413,))

    def _signed(self, notice: Notice, body: bytes) -> dict[str, str]:
        # The time of sending: a receiver refuses old ones, and a notice may have waited for an hour.
        at = int(datetime.now(notice.at.tzinfo).timestamp())
        headers = {"webhook-id": f"msg_{notice.id}", "webhook-timestamp": str(at)}
        if self._secret:
            headers["webhook-signature"] = signature(self._secret, headers["webhook-id"], at, body)
        return headers


def signature(key: bytes, message_id: str, at_s: int, body: bytes) -> str:
    """Return ``v1,`` and base64 of HMAC-SHA256 over ``id.timestamp.body`` (Standard Webhooks 1.0, symmetric)."""
    digest = hmac.digest(key, f"{message_id}.{at_s}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    if not secret:
        return b""
    key = secret.encode()
    if secret.startswith(_SECRET_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
        except binascii.Error:
            raise ConfigError("secret begins with whsec_ but what follows is no base64") from None
    if len(key) < _SECRET_BYTES:
        raise ConfigError(f"secret must be of {_SECRET_BYTES} bytes or more; make one with: openssl rand -hex 32")
    return key


def _tokens(url: str) -> list[str]:
    """Return what may be secret of a URL: its path and query, as chats put a token there, and the parts of both."""
    parts = urlsplit(url)
    whole = parts.path.strip("/") + (f"?{parts.query}" if parts.query else "")
    words = {*parts.path.split("/"), *(part.rpartition("=")[2] for part in parts.query.split("&"))}
    found = {whole, quote(whole, safe=""), *(word for word in words if len(word) >= _TOKEN_CHARS)}
    return [each for each in found if len(each) >= _LEAST_CHARS]
