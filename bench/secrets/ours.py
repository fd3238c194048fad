"""tocsin as a stage: acts go in; the lines of its spool and the pages it answered with leave, by the act's number."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from acts import LOGGER, bring_about
from places import Act

import tocsin
from tocsin.event import limits

__all__ = ["Ours", "lines_of"]

_FLUSH_S = 120.0
_ACT = "bench_act"
_HEADERS = (
    "X-Note", "Cookie", "Set-Cookie", "Authorization", "Proxy-Authorization", "Api-Key", "X-Api-Key", "ApiKey",
    "Stripe-Key", "Access-Key", "Password", "User-Password", "NewPassword", "Password1", "Passwd", "Db-Pw", "Pwd",
    "Passphrase", "Db-Pass", "Sessionid", "Phpsessid", "Connect-Sid", "Session", "Session-Id", "Client-Secret",
    "Secret-Key", "Refresh-Token", "Webhook-Secret", "Signing-Key", "Csrfmiddlewaretoken", "-Csrf", "X-Csrftoken",
    "Xsrf", "Csrf-Token", "Password-Hash", "Auth-Hash",
)  # fmt: skip


class Ours:
    """Report by tocsin. ``pages`` are the answers, by act."""

    def __init__(self, folder: Path, *, masking: bool) -> None:
        self.folder = folder
        self.pages: dict[int, bytes] = {}
        self._number = -1
        vars(limits).update(BURST=10**9, CAPTURES_PER_MINUTE=10**9)  # each occurrence in full
        self._reporter = tocsin.setup(
            application="shop",
            spool=str(folder / "spool"),
            masking=masking,
            locals=True,
            lead_up=20,
            request_headers=[name for name in _HEADERS if name.strip("-") == name],
            sinks=[{"type": "file", "path": str(folder / "events.jsonl"), "max_mb": 10_000}],
            delivery="thread",
            spool_max_mb=10_000,
        )
        logging.getLogger(LOGGER).setLevel(logging.DEBUG)
        logging.getLogger().addHandler(logging.NullHandler())  # else what was reported is said on stderr as well

    def bring_about(self, acts: Iterable[Act[Any]]) -> None:
        """Let acts happen, one after the other."""
        for act in acts:
            self._number = act.number
            bring_about(act, self)

    def request(self, environ: dict[str, Any], view: Callable[[], None]) -> None:
        """Serve one request; a view that returns answers with an empty page."""

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            with self.around({}, {}):
                view()
            start_response("204 No Content", [])
            return []

        answered: list[Any] = []
        body = self._reporter.wsgi(app)(environ, lambda *arguments: answered.append(arguments) or bytes)
        page = b"".join(body)
        getattr(body, "close", lambda: None)()
        self.pages[self._number] = repr(answered).encode() + page

    def report(self, message: str, fields: dict[str, Any]) -> None:
        """Report by hand."""
        self._reporter.report(message=message, **fields)

    def around(self, fields: dict[str, Any], tags: dict[str, Any]) -> AbstractContextManager[object]:
        """Enter tocsin's context, with the act's number among the tags."""
        return tocsin.context(tags={**tags, _ACT: self._number}, **fields)

    def task(self, name: str) -> AbstractContextManager[object]:
        """Watch a task, and swallow what it raises once it is reported."""
        return _Swallowed(self._reporter.watch(name, tags={_ACT: self._number}))

    def close(self) -> None:
        """Deliver everything into the file."""
        self._reporter.close(_FLUSH_S)


class _Swallowed(suppress):
    def __init__(self, inner: AbstractContextManager[object]) -> None:
        super().__init__(Exception)
        self._inner = inner

    def __enter__(self) -> None:
        self._inner.__enter__()

    def __exit__(self, *raised: Any) -> bool:
        self._inner.__exit__(*raised)
        return True


def lines_of(folder: Path) -> dict[int, list[bytes]]:
    """Return the lines of the file sink by the number of their act."""
    found: dict[int, list[bytes]] = {}
    for line in (folder / "events.jsonl").read_bytes().splitlines():
        tags = json.loads(line).get("tags") or {}
        found.setdefault(int(tags.get(_ACT, -1)), []).append(line)
    return found
