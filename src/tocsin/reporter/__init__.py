"""tocsin in one process: Settings go in, a Reporter leaves; and which one is the process's own."""

from __future__ import annotations

from tocsin.reporter.own import current, ensure, establish, substitute
from tocsin.reporter.reporter import Reporter

__all__ = ["Reporter", "current", "ensure", "establish", "substitute"]
