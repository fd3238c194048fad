"""What a process holds: a pid goes in; its resident memory in kilobytes leaves, as the kernel counts it."""

from __future__ import annotations

from pathlib import Path

from measure import Skipped

__all__ = ["resident_kb"]


def resident_kb(pid: int | str = "self") -> dict[str, float]:
    """Return RSS and PSS, in which a page that n processes share counts for an nth."""
    path = Path(f"/proc/{pid}/smaps_rollup")
    if not path.exists():
        raise Skipped("resident memory is read from /proc/PID/smaps_rollup, which this system hasn't got")
    lines = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    found = {words[0]: float(words[1]) for words in lines if len(words) == 3}
    return {"rss_kb": found["Rss:"], "pss_kb": found["Pss:"]}
