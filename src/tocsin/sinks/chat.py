"""Notices go in; each leaves as a short message to whatever apprise reaches. Needs the extra ``chat``."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, ClassVar, Final
from urllib.parse import unquote

from tocsin.complaints import own_work
from tocsin.config.setting import Setting, texts
from tocsin.event.errors import ConfigError
from tocsin.event.limits import SAID_CHARS
from tocsin.event.notice import Notice, Reason
from tocsin.render import harmless
from tocsin.render.chat import chat_lines, inert
from tocsin.render.subject import subject
from tocsin.sinks.base import Accepted, Outcome, SinkContext, Unavailable
from tocsin.sinks.endpoint import TIMEOUT
from tocsin.sinks.network import STEPS
from tocsin.sinks.telling import TELLING, policy_of

__all__ = ["ChatSink"]

_SECRET_CHARS: Final = 4
_LEVEL: Final = re.compile(r"\A[A-Z]+ - ")  # apprise's log has it between time and words
_MOODS: Final[Mapping[Reason, str]] = {"quiet": "success", "over": "success", "check": "info", "digest": "info"}


def _addresses(value: Any) -> tuple[str, ...]:
    """Parse a list of URLs; one text is split at blanks and line ends, since such a URL may hold commas."""
    return texts(value.split() if isinstance(value, str) else value)


class _Sending:
    """Be one message on its way to one address; ``why`` is what went wrong once it is done."""

    def __init__(self, notice_id: str) -> None:
        self.notice_id = notice_id
        self.why = ""
        self.done = threading.Event()


class ChatSink:
    """Send each notice as a few lines to chats, by apprise: Slack, Teams, Matrix, Telegram, ntfy and a hundred more.

    Each address is told by itself; one that fails is tried again without telling the others twice.
    """

    type: ClassVar[str] = "chat"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "urls",
            _addresses,
            (),
            "apprise URLs, such as slack://… or matrixs://…; they hold tokens, so they are never shown",
            type_name="list",
            is_required=True,
            is_secret=True,
        ),
        TIMEOUT,
        *TELLING,
    )
    idempotency: ClassVar[str] = "chats have none: a crash between sending and its note can repeat one message."
    is_local: ClassVar[bool] = False
    needs: ClassVar[str] = "apprise>=1.9"

    def __init__(
        self, urls: tuple[str, ...], timeout_s: float, context: SinkContext, policy: Mapping[str, Any]
    ) -> None:
        self.policy: Mapping[str, Any] = policy
        self._urls = urls
        self._timeout_s = timeout_s
        self._context = context
        self._sendings: dict[str, _Sending] = {}  # by address: what has not come back
        self._told: tuple[str, frozenset[str]] = ("", frozenset())  # a notice's id and who has it

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> ChatSink:
        """Build it from validated options. Raises ConfigError without apprise; its URLs are read with the first notice.

        Apprise takes 0.14 s to import, which no start of an application should pay for.
        """
        from importlib.util import find_spec

        if find_spec("apprise") is None:
            raise ConfigError("type 'chat' needs apprise: pip install 'apprise>=1.9'")
        faults = [
            f"urls: the {position}. is no URL such as slack://…"
            for position, url in enumerate(options["urls"], 1)
            if "://" not in url
        ]
        if not options["urls"]:
            faults.append("urls must name at least one address")
        if faults:
            raise ConfigError(faults)
        return cls(options["urls"], options["timeout"], context, policy_of(options))

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``chat+slack://…`` into options: what follows ``chat+`` is apprise's own."""
        own = url.partition("+")[2]
        if "://" not in own:
            raise ConfigError("it must look like chat+slack://… with an apprise URL behind the +")
        return {"urls": [own]}

    @property
    def identity(self) -> str:
        """Return ``chat:slack,ntfys/3f2a9c``: the services, and a digest of the addresses."""
        services = ",".join(sorted({url.partition("://")[0].lower() for url in self._urls}))
        digest = blake2b("\0".join(sorted(self._urls)).encode(), digest_size=6).hexdigest()
        return f"chat:{services}/{digest}"

    def notify(self, notice: Notice) -> Outcome:
        """Tell every address that has not got this notice yet."""
        told = self._told[1] if self._told[0] == notice.id else frozenset()
        failed: list[str] = []
        for url in self._urls:
            if url in told:
                continue
            why = self._sent(url, notice)
            if why:
                failed.append(f"{_service(url)}: {why}")
            else:
                told |= {url}
        self._told = (notice.id, told)
        if not failed:
            return Accepted(f"{len(self._urls)} told by {', '.join(sorted({_service(url) for url in self._urls}))}")
        return Unavailable("; ".join(failed), "check the URL's token and the service; apprise's pages tell each form")

    def close(self) -> None:
        """Do nothing: apprise keeps no connection."""

    def _sent(self, url: str, notice: Notice) -> str:
        """Send in a thread that is waited for within bounds: what apprise calls has no deadline for the whole."""
        sending = self._sendings.pop(url, None)
        if sending is None or sending.notice_id != notice.id:
            if sending is not None and not sending.done.is_set():
                self._sendings[url] = sending
                return "it has still not answered what was sent before"
            sending = _Sending(notice.id)
            threading.Thread(target=self._run, args=(sending, url, notice), daemon=True).start()
        if not sending.done.wait(self._timeout_s * STEPS):
            self._sendings[url] = sending
            return "it did not answer in time"
        return sending.why

    def _run(self, sending: _Sending, url: str, notice: Notice) -> None:
        with own_work():
            try:
                sending.why = self._send(url, notice)
            except Exception as fault:  # noqa: BLE001 - a hundred services' plugins, each with its own way to fail
                sending.why = harmless.line(f"{type(fault).__name__}: {self._said(str(fault), url)}", SAID_CHARS)
            sending.done.set()

    def _send(self, url: str, notice: Notice) -> str:
        """Send to one address; return what went wrong in words, "" when it was taken."""
        import apprise

        asset = apprise.AppriseAsset(app_id="tocsin", app_desc="tocsin", async_mode=False)
        with apprise.LogCapture(level=apprise.logging.INFO) as log:  # type: ignore[no-untyped-call]
            made = apprise.Apprise.instantiate(self._timed(url), asset=asset)
            if made is None:
                return "apprise does not take this URL"
            is_taken = made.notify(
                body=chat_lines(notice) or "tocsin",
                title=inert(subject(notice)),
                notify_type=_MOODS.get(notice.reason, "failure"),
                body_format="text",
            )
            if is_taken:
                return ""
            lines = [line for line in log.getvalue().splitlines() if "WARNING" in line or "ERROR" in line]
            said = _LEVEL.sub("", lines[-1].partition(" - ")[2]) if lines else "not taken"
            return self._said(said, url)

    def _timed(self, url: str) -> str:
        """Return the URL with apprise's own parameters for the time a step may take, unless it has them."""
        if "cto=" in url or "rto=" in url:
            return url
        joint = "&" if "?" in url else "?"
        return f"{url}{joint}cto={self._timeout_s:g}&rto={self._timeout_s:g}"

    def _said(self, text: str, url: str) -> str:
        """Return foreign words in a harmless line; parts of the address, which is a secret, are masked."""
        return harmless.line(self._context.mask(harmless.without(_secrets(url), text)), SAID_CHARS)


def _secrets(url: str) -> set[str]:
    """Return what may be a token: all but the scheme and hosts with a dot, as written and decoded.

    Some services have theirs where others have the host, as in ``tgram://token/room``.
    """
    _, _, rest = url.partition("://")
    parts = {part for part in re.split(r"[/?#&@:,=]", rest) if len(part) >= _SECRET_CHARS}
    hosts = {part for part in re.split(r"[@:]", rest.partition("/")[0]) if "." in part}
    found = parts - hosts
    return found | {unquote(part) for part in found}


def _service(url: str) -> str:
    return url.partition("://")[0].lower()
