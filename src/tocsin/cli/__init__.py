"""The operator's commands: arguments go in; answers on stdout, complaints on stderr and an exit code leave."""

from __future__ import annotations

from tocsin.cli.program import main

__all__ = ["main"]
