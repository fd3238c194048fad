"""LeadUpHandler: records of any level go in; they are remembered for what may yet be reported of their request."""

from __future__ import annotations

import logging

from tocsin.handlers.unlocked import Unlocked
from tocsin.reporter import current

__all__ = ["LeadUpHandler"]


class LeadUpHandler(Unlocked):
    """Keep the last records of each request and task (the setting ``lead_up``), to go with what is reported of it.

    `setup` attaches one beside its own handler, or beside a LogHandler that is attached already. A logging
    configuration that names its handlers itself names this one too, *after* `LogHandler`, so that a record does not
    lead up to itself. It sees what the loggers let pass: their levels stay as they are.
    """

    def __init__(self, level: int | str = logging.NOTSET) -> None:
        super().__init__(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Remember the record."""
        reporter = current()
        if reporter is not None:
            reporter.intake.noted(record)
