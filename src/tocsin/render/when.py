"""An aware time and a zone go in; ISO-like local text with its UTC offset leaves."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

__all__ = ["clock", "ended", "span", "stamp"]


def stamp(moment: datetime, zone: tzinfo | None = None) -> str:
    """Return ``2026-11-22 03:41:07 +01:00``; without ``zone`` in the system's own."""
    local = _local(moment, zone)
    return f"{local:%Y-%m-%d %H:%M:%S} {_offset(local)}"


def clock(moment: datetime, at: datetime, zone: tzinfo | None = None) -> str:
    """Return ``03:41``, with its date before it unless that is the date of ``at``."""
    local = _local(moment, zone)
    return f"{local:%H:%M}" if local.date() == _local(at, zone).date() else f"{local:%Y-%m-%d %H:%M}"


def ended(start: datetime, end: datetime, zone: tzinfo | None = None) -> str:
    """Return the end of a period that a `stamp` began: its time alone if both lie on one local day."""
    local = _local(end, zone)
    same_day = local.date() == _local(start, zone).date()
    return f"{local:%H:%M:%S}" if same_day else stamp(end, zone)


def span(duration: timedelta) -> str:
    """Return a duration in its largest fitting unit: ``45 s``, ``12 min``, ``3.5 h``, ``2.1 d``."""
    seconds = max(duration.total_seconds(), 0.0)
    for unit, unit_s in (("d", 86400.0), ("h", 3600.0)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _local(moment: datetime, zone: tzinfo | None) -> datetime:
    """Return the moment in a zone; as it is where that has no time for it: Windows' own has none before 1970."""
    try:
        return moment.astimezone(zone)
    except (OSError, OverflowError):
        return moment


def _offset(local: datetime) -> str:
    offset = f"{local:%z}" or "+0000"
    return f"{offset[:3]}:{offset[3:5]}"
