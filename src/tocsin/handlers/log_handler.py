"""LogHandler: records go in, through the process's Reporter; nothing is formatted, nothing blocks."""

from __future__ import annotations

import logging
import sys
import time
from typing import Final

from tocsin.complaints import complain
from tocsin.handlers.unlocked import Unlocked
from tocsin.reporter import Reporter, current, ensure

__all__ = ["LogHandler"]

_RETRY_S: Final = 60.0


class LogHandler(Unlocked):
    """Report records of its level or above (WARNING by default).

    Binds to the process's Reporter at its first record, and makes one by the environment's configuration if there
    is none. The error id is left on the record as ``record.error_id``, for handlers that come after it. `close`
    never closes the Reporter: a later `dictConfig` closes every handler there is.
    """

    def __init__(self, level: int | str = logging.WARNING) -> None:
        super().__init__(level)
        self._reporter: Reporter | None = None
        self._console: logging.Handler | None = None
        self._failed_at = -_RETRY_S

    def emit(self, record: logging.LogRecord) -> None:
        """Report the record; in debug mode show it on stderr."""
        reporter = self._bound()
        if reporter is None:
            return
        if reporter.settings.mode == "debug":
            self._show(record)
            return
        error_id = reporter.intake.record(record)
        if error_id is not None:
            record.error_id = error_id

    def _bound(self) -> Reporter | None:
        present = current()
        if present is not None:
            return present
        if self._reporter is None or self._reporter.is_closed:
            if time.monotonic() - self._failed_at < _RETRY_S:
                return None
            try:
                self._reporter = ensure()
            except Exception as fault:  # noqa: BLE001 - a log call must not fail because there is no configuration
                self._failed_at = time.monotonic()
                complain("setup", f"LogHandler reports nothing: {fault}")
                return None
        return self._reporter

    def _show(self, record: logging.LogRecord) -> None:
        if self._console is None:
            self._console = logging.StreamHandler(sys.stderr)
            self._console.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._console.handle(record)
