"""The settings of sinks that tell people: raw values go in; how often they are told leaves, in routing's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from typing import Any, Final

from tocsin.config.setting import Setting, count, duration_s
from tocsin.event.limits import RATE_BUCKET_S, RATE_WINDOW_S

__all__ = ["TELLING", "policy_of"]

_HOUR: Final = re.compile(r"([01]?\d|2[0-3]):00")
_CLOCK: Final = r"([01]?\d|2[0-3]):([0-5]\d)"
_HOURS: Final = re.compile(rf"{_CLOCK}\s*[-–]\s*{_CLOCK}")
_DAY_S: Final = 86_400.0
_ALIVE_DAYS: Final = {"off": 0.0, "daily": 1.0, "weekly": 7.0}


def _hour(value: Any) -> int:
    """Parse a full hour of the day, such as 08:00."""
    match = _HOUR.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a full hour such as 08:00")
    return int(match[1])


def _quiet_hours(value: Any) -> tuple[time, time] | None:
    """Parse hours such as 22:00-07:00; None where they are off."""
    word = value.strip().lower() if isinstance(value, str) else None
    if word in ("", "off"):
        return None
    match = _HOURS.fullmatch(word) if word is not None else None
    if match is None:
        raise ValueError("must be hours such as 22:00-07:00, or off")
    hours = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
    if hours[0] == hours[1]:
        raise ValueError("must end at another time than they begin: people would never be told")
    return hours


def _alive_days(value: Any) -> float:
    """Parse off, daily, weekly, or whole days such as 14d; they leave as days."""
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in _ALIVE_DAYS:
        return _ALIVE_DAYS[word]
    try:
        days = duration_s(word) / _DAY_S if word[-1:] in ("d", "w") else 0.0
    except ValueError:
        days = 0.0
    if days != int(days) or not 1 <= days <= 366:
        raise ValueError("must be off, daily, weekly, or whole days such as 14d, at most 366d")
    return days


def _window_s(value: Any) -> float:
    """Parse the time within which warnings are counted; no longer is remembered of them."""
    seconds = duration_s(value)
    if not RATE_BUCKET_S <= seconds <= RATE_WINDOW_S:
        raise ValueError(f"must be from {RATE_BUCKET_S} s to {RATE_WINDOW_S // 60} minutes, such as 5m")
    return seconds


TELLING: Final = (
    Setting("first_within", duration_s, 10.0, "a new fault is told within this time", "s", "duration"),
    Setting("gather", duration_s, 300.0, "further new faults within this time share one notice", "s", "duration"),
    Setting("silence", duration_s, 3600.0, "a fault silent for so long has gone quiet", "s", "duration"),
    Setting("update_interval", duration_s, 3600.0, "at most one update of a fault in this time", "s", "duration"),
    Setting("cap_per_hour", count, 10, "notices an hour over all faults; past it, summaries", "notices", "number"),
    Setting("digest_at", _hour, 8, "when the daily digest leaves, in local time", "", "HH:00"),
    Setting("warnings_at_once", count, 50, "more warnings of a sort than these are told at once", "", "number"),
    Setting("warnings_within", _window_s, 300.0, "… if they happen within this time", "s", "duration"),
    Setting(
        "quiet_hours",
        _quiet_hours,
        None,
        "such as 22:00-07:00, in local time: then only what is critical and new tracebacks are told; the rest follows "
        "when they end",
        type_name="HH:MM-HH:MM",
    ),
    Setting(
        "alive",
        _alive_days,
        0.0,
        "how often a notice says that tocsin works: off, daily, weekly, or days such as 14d",
        "days",
        "word or days",
    ),
)

# Setting → the name and unit that routing's policy has for it: routing is a floor above the sinks.
_NAMES: Final = {
    "first_within": "first_within_s",
    "gather": "gather_s",
    "silence": "silence_s",
    "update_interval": "update_interval_s",
    "cap_per_hour": "cap_per_hour",
    "digest_at": "digest_hour",
    "warnings_at_once": "warnings_at_once",
    "warnings_within": "warnings_within_s",
    "quiet_hours": "quiet_hours",
    "alive": "alive_days",
}


def policy_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the policy that validated options ask for."""
    return {name: options[key] for key, name in _NAMES.items()}
