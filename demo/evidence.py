"""What a run left behind: its folder goes in; the events by fault, and every byte that left or was written, leave."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from act import Played
from shop.oracle import Line, read
from stage import Stage

__all__ = ["Evidence"]

# What of gunicorn's log tocsin has written: its own lines with what hangs below them, and the first line of its
# announcements. The tracebacks below those, and the records of the shop's own loggers, are the shop's handlers' work.
_OURS = re.compile(rb"^tocsin: .*(?:\n(?!tocsin: |\d{4}-\d\d-\d\d ).*)*|^.* tocsin\.\w+: .*$", re.MULTILINE)


class Evidence:
    """Hold what was sent beside what arrived."""

    def __init__(self, stage: Stage, played: Played) -> None:
        self.stage = stage
        self.played = played
        self.lines: list[Line] = read(stage.side_file)
        self.events: list[dict[str, Any]] = _json_lines(stage.events)
        self.answer_of = {answer.request_id: answer for answer in played.answers}
        self.fault_of_request = {line.request_id: line.fault for line in self.lines}

    def fingerprints(self) -> dict[str, set[str]]:
        """Return the fingerprints of each fault, by the request ids in the events."""
        found: dict[str, set[str]] = defaultdict(set)
        for event in self.events:
            fault = self.fault_of_request.get(self.request_id(event))
            if fault is not None:
                found[fault].add(event["fingerprint"])
        return dict(found)

    def occurrences(self) -> Counter[str]:
        """Return how often each fingerprint was reported to have occurred."""
        counts: Counter[str] = Counter()
        for event in self.events:
            counts[event["fingerprint"]] += event["occurrences"]
        return counts

    def expected(self) -> dict[str, tuple[int, int]]:
        """Return how often each fault must be reported: at least, and at most.

        The two differ by what a killed worker had begun and never answered: the shop wrote the line, and the kill came
        before the report or after it.
        """
        most: Counter[str] = Counter(line.fault for line in self.lines)
        unanswered: Counter[str] = Counter(line.fault for line in self.unanswered())
        return {fault: (number - unanswered[fault], number) for fault, number in most.items()}

    def unanswered(self) -> list[Line]:
        """Return the lines of requests whose worker was killed before it had answered in full."""
        kill = self.played.kill
        if kill is None:
            return []
        return [line for line in self.lines if line.worker_id == kill.worker_id and self._is_open_at(line, kill.at_s)]

    @staticmethod
    def request_id(event: dict[str, Any]) -> str:
        """Return which request an event came from, by the header that visitors send."""
        headers = (event.get("request") or {}).get("headers") or {}
        return str(headers.get("X-Request-Id", ""))

    def bytes_of_tocsin(self) -> Iterator[tuple[str, bytes]]:
        """Yield (place, bytes) of everything that tocsin sent or wrote."""
        for mail in self.stage.mailbox.mails:
            yield f"mail {mail.number}, as it came", mail.raw
            for part in mail.decoded():
                yield f"mail {mail.number}, decoded", part
        for path in sorted(self.stage.folder.glob("events.jsonl*")):
            yield path.name, path.read_bytes()
        for path in sorted(self.stage.spool.rglob("*")):
            if path.is_file():
                yield f"spool/{path.relative_to(self.stage.spool)}", path.read_bytes()
        for line in _OURS.findall(self.stage.log.read_bytes()):
            yield "gunicorn.log, tocsin's lines", line
        for answer in self.played.answers:
            if answer.status >= 400:
                yield f"answer {answer.status} to {answer.visit.path.partition('?')[0]}", _as_bytes(answer)

    def _is_open_at(self, line: Line, moment_s: float) -> bool:
        """Tell whether a request got no answer, or one that broke off after a moment: a stream may break by itself."""
        answer = self.answer_of.get(line.request_id)
        return answer is None or answer.status == 0 or (answer.is_cut and answer.ended_at_s >= moment_s)


def _json_lines(path: Path) -> list[dict[str, Any]]:
    files: Sequence[Path] = sorted(path.parent.glob(path.name + "*"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def _as_bytes(answer: Any) -> bytes:
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    return headers.encode() + b"\n\n" + bytes(answer.body)
