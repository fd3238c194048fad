"""What the terminal shows: requests and mails go in as they come, readable lines leave."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter

from mailserver import Mail
from stage import Request

__all__ = ["Screen"]

_COLUMNS = 110
_COLOURS = {"grey": "2", "red": "31", "yellow": "33", "green": "32", "blue": "36", "bold": "1"}


class Screen:
    """Print lines, one whole block at a time. Thread-safe.

    A fault that goes on is shown once and then only counted, as tocsin does it.
    """

    def __init__(self, *, mail_lines: int) -> None:
        self._lock = threading.RLock()
        self._mail_lines = mail_lines
        self._is_coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._answered: Counter[tuple[str, str]] = Counter()
        self._told: Counter[str] = Counter()

    # -- words ---------------------------------------------------------------------------------------------

    def say(self, text: str, colour: str = "") -> None:
        """Print a line or block."""
        with self._lock:
            print(self._painted(text, colour), flush=True)

    def title(self, text: str) -> None:
        """Print the heading of what comes next."""
        self.say(f"\n── {text} " + "─" * max(0, _COLUMNS - len(text) - 4), "bold")

    def verdict(self, is_right: bool, text: str) -> None:
        """Print one check."""
        self.say(f"  {'✓' if is_right else '✗'} {text}", "green" if is_right else "red")

    # -- what happens --------------------------------------------------------------------------------------

    def request(self, request: Request) -> None:
        """Show a request that was answered; of what visitors repeat, not every one."""
        who = request.request_id.rpartition("-")[0] or "you"
        prefix = request.error_id.partition("-")[0]
        with self._lock:
            key = (f"{request.method} {request.path}", prefix)
            self._answered[key] += 1
            number = self._answered[key]
            if number > 3 and number not in (10, 30, 100, 300, 1000) and who != "you":
                return
            line = f"  {who:<8} {request.method:<4} {request.path:<26} → {request.status}"
            if prefix:
                line += f"  error id {request.error_id}"
            if number > 1:
                line += f"  no. {number}" + ("; told already, so no mail" if prefix in self._told else "")
            self.say(line, _colour_of(request.status))

    def mail(self, mail: Mail) -> None:
        """Show a mail as text, in a frame; a long one is shortened in its middle."""
        lines = [*_headers(mail), "", *mail.text.rstrip().splitlines()]
        with self._lock:
            self._told.update(_prefixes(mail))
            out = [f"\n  ┌── mail {mail.number} " + "─" * (_COLUMNS - 14)]
            out += [f"  │ {line}".rstrip() for line in _shortened(lines, mail.number, self._mail_lines)]
            out.append("  └" + "─" * (_COLUMNS - 3) + "\n")
            self.say("\n".join(out), "blue")

    def held_back(self) -> None:
        """Show how often each fault was answered with, and that this was no mail each time."""
        with self._lock:
            totals: Counter[str] = Counter()
            for (_, prefix), number in self._answered.items():
                totals[prefix] += number
            for prefix, number in totals.most_common():
                if number > 1 and (mails := self._told[prefix]):
                    words = "one mail" if mails == 1 else f"{mails} mails"
                    self.say(f"  {prefix}: met {number} times, told by {words}", "grey")

    def _painted(self, text: str, colour: str) -> str:
        return f"\033[{_COLOURS[colour]}m{text}\033[0m" if colour and self._is_coloured else text


def _headers(mail: Mail) -> list[str]:
    return [f"{name}: {mail.message[name]}" for name in ("From", "To", "Subject")]


def _prefixes(mail: Mail) -> set[str]:
    ids = str(mail.message["X-Error-Id"] or "")
    return {part.strip().partition("-")[0] for part in ids.split(",") if part.strip()}


def _shortened(lines: list[str], number: int, limit: int) -> list[str]:
    cut = [line if len(line) <= _COLUMNS - 4 else line[: _COLUMNS - 5] + "…" for line in lines]
    if len(cut) <= limit:
        return cut
    tail = limit // 4
    head = limit - tail
    omitted = len(cut) - head - tail
    return [*cut[:head], f"   ⋮  {omitted} more lines: mails/{number:02}.eml", *cut[-tail:]]


def _colour_of(status: int) -> str:
    return "red" if status >= 500 else "yellow" if status >= 400 else "grey"
