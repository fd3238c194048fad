"""A stand-in for the intake: what integrations report goes in; a list, and lines of a file if one is named, leave."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

__all__ = ["RecordingIntake"]


class RecordingIntake:
    """Behave towards integrations as `tocsin.intake.Intake` does, and write down what it was told.

    ``events`` holds one dict each: ``what`` is exception, answer or announce. With a ``file`` every event is
    also appended to it as one line of JSON, from whatever process, in one write.
    """

    def __init__(self, file: str = "", *, mode: str = "production", debugger: bool = False) -> None:
        self.settings = SimpleNamespace(mode=mode, debugger=debugger)
        self.watched_statuses = frozenset({"400", "500"})
        self.is_asleep = True
        self.deaths = None
        self.wakes = 0
        self.unreported: tuple[type[BaseException], ...] = (ConnectionError,)
        self.events: list[dict[str, Any]] = []
        self._file = file
        self._outside: dict[str, Any] = {}
        self._captured = 0

    def wake(self) -> None:
        self.is_asleep = False
        self.wakes += 1

    def exception(
        self, exc: BaseException, *, via: str, environ: dict[str, Any] | None, kind: str = "traceback"
    ) -> str | None:
        if environ is None:  # outside of any request
            environ = self._outside
        if isinstance(exc, self.unreported) or type(exc).__name__ == "SecurityError":
            self.note("counted", environ, type=type(exc).__name__)
            return None
        mark = getattr(exc, "recorded", None)
        if mark is not None and mark[0] is environ and via not in mark[2]:
            mark[2].add(via)
            return mark[1]
        error_id = self._new_id(environ)
        exc.recorded = (environ, error_id, {via})
        self.note("exception", environ, type=type(exc).__name__, via=via, kind=kind, id=error_id, **_route(environ))
        return error_id

    def answer(self, status: str, environ: dict[str, Any]) -> str | None:
        if "tocsin.error_id" in environ or "tocsin.counted" in environ:
            return environ.get("tocsin.error_id")
        if status[:3] not in self.watched_statuses:
            return None
        error_id = self._new_id(environ)
        self.note("answer", environ, status=status, id=error_id, **_route(environ))
        return error_id

    def announce(self, error_id: str, environ: dict[str, Any], *, is_shown: bool = False) -> None:
        self.note("announce", environ, id=error_id, is_shown=is_shown)

    def message(self, text: str, *, kind: str, level: int, template: str, logger: str) -> str | None:
        self.note("message", {}, text=text, kind=kind)
        return None

    def page(self, environ: dict[str, Any], error_id: str | None) -> tuple[str, list[tuple[str, str]], bytes]:
        body = b"Something broke. Error id: %s\n" % (error_id or "").encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        return "500 Internal Server Error", headers, body

    def note(self, what: str, environ: dict[str, Any], **more: Any) -> None:
        """Write one event down; ``test`` tells requests to a server apart."""
        event = {"what": what, "test": environ.get("HTTP_X_TEST", ""), **more}
        self.events.append(event)
        if self._file:
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, json.dumps(event).encode() + b"\n")
            finally:
                os.close(descriptor)

    def told(self, what: str, key: str = "type") -> list[Any]:
        """Return one value of every event of a sort, in order."""
        return [event.get(key) for event in self.events if event["what"] == what]

    def _new_id(self, environ: dict[str, Any]) -> str:
        self._captured += 1
        return environ.setdefault("tocsin.error_id", f"7K3QDM-{self._captured:04d}")


def _route(environ: dict[str, Any]) -> dict[str, Any]:
    return {name: environ[f"tocsin.{name}"] for name in ("route", "endpoint") if f"tocsin.{name}" in environ}
