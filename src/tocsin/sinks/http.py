"""A request goes in; an HTTP server's reply leaves, or `Failed` with the outcome in words. Needs the extra ``http``.

Every step has a deadline and so has the whole: urllib3's own timeouts begin anew with every byte that drips in. Nothing
is retried here and no redirect is followed: retries are part of the persisted state, and a secret goes nowhere else.
"""

from __future__ import annotations

import base64
import errno
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tocsin.complaints import own_work
from tocsin.config.setting import Setting
from tocsin.event import limits
from tocsin.event.errors import ConfigError, DeliveryError
from tocsin.event.limits import SAID_CHARS
from tocsin.render import harmless
from tocsin.sinks.base import Failed, Refused, SinkContext, Unavailable
from tocsin.sinks.bounded import bounded_pools
from tocsin.sinks.endpoint import TIMEOUT, TLS_FILES, clear_secret_faults, tls_file_faults
from tocsin.sinks.hush import hush
from tocsin.sinks.network import STEPS, Deadline, explain, is_patched_by_gevent, tls_context
from tocsin.sinks.proxy import Proxy, proxy_for, proxy_setting
from tocsin.sinks.url import bracketed

if TYPE_CHECKING:
    import urllib3

__all__ = ["HTTP_SETTINGS", "Http", "Reply", "basic_authorization", "encode_json", "require_urllib3"]

_CHUNK_BYTES: Final = 65_536
_NO_HTTP: Final = {
    "BadStatusLine",
    "DecodeError",
    "HTTPException",
    "InvalidChunkLength",
    "InvalidHeader",
    "LineTooLong",
    "UnknownProtocol",
}

HTTP_SETTINGS: Final = (
    *TLS_FILES,
    Setting(
        "proxy", proxy_setting, "", "the proxy to go through; left out: what HTTPS_PROXY, HTTP_PROXY, NO_PROXY say"
    ),
    TIMEOUT,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """Hold a reply of a status from 200 to 299. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON. Raises Failed (Unavailable) when it is none: something else answered."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            said = harmless.line(self.body[:SAID_CHARS].decode("utf-8", "replace"), 80)
            raise Failed(Unavailable(f"the answer is no JSON: {said!r}", "check the url; is it the API's?")) from None


def encode_json(value: Any) -> bytes:
    """Return strict JSON in ASCII: NaN and infinities become null, lone surrogates U+FFFD, whatever ``value`` holds."""
    return json.dumps(_strict(value), ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def _strict(value: Any) -> Any:
    if isinstance(value, str):
        return harmless.encodable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_strict(str(name)): _strict(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(each) for each in value]
    return value


def basic_authorization(user: str, password: str) -> str:
    """Return the value of ``Authorization`` for a user and a password (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def require_urllib3(kind: str) -> None:
    """Raise ConfigError where urllib3 isn't there, so that it is told at start and not with the first error."""
    from importlib.util import find_spec

    if find_spec("urllib3") is None:
        raise ConfigError(f"type {kind!r} needs urllib3: pip install 'urllib3>=2.2'")


class Http:
    """Talk to one server, whose ``base`` begins every URL. The connection is kept until `close`.

    ``secrets`` are replaced in all that is told of failures. Not thread-safe.
    """

    def __init__(
        self,
        base: str,
        options: Mapping[str, Any],
        context: SinkContext,
        *,
        secrets: Mapping[str, str] | None = None,
        masked: Sequence[str] = (),
    ) -> None:
        """Take the checked values of HTTP_SETTINGS from ``options``; ``secrets`` is setting → value.

        ``masked`` are replaced in all that is told like secrets, but may travel in clear. Opens nothing. Raises
        ConfigError for files that aren't there and secrets that would travel in clear.
        """
        self.base: Final = base
        parts = urlsplit(base)
        host = bracketed(str(parts.hostname))
        self.where: Final = f"{host}:{parts.port}" if parts.port else host
        self._options = options
        self._agent = f"tocsin ({context.application.encode('ascii', 'replace').decode()})"
        self._mask = context.mask
        self._secrets = [value for value in (*(secrets or {}).values(), *masked) if value]
        self._proxy: Proxy | None = None
        self._pool: urllib3.PoolManager | None = None
        self._owner = 0
        self._deadline = Deadline(options["timeout"], options["timeout"] * STEPS)
        faults = tls_file_faults(options, is_tls=parts.scheme.lower() == "https", needs="https")
        faults += clear_secret_faults(base, secrets or {})
        if faults:
            raise ConfigError(faults)

    def call(
        self,
        method: str,
        path: str = "",
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        step: str = "delivering",
        allow: tuple[int, ...] = (),
    ) -> Reply:
        """Send one request to ``base + path``; return a reply of 2xx or of a status in ``allow``.

        ``step`` is what is being done, for the words of a failure. Raises Failed.
        """
        import urllib3

        self._deadline = Deadline(self._options["timeout"], self._options["timeout"] * STEPS)
        try:
            with own_work():
                reply = self._exchanged(method, path, body, headers or {})
        except Failed:
            self.close()
            raise
        except (OSError, DeliveryError) as fault:
            self.close()
            raise Failed(self._explained(fault, step)) from None
        except urllib3.exceptions.HTTPError as fault:
            self.close()
            raise Failed(self._explained(_cause(fault), step)) from None
        except ValueError as fault:  # http.client refuses a header or URL that would break the request
            self.close()
            raise Failed(Unavailable(f"{self.where} can't be asked: {self.said(str(fault))}", "check url")) from None
        if 200 <= reply.status < 300 or reply.status in allow:
            return reply
        raise Failed(self.judged(reply, step))

    def send(self, method: str, path: str, value: Any, *, step: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Send ``value`` as strict JSON (`encode_json`) and `call`."""
        headers = {"Content-Type": "application/json", **(headers or {})}
        return self.call(method, path, body=encode_json(value), headers=headers, step=step)

    def judged(self, reply: Reply, step: str) -> Unavailable | Refused:
        """Return what a reply of another status than 2xx means: what `call` would have raised."""
        status, where = reply.status, self.where
        said = self.said(reply.body[: 4 * SAID_CHARS].decode("utf-8", "replace"))
        told = f"{where} answered {status} while {step}" + (f": {said}" if said else "")
        if status == 407:
            return Unavailable(told, "check the proxy's credentials: user and password in HTTP_PROXY")
        if status == 401:
            return Unavailable(told, "check the credentials")
        if status == 403:
            return Unavailable(told, "give the account or token the right to do that", _retry_after_s(reply))
        if status in (404, 405, 410):
            return Unavailable(told, "check the url and what it names")
        if 300 <= status < 400:
            target = self.said(reply.headers.get("location", "elsewhere"))
            return Unavailable(f"{where} sends on to {target} while {step}", "set url to where it is now")
        if status in (408, 425, 429) or not 400 <= status < 500:  # 101, say: what answers is no such server
            return Unavailable(told, "see the server's log", _retry_after_s(reply))
        if status == 400 and "html" in reply.headers.get("content-type", "").lower():
            # A proxy's page, such as for TLS spoken to a plain port: nothing is wrong with what was sent.
            return Unavailable(told, "check the url: a web page answered")
        return Refused(told)

    def close(self) -> None:
        """Close the connection. May be called twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.clear()

    # -- one exchange --------------------------------------------------------------------------------------

    def _exchanged(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        import urllib3

        timeout_s = self._options["timeout"]
        if self._pool is None or self._owner != os.getpid():  # a fork must not speak on its parent's connection
            self.close()
            self._pool, self._owner = self._new_pool(), os.getpid()
        response = self._pool.request(
            method,
            self.base + path,
            body=body,
            headers={"User-Agent": self._agent, "Accept-Encoding": "gzip", **headers},
            redirect=False,
            retries=False,
            timeout=urllib3.Timeout(connect=timeout_s, read=timeout_s),
            preload_content=False,
        )
        try:
            self._deadline.begin()
            found = self._body(response)
        finally:
            response.release_conn()
            if is_patched_by_gevent():
                self.close()
        return Reply(response.status, {name.lower(): value for name, value in response.headers.items()}, found)

    def _body(self, response: Any) -> bytes:
        """Read the body within the deadline and ANSWER_BYTES, whatever it decompresses to."""
        found = bytearray()
        while chunk := response.read(_CHUNK_BYTES, decode_content=True):
            found += chunk
            if len(found) > limits.ANSWER_BYTES:
                response.close()
                raise _Unreadable(f"the answer is longer than {limits.ANSWER_BYTES:,} bytes")
        return bytes(found)

    def _new_pool(self) -> urllib3.PoolManager:
        import urllib3

        hush("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")
        options = self._options
        parts = urlsplit(self.base)
        keywords: dict[str, Any] = {"num_pools": 1, "maxsize": 1}
        if parts.scheme.lower() == "https":
            files = (options["ca_file"], options["cert_file"], options["key_file"])
            keywords["ssl_context"] = options.get("ssl_context") or tls_context(*files)
        proxy = self._proxy = proxy_for(parts.scheme.lower(), parts.netloc, options["proxy"])
        pool: urllib3.PoolManager
        if proxy is None:
            pool = urllib3.PoolManager(**keywords)
        else:
            pool = urllib3.ProxyManager(proxy.url, proxy_headers=proxy.headers, **keywords)
        pool.pool_classes_by_scheme = bounded_pools(lambda: self._deadline)
        return pool

    # -- what went wrong, in words -------------------------------------------------------------------------

    def _explained(self, fault: Exception, step: str) -> Unavailable:
        if isinstance(fault, _Unreadable):
            return Unavailable(f"{self.where} failed while {step}: {fault}", "check the url: is it the API's?")
        if self._proxy is None:
            return explain(fault, self.where, step)
        if "Tunnel connection failed" in str(fault):
            told = f"the proxy {self._proxy.where} gives no way to {self.where}: {self.said(str(fault))}"
            return Unavailable(told, "check the proxy, and its credentials: user and password in HTTPS_PROXY")
        return explain(fault, f"{self.where} (through the proxy {self._proxy.where})", step)

    def said(self, text: str) -> str:
        """Return foreign words in one harmless line, without a secret of ours that they may repeat."""
        secrets = (*self._secrets, *(self._proxy.secrets if self._proxy is not None else ()))
        return harmless.line(self._mask(harmless.without(secrets, text)).strip(), SAID_CHARS)


class _Unreadable(DeliveryError):
    """Say why an answer can't be read."""


def _cause(fault: Exception) -> Exception:
    """Return what urllib3 wrapped: its own messages hold object addresses, and TLS and DNS faults lose their type."""
    found: BaseException = fault
    names = {type(fault).__name__}
    for _ in range(8):
        inner = getattr(found, "reason", None)
        inner = inner if isinstance(inner, BaseException) else found.__cause__ or found.__context__
        if inner is None:
            break
        found = inner
        names.add(type(found).__name__)
    if names & {"ConnectTimeoutError", "ReadTimeoutError", "TimeoutError"}:
        return TimeoutError()
    if names & _NO_HTTP:
        return _Unreadable("the answer is no HTTP")
    if names & {"RemoteDisconnected", "IncompleteRead"}:
        return ConnectionResetError(errno.ECONNRESET, "hung up")
    return found if isinstance(found, Exception) else fault


def _retry_after_s(reply: Reply) -> float | None:
    """Return what Retry-After says: seconds or a date (RFC 9110 §10.2.3)."""
    value = reply.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
